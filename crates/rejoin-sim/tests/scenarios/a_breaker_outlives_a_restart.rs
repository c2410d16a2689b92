//! A source that failed five times is left alone, longer each time, and a restart does not undo that.

use rejoin_sim::{Answering, Sim, SimConfig};

use crate::seeds::{each_seed, millis, secs, url};

#[test]
fn a_failing_list_is_asked_less_and_less_across_restarts() {
    each_seed(20, |seed| {
        let config = SimConfig {
            bootstrap: false,
            directories: vec![(url(1), Answering::Fails(millis(100)))],
            ..SimConfig::default()
        };
        let mut sim = Sim::with(seed, config);
        sim.start();
        let open = |sim: &Sim| sim.status().sources[0].breaker == "open";
        sim.run_until(open);
        assert_eq!(sim.consulted(&url(1)), 5);
        sim.run_for(secs(7)); // long enough for a save
        sim.crash();
        assert!(open(&sim), "it is remembered");
        sim.run_for(secs(40));
        assert_eq!(sim.consulted(&url(1)), 5, "it is left alone");
        sim.run_for(secs(30));
        assert_eq!(sim.consulted(&url(1)), 6, "half open: one try");
        sim.run_for(secs(24 * 3_600));
        let asked = sim.consulted(&url(1));
        assert!((20..=40).contains(&asked), "asked {asked} times in a day");
        sim.directory(&url(1), Answering::Names(20, millis(100)));
        sim.run_until_or(secs(3_700), |sim| sim.connected() >= 5)
            .expect("it closes again");
        assert_eq!(sim.status().sources[0].failures, 0);
    });
}
