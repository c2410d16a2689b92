//! The simulator's predictions beside real nodes: 100 plain libp2p nodes and two bootstrap servers on real
//! sockets, and `rejoin up` as a process of its own that comes back to them, without memory and with it
//! (`rejoin demo`). Each scenario is then played in the simulator with the same number of peers met and
//! heard of, the same share of dead, and the same distances.
//!
//!     cargo bench -p rejoin-node --bench reality [-- --json]

use std::{env, process::Command, time::Duration};

use rejoin_sim::{Past, distances::Distances, restart};
use serde::{Deserialize, Serialize};

/// One network, and what becomes of it.
#[derive(Clone, Copy, Debug, Serialize)]
struct Scenario {
    /// Round trip to a node in the middle distance.
    rtt_ms: u64,
    /// How many of the nodes die.
    dead: f64,
    /// How many of the dead keep silent.
    silent: f64,
}

const SCENARIOS: [Scenario; 8] = [
    Scenario::new(50, 0.0, 0.5),
    Scenario::new(50, 0.5, 0.0),
    Scenario::new(50, 0.5, 1.0),
    Scenario::new(50, 0.8, 0.5),
    Scenario::new(150, 0.0, 0.5),
    Scenario::new(150, 0.5, 0.0),
    Scenario::new(150, 0.5, 1.0),
    Scenario::new(150, 0.8, 0.5),
];

/// Nodes, and servers beside them as in the demo.
const NODES: usize = 100;
const SERVERS: usize = 2;

/// How far distances spread in the demo.
const SPREAD: f64 = 0.5;

/// Real starts of each kind, and simulated ones.
const ROUNDS: usize = 7;
const SEEDS: u64 = 300;

impl Scenario {
    const fn new(rtt_ms: u64, dead: f64, silent: f64) -> Self {
        Self {
            rtt_ms,
            dead,
            silent,
        }
    }

    fn really(self) -> Real {
        let mut demo = Command::new(env!("CARGO_BIN_EXE_rejoin"));
        demo.args(["demo", "--json"])
            .args(["--nodes", &NODES.to_string()])
            .args(["--rounds", &ROUNDS.to_string()])
            .args(["--rtt", &self.rtt_ms.to_string()])
            .args(["--dead", &self.dead.to_string()])
            .args(["--silent", &self.silent.to_string()]);
        let ended = demo.output().expect("the program starts");
        let told = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{told}");
        serde_json::from_slice(&ended.stdout).expect("a report")
    }

    /// Medians with memory and without, until the fifth connection.
    fn simulated(self, real: &Real) -> [f64; 2] {
        let median = Duration::from_millis(self.rtt_ms);
        let past = Past {
            proven: real.proven,
            hearsay: real.hearsay,
            strangers: NODES.saturating_sub(real.proven + real.hearsay),
            dead: self.dead,
            silent: self.silent,
            distances: Distances::Around {
                median,
                spread: SPREAD,
            },
            servers: (SERVERS, Some(median)),
            ..Past::default()
        };
        let medians = restart::medians(&past, SEEDS);
        medians.map(|ms| ms.expect("it comes back") as f64)
    }
}

/// What the demo reports.
#[derive(Debug, Deserialize)]
struct Real {
    warm: Start,
    cold: Start,
    proven: usize,
    hearsay: usize,
}

#[derive(Debug, Deserialize)]
struct Start {
    fifth_ms: f64,
}

/// One scenario, played both ways.
#[derive(Debug, Serialize)]
struct Row {
    #[serde(flatten)]
    scenario: Scenario,
    memory: bool,
    real_ms: f64,
    simulated_ms: f64,
    /// How much longer the simulator takes, as a share of what it really takes.
    error: f64,
}

impl Row {
    const HEAD: &str = "| round trip | dead | of them silent | memory | real | simulated | off by |\n\
                        |---|---|---|---|---|---|---|";

    fn line(&self) -> String {
        let Scenario {
            rtt_ms,
            dead,
            silent,
        } = self.scenario;
        let silent = match dead {
            0.0 => "–".to_owned(),
            _ => format!("{:.0} %", silent * 100.0),
        };
        format!(
            "| {rtt_ms} ms | {:.0} % | {silent} | {} | {:.0} ms | {:.0} ms | {:+.0} % |",
            dead * 100.0,
            if self.memory { "yes" } else { "no" },
            self.real_ms,
            self.simulated_ms,
            self.error * 100.0,
        )
    }
}

fn main() {
    let json = env::args().any(|arg| arg == "--json");
    if !json {
        println!("{}", Row::HEAD);
    }
    let mut rows = Vec::new();
    for scenario in SCENARIOS {
        let real = scenario.really();
        let simulated = scenario.simulated(&real);
        let both = [(true, &real.warm), (false, &real.cold)];
        for ((memory, start), simulated_ms) in both.into_iter().zip(simulated) {
            let real_ms = start.fifth_ms;
            let row = Row {
                scenario,
                memory,
                real_ms,
                simulated_ms,
                error: simulated_ms / real_ms - 1.0,
            };
            if !json {
                println!("{}", row.line());
            }
            rows.push(row);
        }
    }
    if json {
        println!(
            "{}",
            serde_json::to_string_pretty(&rows).expect("plain data")
        );
    }
}
