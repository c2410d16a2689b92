//! Others let a failed save block the shutdown or kill the network loop.

use rejoin_sim::{Disk, Sim, shell::COMMIT_TIME};

use crate::seeds::{at_home, each_seed, secs};

#[test]
fn a_shutdown_does_not_wait_for_a_dead_disk() {
    for disk in [Disk::Fails, Disk::Hangs] {
        each_seed(20, |seed| {
            let mut sim = at_home(seed);
            sim.disk(disk);
            sim.run_for(secs(60));
            let took = sim.shutdown();
            assert!(took <= secs(5), "{disk:?}: took {took:?}");
        });
    }
}

#[test]
fn a_shutdown_tries_a_failing_disk_once_and_gives_up() {
    each_seed(20, |seed| {
        let mut sim = at_home(seed);
        sim.disk(Disk::Fails);
        sim.run_for(secs(60));
        let before = refusals(&sim);
        let took = sim.shutdown();
        assert_eq!(refusals(&sim) - before, 1, "tries while stopping");
        assert!(took <= COMMIT_TIME, "took {took:?}");
    });
}

#[test]
fn lost_peers_are_replaced_while_the_disk_is_dead() {
    for disk in [Disk::Fails, Disk::Hangs] {
        each_seed(20, |seed| {
            let mut sim = at_home(seed);
            sim.disk(disk);
            let links: Vec<_> = sim.links().cloned().collect();
            for key in links {
                let host = sim.world().find(&key).expect("connected to a host");
                sim.turn(host, rejoin_sim::HostState::Refused);
            }
            let took = sim.run_until(|sim| sim.connected() >= 5);
            assert!(took < secs(3), "{disk:?}: took {took:?}");
        });
    }
}

/// How often the disk refused a commit.
fn refusals(sim: &Sim) -> usize {
    let refused = |line: &&str| line.ends_with("not saved");
    sim.trace().lines().filter(refused).count()
}
