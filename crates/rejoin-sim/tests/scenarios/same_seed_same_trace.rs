//! One seed, one trace, byte for byte, through everything that can go wrong.

use rejoin_sim::{Disk, Lifetimes, Scene, Sim, SimConfig, Trace};

use crate::seeds::{each_seed, scene, secs};

#[test]
fn the_same_seed_gives_the_same_trace() {
    each_seed(10, |seed| {
        let (one, other) = (live(seed), live(seed));
        assert!(one.lines().eq(other.lines()));
        assert_eq!(one.hash(), other.hash());
        assert!(one.written() > 100, "{} lines", one.written());
    });
}

// The same on every machine. Whoever changes what the engine or the network does changes it, and commits the
// new one; whoever does not, and sees it change, has let in chance or the machine.
#[test]
fn the_trace_is_the_one_committed() {
    assert_eq!(format!("{:016x}", live(1).hash()), "9170f78a1fdce787");
}

#[test]
fn another_seed_gives_another_trace() {
    assert_ne!(live(1).hash(), live(2).hash());
}

fn live(seed: u64) -> Trace {
    let config = SimConfig {
        discovery: true,
        ..SimConfig::default()
    };
    let scene: Scene = scene(seed, 0.5);
    let mut sim: Sim = scene.sim(config);
    sim.churn(Lifetimes::default(), secs(2 * 86_400));
    sim.start();
    sim.run_for(secs(600));
    sim.crash();
    sim.run_for(secs(60));
    sim.unplug();
    sim.run_for(secs(120));
    sim.plug_in();
    sim.run_for(secs(60));
    sim.disk(Disk::Fails);
    sim.suspend(secs(3_600));
    sim.run_for(secs(60));
    sim.disk(Disk::Works);
    sim.shutdown();
    sim.set_clock(-3_600_000);
    sim.start();
    sim.run_for(secs(600));
    sim.trace().clone()
}
