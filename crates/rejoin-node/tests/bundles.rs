//! What leaves a node in a file, what another believes of it, and what is left after a wipe: as a user
//! types it, with real nodes.

mod common;

use std::{fs, path::Path};

use common::{Node, Start, files_with, home, json, name_in, run};
use serde_json::Value;
use tempfile::TempDir;

/// Alice, who has met bob and stopped; and who bob is.
fn alice() -> (TempDir, String) {
    let home = home();
    let (bob, at_bob) = Start::at(home.path().join("bob")).up();
    let (alice, _) = Start::at(home.path().join("alice")).knowing(&at_bob).up();
    alice.wait_for_peer(name_in(&at_bob));
    assert!(alice.stop().success());
    assert!(bob.stop().success());
    let bob = name_in(&at_bob).to_owned();
    (home, bob)
}

fn export(home: &Path, more: &[&str]) -> (String, Value) {
    let out = home.join("export.json").display().to_string();
    let said = json(&home.join("alice"), &[&["export", &out], more].concat());
    (out, said)
}

#[test]
fn mistake_24_import_trusting_what_it_reads() {
    let (home, bob) = alice();
    let (file, exported) = export(home.path(), &[]);
    let carol = home.path().join("carol");
    let signer = exported["signer"].as_str().unwrap();
    let import = ["import", &file, "--signer", signer];
    let imported = json(&carol, &import);
    assert_eq!(
        (&imported["told"], &imported["new"]),
        (&1.into(), &1.into())
    );
    let peers = json(&carol, &["peers"]);
    assert_eq!(peers["peers"][0]["peer"], bob.as_str());
    // Alice had met bob, and thinks well of him; carol has not, and thinks nothing of it.
    assert_eq!(
        json(&home.path().join("alice"), &["peers"])["peers"][0]["pool"],
        "proven"
    );
    assert_eq!(peers["peers"][0]["pool"], "hearsay");
    assert_eq!(peers["peers"][0]["dials_ok"], 0.0);
    assert!(peers["peers"][0]["last_seen"].is_null());
    let again = json(&carol, &import);
    assert_eq!((&again["new"], &again["known"]), (&0.into(), &1.into()));
}

#[test]
fn a_running_node_takes_in_a_file_too() {
    let (home, bob) = alice();
    let (file, _) = export(home.path(), &["--proven"]);
    let dave = home.path().join("dave");
    let (node, _) = Start::at(&dave).up();
    assert_eq!(json(&dave, &["import", &file])["new"], 1);
    let peers = json(&dave, &["peers"]);
    assert_eq!(peers["peers"][0]["peer"], bob.as_str());
    assert_eq!(peers["peers"][0]["pool"], "hearsay");
    node.stop();
}

#[test]
fn a_forged_damaged_foreign_or_anonymous_file_is_refused_with_a_reason() {
    let (home, bob) = alice();
    let carol = home.path().join("carol");
    let (file, _) = export(home.path(), &[]);
    let text = fs::read_to_string(&file).unwrap();
    check(
        &carol,
        &file,
        &text.replace("/ip4/127", "/ip4/128"),
        "forged",
    );
    check(&carol, &file, &text[..text.len() / 2], "no export");
    check(
        &carol,
        &file,
        "{\"rejoin\": \"peers\", \"version\": 1}",
        "no export",
    );
    fs::write(&file, &text).unwrap();
    refused(
        &carol,
        &["import", &file, "--signer", &bob],
        "you asked for",
    );
    refused(&carol, &["import", "nothing-here.json"], "cannot read");
    let (anonymous, _) = export(home.path(), &["--anonymous"]);
    refused(&carol, &["import", &anonymous], "lead to nobody");
    assert_eq!(json(&carol, &["peers"])["total"], 0);
}

#[test]
fn an_anonymous_export_names_nobody() {
    let (home, bob) = alice();
    let (file, exported) = export(home.path(), &["--anonymous"]);
    assert_eq!(exported["peers"], 1);
    let text = fs::read_to_string(&file).unwrap();
    let me = json(&home.path().join("alice"), &["status"]);
    for name in [&bob, me["peer_id"].as_str().unwrap(), "127.0.0.1"] {
        assert!(!text.contains(name), "{name} in {text}");
    }
    assert!(text.contains("/ip4/127.0.0.0/tcp/0"), "{text}");
}

#[test]
fn a_wipe_leaves_no_peer_on_the_disk_and_asks_first() {
    let (home, bob) = alice();
    let data = home.path().join("alice");
    refused(&data, &["wipe"], "--yes");
    assert!(!files_with(&data, &[bob.as_bytes()]).is_empty());
    let me = json(&data, &["status"])["peer_id"].clone();
    json(&data, &["wipe", "--yes"]);
    assert_eq!(files_with(&data, &[bob.as_bytes()]), [""; 0]);
    let status = json(&data, &["status"]);
    assert_eq!((&status["proven"], &status["peer_id"]), (&0.into(), &me));
    json(&data, &["wipe", "--yes", "--identity"]);
    assert!(json(&data, &["status"])["peer_id"].is_null());
}

#[test]
fn a_wipe_waits_for_no_running_node() {
    let home = home();
    let data = home.path().join("alice");
    let (node, _) = Start::at(&data).up();
    let output = run(&data, &["wipe", "--yes"]);
    assert_eq!(output.status.code(), Some(3), "another node runs here");
    assert!(data.join("peers.db").exists());
    Node::stop(node);
}

#[track_caller]
fn check(data: &Path, file: &str, content: &str, reason: &str) {
    fs::write(file, content).unwrap();
    refused(data, &["import", file], reason);
}

#[track_caller]
fn refused(data: &Path, arguments: &[&str], reason: &str) {
    let output = run(data, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(reason), "{said}");
}
