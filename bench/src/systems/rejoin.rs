//! Rejoin: the engine with its memory, and the SQLite store beneath it.

use std::{path::Path, sync::mpsc, time::Duration};

use rejoin_core::{
    Address, Changes, Config, Connected, ConnectionKind, Deed, Direction, Engine, Identified,
    Input, Output, PeerKey, Scope, Snapshot, Time, retention::Rule,
};
use rejoin_store::{
    Mode, PeerStore, SealKey, Sealing,
    writer::{Report, Writer},
};

use super::System;
use crate::peers::Peer;

pub struct Rejoin {
    engine: Engine,
    store: Box<dyn PeerStore + Send>,
    now: Time,
    /// Handed out and not saved yet; the engine waits for the answer before it hands out more.
    commit: Option<Changes>,
    /// Peers it holds in memory; the others are in the store alone.
    hot: usize,
    /// Peers taken in since the last save.
    unsaved: usize,
}

/// Some day in 2026.
const BEGIN: Time = Time::from_millis(1_790_000_000_000);

/// From one newcomer to the next: a crawler meets a thousand a second. No two of them rank the same.
const BETWEEN: Duration = Duration::from_millis(1);

/// The only peer it is connected with.
const HELD: [u8; 32] = [0xff; 32];

/// How many it holds in memory if it does not hold all.
const HOT: usize = 100_000;

/// Who holds no more than that saves whenever it has taken in so many.
const SAVED_AT_ONCE: usize = 50_000;

/// What a start reads before its first dial.
const FIRST: usize = 200;

impl Rejoin {
    pub fn open(folder: &Path) -> Self {
        Self::over(start(folder, None), usize::MAX)
    }

    /// With no more than [`HOT`] in memory.
    pub fn open_hot(folder: &Path) -> Self {
        Self::over(start(folder, None), HOT)
    }

    /// With everything sealed by a key that the program holds, so that none has to be made of words.
    pub fn open_sealed(folder: &Path) -> Self {
        let sealing = Sealing {
            mode: Mode::All,
            key: SealKey::raw([7; 32]),
        };
        Self::over(start(folder, Some(&sealing)), usize::MAX)
    }

    fn over(mut store: Box<dyn PeerStore + Send>, hot: usize) -> Self {
        let snapshot = Snapshot {
            memory: store.memory().expect("a sound store"),
            peers: store.best(FIRST).expect("a sound store"),
        };
        // Whoever keeps so many has a use for them, and does not dial.
        let config = Config {
            target: 1,
            low_water: 1,
            retention: vec![Rule::ProvenCap(usize::MAX)],
            peers_max: usize::MAX,
            hot_max: hot,
            save_timeout: Duration::MAX, // it saves when it is told to
            prune_every: Duration::MAX,  // house-keeping is no part of meeting somebody
            sleeps_after: Duration::MAX, // the one it holds may be silent: it looks for no other
            ..Config::default()
        };
        let mut rejoin = Self {
            engine: Engine::new(config, snapshot, BEGIN, 1),
            store,
            now: BEGIN,
            commit: None,
            hot,
            unsaved: 0,
        };
        rejoin.meet(
            &key(&HELD),
            "/ip4/9.9.9.9/tcp/4001".parse().expect("an address"),
        );
        rejoin
    }

    fn tell(&mut self, input: Input) {
        self.engine.handle_input(self.now, input);
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Commit(changes) => self.commit = Some(changes),
                Output::Recall(whom) => {
                    let found = self.store.recall(&whom).expect("a sound store");
                    self.engine.handle_input(self.now, Input::Recalled(found));
                }
                _ => {}
            }
        }
    }

    fn holds_all(&self) -> bool {
        self.hot == usize::MAX
    }

    /// Until a commit is due again.
    fn wait(&mut self) {
        self.now = self.now + Config::default().save_every;
        self.tell(Input::Tick);
    }

    fn meet(&mut self, peer: &PeerKey, address: Address) {
        let met = Input::Connected(Connected {
            peer: peer.clone(),
            address,
            direction: Direction::Outbound(None),
            kind: ConnectionKind::Direct,
            failures: Vec::new(),
        });
        self.tell(met);
    }

    fn part(&mut self, peer: PeerKey) {
        self.tell(Input::Disconnected { peer });
    }
}

/// As a node opens its store.
fn start(folder: &Path, sealing: Option<&Sealing>) -> Box<dyn PeerStore + Send> {
    let url = format!("sqlite:{}", folder.join("peers.db").display());
    let opened = rejoin_store::open_for_start(&url, sealing, BEGIN);
    opened.expect("a store").store
}

fn key(id: &[u8; 32]) -> PeerKey {
    PeerKey::new(id).expect("short enough")
}

impl System for Rejoin {
    /// It meets them, for whom it only heard of it keeps apart from those it knows.
    fn insert(&mut self, peers: &[Peer]) -> Option<()> {
        for peer in peers {
            let key = key(&peer.id);
            let addresses = peer.addresses.map(Address::from);
            self.meet(&key, addresses[0].clone());
            self.tell(Input::Identified(Identified {
                peer: key.clone(),
                addresses: addresses.into(),
                agent: String::new(),
                protocols: Vec::new(),
                public_key: Vec::new(),
                scope: Scope::Public,
            }));
            self.part(key);
            self.now = self.now + BETWEEN;
        }
        self.unsaved += peers.len();
        match self.holds_all() || self.unsaved < SAVED_AT_ONCE {
            true => Some(()),
            false => self.save(), // who is not saved cannot be let go
        }
    }

    /// A dial would be a meeting and a parting; what others count for it is one piece of evidence.
    fn update(&mut self, peer: &Peer) -> Option<()> {
        let key = key(&peer.id);
        if !self.holds_all() && self.engine.peer(&key).is_none() {
            let [address, _] = peer.addresses.map(Address::from);
            self.meet(&key, address);
            self.part(key);
            return Some(());
        }
        let good = Deed::TransferOk {
            bytes_in: 1,
            bytes_out: 1,
        };
        self.tell(Input::Judged {
            peer: key,
            deed: good,
        });
        Some(())
    }

    fn best(&mut self, k: usize) -> Option<usize> {
        Some(self.engine.best(k).len())
    }

    fn save(&mut self) -> Option<()> {
        self.unsaved = 0;
        self.wait();
        while let Some(changes) = self.commit.take() {
            self.store.commit(&changes, self.now).expect("room");
            self.tell(Input::Committed { ok: true });
            self.wait();
        }
        Some(())
    }

    /// As a node does after a start: a thread of its own reads the next page while one is taken in.
    fn load(&mut self) -> Option<()> {
        let nothing = rejoin_store::open("memory:", BEGIN).expect("memory").store;
        let store = std::mem::replace(&mut self.store, nothing);
        let (to, reports) = mpsc::channel();
        let report = move |report| to.send(report).expect("whoever asked waits");
        let known = self.engine.peers().map(|record| record.key.clone());
        let writer = Writer::spawn(store, known.collect(), self.hot, report).expect("a thread");
        let mut more = writer.load();
        while more {
            let Report::Loaded { peers, more: next } = reports.recv().expect("an answer") else {
                continue;
            };
            more = next && writer.load();
            self.tell(Input::Loaded(peers));
        }
        Some(())
    }
}
