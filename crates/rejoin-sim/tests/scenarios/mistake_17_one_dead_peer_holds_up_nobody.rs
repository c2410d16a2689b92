//! Others dialled in batches and waited for the slowest of each.

use rejoin_sim::{HostId, HostState, Sim, SimConfig};

use crate::seeds::{each_seed, millis, scene};

#[test]
fn silent_anchors_delay_nobody_else() {
    check(millis(250), |sim| {
        let anchors = sim.shelf().peers.values();
        anchors
            .filter(|record| record.control.anchor)
            .filter_map(|record| sim.world().find(&record.key))
            .take(2)
            .collect()
    });
}

#[test]
fn when_all_that_are_dialled_first_are_silent_others_follow_as_soon_as_they_are_overdue() {
    check(millis(300), |sim| {
        let names = sim
            .trace()
            .lines()
            .filter_map(|line| line.split_once("--> "));
        names
            .filter_map(|(_, rest)| rest.split_once(':')?.0.parse().ok())
            .filter_map(|key| sim.world().find(&key))
            .collect()
    });
}

/// Lets a node come back without any server, once with everybody alive and once with those silent
/// that `silent` draws from the first run's start. It may take `longer_max` longer.
#[track_caller]
fn check(longer_max: std::time::Duration, silent: impl Fn(&Sim) -> Vec<HostId>) {
    each_seed(50, |seed| {
        let scene = scene(seed, 0.0);
        let begin = || {
            scene.sim(SimConfig {
                bootstrap: false,
                ..SimConfig::default()
            })
        };
        let back = |sim: &mut Sim| sim.run_until(|sim| sim.connected() >= 5);
        let mut healthy = begin();
        healthy.start();
        let silent = silent(&healthy);
        assert!(silent.len() >= 2);
        let usual = back(&mut healthy);

        let mut sim = begin();
        for host in silent {
            sim.turn(host, HostState::Silent);
        }
        sim.start();
        let took = back(&mut sim);
        assert!(took <= usual + longer_max, "{took:?}, else {usual:?}");
    });
}
