//! Every way in: each transport a node listens on can be dialled by another node.

mod common;

use common::{Start, home, name_in};

#[test]
fn tcp_leads_to_a_node() {
    leads_to_a_node("/ip4/127.0.0.1/tcp/0", |address| address);
}

#[test]
fn quic_leads_to_a_node() {
    leads_to_a_node("/ip4/127.0.0.1/udp/0/quic-v1", |address| address);
}

#[test]
fn websocket_leads_to_a_node() {
    leads_to_a_node("/ip4/127.0.0.1/tcp/0/ws", |address| address);
}

#[test]
fn ipv6_leads_to_a_node() {
    leads_to_a_node("/ip6/::1/tcp/0", |address| address);
}

#[test]
fn a_host_name_leads_to_a_node() {
    let by_name = |address: String| address.replace("/ip4/127.0.0.1", "/dns/localhost");
    leads_to_a_node("/ip4/127.0.0.1/tcp/0", by_name);
    leads_to_a_node("/ip4/127.0.0.1/udp/0/quic-v1", by_name);
    leads_to_a_node("/ip4/127.0.0.1/tcp/0/ws", by_name);
}

#[test]
fn an_address_without_a_name_leads_to_a_node() {
    let nameless = |address: String| {
        let (place, _) = address.rsplit_once("/p2p/").unwrap();
        place.to_owned()
    };
    leads_to_a_node("/ip4/127.0.0.1/tcp/0", nameless);
    let socket = |address: String| {
        let port = address.split('/').nth(4).unwrap();
        format!("127.0.0.1:{port}")
    };
    leads_to_a_node("/ip4/127.0.0.1/tcp/0", socket);
}

#[track_caller]
fn leads_to_a_node(listen: &str, as_dialled: impl Fn(String) -> String) {
    let home = home();
    let (_alice, at_alice) = Start::listening_on(home.path().join("alice"), listen).up();
    let name = name_in(&at_alice).to_owned();
    let bob = Start::at(home.path().join("bob")).knowing(&as_dialled(at_alice));
    let (bob, _) = bob.up();
    bob.wait_for_peer(&name);
}
