//! One seed, one run, however many engines talk to each other in it.

use rejoin_sim::{
    Trace,
    swarm::{NodeId, Role, Swarm},
};

use crate::seeds::{each_seed, secs};

#[test]
fn the_same_seed_gives_the_same_swarm() {
    each_seed(5, |seed| {
        let (one, other) = (live(seed), live(seed));
        assert!(one.lines().eq(other.lines()));
        assert_eq!(one.hash(), other.hash());
        assert!(one.written() > 1_000, "{} lines", one.written());
    });
}

// As of one node, in `same_seed_same_trace.rs`.
#[test]
fn the_run_is_the_one_committed() {
    assert_eq!(format!("{:016x}", live(1).hash()), "1d04195be0240abe");
}

#[test]
fn another_seed_gives_another_swarm() {
    assert_ne!(live(1).hash(), live(2).hash());
}

fn live(seed: u64) -> Trace {
    let mut swarm = Swarm::new(seed).traced();
    swarm.plant(20);
    swarm.settle(Role::Liar, None, secs(5), Some(NodeId(3)));
    let intruder = swarm.settle(Role::Intruder, Some([5, 5]), secs(5), None);
    swarm.intrude(secs(20), intruder, NodeId(4));
    for nth in 0..10 {
        swarm.leave(secs(60 + u64::from(nth) * 7), NodeId(nth));
    }
    swarm.join(secs(90), Some(NodeId(15)));
    swarm.run_for(secs(300));
    swarm.trace().expect("it was to be written down").clone()
}
