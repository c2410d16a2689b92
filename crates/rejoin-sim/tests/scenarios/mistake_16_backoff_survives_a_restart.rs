//! Others forgot at restart whom they had just dialled in vain, and a program in a crash loop
//! hammered the dead.

use rejoin_sim::{Past, Scene, SimConfig};

use crate::seeds::{each_seed, secs};

const DEAD: usize = 12;

const RUNS: usize = 20;

#[test]
fn in_a_crash_loop_the_dead_are_not_dialled_each_time() {
    each_seed(30, |seed| {
        // Nobody else is there to be dialled, so whoever does not rest is.
        let past = Past {
            proven: DEAD,
            hearsay: 0,
            strangers: 0,
            dead: 1.0,
            ..Past::default()
        };
        let mut sim = Scene::new(seed, &past).sim(SimConfig {
            bootstrap: false,
            ..SimConfig::default()
        });
        for _ in 0..RUNS {
            sim.start();
            sim.run_for(secs(7)); // long enough for a save
            sim.kill();
        }
        let dials = sim.trace().lines().filter(|line| line.contains("-->"));
        let dials = dials.count();
        let once_each_time = DEAD * RUNS;
        assert!(dials < once_each_time * 2 / 3, "{dials} dials");
        assert!(dials > DEAD, "{dials} dials: they are not given up either");
    });
}
