//! Others did not refresh peers seen again, so the best, being the oldest, were evicted first.

use rejoin_core::Pool;
use rejoin_sim::{Shelf, Sim, SimConfig};

use crate::seeds::{each_seed, scene, secs};

const DAY: u64 = 86_400;

#[test]
fn a_peer_met_long_ago_and_seen_again_outlives_its_age_limit() {
    each_seed(10, |seed| {
        let scene = scene(seed, 0.0);
        // Away for 29 of the 30 days a proven peer is remembered unseen.
        let now = scene.now + secs(28 * DAY);
        let config = SimConfig {
            ping_every: secs(300),
            ..SimConfig::default()
        };
        let shelf: Shelf = scene.shelf.clone();
        let mut sim = Sim::on(scene.world.clone(), shelf, now, config);
        sim.start();
        sim.run_until(|sim| sim.connected() >= 5);
        sim.run_for(secs(3 * DAY));
        let known: Vec<_> = sim
            .engine()
            .peers()
            .filter(|record| sim.is_connected(&record.key))
            .filter(|record| !record.role.bootstrap)
            .collect();
        assert!(known.len() >= 5);
        for record in known {
            let unseen = sim.node_now().since(record.last_seen.expect("connected"));
            assert!(unseen <= secs(600), "unseen for {unseen:?}");
            assert_eq!(record.pool(), Pool::Proven);
        }
    });
}
