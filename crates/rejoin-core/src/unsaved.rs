//! What has changed since the last save: the writer's ledger, not the writer.
//!
//! Changes gather here and are handed out as one commit at a time. A commit that fails is not
//! lost: what it carried joins what has changed meanwhile and is handed out again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{
    changes::{Changes, Counts, PeerDelta},
    config::Config,
    key::PeerKey,
    memory::{Memory, MemoryDelta},
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

/// Where a peer last stood in the queue of those that have changed. It is kept with the peer's record, so
/// that nobody has to look for it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ticket(u32);

/// What waits for a commit.
#[derive(Clone, Debug, Default)]
struct Pending {
    /// Those that changed first among all, next to be handed out, in order of key: what is written in
    /// that order touches the fewest pages of a store.
    first: BTreeMap<PeerKey, Counts>,
    queue: Queue,
    rest: Rest,
}

/// Everybody else that has changed, whose change is the oldest first.
#[derive(Clone, Debug, Default)]
struct Queue {
    /// Whoever left out of turn leaves a gap.
    line: VecDeque<Option<(PeerKey, Counts)>>,
    gaps: usize,
    /// The number of the first in line. Numbers begin anew after the last; that whoever holds a number
    /// stands there still is seen by the key.
    number: u32,
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
    /// A peer's facts changed.
    pub fn touch(&mut self, now: Time, key: &PeerKey, ticket: &mut Ticket) {
        self.count(now, key, ticket, &Counts::default());
    }

    /// A peer's counts grew.
    pub fn count(&mut self, now: Time, key: &PeerKey, ticket: &mut Ticket, grown: &Counts) {
        self.since.get_or_insert(now);
        match self.pending.get_mut(key, *ticket) {
            Some(counts) => *counts = counts.plus(grown),
            None => *ticket = self.pending.queue.join(key.clone(), *grown),
        }
    }

    /// A peer is forgotten; it has a ticket if there was a record.
    pub fn forget(&mut self, now: Time, key: &PeerKey, ticket: Option<Ticket>) {
        self.since.get_or_insert(now);
        self.pending.forget(key, ticket);
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
    pub fn counts(&self, key: &PeerKey, ticket: Ticket) -> Counts {
        let flying = self
            .in_flight
            .as_ref()
            .and_then(|(_, held)| held.peers.get(key));
        let pending = self.pending.get(key, ticket).copied().unwrap_or_default();
        flying.copied().unwrap_or_default().plus(&pending)
    }

    /// Whether there is anything about a peer that no store has yet.
    pub fn holds(&self, key: &PeerKey, ticket: Ticket) -> bool {
        let flying = self.in_flight.as_ref();
        self.pending.get(key, ticket).is_some()
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

    /// Begins a commit if one is due, or if `hurry` and there is anything at all. `known` is what is in
    /// memory of a peer, and its ticket.
    pub fn begin<'a>(
        &mut self,
        now: Time,
        hurry: bool,
        config: &Config,
        memory: &Memory,
        known: impl Fn(&PeerKey) -> Option<(&'a PeerRecord, Ticket)>,
    ) -> Option<Changes> {
        if let Some((begun, _)) = &self.in_flight {
            if now.since(*begun) < config.save_timeout {
                return None;
            }
            self.settle(now, false, |key| known(key).map(|(_, ticket)| ticket));
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
                    let (record, _) = known(key)?;
                    let (record, unsaved) = (record.clone(), *unsaved);
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

    /// The store answered. Whoever is in memory has a `ticket`.
    pub fn end(&mut self, now: Time, ok: bool, ticket: impl Fn(&PeerKey) -> Option<Ticket>) {
        match self.abandoned.checked_sub(1) {
            Some(left) => self.abandoned = left,
            None => self.settle(now, ok, ticket),
        }
    }

    fn settle(&mut self, now: Time, ok: bool, ticket: impl Fn(&PeerKey) -> Option<Ticket>) {
        let Some((_, commit)) = self.in_flight.take() else {
            return;
        };
        if ok {
            self.saved = Some(now);
            self.failures = 0;
        } else {
            self.failures = self.failures.saturating_add(1);
            self.pending.take_back(commit, ticket);
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
        self.first.len() + self.queue.len() + self.rest.forgotten.len()
    }

    fn get(&self, key: &PeerKey, ticket: Ticket) -> Option<&Counts> {
        match self.queue.find(key, ticket) {
            Some(at) => self.queue.line[at].as_ref().map(|(_, counts)| counts),
            None => self.first.get(key),
        }
    }

    fn get_mut(&mut self, key: &PeerKey, ticket: Ticket) -> Option<&mut Counts> {
        match self.queue.find(key, ticket) {
            Some(at) => self.queue.line[at].as_mut().map(|(_, counts)| counts),
            None => self.first.get_mut(key),
        }
    }

    fn forget(&mut self, key: &PeerKey, ticket: Option<Ticket>) {
        self.first.remove(key);
        if let Some(ticket) = ticket {
            self.queue.leave(key, ticket);
        }
        self.rest.forgotten.insert(key.clone());
        if self.queue.is_mostly_gaps() {
            self.put_in_order(usize::MAX);
        }
    }

    /// Takes out at most `peers_max` peers and everything else. Who was forgotten and then met
    /// again is forgotten first and written anew by the next commit.
    fn split(&mut self, peers_max: usize) -> Commit {
        let peers_max = peers_max.max(1);
        if self.first.is_empty() || self.first.len() + self.queue.len() <= peers_max {
            self.put_in_order(ORDERED_COMMITS.saturating_mul(peers_max));
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

    /// So many more come next, those that have waited longest.
    fn put_in_order(&mut self, count: usize) {
        let oldest = std::iter::from_fn(|| self.queue.next()).take(count);
        self.first.append(&mut oldest.collect());
    }

    /// What has waited before waits no longer than what has changed meanwhile.
    fn take_back(&mut self, commit: Commit, ticket: impl Fn(&PeerKey) -> Option<Ticket>) {
        let Commit { peers, rest } = commit;
        for (key, counts) in peers {
            if !self.rest.forgotten.contains(&key) {
                let since = ticket(&key).and_then(|ticket| self.queue.leave(&key, ticket));
                self.first
                    .insert(key, counts.plus(&since.unwrap_or_default()));
            }
        }
        self.rest.forgotten.extend(rest.forgotten);
        self.rest.survival = self.rest.survival.plus(&rest.survival);
        self.rest.memory |= rest.memory;
    }
}

impl Queue {
    fn len(&self) -> usize {
        self.line.len() - self.gaps
    }

    fn join(&mut self, key: PeerKey, counts: Counts) -> Ticket {
        let ticket = Ticket(self.number.wrapping_add(self.line.len() as u32));
        self.line.push_back(Some((key, counts)));
        ticket
    }

    /// Where in line a peer stands with this ticket, if it still does.
    fn find(&self, key: &PeerKey, ticket: Ticket) -> Option<usize> {
        let at = ticket.0.wrapping_sub(self.number) as usize;
        let (held, _) = self.line.get(at)?.as_ref()?;
        (held == key).then_some(at)
    }

    /// Takes one out of turn.
    fn leave(&mut self, key: &PeerKey, ticket: Ticket) -> Option<Counts> {
        let at = self.find(key, ticket)?;
        let (_, counts) = self.line[at].take()?;
        self.gaps += 1;
        Some(counts)
    }

    /// While a store fails, more may come and be forgotten than there is ever room for.
    fn is_mostly_gaps(&self) -> bool {
        self.gaps > GAPS_MAX.max(self.line.len() / 2)
    }

    /// Whose turn it is.
    fn next(&mut self) -> Option<(PeerKey, Counts)> {
        loop {
            let Some(first) = self.line.pop_front() else {
                self.line.shrink_to_fit(); // a backlog of a million leaves room for as many behind
                return None;
            };
            self.number = self.number.wrapping_add(1);
            match first {
                None => self.gaps -= 1,
                whose => return whose,
            }
        }
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

/// Gaps in the queue that are of no account.
const GAPS_MAX: usize = 100;

#[cfg(test)]
#[path = "unsaved_tests.rs"]
mod tests;
