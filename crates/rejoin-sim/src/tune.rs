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

impl Knob {
    /// All defaults but this one.
    fn turned(&self, value: u64) -> Config {
        let mut config = Config::default();
        (self.turn)(&mut config, value);
        config
    }
}

/// What came of one value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row<M> {
    /// Which default.
    pub knob: &'static str,
    /// What it was; spans in milliseconds.
    pub value: u64,
    /// Whether that is the default.
    pub default: bool,
    /// How it went with that.
    #[serde(flatten)]
    pub measured: M,
}

/// Measures every value of every knob; what all defaults come to once for all of them.
pub(crate) fn turn_all<M: Clone + Send>(
    knobs: &[Knob],
    measure: impl Fn(&Config) -> M + Sync,
) -> Vec<Row<M>> {
    let usual = Config::default();
    let values = knobs
        .iter()
        .flat_map(|knob| knob.values.iter().map(move |value| (knob, *value)));
    let trials: Vec<_> = values
        .map(|(knob, value)| (knob.name, value, knob.turned(value)))
        .collect();
    let mut configs = vec![&usual];
    configs.extend(
        trials
            .iter()
            .map(|(_, _, config)| config)
            .filter(|it| **it != usual),
    );
    let mut measured = parallel::map(0..configs.len() as u64, |nth| {
        measure(configs[nth as usize])
    })
    .into_iter();
    let as_usual = measured.next().expect("the first");
    let row = |(knob, value, config): &(&'static str, u64, Config)| {
        let default = *config == usual;
        let measured = match default {
            true => as_usual.clone(),
            false => measured.next().expect("one for each"),
        };
        Row {
            knob,
            value: *value,
            default,
            measured,
        }
    };
    trials.iter().map(row).collect()
}

/// How often that measures.
pub fn measurements(knobs: &[Knob]) -> u64 {
    let values = knobs.iter().map(|knob| knob.values.len() - 1); // one is the default
    1 + values.sum::<usize>() as u64
}

/// The rows below the name of their knob and the heads of their columns.
pub(crate) fn below_their_knobs<M>(
    rows: &[Row<M>],
    heads: &str,
    cells: impl Fn(&M) -> String,
) -> String {
    let mut text = String::new();
    let mut before = "";
    for row in rows {
        if row.knob != before {
            before = row.knob;
            text += &format!("\n{before:<22}{heads}\n");
        }
        let mark = if row.default { "*" } else { " " };
        text += &format!("{:>20} {mark}{}\n", row.value, cells(&row.measured));
    }
    text
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

/// Turns every knob. `tell` is told of each measurement that is done.
pub fn rows(seeds: &Range<u64>, crowd: Crowd, tell: impl Fn() + Sync) -> Vec<Row<Measured>> {
    turn_all(&KNOBS, |config| {
        let measured = measure(config, seeds, crowd);
        tell();
        measured
    })
}

fn measure(config: &Config, seeds: &Range<u64>, crowd: Crowd) -> Measured {
    let (mut took, mut dials, mut bootstrap_dials) = (Vec::new(), 0, 0);
    for absence in Absence::ALL {
        let restart = |seed| {
            let mut sim = Scene::after(absence, seed, crowd).sim(SimConfig {
                engine: config.clone(),
                ..SimConfig::default()
            });
            (time_to_wanted(&mut sim), sim.dials_made())
        };
        let restarts: Vec<_> = seeds.clone().map(restart).collect();
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
pub fn table(rows: &[Row<Measured>], seeds: usize) -> String {
    let absences = Absence::ALL.map(|absence| format!("{:>9}", absence.to_string()));
    let heads = absences.concat() + "    dials  servers";
    let cells = |it: &Measured| {
        let took = it.took.iter().map(|took| format!("{:>9}", took.in_short()));
        let took: String = took.collect();
        format!("{took}{:>9.1}{:>9.2}", it.dials, it.bootstrap_dials)
    };
    format!(
        "Time to {} connections in ms, p50/p95 of {seeds} seeds after each absence; dials, and dials of\n\
         bootstrap servers, on average. The default is marked.\n{}",
        restart::WANTED,
        below_their_knobs(rows, &heads, cells)
    )
}

#[cfg(test)]
#[track_caller]
pub(crate) fn check_defaults(knobs: &[Knob]) {
    for knob in knobs {
        let usual = |value: &&u64| knob.turned(**value) == Config::default();
        let defaults = knob.values.iter().filter(usual).count();
        assert_eq!(defaults, 1, "{}", knob.name);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use super::*;

    #[test]
    fn of_each_knob_one_value_is_the_default() {
        check_defaults(&KNOBS);
    }

    #[test]
    fn a_knob_that_is_turned_changes_something() {
        let measured = AtomicU64::new(0);
        let rows = rows(&(0..3), Crowd::default(), || {
            measured.fetch_add(1, Relaxed);
        });
        assert_eq!(measured.into_inner(), measurements(&KNOBS));
        let values = KNOBS.iter().map(|knob| knob.values.len());
        assert_eq!(rows.len(), values.sum::<usize>());
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
