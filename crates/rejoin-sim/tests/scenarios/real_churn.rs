//! A node lives through days in which others come and go, and restarts in between.

use rejoin_core::Pool;
use rejoin_sim::{Lifetimes, Sim, SimConfig};

use crate::seeds::{each_seed, secs};

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

#[test]
fn through_days_of_churn_the_node_stays_connected() {
    each_seed(3, |seed| {
        let mut sim = newcomer(seed, 2 * DAY);
        let mut short = 0;
        for _ in 0..2 * DAY / 600 {
            sim.run_for(secs(600));
            short += u32::from(sim.connected() < 5);
        }
        assert!(short <= 3, "short of connections {short} times");
    });
}

#[test]
fn after_a_day_of_churn_each_restart_is_served_by_the_memory() {
    each_seed(5, |seed| {
        let mut sim = newcomer(seed, 4 * DAY);
        sim.run_for(secs(DAY));
        for _ in 0..3 {
            sim.shutdown();
            assert!(sim.shelf().count(Pool::Proven) >= 8);
            sim.run_for(secs(HOUR));
            sim.start();
            let took = sim.run_until(|sim| sim.connected() >= 5);
            assert!(took < secs(3), "took {took:?}");
            sim.run_for(secs(HOUR));
        }
    });
}

/// A node that joins an unknown network by its bootstrap servers.
fn newcomer(seed: u64, churn: u64) -> Sim {
    let config = SimConfig {
        discovery: true,
        ping_every: secs(60), // days of pings take their time
        ..SimConfig::default()
    };
    let mut sim = Sim::with(seed, config);
    sim.churn(Lifetimes::default(), secs(churn));
    sim.start();
    sim.run_until(|sim| sim.connected() >= 5);
    sim
}
