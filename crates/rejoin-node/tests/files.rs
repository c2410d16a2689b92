//! What lies in the data folder, in every state a disk can leave it.

mod common;

use std::fs;

use common::{Start, home, json, met, name_in, run};

#[test]
fn a_missing_store_is_begun_and_said_so() {
    starts_with(None, "a new memory begins");
}

#[test]
fn an_empty_store_is_begun_and_said_so() {
    starts_with(Some(b""), "was empty");
}

#[test]
fn a_foreign_store_is_kept_beside_and_said_so() {
    starts_with(
        Some(b"my diary, not to be touched"),
        "is not a memory of peers",
    );
}

#[test]
fn a_damaged_store_is_kept_beside_and_said_so() {
    let home = home();
    let data = home.path().join("alice");
    let (_bob, at_bob) = Start::at(home.path().join("bob")).up();
    let (alice, _) = Start::at(&data).knowing(&at_bob).up();
    alice.wait_for_peer(name_in(&at_bob));
    assert!(alice.stop().success());
    let path = data.join("peers.db");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes.truncate(middle);
    fs::write(&path, bytes).unwrap();

    let alice = Start::at(&data).spawn();
    let notice = alice.wait_for("notice");
    let text = notice["text"].as_str().unwrap();
    assert!(
        text.contains("was damaged") && text.contains(".damaged-"),
        "{text}"
    );
    alice.wait_for("listening");
}

#[test]
fn a_store_that_cannot_be_opened_is_replaced_by_memory_and_said_so_loudly() {
    let home = home();
    let data = home.path().join("alice");
    let file = home.path().join("file");
    fs::write(&file, b"").unwrap();
    let store = format!("sqlite:{}", file.join("peers.db").display());
    let (alice, _) = Start::at(&data).with("--store", &store).up();
    let status = json(&data, &["status"]);
    let problem = status["store_problem"].as_str().unwrap();
    assert!(problem.contains("cannot"), "{problem}");
    let words = run(&data, &["status"]).stdout;
    assert!(String::from_utf8_lossy(&words).contains("memory only"));
    assert!(alice.stop().success());
}

#[test]
fn a_store_of_an_unknown_kind_is_refused() {
    let home = home();
    let data = home.path().join("alice");
    let node = Start::at(&data).with("--store", "redis:x").spawn();
    let (status, words) = node.last_words();
    assert_eq!(status.code(), Some(1));
    assert!(words.contains("sqlite:PATH"), "{words}");
}

#[test]
fn a_second_node_on_the_same_folder_is_refused() {
    let home = home();
    let data = home.path().join("alice");
    let (alice, _) = Start::at(&data).up();
    let (status, words) = Start::at(&data).spawn().last_words();
    assert_eq!(status.code(), Some(3));
    assert!(words.contains("another node runs"), "{words}");
    json(&data, &["status"]); // the first one is still there
    alice.kill();
    Start::at(&data).up(); // the lock went with it
}

#[test]
fn two_nodes_share_one_store() {
    let home = home();
    let store = format!("sqlite:{}", home.path().join("shared.db").display());
    let (_carol, at_carol) = Start::at(home.path().join("carol")).up();
    let (_dave, at_dave) = Start::at(home.path().join("dave"))
        .with("--network", "daves")
        .up();
    let one = Start::at(home.path().join("one")).with("--store", &store);
    let other = Start::at(home.path().join("other")).with("--store", &store);
    let (one, _) = one.knowing(&at_carol).up();
    let (other, _) = other.with("--network", "daves").knowing(&at_dave).up();
    one.wait_for_peer(name_in(&at_carol));
    other.wait_for_peer(name_in(&at_dave));
    assert!(one.stop().success());
    assert!(other.stop().success());
    let nowhere = home.path().join("nowhere");
    let shared = json(&nowhere, &["peers", "--store", &store]);
    let peers = shared["peers"].to_string();
    assert!(peers.contains(name_in(&at_carol)) && peers.contains(name_in(&at_dave)));
}

#[test]
fn a_damaged_identity_is_neither_used_nor_overwritten() {
    let home = home();
    let data = home.path().join("alice");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("identity"), b"torn").unwrap();
    let (status, words) = Start::at(&data).spawn().last_words();
    assert_eq!(status.code(), Some(1));
    assert!(words.contains("holds no ed25519 identity"), "{words}");
    assert_eq!(fs::read(data.join("identity")).unwrap(), b"torn");
}

#[cfg(unix)]
#[test]
fn what_nobody_else_may_see_only_the_owner_can_read() {
    use std::os::unix::fs::PermissionsExt;
    let home = home();
    let data = home.path().join("alice");
    let (_alice, _) = Start::at(&data).up();
    for name in ["identity", "node.json", "peers.db"] {
        let mode = fs::metadata(data.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn the_note_of_a_killed_node_is_noticed() {
    let home = home();
    let data = home.path().join("alice");
    let (alice, at_alice) = Start::at(&data).up();
    alice.kill();
    assert!(data.join("node.json").exists());
    let output = run(&data, &["status", "--json"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("was killed"));
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(status["running"], false);
    assert_eq!(status["peer_id"], name_in(&at_alice));
    assert!(met(&data).is_empty());
}

#[track_caller]
fn starts_with(store: Option<&[u8]>, notice: &str) {
    let home = home();
    let data = home.path().join("alice");
    fs::create_dir(&data).unwrap();
    if let Some(bytes) = store {
        fs::write(data.join("peers.db"), bytes).unwrap();
    }
    let alice = Start::at(&data).spawn();
    let told = alice.wait_for("notice");
    assert!(told["text"].as_str().unwrap().contains(notice), "{told}");
    alice.wait_for("listening");
    assert!(alice.stop().success());
    let kept = fs::read_dir(&data).unwrap().filter_map(Result::ok);
    let kept: Vec<_> = kept
        .filter(|entry| entry.file_name().to_string_lossy().contains(".damaged-"))
        .map(|entry| fs::read(entry.path()).unwrap())
        .collect();
    match store {
        Some(bytes) if !bytes.is_empty() => assert_eq!(kept, [bytes], "kept as it was"),
        _ => assert!(kept.is_empty()),
    }
}
