//! Others dialled in batches and waited for the slowest of each.

use rejoin_sim::HostState;

use crate::seeds::{coming_back, each_seed, millis};

#[test]
fn silent_anchors_delay_nobody_else() {
    each_seed(50, |seed| {
        let mut sim = coming_back(seed, 0.0);
        sim.start();
        let healthy = sim.run_until(|sim| sim.connected() >= 5);

        let mut sim = coming_back(seed, 0.0);
        let anchors: Vec<_> = sim
            .shelf()
            .peers
            .values()
            .filter(|record| record.control.anchor)
            .filter_map(|record| sim.world().find(&record.key))
            .take(2)
            .collect();
        for anchor in anchors {
            sim.turn(anchor, HostState::Silent);
        }
        sim.start();
        let took = sim.run_until(|sim| sim.connected() >= 5);
        assert!(took <= healthy + millis(250), "{took:?}, else {healthy:?}");
    });
}
