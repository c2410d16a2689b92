//! Everybody remembered is gone; only bootstrap servers are left, or not even they.

use rejoin_sim::HostState;

use crate::seeds::{coming_back, each_seed, secs};

#[test]
fn bootstrap_servers_lead_back() {
    each_seed(100, |seed| {
        let mut sim = coming_back(seed, 1.0);
        sim.start();
        let took = sim.run_until(|sim| sim.connected() >= 5);
        assert!(took < secs(4), "took {took:?}");
    });
}

#[test]
fn with_the_servers_gone_too_it_keeps_trying_and_returns_with_them() {
    each_seed(10, |seed| {
        let mut sim = coming_back(seed, 1.0);
        sim.turn_where(HostState::Silent, |_, host| host.bootstrap);
        sim.start();
        sim.run_for(secs(3_600));
        assert_eq!(sim.connected(), 0);
        sim.turn_where(HostState::Alive, |_, host| host.bootstrap);
        // An open breaker asks once an hour at the least.
        sim.run_until_or(secs(7_200), |sim| sim.connected() >= 5)
            .expect("it asks again");
    });
}
