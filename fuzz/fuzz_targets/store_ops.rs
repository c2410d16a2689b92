//! Whatever is done to a store, in whatever order, by one process or by two: it holds what a plain map
//! and the core's own rules for joining give.

#![no_main]

use std::{collections::BTreeMap, time::Duration};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rejoin_core::{
    Changes, Counts, Memory, PeerDelta, PeerKey, PeerRecord, Pool, Time, decay::Decayed, score,
};
use rejoin_fuzz::fixtures::{NOW, all, forgetting, hearsay, key, peer, remembering, saving};
use rejoin_store::PeerStore;
use tempfile::TempDir;

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Scheme {
    Json,
    Sqlite,
    Memory,
}

#[derive(Arbitrary, Debug)]
enum Op {
    /// We were connected with it; the last sign of life may lie ahead of the clock.
    Meet {
        peer: u8,
        dials: f64,
        latency_ms: f32,
        ahead_s: u16,
        anchor: bool,
    },
    Hear {
        first: u8,
        count: u8,
    },
    Forget {
        first: u8,
        count: u8,
    },
    Remember(u8),
    /// Nothing, and what is known already.
    Repeat(u8),
    Pass(u16),
    Reopen,
    /// The other process goes on.
    Turn,
    Get(u8),
    Best(u8),
    Scan {
        after: Option<u8>,
        limit: u8,
    },
}

fuzz_target!(|history: (Scheme, Vec<Op>)| {
    let (scheme, ops) = history;
    let mut world = World::new(scheme);
    for op in ops.into_iter().take(64) {
        world.run(op);
    }
    world.is_as_expected();
    world.reopen();
    world.is_as_expected();
});

/// One of the processes that share a store.
struct Process {
    store: Box<dyn PeerStore>,
    /// The latest time it has been told.
    now: Time,
}

struct World {
    scheme: Scheme,
    folder: TempDir,
    processes: Vec<Process>,
    turn: usize,
    now: Time,
    peers: BTreeMap<PeerKey, PeerRecord>,
    memory: Option<Memory>,
}

impl World {
    fn new(scheme: Scheme) -> Self {
        let mut world = Self {
            scheme,
            folder: tempfile::tempdir().expect("a folder for temporary files"),
            processes: Vec::new(),
            turn: 0,
            now: NOW,
            peers: BTreeMap::new(),
            memory: None,
        };
        let processes = match scheme {
            Scheme::Json | Scheme::Sqlite => 2,
            Scheme::Memory => 1, // nobody else sees it
        };
        for _ in 0..processes {
            let process = world.process();
            world.processes.push(process);
        }
        world
    }

    fn process(&self) -> Process {
        let path = self.folder.path().join("peers");
        let url = match self.scheme {
            Scheme::Json => format!("json:{}", path.display()),
            Scheme::Sqlite => format!("sqlite:{}", path.display()),
            Scheme::Memory => "memory:".into(),
        };
        let opened = rejoin_store::open(&url, self.now).expect("a sound store opens");
        let first = self.processes.is_empty() && self.peers.is_empty() && self.memory.is_none();
        assert!(first || opened.notice.is_empty(), "{:?}", opened.notice);
        Process {
            store: opened.store,
            now: self.now,
        }
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Meet {
                peer: n,
                dials,
                latency_ms,
                ahead_s,
                anchor,
            } => {
                let mut record = peer(n.into());
                record.last_seen = Some(self.now + Duration::from_secs(ahead_s.into()));
                record.control.anchor = anchor;
                record.evidence.latency_ms = Some(latency_ms);
                let unsaved = Counts {
                    dials_ok: Decayed::new(dials, self.now),
                    bytes_in: u64::from(ahead_s) << 48,
                    ..Counts::default()
                };
                self.commit(Changes {
                    peers: vec![PeerDelta { record, unsaved }],
                    ..Changes::default()
                });
            }
            Op::Hear { first, count } => self.commit(saving(some(first, count).map(hearsay))),
            Op::Forget { first, count } => self.commit(forgetting(some(first, count).map(key))),
            Op::Remember(secret) => self.commit(remembering(secret)),
            Op::Repeat(n) => {
                self.commit(Changes::default());
                let known = self.peers.get(&key(n.into())).cloned();
                self.commit(Changes {
                    peers: Vec::from_iter(known.map(|record| PeerDelta {
                        record,
                        unsaved: Counts::default(),
                    })),
                    ..Changes::default()
                });
            }
            Op::Pass(seconds) => self.now = self.now + Duration::from_secs(seconds.into()),
            Op::Reopen => self.reopen(),
            Op::Turn => self.turn = (self.turn + 1) % self.processes.len(),
            Op::Get(n) => self.get(n),
            Op::Best(k) => self.best(k.into()),
            Op::Scan { after, limit } => self.scan(after, limit.into()),
        }
    }

    fn commit(&mut self, changes: Changes) {
        let process = &mut self.processes[self.turn];
        process.now = self.now;
        let committed = process.store.commit(&changes, self.now);
        committed.expect("a sound store takes changes");
        for delta in &changes.peers {
            let key = &delta.record.key;
            let mut joined = delta.onto(self.peers.get(key).cloned());
            joined.sanitise(self.now);
            self.peers.insert(key.clone(), self.as_kept(joined));
        }
        for key in &changes.forgotten {
            self.peers.remove(key);
        }
        if let Some(delta) = &changes.memory {
            let mut joined = delta.onto(self.memory.take());
            joined.survival.sanitise();
            self.memory = Some(joined);
        }
    }

    /// A file does not say since when nothing was counted, and what is added to nothing shows it.
    fn as_kept(&self, record: PeerRecord) -> PeerRecord {
        match self.scheme {
            Scheme::Memory => record,
            Scheme::Json | Scheme::Sqlite => {
                let text = serde_json::to_string(&record).expect("plain data has a JSON form");
                serde_json::from_str(&text).expect("what was written is read")
            }
        }
    }

    fn reopen(&mut self) {
        if matches!(self.scheme, Scheme::Memory) {
            return;
        }
        let fresh = self.process();
        let old = std::mem::replace(&mut self.processes[self.turn], fresh);
        old.store.close().expect("nothing is left to do");
    }

    /// The process whose turn it is, if it is sure to see what the other one wrote last: whether a
    /// JSON file was replaced is told by its length and time, and a fuzzer is quicker than a clock.
    fn reader(&mut self) -> &mut Process {
        if matches!(self.scheme, Scheme::Json) {
            self.reopen();
        }
        &mut self.processes[self.turn]
    }

    fn get(&mut self, n: u8) {
        let key = key(n.into());
        let expected = self.peers.get(&key).cloned();
        let process = self.reader();
        let now = process.now;
        let found = process.store.get(&key).expect("a sound store is read");
        let expected = expected.map(|record| seen_at(record, now));
        assert_eq!(saved(found.as_slice()), saved(expected.as_slice()));
    }

    fn scan(&mut self, after: Option<u8>, limit: usize) {
        let after = after.map(|n| key(n.into()));
        let records: Vec<_> = self.peers.values().cloned().collect();
        let process = self.reader();
        let now = process.now;
        let found = process.store.scan(after.as_ref(), limit);
        let behind = |record: &PeerRecord| after.as_ref().is_none_or(|key| record.key > *key);
        let expected: Vec<_> = records
            .into_iter()
            .filter(behind)
            .take(limit)
            .map(|record| seen_at(record, now))
            .collect();
        let found = found.expect("a sound store is read");
        assert_eq!(saved(&found), saved(&expected));
    }

    fn best(&mut self, k: usize) {
        let mut order: Vec<_> = self.peers.values().cloned().collect();
        let process = self.reader();
        let (now, store) = (process.now, &mut process.store);
        order.sort_by(|a, b| {
            (class(a).cmp(&class(b)))
                .then(score::rank(b).total_cmp(&score::rank(a)))
                .then(a.key.cmp(&b.key))
        });
        order.truncate(k);
        let expected: Vec<_> = order
            .into_iter()
            .map(|record| seen_at(record, now))
            .collect();
        let found = store.best(k).expect("a sound store is read");
        assert_eq!(saved(&found), saved(&expected));
    }

    fn is_as_expected(&mut self) {
        let expected: Vec<_> = self.peers.values().cloned().collect();
        let memory = self.memory.clone();
        let process = self.reader();
        let now = process.now;
        let expected: Vec<_> = expected
            .into_iter()
            .map(|record| seen_at(record, now))
            .collect();
        let found = all(&mut *process.store);
        assert_eq!(saved(&found), saved(&expected));
        let count = process.store.count().expect("a sound store is read");
        assert_eq!(count, expected.len());
        let found = process.store.memory().expect("a sound store is read");
        assert_eq!(found, memory);
    }
}

/// A few neighbouring peers.
fn some(first: u8, count: u8) -> impl Iterator<Item = u64> {
    let first = u64::from(first);
    first..=first + u64::from(count % 16)
}

/// What a process reads whose clock says so.
fn seen_at(mut record: PeerRecord, now: Time) -> PeerRecord {
    record.sanitise(now);
    record
}

/// As they are saved: since when nothing was counted is not.
fn saved(records: &[PeerRecord]) -> String {
    serde_json::to_string(records).expect("plain data has a JSON form")
}

fn class(record: &PeerRecord) -> u8 {
    match (record.control.anchor, record.pool()) {
        (true, _) => 0,
        (false, Pool::Proven) => 1,
        (false, Pool::Hearsay) => 2,
    }
}
