//! Bootstrap servers are asked again and again, but never in a hurry, and never if blocked.

mod common;

use std::time::Duration;

use common::*;
use rejoin_core::{
    Command, Connected, ConnectionKind, Dial, Direction, Directory, Event, Failure, Input, Lane,
    Output, PeerRecord,
};

fn add(node: &mut Node, name: Option<&str>, n: u16) {
    node.command(Command::AddBootstrap {
        peer: name.map(key),
        address: address(n),
    });
}

fn bootstrap_dials(node: &Node) -> Vec<Dial> {
    let of_lane = |dial: &&Dial| dial.lane == Lane::Bootstrap;
    node.dials.iter().filter(of_lane).cloned().collect()
}

#[test]
fn a_server_that_stayed_silent_is_asked_again() {
    let mut node = Node::new(vec![]);
    add(&mut node, None, 7_000);
    for _ in 0..600 {
        for dial in std::mem::take(&mut node.dials) {
            node.fail(&dial, Failure::Silent);
        }
        node.pass(SECOND);
    }
    assert!(node.events.contains(&Event::OutageBegan));
    let asked = node.engine.numbers().bootstrap_dials;
    assert!((20..=100).contains(&asked), "{asked} times in ten minutes");
    node.pass(SECOND * 16);
    let dial = bootstrap_dials(&node).pop().expect("a probe");
    node.connected(
        key("server"),
        address(7_000),
        Direction::Outbound(Some(dial.id)),
    );
    assert_eq!(node.engine.connections(), 1);
}

#[test]
fn a_server_that_could_not_be_dialled_is_not_asked_again_at_once() {
    let mut node = Node::new(vec![]);
    add(&mut node, None, 7_000);
    node.pass(Duration::ZERO);
    for _ in 0..50 {
        for dial in std::mem::take(&mut node.dials) {
            node.tell(Input::DialNotMade { dial: dial.id });
        }
    }
    assert_eq!(node.engine.numbers().bootstrap_dials, 1);
    node.pass(SECOND * 3);
    assert!(node.engine.numbers().bootstrap_dials > 1);
}

// Such as one that has blocked us: nobody gains by thirty dials a second.
#[test]
fn a_server_that_hangs_up_at_once_is_not_asked_in_circles() {
    let mut node = Node::new(vec![]);
    add(&mut node, Some("server"), 1);
    let mut asked = 0;
    for _ in 0..600 {
        node.pass(Duration::from_millis(100));
        for dial in std::mem::take(&mut node.dials) {
            asked += 1;
            node.answer(&dial);
            let peer = key("server");
            node.tell(Input::Disconnected { peer });
        }
    }
    assert!((20..=60).contains(&asked), "{asked} times in a minute");
}

#[test]
fn a_blocked_server_is_not_asked() {
    let mut node = Node::new(vec![]);
    node.command(Command::Block {
        peer: key("server"),
        span: HOUR,
    });
    add(&mut node, Some("server"), 7_000);
    node.pass(SECOND * 60);
    assert_eq!(node.engine.numbers().bootstrap_dials, 0);
    node.command(Command::Unblock(key("server")));
    assert_eq!(node.engine.numbers().bootstrap_dials, 1);
}

#[test]
fn a_rendezvous_server_takes_no_peers_place() {
    let mut node = Node::new(vec![]);
    node.command(Command::SetTarget(1));
    node.command(Command::AddDirectory(Directory::Rendezvous {
        peer: key("server"),
        address: address(7_000),
    }));
    node.pass(Duration::ZERO);
    let asked = |output: &Output| matches!(output, Output::Consult { .. });
    assert!(node.others.iter().any(asked));
    // The program dials it in order to ask.
    let outbound = Direction::Outbound(None);
    node.connected(key("server"), address(7_000), outbound);
    let reached = |event: &Event| matches!(event, Event::TargetReached { .. });
    assert!(!node.events.iter().any(reached));
    node.come("alice");
    assert!(node.events.iter().any(reached));
}

#[test]
fn a_dial_that_met_somebody_blocked_is_over() {
    let mut node = Node::new(vec![]);
    node.command(Command::Block {
        peer: key("eve"),
        span: HOUR,
    });
    node.command(Command::Connect {
        peer: None,
        addresses: vec![address(1)],
    });
    let dial = node.dials[0].clone();
    node.tell(Input::Connected(Connected {
        peer: key("eve"),
        address: address(1),
        direction: Direction::Outbound(Some(dial.id)),
        kind: ConnectionKind::Direct,
        failures: vec![],
    }));
    assert_eq!(node.engine.status(node.now).dials, 0);
}

#[test]
fn when_the_line_is_back_memory_has_its_head_start_again() {
    let mut node = Node::new(friends(40));
    add(&mut node, None, 7_000);
    for _ in 0..120 {
        for dial in std::mem::take(&mut node.dials) {
            node.fail(&dial, Failure::Silent);
        }
        node.pass(SECOND);
    }
    assert!(node.engine.status(node.now).outage_since.is_some());
    node.dials.clear();
    while node.dials.is_empty() {
        node.pass(SECOND);
    }
    let of_memory = |dial: &&Dial| dial.lane == Lane::Memory;
    let probe = node.dials.iter().find(of_memory).expect("a probe").clone();
    let before = node.engine.numbers().bootstrap_dials;
    for dial in bootstrap_dials(&node) {
        node.fail(&dial, Failure::Silent);
    }
    node.answer(&probe);
    node.pass(SECOND * 9 / 10);
    assert_eq!(node.engine.numbers().bootstrap_dials, before);
    node.pass(SECOND * 11 / 10);
    assert!(node.engine.numbers().bootstrap_dials > before);
}

#[test]
fn when_few_of_those_we_remember_answer_one_server_is_asked_before_its_time() {
    let mut node = Node::new(friends(60));
    add(&mut node, None, 7_000);
    add(&mut node, None, 7_001);
    let first = node.dials[0].clone();
    node.answer(&first);
    assert_eq!(node.engine.numbers().bootstrap_dials, 0);
    node.pass(SECOND * 9 / 10);
    assert_eq!(node.engine.numbers().bootstrap_dials, 1);
}

#[test]
fn a_memory_too_old_to_promise_enough_is_helped_from_the_first_dial_on() {
    for (absence, asked) in [(DAY, 0), (DAY * 500, 1)] {
        let mut server = met("server", 7_000, absence, 100.0);
        server.role.bootstrap = true;
        let memory = [friends_met(absence, 60), vec![server]].concat();
        let node = Node::new(memory);
        let numbers = node.engine.numbers();
        assert_eq!(numbers.bootstrap_dials, asked, "after {absence:?}");
        assert!(numbers.cached_dialled > 0, "memory is dialled beside it");
    }
}

#[test]
fn the_less_a_memory_promises_the_more_of_it_is_dialled_at_once() {
    let dials = |absence| Node::new(friends_met(absence, 60)).dials.len();
    assert_eq!(dials(HOUR), 12, "three for two that are wanted");
    assert!(dials(DAY * 500) > 20, "{}", dials(DAY * 500));
}

#[test]
fn a_loss_shared_by_many_leads_to_no_herd() {
    let mut node = Node::new(friends(7));
    for dial in std::mem::take(&mut node.dials) {
        node.answer(&dial);
    }
    add(&mut node, None, 7_000);
    node.pass(HOUR / 60);
    for n in 0..7 {
        assert_eq!(node.engine.numbers().bootstrap_dials, 0, "after {n}");
        let peer = key(&format!("p{n}"));
        node.tell(Input::Disconnected { peer });
    }
    assert_eq!(node.engine.numbers().bootstrap_dials, 0);
}

// All of a network may have lost power together: then everybody finds nobody at first.
#[test]
fn after_a_brief_absence_servers_are_spared_while_friends_come_back() {
    let mut node = after_an_absence(MINUTE * 2, 40);
    let asked = seconds_until_asked(&mut node);
    assert!((5..=10).contains(&asked), "asked after {asked} s");
}

#[test]
fn different_nodes_spare_servers_for_different_spans() {
    let seeds = 0..20;
    let after = |seed| {
        let mut node = Node::seeded(friends_met(MINUTE * 2, 40), seed);
        add(&mut node, None, 7_000);
        seconds_until_asked(&mut node)
    };
    let spans: std::collections::BTreeSet<_> = seeds.map(after).collect();
    assert!(spans.len() >= 4, "{spans:?}");
}

#[test]
fn after_a_longer_absence_a_memory_of_no_use_is_a_reason_to_ask_at_once() {
    let mut node = after_an_absence(MINUTE * 20, 40);
    assert_eq!(seconds_until_asked(&mut node), 0);
}

#[test]
fn who_remembers_too_few_to_count_on_asks_at_once_however_briefly_it_was_away() {
    let mut node = after_an_absence(MINUTE * 2, 4);
    assert_eq!(seconds_until_asked(&mut node), 0);
}

fn after_an_absence(absence: Duration, friends: u16) -> Node {
    let mut node = Node::new(friends_met(absence, friends));
    add(&mut node, None, 7_000);
    node
}

fn friends_met(absence: Duration, count: u16) -> Vec<PeerRecord> {
    let friend = |n: u16| met(&format!("p{n}"), n, absence, 100.0);
    (0..count).map(friend).collect()
}

/// How many seconds a node goes on asking friends that refuse before it asks a server.
fn seconds_until_asked(node: &mut Node) -> u32 {
    for second in 0..60 {
        while let Some(place) = node.dials.iter().position(|it| it.lane != Lane::Bootstrap) {
            let dial = node.dials.remove(place);
            node.fail(&dial, Failure::Refused);
        }
        if node.engine.numbers().bootstrap_dials > 0 {
            return second;
        }
        node.pass(SECOND);
    }
    panic!("no server was asked within a minute");
}
