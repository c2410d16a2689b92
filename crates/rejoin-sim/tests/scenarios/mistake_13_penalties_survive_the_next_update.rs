//! Others overwrote a penalty with the next update of the peer.

use rejoin_core::{Deed, Input, Severity};

use crate::seeds::{at_home, each_seed, secs};

#[test]
fn a_penalty_outlives_pings_reconnection_and_restart() {
    each_seed(20, |seed| {
        let mut sim = at_home(seed);
        let eve = sim.links().next().expect("somebody is connected").clone();
        let before = score(&sim, &eve);
        let deed = Deed::InvalidData(Severity::Severe);
        let peer = eve.clone();
        sim.input(Input::Judged { peer, deed });
        still_punished(&sim, &eve, before);
        sim.run_for(secs(120)); // sent away
        assert!(sim.links().all(|peer| *peer != eve), "seed {seed}");
        still_punished(&sim, &eve, before);
        sim.unplug();
        sim.run_for(secs(1_200)); // what was held against it fades
        sim.plug_in();
        sim.run_for(secs(120)); // reconnected, identified, perhaps
        still_punished(&sim, &eve, before);
        sim.shutdown();
        sim.start();
        sim.run_for(secs(60));
        still_punished(&sim, &eve, before);
    });
}

fn score(sim: &rejoin_sim::Sim, peer: &rejoin_core::PeerKey) -> f64 {
    let explained = sim.engine().explain(peer, sim.node_now());
    explained.expect("a known peer").score
}

#[track_caller]
fn still_punished(sim: &rejoin_sim::Sim, peer: &rejoin_core::PeerKey, before: f64) {
    let now = score(sim, peer);
    assert!(now < 0.8 * before, "{before} became {now}");
    let record = sim.engine().peer(peer).expect("still known");
    assert!(record.evidence.dealings.invalid_data.latest() > 0.0);
}
