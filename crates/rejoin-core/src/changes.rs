//! What has changed since the last save, and how it joins what others have saved meanwhile.
//!
//! A store never sees the engine: it takes [`Changes`] and, under its own lock or transaction, puts
//! [`PeerDelta::onto`] what it holds. Counts travel as increments and add up; of two facts the newer
//! one holds. So any number of processes can share one memory, in any order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    backoff::Backoff,
    decay::Decayed,
    key::PeerKey,
    record::{ADDRESSES_MAX, AddressRecord, Evidence, PeerRecord, Unknown},
    survival::SurvivalCounts,
    text::Text,
    time::Time,
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
    /// See [`Evidence::transfers_ok`].
    pub transfers_ok: Decayed,
    /// See [`Evidence::transfers_failed`].
    pub transfers_failed: Decayed,
    /// See [`Evidence::invalid_data`].
    pub invalid_data: Decayed,
    /// See [`Evidence::bytes_in`].
    pub bytes_in: u64,
    /// See [`Evidence::bytes_out`].
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
            bytes_in: self.bytes_in.saturating_add(other.bytes_in),
            bytes_out: self.bytes_out.saturating_add(other.bytes_out),
        }
    }

    /// The counts of some evidence.
    pub fn of(evidence: &Evidence) -> Self {
        Self {
            dials_ok: evidence.dials_ok,
            dials_failed: evidence.dials_failed,
            sessions: evidence.sessions,
            session_s: evidence.session_s,
            transfers_ok: evidence.transfers_ok,
            transfers_failed: evidence.transfers_failed,
            invalid_data: evidence.invalid_data,
            bytes_in: evidence.bytes_in,
            bytes_out: evidence.bytes_out,
        }
    }

    /// Writes these counts into some evidence.
    pub fn put_into(self, evidence: &mut Evidence) {
        evidence.dials_ok = self.dials_ok;
        evidence.dials_failed = self.dials_failed;
        evidence.sessions = self.sessions;
        evidence.session_s = self.session_s;
        evidence.transfers_ok = self.transfers_ok;
        evidence.transfers_failed = self.transfers_failed;
        evidence.invalid_data = self.invalid_data;
        evidence.bytes_in = self.bytes_in;
        evidence.bytes_out = self.bytes_out;
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
        let ours_is_newer = last_touched(ours) >= last_touched(&saved);
        let (newer, older) = if ours_is_newer {
            (ours, &saved)
        } else {
            (&saved, ours)
        };
        let mut merged = newer.clone();
        merged.user_id = newer.user_id.clone().or(older.user_id.clone());
        merged.display_name = newer.display_name.clone().or(older.display_name.clone());
        merged.public_key = newer.public_key.clone().or(older.public_key.clone());
        merged.signed_record = newer.signed_record.clone().or(older.signed_record.clone());
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
        merged.role.bootstrap |= older.role.bootstrap;
        let decided = if older.control.decided > newer.control.decided {
            &older.control
        } else {
            &newer.control
        };
        merged.control.pinned = decided.pinned;
        merged.control.trusted = decided.trusted;
        merged.control.blocked_until = decided.blocked_until;
        merged.control.decided = decided.decided;
        for (name, note) in &older.metadata {
            merged
                .metadata
                .entry(name.clone())
                .or_insert_with(|| note.clone());
        }
        merge_unknown(&mut merged.unknown, &older.unknown);
        merged
    }
}

/// When anything was last learned of a peer.
fn last_touched(record: &PeerRecord) -> Time {
    [
        record.last_seen,
        record.last_connected,
        record.last_disconnected,
        record.last_failed,
        record.demoted,
    ]
    .into_iter()
    .flatten()
    .fold(record.first_seen.max(record.control.decided), Time::max)
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
    for place in &theirs.places {
        if !ours.places.contains(place) && ours.places.len() < crate::record::PLACES_MAX {
            ours.places.push(*place);
        }
    }
    merge_unknown(&mut ours.unknown, &theirs.unknown);
}

fn merge_unknown(ours: &mut Unknown, theirs: &Unknown) {
    for (name, value) in theirs {
        ours.entry(name.clone()).or_insert_with(|| value.clone());
    }
}

/// What is remembered beside the peers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Keys the placement of hearsay and the names of places; 16 random bytes, drawn once.
    #[serde(default)]
    pub secret: Secret,
    /// How often peers answered after how long an absence.
    #[serde(default)]
    pub survival: SurvivalCounts,
    /// The circuit breaker of each bootstrap source, by the source in text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<Text<640>, Backoff>,
    /// Public IP addresses that keep failing, whoever is said to live there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hosts: BTreeMap<std::net::IpAddr, Backoff>,
    /// Fields a newer version wrote.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Sixteen bytes nobody else knows.
pub type Secret = [u8; 16];

/// [`Memory`] as we see it, and what we have counted since our last save.
#[derive(Clone, Debug, PartialEq)]
pub struct MemoryDelta {
    /// All of it, as we see it.
    pub memory: Memory,
    /// The part of its survival counts that has not been saved yet.
    pub unsaved_survival: SurvivalCounts,
}

impl MemoryDelta {
    /// What to save, given what is saved now.
    pub fn onto(&self, saved: Option<Memory>) -> Memory {
        let Some(saved) = saved else {
            return self.memory.clone();
        };
        let mut merged = self.memory.clone();
        // Whoever came first has already placed hearsay by its secret.
        merged.secret = saved.secret;
        merged.survival = saved.survival.plus(&self.unsaved_survival);
        for (source, breaker) in &saved.sources {
            merged.sources.entry(source.clone()).or_insert(*breaker);
        }
        merge_unknown(&mut merged.unknown, &saved.unknown);
        merged
    }
}
