//! Being reached: relays are asked when nobody can come straight, the best first, few, and never in
//! a hurry after a refusal.

mod common;

use std::time::Duration;

use common::{DAY, HOUR, MINUTE, Node, SECOND, START, address, key, met};
use rejoin_core::{
    Address, Command, Config, ConnectionKind, Direction, Input, Output, PeerRecord, Rerouted,
    Snapshot, Tested,
};

#[test]
fn a_node_that_can_be_reached_asks_nobody() {
    let mut node = Node::new(relays(3));
    node.pass(MINUTE);
    node.tested(Tested::Reached);
    node.pass(HOUR);
    assert_eq!(node.asked(), [""; 0]);
}

#[test]
fn a_node_nobody_can_reach_asks_two_relays_and_no_more() {
    let mut node = Node::new(relays(5));
    node.tested(Tested::Failed);
    assert_eq!(node.asked(), ["p0", "p1"]);
    node.reserved("p0");
    node.reserved("p1");
    node.pass(HOUR);
    assert_eq!(node.asked(), ["p0", "p1"]);
    assert!(node.released().is_empty());
}

#[test]
fn a_relay_that_refuses_rests_and_another_is_asked() {
    let mut node = Node::new(relays(3));
    node.command(Command::SetTarget(0)); // so that nobody is dialled in vain meanwhile
    node.tested(Tested::Failed);
    node.refused("p0");
    assert_eq!(node.asked(), ["p0", "p1", "p2"]);
    node.reserved("p1");
    node.reserved("p2");
    node.refused("p2"); // lost
    node.pass(MINUTE - SECOND);
    assert_eq!(node.asked(), ["p0", "p1", "p2"], "both rest");
    node.pass(2 * MINUTE);
    assert!(node.asked().len() > 3);
}

#[test]
fn a_relay_that_never_answers_is_given_up() {
    let mut node = Node::new(relays(3));
    node.tested(Tested::Failed);
    node.reserved("p1");
    node.pass(Config::default().relay_answer_within);
    assert_eq!(node.released(), ["p0"]);
    assert_eq!(node.asked(), ["p0", "p1", "p2"]);
    // A word that came too late changes nothing.
    node.reserved("p0");
    assert_eq!(node.slots(), ["p1", "p2"]);
}

#[test]
fn who_is_connected_goes_first_then_who_kept_a_slot_before() {
    let mut peers = relays(4);
    peers[3].role.relayed_us = Some(START - HOUR);
    let mut node = Node::new(peers);
    node.connected(key("p2"), address(2), Direction::Outbound(None));
    node.tested(Tested::Failed);
    assert_eq!(node.asked(), ["p2", "p3"]);
}

#[test]
fn two_relays_are_of_two_networks_where_that_is_possible() {
    let mut peers = relays(3);
    let beside = "/ip4/11.0.1.9/tcp/4001".parse().unwrap();
    peers[1].addresses[0].address = beside; // p0 lives at 11.0.1.1
    let mut node = Node::new(peers);
    node.tested(Tested::Failed);
    assert_eq!(node.asked(), ["p0", "p2"]);
}

#[test]
fn only_who_was_met_and_may_be_dealt_with_is_asked() {
    let mut peers = relays(4);
    peers[0].role.relay = false;
    peers[1].last_connected = None; // hearsay
    peers[2].control.blocked_until = Some(START + DAY);
    let behind = format!("/ip4/9.9.9.9/tcp/1/p2p/{RELAY}/p2p-circuit");
    peers[3].addresses[0].address = behind.parse().unwrap();
    let mut node = Node::new(peers);
    node.tested(Tested::Failed);
    node.pass(MINUTE);
    assert_eq!(node.asked(), [""; 0]);
}

#[test]
fn a_relay_met_later_is_found() {
    let mut node = Node::new(Vec::new());
    node.tested(Tested::Failed);
    node.tell(Input::Loaded(relays(1)));
    node.pass(Config::default().relay_look_every);
    assert_eq!(node.asked(), ["p0"]);
}

#[test]
fn slots_go_back_when_somebody_reaches_us() {
    let mut node = Node::new(relays(2));
    node.tested(Tested::Failed);
    node.reserved("p0");
    node.tested(Tested::Reached);
    assert_eq!(node.released(), ["p0", "p1"]);
    assert!(node.slots().is_empty());
}

#[test]
fn a_relay_the_user_names_is_used_whether_needed_or_not() {
    let mut node = Node::new(relays(3));
    let (relay, address) = (key("p9"), address(9));
    node.command(Command::AddRelay { relay, address });
    node.tested(Tested::Reached);
    assert_eq!(node.asked(), ["p9"]);
    assert!(node.released().is_empty());
    node.refused("p9");
    node.pass(2 * MINUTE);
    assert_eq!(node.asked().last(), Some(&"p9".to_owned()));
    assert!(node.asked().len() > 1, "asked again before long");
    node.tested(Tested::Failed);
    assert_eq!(node.slots().len(), 2, "and another beside it when needed");
}

#[test]
fn nobody_is_asked_while_the_line_is_down() {
    let mut node = Node::new(relays(40));
    while node.engine.status(node.now).outage_since.is_none() {
        node.pass(SECOND);
    }
    node.tell(Input::Tested {
        address: address(7),
        by: key("tester"), // gone with all others
        outcome: Tested::Failed,
    });
    assert_eq!(node.asked(), [""; 0]);
}

#[test]
fn elsewhere_nothing_is_known_yet_and_slots_stay() {
    let mut node = Node::new(relays(3));
    node.moved(b"home");
    node.tested(Tested::Failed);
    node.reserved("p0");
    node.moved(b"cafe");
    assert!(node.engine.status(node.now).reach.tests.is_empty());
    assert!(node.slots().contains(&"p0".to_owned()));
}

#[test]
fn a_relay_that_worked_is_remembered_as_such() {
    let mut node = Node::new(relays(1));
    node.tested(Tested::Failed);
    node.reserved("p0");
    node.pass(MINUTE);
    let stored = node.stored();
    assert_eq!(stored.peers[0].role.relayed_us, Some(START));
}

#[test]
fn a_straight_way_in_place_of_a_relayed_one_is_remembered_as_such() {
    let mut node = Node::with(Config::default(), Snapshot::default());
    let circuit: Address = format!("/ip4/9.9.9.9/tcp/1/p2p/{RELAY}/p2p-circuit")
        .parse()
        .unwrap();
    node.tell(Input::Connected(rejoin_core::Connected {
        peer: key("alice"),
        address: circuit.clone(),
        direction: Direction::Outbound(None),
        kind: ConnectionKind::Relayed,
        failures: vec![],
    }));
    assert_eq!(node.record("alice").evidence.kind, ConnectionKind::Relayed);
    node.tell(Input::Rerouted(Rerouted {
        peer: key("alice"),
        dialled: Some(address(1)),
        kind: ConnectionKind::HolePunched,
    }));
    let rtt = Duration::from_millis(20);
    let peer = key("alice");
    node.tell(Input::Latency { peer, rtt });
    let alice = node.record("alice");
    assert_eq!(alice.evidence.kind, ConnectionKind::HolePunched);
    let worked = |at: &Address| alice.address(at).unwrap().last_success.is_some();
    assert!(worked(&circuit) && worked(&address(1)));
    let rtt_ms = |at: &Address| alice.address(at).unwrap().rtt_ms;
    assert_eq!(rtt_ms(&circuit), None);
    assert_eq!(rtt_ms(&address(1)), Some(20.0));
}

#[test]
fn who_came_to_us_stays_one_we_did_not_choose() {
    let mut node = Node::with(Config::default(), Snapshot::default());
    node.come("eve");
    node.tell(Input::Rerouted(Rerouted {
        peer: key("eve"),
        dialled: Some(address(1)),
        kind: ConnectionKind::HolePunched,
    }));
    assert_eq!(node.engine.status(node.now).outbound, 0);
}

#[test]
fn a_way_to_nobody_we_know_changes_nothing() {
    let mut node = Node::with(Config::default(), Snapshot::default());
    node.tell(Input::Rerouted(Rerouted {
        peer: key("eve"),
        dialled: Some(address(1)),
        kind: ConnectionKind::HolePunched,
    }));
    assert!(node.engine.peer(&key("eve")).is_none());
}

#[test]
fn on_leaving_every_slot_goes_back() {
    let mut node = Node::new(relays(2));
    node.tested(Tested::Failed);
    node.tell(Input::Shutdown);
    assert_eq!(node.released(), ["p0", "p1"]);
}

const RELAY: &str = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";

/// Relays of different networks, the best first.
fn relays(count: u16) -> Vec<PeerRecord> {
    let relay = |n: u16| {
        let mut record = met(&format!("p{n}"), n, HOUR, 20.0);
        record.evidence.latency_ms = Some(10.0 + f32::from(n) * 10.0);
        record.role.relay = true;
        record
    };
    (0..count).map(relay).collect()
}

impl Node {
    /// Somebody tried to reach us from the internet.
    fn tested(&mut self, outcome: Tested) {
        let address = "/ip4/8.8.4.4/tcp/4001".parse().unwrap();
        let by = key("tester");
        // Silent ever since, it may be taken for dead.
        self.tell(Input::Disconnected { peer: by.clone() });
        let far = "/ip4/9.9.9.9/tcp/1".parse().unwrap();
        self.connected(by.clone(), far, Direction::Outbound(None));
        self.tell(Input::Tested {
            address,
            by,
            outcome,
        });
    }

    fn moved(&mut self, place: &[u8]) {
        self.tell(Input::Moved {
            own: vec![],
            networks: vec![],
            place: Some(place.to_vec()),
        });
    }

    fn reserved(&mut self, name: &str) {
        self.tell(Input::Reserved { relay: key(name) });
    }

    fn refused(&mut self, name: &str) {
        self.tell(Input::NotReserved { relay: key(name) });
    }

    fn slots(&self) -> Vec<String> {
        let status = self.engine.status(self.now);
        let relays = status.reach.relays.iter();
        relays.map(|relay| relay.peer.to_string()).collect()
    }

    fn asked(&self) -> Vec<String> {
        let asked = self.others.iter().filter_map(|output| match output {
            Output::Reserve(reserve) => Some(reserve.relay.to_string()),
            _ => None,
        });
        asked.collect()
    }

    fn released(&self) -> Vec<String> {
        let released = self.others.iter().filter_map(|output| match output {
            Output::Release { relay } => Some(relay.to_string()),
            _ => None,
        });
        released.collect()
    }
}
