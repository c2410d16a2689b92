//! More and more peers dial us and stay, as gossipsub and Kademlia make them do.

use rejoin_core::{Netgroup, PeerKey};
use rejoin_sim::{HostId, Sim, SimConfig};

use crate::seeds::{each_seed, scene, secs, settle};

#[test]
fn the_crowd_of_one_network_goes_and_everybody_else_stays() {
    each_seed(20, |seed| {
        let mut sim = at_home_with_neighbours(seed);
        let before: Vec<PeerKey> = sim.links().cloned().collect();
        come(&mut sim, DIVERSE);
        sim.run_for(secs(60));
        come(&mut sim, CROWD);
        sim.run_for(secs(60));
        assert_trimmed(&sim);
        let gone: Vec<_> = before
            .iter()
            .filter(|peer| !sim.is_connected(peer))
            .collect();
        assert!(gone.is_empty(), "{gone:?}");
        for id in DIVERSE {
            assert!(sim.is_connected(&key(&sim, id)), "{id}");
        }
    });
}

#[test]
fn a_flood_does_not_push_out_who_was_here_before_it() {
    each_seed(20, |seed| {
        let mut sim = at_home_with_neighbours(seed);
        come(&mut sim, DIVERSE);
        sim.run_for(secs(1_800));
        // From as many networks as there are hosts: only their youth tells them from the others.
        come(&mut sim, LATER);
        for _ in 0..20 {
            sim.run_for(secs(10));
            assert!(sim.status().outbound >= 4);
        }
        assert_trimmed(&sim);
        let stayed = DIVERSE.filter(|id| sim.is_connected(&key(&sim, *id)));
        assert!(stayed.count() >= DIVERSE.len() * 9 / 10);
    });
}

#[test]
fn who_is_let_go_does_not_come_and_go_all_the_time() {
    each_seed(5, |seed| {
        let mut sim = at_home_with_neighbours(seed);
        come(&mut sim, DIVERSE);
        come(&mut sim, CROWD);
        sim.run_for(secs(120));
        let before = sim.dials_made().0;
        sim.run_for(secs(1_800));
        let dials = sim.dials_made().0 - before;
        assert!(dials <= 16, "{dials} dials, though we have all we want"); // feelers
        assert_trimmed(&sim);
    });
}

const DIVERSE: std::ops::Range<usize> = 300..350;
const LATER: std::ops::Range<usize> = 350..450;
const CROWD: std::ops::Range<usize> = 450..550;

/// A node with all the connections it wants in a network in which a hundred hosts share one /16.
fn at_home_with_neighbours(seed: u64) -> Sim {
    let mut scene = scene(seed, 0.0);
    for n in CROWD {
        let address = format!("/ip4/5.5.{}.{}/tcp/4001", n / 256, n % 256);
        scene
            .world
            .give_address(HostId(n), address.parse().unwrap());
        let group = Netgroup::of(&scene.world.host(HostId(n)).addresses[0]);
        assert_eq!(group, Netgroup::V4([5, 5]));
    }
    let mut config = SimConfig::default();
    config.engine.inbound_per_netgroup = CROWD.len(); // all are let in
    let mut sim = scene.sim(config);
    sim.start();
    settle(&mut sim);
    sim.run_for(secs(60));
    sim
}

/// There are as many connections as after trimming, and perhaps a feeler that got through since.
#[track_caller]
fn assert_trimmed(sim: &Sim) {
    let connections = sim.status().connections;
    assert!((80..=81).contains(&connections), "{connections}");
}

fn come(sim: &mut Sim, who: std::ops::Range<usize>) {
    for id in who {
        sim.dialled_by(HostId(id));
    }
}

fn key(sim: &Sim, id: usize) -> PeerKey {
    sim.world().host(HostId(id)).key.clone()
}
