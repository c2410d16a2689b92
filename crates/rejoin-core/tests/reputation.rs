//! What a peer's deeds bring upon it, and whom they recommend for what.

mod common;

use std::time::Duration;

use common::*;
use rejoin_core::{
    Command, Config, Consequence, Deed, Direction, DisconnectReason, Event, Identified, Input,
    Lane, Output, Purpose, Scope, Severity, Snapshot,
};

const NUISANCE: Deed = Deed::InvalidData(Severity::Moderate);
const ATTACK: Deed = Deed::InvalidData(Severity::Severe);

#[test]
fn who_misbehaves_is_sent_away_and_let_in_again_when_half_of_it_is_forgiven() {
    let mut node = Node::new(friends(1));
    let dial = node.dial_of("p0").unwrap().clone();
    node.answer(&dial);
    node.pass(SECOND * 7); // out of step with all that is done every half minute
    judge(&mut node, "p0", NUISANCE, 3);
    assert!(!was_sent_away(&node, "p0"), "three times may be a bug");
    judge(&mut node, "p0", NUISANCE, 1);
    assert!(was_sent_away(&node, "p0"));
    assert_eq!(told(&node, "p0"), [Consequence::SentAway]);
    let out = node.now;
    node.tell(Input::Disconnected { peer: key("p0") });

    node.dials.clear();
    node.pass(MINUTE * 9);
    assert!(node.dials.is_empty(), "it is not dialled");
    node.come("p0");
    assert!(!node.engine.is_connected(&key("p0")), "it is not let in");
    node.pass(MINUTE * 2);
    let again = node.engine.timeline().next().map(|dial| dial.began);
    assert_eq!(again, Some(out + MINUTE * 10), "it is, to the second");
    node.come("p0");
    assert!(node.engine.is_connected(&key("p0")));
}

#[test]
fn mistake_13_a_ban_outlives_reconnection_and_restart() {
    let mut node = Node::new(vec![]);
    node.come("eve");
    judge(&mut node, "eve", ATTACK, 2);
    assert_eq!(
        told(&node, "eve"),
        [Consequence::SentAway, Consequence::Banned]
    );
    node.tell(Input::Disconnected { peer: key("eve") });
    node.come("eve");
    node.tell(Input::Identified(Identified {
        peer: key("eve"),
        addresses: vec![],
        agent: "honest/1".into(),
        protocols: vec![],
        public_key: vec![],
        scope: Scope::Public,
    }));
    assert!(!node.engine.is_connected(&key("eve")));
    node.tell(Input::Shutdown);

    let mut again = Node::with(Config::default(), node.stored());
    again.come("eve");
    assert!(!again.engine.is_connected(&key("eve")));
    assert_eq!(again.engine.standing(&key("eve"), again.now), -100.0);
    again.pass(MINUTE * 61);
    again.come("eve");
    assert!(again.engine.is_connected(&key("eve")));
    assert!(again.engine.standing(&key("eve"), again.now) < 0.0);
}

#[test]
fn points_of_an_earlier_run_count_in_the_next() {
    let mut node = Node::new(vec![]);
    node.come("eve");
    judge(&mut node, "eve", NUISANCE, 3);
    node.tell(Input::Shutdown);
    let mut again = Node::with(Config::default(), node.stored());
    again.come("eve");
    judge(&mut again, "eve", NUISANCE, 1);
    assert!(was_sent_away(&again, "eve"));
}

#[test]
fn a_pinned_peer_stays_and_its_user_is_told() {
    let mut node = Node::new(vec![]);
    node.come("alice");
    node.command(Command::Pin(key("alice")));
    judge(&mut node, "alice", ATTACK, 4);
    assert!(node.engine.is_connected(&key("alice")));
    assert!(!was_sent_away(&node, "alice"));
    assert_eq!(
        told(&node, "alice"),
        [Consequence::Spared, Consequence::Spared]
    );
    assert!(node.engine.standing(&key("alice"), node.now) < -99.0);
}

#[test]
fn what_the_user_decides_ends_a_ban() {
    for command in [Command::Unblock, Command::Pin] {
        let mut node = Node::new(vec![]);
        node.come("eve");
        judge(&mut node, "eve", ATTACK, 2);
        node.tell(Input::Disconnected { peer: key("eve") });
        node.pass(MINUTE);
        node.command(command(key("eve")));
        node.come("eve");
        assert!(node.engine.is_connected(&key("eve")));
        node.tell(Input::Shutdown);
        let stored = node.stored();
        assert_eq!(stored.peers[0].control.banned, None, "in the store too");
    }
}

#[test]
fn lifting_a_block_forgives_what_led_to_it() {
    let mut node = Node::new(vec![]);
    node.come("eve");
    judge(&mut node, "eve", NUISANCE, 9);
    node.command(Command::Unblock(key("eve")));
    judge(&mut node, "eve", NUISANCE, 1);
    node.tell(Input::Shutdown);
    for record in [node.record("eve"), &node.stored().peers[0]] {
        assert!((record.evidence.dealings.misbehaviour.latest() - 5.0).abs() < 1e-9);
        assert!(!record.is_blocked(node.now));
    }
}

#[test]
fn a_bootstrap_server_that_misbehaves_is_asked_again_after_a_while() {
    let mut node = Node::with(Config::default(), Snapshot::default());
    node.command(Command::AddBootstrap {
        peer: Some(key("server")),
        address: address(7_000),
    });
    node.pass(Duration::ZERO);
    let dial = node.dials[0].clone();
    node.connected(
        key("server"),
        address(7_000),
        Direction::Outbound(Some(dial.id)),
    );
    judge(&mut node, "server", ATTACK, 3);
    assert!(was_sent_away(&node, "server"));
    node.tell(Input::Disconnected {
        peer: key("server"),
    });
    node.dials.clear();
    node.pass(MINUTE * 9);
    assert!(node.dials.is_empty());
    node.pass(MINUTE * 2);
    assert_eq!(node.dials[0].lane, Lane::Bootstrap);
}

#[test]
fn a_stranger_is_not_judged() {
    let mut node = Node::new(vec![]);
    judge(&mut node, "eve", ATTACK, 9);
    assert!(node.engine.peer(&key("eve")).is_none());
    assert_eq!(node.engine.standing(&key("eve"), node.now), 0.0);
}

#[test]
fn the_best_for_a_purpose_leave_out_who_is_banned_or_does_not_serve_it() {
    let mut peers = friends(6);
    for relay in [1, 3, 5] {
        peers[relay].role.relay = true;
    }
    let mut node = Node::new(peers);
    let names = |node: &Node, purpose| -> Vec<String> {
        let best = node.engine.best_for(purpose, 9, node.now);
        best.iter()
            .map(|choice| choice.record.key.to_string())
            .collect()
    };
    assert_eq!(names(&node, Purpose::Relay), ["p1", "p3", "p5"]);
    judge(&mut node, "p1", ATTACK, 2);
    assert_eq!(names(&node, Purpose::Relay), ["p3", "p5"]);
    assert_eq!(names(&node, Purpose::Storage).len(), 5);
    node.tell(Input::Judged {
        peer: key("p4"),
        deed: Deed::TransferOk {
            bytes_in: 4 << 30,
            bytes_out: 0,
        },
    });
    assert_eq!(names(&node, Purpose::Bulk)[0], "p4");
    let best = node.engine.best_for(Purpose::Bulk, 1, node.now)[0];
    let told = node.engine.explain_for(&key("p4"), Purpose::Bulk, node.now);
    assert_eq!(told.unwrap().score, best.worth);
}

fn judge(node: &mut Node, name: &str, deed: Deed, times: usize) {
    for _ in 0..times {
        let peer = key(name);
        node.tell(Input::Judged { peer, deed });
    }
}

fn was_sent_away(node: &Node, name: &str) -> bool {
    node.others.contains(&Output::Disconnect {
        peer: key(name),
        reason: DisconnectReason::Misbehaved,
    })
}

/// What the program was told that a peer brought upon itself.
fn told(node: &Node, name: &str) -> Vec<Consequence> {
    let mut told = Vec::new();
    for event in &node.events {
        if let Event::Misbehaved { peer, consequence } = event
            && *peer == key(name)
        {
            told.push(*consequence);
        }
    }
    told
}
