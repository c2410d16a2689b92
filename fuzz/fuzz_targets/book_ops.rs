//! Whatever happens to an engine, in whatever order, a few plain sets know what must hold: nobody counts
//! as connected or proven without an authenticated connection, hearsay evicts and changes no proven
//! peer, the pools stay within their limits, who is forgotten is gone, and what is saved is what is
//! known. Every op is a deed of the engine's own property test.

#![no_main]

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use libfuzzer_sys::fuzz_target;
use rejoin_core::{
    Changes, Command, Config, Input, PeerKey, PeerRecord, Pool, Snapshot, retention::Fate,
};

// The engine's own tests play the same network.
#[path = "../../crates/rejoin-core/tests/common/mod.rs"]
mod common;
#[path = "../../crates/rejoin-core/tests/common/ops.rs"]
mod ops;

use common::{HOUR, Node, friends, key, met};
use ops::{Op, name, run};

fuzz_target!(|ops: Vec<Op>| {
    let mut world = World::new();
    for op in ops.into_iter().take(120) {
        world.run(op);
    }
    world.ends_well();
});

struct World {
    node: Node,
    /// Whom we were ever connected with, as far as we remember.
    met: BTreeSet<PeerKey>,
    /// Who is connected now.
    linked: BTreeSet<PeerKey>,
    /// Who is in memory for another reason than what others said.
    named: BTreeSet<PeerKey>,
    /// Commits the store has not answered yet.
    unanswered: VecDeque<Changes>,
    disk: BTreeMap<PeerKey, PeerRecord>,
    /// Who is on the disk and has not been read yet.
    unread: BTreeSet<PeerKey>,
}

impl World {
    fn new() -> Self {
        let config = Config {
            me: Some(key("n3")),
            connections_high: 20,
            connections_low: 16,
            connections_max: 30,
            hearsay_buckets: 4,
            hearsay_bucket_size: 8,
            hearsay_buckets_per_source: 2,
            peers_max: 100,
            ..Config::default()
        };
        let peers = friends(20);
        let keys: BTreeSet<_> = peers.iter().map(|record| record.key.clone()).collect();
        let unread = (40..48).map(|n| met(&name(n), n.into(), HOUR, 30.0));
        let unread: Vec<_> = unread.collect();
        let saved = peers.iter().chain(&unread);
        let mut world = Self {
            disk: saved.map(|it| (it.key.clone(), it.clone())).collect(),
            unread: unread.into_iter().map(|it| it.key).collect(),
            node: Node::with(
                config,
                Snapshot {
                    memory: None,
                    peers,
                },
            ),
            met: keys.clone(),
            named: keys,
            linked: BTreeSet::new(),
            unanswered: VecDeque::new(),
        };
        world.node.store_answers = false;
        // The first commit was answered before we could say otherwise.
        for changes in std::mem::take(&mut world.node.commits) {
            world.save(changes);
        }
        world.is_sound();
        world
    }

    fn run(&mut self, op: Op) {
        let (op, teller) = match op {
            // A store gives what it has.
            Op::Load(who, _) if self.disk.contains_key(&key(&name(who))) => {
                let saved = self.disk[&key(&name(who))].clone();
                self.node.tell(Input::Loaded(vec![saved]));
                return self.is_sound();
            }
            Op::Hear(..) => (op, None),
            Op::Tell(by, _) | Op::Gossip(by, _) => (op, Some(key(&name(by)))),
            other => {
                run(&mut self.node, other);
                return self.is_sound();
            }
        };
        // That time passes and that somebody speaks at all changes things, too.
        self.node.tell(Input::Tick);
        if let Some(peer) = teller.clone() {
            self.node.tell(Input::Received { peer });
        }
        self.is_sound();
        let before = self.proven();
        let doomed = self.node.engine.prune_dry_run(self.node.now).fates;
        let doomed: BTreeSet<_> = doomed.into_iter().map(|sentence| sentence.peer).collect();
        run(&mut self.node, op);
        for (peer, record) in before {
            if doomed.contains(&peer) || Some(&peer) == teller.as_ref() {
                continue;
            }
            let now = self.node.engine.peer(&peer).expect("nobody was evicted");
            assert_eq!(facts(now), facts(&record), "others changed it");
        }
        self.is_sound();
    }

    /// Takes in what was told and done, and looks whether all of it fits together.
    fn is_sound(&mut self) {
        for input in std::mem::take(&mut self.node.told) {
            self.was_told(input);
        }
        self.unanswered.extend(self.node.commits.drain(..));
        self.node.others.clear();
        self.node.events.clear();
        let engine = &self.node.engine;
        let counted = |peer: &&PeerKey| engine.is_connected(peer);
        assert_eq!(
            self.linked.iter().filter(counted).count(),
            engine.connections(),
            "somebody counts without a connection"
        );
        let mut rumoured = 0;
        for record in engine.peers() {
            let met = self.met.contains(&record.key);
            let proven = record.pool() == Pool::Proven || record.last_connected.is_some();
            assert!(met || !proven, "proven without a connection: {record:?}");
            rumoured += usize::from(!met && !self.named.contains(&record.key));
            let mut clean = record.clone();
            assert_eq!(
                clean.sanitise(self.node.now),
                0,
                "unbounded or from the future"
            );
        }
        let seats = engine.config().hearsay_buckets * engine.config().hearsay_bucket_size;
        assert!(rumoured <= seats, "{rumoured} of hearsay");
    }

    fn was_told(&mut self, input: Input) {
        match input {
            Input::Connected(connected) => {
                self.linked.insert(connected.peer.clone());
                // Who is turned away was not met.
                if self.node.engine.is_connected(&connected.peer) {
                    self.met.insert(connected.peer);
                }
            }
            Input::Disconnected { peer } => {
                self.linked.remove(&peer);
            }
            Input::Loaded(records) => {
                for record in records {
                    self.unread.remove(&record.key);
                    if record.last_connected.is_some() {
                        self.met.insert(record.key.clone());
                    }
                    self.named.insert(record.key.clone());
                    self.disk.entry(record.key.clone()).or_insert(record);
                }
            }
            Input::Committed { ok } => {
                if let Some(changes) = self.unanswered.pop_front()
                    && ok
                {
                    self.save(changes);
                }
            }
            Input::Command(command) => self.was_commanded(command),
            _ => {}
        }
    }

    fn was_commanded(&mut self, command: Command) {
        match command {
            Command::Forget(peer) => {
                assert_eq!(self.node.engine.peer(&peer), None, "it was to be forgotten");
                self.linked.remove(&peer);
                self.met.remove(&peer);
                self.named.remove(&peer);
                self.unread.remove(&peer);
            }
            Command::Prune => {
                let now = self.node.now;
                let left = self.node.engine.prune_dry_run(now);
                let stay = left.fates.iter().all(|it| it.fate == Fate::Demote);
                assert!(stay, "it was to be pruned: {left:?}");
            }
            Command::Connect {
                peer: Some(peer), ..
            }
            | Command::AddBootstrap {
                peer: Some(peer), ..
            }
            | Command::AddRelay { relay: peer, .. }
            | Command::Block { peer, .. }
            | Command::Pin(peer) => {
                self.named.insert(peer);
            }
            _ => {}
        }
    }

    fn save(&mut self, changes: Changes) {
        for delta in &changes.peers {
            let key = delta.record.key.clone();
            let joined = delta.onto(self.disk.remove(&key));
            self.disk.insert(key, joined);
        }
        for key in &changes.forgotten {
            self.disk.remove(key);
        }
    }

    fn proven(&self) -> BTreeMap<PeerKey, PeerRecord> {
        let proven = |record: &&PeerRecord| record.pool() == Pool::Proven;
        let proven = self.node.engine.peers().filter(proven);
        proven.map(|it| (it.key.clone(), it.clone())).collect()
    }

    /// All that is known gets saved, and nothing else is.
    fn ends_well(&mut self) {
        self.node.tell(Input::Shutdown);
        self.is_sound();
        while !self.unanswered.is_empty() {
            self.node.tell(Input::Committed { ok: true });
            self.is_sound();
        }
        let engine = &self.node.engine;
        assert!(engine.is_saved());
        assert_eq!(engine.status(self.node.now).dials, 0);
        // Of whom we came to know before their page was read, the disk knows more.
        let read = |it: &&PeerRecord| !self.unread.contains(&it.key);
        let known = engine.peers().filter(read);
        let known: BTreeMap<_, _> = known.map(|it| (&it.key, it.pool())).collect();
        let saved = self.disk.values().filter(read);
        let saved: BTreeMap<_, _> = saved.map(|it| (&it.key, it.pool())).collect();
        assert!(self.unread.iter().all(|key| self.disk.contains_key(key)));
        assert_eq!(saved, known);
    }
}

/// What only our own dealings with a peer may change.
fn facts(record: &PeerRecord) -> impl PartialEq + std::fmt::Debug {
    (
        record.pool(),
        record.first_seen,
        record.last_seen,
        record.last_connected,
        record.last_failed,
        record.evidence.clone(),
        record.control.clone(),
        record.role.bootstrap,
    )
}
