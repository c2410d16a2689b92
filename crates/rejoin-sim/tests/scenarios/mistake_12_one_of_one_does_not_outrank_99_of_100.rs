//! Others ranked by the bare success rate, so 1 of 1 stood before 99 of 100.

use rejoin_core::decay::Decayed;
use rejoin_sim::HostId;

use crate::seeds::{coming_back, each_seed};

#[test]
fn ninety_nine_of_a_hundred_beat_one_of_one() {
    each_seed(20, |seed| {
        let mut sim = coming_back(seed, 0.0);
        let (alice, bob) = (key(&sim, 0), key(&sim, 1));
        let mut record = sim.shelf().peers[&alice].clone();
        let at = record.last_seen.expect("proven");
        record.control.anchor = false;
        record.evidence.dials_ok = Decayed::new(99.0, at);
        record.evidence.dials_failed = Decayed::new(1.0, at);
        let mut novice = record.clone();
        novice.key = bob.clone();
        novice.addresses = sim.shelf().peers[&bob].addresses.clone();
        novice.addresses[0].dial_ms = record.addresses[0].dial_ms;
        novice.addresses[0].rtt_ms = record.addresses[0].rtt_ms;
        novice.evidence.dials_ok = Decayed::new(1.0, at);
        novice.evidence.dials_failed = Decayed::default();
        sim.shelf_mut().peers.insert(alice.clone(), record);
        sim.shelf_mut().peers.insert(bob.clone(), novice);
        sim.start();
        let score = |key| {
            let explained = sim.engine().explain(key, sim.node_now());
            explained.expect("a known peer").score
        };
        assert!(score(&alice) > score(&bob));
    });
}

fn key(sim: &rejoin_sim::Sim, index: usize) -> rejoin_core::PeerKey {
    sim.world().host(HostId(index)).key.clone()
}
