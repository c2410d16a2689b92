//! The records, in two pools: whom we met and whom we heard of.
//!
//! Everything that changes a record passes through here, so that the pools keep apart and every
//! change is noted for saving: what others say in `hearsay`, what really happens in `dealings`, what is
//! wanted in `wishes`. How one record keeps its addresses stands in `addresses`, which hosts rest in
//! `hosts`; *when* something changes is decided elsewhere.

mod dealings;
mod hearsay;
mod wishes;

use std::{net::IpAddr, time::Duration};

use fastrand::Rng;

use crate::{
    address::Address,
    backoff::Backoff,
    changes::{Changes, Counts, PeerDelta},
    common::Common,
    config::Config,
    evidence::ConnectionKind,
    hosts,
    hot::{self, Hot},
    input::Failure,
    key::PeerKey,
    memory::{Memory, Secret},
    netgroup::Netgroup,
    placement::Placement,
    record::{PeerRecord, Place, Pool},
    records::{Entry, Records},
    retention::{self, Fate, PruneReport},
    text::Text,
    time::Time,
    unsaved::Unsaved,
};

/// Everybody we remember.
#[derive(Clone, Debug)]
pub struct Book {
    records: Records,
    placement: Placement,
    memory: Memory,
    unsaved: Unsaved,
    common: Common,
    hot: Hot,
}

/// How a connection came about, as far as the record cares.
#[derive(Clone, Copy, Debug)]
pub struct Meeting<'a> {
    /// The address we dialled; `None` if the peer dialled us, for then its port means nothing.
    pub dialled: Option<&'a Address>,
    /// How long our dial took, if we timed it.
    pub took: Option<Duration>,
    /// How the connection reaches the peer.
    pub kind: ConnectionKind,
    /// Where we were.
    pub place: Option<Place>,
}

impl Book {
    /// An empty book, or the continuation of `memory`. Returns how many of its values made no
    /// sense and were put right.
    pub fn new(memory: Option<Memory>, now: Time, config: &Config, rng: &mut Rng) -> (Self, usize) {
        let is_new = memory.is_none();
        let mut memory = memory.unwrap_or_default();
        let repaired = memory.sanitise(now, config);
        // None yet, or lost with a damaged file: everybody knows sixteen zeros.
        let has_no_secret = memory.secret == Secret::default();
        if has_no_secret {
            memory.secret = std::array::from_fn(|_| rng.u8(..));
        }
        let mut unsaved = Unsaved::default();
        if is_new || has_no_secret {
            unsaved.touch_memory(now);
        }
        let book = Self {
            records: Records::new(memory.secret),
            placement: Placement::new(memory.secret, config),
            memory,
            unsaved,
            common: Common::default(),
            hot: Hot::default(),
        };
        (book, repaired)
    }

    /// One record.
    pub fn get(&self, key: &PeerKey) -> Option<&PeerRecord> {
        self.records.get(key).map(|entry| &entry.record)
    }

    /// All records, in no order that means anything; the same after the same inputs.
    pub fn iter(&self) -> impl Iterator<Item = &PeerRecord> {
        self.records.iter()
    }

    /// The proven, the highest rank first, one found at a time.
    pub fn best_first(&self) -> impl Iterator<Item = &PeerRecord> {
        self.records.best_first()
    }

    /// Anchors, and whom the user pinned or seeks, in order of key.
    pub fn singled_out(&self) -> impl Iterator<Item = &PeerRecord> {
        self.records.singled_out()
    }

    /// Whom the queue looks at: everybody, or, where there are more than so many, the best of the proven
    /// of whom so many need not rest at `now`, the hearsay, and who is singled out.
    pub fn considered(&self, now: Time, most: usize) -> Vec<&PeerRecord> {
        if self.len() <= most {
            return self.iter().collect();
        }
        let mut free = 0;
        let best = self.best_first().take_while(|record| {
            let room = free < most;
            free += usize::from(record.control.backoff_until <= Some(now));
            room
        });
        let heard = self.placement.seated().filter_map(|key| self.get(key));
        let mut considered: Vec<_> = best.chain(heard).chain(self.singled_out()).collect();
        considered.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        considered.dedup_by(|a, b| a.key == b.key);
        considered
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// How many there are in a pool.
    pub fn count(&self, pool: Pool) -> usize {
        self.records.count(pool)
    }

    /// What is remembered beside the peers.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The ledger of what is not saved yet.
    pub fn unsaved(&self) -> &Unsaved {
        &self.unsaved
    }

    /// Who is in the store and not in memory.
    pub fn hot(&mut self) -> &mut Hot {
        &mut self.hot
    }

    /// About how many proven peers are in the store and not in memory.
    pub fn shelved(&self) -> usize {
        self.hot.shelved()
    }

    /// Lets go of the proven with the lowest rank if memory has no room for them; what is saved of them
    /// stays in the store. Whoever is `needed` stays, and so does whoever is not saved yet.
    pub fn let_go(&mut self, config: &Config, now: Time, needed: impl Fn(&PeerKey) -> bool) {
        let over = self.count(Pool::Proven).saturating_sub(config.hot_max);
        if over == 0 || !self.hot.take_look() {
            return;
        }
        let count = over + config.hot_max / hot::SLACK;
        let stays = |Entry { record, ticket, .. }: &Entry| {
            let key = &record.key;
            let decided = record.control.pinned || record.control.anchor || record.is_blocked(now);
            decided || record.role.bootstrap || needed(key) || self.unsaved.holds(key, *ticket)
        };
        let lowest = self.records.lowest(count);
        let leaving = lowest.filter(|entry| !stays(entry));
        let leaving: Vec<_> = leaving.map(|entry| entry.record.key.clone()).collect();
        for key in &leaving {
            self.records.remove(key);
        }
        self.hot.let_go(leaving.len());
    }

    /// Begins a commit if one is due; see [`Unsaved::begin`].
    pub fn begin_commit(&mut self, now: Time, hurry: bool, config: &Config) -> Option<Changes> {
        let Self {
            records,
            memory,
            unsaved,
            ..
        } = self;
        let known = |key: &PeerKey| {
            let Entry { record, ticket, .. } = records.get(key)?;
            Some((record, *ticket))
        };
        unsaved.begin(now, hurry, config, memory, known)
    }

    /// Ends a commit; see [`Unsaved::end`].
    pub fn end_commit(&mut self, now: Time, ok: bool) {
        let records = &self.records;
        self.unsaved
            .end(now, ok, |key| records.get(key).map(|entry| entry.ticket));
        self.hot.one_may_go();
    }

    /// Takes in a record from the store. Returns how many of its values were put right.
    pub fn load(&mut self, now: Time, mut loaded: PeerRecord, config: &Config) -> usize {
        let repaired = loaded.sanitise(now) + loaded.shorten_waits(now + config.backoff_max);
        let key = loaded.key.clone();
        if self.unsaved.is_forgotten(&key) {
            return repaired;
        }
        let mut entry = match self.records.remove(&key) {
            // Met or heard of before its page of the store was read.
            Some(Entry {
                record,
                slot,
                ticket,
            }) => {
                if let Some(slot) = slot {
                    self.placement.free(slot, &key);
                }
                let unsaved = self.unsaved.counts(&key, ticket);
                let record = PeerDelta { record, unsaved }.onto(Some(loaded));
                Entry {
                    ticket,
                    ..Entry::new(record)
                }
            }
            None => Entry::new(loaded),
        };
        self.common.share(&mut entry.record.role);
        entry.slot = self
            .seat_of(&entry.record)
            .filter(|slot| self.placement.occupant(*slot).is_none());
        if let Some(slot) = entry.slot {
            self.placement.take(slot, key);
        }
        self.records.insert(entry);
        self.hot.one_may_go();
        repaired
    }

    /// Remembers the breaker of a source.
    pub fn set_breaker(&mut self, now: Time, source: Text<640>, breaker: Backoff) {
        if self.memory.sources.get(&source) != Some(&breaker) {
            self.memory.sources.insert(source, breaker);
            self.unsaved.touch_memory(now);
        }
    }

    /// Whether a host may be dialled, or has failed too often lately.
    pub fn host_rests(&self, address: &Address, now: Time) -> bool {
        hosts::rests(&self.memory.hosts, address, now)
    }

    /// Forgets the failures of a host.
    pub fn clear_host(&mut self, now: Time, ip: IpAddr) {
        if self.memory.hosts.remove(&ip).is_some() {
            self.unsaved.touch_memory(now);
        }
    }

    /// The name under which a place is remembered.
    pub fn place(&self, named_by: &[u8]) -> Place {
        self.placement.place(named_by)
    }

    /// Forgets a peer, also one whose page of the store has not been read yet.
    pub fn forget(&mut self, now: Time, key: &PeerKey) {
        let entry = self.records.remove(key);
        match &entry {
            Some(Entry { slot, .. }) => {
                if let Some(slot) = *slot {
                    self.placement.free(slot, key);
                }
            }
            None => self.hot.one_less(),
        }
        let ticket = entry.map(|entry| entry.ticket);
        self.unsaved.forget(now, key, ticket);
    }

    /// What the retention rules would do.
    pub fn prune_plan(
        &self,
        now: Time,
        config: &Config,
        exempt: impl Fn(&PeerRecord) -> bool,
    ) -> PruneReport {
        retention::plan(&config.retention, self.iter(), exempt, now)
    }

    /// What they would do to one peer that has just failed.
    pub fn prune_plan_of(&self, now: Time, key: &PeerKey, config: &Config) -> PruneReport {
        let one = self.get(key).into_iter();
        retention::plan(&config.retention, one, |_| false, now)
    }

    /// Does what a plan says.
    pub fn prune(&mut self, now: Time, plan: &PruneReport) {
        for hit in &plan.fates {
            match hit.fate {
                Fate::Forget => {
                    self.forget(now, &hit.peer);
                }
                Fate::Demote => self.update(now, &hit.peer, |record| {
                    record.demoted = Some(now);
                    true
                }),
            }
        }
    }

    /// Makes sure that there is a record.
    fn ensure(&mut self, now: Time, key: &PeerKey) {
        if self.get(key).is_none() {
            self.take_in(now, key);
        }
    }

    /// Begins the record of somebody unknown.
    fn take_in(&mut self, now: Time, key: &PeerKey) {
        self.hot.turned_up(key);
        let record = PeerRecord::new(key.clone(), now);
        self.records.insert(Entry::new(record));
    }

    /// Changes a record and notes it, if `change` says that it did.
    fn update(&mut self, now: Time, key: &PeerKey, change: impl FnOnce(&mut PeerRecord) -> bool) {
        let unsaved = &mut self.unsaved;
        self.records.change(key, |Entry { record, ticket, .. }| {
            if change(record) {
                unsaved.touch(now, &record.key, ticket);
            }
        });
    }

    /// Changes a record, adds what `change` returns to its counts, and notes both.
    fn grow(&mut self, now: Time, key: &PeerKey, change: impl FnOnce(&mut Entry) -> Counts) {
        let unsaved = &mut self.unsaved;
        self.records.change(key, |entry| {
            let grown = change(entry);
            let Entry { record, ticket, .. } = entry;
            let evidence = &mut record.evidence;
            Counts::of(evidence).plus(&grown).put_into(evidence);
            unsaved.count(now, &record.key, ticket, &grown);
        });
    }
}

/// Whether we ever had an authenticated connection with a peer.
pub fn was_met(record: &PeerRecord) -> bool {
    record.last_connected.is_some()
}

/// Where a peer lives, by its best address.
pub fn netgroup(record: &PeerRecord) -> Option<Netgroup> {
    record
        .addresses
        .first()
        .map(|known| Netgroup::of(&known.address))
}

/// Whether this failure says something about the peer, and not only about the address or about us.
pub fn blames_peer(failure: Failure) -> bool {
    match failure {
        Failure::Refused | Failure::Silent | Failure::Handshake | Failure::Other => true,
        Failure::WrongPeer | Failure::Unreachable | Failure::Unsupported => false,
    }
}
