//! Others forgot at restart whom they had just dialled in vain, and a program in a crash loop
//! hammered the dead.

use rejoin_sim::{HostId, HostState};

use crate::seeds::{coming_back, each_seed, secs};

#[test]
fn in_a_crash_loop_a_dead_peer_is_not_dialled_each_time() {
    each_seed(30, |seed| {
        let mut sim = coming_back(seed, 0.0);
        let dead = first_dialled(seed);
        sim.turn(dead, HostState::Refused);
        let key = sim.world().host(dead).key.clone();
        for _ in 0..10 {
            sim.start();
            sim.run_for(secs(7)); // long enough for a save
            sim.kill();
        }
        let arrow = format!("alice --> {key}: dials");
        let dials = sim.trace().lines().filter(|line| line.contains(&arrow));
        let dials = dials.count();
        assert!((1..=7).contains(&dials), "dialled {dials} times in 10 runs");
    });
}

/// Whom the first run will dial first, as a run on the side tells.
fn first_dialled(seed: u64) -> HostId {
    let mut sim = coming_back(seed, 0.0);
    sim.start();
    let dials = sim.trace().lines().find(|line| line.contains("-->"));
    let name = dials.and_then(|line| line.split_once("--> ")?.1.split_once(':'));
    let (name, _) = name.expect("it dials at once");
    let key = name.parse().expect("a peer's name");
    sim.world().find(&key).expect("every peer has a host")
}
