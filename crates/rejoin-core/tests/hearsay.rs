//! What others say never touches what we have seen ourselves.

mod common;

use common::*;
use rejoin_core::{AddressRecord, Failure, Input, PeerRecord, Pool, Source, Time};

fn flood(names: std::ops::Range<u16>) -> Input {
    let peers = names
        .map(|n| (key(&format!("x{n}")), vec![address(n)]))
        .collect();
    Input::Heard {
        source: Source::Gossip(key("eve")),
        teller: None,
        peers,
    }
}

#[test]
fn mistake_02_a_flood_of_hearsay_evicts_no_proven_peer() {
    let mut node = Node::new(friends(100));
    for n in 0..50 {
        node.tell(flood(n * 100..n * 100 + 100));
    }
    let status = node.engine.status(node.now);
    assert_eq!(status.proven, 100);
    assert!(
        status.hearsay <= 128,
        "{}: one teller reaches an eighth of the pool",
        status.hearsay
    );
}

#[test]
fn mistake_03_being_talked_about_makes_nobody_younger_or_better() {
    let mut node = Node::new(vec![]);
    node.tell(heard(&["alice"]));
    let before = node.record("alice").clone();
    let score = |node: &Node| node.engine.explain(&key("alice"), node.now).unwrap().score;
    let scored = score(&node);
    node.pass(SECOND * 5);
    node.tell(heard(&["alice"]));
    assert_eq!(node.record("alice").first_seen, before.first_seen);
    assert_eq!(node.record("alice").last_seen, None);
    assert!(score(&node) <= scored);
}

#[test]
fn a_proven_peer_gains_an_address_to_try_and_nothing_else() {
    let mut node = Node::new(friends(1));
    let before = node.record("p0").clone();
    node.tell(heard(&["p0"]));
    let mut after = node.record("p0").clone();
    assert_eq!(after.addresses.len(), 2);
    after.addresses.truncate(1);
    assert_eq!(after.addresses, before.addresses);
    assert_eq!(after.evidence, before.evidence);
    assert_eq!(after.last_seen, before.last_seen);
}

#[test]
fn mistake_19_hearsay_about_one_peer_fills_no_list() {
    let mut node = Node::new(friends(1));
    let known = node.record("p0").addresses[0].clone();
    for n in 0..500 {
        let peers = vec![(key("p0"), vec![address(n)])];
        node.tell(Input::Heard {
            source: Source::Swarm,
            teller: None,
            peers,
        });
    }
    let record = node.record("p0");
    assert_eq!(record.addresses.len(), 8);
    assert_eq!(record.addresses[0], known, "what worked stays");
}

#[test]
fn rumours_displace_only_addresses_that_were_tried_in_vain() {
    let mut alice = met("alice", 0, HOUR, 20.0);
    for n in 1..8 {
        let at = address(n);
        let known = AddressRecord::new(at, Source::Own, START - HOUR);
        alice.addresses.push(known);
    }
    let (untried, rumour) = (alice.clone(), address(100));
    let told = |record: PeerRecord| {
        let mut node = Node::new(vec![record]);
        node.tell(Input::Heard {
            source: Source::Swarm,
            teller: None,
            peers: vec![(key("alice"), vec![rumour.clone()])],
        });
        node.record("alice").addresses.clone()
    };
    assert_eq!(told(untried.clone()), untried.addresses);
    alice.addresses[7].failures_in_row = 1;
    let after = told(alice);
    assert_eq!(after[..7], untried.addresses[..7]);
    assert_eq!(after[7].address, rumour);
}

#[test]
fn only_our_own_connection_makes_a_peer_proven() {
    let mut node = Node::new(vec![]);
    node.tell(heard(&["alice"]));
    assert_eq!(node.record("alice").pool(), Pool::Hearsay);
    let dial = node.dial_of("alice").unwrap().clone();
    node.answer(&dial);
    assert_eq!(node.record("alice").pool(), Pool::Proven);
}

#[test]
fn mistake_18_five_failures_demote_a_proven_peer_and_three_forget_an_unmet_one() {
    let mut peers = friends(2);
    peers.truncate(2);
    let mut node = Node::new(peers);
    node.tell(heard(&["alice"]));
    let p1 = node.dial_of("p1").unwrap().clone();
    node.answer(&p1); // our own line works
    for _ in 0..400 {
        for name in ["p0", "alice"] {
            let Some(dial) = node.dial_of(name).cloned() else {
                continue;
            };
            node.dials.retain(|known| known.id != dial.id);
            node.fail(&dial, Failure::Refused);
        }
        node.pass(SECOND * 10);
        node.tell(Input::Received { peer: key("p1") });
    }
    assert_eq!(
        node.record("p0").pool(),
        Pool::Hearsay,
        "demoted, and still here"
    );
    assert!(node.record("p0").demoted > Some(Time::default()));
    assert!(
        node.engine.peer(&key("alice")).is_none(),
        "three tries and never a success"
    );
}

#[test]
fn mistake_18_it_takes_five_failures_to_demote_and_three_to_forget() {
    let mut peers = friends(2);
    peers[0].evidence.failures_in_row = 3;
    let mut node = Node::new(peers);
    let p1 = node.dial_of("p1").unwrap().clone();
    node.answer(&p1); // our own line works
    let p0 = node.dial_of("p0").unwrap().clone();
    node.fail(&p0, Failure::Refused);
    assert_eq!(node.record("p0").evidence.failures_in_row, 4);
    assert_eq!(node.record("p0").pool(), Pool::Proven, "four are not five");
    node.tell(heard(&["alice"]));
    for _ in 0..2 {
        while node.dial_of("alice").is_none() {
            node.pass(SECOND);
        }
        let dial = node.dial_of("alice").unwrap().clone();
        node.dials.clear();
        node.fail(&dial, Failure::Refused);
    }
    assert!(
        node.engine.peer(&key("alice")).is_some(),
        "two are not three"
    );
}
