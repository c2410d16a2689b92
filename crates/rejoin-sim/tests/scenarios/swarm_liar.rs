//! Eve is a node like any other, only that she speaks of strangers who never lived: fifty to whoever
//! asks, twenty to everybody each minute.

use std::time::Duration;

use rejoin_sim::swarm::{NodeId, Role, Swarm};

use crate::seeds::{each_seed, secs};

#[test]
fn a_liar_isolates_nobody_and_is_believed_less_and_less() {
    each_seed(5, |seed| {
        let mut swarm = Swarm::new(seed);
        swarm.plant(40);
        let eve = swarm.settle(Role::Liar, None, secs(1), Some(NodeId(0)));
        swarm.run_for(secs(300));
        for _ in 0..20 {
            let living: Vec<_> = swarm.honest().collect();
            let introducer = living[swarm.size() % living.len()];
            swarm.join(Duration::ZERO, Some(introducer));
            swarm.run_for(secs(60));
        }
        swarm.run_for(secs(3_600));
        assert_eq!(swarm.pieces().len(), 1);
        assert!(swarm.honest().all(|id| swarm.company(id) >= 5));
        let (mut in_eve, mut in_others, mut strangers) = (Vec::new(), Vec::new(), 0);
        for id in swarm.honest() {
            let engine = swarm.engine(id);
            let trust = |other: NodeId| engine.memory().introducers.trust_in(&other.key());
            if engine.is_connected(&eve.key()) {
                in_eve.push(trust(eve));
            }
            in_others.extend(swarm.honest().map(trust));
            let known = engine.peers().filter_map(|it| NodeId::of(&it.key));
            strangers += known.filter(|id| id.is_stranger()).count();
        }
        let half = |trust: &mut Vec<f64>| {
            trust.sort_by(f64::total_cmp);
            trust[trust.len() / 2]
        };
        let halves = (half(&mut in_eve), half(&mut in_others));
        assert!(halves.0 < 0.3 && halves.1 > 0.9, "{halves:?}");
        // Others pass some of it on before they know; that must not cost them their good name.
        let unlucky = in_others[in_others.len() / 20];
        assert!(unlucky > 0.6, "{unlucky}");
        // Her network reaches 128 seats, and those who pass it on some more.
        let each = strangers / swarm.honest().count();
        assert!(each < 250, "{each} strangers in each memory");
    });
}
