//! The lid closes for a night and opens again.

use rejoin_sim::HostState;

use crate::seeds::{at_home, each_seed, secs};

#[test]
fn after_a_night_the_node_is_back_by_the_first_ping() {
    each_seed(50, |seed| {
        let mut sim = at_home(seed);
        sim.suspend(secs(8 * 3_600));
        assert_eq!(sim.connected(), 0, "links do not survive a night");
        let took = sim.run_until(|sim| sim.connected() >= 5);
        assert!(took < secs(20), "took {took:?}");
    });
}

#[test]
fn it_gets_back_though_half_of_its_peers_left_meanwhile() {
    each_seed(50, |seed| {
        let mut sim = at_home(seed);
        for (id, host) in sim.world().clone().hosts() {
            if id.0.is_multiple_of(2) && !host.bootstrap {
                sim.turn_after(secs(3_600), id, HostState::Silent);
            }
        }
        sim.suspend(secs(8 * 3_600));
        let took = sim.run_until(|sim| sim.connected() >= 5);
        assert!(took < secs(20), "took {took:?}");
    });
}

#[test]
fn a_nap_shorter_than_a_ping_loses_no_connection() {
    each_seed(10, |seed| {
        let mut sim = at_home(seed);
        let before = sim.connected();
        sim.suspend(secs(10));
        sim.run_for(secs(60));
        assert!(sim.connected() >= before);
    });
}
