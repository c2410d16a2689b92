//! The records, in two pools: whom we met and whom we heard of.
//!
//! Everything that changes a record passes through here, so that the pools keep apart and every
//! change is noted for saving. How one record keeps its addresses stands in `addresses`, which hosts
//! rest in `hosts`; *when* something changes is decided elsewhere.

use std::{net::IpAddr, time::Duration};

use fastrand::Rng;

use crate::{
    address::Address,
    addresses,
    backoff::Backoff,
    changes::{Changes, Counts, PeerDelta},
    common::Common,
    config::Config,
    decay::{self, Decayed, Penalty},
    evidence::ConnectionKind,
    hosts,
    hot::{self, Hot},
    input::{AddressFailure, Deed, Failure, Identified},
    key::PeerKey,
    links::Links,
    memory::{Memory, Secret},
    netgroup::Netgroup,
    notes::Note,
    placement::{Placement, Slot, Teller},
    reach::Reach,
    record::{ADDRESSES_MAX, Control, PROTOCOLS_MAX, PeerRecord, Place, Pool, Role},
    records::{Entry, Records},
    reputation::{self, Judgement},
    retention::{self, Fate, PruneReport},
    signed::SignedPeer,
    source::Source,
    survival::SurvivalCounts,
    text::{Blob, Text},
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
        let mut unsaved = Unsaved::new(memory.secret);
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
        if over == 0 {
            return;
        }
        let count = over + config.hot_max / hot::SLACK;
        let stays = |record: &PeerRecord| {
            let key = &record.key;
            let decided = record.control.pinned || record.control.anchor || record.is_blocked(now);
            decided || record.role.bootstrap || needed(key) || self.unsaved.holds(key)
        };
        let lowest = self.records.lowest(count);
        let leaving = lowest.filter(|record| !stays(record));
        let leaving: Vec<_> = leaving.map(|record| record.key.clone()).collect();
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
        let record = |key: &PeerKey| records.get(key).map(|entry| &entry.record);
        unsaved.begin(now, hurry, config, memory, record)
    }

    /// Ends a commit; see [`Unsaved::end`].
    pub fn end_commit(&mut self, now: Time, ok: bool) {
        self.unsaved.end(now, ok);
    }

    /// Takes in a record from the store. Returns how many of its values were put right.
    pub fn load(&mut self, now: Time, mut loaded: PeerRecord, config: &Config) -> usize {
        let repaired = loaded.sanitise(now) + loaded.shorten_waits(now + config.backoff_max);
        let key = loaded.key.clone();
        if self.unsaved.is_forgotten(&key) {
            return repaired;
        }
        let mut record = match self.records.remove(&key) {
            // Met or heard of before its page of the store was read.
            Some(entry) => {
                if let Some(slot) = entry.slot {
                    self.placement.free(slot, &key);
                }
                let unsaved = self.unsaved.counts(&key);
                let record = entry.record;
                PeerDelta { record, unsaved }.onto(Some(loaded))
            }
            None => loaded,
        };
        self.common.share(&mut record.role);
        let slot = self
            .seat_of(&record)
            .filter(|slot| self.placement.occupant(*slot).is_none());
        if let Some(slot) = slot {
            self.placement.take(slot, key);
        }
        self.records.insert(Entry { record, slot });
        repaired
    }

    /// Takes in what somebody said of a peer. A proven peer gains addresses to try and nothing
    /// else; an unknown one is seated among the hearsay if its seat is free or its occupant is
    /// worth nothing. Returns whether anything new was learned.
    pub fn hear(
        &mut self,
        now: Time,
        key: &PeerKey,
        addresses: impl IntoIterator<Item = Address>,
        source: &Source,
        config: &Config,
    ) -> bool {
        let mut addresses = addresses.into_iter().take(ADDRESSES_MAX).peekable();
        if addresses.peek().is_none() {
            return false;
        }
        if self.get(key).is_none() {
            let mut record = PeerRecord::new(key.clone(), now);
            for address in addresses {
                addresses::add(&mut record, address, source, now);
            }
            return self.seat(now, record, config);
        }
        let mut learned = false;
        self.update(now, key, |record| {
            for address in addresses {
                learned |= addresses::add(record, address, source, now);
            }
            learned
        });
        learned
    }

    /// Takes in a peer's own signed word, whoever carried it; of two the newer holds. What was only
    /// claimed before and is claimed no longer is dropped. Returns whether anything new was learned.
    pub fn vouched(
        &mut self,
        now: Time,
        signed: &SignedPeer,
        believable: impl IntoIterator<Item = Address>,
        source: &Source,
        config: &Config,
    ) -> bool {
        let key = &signed.peer;
        let known = self
            .get(key)
            .and_then(|record| record.credentials.signed_seq);
        if known >= Some(signed.seq) {
            return false;
        }
        let learned = self.hear(now, key, believable, source, config);
        self.update(now, key, |record| {
            record.credentials.signed_record = Some(signed.envelope.clone());
            record.credentials.signed_seq = Some(signed.seq);
            record.credentials.signed_scope = signed.scope();
            record.addresses.retain(|known| {
                known.last_success.is_some()
                    || !matches!(known.source, Source::Pex(_) | Source::Gossip(_))
                    || signed.addresses.contains(&known.address)
            });
            true
        });
        learned
    }

    /// How much the words of a source weigh, from 0.02 to 1; see [`Introducers`].
    ///
    /// [`Introducers`]: crate::introducers::Introducers
    pub fn trust(&self, source: &Source) -> f64 {
        self.memory.introducers.trust(source)
    }

    /// The same for the words of a peer.
    pub fn trust_in(&self, peer: &PeerKey) -> f64 {
        self.memory.introducers.trust_in(peer)
    }

    /// Somebody a source named was there, or was not: its words weigh more, or less.
    fn judge_teller(
        &mut self,
        now: Time,
        teller: Option<Source>,
        was_there: bool,
        config: &Config,
    ) {
        let max = config.introducers_max;
        if let Some(source) = teller
            && self.memory.introducers.learn(&source, now, was_there, max)
        {
            self.unsaved.touch_memory(now);
        }
    }

    /// A peer the user or the program named: kept wherever it comes from.
    pub fn introduce(&mut self, now: Time, key: &PeerKey, address: Address, source: &Source) {
        self.ensure(now, key);
        self.update(now, key, |record| {
            let known = addresses::add(record, address, source, now);
            let bootstrap = *source == Source::Bootstrap && !record.role.bootstrap;
            record.role.bootstrap |= bootstrap;
            known || bootstrap
        });
    }

    /// An authenticated connection is up: the only way to become proven.
    pub fn met(&mut self, now: Time, key: &PeerKey, meeting: Meeting<'_>, config: &Config) {
        if let Some(address) = meeting.dialled {
            let teller = self.who_told(key, address);
            self.judge_teller(now, teller, true, config);
        }
        self.ensure(now, key);
        let seat = self.records.get(key).and_then(|entry| entry.slot);
        if let Some(slot) = seat {
            self.placement.free(slot, key);
        }
        let dials_ok = match meeting.dialled {
            Some(_) => Decayed::new(1.0, now),
            None => Decayed::default(),
        };
        let grown = Counts {
            dials_ok,
            ..Counts::default()
        };
        self.grow(now, key, &grown, |entry| {
            entry.slot = None;
            let record = &mut entry.record;
            // Who hung up at once last time may do so again: its waits grow on until it stays.
            let short = |session: Duration| session < config.check_every;
            if !record.last_session().is_some_and(short) {
                record.control.reconnect_attempts = 0;
            }
            record.last_connected = Some(now);
            record.last_seen = Some(now);
            record.evidence.failures_in_row = 0;
            record.evidence.kind = meeting.kind;
            record.control.backoff_until = None;
            // Whoever only came to us, in whatever numbers, must not be whom we begin with.
            let reached = meeting.dialled.is_some() || record.was_reached();
            record.control.anchor |= reached;
            if let Some(address) = meeting.dialled {
                addresses::add(record, address.clone(), &Source::Own, now);
                addresses::worked(record, address, now, meeting.took, meeting.place);
            }
        });
        if let Some(ip) = meeting.dialled.and_then(Address::ip) {
            self.clear_host(now, ip);
        }
    }

    /// A connected peer is reached in another way now, at this address if we dialled it.
    pub fn rerouted(
        &mut self,
        now: Time,
        key: &PeerKey,
        dialled: Option<&Address>,
        kind: ConnectionKind,
        place: Option<Place>,
    ) {
        self.update(now, key, |record| {
            record.evidence.kind = kind;
            if let Some(address) = dialled {
                addresses::add(record, address.clone(), &Source::Own, now);
                addresses::worked(record, address, now, None, place);
            }
            true
        });
    }

    /// A relay keeps a slot for us.
    pub fn relayed_us(&mut self, now: Time, key: &PeerKey) {
        self.update(now, key, |record| {
            record.role.relayed_us = Some(now);
            true
        });
    }

    /// The last connection to a peer ended after so long.
    pub fn parted(&mut self, now: Time, key: &PeerKey, session: Duration) {
        let grown = Counts {
            sessions: Decayed::new(1.0, now),
            session_s: Decayed::new(session.as_secs_f64(), now),
            ..Counts::default()
        };
        self.grow(now, key, &grown, |entry| {
            entry.record.last_disconnected = Some(now);
        });
    }

    /// A peer showed that it is alive by something it sent; `rtt` if that measured a round trip.
    pub fn seen(
        &mut self,
        now: Time,
        key: &PeerKey,
        rtt: Option<(Duration, Option<&Address>)>,
        config: &Config,
    ) {
        self.update(now, key, |record| {
            if let Some((rtt, address)) = rtt {
                decay::follow(&mut record.evidence.latency_ms, rtt);
                if let Some(known) = address.and_then(|address| record.address_mut(address)) {
                    decay::follow(&mut known.rtt_ms, rtt);
                }
            }
            let stale = record
                .last_seen
                .is_none_or(|seen| now.since(seen) >= config.seen_every);
            if stale {
                record.last_seen = Some(now);
                if now.since(record.last_connected.unwrap_or(now)) >= config.check_every {
                    record.control.reconnect_attempts = 0;
                }
            }
            stale
        });
    }

    /// A peer told us about itself over its own connection.
    pub fn identified(&mut self, now: Time, told: &Identified, reach: &Reach) {
        let protocols = told.protocols.iter().take(PROTOCOLS_MAX);
        let protocols = protocols.map(|name| Text::new(name)).collect();
        let mut role = Role {
            agent: (!told.agent.is_empty()).then(|| Text::new(&told.agent)),
            protocols,
            ..Role::default()
        };
        self.common.share(&mut role);
        self.update(now, &told.peer, |record| {
            let before = record.clone();
            record.role.agent = role.agent;
            record.role.protocols = role.protocols;
            record.role.relay = told
                .protocols
                .iter()
                .any(|name| name.starts_with("/libp2p/circuit/relay/0.2.0/hop"));
            if !told.public_key.is_empty() {
                record.credentials.public_key = Blob::new(told.public_key.clone());
            }
            let believable = told
                .addresses
                .iter()
                .filter(|address| reach.is_believable(address, Some(told.scope)))
                .take(ADDRESSES_MAX);
            for address in believable {
                addresses::add(record, address.clone(), &Source::Own, now);
            }
            *record != before
        });
    }

    /// A dial failed: its addresses rest for a while, and so does the peer once all of them do.
    /// Whoever is to blame, asking again at once would help nobody. Where no failure is of an
    /// address we know, the peer as a whole rests.
    pub fn rest(
        &mut self,
        now: Time,
        key: &PeerKey,
        failures: &[AddressFailure],
        config: &Config,
        rng: &mut Rng,
    ) {
        self.update(now, key, |record| {
            addresses::rest(record, failures, now, config, rng);
            true
        });
    }

    /// A peer is left alone until then, for no fault of its own.
    pub fn pause(&mut self, now: Time, key: &PeerKey, until: Time) {
        self.update(now, key, |record| {
            record.control.backoff_until = record.control.backoff_until.max(Some(until));
            true
        });
    }

    /// A dial failed and the fault was not ours.
    pub fn failed(
        &mut self,
        now: Time,
        key: &PeerKey,
        failures: &[AddressFailure],
        config: &Config,
        rng: &mut Rng,
    ) {
        let peer_at_fault = failures.iter().any(|failed| blames_peer(failed.failure));
        let mut tellers: Vec<_> = failures
            .iter()
            .filter(|failed| blames_peer(failed.failure) || failed.failure == Failure::WrongPeer)
            .filter_map(|failed| self.who_told(key, &failed.address))
            .collect();
        tellers.sort_unstable();
        tellers.dedup();
        for teller in tellers {
            self.judge_teller(now, Some(teller), false, config);
        }
        let dials_failed = if peer_at_fault {
            Decayed::new(1.0, now)
        } else {
            Decayed::default()
        };
        let grown = Counts {
            dials_failed,
            ..Counts::default()
        };
        self.grow(now, key, &grown, |entry| {
            let record = &mut entry.record;
            addresses::failed(record, failures, now);
            if peer_at_fault {
                record.last_failed = Some(now);
                let in_row = &mut record.evidence.failures_in_row;
                *in_row = in_row.saturating_add(1);
            }
        });
        if hosts::blame(&mut self.memory.hosts, failures, now, config, rng) {
            self.unsaved.touch_memory(now);
        }
    }

    /// Some addresses failed while another of the same peer worked.
    pub fn bypassed(&mut self, now: Time, key: &PeerKey, failures: &[AddressFailure]) {
        self.update(now, key, |record| {
            addresses::failed(record, failures, now);
            !failures.is_empty()
        });
    }

    /// Writes down what a peer did, and returns what comes of it; `None` if the peer is unknown.
    pub fn judged(
        &mut self,
        now: Time,
        key: &PeerKey,
        deed: Deed,
        config: &Config,
    ) -> Option<Judgement> {
        let judgement = reputation::judge(self.get(key)?, deed, now, config);
        self.grow(now, key, &judgement.grown, |entry| {
            if let Some(ban) = judgement.ban {
                entry.record.control.banned = Some(ban.into());
            }
        });
        Some(judgement)
    }

    /// Holds nothing against a peer any more.
    pub fn forgive(&mut self, now: Time, key: &PeerKey) {
        let held = self
            .get(key)
            .map(|record| record.evidence.dealings.misbehaviour);
        if let Some(held) = held.filter(|held| !held.is_zero()) {
            // An increment like any other, so that what other processes hold against it stays.
            let forgiven = Counts {
                misbehaviour: Penalty::new(-held.value(now), now),
                ..Counts::default()
            };
            self.grow(now, key, &forgiven, |_| {});
        }
    }

    /// Learns from one dial of a remembered peer how long peers live.
    pub fn learn_survival(&mut self, now: Time, age: Duration, absence: Duration, answered: bool) {
        let mut learned = SurvivalCounts::default();
        learned.learn(age, absence, answered);
        self.memory.survival.learn(age, absence, answered);
        self.unsaved.learn(now, &learned);
    }

    /// Writes down what the user decided about a peer, who may be unknown so far. That ends whatever
    /// we had decided ourselves.
    pub fn decide(&mut self, now: Time, key: &PeerKey, decision: impl FnOnce(&mut Control)) {
        self.ensure(now, key);
        self.update(now, key, |record| {
            decision(&mut record.control);
            record.control.decided = now;
            record.control.banned = None;
            true
        });
    }

    /// Writes down what the application wants remembered of a peer, who may be unknown so far.
    pub fn note(&mut self, now: Time, key: &PeerKey, note: Note) {
        let known = self.get(key).cloned();
        let mut record = known.unwrap_or_else(|| PeerRecord::new(key.clone(), now));
        if note.write(&mut record, now) {
            self.ensure(now, key);
            self.update(now, key, |known| {
                *known = record;
                true
            });
        }
    }

    /// Changes what we ourselves noted about a peer; `change` says whether it did.
    pub fn control(
        &mut self,
        now: Time,
        key: &PeerKey,
        change: impl FnOnce(&mut PeerRecord) -> bool,
    ) {
        self.update(now, key, change);
    }

    /// We are back with others: anchors that have not come back are anchors no more.
    pub fn settle_anchors(&mut self, now: Time, links: &Links) {
        let absent = |record: &&PeerRecord| {
            record.control.anchor && !links.contains(&record.key) && !links.was_lost(&record.key)
        };
        let gone: Vec<_> = self
            .singled_out()
            .filter(absent)
            .map(|record| record.key.clone())
            .collect();
        for key in gone {
            self.control(now, &key, |record| {
                std::mem::take(&mut record.control.anchor)
            });
        }
    }

    /// Lets every proven peer be dialled at once again.
    pub fn clear_backoff(&mut self, now: Time) {
        let resting: Vec<_> = self
            .iter()
            .filter(|record| record.last_connected.is_some() && addresses::is_resting(record))
            .map(|record| record.key.clone())
            .collect();
        for key in resting {
            self.update(now, &key, |record| {
                addresses::wake(record);
                true
            });
        }
        if !self.memory.hosts.is_empty() {
            self.memory.hosts.clear();
            self.unsaved.touch_memory(now);
        }
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
        match self.records.remove(key) {
            Some(Entry { slot, .. }) => {
                if let Some(slot) = slot {
                    self.placement.free(slot, key);
                }
            }
            None => self.hot.one_less(),
        }
        self.unsaved.forget(now, key);
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

    /// Who told us that a peer we never met lives there, if nobody has tried it before.
    fn who_told(&self, key: &PeerKey, address: &Address) -> Option<Source> {
        let record = self.get(key).filter(|record| !was_met(record))?;
        let known = record.address(address)?;
        (known.last_failure.is_none()).then(|| known.source.clone())
    }

    /// Makes sure that there is a record.
    fn ensure(&mut self, now: Time, key: &PeerKey) {
        if self.get(key).is_none() {
            self.hot.turned_up(key);
            let record = PeerRecord::new(key.clone(), now);
            self.records.insert(Entry { record, slot: None });
        }
    }

    /// Changes a record and notes it, if `change` says that it did.
    fn update(&mut self, now: Time, key: &PeerKey, change: impl FnOnce(&mut PeerRecord) -> bool) {
        let changed = self.records.change(key, |entry| change(&mut entry.record));
        if changed == Some(true) {
            self.unsaved.touch(now, key);
        }
    }

    /// Changes a record, adds to its counts, and notes both.
    fn grow(&mut self, now: Time, key: &PeerKey, grown: &Counts, change: impl FnOnce(&mut Entry)) {
        let known = self.records.change(key, |entry| {
            change(entry);
            let evidence = &mut entry.record.evidence;
            Counts::of(evidence).plus(grown).put_into(evidence);
        });
        if known.is_some() {
            self.unsaved.count(now, key, grown);
        }
    }

    fn seat(&mut self, now: Time, record: PeerRecord, config: &Config) -> bool {
        let Some(slot) = self.seat_of(&record) else {
            return false;
        };
        if let Some(occupant) = self.placement.occupant(slot).cloned() {
            let worthless = self
                .get(&occupant)
                .is_none_or(|held| is_worthless(held, now, config));
            if !worthless {
                return false;
            }
            self.forget(now, &occupant);
        }
        let key = record.key.clone();
        self.hot.turned_up(&key);
        self.unsaved.touch(now, &key);
        self.placement.take(slot, key);
        let slot = Some(slot);
        self.records.insert(Entry { record, slot });
        true
    }

    /// The seat hearsay belongs to, by its first address and whoever named it.
    fn seat_of(&self, record: &PeerRecord) -> Option<Slot> {
        if record.last_connected.is_some() || record.role.bootstrap {
            return None;
        }
        let first = record.addresses.first()?;
        let lives_in = match &first.source {
            Source::Pex(teller) | Source::Gossip(teller) => self.get(teller).and_then(netgroup),
            _ => None,
        };
        let teller = Teller::of(&first.source, lives_in.as_ref());
        let about = Netgroup::of(&first.address);
        Some(self.placement.slot(&record.key, &about, &teller))
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

/// Hearsay that gives its seat to fresher hearsay.
fn is_worthless(held: &PeerRecord, now: Time, config: &Config) -> bool {
    let once = std::iter::once(held);
    if held.control.pinned || held.is_blocked_by_user(now) {
        return false; // what the user decided, hearsay cannot undo
    }
    held.addresses.is_empty()
        || held.evidence.failures_in_row > 0
        || !retention::plan(&config.retention, once, |_| false, now).is_empty()
}
