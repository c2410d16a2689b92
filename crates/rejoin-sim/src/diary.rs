//! What a node has lived through with one peer, and what that has left in its record. That the
//! records resemble lived ones is tested against a node that really lives through days of churn
//! (`tests/scenarios/made_memory.rs`).
//!
//! The node is taken to have met each proven peer at some moment of the two weeks before it left,
//! and to have connected to it now and then from there on, twelve hours apart on average. Each
//! contact leaves what it leaves in the engine: seen, dialled, measured, a session, survival counts.
//! Peers that failed five times in a row would have been demoted and are drawn anew. The eight seen
//! last are those it was connected to when it left. Hearsay was named by somebody during the last
//! week and never tried.

use std::{collections::BTreeMap, time::Duration};

use fastrand::Rng;
use rejoin_core::{
    Address, AddressRecord, Config, Memory, PeerRecord, Source, SurvivalCounts, Time, decay,
};

use crate::{
    chance::{self, Subject, exponential},
    presence::Presence,
    shelf::Shelf,
    world::{HANDSHAKE_RTTS, HostId, World},
};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// How long the node had been running when it left.
pub(crate) const LIVED: Duration = DAY.saturating_mul(14);

/// How far back hearsay reaches: the engine forgets what is older.
const HEARSAY: Duration = DAY.saturating_mul(7);

/// Mean time between two contacts with one peer.
const BETWEEN_CONTACTS: Duration = HOUR.saturating_mul(12);

/// Mean length of a session.
const SESSION: Duration = HOUR.saturating_mul(2);

/// How many bootstrap servers a start without memory takes, and how long each serves it at most.
const FIRST_SERVERS: usize = 2;
const SERVED: Duration = Duration::from_secs(60);

/// The share of contacts that fail though the peer is up: it was busy.
const MISSED: f64 = 0.05;

/// The engine demotes a proven peer that failed so often in a row.
const DEMOTED_AT: u32 = 5;

/// Dials of the past are told apart from those after the restart by counting from here.
const PAST_DIALS: u64 = 1 << 32;

/// Who was up so shortly before the node left was connected to it.
const MOMENT: Duration = Duration::from_millis(1);

/// One peer, as far as it concerns the node.
pub(crate) struct Story {
    pub(crate) record: PeerRecord,
    pub(crate) presence: Presence,
    survival: SurvivalCounts,
}

/// Draws when a peer is there that was met, or heard of, at a given moment.
pub(crate) type Habits<'a> = dyn Fn(HostId, Time, &mut Rng) -> Presence + 'a;

/// A peer the node had been connected to before it left.
pub(crate) fn proven(world: &World, id: HostId, left: Time, habits: &Habits<'_>) -> Story {
    let mut attempt = 0;
    loop {
        let mut rng = chance::rng(world.seed(), Subject::Past, id.0 as u64, attempt);
        let met = left - LIVED.mul_f64(rng.f64());
        let presence = habits(id, met, &mut rng);
        let story = live_through(world, id, met, left, presence, &mut rng);
        if story.record.evidence.failures_in_row < DEMOTED_AT {
            return story;
        }
        attempt += 1;
    }
}

/// A peer it had only heard of.
pub(crate) fn hearsay(world: &World, id: HostId, left: Time, habits: &Habits<'_>) -> Story {
    let mut rng = chance::rng(world.seed(), Subject::Past, id.0 as u64, 0);
    let heard = left - HEARSAY.mul_f64(rng.f64());
    let presence = habits(id, heard, &mut rng);
    let teller = world.host(HostId(rng.usize(..id.0.max(1)))).key.clone();
    Story {
        record: named(world, id, heard, Source::Pex(teller)),
        presence,
        survival: SurvivalCounts::default(),
    }
}

/// The bootstrap servers a node asked when it began.
pub(crate) fn servers(world: &World, left: Time) -> Vec<PeerRecord> {
    let mut rng = chance::rng(world.seed(), Subject::Past, u64::MAX, 0);
    let mut servers: Vec<_> = world.bootstrap().map(|(id, _)| id).collect();
    rng.shuffle(&mut servers);
    servers.truncate(FIRST_SERVERS);
    let began = left - LIVED;
    let asked = |id: HostId| {
        let mut record = named(world, id, began, Source::Bootstrap);
        record.role.bootstrap = true;
        connect(world, id, &mut record, began, &mut rng, began + SERVED, 0);
        record
    };
    servers.into_iter().map(asked).collect()
}

fn live_through(
    world: &World,
    id: HostId,
    met: Time,
    left: Time,
    presence: Presence,
    rng: &mut Rng,
) -> Story {
    let mut survival = SurvivalCounts::default();
    let mut record = named(world, id, met, Source::Bootstrap);
    let ends_by = |at| presence.goes_down(at).min(left);
    connect(world, id, &mut record, met, rng, ends_by(met), 0);
    let mut contacts = 1;
    let mut at = met;
    loop {
        at = at + BETWEEN_CONTACTS.mul_f64(exponential(rng));
        let last = record.last_seen.unwrap_or(met);
        if at >= left {
            break;
        }
        if at <= last {
            continue; // still connected
        }
        let answered = presence.is_up(at) && rng.f64() >= MISSED;
        survival.learn(record.age(), at.since(last), answered);
        if answered {
            connect(world, id, &mut record, at, rng, ends_by(at), contacts);
        } else {
            miss(&mut record, at);
        }
        contacts += 1;
    }
    Story {
        record,
        presence,
        survival,
    }
}

/// A peer somebody has named.
fn named(world: &World, id: HostId, at: Time, source: Source) -> PeerRecord {
    let host = world.host(id);
    let mut record = PeerRecord::new(host.key.clone(), at);
    let known = |address: &Address| AddressRecord::new(address.clone(), source.clone(), at);
    record.addresses = host.addresses.iter().map(known).collect();
    record
}

/// One session: what a dial, a connection, its pings and its end leave behind.
fn connect(
    world: &World,
    id: HostId,
    record: &mut PeerRecord,
    at: Time,
    rng: &mut Rng,
    ends_by: Time,
    nth: u64,
) {
    let ends = (at + SESSION.mul_f64(exponential(rng)))
        .min(ends_by)
        .max(at);
    let dial_rtt = world.rtt_of_dial(id, PAST_DIALS + nth);
    let rtt = world.host(id).rtt;
    let evidence = &mut record.evidence;
    evidence.dials_ok.add(1.0, at);
    evidence.sessions.add(1.0, ends);
    evidence.session_s.add(ends.since(at).as_secs_f64(), ends);
    evidence.failures_in_row = 0;
    decay::follow(&mut evidence.latency_ms, rtt);
    if let Some(known) = record.addresses.first_mut() {
        known.last_success = Some(at);
        known.failures_in_row = 0;
        known.observed = true;
        decay::follow(&mut known.dial_ms, dial_rtt * HANDSHAKE_RTTS);
        decay::follow(&mut known.rtt_ms, rtt);
    }
    record.last_connected = Some(at);
    record.last_seen = Some(ends);
    record.last_disconnected = Some(ends);
}

/// One dial in vain.
fn miss(record: &mut PeerRecord, at: Time) {
    record.evidence.dials_failed.add(1.0, at);
    record.evidence.failures_in_row += 1;
    record.last_failed = Some(at);
    if let Some(known) = record.addresses.first_mut() {
        known.last_failure = Some(at);
        known.failures_in_row += 1;
    }
}

/// What the node remembers of all of them; it was connected to those of them that were up and seen last.
pub(crate) fn shelf(
    mut proven: Vec<Story>,
    hearsay: Vec<Story>,
    left: Time,
    rng: &mut Rng,
) -> Shelf {
    let mut order: Vec<usize> = (0..proven.len())
        .filter(|&index| proven[index].presence.is_up(left - MOMENT))
        .collect();
    order.sort_by_key(|&index| std::cmp::Reverse(proven[index].record.last_seen));
    for index in order.into_iter().take(Config::default().target) {
        let record = &mut proven[index].record;
        record.control.anchor = true;
        record.last_seen = Some(left);
        record.last_disconnected = Some(left);
    }
    let mut memory = Memory::default();
    rng.fill(&mut memory.secret);
    for story in &proven {
        memory.survival = memory.survival.plus(&story.survival);
    }
    let peers: BTreeMap<_, _> = proven
        .into_iter()
        .chain(hearsay)
        .map(|story| (story.record.key.clone(), story.record))
        .collect();
    Shelf {
        peers,
        memory: Some(memory),
        ..Shelf::default()
    }
}
