//! Each default that decides about a restart, moved up and down while all others stay: what that does to the
//! table of [`restart`]. `rejoin-sim tune` prints it; beside the defaults in
//! [`Config`] stands what came of it.

use std::{ops::Range, time::Duration};

use rejoin_core::Config;
use serde::Serialize;

use crate::{
    absence::{Absence, Crowd},
    parallel,
    past::Scene,
    restart::{self, time_to_wanted},
    sim::SimConfig,
    spread::{Spread, millis},
};

/// One default.
pub struct Knob {
    /// Its name in [`Config`].
    pub name: &'static str,
    pub(crate) turn: fn(&mut Config, u64),
    /// The default and what is tried in its place, in the same unit.
    pub(crate) values: &'static [u64],
}

/// One value of one of them.
pub(crate) struct Trial {
    pub(crate) knob: &'static str,
    pub(crate) value: u64,
    pub(crate) config: Config,
}

/// Every value of every knob.
pub(crate) fn trials(knobs: &[Knob]) -> Vec<Trial> {
    let mut trials = Vec::new();
    for knob in knobs {
        for value in knob.values {
            let mut config = Config::default();
            (knob.turn)(&mut config, *value);
            trials.push(Trial {
                knob: knob.name,
                value: *value,
                config,
            });
        }
    }
    trials
}

pub(crate) fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

/// All that are tried. Spans are in milliseconds.
pub const KNOBS: [Knob; 11] = [
    Knob {
        name: "dials_max",
        turn: |config, value| config.dials_max = value as usize,
        values: &[16, 24, 32, 48, 64],
    },
    Knob {
        name: "stagger_min",
        turn: |config, value| config.stagger_min = ms(value),
        values: &[20, 50, 100],
    },
    Knob {
        name: "stagger_max",
        turn: |config, value| config.stagger_max = ms(value),
        values: &[100, 150, 250, 500],
    },
    Knob {
        name: "dial_timeout_min",
        turn: |config, value| config.dial_timeout_min = ms(value),
        values: &[1_000, 2_000, 4_000],
    },
    Knob {
        name: "give_way_after",
        turn: |config, value| config.give_way_after = ms(value),
        values: &[300, 500, 1_000, 2_000],
    },
    Knob {
        name: "explore_one_in",
        turn: |config, value| config.explore_one_in = value as usize,
        values: &[0, 4, 8, 16],
    },
    Knob {
        name: "anchors_first",
        turn: |config, value| config.anchors_first = value as usize,
        values: &[0, 2, 4, 8],
    },
    Knob {
        name: "bootstrap_head_start",
        turn: |config, value| config.bootstrap_head_start = ms(value),
        values: &[250, 500, 1_000, 2_000],
    },
    Knob {
        name: "news_reserve",
        turn: |config, value| config.news_reserve = value as usize,
        values: &[0, 4, 8, 16],
    },
    Knob {
        name: "source_head_start",
        turn: |config, value| config.source_head_start = ms(value),
        values: &[250, 500, 1_000],
    },
    Knob {
        name: "bootstrap_dials_max",
        turn: |config, value| config.bootstrap_dials_max = value as usize,
        values: &[1, 2, 4],
    },
];

/// What came of one value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Which default.
    pub knob: &'static str,
    /// What it was; spans in milliseconds.
    pub value: u64,
    /// Whether that is the default.
    pub default: bool,
    /// How restarts went with it.
    #[serde(flatten)]
    pub measured: Measured,
}

/// How restarts went.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// After each absence, the shortest first: how long half of the restarts took at most, and 95 of 100.
    pub took: Vec<Spread>,
    /// Dials per restart, over all absences.
    pub dials: f64,
    /// How many of them went to bootstrap servers.
    pub bootstrap_dials: f64,
}

/// Turns every knob. `tell` is told of each value that is done.
pub fn rows(seeds: &Range<u64>, crowd: Crowd, tell: impl Fn()) -> Vec<Row> {
    let usual = measure(&Config::default(), seeds, crowd); // one for all knobs
    let row = |trial: Trial| {
        let default = trial.config == Config::default();
        let measured = match default {
            true => usual.clone(),
            false => measure(&trial.config, seeds, crowd),
        };
        tell();
        Row {
            knob: trial.knob,
            value: trial.value,
            default,
            measured,
        }
    };
    trials(&KNOBS).into_iter().map(row).collect()
}

/// How many values there are.
pub fn values() -> usize {
    trials(&KNOBS).len()
}

fn measure(config: &Config, seeds: &Range<u64>, crowd: Crowd) -> Measured {
    let (mut took, mut dials, mut bootstrap_dials) = (Vec::new(), 0, 0);
    for absence in Absence::ALL {
        let restarts = parallel::map(seeds.clone(), |seed| {
            let mut sim = Scene::after(absence, seed, crowd).sim(SimConfig {
                engine: config.clone(),
                ..SimConfig::default()
            });
            (time_to_wanted(&mut sim), sim.dials_made())
        });
        for (_, (all, to_servers)) in &restarts {
            dials += all;
            bootstrap_dials += to_servers;
        }
        took.push(Spread::of(
            restarts.iter().map(|(after, _)| millis(*after)).collect(),
        ));
    }
    let number = (Absence::ALL.len() as u64 * (seeds.end - seeds.start)).max(1) as f64;
    Measured {
        took,
        dials: dials as f64 / number,
        bootstrap_dials: bootstrap_dials as f64 / number,
    }
}

/// As a table for people.
pub fn table(rows: &[Row], seeds: usize) -> String {
    let mut text = format!(
        "Time to {} connections in ms, p50/p95 of {seeds} seeds after each absence; dials, and dials of\n\
         bootstrap servers, on average. The default is marked.\n",
        restart::WANTED
    );
    let mut before = "";
    for row in rows {
        if row.knob != before {
            before = row.knob;
            text += &format!("\n{before:<22}");
            for absence in Absence::ALL {
                text += &format!("{:>9}", absence.to_string());
            }
            text += "    dials  servers\n";
        }
        let mark = if row.default { "*" } else { " " };
        text += &format!("{:>20} {mark}", row.value);
        for took in &row.measured.took {
            let show = |ms: Option<u64>| ms.map_or("never".into(), |ms| ms.to_string());
            text += &format!(
                "{:>9}",
                format!("{}/{}", show(took.p50_ms), show(took.p95_ms))
            );
        }
        text += &format!(
            "{:>9.1}{:>9.2}\n",
            row.measured.dials, row.measured.bootstrap_dials
        );
    }
    text
}

#[cfg(test)]
#[track_caller]
pub(crate) fn check_defaults(knobs: &[Knob]) {
    for knob in knobs {
        let trials = trials(std::slice::from_ref(knob));
        let defaults = trials.iter().filter(|it| it.config == Config::default());
        assert_eq!(defaults.count(), 1, "{}", knob.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_knob_one_value_is_the_default() {
        check_defaults(&KNOBS);
    }

    #[test]
    fn a_knob_that_is_turned_changes_something() {
        let rows = rows(&(0..3), Crowd::default(), || {});
        assert_eq!(rows.len(), values());
        let of = |knob: &str, value| {
            let row = rows
                .iter()
                .find(|row| row.knob == knob && row.value == value);
            &row.expect("it was tried").measured
        };
        assert_eq!(of("dials_max", 32).took, of("news_reserve", 8).took);
        assert_ne!(of("dials_max", 32).took, of("dials_max", 16).took);
        assert!(table(&rows, 3).contains("stagger_max"));
    }
}
