//! How long a node that comes back needs for five connections when just so many of its peers are dead,
//! beside the oracle, the blind racer and a node without memory. Here are the runs and their
//! figures; [`report`](crate::report) prints them.

use std::fmt;

use rejoin_core::Config;
use serde::Serialize;

use crate::{
    parallel,
    past::{Deaths, Past, Scene},
    policies, racer, reference,
    restart::{LIMIT, WANTED, time_to_wanted},
    sim::SimConfig,
    spread::{Spread, millis},
};

/// Who comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contestant {
    /// The engine with its memory and bootstrap servers.
    Rejoin,
    /// See [`reference::oracle`].
    Oracle,
    /// See [`policies::blind`].
    Blind,
    /// The engine with bootstrap servers and nothing else.
    Cold,
}

/// One restart of everybody. Times are in milliseconds,
/// [`NEVER`](crate::spread::NEVER) if it takes longer than
/// [`LIMIT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restart {
    /// What it can be replayed with.
    pub seed: u64,
    /// The engine with its memory.
    pub rejoin_ms: u64,
    /// The oracle.
    pub oracle_ms: u64,
    /// The blind racer.
    pub blind_ms: u64,
    /// The engine without memory.
    pub cold_ms: u64,
    /// Dials the engine with its memory had made by then.
    pub dials: u64,
    /// How many of these went to bootstrap servers.
    pub bootstrap_dials: u64,
}

impl Restart {
    /// Lets everybody come back to the same network.
    pub fn run(seed: u64, past: &Past) -> Self {
        let scene = Scene::new(seed, past);
        let config = Config::default();
        let blind = racer::run(&policies::blind(&config), &scene, WANTED, LIMIT);
        let mut rejoin = scene.sim(SimConfig::default());
        let rejoin_ms = millis(time_to_wanted(&mut rejoin));
        let (dials, bootstrap_dials) = rejoin.dials_made();
        Self {
            seed,
            rejoin_ms,
            oracle_ms: millis(reference::oracle(&scene, WANTED)),
            blind_ms: millis(blind.after),
            cold_ms: millis(time_to_wanted(&mut scene.cold(SimConfig::default()))),
            dials,
            bootstrap_dials,
        }
    }

    /// One contestant's time.
    pub fn ms(&self, who: Contestant) -> u64 {
        match who {
            Contestant::Rejoin => self.rejoin_ms,
            Contestant::Oracle => self.oracle_ms,
            Contestant::Blind => self.blind_ms,
            Contestant::Cold => self.cold_ms,
        }
    }

    /// Whether the memory did harm: later than without it plus the head start it was given.
    pub fn is_late(&self) -> bool {
        let head_start_ms = millis(Some(Config::default().bootstrap_head_start));
        self.rejoin_ms > self.cold_ms.saturating_add(head_start_ms)
    }
}

/// Under which circumstances everybody comes back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Setting {
    /// Whether deaths follow from lifetimes, or from a lot that knows nothing of the past.
    pub churn: bool,
    /// The share of the proven peers that is dead.
    pub dead: f64,
}

impl Setting {
    /// The rows of the table.
    pub const ALL: [Self; 7] = [
        Self::by_lot(0.0),
        Self::by_lot(0.25),
        Self::by_lot(0.5),
        Self::by_lot(0.7),
        Self::by_lot(0.9),
        Self::churn(0.5),
        Self::churn(0.9),
    ];

    /// Nothing in the memory tells who is dead.
    pub const fn by_lot(dead: f64) -> Self {
        Self { churn: false, dead }
    }

    /// The long-lived live on.
    pub const fn churn(dead: f64) -> Self {
        Self { churn: true, dead }
    }

    /// The memory that goes with it.
    pub fn past(self) -> Past {
        Past {
            deaths: if self.churn {
                Deaths::Churn
            } else {
                Deaths::Independent
            },
            dead: self.dead,
            ..Past::default()
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = if self.churn { "churn" } else { "by lot" };
        write!(f, "{:.0} % dead {why}", self.dead * 100.0)
    }
}

/// What many restarts under one setting came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// The circumstances.
    pub setting: Setting,
    /// How many restarts.
    pub seeds: usize,
    /// The engine with its memory.
    pub rejoin: Spread,
    /// The oracle.
    pub oracle: Spread,
    /// The blind racer.
    pub blind: Spread,
    /// The engine without memory.
    pub cold: Spread,
    /// The engine's median and 95th percentile over the oracle's.
    pub over_oracle: Ratio,
    /// The same over the blind racer's.
    pub over_blind: Ratio,
    /// The share of restarts later than a cold one plus the head start, from 0 to 1.
    pub late: f64,
    /// The seeds of those, at most 10.
    pub late_seeds: Vec<u64>,
    /// Mean number of dials until there were enough connections.
    pub dials: f64,
    /// Mean number of these that went to bootstrap servers.
    pub bootstrap_dials: f64,
    /// The share of restarts that dialled any bootstrap server, from 0 to 1.
    pub bootstrapped: f64,
}

/// How much longer one takes than another; `None` where one of them never arrives.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ratio {
    /// Of the medians.
    pub p50: Option<f64>,
    /// Of the 95th percentiles.
    pub p95: Option<f64>,
}

impl Ratio {
    fn of(one: Spread, other: Spread) -> Self {
        let ratio = |one: Option<u64>, other: Option<u64>| Some(one? as f64 / other? as f64);
        Self {
            p50: ratio(one.p50_ms, other.p50_ms),
            p95: ratio(one.p95_ms, other.p95_ms),
        }
    }
}

/// Seeds of late restarts listed: enough to look into.
const LATE_SEEDS_MAX: usize = 10;

impl Figures {
    /// Runs a setting over the seeds 0 to `seeds`. `tell` is told of each that is done.
    pub fn of(setting: Setting, seeds: u64, tell: impl Fn() + Sync) -> Self {
        let past = setting.past();
        let restarts = parallel::map(0..seeds, |seed| {
            let restart = Restart::run(seed, &past);
            tell();
            restart
        });
        Self::sum_up(setting, &restarts)
    }

    /// Sums up restarts.
    pub fn sum_up(setting: Setting, restarts: &[Restart]) -> Self {
        let spread = |who| Spread::of(restarts.iter().map(|restart| restart.ms(who)).collect());
        let mean = |number: fn(&Restart) -> f64| {
            restarts.iter().map(number).sum::<f64>() / restarts.len().max(1) as f64
        };
        let (rejoin, oracle, blind) = (
            spread(Contestant::Rejoin),
            spread(Contestant::Oracle),
            spread(Contestant::Blind),
        );
        let late = restarts.iter().filter(|restart| restart.is_late());
        Self {
            setting,
            seeds: restarts.len(),
            over_oracle: Ratio::of(rejoin, oracle),
            over_blind: Ratio::of(rejoin, blind),
            rejoin,
            oracle,
            blind,
            cold: spread(Contestant::Cold),
            late: mean(|restart| f64::from(u8::from(restart.is_late()))),
            late_seeds: late
                .map(|restart| restart.seed)
                .take(LATE_SEEDS_MAX)
                .collect(),
            dials: mean(|restart| restart.dials as f64),
            bootstrap_dials: mean(|restart| restart.bootstrap_dials as f64),
            bootstrapped: mean(|restart| f64::from(u8::from(restart.bootstrap_dials > 0))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spread::NEVER;

    fn restart(seed: u64, rejoin_ms: u64) -> Restart {
        Restart {
            seed,
            rejoin_ms,
            oracle_ms: 100,
            blind_ms: 200,
            cold_ms: 900,
            dials: 12,
            bootstrap_dials: u64::from(rejoin_ms > 1_000),
        }
    }

    #[test]
    fn late_is_later_than_cold_and_the_head_start() {
        assert!(!restart(0, 1_900).is_late());
        assert!(restart(0, 1_901).is_late());
        assert!(restart(0, NEVER).is_late());
    }

    #[test]
    fn restarts_are_summed_up() {
        let restarts = [restart(0, 150), restart(1, 150), restart(2, 4_000)];
        let figures = Figures::sum_up(Setting::by_lot(0.5), &restarts);
        assert_eq!(figures.rejoin.p50_ms, Some(150));
        assert_eq!(figures.over_oracle.p50, Some(1.5));
        assert_eq!(figures.over_blind.p50, Some(0.75));
        assert_eq!(figures.late_seeds, vec![2]);
        assert!((figures.bootstrapped - 1.0 / 3.0).abs() < 1e-9);
    }
}
