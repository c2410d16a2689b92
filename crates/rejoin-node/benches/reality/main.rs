//! The simulator's predictions beside real nodes: many nodes and two bootstrap servers on real sockets, and
//! `rejoin up` as a process of its own that comes back to them, without memory and with it. Each scenario is
//! then played in the simulator with the same number of peers met and heard of, the same share of dead,
//! and the same distances. The network is that of `rejoin demo` (`loopback`), and where the system allows
//! it a second one behind a line that delays packets (`lines`).
//!
//!     cargo bench -p rejoin-node --bench reality [-- --json] [loopback | line]

#[cfg(target_os = "linux")]
mod line;
mod loopback;

use std::{env, time::Duration};

use rejoin_sim::{Past, distances::Distances, restart};
use serde::{Deserialize, Serialize};

/// What keeps the nodes apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Over {
    /// Connections that hold words back, on one machine.
    Loopback,
    /// A line that holds packets back, between two namespaces.
    Line,
}

impl Over {
    const ALL: [Self; 2] = [Self::Loopback, Self::Line];

    fn name(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Line => "line",
        }
    }

    /// What is missing here, if anything.
    fn lacks(self) -> Option<&'static str> {
        match self {
            Self::Loopback => None,
            #[cfg(target_os = "linux")]
            Self::Line => line::lacks(),
            #[cfg(not(target_os = "linux"))]
            Self::Line => Some("Linux"),
        }
    }

    /// How many others there are, servers aside. A hundred plain libp2p nodes are one process; a hundred
    /// whole programs among each other keep two processors busy all the time.
    fn nodes(self) -> usize {
        match self {
            Self::Loopback => 100,
            Self::Line => 30,
        }
    }

    fn play(self, scenario: Scenario) -> Real {
        match self {
            #[cfg(target_os = "linux")]
            Self::Line => line::play(scenario, self.nodes()),
            _ => loopback::play(scenario, self.nodes()),
        }
    }
}

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

/// Servers beside the nodes, as in the demo.
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

    /// How far away everybody is but the servers, which are just so far away.
    fn distances(self) -> Distances {
        Distances::Around {
            median: self.rtt(),
            spread: SPREAD,
        }
    }

    fn rtt(self) -> Duration {
        Duration::from_millis(self.rtt_ms)
    }

    /// Medians with memory and without, until the fifth connection.
    fn simulated(self, nodes: usize, real: &Real) -> [f64; 2] {
        let past = Past {
            proven: real.proven,
            hearsay: real.hearsay,
            strangers: nodes.saturating_sub(real.proven + real.hearsay),
            dead: self.dead,
            silent: self.silent,
            distances: self.distances(),
            servers: (SERVERS, Some(self.rtt())),
            ..Past::default()
        };
        let medians = restart::medians(&past, SEEDS);
        medians.map(|ms| ms.expect("it comes back") as f64)
    }
}

/// What came of a scenario in reality: of what `rejoin demo` reports the part that matters here.
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
    over: Over,
    #[serde(flatten)]
    scenario: Scenario,
    memory: bool,
    real_ms: f64,
    simulated_ms: f64,
    /// How much longer the simulator takes, as a share of what it really takes.
    error: f64,
}

impl Row {
    const HEAD: &str = "| over | round trip | dead | of them silent | memory | real | simulated | off by |\n\
                        |---|---|---|---|---|---|---|---|";

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
            "| {} | {rtt_ms} ms | {:.0} % | {silent} | {} | {:.0} ms | {:.0} ms | {:+.0} % |",
            self.over.name(),
            dead * 100.0,
            if self.memory { "yes" } else { "no" },
            self.real_ms,
            self.simulated_ms,
            self.error * 100.0,
        )
    }
}

fn main() {
    let told: Vec<_> = env::args().collect();
    let is_told = |word: &str| told.iter().any(|argument| argument == word);
    let one = Over::ALL.into_iter().find(|over| is_told(over.name()));
    let json = is_told("--json");
    if !json {
        println!("{}", Row::HEAD);
    }
    let mut rows = Vec::new();
    for over in Over::ALL
        .into_iter()
        .filter(|over| one.is_none_or(|one| one == *over))
    {
        if let Some(lacks) = over.lacks() {
            eprintln!("skipped over a {}: needs {lacks}", over.name());
            continue;
        }
        for scenario in SCENARIOS {
            for row in rows_of(over, scenario) {
                if !json {
                    println!("{}", row.line());
                }
                rows.push(row);
            }
        }
    }
    if json {
        let rows = serde_json::to_string_pretty(&rows);
        println!("{}", rows.expect("plain data"));
    }
}

fn rows_of(over: Over, scenario: Scenario) -> [Row; 2] {
    let real = over.play(scenario);
    let [warm_ms, cold_ms] = scenario.simulated(over.nodes(), &real);
    let row = |memory, start: &Start, simulated_ms| Row {
        over,
        scenario,
        memory,
        real_ms: start.fifth_ms,
        simulated_ms,
        error: simulated_ms / start.fifth_ms - 1.0,
    };
    [
        row(true, &real.warm, warm_ms),
        row(false, &real.cold, cold_ms),
    ]
}
