//! What has changed since the last save, and how it joins what others have saved meanwhile.
//!
//! A store never sees the engine: it takes [`Changes`] and, under its own lock or transaction, puts
//! [`PeerDelta::onto`] what it holds. Counts travel as increments and add up; of two facts the newer
//! one holds. So any number of processes can share one memory, in any order.

use crate::{
    decay::{Decayed, Penalty},
    evidence::{Dealings, Evidence},
    key::PeerKey,
    memory::MemoryDelta,
    notes,
    record::{ADDRESSES_MAX, AddressRecord, PLACES_MAX, PeerRecord, Role, merge_unknown},
    signed,
};

/// What a commit carries.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// Peers that are new or different, each key once.
    pub peers: Vec<PeerDelta>,
    /// Peers to forget, none of them among `peers`.
    pub forgotten: Vec<PeerKey>,
    /// What is remembered beside the peers, if it changed.
    pub memory: Option<MemoryDelta>,
}

impl Changes {
    /// Nothing to save.
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty() && self.forgotten.is_empty() && self.memory.is_none()
    }

    /// How many peers it touches.
    pub fn len(&self) -> usize {
        self.peers.len() + self.forgotten.len()
    }
}

/// One peer as we see it, and what we have counted since our last save.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerDelta {
    /// The whole record as we see it, counts included.
    pub record: PeerRecord,
    /// The part of its counts that has not been saved yet.
    pub unsaved: Counts,
}

/// The counts of [`Evidence`], as increments.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    /// See [`Evidence::dials_ok`].
    pub dials_ok: Decayed,
    /// See [`Evidence::dials_failed`].
    pub dials_failed: Decayed,
    /// See [`Evidence::sessions`].
    pub sessions: Decayed,
    /// See [`Evidence::session_s`].
    pub session_s: Decayed,
    /// See [`Dealings::transfers_ok`].
    pub transfers_ok: Decayed,
    /// See [`Dealings::transfers_failed`].
    pub transfers_failed: Decayed,
    /// See [`Dealings::invalid_data`].
    pub invalid_data: Decayed,
    /// See [`Dealings::misbehaviour`]. Less than nothing where the user forgave.
    pub misbehaviour: Penalty,
    /// See [`Dealings::bytes_in`].
    pub bytes_in: u64,
    /// See [`Dealings::bytes_out`].
    pub bytes_out: u64,
}

impl Counts {
    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            dials_ok: self.dials_ok.plus(other.dials_ok),
            dials_failed: self.dials_failed.plus(other.dials_failed),
            sessions: self.sessions.plus(other.sessions),
            session_s: self.session_s.plus(other.session_s),
            transfers_ok: self.transfers_ok.plus(other.transfers_ok),
            transfers_failed: self.transfers_failed.plus(other.transfers_failed),
            invalid_data: self.invalid_data.plus(other.invalid_data),
            misbehaviour: self.misbehaviour.plus(other.misbehaviour),
            bytes_in: self.bytes_in.saturating_add(other.bytes_in),
            bytes_out: self.bytes_out.saturating_add(other.bytes_out),
        }
    }

    /// The counts of some evidence.
    pub fn of(evidence: &Evidence) -> Self {
        let dealings = &*evidence.dealings;
        Self {
            dials_ok: evidence.dials_ok,
            dials_failed: evidence.dials_failed,
            sessions: evidence.sessions,
            session_s: evidence.session_s,
            transfers_ok: dealings.transfers_ok,
            transfers_failed: dealings.transfers_failed,
            invalid_data: dealings.invalid_data,
            misbehaviour: dealings.misbehaviour,
            bytes_in: dealings.bytes_in,
            bytes_out: dealings.bytes_out,
        }
    }

    /// Writes these counts into some evidence.
    pub fn put_into(self, evidence: &mut Evidence) {
        evidence.dials_ok = self.dials_ok;
        evidence.dials_failed = self.dials_failed;
        evidence.sessions = self.sessions;
        evidence.session_s = self.session_s;
        let dealings = Dealings {
            transfers_ok: self.transfers_ok,
            transfers_failed: self.transfers_failed,
            invalid_data: self.invalid_data,
            // Two processes may forgive the same points.
            misbehaviour: self.misbehaviour.at_least_zero(),
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
        };
        if *evidence.dealings != dealings {
            *evidence.dealings = dealings;
        }
    }
}

impl PeerDelta {
    /// What to save, given what is saved now.
    pub fn onto(&self, saved: Option<PeerRecord>) -> PeerRecord {
        let ours = &self.record;
        let Some(saved) = saved else {
            return ours.clone();
        };
        // Facts that are not stamped one by one follow whoever dealt with the peer last.
        let dealt = |record: &PeerRecord| (record.last_dealt(), record.last_touched());
        let (newer, older) = if dealt(ours) >= dealt(&saved) {
            (ours, &saved)
        } else {
            (&saved, ours)
        };
        let mut merged = newer.clone();
        if newer.notes != older.notes {
            merged.notes = notes::merged(&newer.notes, &older.notes).into();
        }
        if newer.credentials != older.credentials {
            merged.credentials = signed::merged(&newer.credentials, &older.credentials).into();
        }
        merged.first_seen = newer.first_seen.min(older.first_seen);
        merged.last_seen = newer.last_seen.max(older.last_seen);
        merged.last_connected = newer.last_connected.max(older.last_connected);
        merged.last_disconnected = newer.last_disconnected.max(older.last_disconnected);
        merged.last_failed = newer.last_failed.max(older.last_failed);
        merged.demoted = newer.demoted.max(older.demoted);
        merged.addresses = merge_addresses(&newer.addresses, &older.addresses);
        Counts::of(&saved.evidence)
            .plus(&self.unsaved)
            .put_into(&mut merged.evidence);
        merged.evidence.latency_ms = newer.evidence.latency_ms.or(older.evidence.latency_ms);
        if newer.role.agent.is_none() && newer.role.protocols.is_empty() {
            // It has not said anew what it is.
            let said = older.role.clone();
            merged.role = Role {
                bootstrap: newer.role.bootstrap,
                ..said
            };
        }
        merged.role.bootstrap |= older.role.bootstrap;
        merged.role.relayed_us = newer.role.relayed_us.max(older.role.relayed_us);
        let decided = if older.control.decided > newer.control.decided {
            &older.control
        } else {
            &newer.control
        };
        merged.control.pinned = decided.pinned;
        merged.control.trusted = decided.trusted;
        merged.control.blocked_until = decided.blocked_until;
        merged.control.decided = decided.decided;
        // What the user decides lifts a ban, what another process saves does not.
        merged.control.banned = [&newer.control.banned, &older.control.banned]
            .into_iter()
            .flatten()
            .filter(|ban| ban.since > merged.control.decided)
            .max_by_key(|ban| ban.until)
            .cloned();
        merge_unknown(&mut merged.unknown, &older.unknown);
        merged
    }
}

fn merge_addresses(newer: &[AddressRecord], older: &[AddressRecord]) -> Vec<AddressRecord> {
    let mut merged = newer.to_vec();
    for theirs in older {
        match merged
            .iter_mut()
            .find(|ours| ours.address == theirs.address)
        {
            Some(ours) => merge_address(ours, theirs),
            None => merged.push(theirs.clone()),
        }
    }
    if merged.len() > ADDRESSES_MAX {
        // Evidence first; among equals what the newer record had stays.
        merged.sort_by_key(|known| {
            std::cmp::Reverse((known.last_success, std::cmp::Reverse(known.failures_in_row)))
        });
        merged.truncate(ADDRESSES_MAX);
    }
    merged
}

fn merge_address(ours: &mut AddressRecord, theirs: &AddressRecord) {
    let tried = |known: &AddressRecord| known.last_success.max(known.last_failure);
    if tried(theirs) > tried(ours) {
        ours.failures_in_row = theirs.failures_in_row;
        ours.backoff_until = theirs.backoff_until;
        ours.dial_ms = theirs.dial_ms.or(ours.dial_ms);
        ours.rtt_ms = theirs.rtt_ms.or(ours.rtt_ms);
    }
    if theirs.first_heard < ours.first_heard {
        ours.first_heard = theirs.first_heard;
        ours.source = theirs.source.clone();
    }
    ours.last_success = ours.last_success.max(theirs.last_success);
    ours.last_failure = ours.last_failure.max(theirs.last_failure);
    ours.observed |= theirs.observed;
    for place in &*theirs.places {
        if !ours.places.contains(place) && ours.places.len() < PLACES_MAX {
            ours.places.push(*place);
        }
    }
    merge_unknown(&mut ours.unknown, &theirs.unknown);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::{record::Ban, source::Source, text::Text, time::Time};

    const fn t(ms: u64) -> Time {
        Time::from_millis(1_000_000 + ms)
    }

    fn alice() -> PeerRecord {
        PeerRecord::new("alice".parse().unwrap(), t(0))
    }

    fn dials_ok(count: f64, at: Time) -> Counts {
        Counts {
            dials_ok: Decayed::new(count, at),
            ..Counts::default()
        }
    }

    /// A delta as one process makes it: it loaded `loaded` and then saw `unsaved` happen.
    fn delta(loaded: &PeerRecord, unsaved: Counts) -> PeerDelta {
        let mut record = loaded.clone();
        Counts::of(&record.evidence)
            .plus(&unsaved)
            .put_into(&mut record.evidence);
        PeerDelta { record, unsaved }
    }

    #[test]
    fn two_processes_add_up_instead_of_overwriting_each_other() {
        let mut saved = alice();
        saved.evidence.dials_ok = Decayed::new(10.0, t(0));
        let one = delta(&saved, dials_ok(1.0, t(0)));
        let other = delta(&saved, dials_ok(2.0, t(0)));
        let both = other.onto(Some(one.onto(Some(saved))));
        assert_eq!(both.evidence.dials_ok.latest(), 13.0);
    }

    #[test]
    fn a_record_somebody_else_forgot_comes_back_whole() {
        let mut ours = alice();
        ours.evidence.dials_ok = Decayed::new(10.0, t(0));
        let back = delta(&ours, dials_ok(1.0, t(0))).onto(None);
        assert_eq!(back.evidence.dials_ok.latest(), 11.0);
    }

    #[test]
    fn the_newer_fact_holds_whichever_is_saved_first() {
        let mut early = alice();
        early.last_connected = Some(t(5));
        early.notes.display_name = Some(Text::new("Al"));
        let mut late = alice();
        late.last_connected = Some(t(9));
        late.role.agent = Some(Text::new("late/1"));
        let here = delta(&late, Counts::default()).onto(Some(early.clone()));
        let there = delta(&early, Counts::default()).onto(Some(late));
        assert_eq!(here, there);
        assert_eq!(here.last_connected, Some(t(9)));
        assert_eq!(&*here.role.agent.unwrap(), "late/1");
        assert_eq!(here.notes.display_name.as_deref().unwrap(), "Al");
    }

    #[test]
    fn mistake_02_who_only_heard_of_a_peer_changes_nothing_of_what_others_saw() {
        let mut saved = alice();
        saved.last_connected = Some(t(5));
        saved.evidence.kind = crate::evidence::ConnectionKind::Relayed;
        saved.control.reconnect_attempts = 3;
        saved.role.agent = Some(Text::new("alice/1"));
        let mut heard = PeerRecord::new("alice".parse().unwrap(), t(90));
        let address = "/ip4/8.8.4.4/tcp/1".parse().unwrap();
        let told = AddressRecord::new(address, Source::Swarm, t(90));
        heard.addresses.push(told.clone());
        let merged = delta(&heard, Counts::default()).onto(Some(saved.clone()));
        saved.addresses.push(told);
        assert_eq!(merged, saved);

        heard.last_failed = Some(t(91));
        let merged = delta(&heard, Counts::default()).onto(Some(saved));
        assert_eq!(merged.role.agent.as_deref(), Some("alice/1"));
    }

    #[test]
    fn of_two_decisions_the_later_one_holds() {
        let mut pinned = alice();
        pinned.control.pinned = true;
        pinned.control.decided = t(5);
        let mut seen_later = alice();
        seen_later.last_seen = Some(t(99));
        let merged = delta(&seen_later, Counts::default()).onto(Some(pinned));
        assert!(merged.control.pinned, "seeing a peer is no decision");
    }

    fn banned(since: Time, until: Time) -> PeerRecord {
        let mut record = alice();
        record.control.banned = Some(Ban { since, until }.into());
        record
    }

    #[test]
    fn mistake_13_a_ban_outlives_what_others_save_and_a_pin_outlives_a_ban() {
        let fresh = delta(&alice(), Counts::default());
        let saved = banned(t(5), t(90));
        assert!(fresh.onto(Some(saved.clone())).is_blocked(t(6)));

        let both = delta(&banned(t(6), t(50)), Counts::default()).onto(Some(saved.clone()));
        assert_eq!(both.blocked_until(t(6)), Some(t(90)), "the longer one");

        let mut pinned = alice();
        pinned.control.pinned = true;
        pinned.control.decided = t(7);
        for merged in [
            delta(&pinned, Counts::default()).onto(Some(saved.clone())),
            delta(&saved, Counts::default()).onto(Some(pinned.clone())),
        ] {
            assert!(merged.control.pinned && !merged.is_blocked(t(8)));
        }
        let again = delta(&banned(t(8), t(90)), Counts::default()).onto(Some(pinned));
        assert!(again.control.pinned && again.is_blocked(t(9)));
    }

    #[test]
    fn misbehaviour_adds_up_and_is_forgiven_once() {
        let points = |points: f64| Counts {
            misbehaviour: Penalty::new(points, t(0)),
            ..Counts::default()
        };
        let mut saved = alice();
        saved.evidence.dealings.misbehaviour = Penalty::new(30.0, t(0));
        let held = |record: &PeerRecord| record.evidence.dealings.misbehaviour.latest();
        let more = delta(&saved, points(4.0)).onto(Some(saved.clone()));
        assert_eq!(held(&more), 34.0);
        let forgiven = delta(&saved, points(-30.0));
        let once = forgiven.onto(Some(more));
        assert_eq!(held(&once), 4.0, "what we did not know of stays");
        assert_eq!(held(&forgiven.onto(Some(once))), 0.0);
    }

    #[test]
    fn addresses_join_and_those_with_evidence_stay() {
        let with = |ports: std::ops::Range<u16>, worked: bool| {
            let mut record = alice();
            for port in ports {
                let address = format!("/ip4/8.8.4.4/tcp/{port}").parse().unwrap();
                let mut known = AddressRecord::new(address, Source::Own, t(0));
                known.last_success = worked.then_some(t(3));
                record.addresses.push(known);
            }
            record
        };
        let merged = delta(&with(1..8, false), Counts::default()).onto(Some(with(8..13, true)));
        assert_eq!(merged.addresses.len(), ADDRESSES_MAX);
        let worked = merged
            .addresses
            .iter()
            .filter(|known| known.last_success.is_some());
        assert_eq!(worked.count(), 5);
    }

    #[test]
    fn unknown_fields_of_both_sides_stay() {
        let mut ours = alice();
        ours.unknown.insert("ours".into(), 1.into());
        let mut saved = alice();
        saved.unknown.insert("theirs".into(), 2.into());
        let merged = delta(&ours, Counts::default()).onto(Some(saved));
        assert_eq!(merged.unknown.len(), 2);
    }

    proptest! {
        #[test]
        fn in_whatever_order_increments_are_saved_the_sum_is_the_same(
            grown in prop::collection::vec((0.0..10.0f64, 0..9_999_999u64), 1..12),
        ) {
            let base = alice();
            let sum = |grown: &[(f64, u64)]| {
                grown.iter().fold(base.clone(), |saved, &(count, at)| {
                    delta(&base, dials_ok(count, t(at))).onto(Some(saved))
                })
            };
            let mut backwards = grown.clone();
            backwards.reverse();
            let (there, back) = (sum(&grown), sum(&backwards));
            let (there, back) = (there.evidence.dials_ok, back.evidence.dials_ok);
            let now = t(0) + Duration::from_secs(86_400);
            prop_assert!((there.value(now) - back.value(now)).abs() < 1e-6);
        }
    }
}
