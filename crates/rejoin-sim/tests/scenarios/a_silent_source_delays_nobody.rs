//! However many sources never answer, one that does is asked in time: a kind waits for the one before
//! it for half a second, and for one with nothing to ask not at all.

use std::time::Duration;

use rejoin_core::{Config, Directory};
use rejoin_sim::{Answering, HostState, Sim, SimConfig};

use crate::seeds::{affordable, dns, each_seed, millis, rendezvous, url};

#[test]
fn each_silent_kind_costs_the_next_one_its_head_start_and_no_more() {
    let step = Config::default().source_head_start;
    let alone = worst(&[(url(1), helps())], false);
    let silent = |directory| (directory, Answering::Never);
    let one = worst(&[silent(dns()), (url(1), helps())], false);
    let two = worst(
        &[silent(dns()), silent(rendezvous()), (url(1), helps())],
        false,
    );
    let three = worst(
        &[silent(dns()), silent(rendezvous()), (url(1), helps())],
        true,
    );
    for (nth, took) in [(1, one), (2, two), (3, three)] {
        let most = alone + step * nth + millis(50);
        assert!(took <= most, "{nth} silent: {took:?}, alone {alone:?}");
    }
}

#[test]
fn of_several_lists_the_silent_ones_cost_half_a_second_each_and_the_failing_ones_nothing() {
    let step = Config::default().source_head_start;
    let alone = worst(&[(url(1), helps())], false);
    let both = |other| worst(&[(url(1), helps()), (url(2), other)], false);
    assert!(both(Answering::Never) <= alone + step + millis(50));
    let failing = both(Answering::Fails(millis(20)));
    assert!(
        failing <= alone + millis(70),
        "{failing:?}, alone {alone:?}"
    );
}

#[test]
fn a_source_that_is_silent_for_ever_does_not_disturb_those_that_work() {
    each_seed(10, |seed| {
        let directories = vec![(dns(), Answering::Never), (url(1), helps())];
        let mut sim = sim(seed, directories, false);
        sim.start();
        sim.run_until(|sim| sim.connected() >= 8);
        sim.run_for(Duration::from_secs(600));
        assert!(sim.connected() >= 8);
        assert!(sim.consulted(&dns()) <= 2, "nobody needs it");
    });
}

fn helps() -> Answering {
    Answering::Names(20, millis(200))
}

/// The longest way to the first connection over some seeds; with dead servers, if wanted.
fn worst(directories: &[(Directory, Answering)], dead_servers: bool) -> Duration {
    let took = |seed| {
        let mut sim = sim(seed, directories.to_vec(), dead_servers);
        sim.turn_where(HostState::Silent, |_, host| host.bootstrap);
        sim.start();
        sim.run_until(|sim| sim.connected() >= 1)
    };
    let seeds = 0..affordable(50);
    seeds.map(took).max().expect("there are seeds")
}

fn sim(seed: u64, directories: Vec<(Directory, Answering)>, bootstrap: bool) -> Sim {
    let config = SimConfig {
        bootstrap,
        directories,
        ..SimConfig::default()
    };
    Sim::with(seed, config)
}
