//! A whole memory held in a map: what the JSON file is read into, and all there is to the store in
//! memory. Does no I/O.

use std::{cmp::Reverse, collections::BTreeMap, ops::Bound};

use rejoin_core::{
    Changes, Memory, PeerDelta, PeerKey, PeerRecord, Pool, Ranked, Recalled, Time, score,
};

/// Everything remembered.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Shelf {
    pub(crate) memory: Option<Memory>,
    pub(crate) peers: BTreeMap<PeerKey, PeerRecord>,
}

impl Shelf {
    /// Makes everything usable; returns how many values had to be changed.
    pub(crate) fn sanitise(&mut self, now: Time) -> usize {
        let memory = self.memory.as_mut();
        let counts = memory.is_some_and(|memory| memory.survival.sanitise());
        let peers = self.peers.values_mut();
        usize::from(counts) + peers.map(|record| record.sanitise(now)).sum::<usize>()
    }

    /// Keeps a state of a peer, unless a later one is known.
    pub(crate) fn keep(&mut self, record: PeerRecord) -> bool {
        let known = self.peers.get(&record.key);
        if known.is_some_and(|known| !is_later(&record, known)) {
            return false;
        }
        self.peers.insert(record.key.clone(), record);
        true
    }

    /// Adds what another one knows beside this, or knows later. Returns how many peers that brought.
    pub(crate) fn complete(&mut self, other: Self) -> usize {
        self.memory = self.memory.take().or(other.memory);
        let records = other.peers.into_values();
        records.filter(|record| self.keep(record.clone())).count()
    }

    /// Nothing is remembered.
    pub(crate) fn is_empty(&self) -> bool {
        self.memory.is_none() && self.peers.is_empty()
    }

    /// Joins changes with what is here; says whether anything is different now.
    pub(crate) fn apply(&mut self, changes: &Changes, now: Time) -> bool {
        let mut changed = false;
        for delta in &changes.peers {
            let key = &delta.record.key;
            let merged = merge(delta, self.peers.get(key).cloned(), now);
            if self.peers.get(key) != Some(&merged) {
                self.peers.insert(key.clone(), merged);
                changed = true;
            }
        }
        for key in &changes.forgotten {
            changed |= self.peers.remove(key).is_some();
        }
        if let Some(delta) = &changes.memory {
            let mut merged = delta.onto(self.memory.clone());
            merged.survival.sanitise();
            if self.memory.as_ref() != Some(&merged) {
                self.memory = Some(merged);
                changed = true;
            }
        }
        changed
    }

    /// See [`PeerStore::best`](crate::PeerStore::best).
    pub(crate) fn best(&self, k: usize) -> Vec<PeerRecord> {
        let mut order: Vec<_> = self
            .peers
            .values()
            .map(|record| {
                let class = match (record.control.anchor, record.pool()) {
                    (true, _) => 0,
                    (false, Pool::Proven) => 1,
                    (false, Pool::Hearsay) => 2,
                };
                (class, score::rank(record), record)
            })
            .collect();
        // The sort is stable and the map is in order of keys, so equals stay in that order.
        order.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
        order.truncate(k);
        order
            .into_iter()
            .map(|(_, _, record)| record.clone())
            .collect()
    }

    /// See [`PeerStore::ranked`](crate::PeerStore::ranked).
    pub(crate) fn ranked(&self, pool: Pool, after: Option<&Ranked>, limit: usize) -> Recalled {
        let behind = |(place, _): &(Ranked, _)| after.is_none_or(|after| place > after);
        let peers = first(self.of(pool).filter(behind), limit);
        let last = peers.last().filter(|_| peers.len() == limit);
        let next = last.map(Ranked::of);
        Recalled { peers, next }
    }

    /// See [`PeerStore::worst`](crate::PeerStore::worst).
    pub(crate) fn worst(&self, limit: usize) -> Vec<PeerRecord> {
        let backwards = self
            .of(Pool::Proven)
            .map(|(place, it)| (Reverse(place), it));
        first(backwards, limit)
    }

    /// See [`PeerStore::find`](crate::PeerStore::find).
    pub(crate) fn find(&self, keys: &[PeerKey]) -> Vec<PeerRecord> {
        let found = keys.iter().filter_map(|key| self.peers.get(key));
        found.cloned().collect()
    }

    /// See [`PeerStore::browse`](crate::PeerStore::browse).
    pub(crate) fn browse(&self, from: u64, limit: usize) -> (Vec<PeerRecord>, Option<u64>) {
        let passed = usize::try_from(from).unwrap_or(usize::MAX);
        let page: Vec<_> = self
            .peers
            .values()
            .skip(passed)
            .take(limit)
            .cloned()
            .collect();
        let next = passed.saturating_add(page.len());
        let more = next < self.peers.len();
        (page, more.then_some(next as u64))
    }

    fn of(&self, pool: Pool) -> impl Iterator<Item = (Ranked, &PeerRecord)> {
        let records = self.peers.values();
        let members = records.filter(move |record| record.pool() == pool);
        members.map(|record| (Ranked::of(record), record))
    }

    /// See [`PeerStore::scan`](crate::PeerStore::scan).
    pub(crate) fn scan(&self, after: Option<&PeerKey>, limit: usize) -> Vec<PeerRecord> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let page = self.peers.range((from, Bound::Unbounded)).take(limit);
        page.map(|(_, record)| record.clone()).collect()
    }
}

/// The first of some in an order, without putting all in order.
fn first<'a, P: Ord>(
    placed: impl Iterator<Item = (P, &'a PeerRecord)>,
    limit: usize,
) -> Vec<PeerRecord> {
    let mut placed: Vec<_> = placed.collect();
    let order = |a: &(P, _), b: &(P, _)| a.0.cmp(&b.0);
    if limit < placed.len() {
        placed.select_nth_unstable_by(limit, order);
        placed.truncate(limit);
    }
    placed.sort_unstable_by(order);
    placed
        .into_iter()
        .map(|(_, record)| record.clone())
        .collect()
}

/// One peer's changes joined with what is saved of it. The result can be written and read back: its
/// numbers are finite and its lists within their limits.
pub(crate) fn merge(delta: &PeerDelta, saved: Option<PeerRecord>, now: Time) -> PeerRecord {
    let mut merged = delta.onto(saved);
    merged.sanitise(now);
    merged
}

/// Of two saved states of one peer, whether `a` is the later one. Between two contacts counts only
/// grow.
pub(crate) fn is_later(a: &PeerRecord, b: &PeerRecord) -> bool {
    let touched = a.last_touched().cmp(&b.last_touched());
    touched
        .then_with(|| counted(a).total_cmp(&counted(b)))
        .then_with(|| a.notes.noted.cmp(&b.notes.noted))
        .is_gt()
}

fn counted(record: &PeerRecord) -> f64 {
    let evidence = &record.evidence;
    [
        evidence.dials_ok,
        evidence.dials_failed,
        evidence.sessions,
        evidence.dealings.transfers_ok,
        evidence.dealings.transfers_failed,
    ]
    .iter()
    .map(|count| count.latest())
    .sum()
}
