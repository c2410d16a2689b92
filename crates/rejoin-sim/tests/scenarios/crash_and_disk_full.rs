//! The store fails, the program crashes: the network goes on.

use rejoin_core::Pool;
use rejoin_sim::Disk;

use crate::seeds::{coming_back, each_seed, secs, settle};

#[test]
fn a_full_disk_changes_nothing_on_the_network() {
    each_seed(20, |seed| {
        let run = |disk| {
            let mut sim = coming_back(seed, 0.5);
            sim.disk(disk);
            sim.start();
            let took = settle(&mut sim);
            sim.run_for(secs(1_800));
            (took, sim.connected())
        };
        let healthy = run(Disk::Works);
        assert_eq!(run(Disk::Fails), healthy);
        assert_eq!(run(Disk::Hangs), healthy);
    });
}

#[test]
fn what_a_full_disk_refused_is_saved_once_there_is_room() {
    each_seed(20, |seed| {
        let mut sim = coming_back(seed, 0.5);
        sim.disk(Disk::Fails);
        sim.start();
        sim.run_for(secs(60));
        let status = sim.status();
        assert!(status.storage.unsaved > 0 && status.storage.failures > 0);
        assert_eq!(sim.shelf().commits, 0);
        sim.disk(Disk::Works);
        // The wait between two attempts grows, but not beyond minutes.
        let saved = |sim: &rejoin_sim::Sim| sim.status().storage.failures == 0;
        sim.run_until_or(secs(900), saved).expect("it tries again");
        sim.shutdown();
        let new = |record: &&rejoin_core::PeerRecord| {
            record.last_connected > Some(sim.now() - secs(3_600))
        };
        let met = sim.shelf().peers.values().filter(new).count();
        assert!(met >= 8, "{met} peers of this run saved");
    });
}

#[test]
fn crash_after_crash_the_memory_holds() {
    each_seed(20, |seed| {
        let mut sim = coming_back(seed, 0.5);
        let proven = sim.shelf().count(Pool::Proven);
        sim.start();
        for crash in 0..10 {
            let took = sim.run_until(|sim| sim.connected() >= 5);
            assert!(took < secs(5), "crash {crash}: took {took:?}");
            sim.run_for(secs(crash * 3));
            sim.crash();
        }
        assert!(sim.shelf().count(Pool::Proven) >= proven - 20);
    });
}
