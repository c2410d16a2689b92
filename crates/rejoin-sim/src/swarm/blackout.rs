//! A whole network loses power at once, and comes back within a minute: how soon everybody is in it
//! again, and what that does to the bootstrap servers, with the memory and without.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use super::{NodeId, Role, Swarm, WANTED};
use crate::{
    chance::{self, Subject},
    sim::EPOCH,
    spread::{Spread, millis},
};

/// One run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blackout {
    /// How many nodes there are.
    pub nodes: usize,
    /// What the run can be repeated with.
    pub seed: u64,
}

/// Bootstrap servers, which keep their power: as many as libp2p networks ship with.
const SERVERS: usize = 4;

/// How long the network had been running.
const LIVED: Duration = Duration::from_secs(600);

/// The first is back after this: no sooner than what was in the air has come down.
const DARK: Duration = Duration::from_secs(30);

/// And the last so much later.
const COMING_BACK: Duration = Duration::from_secs(60);

/// A network that is not back by then will never be.
const LIMIT: Duration = Duration::from_secs(300);

/// What came of it, with the memory and without.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// How many nodes there were.
    pub nodes: usize,
    /// What the run can be repeated with.
    pub seed: u64,
    /// With the memory.
    pub rejoin: Return,
    /// Without.
    pub cold: Return,
}

/// How the network came back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Return {
    /// When 95 of 100 nodes had five connections, counted from the return of the first; `None` if never.
    pub most_back_ms: Option<u64>,
    /// How long a node took for that from its own start.
    pub took: Spread,
    /// Dials that reached a bootstrap server, all of them together.
    pub server_dials: usize,
    /// The most of them in any one second.
    pub server_dials_peak: usize,
}

impl Blackout {
    /// Plays it, once with the memory and once without. `tell` is told now and then how far the clock has
    /// come, [`Self::SPAN`] at most.
    pub fn run(self, tell: impl Fn(Duration)) -> Figures {
        Figures {
            nodes: self.nodes,
            seed: self.seed,
            rejoin: self.come_back(true, &tell),
            cold: self.come_back(false, |span| tell(Self::SPAN / 2 + span)),
        }
    }

    /// How far both clocks together come at most.
    pub const SPAN: Duration = Duration::from_secs(
        2 * (LIVED.as_secs() + DARK.as_secs() + LIMIT.as_secs() + COMING_BACK.as_secs()),
    );

    fn come_back(self, remembers: bool, tell: impl Fn(Duration)) -> Return {
        let mut swarm = Swarm::new(self.seed);
        for _ in 0..SERVERS {
            swarm.settle(Role::Server, None, Duration::ZERO, None);
        }
        swarm.plant(self.nodes);
        swarm.run_for_telling(LIVED, &tell);
        let nodes: Vec<_> = swarm.honest().collect();
        let mut rng = chance::rng(self.seed, Subject::Fate, u64::MAX, 1);
        for id in &nodes {
            let away = DARK + COMING_BACK.mul_f64(rng.f64());
            match remembers {
                true => swarm.restart(*id, away),
                false => swarm.begin_anew(*id, away),
            }
        }
        swarm.run_for_telling(DARK, &tell);
        let began = swarm.now();
        let enough = (nodes.len() * 95).div_ceil(100);
        let most_back = swarm.run_until(LIMIT, |swarm| {
            tell(swarm.now().since(EPOCH));
            let back = nodes.iter().filter(|id| swarm.runs(**id));
            back.filter(|id| swarm.company(**id) >= WANTED).count() >= enough
        });
        swarm.run_for_telling(COMING_BACK, &tell); // for those still missing
        let mut by_second = BTreeMap::<u64, usize>::new();
        for at in swarm.visits().filter(|at| **at >= began) {
            *by_second.entry(at.since(EPOCH).as_secs()).or_default() += 1;
        }
        let took = |id: &NodeId| millis(swarm.effort(*id).map(|effort| effort.took));
        Return {
            most_back_ms: most_back.map(|span| millis(Some(span))),
            took: Spread::of(nodes.iter().map(took).collect()),
            server_dials: by_second.values().sum(),
            server_dials_peak: by_second.into_values().max().unwrap_or(0),
        }
    }
}

impl Figures {
    /// As a table for people.
    pub fn table(&self) -> String {
        let row = |name: &str, it: &Return| {
            let show = |ms: Option<u64>| {
                ms.map_or("never".into(), |ms| format!("{:.1} s", ms as f64 / 1_000.0))
            };
            format!(
                "{name:<7}  {:>8}  {:>8}  {:>8}  {:>12}  {:>13}\n",
                show(it.most_back_ms),
                show(it.took.p50_ms),
                show(it.took.p95_ms),
                it.server_dials,
                it.server_dials_peak,
            )
        };
        format!(
            "{} nodes lose power together and come back within a minute; seed {}.\n\n\
             {:<7}  95 % back  node p50  node p95  server dials  in one second\n{}{}",
            self.nodes,
            self.seed,
            "",
            row("rejoin", &self.rejoin),
            row("cold", &self.cold),
        )
    }
}
