//! The race back: whom it dials, how many at once, and when it stops.

mod common;

use std::{collections::BTreeMap, time::Duration};

use common::*;
use rejoin_core::{
    AddressRecord, Command, Config, Direction, Event, Failure, Input, Lane, Snapshot, Source,
};

#[test]
fn half_as_many_again_are_dialled_at_once_the_best_first() {
    let node = Node::new(friends(40));
    assert_eq!(node.dials.len(), 12, "eight are missing");
    assert!(node.dials.iter().all(|dial| dial.peer.is_some()));
    let explored = node
        .dials
        .iter()
        .filter(|dial| dial.lane == Lane::Explore)
        .count();
    assert_eq!(explored, 1);
    for best in ["p0", "p1", "p2", "p3", "p4"] {
        assert!(node.dial_of(best).is_some(), "{best}");
    }
}

#[test]
fn mistake_17_a_refusal_is_replaced_at_once_and_silence_after_its_own_time() {
    let mut node = Node::new(friends(40));
    let first = node.dials[0].clone();
    node.fail(&first, Failure::Refused);
    assert!(
        (13..=16).contains(&node.dials.len()),
        "{}",
        node.dials.len()
    );
    // Nobody answers, but everybody has had the time they usually need.
    node.pass(Duration::from_millis(200));
    assert!(node.dials.len() >= 24, "{}", node.dials.len());
    assert!(node.cancelled.is_empty(), "they may still answer");
}

#[test]
fn at_the_target_everything_in_the_air_is_cancelled() {
    let mut node = Node::new(friends(40));
    for dial in node.dials.clone().into_iter().take(8) {
        node.answer(&dial);
    }
    assert_eq!(node.engine.connections(), 8);
    assert_eq!(node.cancelled.len(), 4);
    assert!(
        node.events
            .iter()
            .any(|event| matches!(event, Event::TargetReached { .. }))
    );
    let cancelled = node.dials[9].peer.clone().unwrap();
    let record = node.engine.peer(&cancelled).unwrap();
    assert!(
        record.evidence.dials_failed.is_zero(),
        "being called off is no failure"
    );
    assert_eq!(record.control.backoff_until, None);
}

#[test]
fn never_more_in_the_air_than_allowed() {
    let mut node = Node::new(friends(200));
    node.pass(Duration::from_millis(1_900));
    assert_eq!(node.engine.status(node.now).dials, 32);
}

#[test]
fn news_from_far_away_do_not_make_room_for_each_other_for_ever() {
    let mut node = Node::new(Vec::new());
    node.connected(key("alice"), address(9), Direction::Inbound);
    // Whoever answers would need more than a second, and we hear of others all the time.
    for n in 0..50 {
        let names: Vec<_> = (0..=60 + n).map(|n| format!("n{n}")).collect();
        node.tell(heard(&names.iter().map(String::as_str).collect::<Vec<_>>()));
        node.pass(Duration::from_millis(60));
    }
    let mut dials: BTreeMap<_, u32> = BTreeMap::new();
    for dial in &node.dials {
        *dials.entry(&dial.peer).or_default() += 1;
    }
    let most = dials.values().max().unwrap();
    assert!(*most <= 3, "dialled {most} times within three seconds");
}

#[test]
fn no_two_are_dialled_in_one_public_netgroup_while_others_wait() {
    let mut peers = friends(30);
    let crowd = peers[0].addresses[0].address.clone();
    for (n, peer) in peers.iter_mut().enumerate().take(10) {
        let text = crowd
            .to_string()
            .replace("1.1/tcp", &format!("1.{}/tcp", n + 1));
        peer.addresses[0].address = text.parse().unwrap();
    }
    let node = Node::new(peers);
    let in_crowd = node.dials.iter().filter(|dial| {
        dial.lane == Lane::Memory
            && rejoin_core::Netgroup::of(&dial.addresses[0]) == rejoin_core::Netgroup::of(&crowd)
    });
    assert_eq!(in_crowd.count(), 1);
}

#[test]
fn anchors_have_their_places_among_the_first() {
    let mut peers = friends(40);
    peers[38].control.anchor = true;
    peers[39].control.anchor = true;
    let node = Node::new(peers);
    assert!(node.dial_of("p38").is_some());
    assert!(node.dial_of("p39").is_some());
}

#[test]
fn pinned_peers_go_first_and_blocked_ones_never() {
    let mut peers = friends(40);
    peers[39].control.pinned = true;
    peers[0].control.blocked_until = Some(START + DAY);
    let node = Node::new(peers);
    assert!(node.dial_of("p39").is_some());
    assert!(node.dial_of("p0").is_none());
}

#[test]
fn mistake_07_several_addresses_are_tried_and_the_one_that_worked_is_remembered() {
    let mut peers = friends(1);
    peers[0].addresses.clear();
    let mut node = Node::new(peers);
    for port in [1, 2] {
        let address = format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap();
        node.command(Command::Connect {
            peer: Some(key("p0")),
            addresses: vec![address],
        });
    }
    let dial = node.dials.last().unwrap().clone();
    assert_eq!(dial.addresses.len(), 2);
    let worked = dial.addresses[1].clone();
    node.connected(
        key("p0"),
        worked.clone(),
        Direction::Outbound(Some(dial.id)),
    );
    let record = node.record("p0");
    assert_eq!(record.addresses.len(), 2);
    assert!(record.address(&worked).unwrap().observed);
}

#[test]
fn somebody_elses_address_is_forgotten_and_the_peer_is_not_blamed() {
    let mut node = Node::new(vec![]);
    node.tell(heard(&["alice"]));
    let dial = node.dial_of("alice").unwrap().clone();
    node.fail(&dial, Failure::WrongPeer);
    let alice = node.record("alice");
    assert!(alice.addresses.is_empty());
    assert!(alice.evidence.dials_failed.is_zero());
    assert_eq!(alice.evidence.failures_in_row, 0);
}

#[test]
fn bootstrap_is_asked_at_once_without_memory_and_late_with_it() {
    let server = || Command::AddBootstrap {
        peer: None,
        address: address(7_000),
    };
    let bootstrap = |node: &Node| node.dials.iter().any(|dial| dial.lane == Lane::Bootstrap);

    let mut cold = Node::new(vec![]);
    cold.command(server());
    cold.pass(Duration::ZERO);
    assert!(bootstrap(&cold));

    let mut warm = Node::new(friends(6));
    warm.command(server());
    let dial = warm.dials[0].clone();
    warm.answer(&dial); // slow, but memory works
    warm.pass(Duration::from_millis(999));
    assert!(!bootstrap(&warm));
    warm.pass(Duration::from_millis(1));
    assert!(bootstrap(&warm), "memory had its head start");
}

#[test]
fn which_of_many_servers_is_asked_first_is_a_matter_of_chance() {
    let first = |seed| {
        let mut node = Node::seeded(vec![], seed);
        for n in 0..20 {
            node.command(Command::AddBootstrap {
                peer: None,
                address: address(7_000 + n),
            });
        }
        node.pass(Duration::ZERO);
        node.dials[0].addresses[0].to_string()
    };
    let drawn: std::collections::BTreeSet<_> = (0..20).map(first).collect();
    assert!(drawn.len() > 5, "{drawn:?}");
}

#[test]
fn bootstrap_is_not_asked_when_memory_suffices() {
    let mut node = Node::new(friends(40));
    node.command(Command::AddBootstrap {
        peer: None,
        address: address(7_000),
    });
    for dial in node.dials.clone().into_iter().take(5) {
        node.answer(&dial);
    }
    node.pass(SECOND * 20);
    assert_eq!(node.engine.numbers().bootstrap_dials, 0);
}

#[test]
fn bootstrap_is_asked_at_once_when_the_whole_memory_fails() {
    let mut node = Node::new(friends(12));
    node.command(Command::AddBootstrap {
        peer: None,
        address: address(7_000),
    });
    for dial in node.dials.clone() {
        node.fail(&dial, Failure::Refused);
    }
    assert_eq!(node.engine.numbers().bootstrap_dials, 1);
    assert_eq!(node.now, START);
}

#[test]
fn bootstrap_is_asked_once_the_whole_first_burst_had_far_more_than_its_time() {
    let mut node = Node::new(friends(200));
    node.command(Command::AddBootstrap {
        peer: None,
        address: address(7_000),
    });
    node.pass(Duration::from_millis(200));
    assert_eq!(node.engine.numbers().bootstrap_dials, 0);
    node.pass(Duration::from_millis(700));
    assert_eq!(node.engine.numbers().bootstrap_dials, 1);
}

#[test]
fn when_the_air_is_full_the_patient_give_way_to_the_waiting() {
    let mut node = Node::new(friends(200));
    node.pass(Duration::from_millis(1_500));
    assert!(
        node.dials.len() > 48,
        "{}: half as many again as fit",
        node.dials.len()
    );
    assert!(node.engine.status(node.now).dials <= 32);
}

#[test]
fn a_stale_memory_makes_room_for_fresh_hearsay() {
    let slow = |n: u16| met(&format!("p{n}"), n, HOUR, 500.0);
    let mut node = Node::new((0..200).map(slow).collect());
    for dial in node.dials.clone() {
        node.fail(&dial, Failure::Refused);
    }
    node.come("server");
    node.tell(heard(&["alice", "bob"]));
    for dial in node.dials.clone().into_iter().skip(12).take(4) {
        node.fail(&dial, Failure::Refused);
    }
    assert!(node.dial_of("alice").is_some() && node.dial_of("bob").is_some());
}

#[test]
fn a_race_gone_bad_widens() {
    let mut node = Node::new(friends(200));
    for dial in node.dials.clone() {
        node.fail(&dial, Failure::Refused);
    }
    let flying = node.engine.status(node.now).dials;
    assert!(
        flying > 20,
        "{flying}: two of three answering is no longer believed"
    );
}

#[test]
fn the_longest_in_the_air_gives_way_first() {
    let alike = |n: u16| met(&format!("p{n}"), n, HOUR, 100.0);
    let mut node = Node::new((0..200).map(alike).collect());
    node.pass(Duration::from_millis(1_500));
    assert!(node.cancelled.len() > 8, "{:?}", node.cancelled);
    assert!(node.cancelled.is_sorted(), "{:?}", node.cancelled);
}

#[test]
fn mistake_16_addresses_that_rest_are_left_out_of_the_next_dial() {
    let mut alice = rumoured("alice", 0);
    for n in 1..4 {
        let mut known = alice.addresses[0].clone();
        known.address = address(n);
        alice.addresses.push(known);
    }
    let mut node = Node::new(vec![alice]);
    let first = node.dial_of("alice").unwrap().clone();
    assert_eq!(first.addresses.len(), 3);
    node.fail(&first, Failure::Refused);
    // One way is left, so the peer itself does not rest.
    assert_eq!(node.dials.len(), 2);
    assert_eq!(node.dials[1].addresses, [address(3)]);
    let second = node.dials[1].clone();
    node.fail(&second, Failure::Refused);
    assert_eq!(node.dials.len(), 2, "all ways are tried");
}

#[test]
fn a_failure_at_an_address_never_heard_of_does_not_bring_the_next_dial_at_once() {
    let mut alice = met("alice", 0, HOUR, 20.0);
    let mut other = alice.addresses[0].clone();
    other.address = address(1);
    alice.addresses.push(other);
    let mut node = Node::new(vec![alice]);
    let mut dial = node.dials[0].clone();
    dial.addresses = vec![address(100)];
    node.fail(&dial, Failure::Unsupported);
    assert_eq!(node.dials.len(), 1);
    node.pass(SECOND * 2);
    assert_eq!(node.dials.len(), 2);
}

#[test]
fn beside_an_address_that_works_no_other_is_tried() {
    let mut alice = met("alice", 0, HOUR, 20.0);
    let mut faster = AddressRecord::new(address(1), Source::Own, START - HOUR);
    faster.dial_ms = Some(1.0);
    alice.addresses.push(faster);
    let node = Node::new(vec![alice]);
    assert_eq!(node.dial_of("alice").unwrap().addresses, [address(0)]);
}

#[test]
fn what_worked_from_here_is_tried_before_what_is_faster() {
    let mut alice = met("alice", 0, HOUR, 20.0);
    let mut slower = alice.addresses[0].clone();
    slower.address = address(1);
    slower.dial_ms = Some(400.0);
    alice.addresses.push(slower);
    let mut node = Node::new(vec![]);
    node.tell(Input::Moved {
        own: vec![],
        networks: vec![],
        place: Some(b"home".to_vec()),
    });
    node.tell(Input::Loaded(vec![alice]));
    let dial = node.dial_of("alice").unwrap().clone();
    assert_eq!(dial.addresses, [address(0), address(1)]);
    node.connected(key("alice"), address(1), Direction::Outbound(Some(dial.id)));
    node.pass(SECOND * 60);
    node.tell(Input::Disconnected { peer: key("alice") });
    let again = node.dials.last().unwrap();
    assert_eq!(again.addresses, [address(1), address(0)]);
}

#[test]
fn the_same_inputs_give_the_same_outputs() {
    let run = || {
        let mut node = Node::new(friends(40));
        node.pass(SECOND);
        for dial in node.dials.clone().into_iter().take(3) {
            node.answer(&dial);
        }
        node.pass(SECOND * 30);
        (node.dials, node.events, node.commits)
    };
    assert_eq!(run(), run());
}

#[test]
fn what_the_user_wants_is_dialled_whatever_its_record_says() {
    let mut peers = friends(200);
    peers[0].control.backoff_until = Some(START + HOUR);
    let mut node = Node::new(peers);
    node.pass(Duration::from_millis(900));
    assert_eq!(node.engine.status(node.now).dials, 32, "the air is full");
    node.command(Command::Connect {
        peer: Some(key("p0")),
        addresses: vec![],
    });
    assert!(
        node.dial_of("p0")
            .is_some_and(|dial| dial.lane == Lane::Manual)
    );
}

#[test]
fn whom_the_user_named_is_sought_until_met_however_many_others_there_are() {
    let mut node = Node::new(friends(40));
    node.command(Command::Connect {
        peer: Some(key("alice")),
        addresses: vec![address(9)],
    });
    let first = node.dial_of("alice").unwrap().clone();
    node.fail(&first, Failure::Refused);
    for dial in node.dials.clone().into_iter().take(8) {
        node.answer(&dial);
    }
    assert_eq!(node.engine.connections(), 8, "all that are wanted");
    node.pass(SECOND * 31);
    let again = node.dial_of("alice").unwrap().clone();
    assert_eq!((again.id != first.id, again.lane), (true, Lane::Manual));
    node.answer(&again);
    node.tell(Input::Disconnected { peer: key("alice") });
    let dials = node.dials.len();
    node.pass(SECOND * 31);
    assert_eq!(node.dials.len(), dials, "from then on it is one of many");
}

#[test]
fn the_only_peer_a_newcomer_knows_is_not_forgotten_for_being_late() {
    let mut node = Node::new(Vec::new());
    node.command(Command::Connect {
        peer: Some(key("alice")),
        addresses: vec!["/ip4/8.8.4.4/tcp/1".parse().unwrap()],
    });
    for failures in 1..=6 {
        let dial = node.dials.last().unwrap().clone();
        node.fail(&dial, Failure::Refused);
        let waits = (0..3_600).take_while(|_| {
            node.pass(SECOND);
            node.dials.len() == failures
        });
        assert!(waits.count() < 3_600, "given up after {failures}");
    }
}

#[test]
fn what_the_user_wants_is_not_called_off_for_what_the_user_wants_next() {
    let config = Config {
        dials_max: 2,
        ..Config::default()
    };
    let mut node = Node::with(config, Snapshot::default());
    let connect = |name, n| Command::Connect {
        peer: Some(key(name)),
        addresses: vec![address(n)],
    };
    node.command(connect("alice", 1));
    node.tell(heard(&["bob"]));
    assert!(node.dial_of("bob").is_some());
    node.command(connect("eve", 2));
    assert!(node.dial_of("alice").is_some() && node.dial_of("eve").is_some());
    assert!(node.dial_of("bob").is_none(), "it was only our own idea");
}

#[test]
fn hearsay_about_us_is_ignored() {
    let config = Config {
        me: Some(key("me")),
        ..Config::default()
    };
    let mut node = Node::with(config, Snapshot::default());
    node.tell(heard(&["me", "alice"]));
    assert!(node.engine.peer(&key("me")).is_none());
    assert_eq!(node.record("alice").addresses[0].source, Source::Swarm);
}
