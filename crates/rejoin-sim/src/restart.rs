//! The experiment everything turns on: how long a node that was away for an hour, a day, a week or a month
//! needs for five connections, and how often it asks a bootstrap server for that, beside every policy
//! known to us. Here are the runs and their figures; [`report`](crate::report) prints them.

use std::{ops::Range, time::Duration};

use rejoin_core::{Config, Pool};
use serde::Serialize;

use crate::{
    absence::{Absence, Crowd},
    parallel,
    past::{Past, Scene},
    policies::{self, Plan},
    racer::{self, Outcome},
    reference,
    sim::{Sim, SimConfig},
    spread::{Spread, millis},
};

/// Enough connections to be in the network again: the engine's low-water mark.
pub const WANTED: usize = 5;

/// A restart that takes longer counts as never.
pub const LIMIT: Duration = Duration::from_secs(120);

/// Starts the node and lets it come back.
pub(crate) fn time_to_wanted(sim: &mut Sim) -> Option<Duration> {
    sim.start();
    sim.run_until_or(LIMIT, |sim| sim.connected() >= WANTED)
}

/// How long the engine takes with this past and without any memory, in milliseconds, at the median of so many
/// seeds; `None` if that is longer than [`LIMIT`].
pub fn medians(past: &Past, seeds: u64) -> [Option<u64>; 2] {
    let restarts = parallel::map(0..seeds, |seed| {
        let scene = Scene::new(seed, past);
        let config = SimConfig::default;
        [scene.sim(config()), scene.cold(config())].map(|mut sim| millis(time_to_wanted(&mut sim)))
    });
    [0, 1].map(|kind| Spread::of(restarts.iter().map(|took| took[kind]).collect()).p50_ms)
}

/// Who comes back, in the order of the table: the engine, the limit, the engine without memory, and then
/// [`policies`](mod@policies).
pub fn policies() -> Vec<&'static str> {
    let others = policies::OTHERS.iter().map(|plan| plan.name);
    ["rejoin", "oracle", "cold", "blind"]
        .into_iter()
        .chain(others)
        .collect()
}

/// How all of them come back to one network, in the order of [`policies()`].
pub fn outcomes(scene: &Scene) -> Vec<Outcome> {
    let engine = |mut sim: Sim| {
        let after = time_to_wanted(&mut sim);
        let (dials, bootstrap_dials) = sim.dials_made();
        Outcome {
            after,
            dials,
            bootstrap_dials,
        }
    };
    let oracle = Outcome {
        after: reference::oracle(scene, WANTED),
        dials: 0,
        bootstrap_dials: 0,
    };
    let blind = policies::blind(&Config::default());
    let plan = |plan: &Plan| racer::run(plan, scene, WANTED, LIMIT);
    let ours = [
        engine(scene.sim(SimConfig::default())),
        oracle,
        engine(scene.cold(SimConfig::default())),
        plan(&blind),
    ];
    let others = policies::OTHERS.iter().map(plan);
    ours.into_iter().chain(others).collect()
}

/// Everybody after every absence.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    /// How many restarts of each.
    pub seeds: usize,
    /// By absence, and by policy in the order of [`policies()`].
    pub rows: Vec<Row>,
}

/// What the restarts of one policy after one absence came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// How long it was away.
    pub absence: Absence,
    /// How many of the proven peers did not answer any more, from 0 to 1, on average.
    pub dead_share: f64,
    /// Who came back.
    pub policy: &'static str,
    /// Half of the restarts were faster, in milliseconds; `None` if they took longer than [`LIMIT`].
    pub p50_ms: Option<u64>,
    /// So were 95 of 100.
    pub p95_ms: Option<u64>,
    /// Dials of bootstrap servers, on average.
    pub bootstrap_dials: f64,
    /// How many restarts took longer than [`LIMIT`], from 0 to 1.
    pub failed_share: f64,
    /// All times, in milliseconds, in the order of the seeds.
    #[serde(skip)]
    pub times_ms: Vec<u64>,
}

impl Table {
    /// Lets everybody come back after each absence, to a network like this, once with each of these
    /// seeds. `tell` is told of each restart that is done; there are as many as seeds, of each absence.
    pub fn of(seeds: Range<u64>, crowd: Crowd, tell: impl Fn() + Sync) -> Self {
        let rows = Absence::ALL.into_iter().flat_map(|absence| {
            let restarts = parallel::map(seeds.clone(), |seed| {
                let scene = Scene::after(absence, seed, crowd);
                let restart = (scene.dead_share(Pool::Proven), outcomes(&scene));
                tell();
                restart
            });
            rows(absence, &restarts)
        });
        Self {
            rows: rows.collect(),
            seeds: seeds.count(),
        }
    }

    /// One row.
    pub fn row(&self, absence: Absence, policy: &str) -> Option<&Row> {
        let mut rows = self.rows.iter();
        rows.find(|row| row.absence == absence && row.policy == policy)
    }
}

fn rows(absence: Absence, restarts: &[(f64, Vec<Outcome>)]) -> Vec<Row> {
    let number = restarts.len().max(1) as f64;
    let dead_share = restarts.iter().map(|(dead, _)| dead).sum::<f64>() / number;
    let row = |(place, policy): (usize, &'static str)| {
        let outcomes = restarts.iter().map(|(_, outcomes)| outcomes[place]);
        let times_ms: Vec<u64> = outcomes
            .clone()
            .map(|outcome| millis(outcome.after))
            .collect();
        let spread = Spread::of(times_ms.clone());
        let dials: u64 = outcomes
            .clone()
            .map(|outcome| outcome.bootstrap_dials)
            .sum();
        Row {
            absence,
            dead_share,
            policy,
            p50_ms: spread.p50_ms,
            p95_ms: spread.p95_ms,
            bootstrap_dials: dials as f64 / number,
            failed_share: outcomes.filter(|outcome| outcome.after.is_none()).count() as f64
                / number,
            times_ms,
        }
    };
    policies().into_iter().enumerate().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(after_ms: Option<u64>, bootstrap_dials: u64) -> Outcome {
        Outcome {
            after: after_ms.map(Duration::from_millis),
            dials: 9,
            bootstrap_dials,
        }
    }

    #[test]
    fn each_policy_has_its_row() {
        let restarts = [(Some(100), 0), (Some(300), 4), (None, 4)].map(|(ms, dials)| {
            let outcomes = policies().iter().map(|_| outcome(ms, dials)).collect();
            (0.5, outcomes)
        });
        let rows = rows(Absence::Week, &restarts);
        let names: Vec<_> = rows.iter().map(|row| row.policy).collect();
        assert_eq!(names, policies());
        for row in &rows {
            assert_eq!((row.p50_ms, row.p95_ms), (Some(300), None));
            assert!((row.bootstrap_dials - 8.0 / 3.0).abs() < 1e-9);
            assert!((row.failed_share - 1.0 / 3.0).abs() < 1e-9);
        }
    }

    #[test]
    fn the_same_seeds_give_the_same_table() {
        let table = || Table::of(3..5, Crowd::default(), || {});
        assert_eq!(table(), table());
        assert_eq!(table().rows.len(), Absence::ALL.len() * policies().len());
    }
}
