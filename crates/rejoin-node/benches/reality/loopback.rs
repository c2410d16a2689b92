//! Real nodes on one machine, kept apart by connections that hold words back: `rejoin demo`, whose others
//! are plain libp2p. Runs wherever the program does.

use std::process::Command;

use crate::{ROUNDS, Real, Scenario};

/// Plays a scenario.
pub fn play(scenario: Scenario, nodes: usize) -> Real {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_rejoin"));
    demo.args(["demo", "--json"])
        .args(["--nodes", &nodes.to_string()])
        .args(["--rounds", &ROUNDS.to_string()])
        .args(["--rtt", &scenario.rtt_ms.to_string()])
        .args(["--dead", &scenario.dead.to_string()])
        .args(["--silent", &scenario.silent.to_string()]);
    let ended = demo.output().expect("the program starts");
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{told}");
    serde_json::from_slice(&ended.stdout).expect("a report")
}
