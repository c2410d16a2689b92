//! What has changed since the last save: the writer's ledger, not the writer.
//!
//! Changes gather here and are handed out as one commit at a time. A commit that fails is not
//! lost: what it carried joins what has changed meanwhile and is handed out again.

use std::collections::{BTreeMap, BTreeSet};

use hashlink::LinkedHashMap;

use crate::{
    changes::{Changes, Counts, PeerDelta},
    config::Config,
    key::PeerKey,
    keyed::Keyed,
    memory::{Memory, MemoryDelta, Secret},
    output::Timeout,
    record::PeerRecord,
    status::StorageStatus,
    survival::SurvivalCounts,
    time::Time,
};

/// The ledger of unsaved changes.
#[derive(Clone, Debug, Default)]
pub struct Unsaved {
    pending: Pending,
    in_flight: Option<(Time, Commit)>,
    /// When the oldest pending change was made.
    since: Option<Time>,
    begun: Option<Time>,
    saved: Option<Time>,
    failures: u32,
    /// Commits we stopped waiting for. Stores answer in order, so as many answers come too late.
    abandoned: u32,
}

/// What waits for a commit.
#[derive(Clone, Debug, Default)]
struct Pending {
    /// Those that changed first among all, next to be handed out, in order of key: what is written in
    /// that order touches the fewest pages of a store.
    first: BTreeMap<PeerKey, Counts>,
    /// Everybody else, whose change is the oldest first.
    peers: LinkedHashMap<PeerKey, Counts, Keyed>,
    rest: Rest,
}

/// What is under way.
#[derive(Clone, Debug)]
struct Commit {
    peers: BTreeMap<PeerKey, Counts>,
    rest: Rest,
}

/// What goes out whole, beside the peers that have changed.
#[derive(Clone, Debug, Default)]
struct Rest {
    forgotten: BTreeSet<PeerKey>,
    survival: SurvivalCounts,
    memory: bool,
}

impl Unsaved {
    /// Nothing has changed so far.
    pub fn new(secret: Secret) -> Self {
        Self {
            pending: Pending {
                peers: LinkedHashMap::with_hasher(Keyed(secret)),
                ..Pending::default()
            },
            ..Self::default()
        }
    }

    /// A peer's facts changed.
    pub fn touch(&mut self, now: Time, key: &PeerKey) {
        self.count(now, key, &Counts::default());
    }

    /// A peer's counts grew.
    pub fn count(&mut self, now: Time, key: &PeerKey, grown: &Counts) {
        self.since.get_or_insert(now);
        match self.pending.get_mut(key) {
            Some(counts) => *counts = counts.plus(grown),
            None => {
                self.pending.peers.insert(key.clone(), *grown);
            }
        }
    }

    /// A peer is forgotten.
    pub fn forget(&mut self, now: Time, key: &PeerKey) {
        self.since.get_or_insert(now);
        self.pending.forget(key);
    }

    /// What is remembered beside the peers changed.
    pub fn touch_memory(&mut self, now: Time) {
        self.since.get_or_insert(now);
        self.pending.rest.memory = true;
    }

    /// Something about survival was learned.
    pub fn learn(&mut self, now: Time, learned: &SurvivalCounts) {
        self.touch_memory(now);
        self.pending.rest.survival = self.pending.rest.survival.plus(learned);
    }

    /// The part of a peer's counts that no store has yet.
    pub fn counts(&self, key: &PeerKey) -> Counts {
        let flying = self
            .in_flight
            .as_ref()
            .and_then(|(_, held)| held.peers.get(key));
        let pending = self.pending.get(key).copied().unwrap_or_default();
        flying.copied().unwrap_or_default().plus(&pending)
    }

    /// Whether there is anything about a peer that no store has yet.
    pub fn holds(&self, key: &PeerKey) -> bool {
        let flying = self.in_flight.as_ref();
        self.pending.get(key).is_some()
            || flying.is_some_and(|(_, held)| held.peers.contains_key(key))
    }

    /// Whether a peer is being forgotten, so that it must not be loaded again.
    pub fn is_forgotten(&self, key: &PeerKey) -> bool {
        let flying = self.in_flight.as_ref();
        self.pending.rest.forgotten.contains(key)
            || flying.is_some_and(|(_, held)| held.rest.forgotten.contains(key))
    }

    /// When the next commit is due, or the one under way is taken for lost.
    pub fn timeout(&self, config: &Config) -> Option<Timeout> {
        if let Some((begun, _)) = &self.in_flight {
            let (at, reason) = (*begun + config.save_timeout, "the store to answer");
            return Some(Timeout { at, reason });
        }
        let since = self.since?;
        let not_before = self.begun.map_or(since, |begun| begun + config.save_every);
        Some(Timeout {
            at: since.max(not_before),
            reason: "changes to be saved",
        })
    }

    /// Begins a commit if one is due, or if `hurry` and there is anything at all.
    pub fn begin<'a>(
        &mut self,
        now: Time,
        hurry: bool,
        config: &Config,
        memory: &Memory,
        record: impl Fn(&PeerKey) -> Option<&'a PeerRecord>,
    ) -> Option<Changes> {
        if let Some((begun, _)) = &self.in_flight {
            if now.since(*begun) < config.save_timeout {
                return None;
            }
            self.settle(now, false);
            self.abandoned += 1;
        }
        let due = self.timeout(config)?.at;
        if now < due && !hurry {
            return None;
        }
        let commit = self.pending.split(config.commit_max);
        let changes = Changes {
            peers: commit
                .peers
                .iter()
                .filter_map(|(key, unsaved)| {
                    let (record, unsaved) = (record(key)?.clone(), *unsaved);
                    Some(PeerDelta { record, unsaved })
                })
                .collect(),
            forgotten: commit.rest.forgotten.iter().cloned().collect(),
            memory: commit.rest.memory.then(|| MemoryDelta {
                memory: memory.clone(),
                unsaved_survival: commit.rest.survival,
            }),
        };
        self.since = (!self.pending.is_empty()).then_some(now);
        self.begun = Some(now);
        self.in_flight = Some((now, commit));
        Some(changes)
    }

    /// The store answered.
    pub fn end(&mut self, now: Time, ok: bool) {
        match self.abandoned.checked_sub(1) {
            Some(left) => self.abandoned = left,
            None => self.settle(now, ok),
        }
    }

    fn settle(&mut self, now: Time, ok: bool) {
        let Some((_, commit)) = self.in_flight.take() else {
            return;
        };
        if ok {
            self.saved = Some(now);
            self.failures = 0;
        } else {
            self.failures = self.failures.saturating_add(1);
            self.pending.take_back(commit);
            self.since.get_or_insert(now);
        }
    }

    /// Nothing waits and nothing is under way.
    pub fn is_settled(&self) -> bool {
        self.in_flight.is_none() && self.pending.is_empty()
    }

    /// How saving goes.
    pub fn status(&self) -> StorageStatus {
        let flying = self.in_flight.as_ref().map_or(0, |(_, held)| held.len());
        StorageStatus {
            unsaved: self.pending.len() + flying,
            saved: self.saved,
            failures: self.failures,
        }
    }
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.len() == 0 && !self.rest.memory
    }

    fn len(&self) -> usize {
        self.first.len() + self.peers.len() + self.rest.forgotten.len()
    }

    fn get(&self, key: &PeerKey) -> Option<&Counts> {
        self.peers.get(key).or_else(|| self.first.get(key))
    }

    fn get_mut(&mut self, key: &PeerKey) -> Option<&mut Counts> {
        match self.peers.get_mut(key) {
            None => self.first.get_mut(key),
            found => found,
        }
    }

    fn forget(&mut self, key: &PeerKey) {
        self.first.remove(key);
        self.peers.remove(key);
        self.rest.forgotten.insert(key.clone());
    }

    /// Takes out at most `peers_max` peers and everything else. Who was forgotten and then met
    /// again is forgotten first and written anew by the next commit.
    fn split(&mut self, peers_max: usize) -> Commit {
        let peers_max = peers_max.max(1);
        if self.first.is_empty() || self.first.len() + self.peers.len() <= peers_max {
            let oldest = std::iter::from_fn(|| self.peers.pop_front());
            let some = oldest.take(ORDERED_COMMITS.saturating_mul(peers_max));
            self.first.extend(some);
            if self.peers.is_empty() {
                self.peers.shrink_to_fit(); // a backlog of a million leaves room for as many behind
            }
        }
        let beyond = self.first.keys().nth(peers_max).cloned();
        let later = beyond.map_or_else(BTreeMap::new, |key| self.first.split_off(&key));
        let mut peers = std::mem::replace(&mut self.first, later);
        let rest = std::mem::take(&mut self.rest);
        let anew = rest
            .forgotten
            .iter()
            .filter_map(|key| peers.remove_entry(key));
        self.first.extend(anew);
        Commit { peers, rest }
    }

    /// What has waited before waits no longer than what has changed meanwhile.
    fn take_back(&mut self, commit: Commit) {
        let Commit { peers, rest } = commit;
        for (key, counts) in peers {
            if !self.rest.forgotten.contains(&key) {
                let since = self.peers.remove(&key).unwrap_or_default();
                self.first.insert(key, counts.plus(&since));
            }
        }
        self.rest.forgotten.extend(rest.forgotten);
        self.rest.survival = self.rest.survival.plus(&rest.survival);
        self.rest.memory |= rest.memory;
    }
}

impl Commit {
    fn len(&self) -> usize {
        self.peers.len() + self.rest.forgotten.len()
    }
}

/// How many commits in a row go out in one order of key. With the default size of a commit it takes some
/// thirty milliseconds to put a hundred thousand in order; of a million, in the order in which they
/// changed, every commit would write half the pages of every index.
const ORDERED_COMMITS: usize = 10;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::decay::Decayed;

    const T: Time = Time::from_millis(1_000_000);

    fn alice() -> PeerRecord {
        PeerRecord::new("alice".parse().unwrap(), T)
    }

    fn one_dial() -> Counts {
        Counts {
            dials_ok: Decayed::new(1.0, T),
            ..Counts::default()
        }
    }

    fn begin(ledger: &mut Unsaved, now: Time, hurry: bool) -> Option<Changes> {
        let alice = alice();
        let (config, memory) = (Config::default(), Memory::default());
        ledger.begin(now, hurry, &config, &memory, |_| Some(&alice))
    }

    #[test]
    fn mistake_15_changes_gather_and_go_out_at_most_every_five_seconds() {
        let (mut ledger, config) = (Unsaved::default(), Config::default());
        ledger.touch(T, &alice().key);
        assert_eq!(
            begin(&mut ledger, T, false).unwrap().len(),
            1,
            "the first at once"
        );
        ledger.end(T, true);
        ledger.touch(T, &alice().key);
        ledger.touch(T, &alice().key);
        assert_eq!(begin(&mut ledger, T, false), None);
        assert_eq!(ledger.timeout(&config).unwrap().at, T + config.save_every);
        assert_eq!(
            begin(&mut ledger, T + config.save_every, false)
                .unwrap()
                .len(),
            1
        );
    }

    #[test]
    fn mistake_06_a_failed_commit_is_handed_out_again_with_all_its_counts() {
        let mut ledger = Unsaved::default();
        ledger.count(T, &alice().key, &one_dial());
        begin(&mut ledger, T, true).unwrap();
        ledger.count(T, &alice().key, &one_dial());
        ledger.end(T, false);
        assert_eq!(ledger.status().failures, 1);
        let again = begin(&mut ledger, T, true).unwrap();
        assert_eq!(again.peers[0].unsaved.dials_ok.latest(), 2.0);
        ledger.end(T, true);
        assert!(ledger.is_settled());
    }

    #[test]
    fn mistake_06_a_failed_commit_goes_out_again_whole_though_nothing_else_changes() {
        let (mut ledger, config) = (Unsaved::default(), Config::default());
        let mut learned = SurvivalCounts::default();
        learned.learn(Duration::ZERO, Duration::from_secs(60), true);
        ledger.count(T, &alice().key, &one_dial());
        ledger.learn(T, &learned);
        let first = begin(&mut ledger, T, false).unwrap();
        ledger.end(T, false);
        let again = ledger.timeout(&config).expect("it is tried again").at;
        assert_eq!(again, T + config.save_every);
        assert_eq!(begin(&mut ledger, again, false), Some(first));
    }

    #[test]
    fn what_no_store_has_yet_includes_what_is_under_way() {
        let mut ledger = Unsaved::default();
        let key = alice().key;
        let unsaved = |ledger: &Unsaved| ledger.counts(&key).dials_ok.latest();
        ledger.count(T, &key, &one_dial());
        begin(&mut ledger, T, true).unwrap();
        ledger.count(T, &key, &one_dial());
        assert_eq!(unsaved(&ledger), 2.0);
        ledger.end(T, true);
        assert_eq!(unsaved(&ledger), 1.0);
    }

    #[test]
    fn a_past_that_was_forgotten_does_not_come_back_with_the_peer() {
        for under_way in [false, true] {
            let mut ledger = Unsaved::default();
            let key = alice().key;
            ledger.count(T, &key, &one_dial());
            if under_way {
                begin(&mut ledger, T, true).unwrap();
            }
            ledger.forget(T, &key);
            ledger.end(T, false);
            ledger.touch(T, &key);
            assert!(ledger.counts(&key).dials_ok.is_zero(), "{under_way}");
        }
    }

    #[test]
    fn a_store_that_answers_too_late_is_not_taken_for_the_next_answer() {
        let (mut ledger, config) = (Unsaved::default(), Config::default());
        ledger.count(T, &alice().key, &one_dial());
        begin(&mut ledger, T, true).unwrap();
        assert_eq!(begin(&mut ledger, T, true), None, "one at a time");
        let later = T + config.save_timeout;
        let again = begin(&mut ledger, later, true).unwrap();
        assert_eq!(again.peers[0].unsaved.dials_ok.latest(), 1.0);
        assert_eq!(ledger.status().failures, 1);
        ledger.end(later, true);
        assert!(!ledger.is_settled(), "that was the answer to the first");
        ledger.end(later, true);
        assert!(ledger.is_settled());
    }

    #[test]
    fn forgetting_overtakes_saving() {
        let mut ledger = Unsaved::default();
        let key = alice().key;
        ledger.count(T, &key, &one_dial());
        ledger.forget(T, &key);
        let changes = begin(&mut ledger, T, true).unwrap();
        assert!(changes.peers.is_empty());
        assert_eq!(changes.forgotten, std::slice::from_ref(&key));
        assert!(ledger.is_forgotten(&key));
        ledger.touch(T, &key);
        ledger.end(T, false);
        // It was met again meanwhile, but the store still holds its past.
        let again = begin(&mut ledger, T, true).unwrap();
        assert_eq!(again.forgotten, [key]);
        assert!(again.peers.is_empty());
        ledger.end(T, true);
        let anew = begin(&mut ledger, T, true).unwrap();
        assert!(anew.forgotten.is_empty());
        assert_eq!(anew.peers.len(), 1);
    }

    #[test]
    fn a_large_backlog_goes_out_in_pieces_each_next_to_the_one_before() {
        let mut backlog = Backlog::of(250);
        let sizes = |pieces: &[Vec<u8>]| pieces.iter().map(Vec::len).collect::<Vec<_>>();
        let pieces: Vec<_> = std::iter::from_fn(|| backlog.save(true)).collect();
        assert_eq!(sizes(&pieces), [10; 25]);
        for wave in pieces.chunks(ORDERED_COMMITS) {
            assert!(wave.concat().is_sorted(), "{wave:?}");
        }
        // What had changed first went first.
        let first = pieces[..ORDERED_COMMITS].concat();
        assert!(first.iter().all(|n| backlog.changed[..100].contains(n)));
    }

    #[test]
    fn of_a_large_backlog_nothing_is_lost_or_saved_twice() {
        let mut backlog = Backlog::of(250);
        let dials = |ledger: &Unsaved, n: u8| ledger.counts(&key(n)).dials_ok.latest();
        let first = backlog.save(false).unwrap();
        let gone = backlog.save(true).unwrap();
        assert_eq!(gone, first, "it failed, so it goes out again");
        let (waiting, last) = (first[9] + 1, backlog.changed[249]);
        for n in [waiting, last, gone[0]] {
            backlog.ledger.count(T, &key(n), &one_dial());
        }
        assert_eq!(dials(&backlog.ledger, waiting), 2.0);
        assert_eq!(dials(&backlog.ledger, last), 2.0);
        assert_eq!(dials(&backlog.ledger, gone[0]), 1.0);
        backlog.ledger.forget(T, &key(last));
        let mut saved: Vec<_> = std::iter::from_fn(|| backlog.save(true))
            .flatten()
            .collect();
        saved.extend(&gone);
        saved.sort_unstable();
        let mut expected: Vec<_> = (0..250).filter(|n| *n != last).chain([gone[0]]).collect();
        expected.sort_unstable();
        assert_eq!(saved, expected);
        assert!(backlog.ledger.is_settled());
    }

    fn key(n: u8) -> PeerKey {
        PeerKey::new(&[n]).unwrap()
    }

    /// Peers that changed one after another, in no order of key, and commits of ten.
    struct Backlog {
        ledger: Unsaved,
        records: BTreeMap<PeerKey, PeerRecord>,
        changed: Vec<u8>,
    }

    impl Backlog {
        fn of(peers: u8) -> Self {
            let mut changed: Vec<_> = (0..peers).collect();
            fastrand::Rng::with_seed(7).shuffle(&mut changed);
            let mut ledger = Unsaved::default();
            for n in &changed {
                ledger.count(T, &key(*n), &one_dial());
            }
            let record = |n: &u8| (key(*n), PeerRecord::new(key(*n), T));
            let records = changed.iter().map(record).collect();
            Self {
                ledger,
                records,
                changed,
            }
        }

        /// One commit, and whether it works; says who is in it.
        fn save(&mut self, ok: bool) -> Option<Vec<u8>> {
            let config = Config {
                commit_max: 10,
                ..Config::default()
            };
            let record = |key: &PeerKey| self.records.get(key);
            let changes = self
                .ledger
                .begin(T, true, &config, &Memory::default(), record)?;
            self.ledger.end(T, ok);
            let peers = changes.peers.iter();
            let named = peers.map(|delta| delta.record.key.as_bytes()[0]).collect();
            (!changes.peers.is_empty()).then_some(named)
        }
    }
}
