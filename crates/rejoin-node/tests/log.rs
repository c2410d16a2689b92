//! What a running node writes into its log at the level people use, that nobody else should read.

mod common;

use std::fs;

use common::{Start, api::Api, home, json, run};
use serde_json::{Value, json};

#[test]
fn the_log_of_a_node_has_neither_its_token_nor_its_key_nor_its_home_folder() {
    let home = home();
    let at_home = home.path().to_str().unwrap().to_owned();
    let start = |name: &str| {
        Start::at(home.path().join(name))
            .environment("HOME", &at_home)
            .environment("RUST_LOG", "info")
    };
    let (bob, at_bob) = start("bob").up();
    let (alice, _) = start("alice").knowing(&at_bob).up();
    alice.wait_for("connected");
    let data = alice.data.clone();
    let note: Value = serde_json::from_slice(&fs::read(data.join("node.json")).unwrap()).unwrap();
    let token = note["token"].as_str().unwrap().to_owned();
    let key = fs::read(data.join("identity")).unwrap();
    // Asked with the token, with a wrong one and with none, and left by a signal.
    json(&data, &["status"]);
    run(&data, &["forget", "nobody"]);
    let api = Api::of(home, alice);
    let wrong = "Authorization: Bearer 0000\r\n";
    assert_eq!(api.post("prune", wrong, &json!({})).0, 401);
    assert_eq!(api.look("status", "").0, 200);
    let (alice, _home) = api.end();
    alice.signal("-TERM");
    let (_, log) = alice.last_words();
    drop(bob);
    assert!(log.contains("INFO"), "it does log: {log}");
    assert!(
        log.contains("~/alice/peers.db"),
        "it names its store: {log}"
    );
    assert!(!log.contains(&token), "the token: {log}");
    assert!(!log.contains(&at_home), "the home folder: {log}");
    // The seed of the key, however it might have been written.
    let seed = &key[key.len() - 64..key.len() - 32];
    let hex: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
    let log = log.to_lowercase();
    assert!(!log.contains(&hex[..16]), "the key: {log}");
    assert!(!log.contains(&format!("{seed:?}")[1..20]), "the key: {log}");
}
