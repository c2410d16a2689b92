//! Between two runs the machine's clock is set forward: the memory seems older than it is.

use rejoin_core::Pool;

use crate::seeds::{at_home, each_seed, secs};

const DAY_MS: i64 = 86_400_000;

#[test]
fn a_clock_set_forward_by_a_day_costs_nothing() {
    each_seed(30, |seed| {
        let mut sim = at_home(seed);
        sim.shutdown();
        sim.set_clock(DAY_MS);
        sim.start();
        let took = sim.run_until(|sim| sim.connected() >= 5);
        assert!(took < secs(1), "took {took:?}");
    });
}

#[test]
fn a_clock_set_forward_by_years_does_not_expire_everything_at_once() {
    each_seed(30, |seed| {
        let mut sim = at_home(seed);
        let proven = sim.shelf().count(Pool::Proven);
        sim.shutdown();
        sim.set_clock(3 * 365 * DAY_MS);
        sim.start();
        let took = sim.run_until(|sim| sim.connected() >= 5);
        assert!(took < secs(1), "took {took:?}");
        sim.run_for(secs(60));
        sim.shutdown();
        sim.set_clock(-3 * 365 * DAY_MS);
        sim.start();
        let took = sim.run_until(|sim| sim.connected() >= 5);
        assert!(took < secs(1), "took {took:?}");
        let left = sim.shelf().count(Pool::Proven);
        assert!(left * 2 >= proven, "{left} of {proven} left");
    });
}
