//! Others deleted proven peers after five failures while never-connected ones stayed.

use std::collections::BTreeSet;

use rejoin_core::Pool;
use rejoin_sim::SimConfig;

use crate::seeds::{each_seed, scene, secs};

#[test]
fn a_day_of_failures_forgets_hearsay_and_demotes_the_proven() {
    each_seed(5, |seed| {
        let config = SimConfig {
            ping_every: secs(300),
            ..SimConfig::default()
        };
        let scene = scene(seed, 0.9);
        let of = |pool: Pool| -> BTreeSet<_> {
            let peers = scene.shelf.peers.values();
            let of_pool = peers.filter(|record| record.pool() == pool);
            of_pool.map(|record| record.key.clone()).collect()
        };
        let mut sim = scene.sim(config);
        sim.start();
        sim.run_for(secs(86_400));
        let known: BTreeSet<_> = sim.engine().peers().map(|peer| peer.key.clone()).collect();
        let proven_gone = of(Pool::Proven).difference(&known).count();
        assert_eq!(proven_gone, 0, "proven peers were forgotten");
    });
}
