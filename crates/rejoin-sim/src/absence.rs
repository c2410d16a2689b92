//! A node that comes back after an hour, a day, a week or a month, to a network whose peers have come and
//! gone meanwhile as they do in a measured one.

use std::{fmt, str::FromStr, time::Duration};

use fastrand::Rng;
use rejoin_core::Time;
use serde::{Serialize, Serializer};

use crate::{
    chance::{self, Subject},
    diary::{self, Story},
    distances::Distances,
    past::Scene,
    population::{Kind, Network},
    sim::EPOCH,
    world::{HostId, HostState, Terrain, World},
};

/// How long a node was away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Absence {
    /// An update, a reboot, a train.
    Hour,
    /// Not opened yesterday.
    Day,
    /// A holiday.
    Week,
    /// A laptop in a drawer.
    Month,
}

impl Absence {
    /// All of them, the shortest first.
    pub const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Month];

    /// How long that is.
    pub fn span(self) -> Duration {
        const HOUR: Duration = Duration::from_secs(3_600);
        match self {
            Self::Hour => HOUR,
            Self::Day => HOUR * 24,
            Self::Week => HOUR * 24 * 7,
            Self::Month => HOUR * 24 * 30,
        }
    }
}

impl fmt::Display for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hour => "1h",
            Self::Day => "1d",
            Self::Week => "1w",
            Self::Month => "1m",
        })
    }
}

impl FromStr for Absence {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|one| one.to_string() == text);
        known.ok_or_else(|| format!("{text:?} is none of 1h, 1d, 1w, 1m"))
    }
}

impl Serialize for Absence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Peers it had been connected to: as many as its two weeks leave in the engine's memory that it would
/// dial again.
const PROVEN: usize = 200;

/// Peers it had only heard of.
const HEARSAY: usize = 200;

/// Who is in the network, and what of the hearsay about it is worth nothing. Servers name none of these:
/// whom nobody can dial serves in no DHT, and a server tells no lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crowd {
    /// How many peers there are; no fewer than the node remembers.
    pub peers: usize,
    /// Of those heard of, how many nobody can dial, since they are behind a router; from 0 to 1.
    pub nat: f64,
    /// Of those heard of, how many were made up by somebody hostile, from 0 to 1. Who was made up is
    /// not behind a router, so that both together are 1 at most.
    pub hostile: f64,
}

impl Default for Crowd {
    fn default() -> Self {
        Self {
            peers: 1_000,
            nat: 0.455, // of all peers in the DHT of IPFS so many never answered (Trautwein and others, 2022)
            hostile: 0.1, // a guess
        }
    }
}

impl Scene {
    /// What a node finds that was away for so long, in the network that goes with the seed.
    pub fn after(absence: Absence, seed: u64, crowd: Crowd) -> Self {
        let network = Network::of(seed);
        let terrain = Terrain {
            hosts: crowd.peers.max(PROVEN + HEARSAY),
            distances: Distances::WORLD,
            ..Terrain::default()
        };
        let mut world = World::new(seed, terrain);
        let left = EPOCH + diary::LIVED;
        let now = left + absence.span();
        let habits = |id: HostId, met: Time, rng: &mut Rng| {
            kind_of(seed, id, &network).presence(met, now, rng)
        };
        let proven: Vec<_> = (0..PROVEN)
            .map(|index| diary::proven(&world, HostId(index), left, &habits))
            .collect();
        let hearsay: Vec<_> = (PROVEN..PROVEN + HEARSAY)
            .map(|index| diary::hearsay(&world, HostId(index), left, &habits))
            .collect();
        for (index, story) in proven.iter().enumerate() {
            settle(&mut world, HostId(index), story, &network, now);
        }
        for (index, story) in (PROVEN..).zip(&hearsay) {
            let id = HostId(index);
            settle(&mut world, id, story, &network, now);
            match chance::rng(seed, Subject::Fate, index as u64, 1).f64() {
                lot if lot < crowd.hostile => world.turn(id, HostState::Silent),
                lot if lot < crowd.hostile + crowd.nat => world.open_page(id),
                _ => {}
            }
        }
        let mut rng = chance::rng(seed, Subject::Fate, u64::MAX, 0);
        let mut shelf = diary::shelf(proven, hearsay, left, &mut rng);
        // Its first start took servers, as it takes the engine without memory.
        for server in diary::servers(&world, left) {
            shelf.peers.insert(server.key.clone(), server);
        }
        Self { world, shelf, now }
    }
}

fn settle(world: &mut World, id: HostId, story: &Story, network: &Network, now: Time) {
    if !story.presence.is_up(now) {
        let kind = kind_of(world.seed(), id, network);
        let mut rng = chance::rng(world.seed(), Subject::Fate, id.0 as u64, 0);
        world.turn(id, kind.absent(&mut rng));
    }
}

fn kind_of(seed: u64, id: HostId, network: &Network) -> Kind {
    network.somebody(&mut chance::rng(seed, Subject::Kind, id.0 as u64, 0))
}

#[cfg(test)]
mod tests {
    use rejoin_core::Pool;

    use super::*;

    fn dead(absence: Absence) -> f64 {
        let dead = |seed| Scene::after(absence, seed, crowd(0.5, 0.1)).dead_share(Pool::Proven);
        (0..30).map(dead).sum::<f64>() / 30.0
    }

    fn crowd(nat: f64, hostile: f64) -> Crowd {
        Crowd {
            peers: 410,
            nat,
            hostile,
        }
    }

    #[test]
    fn of_those_heard_of_as_many_are_out_of_reach_as_was_said() {
        let [routers, liars, neither] =
            [(0.9, 0.0), (0.0, 0.9), (0.0, 0.0)].map(|(nat, hostile)| {
                let scene = Scene::after(Absence::Hour, 1, crowd(nat, hostile));
                let heard_of = (PROVEN..PROVEN + HEARSAY).map(HostId);
                heard_of.fold([0, 0], |[pages, silent], id| {
                    let host = scene.world.host(id);
                    let is_silent = host.state == HostState::Silent;
                    [
                        pages + usize::from(host.page),
                        silent + usize::from(is_silent),
                    ]
                })
            });
        assert!((165..195).contains(&routers[0]), "{routers:?}");
        assert!(liars[1] > 165 && neither[1] < 100, "{liars:?}, {neither:?}");
        assert_eq!((liars[0], neither[0]), (0, 0));
    }

    #[test]
    fn the_longer_one_is_away_the_more_are_dead_and_after_a_month_nine_of_ten() {
        let dead = Absence::ALL.map(dead);
        assert!(dead.is_sorted(), "{dead:?}");
        assert!((dead[3] - 0.9).abs() < 0.05, "{dead:?}");
    }

    #[test]
    fn an_absence_survives_its_text() {
        for absence in Absence::ALL {
            assert_eq!(absence.to_string().parse(), Ok(absence));
        }
        assert!("2h".parse::<Absence>().unwrap_err().contains("1h"));
    }
}
