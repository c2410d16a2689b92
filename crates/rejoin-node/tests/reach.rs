//! Being reached, on real sockets: through a relay, past a relay, and tried from outside.

mod common;

use std::{path::Path, time::Duration};

use common::{Node, Start, home, json, name_in, run};
use serde_json::Value;

/// Between two looks at something that takes a while.
const LOOK_EVERY: Duration = Duration::from_millis(200);

#[test]
fn a_node_behind_a_relay_is_reached_and_found_again() {
    let home = home();
    let at = |name: &str| home.path().join(name);
    let (_relay, at_relay) = Start::relay(at("relay"));
    let circuit = format!("{at_relay}/p2p-circuit");
    // Content with the relay, she waits to be dialled.
    let alice = Start::listening_on(at("alice"), &circuit);
    let (alice, at_alice) = alice.with("--target", "1").up();
    assert!(at_alice.starts_with(&circuit), "{at_alice}");
    let name = name_in(&at_alice);

    let (bob, _) = Start::at(at("bob")).up();
    let connected = json(&at("bob"), &["connect", &at_alice]);
    assert_eq!(connected["peer"], name);
    let kind = |peer: &Value| peer["record"]["evidence"]["kind"].clone();
    assert_eq!(kind(&ask(&at("bob"), name)), "relayed");
    let relay = ask(&at("alice"), name_in(&at_relay));
    assert!(relay["record"]["role"]["relayed_us"].is_u64(), "{relay}");

    assert!(bob.stop().success());
    let (bob, _) = Start::at(at("bob")).up();
    let back = bob.wait_for_peer(name);
    assert_eq!(back["remembered"], true);
    assert_eq!(kind(&ask(&at("bob"), name)), "relayed");
    let doctor = json(&at("alice"), &["doctor"]);
    assert_eq!(doctor["reach"]["relays"][0], name_in(&at_relay));
    assert!(alice.stop().success());
}

#[test]
fn past_the_relay_a_straight_way_is_found_and_remembered_as_punched() {
    let home = home();
    let at = |name: &str| home.path().join(name);
    let (_relay, at_relay) = Start::relay(at("relay"));
    let circuit = format!("{at_relay}/p2p-circuit");
    let alice = Start::at(at("alice")).with("--listen", &circuit).spawn();
    let at_alice = alice.wait_until(|event| {
        let address = event["address"].as_str();
        event["event"] == "listening" && address.is_some_and(|it| it.starts_with(&circuit))
    });
    let at_alice = at_alice["address"].as_str().unwrap();
    let (bob, _) = Start::at(at("bob")).up();
    json(&at("bob"), &["connect", at_alice]);
    until(&bob, "a hole is punched", || {
        let record = &ask(&at("bob"), name_in(at_alice))["record"];
        let straight = record["addresses"].as_array()?.iter().any(|known| {
            let address = known["address"].as_str().unwrap_or_default();
            !address.contains("p2p-circuit") && !known["last_success"].is_null()
        });
        (straight && record["evidence"]["kind"] == "hole-punched").then_some(())
    });
}

#[test]
fn an_address_is_tried_by_a_peer_and_found_to_work() {
    let home = home();
    let at = |name: &str| home.path().join(name);
    let (_alice, at_alice) = Start::at(at("alice")).up();
    let (bob, _) = Start::at(at("bob")).knowing(&at_alice).up();
    bob.wait_for_peer(name_in(&at_alice));
    let tcp = until(&bob, "somebody has tried", || {
        let tcp = json(&at("bob"), &["doctor"])["transports"][0].clone();
        (tcp["reached"] != "not-yet").then_some(tcp)
    });
    assert_eq!(
        (&tcp["transport"], &tcp["reached"]),
        (&"tcp".into(), &"yes".into())
    );
}

#[test]
fn a_node_nobody_can_reach_finds_itself_a_relay() {
    let home = home();
    let at = |name: &str| home.path().join(name);
    let (_relay, at_relay) = Start::relay(at("relay"));
    // Where it wants to be reached nobody is, so all it has are the connections it makes itself.
    let nobody = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
    let dead = format!("/ip4/127.0.0.1/tcp/1/p2p/{nobody}/p2p-circuit");
    let alice = Start::listening_on(at("alice"), &dead).knowing(&at_relay);
    let (alice, at_alice) = alice.up();
    assert!(
        at_alice.starts_with(&format!("{at_relay}/p2p-circuit")),
        "{at_alice}"
    );
    assert!(alice.stop().success());
}

#[test]
fn a_node_of_this_machine_only_asks_no_router() {
    let home = home();
    let data = home.path().join("alice");
    let (_alice, _) = Start::at(&data).up();
    let said = run(&data, &["doctor"]).stdout;
    assert!(!String::from_utf8_lossy(&said).contains("router"));
}

impl Start {
    fn relay(data: impl Into<std::path::PathBuf>) -> (Node, String) {
        Self::at(data).flag("--relay-server").up()
    }
}

/// What a running node remembers of a peer.
fn ask(data: &Path, peer: &str) -> Value {
    let note = std::fs::read(data.join("node.json")).unwrap();
    let note: Value = serde_json::from_slice(&note).unwrap();
    let url = format!("http://127.0.0.1:{}/api/v1/peers/{peer}", note["port"]);
    let mut answer = ureq::get(url).call().unwrap();
    answer.body_mut().read_json().unwrap()
}

/// Looks again and again, for as long as only a failing test takes.
#[track_caller]
fn until<T>(node: &Node, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let looks = common::LONG.as_millis() / LOOK_EVERY.as_millis();
    for _ in 0..looks {
        if let Some(seen) = look() {
            return seen;
        }
        node.news_within(LOOK_EVERY);
    }
    panic!("it never came about that {what}");
}
