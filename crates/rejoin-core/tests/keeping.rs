//! What connections and their ends leave behind: sessions, anchors, signs of life, feelers.

mod common;

use std::time::Duration;

use common::*;
use rejoin_core::{
    Command, Config, Deed, Direction, DisconnectReason, Event, Failure, Identified, Input, Lane,
    LocalNetwork, Output, Pool, Scope, Severity, Snapshot, Source,
};

#[test]
fn mistake_11_a_peer_seen_again_is_fresh_again() {
    let mut node = Node::new(friends(1));
    let before = node.record("p0").last_seen;
    node.come("p0");
    assert!(node.record("p0").last_seen > before);
    node.pass(SECOND * 60);
    node.tell(Input::Received { peer: key("p0") });
    assert_eq!(node.record("p0").last_seen, Some(node.now));
}

#[test]
fn mistake_22_only_what_a_peer_sends_is_a_sign_of_life() {
    let mut node = Node::new(vec![]);
    node.come("alice");
    let seen = node.record("alice").last_seen;
    // Time passes and others talk about it: nothing of that came from alice.
    node.pass(SECOND * 600);
    node.tell(heard(&["alice"]));
    assert_eq!(node.record("alice").last_seen, seen);
    node.tell(Input::Latency {
        peer: key("alice"),
        rtt: Duration::from_millis(30),
    });
    assert_eq!(node.record("alice").last_seen, Some(node.now));
    assert_eq!(node.record("alice").evidence.latency_ms, Some(30.0));
}

#[test]
fn mistake_13_a_penalty_outlives_the_next_update() {
    let mut node = Node::new(friends(1));
    node.come("p0");
    let score = |node: &Node| node.engine.explain(&key("p0"), node.now).unwrap().score;
    let before = score(&node);
    let deed = Deed::InvalidData(Severity::Severe);
    node.tell(Input::Judged {
        peer: key("p0"),
        deed,
    });
    let punished = score(&node);
    assert!(punished < before / 2.0);
    node.tell(Input::Latency {
        peer: key("p0"),
        rtt: SECOND / 50,
    });
    node.tell(Input::Received { peer: key("p0") });
    assert!(score(&node) < before / 2.0);
    node.tell(Input::Disconnected { peer: key("p0") });
    node.pass(SECOND * 700); // until it is let in again
    node.come("p0");
    assert!(node.engine.is_connected(&key("p0")));
    assert!(score(&node) < before / 2.0, "coming back is no excuse");
    let weight = node.record("p0").evidence.dealings.invalid_data.latest();
    node.tell(Input::Identified(Identified {
        peer: key("p0"),
        addresses: vec![],
        agent: "honest/1".into(),
        protocols: vec![],
        public_key: vec![],
        scope: Scope::Public,
    }));
    assert_eq!(
        node.record("p0").evidence.dealings.invalid_data.latest(),
        weight
    );
}

#[test]
fn the_end_of_a_connection_tells_how_long_it_lasted() {
    let mut node = Node::new(vec![]);
    node.come("alice");
    node.pass_talking(HOUR, &["alice"]);
    node.tell(Input::Disconnected { peer: key("alice") });
    assert_eq!(node.record("alice").session_mean_s(), Some(3_600.0));
    assert_eq!(node.record("alice").last_disconnected, Some(node.now));
}

#[test]
fn mistake_04_everybody_lost_at_once_is_an_anchor_still() {
    let mut node = Node::new(vec![]);
    for name in ["alice", "bob"] {
        node.reach(name);
    }
    for name in ["alice", "bob"] {
        node.tell(Input::Disconnected { peer: key(name) });
    }
    node.pass(SECOND * 600);
    node.tell(Input::Shutdown);
    let saved = node.stored();
    assert!(saved.peers.iter().all(|record| record.control.anchor));
    assert_eq!(saved.peers.len(), 2);
}

#[test]
fn an_anchor_that_does_not_come_back_is_one_no_more() {
    let mut peers = friends(20);
    for peer in &mut peers {
        peer.control.anchor = true;
    }
    let mut node = Node::new(peers);
    for dial in node.dials.clone().into_iter().take(8) {
        node.answer(&dial);
    }
    let anchors = node.engine.peers().filter(|record| record.control.anchor);
    assert_eq!(anchors.count(), 8);
}

#[test]
fn mistake_04_one_lost_a_moment_before_the_target_is_reached_is_an_anchor_still() {
    let config = Config {
        target: 1,
        ..Config::default()
    };
    let mut node = Node::with(config, Snapshot::default());
    node.reach("alice");
    node.tell(Input::Disconnected { peer: key("alice") });
    node.reach("bob");
    assert!(node.record("alice").control.anchor);
    node.pass_talking(SECOND * 61, &["bob"]);
    assert!(!node.record("alice").control.anchor);
}

#[test]
fn who_left_alone_is_no_anchor() {
    let mut node = Node::new(vec![]);
    for name in ["alice", "bob"] {
        node.reach(name);
    }
    node.tell(Input::Disconnected { peer: key("bob") });
    node.pass_talking(SECOND * 61, &["alice"]);
    assert!(node.record("alice").control.anchor);
    assert!(!node.record("bob").control.anchor);
}

#[test]
fn a_lost_friend_is_dialled_again_at_once_and_a_short_visitor_later() {
    let mut node = Node::new(friends(1));
    let dial = node.dial_of("p0").unwrap().clone();
    node.answer(&dial);
    node.pass_talking(SECOND * 600, &["p0"]);
    node.dials.clear();
    node.tell(Input::Disconnected { peer: key("p0") });
    let again = node.dial_of("p0").expect("at once").clone();
    node.answer(&again);
    node.dials.clear();
    node.tell(Input::Disconnected { peer: key("p0") });
    assert!(node.dial_of("p0").is_none(), "it hung up on us");
    node.pass(SECOND * 3);
    assert!(node.dial_of("p0").is_some());
}

#[test]
fn after_sleep_old_connections_must_show_life_and_others_are_dialled() {
    let mut node = Node::new(friends(40));
    for dial in node.dials.clone().into_iter().take(8) {
        node.answer(&dial);
    }
    let connected: Vec<_> = node.dials[..8]
        .iter()
        .flat_map(|dial| dial.peer.clone())
        .collect();
    node.dials.clear();
    node.now = node.now + HOUR; // the lid was closed: no input for an hour
    node.tell(Input::Tick);
    assert!(node.dials.len() >= 12, "{}", node.dials.len());
    node.tell(Input::Received {
        peer: connected[0].clone(),
    });
    for dial in node.dials.clone().into_iter().take(8) {
        node.answer(&dial);
    }
    node.pass(SECOND * 21);
    let sent_away = node.others.iter().filter(|output| {
        matches!(
            output,
            Output::Disconnect {
                reason: DisconnectReason::Stale,
                ..
            }
        )
    });
    assert_eq!(sent_away.count(), 7, "the one that showed life stays");
    assert!(node.engine.is_connected(&connected[0]));
}

#[test]
fn waking_clears_the_backoff_of_friends() {
    let mut peers = friends(3);
    for peer in &mut peers {
        peer.control.backoff_until = Some(START + HOUR);
        peer.addresses[0].backoff_until = Some(START + HOUR);
    }
    peers.push(rumoured("alice", 9));
    peers[3].control.backoff_until = Some(START + HOUR);
    let mut node = Node::new(peers);
    assert!(node.dials.is_empty());
    node.tell(Input::Woke);
    assert_eq!(node.dials.len(), 3);
    assert!(node.dial_of("alice").is_none(), "it is no friend");
}

#[test]
fn an_answer_ends_all_backoff() {
    let mut peers = friends(1);
    peers[0].control.reconnect_attempts = 9;
    let mut node = Node::new(peers);
    let dial = node.dial_of("p0").unwrap().clone();
    node.answer(&dial);
    node.tell(Input::Disconnected { peer: key("p0") });
    let until = node.record("p0").control.backoff_until.unwrap();
    assert!(until.since(node.now) <= SECOND * 2, "{until:?}");
}

#[test]
fn who_hangs_up_at_once_again_and_again_is_dialled_less_and_less_often() {
    let mut node = Node::new(friends(1));
    let end = node.now + HOUR;
    let mut answered = 0;
    while node.now < end {
        while let Some(dial) = node.dial_of("p0").cloned() {
            answered += 1;
            node.dials.clear();
            node.answer(&dial);
            node.tell(Input::Disconnected { peer: key("p0") });
        }
        node.pass(SECOND);
    }
    assert!((8..=16).contains(&answered), "{answered} times in an hour");
    // Once it stays for a while, all is forgiven.
    node.command(Command::Connect {
        peer: Some(key("p0")),
        addresses: Vec::new(),
    });
    let dial = node.dial_of("p0").unwrap().clone();
    node.answer(&dial);
    node.pass_talking(SECOND * 60, &["p0"]);
    assert_eq!(node.record("p0").control.reconnect_attempts, 0);
}

#[test]
fn a_place_remembers_which_addresses_worked_there() {
    let mut node = Node::new(friends(1));
    let moved = |place: &[u8]| Input::Moved {
        own: vec![],
        networks: vec![LocalNetwork::new("192.168.1.9".parse().unwrap(), 24)],
        place: Some(place.to_vec()),
    };
    node.tell(moved(b"home"));
    let dial = node.dial_of("p0").unwrap().clone();
    node.answer(&dial);
    assert_eq!(node.record("p0").addresses[0].places.len(), 1);
    let saved = serde_json::to_string(&node.stored().peers).unwrap();
    assert!(
        !saved.contains("home"),
        "the name of the place is not written down"
    );
}

#[test]
fn what_worked_from_here_is_dialled_though_it_lies_beyond_our_own_network() {
    check_beyond(b"office", b"office", true);
    check_beyond(b"office", b"home", false);
}

/// Whether somebody met at 10.9.0.1 in the first place is dialled from the second, where our own
/// network is another part of 10.0.0.0/8.
#[track_caller]
fn check_beyond(met_at: &[u8], now_at: &[u8], dialled: bool) {
    let beyond: rejoin_core::Address = "/ip4/10.9.0.1/tcp/1".parse().unwrap();
    let moved = |place: &[u8]| Input::Moved {
        own: vec![],
        networks: vec![LocalNetwork::new("10.1.0.9".parse().unwrap(), 16)],
        place: Some(place.to_vec()),
    };
    let mut node = Node::new(vec![]);
    node.tell(moved(met_at));
    node.connected(key("alice"), beyond, Direction::Outbound(None));
    node.pass(SECOND * 6); // saved
    let mut again = Node::with(
        Config::default(),
        Snapshot {
            peers: vec![],
            ..node.stored()
        },
    );
    again.tell(moved(now_at));
    again.tell(Input::Loaded(node.stored().peers));
    assert_eq!(again.dial_of("alice").is_some(), dialled);
}

#[test]
fn a_feeler_tests_hearsay_and_stays_until_the_next_one_gets_through() {
    let config = Config {
        target: 1,
        low_water: 1,
        ..Config::default()
    };
    let mut node = Node::with(config, Snapshot::default());
    node.come("alice");
    for (feeler, closed) in [("bob", None), ("carol", Some("bob"))] {
        node.tell(heard(&[feeler]));
        node.pass_talking(SECOND * 120, &["alice", "bob"]);
        let dial = node.dial_of(feeler).expect("a feeler").clone();
        assert_eq!(dial.lane, Lane::Feeler);
        node.answer(&dial);
        assert_eq!(node.record(feeler).pool(), Pool::Proven);
        let done = |name: &str| (name.to_owned(), DisconnectReason::FeelerDone);
        assert_eq!(node.closed(), Vec::from_iter(closed.map(done)));
    }
}

#[test]
fn a_feeler_that_has_become_needed_stays() {
    let config = Config {
        target: 2,
        low_water: 1,
        outbound_reserved: Some(0),
        ..Config::default()
    };
    let mut node = Node::with(config, Snapshot::default());
    node.come("alice");
    node.come("eve");
    for feeler in ["bob", "carol"] {
        node.tell(heard(&[feeler]));
        node.pass_talking(SECOND * 120, &["alice", "eve", "bob"]);
        let dial = node.dial_of(feeler).expect("a feeler").clone();
        if feeler == "carol" {
            node.tell(Input::Disconnected { peer: key("alice") });
            node.tell(Input::Disconnected { peer: key("eve") });
        }
        node.answer(&dial);
    }
    assert_eq!(node.closed(), []);
}

#[test]
fn a_feeler_goes_to_nobody_met_and_nobody_who_rests() {
    let config = Config {
        target: 1,
        low_water: 1,
        ..Config::default()
    };
    let mut bob = rumoured("bob", 9);
    bob.control.backoff_until = Some(START + HOUR);
    let mut node = Node::with(config, Snapshot::default());
    node.come("alice");
    node.tell(Input::Loaded(vec![met("p0", 0, HOUR, 20.0), bob]));
    node.pass_talking(SECOND * 600, &["alice"]);
    assert_eq!(node.dials, []);
}

#[test]
fn what_a_peer_says_of_itself_is_believed_as_far_as_it_can_know() {
    let mut node = Node::new(vec![]);
    node.come("alice");
    let addresses = [
        "/ip4/5.6.7.8/tcp/1",
        "/ip4/127.0.0.1/tcp/1",
        "/ip4/192.0.2.1/tcp/1",
    ];
    node.tell(Input::Identified(Identified {
        peer: key("alice"),
        addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
        agent: "alice/1.0\n".into(),
        protocols: vec!["/libp2p/circuit/relay/0.2.0/hop".into()],
        public_key: vec![1, 2, 3],
        scope: Scope::Public,
    }));
    let alice = node.record("alice");
    assert_eq!(alice.addresses.len(), 1);
    assert_eq!(alice.addresses[0].source, Source::Own);
    assert_eq!(&**alice.role.agent.as_ref().unwrap(), "alice/1.0");
    assert!(alice.role.relay);
}

#[test]
fn a_blocked_peer_is_sent_away_and_not_dialled() {
    let mut node = Node::new(friends(1));
    let dial = node.dial_of("p0").unwrap().clone();
    node.answer(&dial);
    node.command(Command::Block {
        peer: key("p0"),
        span: HOUR,
    });
    let sent = Output::Disconnect {
        peer: key("p0"),
        reason: DisconnectReason::Blocked,
    };
    assert!(node.others.contains(&sent));
    node.tell(Input::Disconnected { peer: key("p0") });
    node.dials.clear();
    node.pass(SECOND * 30);
    assert!(node.dial_of("p0").is_none());
    node.come("p0");
    assert!(!node.engine.is_connected(&key("p0")));
    node.command(Command::Unblock(key("p0")));
    assert!(node.dial_of("p0").is_some());
}

#[test]
fn the_best_are_those_with_the_highest_scores() {
    let mut node = Node::new(friends(30));
    node.tell(heard(&["alice"]));
    let score = |key| node.engine.explain(key, node.now).unwrap().score;
    let best = node.engine.best(5);
    assert_eq!(best.len(), 5);
    let worst_of_best = score(&best[4].key);
    let better = node
        .engine
        .peers()
        .filter(|record| score(&record.key) > worst_of_best);
    assert!(better.count() <= 4);
    assert_eq!(
        node.engine.best(99).len(),
        30,
        "hearsay is not among the best"
    );
}

#[test]
fn somebody_unknown_can_be_blocked_and_pinned() {
    let mut node = Node::new(vec![]);
    node.command(Command::Block {
        peer: key("eve"),
        span: HOUR,
    });
    node.come("eve");
    assert!(!node.engine.is_connected(&key("eve")));
    node.command(Command::Pin(key("alice")));
    assert!(node.record("alice").control.pinned);
}

#[test]
fn a_bootstrap_server_named_once_is_asked_again_after_a_restart() {
    let mut node = Node::new(vec![]);
    node.command(Command::AddBootstrap {
        peer: None,
        address: address(7_000),
    });
    node.pass(Duration::ZERO);
    let dial = node.dials[0].clone();
    node.connected(
        key("server"),
        address(7_000),
        Direction::Outbound(Some(dial.id)),
    );
    node.tell(Input::Shutdown);
    let again = Node::with(Config::default(), node.stored());
    assert_eq!(again.dials[0].lane, Lane::Bootstrap);
    assert_eq!(again.dials[0].peer, Some(key("server")));
}

#[test]
fn a_bootstrap_server_takes_no_peers_place() {
    let config = Config {
        target: 1,
        ..Config::default()
    };
    let mut node = Node::with(config, Snapshot::default());
    node.command(Command::AddBootstrap {
        peer: Some(key("server")),
        address: address(7_000),
    });
    node.pass(Duration::ZERO);
    let dial = node.dials[0].clone();
    node.answer(&dial);
    let reached = |node: &Node| {
        node.events
            .iter()
            .any(|event| matches!(event, Event::TargetReached { .. }))
    };
    assert!(!reached(&node));
    node.come("alice");
    assert!(reached(&node));
}

#[test]
fn who_is_forgotten_before_the_store_was_read_to_the_end_is_forgotten_there_too() {
    let mut node = Node::new(friends(2));
    node.store_answers = false;
    node.tell(Input::Committed { ok: true });
    node.commits.clear();
    node.command(Command::Forget(key("alice")));
    node.tell(Input::Loaded(vec![met("alice", 9, HOUR, 20.0)]));
    assert!(node.engine.peer(&key("alice")).is_none());
    node.pass(SECOND * 6);
    let forgotten = node.commits.iter().flat_map(|commit| &commit.forgotten);
    assert_eq!(forgotten.collect::<Vec<_>>(), [&key("alice")]);
}

#[test]
fn forgetting_is_for_good() {
    let mut node = Node::new(friends(2));
    node.pass(SECOND * 6);
    node.command(Command::Forget(key("p0")));
    assert!(node.engine.peer(&key("p0")).is_none());
    // A page of the store read before the deletion arrives late.
    node.tell(Input::Loaded(vec![met("p0", 0, HOUR, 20.0)]));
    assert!(node.engine.peer(&key("p0")).is_none());
    node.pass(SECOND * 6);
    assert!(
        node.commits
            .iter()
            .any(|changes| changes.forgotten == [key("p0")])
    );
}

#[test]
fn more_peers_are_looked_for_once_somebody_answers() {
    let mut node = Node::new(vec![]);
    node.pass(SECOND * 5);
    assert!(
        !node.others.contains(&Output::Discover),
        "there is nobody to ask"
    );
    node.come("alice");
    assert!(node.others.contains(&Output::Discover));
    node.others.clear();
    node.pass(SECOND * 121);
    assert_eq!(
        node.others
            .iter()
            .filter(|output| **output == Output::Discover)
            .count(),
        1
    );
}

#[test]
fn what_is_loaded_is_put_right_and_told() {
    let mut peers = friends(1);
    peers[0].last_seen = Some(START + DAY);
    let node = Node::new(peers);
    assert!(matches!(
        node.events[..],
        [Event::Repaired { values: 1 }, ..]
    ));
    assert_eq!(node.record("p0").last_seen, Some(START));
}

#[test]
fn a_peer_heard_of_before_its_page_was_read_keeps_both_halves() {
    let mut node = Node::new(vec![]);
    node.come("p0");
    node.tell(Input::Loaded(friends(1)));
    let record = node.record("p0");
    assert_eq!(record.last_connected, Some(START));
    assert_eq!(record.evidence.dials_ok.latest(), 5.0);
    assert_eq!(record.addresses.len(), 1);
}

#[test]
fn what_was_counted_before_its_page_was_read_is_still_counted_after() {
    let mut node = Node::new(vec![]);
    node.store_answers = false;
    node.come("p0");
    let deed = Deed::TransferOk {
        bytes_in: 1,
        bytes_out: 1,
    };
    node.tell(Input::Judged {
        peer: key("p0"),
        deed,
    });
    node.tell(Input::Loaded(friends(1)));
    let evidence = &node.record("p0").evidence;
    assert_eq!(evidence.dealings.transfers_ok.latest(), 1.0);
    assert_eq!(evidence.dials_ok.latest(), 5.0);
}

#[test]
fn our_own_eyes_displace_what_worked_once_and_fails_now() {
    let mut alice = met("alice", 0, HOUR, 20.0);
    for n in 1..8 {
        let mut known = alice.addresses[0].clone();
        known.address = address(n);
        alice.addresses.push(known);
    }
    alice.addresses[5].failures_in_row = 3;
    let mut node = Node::new(vec![alice]);
    let dial = node.dial_of("alice").unwrap().clone();
    let new = address(100);
    node.connected(
        key("alice"),
        new.clone(),
        Direction::Outbound(Some(dial.id)),
    );
    let addresses = &node.record("alice").addresses;
    assert_eq!(addresses.len(), 8);
    assert_eq!(addresses[5].address, new);
    assert!(addresses[5].observed);
}

#[test]
fn a_stranger_where_a_friend_lived_does_not_make_us_forget_the_address() {
    let mut node = Node::new(friends(1));
    let dial = node.dial_of("p0").unwrap().clone();
    node.fail(&dial, Failure::WrongPeer);
    let known = &node.record("p0").addresses[0];
    assert_eq!(known.address, address(0));
    assert_eq!(known.failures_in_row, 1);
}

#[test]
fn a_failing_dial_backs_off_longer_each_time() {
    let mut node = Node::new(friends(1));
    let mut longest = Duration::ZERO;
    for _ in 0..10 {
        while node.dials.is_empty() {
            node.pass(SECOND);
        }
        let dial = node.dials.remove(0);
        node.fail(&dial, Failure::Refused);
        let until = node.record("p0").control.backoff_until.unwrap();
        let wait = until.since(node.now);
        assert!((SECOND..=HOUR).contains(&wait), "{wait:?}");
        longest = longest.max(wait);
    }
    assert!(longest > SECOND * 60, "{longest:?}");
}
