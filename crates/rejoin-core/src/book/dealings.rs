//! What really happens between a peer and us, written down.

use std::time::Duration;

use fastrand::Rng;

use super::{Book, Meeting, blames_peer, was_met};
use crate::{
    address::Address,
    addresses,
    changes::Counts,
    config::Config,
    decay::{self, Decayed, Penalty},
    evidence::ConnectionKind,
    hosts,
    input::{AddressFailure, Deed, Failure, Identified},
    key::PeerKey,
    reach::Reach,
    record::{ADDRESSES_MAX, PROTOCOLS_MAX, PeerRecord, Place, Role},
    records::Entry,
    reputation::{self, Judgement},
    source::Source,
    survival::SurvivalCounts,
    text::{Blob, Text},
    time::Time,
};

impl Book {
    /// An authenticated connection is up: the only way to become proven.
    pub fn met(&mut self, now: Time, key: &PeerKey, meeting: Meeting<'_>, config: &Config) {
        match self.records.get(key) {
            Some(Entry { record, slot, .. }) => {
                if let Some(slot) = *slot {
                    self.placement.free(slot, key);
                }
                let teller = meeting.dialled.and_then(|it| who_told(record, it));
                self.judge_teller(now, teller, true, config);
            }
            None => self.take_in(now, key),
        }
        let dials_ok = match meeting.dialled {
            Some(_) => Decayed::new(1.0, now),
            None => Decayed::default(),
        };
        let grown = Counts {
            dials_ok,
            ..Counts::default()
        };
        self.grow(now, key, |Entry { record, slot, .. }| {
            *slot = None;
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
            grown
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
        self.grow(now, key, |Entry { record, .. }| {
            record.last_disconnected = Some(now);
            grown
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
            let relays = |name: &String| name.starts_with("/libp2p/circuit/relay/0.2.0/hop");
            let known = &mut record.role;
            let mut changed = set(&mut known.agent, role.agent)
                | set(&mut known.protocols, role.protocols)
                | set(&mut known.relay, told.protocols.iter().any(relays));
            if !told.public_key.is_empty() {
                let key = Blob::new(told.public_key.clone());
                if record.credentials.public_key != key {
                    record.credentials.public_key = key;
                    changed = true;
                }
            }
            let believable = told
                .addresses
                .iter()
                .filter(|address| reach.is_believable(address, Some(told.scope)))
                .take(ADDRESSES_MAX);
            for address in believable {
                changed |= addresses::add(record, address.clone(), &Source::Own, now);
            }
            changed
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
            .filter_map(|failed| who_told(self.get(key)?, &failed.address))
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
        self.grow(now, key, |Entry { record, .. }| {
            addresses::failed(record, failures, now);
            if peer_at_fault {
                record.last_failed = Some(now);
                let in_row = &mut record.evidence.failures_in_row;
                *in_row = in_row.saturating_add(1);
            }
            grown
        });
        if hosts::blame(&mut self.memory.hosts, failures, now, config, rng) {
            self.unsaved.touch_memory(now);
        }
    }

    /// Some addresses failed while another of the same peer worked.
    pub fn bypassed(&mut self, now: Time, key: &PeerKey, failures: &[AddressFailure]) {
        if failures.is_empty() {
            return;
        }
        self.update(now, key, |record| {
            addresses::failed(record, failures, now);
            true
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
        let mut judgement = None;
        self.grow(now, key, |Entry { record, .. }| {
            let judged = judgement.insert(reputation::judge(record, deed, now, config));
            if let Some(ban) = judged.ban {
                record.control.banned = Some(ban.into());
            }
            judged.grown
        });
        judgement
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
            self.grow(now, key, |_| forgiven);
        }
    }

    /// Learns from one dial of a remembered peer how long peers live.
    pub fn learn_survival(&mut self, now: Time, age: Duration, absence: Duration, answered: bool) {
        let mut learned = SurvivalCounts::default();
        learned.learn(age, absence, answered);
        self.memory.survival.learn(age, absence, answered);
        self.unsaved.learn(now, &learned);
    }
}

/// Who told us that a peer we never met lives there, if nobody has tried it before.
fn who_told(record: &PeerRecord, address: &Address) -> Option<Source> {
    let known = record.address(address)?;
    let untried = !was_met(record) && known.last_failure.is_none();
    untried.then(|| known.source.clone())
}

/// Says whether that was new.
fn set<T: PartialEq>(fact: &mut T, said: T) -> bool {
    let is_new = *fact != said;
    if is_new {
        *fact = said;
    }
    is_new
}
