//! Others saved only at shutdown, so a crash saved nothing.

use std::collections::BTreeSet;

use crate::seeds::{coming_back, each_seed, millis, secs};

#[test]
fn who_was_met_five_seconds_before_a_crash_is_on_the_disk() {
    each_seed(50, |seed| {
        let mut sim = coming_back(seed, 0.5);
        sim.start();
        // Any moment of the first minute may be the last.
        sim.run_for(millis(2_000 + seed * 1_213 % 60_000));
        let met: BTreeSet<_> = sim
            .engine()
            .peers()
            .filter(|record| sim.is_connected(&record.key))
            .map(|record| (record.key.clone(), record.last_connected))
            .collect();
        // The five seconds, and the time the disk takes.
        sim.run_for(secs(5) + millis(100));
        sim.kill();
        assert!(!met.is_empty());
        for (key, connected) in met {
            let saved = &sim.shelf().peers[&key];
            assert!(saved.last_connected >= connected, "{key} was not saved");
        }
    });
}
