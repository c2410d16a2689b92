//! No memory and no server: one name in the DNS, one rendezvous server or one list is enough to
//! begin with.

use rejoin_core::Directory;
use rejoin_sim::{Answering, Sim, SimConfig};

use crate::seeds::{dns, each_seed, millis, rendezvous, secs, url};

#[test]
fn one_source_leads_into_the_network() {
    for directory in [dns(), rendezvous(), url(1)] {
        each_seed(50, |seed| {
            let mut sim = cold(seed, directory.clone(), Answering::Names(20, millis(300)));
            sim.start();
            let took = sim.run_until(|sim| sim.connected() >= 5);
            assert!(took < secs(3), "{directory}: took {took:?}");
            let (dials, servers) = sim.dials_made();
            assert!(dials >= 5 && servers == 0, "{dials}, {servers}");
            assert_eq!(sim.status().numbers.consults, 1);
        });
    }
}

#[test]
fn a_source_is_not_asked_while_connections_suffice() {
    each_seed(10, |seed| {
        let mut sim = cold(seed, url(1), Answering::Names(20, millis(300)));
        sim.start();
        sim.run_for(secs(3_600));
        assert_eq!(sim.consulted(&url(1)), 1);
        assert_eq!(sim.status().sources[0].breaker, "closed");
    });
}

#[test]
fn without_a_line_it_asks_on_and_finds_its_way_once_the_line_is_there() {
    each_seed(20, |seed| {
        let mut sim = cold(seed, dns(), Answering::Names(20, millis(300)));
        sim.cut_uplink();
        sim.start();
        sim.run_for(secs(3_600));
        let asked = sim.consulted(&dns());
        assert!(
            (60..=400).contains(&asked),
            "asked {asked} times in an hour"
        );
        assert_eq!(sim.status().sources[0].failures, 0, "the fault is ours");
        sim.plug_in();
        let took = sim.run_until_or(secs(120), |sim| sim.connected() >= 5);
        assert!(took.is_some(), "{}", sim.trace().tail(30));
    });
}

#[test]
fn when_all_it_named_are_dead_it_asks_again() {
    each_seed(10, |seed| {
        let mut sim = cold(seed, url(1), Answering::MakesUp(20, millis(300)));
        sim.start();
        sim.run_for(secs(30));
        assert_eq!(sim.connected(), 0);
        sim.directory(&url(1), Answering::Names(20, millis(300)));
        let took = sim.run_until_or(secs(180), |sim| sim.connected() >= 5);
        assert!(took.is_some(), "{}", sim.trace().tail(30));
    });
}

fn cold(seed: u64, directory: Directory, answering: Answering) -> Sim {
    let config = SimConfig {
        bootstrap: false,
        directories: vec![(directory, answering)],
        ..SimConfig::default()
    };
    Sim::with(seed, config)
}
