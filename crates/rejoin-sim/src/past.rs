//! A memory without having lived: records as the engine would have made them over two weeks, built
//! in a millisecond, so that a thousand restarts take seconds. That they resemble lived ones is
//! tested against a node that really lives through days of churn (`tests/scenarios/made_memory.rs`).
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
    churn::{self, Lifetimes},
    shelf::Shelf,
    sim::{EPOCH, Sim, SimConfig},
    world::{HANDSHAKE_RTTS, HostId, HostState, Terrain, World},
};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// How long the node had been running when it left.
const LIVED: Duration = DAY.saturating_mul(14);

/// How far back hearsay reaches: the engine forgets what is older.
const HEARSAY: Duration = DAY.saturating_mul(7);

/// Mean time between two contacts with one peer.
const BETWEEN_CONTACTS: Duration = HOUR.saturating_mul(12);

/// Mean length of a session.
const SESSION: Duration = HOUR.saturating_mul(2);

/// How long the node is away when deaths do not depend on it: a night.
const NIGHT: Duration = HOUR.saturating_mul(8);

/// The share of contacts that fail though the peer lives: it was restarting, or busy.
const MISSED: f64 = 0.05;

/// The engine demotes a proven peer that failed so often in a row.
const DEMOTED_AT: u32 = 5;

/// Dials of the past are told apart from those after the restart by counting from here.
const PAST_DIALS: u64 = 1 << 32;

/// Why remembered peers are dead when the node comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deaths {
    /// Drawn by lot: nothing in the memory tells who.
    Independent,
    /// They went as peers go, the long-lived last: how long one had been around tells something.
    Churn,
}

/// What the node remembers, and what has become of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Past {
    /// Peers it had been connected to.
    pub proven: usize,
    /// Peers it had only heard of.
    pub hearsay: usize,
    /// Live peers it has never heard of.
    pub strangers: usize,
    /// Why they are dead.
    pub deaths: Deaths,
    /// How many of the proven are dead, from 0 to 1. With [`Deaths::Independent`] as many of the
    /// hearsay are; with [`Deaths::Churn`] the node was away for as long as that takes, and the
    /// hearsay fares as it does.
    pub dead: f64,
}

impl Default for Past {
    fn default() -> Self {
        Self {
            proven: 200,
            hearsay: 200,
            strangers: 200,
            deaths: Deaths::Independent,
            dead: 0.5,
        }
    }
}

/// A network and the memory of a node that comes back to it.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The network as it is now.
    pub world: World,
    /// What the node remembers.
    pub shelf: Shelf,
    /// Now.
    pub now: Time,
}

/// One peer's life as far as it concerns the node; times are before or after the node left.
struct Story {
    record: PeerRecord,
    dies: Time,
    survival: SurvivalCounts,
}

impl Scene {
    /// Builds both from one seed.
    pub fn new(seed: u64, past: &Past) -> Self {
        let terrain = Terrain {
            hosts: past.proven + past.hearsay + past.strangers,
            ..Terrain::default()
        };
        let mut world = World::new(seed, terrain);
        let left = EPOCH + LIVED;
        let proven: Vec<Story> = (0..past.proven)
            .map(|index| proven(&world, HostId(index), left, past.deaths))
            .collect();
        let hearsay: Vec<Story> = (past.proven..past.proven + past.hearsay)
            .map(|index| hearsay(&world, HostId(index), left, past.deaths))
            .collect();
        let now = match past.deaths {
            Deaths::Independent => left + NIGHT,
            Deaths::Churn => when_dead(&proven, past.dead, left),
        };
        let mut fate = chance::rng(seed, Subject::Fate, u64::MAX, 0);
        match past.deaths {
            Deaths::Independent => {
                kill_by_lot(&mut world, 0, past.proven, past.dead, &mut fate);
                kill_by_lot(&mut world, past.proven, past.hearsay, past.dead, &mut fate);
            }
            Deaths::Churn => {
                for (index, story) in proven.iter().chain(&hearsay).enumerate() {
                    if story.dies <= now {
                        world.turn(HostId(index), churn::dead(&mut fate));
                    }
                }
            }
        }
        let shelf = shelf(proven, hearsay, left, &mut fate);
        Self { world, shelf, now }
    }

    /// The node comes back with its memory; it is not running yet.
    pub fn sim(&self, config: SimConfig) -> Sim {
        Sim::on(self.world.clone(), self.shelf.clone(), self.now, config)
    }

    /// The same node on the same network without its memory.
    pub fn cold(&self, config: SimConfig) -> Sim {
        Sim::on(self.world.clone(), Shelf::default(), self.now, config)
    }
}

/// Exactly `share` of the hosts from `first` on die, half of them refusing, half silent.
fn kill_by_lot(world: &mut World, first: usize, count: usize, share: f64, rng: &mut Rng) {
    let mut hosts: Vec<usize> = (first..first + count).collect();
    rng.shuffle(&mut hosts);
    let dead = (count as f64 * share).round() as usize;
    for (place, host) in hosts.into_iter().take(dead).enumerate() {
        let state = if place.is_multiple_of(2) {
            HostState::Refused
        } else {
            HostState::Silent
        };
        world.turn(HostId(host), state);
    }
}

/// The moment by which that share of the peers has died, but no sooner than ten minutes after the
/// node left.
fn when_dead(stories: &[Story], share: f64, left: Time) -> Time {
    let mut deaths: Vec<Time> = stories.iter().map(|story| story.dies).collect();
    deaths.sort_unstable();
    let dead = (deaths.len() as f64 * share).round() as usize;
    let last = dead.checked_sub(1).and_then(|place| deaths.get(place));
    let soonest = left + Duration::from_secs(600);
    last.map_or(soonest, |dies| soonest.max(*dies))
}

fn proven(world: &World, id: HostId, left: Time, deaths: Deaths) -> Story {
    let mut attempt = 0;
    loop {
        let mut rng = chance::rng(world.seed(), Subject::Past, id.0 as u64, attempt);
        let met = left - LIVED.mul_f64(rng.f64());
        let story = live_through(world, id, met, left, deaths, &mut rng);
        if story.record.evidence.failures_in_row < DEMOTED_AT {
            return story;
        }
        attempt += 1;
    }
}

fn live_through(
    world: &World,
    id: HostId,
    met: Time,
    left: Time,
    deaths: Deaths,
    rng: &mut Rng,
) -> Story {
    let dies = match deaths {
        Deaths::Independent => Time::from_millis(u64::MAX),
        Deaths::Churn => met + Lifetimes::default().met(rng).1,
    };
    let mut survival = SurvivalCounts::default();
    let mut record = named(world, id, met, Source::Bootstrap);
    connect(world, id, &mut record, met, rng, dies.min(left), 0);
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
        let answered = at < dies && rng.f64() >= MISSED;
        survival.learn(record.age(), at.since(last), answered);
        if answered {
            connect(world, id, &mut record, at, rng, dies.min(left), contacts);
        } else {
            miss(&mut record, at);
        }
        contacts += 1;
    }
    Story {
        record,
        dies,
        survival,
    }
}

fn hearsay(world: &World, id: HostId, left: Time, deaths: Deaths) -> Story {
    let mut rng = chance::rng(world.seed(), Subject::Past, id.0 as u64, 0);
    let heard = left - HEARSAY.mul_f64(rng.f64());
    let dies = match deaths {
        Deaths::Independent => Time::from_millis(u64::MAX),
        Deaths::Churn => heard + Lifetimes::default().met(&mut rng).1,
    };
    let teller = world.host(HostId(rng.usize(..id.0.max(1)))).key.clone();
    Story {
        record: named(world, id, heard, Source::Pex(teller)),
        dies,
        survival: SurvivalCounts::default(),
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

fn shelf(mut proven: Vec<Story>, hearsay: Vec<Story>, left: Time, rng: &mut Rng) -> Shelf {
    let mut order: Vec<usize> = (0..proven.len())
        .filter(|&index| proven[index].dies >= left)
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

#[cfg(test)]
mod tests {
    use rejoin_core::Pool;

    use super::*;

    fn dead_share(scene: &Scene, pool: Pool) -> f64 {
        let of_pool = |record: &&PeerRecord| record.pool() == pool;
        let peers: Vec<_> = scene.shelf.peers.values().filter(of_pool).collect();
        let dead = peers
            .iter()
            .filter(|record| !scene.world.is_alive(&record.key));
        dead.count() as f64 / peers.len() as f64
    }

    #[test]
    fn as_many_are_dead_as_was_asked_for() {
        for deaths in [Deaths::Independent, Deaths::Churn] {
            for dead in [0.5, 0.9] {
                let past = Past {
                    deaths,
                    dead,
                    ..Past::default()
                };
                let scene = Scene::new(1, &past);
                assert_eq!(scene.shelf.count(Pool::Proven), 200);
                assert_eq!(scene.shelf.count(Pool::Hearsay), 200);
                assert_eq!(dead_share(&scene, Pool::Proven), dead, "{deaths:?}");
            }
        }
    }

    #[test]
    fn in_churn_the_living_have_been_known_for_longer_than_the_dead() {
        let past = Past {
            deaths: Deaths::Churn,
            ..Past::default()
        };
        let (mut living, mut dead) = (Vec::new(), Vec::new());
        for seed in 0..5 {
            let scene = Scene::new(seed, &past);
            for record in scene.shelf.peers.values() {
                let ages = if scene.world.is_alive(&record.key) {
                    &mut living
                } else {
                    &mut dead
                };
                if record.pool() == Pool::Proven {
                    ages.push(record.age().as_secs_f64());
                }
            }
        }
        let mean = |ages: &[f64]| ages.iter().sum::<f64>() / ages.len() as f64;
        assert!(mean(&living) > 1.2 * mean(&dead));
    }

    #[test]
    fn records_need_no_repair() {
        for deaths in [Deaths::Independent, Deaths::Churn] {
            let past = Past {
                deaths,
                ..Past::default()
            };
            let scene = Scene::new(3, &past);
            for record in scene.shelf.peers.values() {
                assert_eq!(record.clone().sanitise(scene.now), 0, "{record:?}");
            }
            let anchors = scene.shelf.peers.values();
            assert_eq!(anchors.filter(|record| record.control.anchor).count(), 8);
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_past() {
        let (one, other) = (0..2)
            .map(|_| Scene::new(9, &Past::default()))
            .map(|scene| scene.shelf)
            .reduce(|one, other| {
                assert_eq!(one, other);
                other
            })
            .map(|shelf| (shelf, Scene::new(10, &Past::default()).shelf))
            .unwrap();
        assert_ne!(one, other);
    }
}
