//! Somebody who owns one address range dials us from all of it, to be all that we see of the network
//! (an eclipse: Heilman and others, "Eclipse Attacks on Bitcoin's Peer-to-Peer Network", 2015).

use std::collections::BTreeSet;

use rejoin_core::PeerKey;
use rejoin_sim::{HostId, Sim, SimConfig};

use crate::seeds::{each_seed, scene, secs};

#[test]
fn those_who_come_before_our_first_dial_lands_leave_half_of_the_places_to_our_choice() {
    each_seed(50, |seed| {
        let (mut sim, eves) = under_siege(seed, 0.5, SimConfig::default());
        sim.start();
        flood(&mut sim);
        assert_eq!(sim.status().connections, 32, "no more are let in");
        let took = sim.run_until(|sim| sim.status().outbound >= 4);
        assert!(took < secs(5), "took {took:?}");
        assert!(honest(&sim, &eves) >= 4);
    });
}

#[test]
fn after_a_restart_the_flooders_are_no_more_than_their_one_network_deserves() {
    each_seed(20, |seed| {
        let (mut sim, eves) = under_siege(seed, 0.0, SimConfig::default());
        sim.start();
        flood(&mut sim);
        sim.run_for(secs(600));
        sim.shutdown();
        let anchors = sim.shelf().peers.values().filter(|it| it.control.anchor);
        let false_anchors = anchors.filter(|it| eves.contains(&it.key)).count();
        assert_eq!(false_anchors, 0, "we never reached any of them");
        sim.start();
        sim.run_until(|sim| sim.connected() >= 8);
        sim.run_for(secs(5));
        let flooders = sim.links().filter(|peer| eves.contains(*peer)).count();
        assert!(flooders <= 1, "{flooders} of {}", sim.connected());
    });
}

#[test]
fn with_nobody_left_in_memory_a_server_shows_the_way_out() {
    each_seed(20, |seed| {
        let (mut sim, eves) = under_siege(seed, 1.0, SimConfig::default());
        sim.start();
        flood(&mut sim);
        let took = sim.run_until(|sim| sim.status().outbound >= 4);
        assert!(took < secs(300), "took {took:?}");
        // The server names them as it names others, and their one network deserves one place.
        assert!(honest(&sim, &eves) >= 3);
    });
}

#[test]
fn with_nobody_to_dial_and_nobody_to_ask_it_takes_who_comes_and_rests() {
    each_seed(5, |seed| {
        let config = SimConfig {
            bootstrap: false,
            ping_every: secs(60), // hours of pings take their time
            ..SimConfig::default()
        };
        let (mut sim, _) = under_siege(seed, 1.0, config);
        sim.start();
        flood(&mut sim);
        sim.run_for(secs(3 * 3_600));
        let before = sim.dials_made().0;
        sim.run_for(secs(3_600));
        let dials = sim.dials_made().0 - before;
        // Two hundred are remembered, and each is tried about twice an hour in the end.
        assert!(dials <= 700, "{dials} dials in an hour");
        assert!(sim.connected() >= sim.status().target);
    });
}

const EVES: std::ops::Range<usize> = 450..530;

/// A node about to come back to a network in which eighty hosts share one /16.
fn under_siege(seed: u64, dead: f64, config: SimConfig) -> (Sim, BTreeSet<PeerKey>) {
    let mut scene = scene(seed, dead);
    let mut eves = BTreeSet::new();
    for n in EVES {
        let address = format!("/ip4/5.5.{}.{}/tcp/4001", n / 256, n % 256);
        scene
            .world
            .give_address(HostId(n), address.parse().unwrap());
        eves.insert(scene.world.host(HostId(n)).key.clone());
    }
    (scene.sim(config), eves)
}

fn flood(sim: &mut Sim) {
    for n in EVES {
        sim.dialled_by(HostId(n));
    }
}

fn honest(sim: &Sim, eves: &BTreeSet<PeerKey>) -> usize {
    sim.links().filter(|peer| !eves.contains(*peer)).count()
}
