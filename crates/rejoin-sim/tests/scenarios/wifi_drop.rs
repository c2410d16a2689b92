//! The network goes away and comes back, and the machine knows.

use crate::seeds::{at_home, each_seed, secs};

#[test]
fn finds_its_peers_again_after_the_network_returns() {
    each_seed(30, |seed| {
        let mut sim = at_home(seed);
        sim.unplug();
        sim.run_for(secs(600));
        assert_eq!(sim.connected(), 0);
        sim.plug_in();
        let took = sim.run_until(|sim| sim.connected() >= 5);
        assert!(took < secs(2), "took {took:?}");
    });
}

#[test]
fn a_drop_shorter_than_a_ping_timeout_costs_nothing() {
    each_seed(20, |seed| {
        let mut sim = at_home(seed);
        let before = sim.connected();
        sim.unplug();
        sim.run_for(secs(5));
        sim.plug_in();
        assert_eq!(sim.connected(), before);
        sim.run_for(secs(60));
        assert!(sim.connected() >= before);
    });
}

#[test]
fn coming_up_without_a_network_it_waits_for_one() {
    each_seed(20, |seed| {
        let mut sim = crate::seeds::coming_back(seed, 0.0);
        sim.unplug();
        sim.start();
        sim.run_for(secs(120));
        sim.plug_in();
        let took = sim.run_until(|sim| sim.connected() >= 5);
        assert!(took < secs(2), "took {took:?}");
    });
}

#[test]
fn a_pulled_cable_is_not_answered_by_a_storm_of_dials() {
    each_seed(20, |seed| {
        let mut sim = at_home(seed);
        let before = sim.dials_made().0;
        sim.unplug();
        sim.run_for(secs(600));
        let dials = sim.dials_made().0 - before;
        // A first burst, and one probe every 15 s.
        assert!(dials <= 150, "{dials} dials into the void");
    });
}
