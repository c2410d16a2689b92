//! Our own line is cut somewhere beyond the machine: nothing fails, nothing answers. The fault is
//! ours, so nobody's record suffers.

use std::collections::BTreeMap;

use rejoin_core::PeerKey;
use rejoin_sim::{HostState, Sim};

use crate::seeds::{at_home, coming_back, each_seed, secs};

#[test]
fn in_an_outage_while_running_nobodys_record_suffers() {
    each_seed(30, |seed| {
        let mut sim = at_home(seed);
        let before = failures(&sim);
        sim.cut_uplink();
        sim.run_for(secs(3_600));
        assert_eq!(sim.connected(), 0);
        assert!(sim.status().outage_since.is_some());
        assert_eq!(worse(&before, &failures(&sim)), Vec::new());
        sim.plug_in();
        sim.run_for(secs(60));
        assert_eq!(worse(&before, &failures(&sim)), Vec::new());
    });
}

#[test]
fn coming_up_in_an_outage_nobodys_record_suffers() {
    each_seed(30, |seed| {
        let mut sim = coming_back(seed, 0.0);
        sim.cut_uplink();
        sim.start();
        let before = failures(&sim);
        sim.run_for(secs(3_600));
        assert_eq!(worse(&before, &failures(&sim)), Vec::new());
    });
}

#[test]
fn when_the_line_is_back_so_is_the_node() {
    each_seed(50, |seed| {
        let mut sim = at_home(seed);
        sim.cut_uplink();
        sim.run_for(secs(3_600));
        sim.plug_in();
        // Nobody tells the node: the next probe has to, and that is 15 s away at most.
        let took = sim.run_until(|sim| sim.connected() >= 5);
        assert!(took < secs(20), "took {took:?}");
    });
}

#[test]
fn an_outage_is_probed_and_not_hammered() {
    each_seed(20, |seed| {
        let mut sim = coming_back(seed, 0.0);
        sim.cut_uplink();
        sim.start();
        sim.run_for(secs(60));
        let before = sim.dials_made().0;
        sim.run_for(secs(3_600));
        let dials = sim.dials_made().0 - before;
        // One peer and one server every 15 s.
        assert!(dials <= 400, "{dials} dials in an hour");
        assert!(dials >= 100, "{dials} dials in an hour");
    });
}

#[test]
fn when_it_was_the_others_after_all_their_records_do_suffer() {
    each_seed(20, |seed| {
        let mut sim = coming_back(seed, 0.0);
        sim.turn_where(HostState::Refused, |id, _| id.0 < 100);
        sim.start();
        let before = failures(&sim);
        sim.run_until(|sim| sim.connected() >= 5);
        sim.run_for(secs(60));
        let worse = worse(&before, &failures(&sim));
        assert!(!worse.is_empty());
        assert!(worse.iter().all(|peer| !sim.world().is_alive(peer)));
    });
}

/// Failures in a row on record, by peer. Old hearsay is forgotten in time: that is no judgement.
fn failures(sim: &Sim) -> BTreeMap<PeerKey, u32> {
    sim.engine()
        .peers()
        .map(|record| {
            let in_row = record.evidence.failures_in_row;
            (record.key.clone(), in_row)
        })
        .collect()
}

/// Who has more of them than before.
fn worse(before: &BTreeMap<PeerKey, u32>, after: &BTreeMap<PeerKey, u32>) -> Vec<PeerKey> {
    before
        .iter()
        .filter(|(peer, in_row)| after.get(*peer).is_some_and(|now| now > in_row))
        .map(|(peer, _)| peer.clone())
        .collect()
}
