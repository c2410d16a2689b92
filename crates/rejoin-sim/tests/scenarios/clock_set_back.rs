//! Between two runs the machine's clock is set back: the memory seems to come from the future.

use rejoin_core::Pool;

use crate::seeds::{at_home, each_seed, secs};

const DAY_MS: i64 = 86_400_000;

#[test]
fn a_clock_set_back_by_an_hour_or_a_year_costs_nothing() {
    for days_back in [1, 400] {
        each_seed(30, |seed| {
            let mut sim = at_home(seed);
            let proven = sim.shelf().count(Pool::Proven);
            sim.shutdown();
            sim.set_clock(-days_back * DAY_MS);
            sim.start();
            let took = sim.run_until(|sim| sim.connected() >= 5);
            assert!(took < secs(1), "took {took:?}");
            sim.run_for(secs(3_600));
            sim.shutdown();
            let left = sim.shelf().count(Pool::Proven);
            assert!(left >= proven, "{left} of {proven} left");
        });
    }
}

#[test]
fn what_is_learnt_under_the_earlier_clock_still_counts_when_it_is_put_right() {
    each_seed(20, |seed| {
        let mut sim = at_home(seed);
        sim.shutdown();
        sim.set_clock(-DAY_MS);
        sim.start();
        sim.run_until(|sim| sim.connected() >= 5);
        sim.run_for(secs(60));
        sim.shutdown();
        sim.set_clock(DAY_MS);
        sim.start();
        let took = sim.run_until(|sim| sim.connected() >= 5);
        assert!(took < secs(1), "took {took:?}");
    });
}
