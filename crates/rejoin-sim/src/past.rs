//! A node that comes back after as many of its peers have died as one likes; what it remembers of them
//! is written in its diary (`diary.rs`) in a millisecond, so that a thousand restarts take
//! seconds.

use std::{ops::Range, time::Duration};

use fastrand::Rng;
use rejoin_core::{PeerRecord, Pool, Time};

use crate::{
    chance::{self, Subject},
    churn::{self, Lifetimes},
    diary::{self, Story},
    distances::Distances,
    presence::Presence,
    shelf::Shelf,
    sim::{EPOCH, Sim, SimConfig},
    world::{HostId, HostState, Terrain, World},
};

/// How long the node is away when deaths do not depend on it: a night.
const NIGHT: Duration = Duration::from_secs(8 * 3_600);

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
    /// How many of those dead by lot keep silent, from 0 to 1; the others refuse.
    pub silent: f64,
    /// How far away everybody is, but for the servers.
    pub distances: Distances,
    /// Bootstrap servers, and how far away all of them are; `None` is as far as anybody.
    pub servers: (usize, Option<Duration>),
}

impl Default for Past {
    fn default() -> Self {
        Self {
            proven: 200,
            hearsay: 200,
            strangers: 200,
            deaths: Deaths::Independent,
            dead: 0.5,
            silent: 0.5,
            distances: Distances::HALF_A_CONTINENT,
            servers: (Terrain::default().bootstrap, None),
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

impl Scene {
    /// Builds both from one seed.
    pub fn new(seed: u64, past: &Past) -> Self {
        let (servers, distance) = past.servers;
        let terrain = Terrain {
            hosts: past.proven + past.hearsay + past.strangers,
            bootstrap: servers,
            distances: past.distances,
            ..Terrain::default()
        };
        let mut world = World::new(seed, terrain);
        if let Some(rtt) = distance {
            world.keep_servers_at(rtt);
        }
        let left = EPOCH + diary::LIVED;
        let habits = |_: HostId, met: Time, rng: &mut Rng| match past.deaths {
            Deaths::Independent => Presence::always(),
            Deaths::Churn => Presence::until(met + Lifetimes::default().met(rng).1),
        };
        let proven: Vec<Story> = (0..past.proven)
            .map(|index| diary::proven(&world, HostId(index), left, &habits))
            .collect();
        let hearsay: Vec<Story> = (past.proven..past.proven + past.hearsay)
            .map(|index| diary::hearsay(&world, HostId(index), left, &habits))
            .collect();
        let now = match past.deaths {
            Deaths::Independent => left + NIGHT,
            Deaths::Churn => when_dead(&proven, past.dead, left),
        };
        let mut fate = chance::rng(seed, Subject::Fate, u64::MAX, 0);
        match past.deaths {
            Deaths::Independent => {
                let (proven, hearsay) = (past.proven, past.hearsay);
                kill_by_lot(&mut world, 0..proven, past, &mut fate);
                kill_by_lot(&mut world, proven..proven + hearsay, past, &mut fate);
            }
            Deaths::Churn => {
                for (index, story) in proven.iter().chain(&hearsay).enumerate() {
                    if !story.presence.is_up(now) {
                        world.turn(HostId(index), churn::dead(&mut fate));
                    }
                }
            }
        }
        let shelf = diary::shelf(proven, hearsay, left, &mut fate);
        Self { world, shelf, now }
    }

    /// The share of the remembered peers of one pool that do not answer, from 0 to 1.
    pub fn dead_share(&self, pool: Pool) -> f64 {
        let of_pool = |record: &&PeerRecord| record.pool() == pool;
        let peers = self.shelf.friends().filter(of_pool);
        let dead = |record: &&PeerRecord| !self.world.is_alive(&record.key);
        peers.clone().filter(dead).count() as f64 / peers.count().max(1) as f64
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

/// Exactly the share of these hosts that is to be dead dies.
fn kill_by_lot(world: &mut World, hosts: Range<usize>, past: &Past, rng: &mut Rng) {
    let mut hosts: Vec<usize> = hosts.collect();
    rng.shuffle(&mut hosts);
    let dead = (hosts.len() as f64 * past.dead).round() as usize;
    let silent = (dead as f64 * past.silent).round() as usize;
    for (place, host) in hosts.into_iter().take(dead).enumerate() {
        let state = match place < silent {
            true => HostState::Silent,
            false => HostState::Refused,
        };
        world.turn(HostId(host), state);
    }
}

/// The moment by which that share of the peers has died, but no sooner than ten minutes after the
/// node left.
fn when_dead(stories: &[Story], share: f64, left: Time) -> Time {
    let mut deaths: Vec<Time> = stories.iter().map(|story| story.presence.gone()).collect();
    deaths.sort_unstable();
    let dead = (deaths.len() as f64 * share).round() as usize;
    let last = dead.checked_sub(1).and_then(|place| deaths.get(place));
    let soonest = left + Duration::from_secs(600);
    last.map_or(soonest, |dies| soonest.max(*dies))
}

#[cfg(test)]
mod tests {
    use super::*;

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
                assert_eq!(scene.dead_share(Pool::Proven), dead, "{deaths:?}");
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
