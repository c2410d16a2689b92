//! A rendezvous server and two clients that know nothing but the server.

mod common;

use std::path::Path;

use common::{Start, home, json, name_in};

#[test]
fn two_who_know_only_the_server_find_each_other() {
    let home = home();
    let at = |name: &str| home.path().join(name);
    let (server, at_server) = Start::at(at("server")).flag("--rendezvous-server").up();
    // Once to learn which port it gets, for only who can be reached is registered.
    let (alice, at_alice) = Start::at(at("alice")).up();
    alice.stop();
    let alice = Start::at(at("alice"))
        .with("--rendezvous", &at_server)
        .with("--external", &at_alice)
        .spawn();
    alice.wait_for_peer(name_in(&at_server));
    let bob = Start::at(at("bob"))
        .with("--rendezvous", &at_server)
        .spawn();
    bob.wait_for_peer(name_in(&at_alice));

    let status = json(&at("bob"), &["status"]);
    let source = &status["sources"][0];
    assert_eq!(source["kind"], "rendezvous", "{status}");
    assert_eq!(
        (&source["breaker"], &source["failures"]),
        (&"closed".into(), &0.into())
    );
    assert_eq!(status["last_return"]["bootstrap_dials"], 0);
    assert!(
        is_server(&at("bob"), name_in(&at_server)),
        "it takes no peer's place"
    );
    drop((server, alice));
}

fn is_server(data: &Path, peer: &str) -> bool {
    let answer = json(data, &["peers"]);
    let peers = answer["peers"].as_array().unwrap();
    peers
        .iter()
        .any(|it| it["peer"] == peer && it["bootstrap"] == true)
}
