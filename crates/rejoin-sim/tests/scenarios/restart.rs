//! A node restarts: figures beside the references. `cargo run --release -p rejoin-sim -- restart`
//! prints the same over a thousand seeds.

use rejoin_sim::{Figures, Setting};

use crate::seeds::{affordable, coming_back, each_seed, secs};

#[test]
fn a_node_with_a_fresh_memory_is_back_without_any_server() {
    each_seed(100, |seed| {
        let mut sim = coming_back(seed, 0.0);
        sim.start();
        let took = sim.run_until(|sim| sim.connected() >= 5);
        assert!(took < secs(1), "took {took:?}");
        assert_eq!(sim.dials_made().1, 0, "a bootstrap server was dialled");
    });
}

#[test]
fn with_nobody_dead_it_is_near_the_oracle() {
    check(Setting::by_lot(0.0), Some(1.5), 1.1);
}

#[test]
fn with_a_quarter_dead_it_is_no_slower_than_the_blind_racer() {
    check(Setting::by_lot(0.25), None, 1.1);
}

#[test]
fn with_half_dead_it_is_near_the_oracle() {
    check(Setting::by_lot(0.5), Some(2.5), 1.1);
}

#[test]
fn with_seven_tenths_dead_it_is_no_slower_than_the_blind_racer() {
    check(Setting::by_lot(0.7), None, 1.1);
}

#[test]
fn with_nine_tenths_dead_it_is_no_slower_than_the_blind_racer() {
    check(Setting::by_lot(0.9), None, 1.1);
}

#[test]
fn with_half_gone_as_peers_go_its_judgement_pays() {
    check(Setting::churn(0.5), None, 0.8);
}

#[test]
fn with_nine_tenths_gone_as_peers_go_its_judgement_pays() {
    check(Setting::churn(0.9), None, 0.8);
}

/// Compares medians.
#[track_caller]
fn check(setting: Setting, over_oracle_max: Option<f64>, over_blind_max: f64) {
    let figures = Figures::of(setting, affordable(100), || {});
    let told = rejoin_sim::report::by_dead(std::slice::from_ref(&figures));
    let over_blind = figures.over_blind.p50.expect("everybody arrives");
    assert!(over_blind <= over_blind_max, "over blind:\n{told}");
    if let Some(max) = over_oracle_max {
        let over_oracle = figures.over_oracle.p50.expect("everybody arrives");
        assert!(over_oracle <= max, "over oracle:\n{told}");
    }
    assert_eq!(figures.late_seeds, Vec::<u64>::new(), "late:\n{told}");
}
