//! Others saved the peers connected at exit, so closing the program while offline emptied the
//! cache.

use rejoin_core::Pool;

use crate::seeds::{at_home, each_seed, secs};

#[test]
fn closing_the_program_while_offline_loses_nobody() {
    each_seed(15, |seed| {
        let mut sim = at_home(seed);
        let proven = sim.shelf().count(Pool::Proven);
        let peers = sim.shelf().peers.len();
        sim.unplug();
        sim.run_for(secs(300));
        assert_eq!(sim.connected(), 0);
        sim.shutdown();
        assert!(sim.shelf().count(Pool::Proven) >= proven);
        assert!(sim.shelf().peers.len() >= peers);
        sim.plug_in();
        sim.start();
        let took = sim.run_until(|sim| sim.connected() >= 5);
        assert!(took < secs(1), "took {took:?}");
        assert_eq!(sim.dials_made().1, 0, "a bootstrap server was dialled");
    });
}

#[test]
fn those_lost_in_the_outage_are_still_the_anchors() {
    each_seed(15, |seed| {
        let mut sim = at_home(seed);
        let links: Vec<_> = sim.links().cloned().collect();
        sim.unplug();
        sim.run_for(secs(300));
        sim.shutdown();
        let anchor = |key| sim.shelf().peers[key].control.anchor;
        let anchors = links.iter().filter(|key| anchor(*key)).count();
        assert!(anchors * 2 >= links.len(), "{anchors} of {}", links.len());
    });
}
