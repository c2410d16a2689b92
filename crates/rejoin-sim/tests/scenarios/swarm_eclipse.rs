//! Two hundred attackers of one /16 dial everybody and tell whoever asks of each other. They cannot
//! take the place of those a node chose itself.

use rejoin_sim::swarm::{NodeId, Role, Swarm};

use crate::seeds::{each_seed, millis, secs};

const ATTACKERS: usize = 200;

#[test]
fn two_hundred_of_one_network_eclipse_nobody() {
    each_seed(10, |seed| {
        let mut swarm = Swarm::new(seed);
        swarm.plant(30);
        swarm.run_for(secs(60));
        let attackers: Vec<_> = (0..ATTACKERS)
            .map(|_| swarm.settle(Role::Intruder, Some([5, 5]), secs(0), None))
            .collect();
        let victims: Vec<_> = swarm.honest().collect();
        for victim in victims {
            for (nth, attacker) in attackers.iter().enumerate() {
                swarm.intrude(secs(nth as u64 / 20), *attacker, victim);
            }
        }
        swarm.run_for(secs(600));
        assert_in_company(&swarm);
        // While it lasts, half of the others go and as many come.
        for nth in 0..15 {
            swarm.leave(secs(0), NodeId(nth * 2));
            let introducer = swarm.honest().last();
            let newcomer = swarm.join(secs(1), introducer);
            // They are all there before it has met anybody else.
            for attacker in &attackers {
                swarm.intrude(millis(1_100), *attacker, newcomer);
            }
            swarm.run_for(secs(60));
        }
        swarm.run_for(secs(300));
        assert_in_company(&swarm);
    });
}

/// Everybody keeps honest company, and no connection in a hundred is one too many.
#[track_caller]
fn assert_in_company(swarm: &Swarm) {
    assert_eq!(swarm.pieces().len(), 1);
    for id in swarm.honest() {
        let (honest, all) = (swarm.company(id), swarm.links(id));
        assert!(honest >= 3, "{id}: {honest} of {all} are honest");
        assert!(all <= 100, "{id}: {all}");
    }
}
