//! Others took in whatever a list held. Here a source that makes up 10,000 peers costs so much and no
//! more: in memory, in dials, and in time.

use rejoin_core::Config;
use rejoin_sim::{Answering, Sim, SimConfig};

use crate::seeds::{coming_back, dns, each_seed, millis, secs, settle, url};

#[test]
fn ten_thousand_made_up_peers_cost_a_bounded_amount() {
    each_seed(10, |seed| {
        let lies = Answering::MakesUp(10_000, millis(100));
        let directories = vec![(dns(), lies), (url(1), Answering::Names(20, millis(300)))];
        let config = SimConfig {
            bootstrap: false,
            directories,
            ..SimConfig::default()
        };
        let limits = &config.engine;
        let in_reach = limits.hearsay_buckets_per_source * limits.hearsay_bucket_size;
        let at_once = limits.heard_max;
        let mut sim = Sim::with(seed, config.clone());
        sim.start();
        sim.run_for(millis(200));
        assert!(sim.status().hearsay <= at_once);
        let took = sim.run_until(|sim| sim.connected() >= 5);
        assert!(took < secs(8), "took {took:?}");
        sim.run_for(secs(3_600));
        assert!(sim.status().hearsay <= 2 * in_reach);
        let (dials, _) = sim.dials_made();
        assert!(dials < 600, "{dials} dials in an hour");
    });
}

#[test]
fn whoever_was_met_stays_whatever_a_source_says() {
    each_seed(5, |seed| {
        let mut sim = coming_back(seed, 0.9);
        sim.start();
        settle(&mut sim);
        let proven = sim.status().proven;
        sim.directory(&dns(), Answering::MakesUp(10_000, millis(100)));
        sim.unplug();
        sim.run_for(secs(60));
        sim.plug_in();
        settle(&mut sim);
        assert!(sim.status().proven >= proven);
        assert!(sim.status().hearsay <= Config::default().peers_max);
    });
}
