//! A node that remembers more peers than it has memory for returns as fast as one that holds all of
//! them, loses nobody, and meets whom it had let go of as an old acquaintance.

use std::time::Duration;

use rejoin_core::{Command, Config, Input, PeerRecord, Pool};
use rejoin_sim::{Scene, Sim, SimConfig};

use crate::seeds::{each_seed, scene, secs};

/// The scene has five times as many.
const ROOM: usize = 40;

#[test]
fn a_small_memory_returns_as_fast_as_a_large_one() {
    let took = |room: usize| {
        let all = std::cell::Cell::new(Duration::ZERO);
        each_seed(50, |seed| {
            let mut sim = sim(&scene(seed, 0.5), room);
            sim.start();
            all.set(all.get() + sim.run_until(|sim| sim.connected() >= 5));
        });
        all.get()
    };
    let (small, large) = (took(ROOM), took(100_000));
    assert!(small < large.mul_f64(1.1), "{small:?} and {large:?}");
}

#[test]
fn over_days_memory_stays_small_and_the_store_keeps_everybody() {
    each_seed(10, |seed| {
        let scene = scene(seed, 0.2);
        let mut sim = sim(&scene, ROOM);
        sim.start();
        let met_before = sim.shelf().count(Pool::Proven);
        assert!(met_before > 2 * ROOM, "{met_before}");
        sim.run_for(secs(6 * 3_600));
        let held = sim.engine().peers();
        let proven = held.filter(|it| it.pool() == Pool::Proven).count();
        assert!(proven <= ROOM + sim.connected(), "{proven} in memory");
        let met = |peer: &&PeerRecord| peer.pool() == Pool::Proven;
        for peer in scene.shelf.peers.values().filter(met) {
            assert!(sim.shelf().peers.contains_key(&peer.key), "{}", peer.key);
        }
    });
}

#[test]
fn whoever_comes_back_out_of_the_store_has_its_past() {
    each_seed(10, |seed| {
        let scene = scene(seed, 0.0);
        let mut sim = sim(&scene, ROOM);
        sim.start();
        sim.run_for(secs(3_600));
        let strangers: Vec<_> = scene
            .shelf
            .friends()
            .filter(|peer| sim.engine().peer(&peer.key).is_none())
            .map(|peer| peer.key.clone())
            .take(5)
            .collect();
        assert_eq!(strangers.len(), 5);
        for peer in strangers {
            let before = scene.shelf.peers[&peer].clone();
            let addresses = before.addresses.iter().map(|it| it.address.clone());
            let connect = Command::Connect {
                peer: Some(peer.clone()),
                addresses: addresses.collect(),
            };
            sim.input(Input::Command(connect));
            sim.run_for(secs(1));
            let known = sim.engine().peer(&peer).expect("connected");
            assert_eq!(known.first_seen, before.first_seen);
            let dials = |record: &PeerRecord| record.evidence.dials_ok.latest();
            assert!(dials(known) >= dials(&before));
        }
    });
}

fn sim(scene: &Scene, room: usize) -> Sim {
    scene.sim(SimConfig {
        engine: Config {
            hot_max: room,
            ..Config::default()
        },
        ping_every: secs(60), // hours of pings take their time
        ..SimConfig::default()
    })
}
