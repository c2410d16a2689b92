//! Peers, files and users may send what they like: nothing panics, spins or hurts a bystander.

mod common;

use std::time::Duration;

use common::*;
use rejoin_core::{Command, Config, Failure, Input, Lane, Snapshot, Source, Time};

fn rumour(name: &str, at: &str) -> Input {
    Input::Heard {
        source: Source::Swarm,
        teller: None,
        peers: vec![(key(name), vec![at.parse().expect("an address")])],
    }
}

/// There is room for one peer known by hearsay.
fn one_seat() -> Config {
    Config {
        hearsay_buckets: 1,
        hearsay_bucket_size: 1,
        hearsay_buckets_per_source: 1,
        ..Config::default()
    }
}

#[test]
fn somebody_forgotten_while_connected_may_be_talked_about() {
    for again in [
        heard(&["alice"]),
        Input::Command(Command::Pin(key("alice"))),
        Input::Loaded(vec![rejoin_core::PeerRecord::new(key("alice"), START)]),
    ] {
        let mut node = Node::new(vec![]);
        node.come("alice");
        node.command(Command::Forget(key("alice")));
        node.pass(SECOND * 6);
        node.tell(again);
        node.tell(Input::Disconnected { peer: key("alice") });
        node.pass(SECOND * 6);
        assert_eq!(node.engine.connections(), 0);
    }
}

#[test]
fn who_is_forgotten_and_heard_of_again_comes_back_without_a_past() {
    let mut node = Node::new(friends(1));
    node.come("p0");
    node.pass(SECOND * 6);
    node.command(Command::Forget(key("p0")));
    node.tell(heard(&["p0"]));
    node.pass(SECOND * 20);
    let stored = node.stored();
    assert_eq!(stored.peers.len(), 1);
    assert_eq!(stored.peers[0].last_connected, None);
    assert!(stored.peers[0].evidence.dials_ok.is_zero());
}

#[test]
fn an_outage_with_nothing_wanted_does_not_spin() {
    let mut node = Node::new(vec![]);
    for _ in 0..40 {
        node.command(Command::Connect {
            peer: None,
            addresses: vec![address(1)],
        });
        for dial in std::mem::take(&mut node.dials) {
            node.fail(&dial, Failure::Silent);
        }
    }
    assert!(node.engine.status(node.now).outage_since.is_some());
    node.command(Command::SetTarget(0));
    node.pass(SECOND * 60);
    let due = node.engine.poll_timeout().expect("something is always due");
    assert!(due.at > node.now, "{due:?}");
}

#[test]
fn rumours_about_a_friends_host_do_not_keep_us_from_the_friend() {
    let mut node = Node::new(friends(1));
    let friend = node.record("p0").addresses[0].address.to_string();
    let dial = node.dial_of("p0").expect("a friend").clone();
    node.answer(&dial);
    node.pass(SECOND * 60);
    for n in 0..40 {
        let at = friend.replace("4001", &format!("{}", 5_000 + n));
        node.tell(rumour(&format!("fake{n}"), &at));
        node.pass_talking(SECOND, &["p0"]);
        for dial in std::mem::take(&mut node.dials) {
            node.fail(&dial, Failure::Refused);
        }
    }
    assert!(!node.engine.memory().hosts.is_empty());
    node.tell(Input::Disconnected { peer: key("p0") });
    assert!(node.dial_of("p0").is_some(), "it did nothing wrong");
}

#[test]
fn mistake_14_no_peer_rests_longer_than_the_longest_wait() {
    let mut peers = friends(2);
    let far = Time::from_millis(START.as_millis() * 2);
    peers[0].control.backoff_until = Some(far);
    peers[1].addresses[0].backoff_until = Some(far);
    let mut node = Node::new(peers);
    assert!(node.dials.is_empty());
    node.pass(HOUR + SECOND * 31);
    for name in ["p0", "p1"] {
        let peer = Some(key(name));
        assert!(node.dials.iter().any(|dial| dial.peer == peer), "{name}");
    }
}

#[test]
fn neither_the_pinned_nor_the_blocked_lose_their_seat_to_hearsay() {
    let config = one_seat();
    for decision in [
        Command::Pin(key("alice")),
        Command::Block {
            peer: key("alice"),
            span: DAY,
        },
    ] {
        let snapshot = Snapshot {
            memory: None,
            peers: friends(1),
        };
        let mut node = Node::with(config.clone(), snapshot);
        let friend = node.dial_of("p0").expect("a friend").clone();
        node.answer(&friend);
        node.tell(rumour("alice", "/ip4/8.8.4.4/tcp/1"));
        let dial = node.dial_of("alice").expect("a rumour").clone();
        node.fail(&dial, Failure::Refused);
        node.command(decision);
        node.tell(rumour("eve", "/ip4/8.8.8.8/tcp/1"));
        assert!(node.engine.peer(&key("alice")).is_some());
        assert!(node.engine.peer(&key("eve")).is_none());
    }
}

#[test]
fn mistake_02_who_is_met_leaves_its_seat_and_cannot_lose_it_to_hearsay() {
    let mut node = Node::with(one_seat(), Snapshot::default());
    node.tell(rumour("alice", "/ip4/8.8.4.4/tcp/1"));
    let dial = node.dial_of("alice").expect("a rumour").clone();
    node.answer(&dial);
    node.pass(SECOND * 60);
    node.tell(Input::Disconnected { peer: key("alice") });
    node.come("bob"); // our own line works
    let dial = node.dial_of("alice").expect("a friend").clone();
    node.fail(&dial, Failure::Refused);
    assert_eq!(node.record("alice").evidence.failures_in_row, 1);
    node.tell(rumour("eve", "/ip4/8.8.8.8/tcp/1"));
    assert!(node.engine.peer(&key("eve")).is_some(), "the seat is free");
    assert!(node.engine.peer(&key("alice")).is_some());
}

#[test]
fn one_dead_peer_says_nothing_of_its_neighbours_and_four_do_until_one_answers() {
    let mut node = Node::new(vec![]);
    node.come("server");
    let at = |n: u16| format!("/ip4/8.8.4.4/tcp/{}", 5_000 + n);
    for n in 0..4 {
        let name = format!("dead{n}");
        node.tell(rumour(&name, &at(n)));
        let dial = node.dial_of(&name).expect("its neighbours say nothing");
        let dial = dial.clone();
        node.fail(&dial, Failure::Refused);
    }
    node.tell(rumour("alice", &at(10)));
    assert!(node.dial_of("alice").is_none(), "the host rests");
    node.command(Command::Connect {
        peer: Some(key("alice")),
        addresses: vec![],
    });
    let dial = node.dial_of("alice").expect("the user wants it").clone();
    node.answer(&dial);
    node.tell(rumour("bob", &at(11)));
    assert!(node.dial_of("bob").is_some(), "somebody answered there");
}

#[test]
fn who_has_no_address_left_gives_up_its_seat() {
    let config = one_seat();
    let mut node = Node::with(config, Snapshot::default());
    node.tell(rumour("alice", "/ip4/8.8.4.4/tcp/1"));
    let dial = node.dial_of("alice").expect("a rumour").clone();
    node.fail(&dial, Failure::WrongPeer);
    node.tell(rumour("bob", "/ip4/8.8.8.8/tcp/1"));
    assert!(node.engine.peer(&key("bob")).is_some());
}

#[test]
fn what_our_program_cannot_dial_says_nothing_about_the_line_or_the_peers() {
    let mut node = Node::new(friends(100));
    for _ in 0..5 {
        for dial in std::mem::take(&mut node.dials) {
            node.fail(&dial, Failure::Unsupported);
        }
    }
    assert_eq!(node.engine.status(node.now).outage_since, None);
    node.come("visitor");
    assert!(node.engine.memory().survival.is_zero());
}

#[test]
fn a_memory_without_a_secret_draws_one() {
    let snapshot = Snapshot {
        memory: Some(rejoin_core::Memory::default()),
        peers: vec![],
    };
    let node = Node::with(Config::default(), snapshot);
    assert_ne!(node.engine.memory().secret, [0; 16]);
}

#[test]
fn a_peer_that_comes_and_goes_counts_once() {
    let config = Config {
        reconnect_jitter: Duration::ZERO,
        ..Config::default()
    };
    let peers = friends(3);
    let mut node = Node::with(
        config,
        Snapshot {
            memory: None,
            peers,
        },
    );
    for _ in 0..5 {
        for dial in std::mem::take(&mut node.dials) {
            if !node.cancelled.contains(&dial.id) {
                node.answer(&dial);
            }
        }
        node.pass_talking(SECOND * 40, &["p0", "p1", "p2"]);
        node.tell(Input::Disconnected { peer: key("p0") });
    }
    let numbers = node.engine.numbers();
    assert_eq!(numbers.cached_dialled, 3);
    assert_eq!(numbers.cached_connected, 3);
    assert_eq!(numbers.hit_rate(), Some(1.0));
}

#[test]
fn connections_from_before_a_sleep_count_once_they_show_life() {
    let mut node = Node::new(friends(40));
    for dial in node.dials.clone().into_iter().take(8) {
        node.answer(&dial);
    }
    let lane = |dial: &&rejoin_core::Dial| dial.lane == Lane::Memory;
    node.dials.clear();
    node.tell(Input::Woke);
    node.pass(SECOND / 10);
    node.tell(Input::Woke);
    let dial = node.dials.iter().rev().find(lane).expect("a race").clone();
    node.answer(&dial);
    let numbers = node.engine.numbers();
    assert!(numbers.first_ms.is_some());
    assert_eq!((numbers.fifth_ms, numbers.target_ms), (None, None));
}

#[test]
fn old_lessons_fade_in_the_store_too() {
    let day = DAY;
    let mut saved = rejoin_core::Memory::default();
    for _ in 0..100 {
        let mut lessons = rejoin_core::SurvivalCounts::default();
        for _ in 0..100 {
            lessons.learn(day, day, true);
        }
        let delta = rejoin_core::MemoryDelta {
            memory: saved.clone(),
            unsaved_survival: lessons,
        };
        saved = delta.onto(Some(saved));
    }
    let most = saved.survival.lengths().map(|(_, seen)| seen.dialled);
    assert!(most.fold(0.0, f64::max) <= 1_100.0);
}

#[test]
fn a_crowd_at_our_door_evicts_no_friend_and_fills_no_memory() {
    let mut friends = friends(100);
    for friend in &mut friends {
        let seen = START - DAY * 20;
        friend.last_seen = Some(seen);
        friend.last_connected = Some(seen);
        friend.evidence.dials_ok = rejoin_core::decay::Decayed::new(5.0, seen);
    }
    let mut node = Node::new(friends);
    for n in 0..6_000 {
        let name = format!("sybil{n}");
        node.come(&name);
        node.tell(Input::Disconnected { peer: key(&name) });
        if n % 100 == 0 {
            node.pass(SECOND);
        }
    }
    node.pass(SECOND * 10);
    for n in 0..100 {
        assert!(node.engine.peer(&key(&format!("p{n}"))).is_some(), "p{n}");
    }
    let status = node.engine.status(node.now);
    assert!(
        status.proven <= node.engine.config().peers_max,
        "{}",
        status.proven
    );
}
