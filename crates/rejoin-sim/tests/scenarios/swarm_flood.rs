//! Half an hour of lies: a flooding peer, a flooding /16, and three in ten of the network. Whatever they
//! say, no friend is lost, and the next start leads to them no more often than chance would.

use rejoin_sim::swarm::flood::{Attack, Figures};

use crate::seeds::affordable;

#[test]
fn a_flood_costs_no_friend_and_gains_no_more_connections_than_chance_would() {
    check(Attack::Peer, 0.02);
    check(Attack::Prefix, 0.02);
    check(Attack::Liars, 0.0);
    check(Attack::All, 0.0);
}

/// `slack` is what a single connection of all runs together may add to the share.
#[track_caller]
fn check(attack: Attack, slack: f64) {
    let figures = Figures::of(attack, affordable(60), || {});
    assert!(figures.proven > 40 * figures.seeds, "{figures:?}");
    assert_eq!(figures.proven_lost, 0, "{figures:?}");
    let fair = figures.hostile_netgroup_share + slack;
    assert!(figures.hostile_connection_share <= fair, "{figures:?}");
    // The simpler memories, told the same, lead to the attackers far more often.
    if attack != Attack::Peer {
        let lru = figures.lru.hostile_connection_share;
        assert!(lru > figures.hostile_connection_share + 0.1, "{figures:?}");
    }
}
