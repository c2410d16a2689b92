//! The records themselves: found by key in one step, in order of rank, and whoever is singled out.
//!
//! What is found here without a look at everybody costs the same among a thousand as among a million.
//! Nothing is decided here: the book says what changes, and its ledger what is to be saved.

use std::{
    borrow::Borrow,
    collections::BTreeSet,
    hash::{Hash, Hasher},
};

use indexmap::{IndexSet, set::MutableValues};

use crate::{
    key::PeerKey,
    keyed::Keyed,
    memory::Secret,
    placement::Slot,
    ranking::{Ranking, UNRANKED},
    record::{PeerRecord, Pool},
    score::Basis,
    unsaved::Ticket,
};

/// Everybody's record.
#[derive(Clone, Debug)]
pub struct Records {
    entries: IndexSet<Held, Keyed>,
    /// The ranks of the proven, in the same places.
    ranking: Ranking,
    proven: usize,
    /// Anchors, and whom the user pinned or seeks: few, and looked for by themselves.
    singled_out: BTreeSet<PeerKey>,
}

/// One record, and what goes with it while it is in memory.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The record.
    pub record: PeerRecord,
    /// Where it sits among the hearsay, if it does.
    pub slot: Option<Slot>,
    /// Where its changes wait to be saved, if they do.
    pub ticket: Ticket,
}

impl Entry {
    /// One that nothing is known of but its record.
    pub fn new(record: PeerRecord) -> Self {
        Self {
            record,
            slot: None,
            ticket: Ticket::default(),
        }
    }
}

/// An entry in its place. It is found by the key in its record, so that no place has another one.
#[derive(Clone, Debug)]
struct Held(Box<Entry>);

impl Borrow<PeerKey> for Held {
    fn borrow(&self) -> &PeerKey {
        &self.0.record.key
    }
}

impl Hash for Held {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.record.key.hash(state);
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.0.record.key == other.0.record.key
    }
}

impl Eq for Held {}

impl Records {
    /// None yet.
    pub fn new(secret: Secret) -> Self {
        Self {
            entries: IndexSet::with_hasher(Keyed::new(secret)),
            ranking: Ranking::default(),
            proven: 0,
            singled_out: BTreeSet::new(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many there are in a pool.
    pub fn count(&self, pool: Pool) -> usize {
        match pool {
            Pool::Proven => self.proven,
            Pool::Hearsay => self.len() - self.proven,
        }
    }

    /// One of them.
    pub fn get(&self, key: &PeerKey) -> Option<&Entry> {
        self.entries.get(key).map(|held| &*held.0)
    }

    /// All of them, in no order that means anything; the same after the same changes.
    pub fn iter(&self) -> impl Iterator<Item = &PeerRecord> {
        self.entries.iter().map(|held| &held.0.record)
    }

    /// The proven, the highest rank first, one found at a time.
    pub fn best_first(&self) -> impl Iterator<Item = &PeerRecord> {
        let places = self.ranking.best_first();
        places.map(|at| &self.entries[at].0.record)
    }

    /// Anchors, and whom the user pinned or seeks, in order of key.
    pub fn singled_out(&self) -> impl Iterator<Item = &PeerRecord> {
        let entries = self.singled_out.iter().filter_map(|key| self.get(key));
        entries.map(|entry| &entry.record)
    }

    /// So many of the proven, those with the lowest rank, of equals the last in order of key; in no order
    /// that means anything.
    pub fn lowest(&self, count: usize) -> impl Iterator<Item = &Entry> {
        let mut ranked: Vec<_> = self.ranking.ranked().collect();
        let key = |at: usize| &self.entries[at].0.record.key;
        let count = count.min(ranked.len());
        if let Some(last) = count.checked_sub(1) {
            ranked.select_nth_unstable_by(last, |(at, a), (other, b)| {
                a.total_cmp(b).then_with(|| key(*other).cmp(key(*at)))
            });
        }
        let lowest = ranked.into_iter().take(count);
        lowest.map(|(at, _)| &*self.entries[at].0)
    }

    /// Takes one in, in the place of the one with the same key if there is one.
    pub fn insert(&mut self, entry: Entry) {
        let (at, before) = self.entries.replace_full(Held(Box::new(entry)));
        if before.is_none() {
            self.ranking.push(UNRANKED);
        }
        self.changed(at, before.map(|Held(before)| Marks::of(&before.record)));
    }

    /// Takes one out.
    pub fn remove(&mut self, key: &PeerKey) -> Option<Entry> {
        let (at, Held(entry)) = self.entries.swap_remove_full(key)?;
        self.ranking.swap_remove(at);
        self.proven -= usize::from(entry.record.pool() == Pool::Proven);
        self.singled_out.remove(key);
        Some(*entry)
    }

    /// Changes one. Returns what `change` does; `None` if there is none of that key.
    pub fn change<T>(&mut self, key: &PeerKey, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let (at, Held(entry)) = self.entries.get_full_mut2(key)?;
        let before = Marks::of(&entry.record);
        let done = change(entry);
        debug_assert_eq!(
            entry.record.key, *key,
            "by another key nobody would find it"
        );
        self.changed(at, Some(before));
        Some(done)
    }

    /// Puts right what is kept beside a record that has changed, or is new.
    fn changed(&mut self, at: usize, before: Option<Marks>) {
        let record = &self.entries[at].0.record;
        let now = Marks::of(record);
        let was_singled_out = before.is_some_and(|before| before.singled_out);
        if now.singled_out != was_singled_out {
            if now.singled_out {
                self.singled_out.insert(record.key.clone());
            } else {
                self.singled_out.remove(&record.key);
            }
        }
        // Most of what is noted of a peer moves nobody.
        if before.is_some_and(|before| before.basis == now.basis) {
            return;
        }
        self.proven += usize::from(now.is_proven());
        self.proven -= usize::from(before.is_some_and(|before| before.is_proven()));
        let rank = if now.is_proven() {
            now.basis.rank()
        } else {
            UNRANKED
        };
        self.ranking.set(at, rank);
    }
}

/// What a record counts as here.
#[derive(Clone, Copy, Debug)]
struct Marks {
    basis: Basis,
    singled_out: bool,
}

impl Marks {
    fn of(record: &PeerRecord) -> Self {
        let control = &record.control;
        Self {
            basis: Basis::of(record),
            singled_out: control.anchor || control.pinned || record.is_sought(),
        }
    }

    fn is_proven(&self) -> bool {
        self.basis.pool() == Pool::Proven
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::{decay::Decayed, score, source::Source, time::Time};

    const T: Time = Time::from_millis(1_000_000_000);

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u8, PeerRecord),
        Change(u8, PeerRecord),
        Remove(u8),
    }

    fn key(n: u8) -> PeerKey {
        PeerKey::new(&[n]).unwrap()
    }

    fn record() -> impl Strategy<Value = PeerRecord> {
        let marks = any::<(bool, bool, bool, bool)>();
        (marks, 0u64..9, 0u8..9).prop_map(|((met, anchor, pinned, sought), seen, dials)| {
            let seen = Time::from_millis(T.as_millis() + seen * 3_600_000);
            let mut record = PeerRecord::new(key(0), T);
            record.last_connected = met.then_some(seen);
            record.last_seen = met.then_some(seen);
            record.evidence.dials_ok = Decayed::new(f64::from(dials), seen);
            record.control.anchor = anchor;
            record.control.pinned = pinned;
            if sought {
                let address = "/ip4/8.8.4.4/tcp/1".parse().unwrap();
                crate::addresses::add(&mut record, address, &Source::Manual, T);
            }
            record
        })
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (any::<u8>(), record()).prop_map(|(n, record)| Step::Insert(n, record)),
            3 => (any::<u8>(), record()).prop_map(|(n, record)| Step::Change(n, record)),
            2 => any::<u8>().prop_map(Step::Remove),
        ];
        prop::collection::vec(step, 0..400)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn whatever_changes_what_is_found_is_what_a_look_at_everybody_would_find(steps in steps()) {
            let (mut records, mut model) = (Records::new([7; 16]), BTreeMap::new());
            for step in steps {
                match step {
                    Step::Insert(n, mut record) => {
                        record.key = key(n);
                        records.insert(Entry::new(record.clone()));
                        model.insert(key(n), record);
                    }
                    Step::Change(n, mut record) => {
                        record.key = key(n);
                        let changed = records.change(&key(n), |entry| entry.record = record.clone());
                        prop_assert_eq!(changed.is_some(), model.contains_key(&key(n)));
                        model.entry(key(n)).and_modify(|known| *known = record);
                    }
                    Step::Remove(n) => {
                        let removed = records.remove(&key(n)).map(|entry| entry.record);
                        prop_assert_eq!(removed, model.remove(&key(n)));
                    }
                }
            }
            let all: BTreeMap<_, _> = records.iter().map(|it| (it.key.clone(), it.clone())).collect();
            prop_assert_eq!(&all, &model);
            prop_assert_eq!(records.len(), model.len());
            let is_proven = |record: &&PeerRecord| record.pool() == Pool::Proven;
            let mut ranks: Vec<_> = model.values().filter(is_proven).map(score::rank).collect();
            ranks.sort_by(|a, b| b.total_cmp(a));
            prop_assert_eq!(records.count(Pool::Proven), ranks.len());
            prop_assert_eq!(records.count(Pool::Hearsay), model.len() - ranks.len());
            let found: Vec<_> = records.best_first().map(score::rank).collect();
            prop_assert_eq!(found, ranks);
            let singled_out = model.values().filter(|record| {
                record.control.anchor || record.control.pinned || record.is_sought()
            });
            prop_assert!(records.singled_out().eq(singled_out));
        }
    }
}
