//! A peer's program hangs: its system keeps the connection open, and nothing comes over it.

use rejoin_sim::{HostId, HostState, Sim};

use crate::seeds::{at_home, each_seed, secs};

#[test]
fn a_silent_peer_is_noticed_within_three_minutes_and_replaced() {
    each_seed(50, |seed| {
        let mut sim = at_home(seed);
        let silent = friends(&sim)[0];
        let key = sim.world().host(silent).key.clone();
        sim.turn(silent, HostState::Hung);
        let took = sim.run_until(|sim| !sim.engine().is_connected(&key));
        // A ping may have come just before; looks are a second apart.
        assert!((secs(165)..=secs(181)).contains(&took), "took {took:?}");
        let took = sim.run_until(|sim| sim.connected() >= sim.status().target);
        assert!(took < secs(2), "took {took:?}");
    });
}

#[test]
fn when_all_fall_silent_the_node_is_back_as_after_an_outage() {
    each_seed(20, |seed| {
        let mut sim = at_home(seed);
        for silent in friends(&sim) {
            sim.turn(silent, HostState::Hung);
        }
        sim.run_until(|sim| sim.status().connections == 0 || sim.connected() >= 5);
        let took = sim.run_until(|sim| sim.connected() >= 5);
        assert!(took < secs(5), "took {took:?}");
    });
}

#[test]
fn one_that_was_only_slow_is_not_sent_away() {
    each_seed(10, |seed| {
        let mut sim = at_home(seed);
        let slow = friends(&sim)[0];
        let key = sim.world().host(slow).key.clone();
        sim.turn(slow, HostState::Hung);
        sim.turn_after(secs(150), slow, HostState::Alive);
        for _ in 0..30 {
            sim.run_for(secs(10));
            assert!(sim.engine().is_connected(&key));
        }
    });
}

fn friends(sim: &Sim) -> Vec<HostId> {
    sim.links()
        .filter_map(|peer| sim.world().find(peer))
        .collect()
}
