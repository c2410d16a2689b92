//! Which connections last: who is silent, who is one too many, and whose place nobody can take.

mod common;

use std::time::Duration;

use common::*;
use rejoin_core::{
    Address, Command, Config, Deed, Direction, DisconnectReason, Event, Failure, Identified, Input,
    Lane, Output, Scope, Severity, Snapshot, Source,
};

#[test]
fn a_peer_silent_for_three_minutes_is_sent_away_and_dialled_again() {
    let mut node = Node::new(friends(2));
    for name in ["p0", "p1"] {
        let dial = node.dial_of(name).unwrap().clone();
        node.answer(&dial);
    }
    node.dials.clear();
    let others: Vec<_> = (0..8).map(|n| format!("n{n}")).collect();
    others.iter().for_each(|name| node.come(name)); // so nobody is in a hurry
    let mut talking: Vec<_> = others.iter().map(String::as_str).collect();
    talking.push("p1");
    node.pass_talking(SECOND * 179, &talking);
    assert!(node.engine.is_connected(&key("p0")));
    node.pass_talking(SECOND * 2, &talking);
    assert_eq!(node.closed(), [("p0".into(), DisconnectReason::Stale)]);
    assert!(!node.engine.is_connected(&key("p0")));
    node.pass_talking(SECOND * 2, &talking);
    let mut dialled = node.dials.iter().filter_map(|dial| dial.peer.as_ref());
    assert!(dialled.any(|peer| *peer == key("p0")));
    assert!(node.engine.is_connected(&key("p1")));
}

#[test]
fn mistake_22_dialling_and_telling_a_silent_peer_keeps_nothing_alive() {
    let mut node = Node::new(friends(1));
    let dial = node.dial_of("p0").unwrap().clone();
    node.answer(&dial);
    for _ in 0..19 {
        node.pass(SECOND * 10);
        node.command(Command::Connect {
            peer: Some(key("p0")),
            addresses: vec![],
        });
        node.tell(heard(&["p0"]));
    }
    assert_eq!(node.closed(), [("p0".into(), DisconnectReason::Stale)]);
}

#[test]
fn a_sleeping_browser_is_shown_and_not_counted_and_dead_after_five_minutes() {
    let config = Config {
        target: 1,
        low_water: 1,
        ..Config::default()
    };
    let mut node = Node::with(config, Snapshot::default());
    node.connected(
        key("page"),
        visits_from("8.8.4.4/tcp/1/ws"),
        Direction::Inbound,
    );
    let standing = |node: &Node| {
        let status = node.engine.status(node.now);
        (status.connections, status.asleep)
    };
    node.pass(SECOND * 74);
    assert_eq!(standing(&node), (1, 0));
    node.tell(heard(&["alice"]));
    assert!(node.dials.is_empty(), "one is enough");
    node.pass(SECOND * 2);
    assert_eq!(standing(&node), (1, 1));
    assert!(node.dial_of("alice").is_some(), "it counts for nothing");
    node.tell(Input::Received { peer: key("page") });
    assert_eq!(standing(&node), (1, 0));
    node.pass(SECOND * 299);
    assert_eq!(standing(&node), (1, 1));
    node.pass(SECOND * 2);
    assert_eq!(node.closed(), [("page".into(), DisconnectReason::Stale)]);
}

#[test]
fn who_sleeps_while_nobody_else_is_left_to_dial_is_dialled_anew() {
    let mut node = Node::new(friends(8));
    for dial in node.dials.clone() {
        node.answer(&dial);
    }
    assert!(reached(&node));
    node.dials.clear();
    node.pass_talking(SECOND * 90, &["p0", "p1"]);
    assert_eq!(node.closed().len(), 6, "the line to them is broken");
    for name in ["p2", "p3", "p4", "p5", "p6", "p7"] {
        let mut dialled = node.dials.iter().filter_map(|dial| dial.peer.as_ref());
        assert!(dialled.any(|peer| *peer == key(name)), "{name}");
    }
}

#[test]
fn who_sleeps_while_there_are_enough_others_is_left_alone() {
    let mut node = Node::new(friends(8));
    for dial in node.dials.clone() {
        node.answer(&dial);
    }
    let others: Vec<_> = (0..8).map(|n| format!("n{n}")).collect();
    let others: Vec<_> = others.iter().map(String::as_str).collect();
    others.iter().for_each(|name| node.come(name));
    let ours = ["p0", "p1", "p2", "p3"]; // as many as are reserved
    node.pass_talking(SECOND * 165, &[&others, &ours[..]].concat());
    assert_eq!(node.closed(), []);
    assert_eq!(node.engine.status(node.now).asleep, 4);
}

#[test]
fn what_it_says_of_itself_tells_a_browser_from_a_program() {
    let connected_after_200_s = |agent: &str, listens: &[&str]| {
        let mut node = Node::new(vec![]);
        node.connected(
            key("it"),
            visits_from("8.8.4.4/tcp/1/ws"),
            Direction::Inbound,
        );
        node.tell(Input::Identified(Identified {
            peer: key("it"),
            addresses: listens.iter().map(|text| text.parse().unwrap()).collect(),
            agent: agent.into(),
            protocols: vec![],
            public_key: vec![],
            scope: Scope::Public,
        }));
        node.pass(SECOND * 200);
        node.engine.is_connected(&key("it"))
    };
    assert!(connected_after_200_s("somebody/1", &[]));
    assert!(!connected_after_200_s("go/1", &["/ip4/8.8.4.4/tcp/1"]));
    let page = "js-libp2p/2.8.0 browser/Mozilla/5.0";
    assert!(connected_after_200_s(page, &["/ip4/8.8.4.4/tcp/1"]));
}

#[test]
fn a_hundred_talking_peers_do_not_keep_the_engine_awake() {
    let mut node = Node::seeded(vec![], 7);
    let names: Vec<_> = (0..90).map(|n| format!("n{n}")).collect();
    for name in &names {
        node.come(name);
    }
    let mut looks = 0;
    for _ in 0..40 {
        for name in &names {
            node.tell(Input::Received { peer: key(name) });
        }
        let end = node.now + SECOND * 15;
        while let Some(next) = node.engine.poll_timeout().filter(|next| next.at < end) {
            looks += u32::from(next.reason == "connections to show life");
            assert!(looks <= 4, "{looks} looks within ten minutes");
            node.now = next.at;
            node.tell(Input::Tick);
        }
        node.now = end;
    }
}

#[test]
fn who_leaves_alone_is_dialled_again_after_a_random_moment() {
    let mut waits: Vec<Duration> = Vec::new();
    for seed in 0..8 {
        let mut node = Node::seeded(vec![], seed);
        node.tell(Input::Loaded(friends(2)));
        for name in ["p0", "p1"] {
            let dial = node.dial_of(name).unwrap().clone();
            node.answer(&dial);
        }
        node.pass_talking(SECOND * 60, &["p0", "p1"]);
        node.dials.clear();
        let left = node.now;
        node.tell(Input::Disconnected { peer: key("p0") });
        while node.dial_of("p0").is_none() {
            node.pass(SECOND / 10);
        }
        waits.push(node.now.since(left));
    }
    assert!(waits.iter().all(|wait| *wait <= SECOND * 3), "{waits:?}");
    waits.sort_unstable();
    waits.dedup();
    assert!(waits.len() >= 4, "{waits:?}");
}

#[test]
fn those_who_come_fill_the_target_but_not_the_reserve() {
    let mut node = Node::new(friends(6));
    for n in 0..8 {
        node.come(&format!("eve{n}"));
    }
    assert!(reached(&node), "the target counts everybody");
    let in_the_air: Vec<_> = node.dials.clone();
    assert_eq!(node.cancelled, [], "what is in the air may land");
    for dial in in_the_air.iter().take(3) {
        node.answer(dial);
    }
    assert_eq!(outbound(&node), (3, 4));
    node.answer(&in_the_air[3]);
    assert_eq!(outbound(&node), (4, 4));
    assert_eq!(node.cancelled.len(), in_the_air.len() - 4);
}

#[test]
fn the_reserve_is_filled_one_dial_at_a_time_and_rests_when_nobody_is_left() {
    let mut node = Node::new(vec![]);
    let visitors: Vec<_> = (0..8).map(|n| format!("eve{n}")).collect();
    for name in &visitors {
        node.come(name);
    }
    let visitors: Vec<_> = visitors.iter().map(String::as_str).collect();
    node.tell(heard(&["a", "b", "c"]));
    let mut dials = 0;
    for _ in 0..3_600 {
        let ends: Vec<_> = std::mem::take(&mut node.dials);
        assert!(ends.len() <= 1, "quietly");
        for dial in ends {
            dials += u32::from(dial.lane != Lane::Feeler);
            node.fail(&dial, Failure::Refused);
        }
        node.pass_talking(SECOND, &visitors);
    }
    // Each of three is tried again after a pause that doubles up to an hour.
    assert!((6..60).contains(&dials), "{dials} dials in an hour");
    assert_eq!(outbound(&node), (0, 4));
}

#[test]
fn a_feeler_that_gets_through_fills_the_reserve() {
    let config = Config {
        target: 2,
        low_water: 1,
        ..Config::default()
    };
    let mut node = Node::with(config, Snapshot::default());
    for name in ["eve", "mallory"] {
        node.come(name);
    }
    node.tell(heard(&["bob"]));
    let dial = node.dial_of("bob").expect("the reserve is short").clone();
    node.answer(&dial);
    node.pass(SECOND * 5);
    assert_eq!(outbound(&node), (1, 1));
    assert_eq!(node.closed(), []);
}

#[test]
fn a_flood_of_visitors_does_not_make_us_forget_our_anchors() {
    let mut peers = friends(8);
    for peer in &mut peers {
        peer.control.anchor = true;
    }
    let mut node = Node::new(peers);
    for n in 0..20 {
        node.come(&format!("eve{n}"));
    }
    assert!(reached(&node));
    let anchors = |node: &Node| {
        let anchors = node.engine.peers().filter(|record| record.control.anchor);
        anchors.map(|it| it.key.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(anchors(&node).len(), 8, "they have not had their chance");
    assert!(anchors(&node).iter().all(|name| name.starts_with('p')));
    for dial in node.dials.clone().into_iter().take(4) {
        node.answer(&dial);
    }
    assert_eq!(anchors(&node).len(), 4, "those that did not come back");
}

#[test]
fn too_many_connections_are_closed_the_flood_first() {
    let mut node = crowded_at(Config::default());
    node.pass_talking(SECOND * 30, &[]);
    let closed = node.closed();
    assert_eq!(node.engine.connections(), 80);
    assert!(
        closed
            .iter()
            .all(|(_, why)| *why == DisconnectReason::Surplus)
    );
    assert!(
        closed.iter().all(|(who, _)| who.starts_with("eve")),
        "{closed:?}"
    );
}

#[test]
fn the_young_the_pinned_and_those_of_our_own_choice_stay() {
    let config = Config {
        connections_high: 16,
        connections_low: 16,
        ..Config::default()
    };
    let mut node = crowded_at(config);
    for name in ["eve0", "eve1"] {
        node.command(Command::Pin(key(name)));
    }
    for name in ["p0", "p1", "p2", "p3"] {
        // So none of the four stays for its own worth, and none is sent away.
        for _ in 0..3 {
            node.tell(Input::Judged {
                peer: key(name),
                deed: Deed::InvalidData(Severity::Moderate),
            });
        }
    }
    node.pass(SECOND * 19);
    assert_eq!(node.closed(), [], "all are young");
    node.come("young");
    node.pass(SECOND * 11);
    assert!(
        node.engine.connections() <= 17,
        "{}",
        node.engine.connections()
    );
    for name in ["eve0", "eve1", "young", "p0", "p1", "p2", "p3"] {
        assert!(node.engine.is_connected(&key(name)), "{name}");
    }
}

#[test]
fn a_relay_that_keeps_a_slot_for_us_stays() {
    let config = Config {
        connections_high: 16,
        connections_low: 16,
        ..Config::default()
    };
    let mut node = crowded_at(config);
    let (relay, address) = (key("eve9"), address(9));
    node.command(Command::AddRelay {
        relay: relay.clone(),
        address,
    });
    node.tell(Input::Reserved { relay });
    node.pass(SECOND * 31);
    assert!(node.engine.connections() <= 16);
    assert!(node.engine.is_connected(&key("eve9")));
    assert!(!node.engine.is_connected(&key("eve8")));
}

#[test]
fn a_bootstrap_server_stays_while_it_is_needed() {
    let config = Config {
        target: 8,
        connections_high: 16,
        connections_low: 16,
        connections_grace: SECOND * 80, // pages sleep before that
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
    for n in 0..30 {
        let page = format!("8.{n}.4.4/tcp/1/ws");
        node.connected(
            key(&format!("page{n}")),
            visits_from(&page),
            Direction::Inbound,
        );
    }
    // All pages fall asleep: the server is the only one left that could help, and nobody may go
    // before it.
    for n in 0..30 {
        node.command(Command::Pin(key(&format!("page{n}"))));
    }
    node.pass_talking(SECOND * 90, &["server"]);
    assert_eq!(node.engine.status(node.now).asleep, 30);
    assert!(node.engine.is_connected(&key("server")));
}

#[test]
fn who_comes_when_all_places_are_taken_is_turned_away_and_not_written_down() {
    let config = Config {
        connections_max: 10,
        ..Config::default()
    };
    let mut node = Node::with(config, Snapshot::default());
    for n in 0..8 {
        node.come(&format!("eve{n}"));
    }
    assert_eq!(node.engine.connections(), 6, "four places are kept free");
    let away = Output::Disconnect {
        peer: key("eve7"),
        reason: DisconnectReason::Surplus,
    };
    assert!(node.others.contains(&away));
    assert!(node.engine.peer(&key("eve7")).is_none());
    node.reach("alice");
    assert!(node.engine.is_connected(&key("alice")));
}

#[test]
fn outbound_connections_lead_to_different_networks_as_long_as_there_are_any() {
    let mut node = Node::new(vec![]);
    node.connected(
        key("alice"),
        visits_from("8.8.0.1/tcp/1"),
        Direction::Outbound(None),
    );
    for n in 0..8 {
        node.come(&format!("eve{n}"));
    }
    let place = |ip: &str| vec![visits_from(ip)];
    node.tell(Input::Heard {
        source: Source::Swarm,
        teller: None,
        peers: vec![
            (key("near"), place("8.8.0.2/tcp/1")),
            (key("other"), place("9.9.0.1/tcp/1")),
        ],
    });
    assert_eq!(node.dials[0].peer, Some(key("other")));
}

/// Four peers we dialled, sixteen that came from everywhere, and eighty from one network.
fn crowded_at(config: Config) -> Node {
    let config = Config {
        inbound_per_netgroup: 80, // all of them are let in
        ..config
    };
    let mut node = Node::with(
        config,
        Snapshot {
            memory: None,
            peers: friends(4),
        },
    );
    for dial in node.dials.clone() {
        node.answer(&dial);
    }
    for n in 0..16 {
        let from = format!("7.{n}.0.1/tcp/1");
        node.connected(
            key(&format!("n{n}")),
            visits_from(&from),
            Direction::Inbound,
        );
    }
    for n in 0..80 {
        let from = format!("5.5.0.{n}/tcp/1");
        node.connected(
            key(&format!("eve{n}")),
            visits_from(&from),
            Direction::Inbound,
        );
    }
    node
}

fn visits_from(place: &str) -> Address {
    format!("/ip4/{place}").parse().unwrap()
}

fn reached(node: &Node) -> bool {
    let reached = |event: &Event| matches!(event, Event::TargetReached { .. });
    node.events.iter().any(reached)
}

fn outbound(node: &Node) -> (usize, usize) {
    let status = node.engine.status(node.now);
    (status.outbound, status.outbound_reserved)
}
