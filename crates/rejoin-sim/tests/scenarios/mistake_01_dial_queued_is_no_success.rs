//! Others counted a dial that was queued as a success. Here only an authenticated connection is.

use rejoin_sim::HostState;

use crate::seeds::{coming_back, each_seed, millis, secs};

#[test]
fn dials_in_the_air_are_no_connections() {
    each_seed(20, |seed| {
        let mut sim = coming_back(seed, 0.0);
        sim.turn_where(HostState::Silent, |_, _| true);
        sim.start();
        sim.run_for(millis(500));
        let status = sim.status();
        assert!(status.dials > 0);
        assert_eq!(status.connections, 0);
        assert_eq!(status.numbers.cached_connected, 0);
        assert_eq!(status.numbers.first_ms, None);
        let successes = sim.engine().peers().filter(|record| {
            record.last_connected > Some(sim.now() - secs(1))
                || record.control.reconnect_attempts > 9
        });
        assert_eq!(successes.count(), 0);
    });
}

#[test]
fn the_hit_rate_is_that_of_the_network() {
    each_seed(20, |seed| {
        let mut sim = coming_back(seed, 0.5);
        sim.start();
        sim.run_until(|sim| sim.connected() >= 5);
        let numbers = sim.status().numbers;
        assert_eq!(numbers.cached_connected, sim.connected() as u64);
        assert!(numbers.cached_dialled <= numbers.dials);
        assert_eq!(numbers.dials, sim.dials_made().0);
    });
}
