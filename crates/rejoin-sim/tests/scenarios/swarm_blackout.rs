//! A whole network loses power together and comes back within a minute. With more nodes,
//! `cargo run --release -p rejoin-sim -- blackout` prints the same.

use rejoin_sim::swarm::blackout::Blackout;

#[test]
fn a_network_that_comes_back_together_needs_its_servers_less_and_is_no_slower() {
    let blackout = Blackout { nodes: 60, seed: 1 };
    let figures = blackout.run(|span| assert!(span <= Blackout::SPAN));
    let (rejoin, cold) = (figures.rejoin, figures.cold);
    assert!(rejoin.server_dials * 3 < cold.server_dials, "{figures:?}");
    let back = |ms: Option<u64>| ms.expect("it comes back");
    let slack_ms = 2_000;
    assert!(back(rejoin.most_back_ms) <= back(cold.most_back_ms) + slack_ms);
    assert!(rejoin.took.p50_ms <= cold.took.p50_ms, "{figures:?}");
}
