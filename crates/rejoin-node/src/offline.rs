//! A memory without a node: read from its store, asked through the same engine a node runs, and
//! written back. Nothing is dialled. Of more than memory has room for the best are read, and the others
//! looked up in the store as they are needed.

use rejoin::{
    Choice, Command, Config, DialTrace, Explanation, PeerKey, PeerRecord, Pool, Purpose, Snapshot,
    Source, Status, Time,
};
use rejoin_core::{Engine, Event, Input, Output, retention::PruneReport};
use rejoin_store::{Notice, Opened, PeerStore, StoreError};

use crate::{
    answer::{Answer, NodeFacts},
    checkup::{self, Memory},
    failure::Failure,
    identity,
    limits::Limits,
    listing::Listing,
    mind::{self, Mind},
    print,
    question::{Hearsay, Query, Question},
    settings::Place,
};

/// A memory, taken off its shelf.
pub struct Offline {
    engine: Engine,
    store: Box<dyn PeerStore + Send>,
    facts: NodeFacts,
    now: Time,
}

/// Peers read at once.
const PAGE: usize = 1_000;

impl Offline {
    /// Reads the memory at this place, as of `now`, and says what was found wrong with it. A place
    /// where nothing was ever kept reads as empty, and is not created.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn open(place: &Place, now: Time) -> Result<(Self, Vec<Notice>), Failure> {
        Self::of(place, store(place, now)?, now)
    }

    /// As [`Self::open`], and tells the user what was found wrong.
    ///
    /// # Errors
    /// As there.
    pub fn open_aloud(place: &Place, now: Time) -> Result<Self, Failure> {
        Self::open(place, now).map(aloud)
    }

    /// As [`Self::open_aloud`], but makes the place if nothing was ever kept there.
    ///
    /// # Errors
    /// If the store cannot be made or read.
    pub fn open_or_create(place: &Place, now: Time) -> Result<Self, Failure> {
        place.folder.create()?;
        Self::of(place, unsealed(place, now)?, now).map(aloud)
    }

    fn of(place: &Place, opened: Opened, now: Time) -> Result<(Self, Vec<Notice>), Failure> {
        let mut store = opened.store;
        let limits = Limits::load(&place.folder)?;
        let memory = store.memory()?;
        let peers = best(store.as_mut(), limits.hot)?;
        let shelved = store.count()?.saturating_sub(peers.len());
        let snapshot = Snapshot { memory, peers };
        let config = Config {
            target: 0,           // nobody is to be dialled
            hot_max: usize::MAX, // all that is held is what was read just now
            peers_max: usize::MAX,
            ..limits.put_into(Config::default())
        };
        let facts = NodeFacts {
            version: env!("CARGO_PKG_VERSION").into(),
            peer_id: identity::peer_id(&place.folder)?.map(|peer| peer.to_string()),
            store: place.store.clone(),
            ..NodeFacts::default()
        };
        let mut notices = opened.notice;
        notices.extend(store.repairs().notice());
        let mut engine = Engine::new(config, snapshot, now, 0);
        engine.handle_input(now, Input::Shelved(shelved));
        let offline = Self {
            engine,
            store,
            facts,
            now,
        };
        Ok((offline, notices))
    }

    /// Answers, and saves what the answer changed.
    ///
    /// # Errors
    /// If the question is refused, or the change cannot be saved.
    pub fn ask(mut self, question: &Question) -> Result<Answer, Failure> {
        let now = self.now;
        let shelved = self.status().shelved > 0;
        if let Question::Peers(query) = question
            && shelved
            && query.page.purpose.is_none()
        {
            return self.list(query);
        }
        if let Some(name) = question.about() {
            self.recall(name)?;
        }
        let answer = mind::answer(&mut self, question, now)?;
        if question.is_change() {
            self.save()?;
        }
        Ok(answer)
    }

    /// Lists who is in memory, and who is not.
    fn list(mut self, query: &Query) -> Result<Answer, Failure> {
        let listing = Listing::begin(&self, query, self.now)?.beside(&self);
        let halfway = listing.go_through(self.store.as_mut(), || true)?;
        Ok(Answer::Peers(halfway.and_memory(&self)))
    }

    /// Takes into memory whom this names, if it is in the store alone.
    fn recall(&mut self, name: &str) -> Result<(), StoreError> {
        if mind::find(self, name).is_err()
            && let Some(key) = mind::in_store(self, name)
        {
            let found = self.store.get(&key)?.into_iter().collect();
            self.engine.handle_input(self.now, Input::Loaded(found));
        }
        Ok(())
    }

    /// The state of the memory, for the doctor.
    pub fn health(mut self, notices: Vec<Notice>) -> Memory {
        let outputs = std::iter::from_fn(|| self.engine.poll_output());
        let repaired = outputs
            .map(|output| match output {
                Output::Event(Event::Repaired { values }) => values,
                _ => 0,
            })
            .sum();
        Memory {
            notices,
            newest: checkup::newest(self.engine.peers()),
            repaired,
            ..Memory::default()
        }
    }

    fn save(&mut self) -> Result<(), StoreError> {
        self.engine.handle_input(self.now, Input::Shutdown);
        while let Some(output) = self.engine.poll_output() {
            if let Output::Commit(changes) = output {
                self.store.commit(&changes, self.now)?;
                let done = Input::Committed { ok: true };
                self.engine.handle_input(self.now, done);
            }
        }
        Ok(())
    }
}

impl Mind for Offline {
    fn facts(&self) -> NodeFacts {
        self.facts.clone()
    }

    fn status(&self) -> Status {
        let status = self.engine.status(self.now);
        Status {
            waiting_for: None,
            ..status
        }
    }

    fn peers(&self) -> impl Iterator<Item = &PeerRecord> {
        self.engine.peers()
    }

    fn best_for(&self, purpose: Purpose, k: usize) -> Vec<Choice<'_>> {
        self.engine.best_for(purpose, k, self.now)
    }

    fn explain_for(&self, peer: &PeerKey, purpose: Purpose) -> Option<Explanation> {
        self.engine.explain_for(peer, purpose, self.now)
    }

    fn timeline(&self) -> impl Iterator<Item = &DialTrace> {
        self.engine.timeline()
    }

    fn is_connected(&self, _: &PeerKey) -> bool {
        false
    }

    fn prune_dry_run(&self) -> PruneReport {
        self.engine.prune_dry_run(self.now)
    }

    fn command(&mut self, command: Command) {
        self.engine.handle_input(self.now, Input::Command(command));
    }

    fn hear(&mut self, source: Source, told: &Hearsay) {
        let heard = Input::Heard {
            source,
            teller: None,
            peers: vec![(told.peer.clone(), told.addresses.clone())],
        };
        self.engine.handle_input(self.now, heard);
    }
}

/// The store at this place; an empty one, which is not created, where nothing was ever kept.
///
/// # Errors
/// If it cannot be read.
pub fn store(place: &Place, now: Time) -> Result<Opened, Failure> {
    let exists = match place.store.parse()? {
        rejoin_store::Place::Sqlite(path) | rejoin_store::Place::Json(path) => path.exists(),
        rejoin_store::Place::Memory => false,
    };
    match exists {
        true => unsealed(place, now),
        false => Ok(rejoin_store::open("memory:", now)?),
    }
}

fn unsealed(place: &Place, now: Time) -> Result<Opened, Failure> {
    Ok(match place.seal.settle(&place.store)? {
        Some(sealing) => rejoin_store::open_sealed(&place.store, &sealing, now)?,
        None => rejoin_store::open(&place.store, now)?,
    })
}

fn aloud((offline, notices): (Offline, Vec<Notice>)) -> Offline {
    for notice in notices {
        print::aside(&notice.to_string());
    }
    offline
}

/// The best of each pool, as many as there is room for.
fn best(store: &mut dyn PeerStore, room: usize) -> Result<Vec<PeerRecord>, StoreError> {
    let mut peers: Vec<PeerRecord> = Vec::new();
    for pool in [Pool::Proven, Pool::Hearsay] {
        let (mut left, mut after) = (room, None);
        while left > 0 {
            let page = store.ranked(pool, after.as_ref(), left.min(PAGE))?;
            left -= page.peers.len();
            peers.extend(page.peers);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(peers)
}
