//! The whole mind, put together: one way in, one way out.
//!
//! The engine forwards what happens to the machine whose concern it is and, after every input,
//! asks each what is due. It keeps no facts of its own beside a few deadlines.
//!
//! Here are its surface and its parts; what each input changes stands in `happened`, what peers tell
//! each other in `exchanged`, what the user wants in `wanted`, how others reach us in `reached`, what
//! is due in `due`, how sources are asked in `asking`, which connections last in `upkeep`.

mod asking;
mod due;
mod exchanged;
mod happened;
mod reached;
mod shelved;
mod upkeep;
mod wanted;

use std::collections::VecDeque;

use fastrand::Rng;

use crate::{
    book::Book,
    choose::{Choice, Chooser, Purpose},
    config::Config,
    dialer::{Dialer, Flight},
    directory::Directory,
    exchange::Exchange,
    head_start::HeadStart,
    input::{AddressFailure, Command, Input},
    key::PeerKey,
    links::Links,
    memory::Memory,
    outage::OutageGuard,
    output::{Event, Output, Timeout},
    reach::Reach,
    reachable::Reachable,
    record::{PeerRecord, Pool},
    relays::Relays,
    reputation,
    retention::PruneReport,
    scene::Scene,
    score::{self, Explanation},
    sources::Sources,
    status::{DialTrace, Numbers, Status},
    tally::Tally,
    time::Time,
};

/// What is known at the start: the best part of the memory, enough for the first dials.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// What is remembered beside the peers; `None` if there is no memory yet.
    pub memory: Option<Memory>,
    /// Anchors and the best peers, in any order.
    pub peers: Vec<PeerRecord>,
}

/// Decides whom to keep, whom to dial, and when. Does no I/O, reads no clock.
///
/// The caller repeats three steps: give one [`Input`], take every [`Output`], then sleep until
/// [`Engine::poll_timeout`] or the next input, whichever is first.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    rng: Rng,
    book: Book,
    links: Links,
    dialer: Dialer,
    sources: Sources,
    exchange: Exchange,
    guard: OutageGuard<Verdict>,
    reach: Reach,
    reachable: Reachable,
    relays: Relays,
    tally: Tally,
    schedule: Schedule,
    outputs: VecDeque<Output>,
}

/// What failed, and what to do about it once it is clear whose fault it was.
#[derive(Clone, Debug)]
enum Verdict {
    Dial(Flight, Vec<AddressFailure>),
    Directory(Directory),
}

/// When what is due next.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    now: Time,
    /// How long the memory races alone.
    head_start: HeadStart,
    check_at: Time,
    feeler_at: Time,
    discover_at: Time,
    prune_at: Time,
    pruned: Time,
    /// Not before this are connections closed for being too many.
    trim_at: Time,
    /// Not before this is a server asked whether there is anybody but those who came to us.
    second_opinion_at: Time,
    /// Sources were named in the last input, and more may follow: drawing among the
    /// first of them only would send everybody with the same list to its first entry.
    naming: bool,
    /// How far we have what we want.
    standing: Standing,
    /// We are about to stop; the number is how many commits had failed in a row by then.
    stopping: Option<u32>,
}

/// How far we have the connections we want. Each step is told, or acted upon, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// There are fewer than the target.
    Missing,
    /// There are enough, but too few that we dialled.
    Reached,
    /// There are enough of both.
    Settled,
}

impl Engine {
    /// Begins at `now` with what is remembered. The same config, snapshot, seed and inputs give the
    /// same outputs.
    pub fn new(config: Config, snapshot: Snapshot, now: Time, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let (sources, talk) = (Sources::new(rng.fork()), rng.fork());
        let (book, repaired) = Book::new(snapshot.memory, now, &config, &mut rng);
        let mut engine = Self {
            schedule: Schedule {
                now,
                head_start: HeadStart::at_start(now, &snapshot.peers, &config, &mut rng),
                check_at: now + config.check_every,
                feeler_at: now + config.feeler_every,
                discover_at: now,
                prune_at: now + config.prune_every,
                pruned: now,
                trim_at: now,
                second_opinion_at: now,
                naming: false,
                standing: Standing::Missing,
                stopping: None,
            },
            reach: Reach::new(config.me.clone()),
            config,
            rng,
            book,
            links: Links::default(),
            dialer: Dialer::default(),
            sources,
            exchange: Exchange::new(talk),
            guard: OutageGuard::default(),
            reachable: Reachable::default(),
            relays: Relays::default(),
            tally: Tally::default(),
            outputs: VecDeque::new(),
        };
        engine.tally.restart(now);
        engine.dialer.restart(now);
        engine.load(now, snapshot.peers, repaired);
        engine
    }

    /// Takes in what has happened. A `now` before the last one counts as that.
    pub fn handle_input(&mut self, now: Time, input: Input) {
        let before = self.schedule.now;
        let now = now.max(before);
        self.schedule.now = now;
        if now.since(before) > self.config.sleep_gap {
            self.woke(now);
        }
        let names = |command: &Command| {
            matches!(
                command,
                Command::AddBootstrap { .. } | Command::AddDirectory(_)
            )
        };
        self.schedule.naming = matches!(&input, Input::Command(command) if names(command));
        match input {
            Input::Tick => {}
            Input::Connected(connected) => {
                self.note_visit(&connected);
                self.connected(now, connected);
            }
            Input::Rerouted(rerouted) => self.rerouted(now, rerouted),
            Input::Disconnected { peer } => self.disconnected(now, &peer),
            Input::DialFailed { dial, failures } => self.dial_failed(now, dial, failures),
            Input::DialNotMade { dial } => self.not_made(now, dial),
            Input::Identified(told) => {
                self.heard_from(now, &told.peer, None);
                self.links.told(&told, &self.config);
                self.book.identified(now, &told, &self.reach);
                self.exchange.newcomer(now, &self.config);
            }
            Input::Latency { peer, rtt } => self.latency(now, &peer, rtt),
            Input::Received { peer } => {
                self.heard_from(now, &peer, None);
                self.book.seen(now, &peer, None, &self.config);
            }
            Input::Heard {
                source,
                teller,
                peers,
            } => self.heard(now, &source, teller, peers),
            Input::Signed(own) => self.exchange.signed(own),
            Input::PeersAsked {
                peer,
                question,
                own,
            } => self.peers_asked(now, &peer, question, own),
            Input::PeersTold { peer, words } => self.peers_told(now, &peer, words),
            Input::PeersNotTold { peer } => self.exchange.was_barren(now, &peer, &self.config),
            Input::Gossiped { peer, words } => self.gossiped(now, &peer, words),
            Input::Judged { peer, deed } => self.judged(now, peer, deed),
            Input::Consulted { ask, found } => self.consulted(now, ask, found),
            Input::Moved {
                own,
                networks,
                place,
            } => {
                let place = place.map(|named_by| self.book.place(&named_by));
                // Learning where we are is no move; leaving a place we knew is.
                let before = self.reach.place();
                let elsewhere = before.is_some() && place.is_some() && place != before;
                self.reach.set_local(own, networks, self.config.local_max);
                self.exchange.moved();
                self.reach.set_place(place);
                self.dialer.reorder();
                if elsewhere {
                    self.reachable.moved();
                    self.woke(now);
                }
            }
            Input::Tested {
                address,
                by,
                outcome,
            } => self.tested(now, address, &by, outcome),
            Input::Reserved { relay } => self.slot_kept(now, &relay),
            Input::NotReserved { relay } => self.slot_lost(now, &relay),
            Input::Woke => self.woke(now),
            Input::Command(command) => self.command(now, command),
            Input::Loaded(peers) => self.load(now, peers, 0),
            Input::Shelved(count) => self.shelved(count),
            Input::Recalled(found) => self.recalled(now, found),
            Input::Committed { ok } => self.book.end_commit(now, ok),
            Input::Shutdown => self.shutdown(now),
        }
        self.drive(now);
        self.check_invariants();
    }

    /// What is to be done next, until there is nothing.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to come back at the latest.
    pub fn poll_timeout(&self) -> Option<Timeout> {
        let now = self.schedule.now;
        let due = |at: Time, reason| Some(Timeout { at, reason });
        let saving = self.book.unsaved().timeout(&self.config);
        if self.schedule.stopping.is_some() {
            return saving.filter(|_| self.is_worth_saving());
        }
        let missing = self.missing() > 0;
        let probing = self.guard.probe_at();
        let racing = missing && probing.is_none();
        let dialling = (missing || self.short() > 0) && probing.is_none();
        [
            due(
                now + self.config.nap_max,
                "nothing; a longer gap would mean sleep",
            ),
            saving,
            self.schedule
                .naming
                .then(|| due(now, "sources, once all are named"))
                .flatten(),
            self.dialer.timeout(now),
            probing
                .filter(|_| missing)
                .and_then(|at| due(at, "the next probe of our own line")),
            racing.then(|| self.sources_timeout()).flatten(),
            self.question_timeout(),
            self.dialer
                .ready_at()
                // Who is ready already waits for a place, not for a moment.
                .filter(|at| dialling && *at > now)
                .and_then(|at| due(at, "a resting peer to be dialled again")),
            due(
                self.schedule.check_at,
                "the next look at how many are connected",
            ),
            due(self.schedule.feeler_at, "the next feeler").filter(|_| !missing),
            due(self.schedule.prune_at, "the memory to be pruned"),
            self.links
                .next_decision(&self.config)
                .and_then(|at| due(at, "a lost peer to return")),
            self.links
                .look_at()
                .and_then(|at| due(at, "connections to show life")),
            self.trim_at()
                .and_then(|at| due(at, "connections to be closed, being too many")),
            self.exchange.timeout(self.links.is_empty()),
            self.slots_timeout(now),
        ]
        .into_iter()
        .fold(None, Timeout::earlier)
    }

    /// The state of things.
    pub fn status(&self, now: Time) -> Status {
        Status {
            connections: self.links.len(),
            asleep: self.links.len() - self.links.live(),
            outbound: self.links.outbound(),
            outbound_reserved: self.config.reserve(),
            target: self.config.target,
            proven: self.book.count(Pool::Proven),
            shelved: self.book.shelved(),
            hearsay: self.book.count(Pool::Hearsay),
            dials: self.dialer.len(),
            outage_since: self.guard.since(),
            numbers: self.numbers(),
            sources: self.sources.status(now, &self.config),
            storage: self.book.unsaved().status(),
            reach: self.reach_status(),
            waiting_for: self.poll_timeout().map(|timeout| timeout.reason),
        }
    }

    /// The counts of the current return to the network.
    pub fn numbers(&self) -> Numbers {
        self.tally.numbers()
    }

    /// The dials of the current return to the network, oldest first.
    pub fn timeline(&self) -> impl Iterator<Item = &DialTrace> {
        self.tally.timeline()
    }

    /// Everybody in memory, in no order that means anything; the same after the same inputs.
    pub fn peers(&self) -> impl Iterator<Item = &PeerRecord> {
        self.book.iter()
    }

    /// The `k` proven peers with the highest rank, the best first; what they did lately does not
    /// count here.
    pub fn best(&self, k: usize) -> Vec<&PeerRecord> {
        self.book.best_first().take(k).collect()
    }

    /// The `k` peers that suit a purpose best, the best first; fewer if fewer do at all.
    pub fn best_for(&self, purpose: Purpose, k: usize, now: Time) -> Vec<Choice<'_>> {
        self.chooser(purpose, now).best(self.book.iter(), k)
    }

    /// Why a peer suits a purpose as well as it does; `None` if it is unknown.
    pub fn explain_for(&self, key: &PeerKey, purpose: Purpose, now: Time) -> Option<Explanation> {
        let record = self.book.get(key)?;
        Some(self.chooser(purpose, now).explain(record))
    }

    /// How we stand to a peer, from −100 to 1; see [`reputation::standing`]. A stranger is at 0.
    pub fn standing(&self, key: &PeerKey, now: Time) -> f64 {
        let record = self.book.get(key);
        record.map_or(0.0, |record| reputation::standing(record, now))
    }

    /// One peer's record.
    pub fn peer(&self, key: &PeerKey) -> Option<&PeerRecord> {
        self.book.get(key)
    }

    /// What is remembered beside the peers.
    pub fn memory(&self) -> &Memory {
        self.book.memory()
    }

    /// Whether a peer is connected.
    pub fn is_connected(&self, key: &PeerKey) -> bool {
        self.links.contains(key)
    }

    /// How many peers are connected.
    pub fn connections(&self) -> usize {
        self.links.len()
    }

    /// Nothing waits to be saved, and no commit is under way.
    pub fn is_saved(&self) -> bool {
        self.book.unsaved().is_settled()
    }

    /// Why a peer has the score it has; `None` if it is unknown.
    pub fn explain(&self, key: &PeerKey, now: Time) -> Option<Explanation> {
        self.book.get(key).map(|record| score::explain(record, now))
    }

    /// What the retention rules would do now, and why.
    pub fn prune_dry_run(&self, now: Time) -> PruneReport {
        self.book
            .prune_plan(now, &self.config, |record| self.links.contains(&record.key))
    }

    /// The limits in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    fn chooser(&self, purpose: Purpose, now: Time) -> Chooser<'_> {
        let survival = &self.book.memory().survival;
        Chooser {
            purpose,
            survival,
            now,
        }
    }

    /// The dialer, what it sees, and what it draws from.
    fn survey(&mut self, now: Time) -> (&mut Dialer, Scene<'_>, &mut Rng) {
        let scene = Scene {
            now,
            book: &self.book,
            links: &self.links,
            reach: &self.reach,
            config: &self.config,
        };
        (&mut self.dialer, scene, &mut self.rng)
    }

    /// The exchange and what it sees.
    fn company(&mut self, now: Time) -> (&mut Exchange, Scene<'_>) {
        let scene = Scene {
            now,
            book: &self.book,
            links: &self.links,
            reach: &self.reach,
            config: &self.config,
        };
        (&mut self.exchange, scene)
    }

    fn missing(&self) -> usize {
        self.config.target.saturating_sub(self.links.peers())
    }

    fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// What we believe of ourselves, whatever peers, files and users send.
    fn check_invariants(&self) {
        assert!(
            self.dialer.len() <= self.config.dials_max.max(1),
            "more dials in the air than allowed"
        );
        assert!(
            self.links.len() <= self.config.connections_max,
            "more connections tracked than allowed"
        );
        assert!(
            self.relays.len() <= self.config.relays_max,
            "more relays than allowed"
        );
        assert!(
            self.schedule.stopping.is_none() || self.dialer.is_empty(),
            "a dial in the air while stopping"
        );
        assert!(
            self.dialer.peers().all(|peer| !self.links.contains(peer)),
            "dialling a connected peer"
        );
    }
}
