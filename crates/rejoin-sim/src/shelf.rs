//! The simulated store: what is saved outlives the node, and its disk can be made to fail.

use std::collections::BTreeMap;

use rejoin_core::{
    Changes, Memory, PeerKey, PeerRecord, Pool, Ranked, Recall, Recalled, Snapshot, score,
};

/// How the disk behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Disk {
    /// Every commit succeeds.
    #[default]
    Works,
    /// Every commit fails, in the time it would take: full, read-only, locked.
    Fails,
    /// No commit is ever answered.
    Hangs,
}

/// Everything saved.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shelf {
    /// Peers.
    pub peers: BTreeMap<PeerKey, PeerRecord>,
    /// What is remembered beside them.
    pub memory: Option<Memory>,
    /// How the disk behaves from now on.
    pub disk: Disk,
    /// Commits that are on the disk.
    pub commits: u64,
}

impl Shelf {
    /// How many peers a start reads before the first dial; the real shell's number.
    pub const FIRST: usize = 200;

    /// A shelf with these peers on it.
    pub fn with(peers: impl IntoIterator<Item = PeerRecord>) -> Self {
        Self {
            peers: peers
                .into_iter()
                .map(|record| (record.key.clone(), record))
                .collect(),
            ..Self::default()
        }
    }

    /// How many peers of one pool are saved.
    pub fn count(&self, pool: Pool) -> usize {
        self.peers
            .values()
            .filter(|record| record.pool() == pool)
            .count()
    }

    /// The peers that are no bootstrap servers.
    pub fn friends(&self) -> impl Iterator<Item = &PeerRecord> + Clone {
        let peers = self.peers.values();
        peers.filter(|record| !record.role.bootstrap)
    }

    /// Puts a commit on the disk, all of it.
    pub(crate) fn apply(&mut self, changes: &Changes) {
        for delta in &changes.peers {
            let key = delta.record.key.clone();
            let saved = self.peers.remove(&key);
            self.peers.insert(key, delta.onto(saved));
        }
        for key in &changes.forgotten {
            self.peers.remove(key);
        }
        if let Some(delta) = &changes.memory {
            self.memory = Some(delta.onto(self.memory.take()));
        }
        self.commits += 1;
    }

    /// What a start reads: the first `k` by anchors and rank, and the rest for later.
    pub(crate) fn read(&self, k: usize) -> (Snapshot, Vec<PeerRecord>) {
        let mut peers: Vec<PeerRecord> = self.peers.values().cloned().collect();
        peers.sort_by(|one, other| {
            other
                .control
                .anchor
                .cmp(&one.control.anchor)
                .then(score::rank(other).total_cmp(&score::rank(one)))
                .then(one.key.cmp(&other.key))
        });
        let rest = peers.split_off(k.min(peers.len()));
        let memory = self.memory.clone();
        (Snapshot { memory, peers }, rest)
    }

    /// Those of the rest for whom there is room, so many of each pool, and how many others there are.
    pub(crate) fn fitting(
        &self,
        mut rest: Vec<PeerRecord>,
        room: usize,
    ) -> (Vec<PeerRecord>, usize) {
        let all = rest.len();
        let (mut proven, mut hearsay) = (0, 0);
        rest.retain(|record| {
            let members = match record.pool() {
                Pool::Proven => &mut proven,
                Pool::Hearsay => &mut hearsay,
            };
            *members += 1;
            *members <= room
        });
        let shelved = all - rest.len();
        (rest, shelved)
    }

    /// What the node asks for.
    pub(crate) fn recall(&self, whom: &Recall) -> Recalled {
        let is_proven = |record: &&PeerRecord| record.pool() == Pool::Proven;
        let mut proven: Vec<_> = self.peers.values().filter(is_proven).collect();
        proven.sort_by_cached_key(|record| Ranked::of(record));
        let mut next = None;
        let found: Vec<_> = match whom {
            Recall::Peers(keys) => keys.iter().filter_map(|key| self.peers.get(key)).collect(),
            Recall::Best { after, count } => {
                proven.retain(|record| Some(Ranked::of(record)) > *after);
                if proven.len() > *count {
                    proven.truncate(*count);
                    next = proven.last().map(|last| Ranked::of(last));
                }
                proven
            }
            Recall::Worst(count) => proven.into_iter().rev().take(*count).collect(),
        };
        let peers = found.into_iter().cloned().collect();
        Recalled { peers, next }
    }
}

#[cfg(test)]
mod tests {
    use rejoin_core::{PeerDelta, Time};

    use super::*;

    fn met(name: &str, at_ms: u64) -> PeerRecord {
        let at = Time::from_millis(at_ms);
        let mut record = PeerRecord::new(name.parse().unwrap(), at);
        record.last_seen = Some(at);
        record.last_connected = Some(at);
        record
    }

    #[test]
    fn anchors_come_first_then_rank() {
        let mut anchor = met("anchor", 1);
        anchor.control.anchor = true;
        let shelf = Shelf::with([met("early", 10), met("late", 20_000_000), anchor]);
        let (snapshot, rest) = shelf.read(2);
        assert_eq!(snapshot.peers[0].key.to_string(), "anchor");
        assert_eq!((snapshot.peers.len(), rest.len()), (2, 1));
    }

    #[test]
    fn a_commit_adds_changes_and_forgets() {
        let mut shelf = Shelf::with([met("alice", 1), met("bob", 1)]);
        shelf.apply(&Changes {
            peers: vec![PeerDelta {
                record: met("alice", 5),
                unsaved: Default::default(),
            }],
            forgotten: vec!["bob".parse().unwrap()],
            memory: None,
        });
        assert_eq!(shelf.peers.len(), 1);
        let alice = &shelf.peers[&"alice".parse().unwrap()];
        assert_eq!(alice.last_seen, Some(Time::from_millis(5)));
        assert_eq!(shelf.commits, 1);
    }
}
