//! Others deleted proven peers after five failures while never-connected ones stayed.

use std::collections::BTreeMap;

use rejoin_core::{Config, PeerKey, PeerRecord, Pool, retention::Rule, score};
use rejoin_sim::{Sim, SimConfig};

use crate::seeds::{each_seed, scene, secs};

#[test]
fn a_day_of_failures_forgets_hearsay_and_demotes_the_proven() {
    each_seed(5, |seed| {
        let config = SimConfig {
            bootstrap: false,
            ..SimConfig::default()
        };
        // Everybody is dead, so that everybody is tried again and again.
        let scene = scene(seed, 1.0);
        let mut sim = scene.sim(config);
        sim.start();
        sim.run_for(secs(86_400));
        let known = known(&sim);
        for record in scene.shelf.peers.values() {
            let now = known.get(&record.key).map(PeerRecord::pool);
            let due = match record.pool() {
                Pool::Proven => Some(Pool::Hearsay),
                Pool::Hearsay => None,
            };
            assert_eq!(now, due, "{}", record.key);
        }
    });
}

#[test]
fn a_pool_too_full_gives_up_its_own_worst() {
    const PROVEN_MAX: usize = 100;
    const HEARSAY_MAX: usize = 50;
    each_seed(10, |seed| {
        let config = SimConfig {
            engine: Config {
                retention: vec![Rule::ProvenCap(PROVEN_MAX), Rule::HearsayCap(HEARSAY_MAX)],
                feeler_every: secs(86_400), // nobody changes pools meanwhile
                ..Config::default()
            },
            ..SimConfig::default()
        };
        let scene = scene(seed, 0.0);
        let mut sim = scene.sim(config);
        sim.start();
        sim.run_for(secs(60));
        sim.run_until(|sim| sim.status().proven <= PROVEN_MAX);
        let known = known(&sim);
        for (pool, max) in [(Pool::Proven, PROVEN_MAX), (Pool::Hearsay, HEARSAY_MAX)] {
            let of_pool = |record: &&PeerRecord| record.pool() == pool && !record.role.bootstrap;
            let staying = known.values().filter(of_pool);
            let gone = scene.shelf.peers.values().filter(of_pool);
            let gone = gone.filter(|record| !known.contains_key(&record.key));
            assert!(staying.clone().count() <= max, "{pool:?}");
            // Whoever is connected stays, whatever its record says.
            let kept = staying.filter(|record| !sim.is_connected(&record.key));
            let worst = kept.map(score::rank).fold(f64::INFINITY, f64::min);
            let best = gone.map(score::rank).fold(f64::NEG_INFINITY, f64::max);
            assert!(best <= worst, "{pool:?}: a better one went");
        }
    });
}

/// Whom the node remembers.
fn known(sim: &Sim) -> BTreeMap<PeerKey, PeerRecord> {
    let peers = sim.engine().peers();
    peers
        .map(|record| (record.key.clone(), record.clone()))
        .collect()
}
