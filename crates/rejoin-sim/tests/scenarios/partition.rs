//! Half of the network is cut off from us for a while, though bootstrap servers still name it.

use crate::seeds::{at_home, each_seed, secs};

#[test]
fn the_reachable_half_carries_the_node_through_a_partition() {
    each_seed(20, |seed| {
        let mut sim = at_home(seed);
        sim.partition(2);
        let took = sim.run_until(|sim| sim.connected() >= 5);
        assert!(took < secs(60), "took {took:?}");
        sim.run_for(secs(600));
        sim.heal();
        sim.run_for(secs(60));
        assert!(sim.connected() >= sim.status().target);
    });
}
