//! Half of all remembered peers are gone, half of these without a sound.

use rejoin_sim::{Figures, Setting};

use crate::seeds::{affordable, coming_back, each_seed, secs, settle};

#[test]
fn the_living_half_suffices_and_servers_are_rarely_asked() {
    each_seed(100, |seed| {
        let mut sim = coming_back(seed, 0.5);
        sim.start();
        let took = sim.run_until(|sim| sim.connected() >= 5);
        assert!(took < secs(1), "took {took:?}");
    });
    let figures = Figures::of(Setting::by_lot(0.5), affordable(100), || {});
    assert!(figures.bootstrapped < 0.3, "{figures:?}");
}

#[test]
fn it_reaches_its_target_and_stays_there() {
    each_seed(20, |seed| {
        let mut sim = coming_back(seed, 0.5);
        sim.start();
        settle(&mut sim);
        for _ in 0..20 {
            sim.run_for(secs(30));
            let status = sim.status();
            assert!(status.connections >= status.target, "{status:?}");
        }
    });
}
