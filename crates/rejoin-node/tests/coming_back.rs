//! What a node is for: it finds its network again, however it was stopped.

mod common;

use std::{fs::File, time::Duration};

use common::{Node, Start, home, met, name_in};
use fastrand::Rng;
use serde_json::Value;
use tempfile::TempDir;

#[test]
fn two_nodes_find_each_other_again_after_each_was_killed_in_turn() {
    let home = home();
    let (alice, at_alice) = Start::at(home.path().join("alice")).up();
    let (bob, at_bob) = Start::at(home.path().join("bob")).knowing(&at_alice).up();
    let (alice_id, bob_id) = (name_in(&at_alice), name_in(&at_bob));
    bob.wait_for_peer(alice_id);
    alice.wait_for_peer(bob_id);
    // Where the other listens follows right behind the connection; then nothing more happens.
    for node in [&alice, &bob] {
        let last = node.news_within(Duration::from_millis(500)).pop();
        assert!(last.is_none_or(|event| event["event"] != "disconnected"));
        node.wait_until_all_saved();
    }

    bob.kill();
    let (bob, at_bob_again) = Start::at(home.path().join("bob")).up();
    assert_eq!(at_bob, at_bob_again, "same name, same port");
    bob.wait_for_peer(alice_id);
    bob.news_within(Duration::from_millis(500));
    bob.wait_until_all_saved();

    alice.kill();
    let (alice, at_alice_again) = Start::at(home.path().join("alice")).up();
    assert_eq!(at_alice, at_alice_again);
    alice.wait_for_peer(bob_id);
}

#[test]
fn a_kill_at_any_moment_loses_no_peer_known_before() {
    let home = home();
    let others: Vec<_> = (0..3)
        .map(|number| Start::at(home.path().join(number.to_string())).up())
        .collect();
    let mine = home.path().join("mine");
    let mut first = Start::at(&mine).with("--target", "3");
    for (_, address) in &others {
        first = first.knowing(address);
    }
    let (node, _) = first.up();
    node.wait_until(|event| event["event"] == "connected" && event["connections"] == 3);
    assert!(node.stop().success());
    let known = met(&mine);
    assert_eq!(known.len(), 3);

    let seed = Rng::with_seed(u64::from(std::process::id())).u64(..);
    let mut rng = Rng::with_seed(seed);
    for round in 0..12 {
        let node = Start::at(&mine).with("--target", "3").spawn();
        let span = Duration::from_millis(rng.u64(0..400));
        let mut news = node.news_within(span);
        news.truncate(3);
        node.kill();
        let found = met(&mine);
        for peer in &known {
            assert!(
                found.contains(peer),
                "seed {seed}, round {round}: {peer} was lost; {news:?}"
            );
        }
    }
}

#[test]
fn mistake_04_closing_while_offline_loses_nothing() {
    let home = home();
    let (alice, at_alice) = Start::at(home.path().join("alice")).up();
    let bobs = home.path().join("bob");
    let (bob, _) = Start::at(&bobs).knowing(&at_alice).up();
    bob.wait_for_peer(name_in(&at_alice));
    assert!(bob.stop().success());
    assert!(alice.stop().success());

    let (bob, _) = Start::at(&bobs).up();
    let news = bob.news_within(Duration::from_millis(500));
    assert!(news.iter().all(|event| event["event"] != "connected"));
    assert!(bob.stop().success());
    assert_eq!(met(&bobs), [name_in(&at_alice)]);

    let (_alice, _) = Start::at(home.path().join("alice")).up();
    let (bob, _) = Start::at(&bobs).up();
    let back = bob.wait_for_peer(name_in(&at_alice));
    assert_eq!(back["event"], "connected");
}

#[test]
fn mistake_05_a_crash_loses_no_more_than_the_last_five_seconds() {
    let home = home();
    let (_alice, at_alice) = Start::at(home.path().join("alice")).up();
    let bobs = home.path().join("bob");
    let (bob, _) = Start::at(&bobs).knowing(&at_alice).up();
    bob.wait_for_peer(name_in(&at_alice));
    // This is what the promise is about, so here time itself is waited for.
    while !bob.news_within(Duration::from_secs(6)).is_empty() {}
    bob.kill();
    assert_eq!(met(&bobs), [name_in(&at_alice)]);
}

#[test]
fn asked_to_leave_it_saves_and_is_gone_within_two_seconds() {
    for signal in ["-TERM", "-INT"] {
        let home = home();
        let (_alice, at_alice) = Start::at(home.path().join("alice")).up();
        let bobs = home.path().join("bob");
        let (bob, _) = Start::at(&bobs).knowing(&at_alice).up();
        let connected = bob.wait_for_peer(name_in(&at_alice));
        bob.signal(signal);
        let leaving = bob.wait_for("leaving");
        let stopped = bob.wait_for("stopped");
        assert!(leaving["at"].as_u64() >= connected["at"].as_u64());
        let took_ms = stopped["at"].as_u64().unwrap() - leaving["at"].as_u64().unwrap();
        assert!(took_ms <= 2_000, "{signal}: {took_ms} ms");
        assert_eq!(stopped["saved"], true);
        assert!(bob.wait().success());
        assert_eq!(met(&bobs), [name_in(&at_alice)]);
        assert!(!bobs.join("node.json").exists());
    }
}

#[test]
fn mistake_06_a_disk_that_does_not_answer_keeps_nobody_from_leaving() {
    let home = home();
    let (_stuck, bob) = with_a_stuck_disk(&home);
    bob.signal("-TERM");
    let leaving = bob.wait_for("leaving");
    let stopped = bob.wait_for("stopped");
    assert_eq!(stopped["saved"], false);
    let took_ms = stopped["at"].as_u64().unwrap() - leaving["at"].as_u64().unwrap();
    assert!(took_ms <= 2_000, "{took_ms} ms");
    assert!(bob.wait().success());
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let home = home();
        let (_stuck, bob) = with_a_stuck_disk(&home);
        bob.signal("-TERM");
        bob.wait_for("leaving");
        bob.signal(signal);
        assert_eq!(bob.wait().code(), Some(code));
    }
}

#[test]
fn networks_with_different_names_do_not_mix() {
    let home = home();
    let (alice, at_alice) = Start::at(home.path().join("alice")).up();
    let (bob, at_bob) = Start::at(home.path().join("bob"))
        .with("--network", "other")
        .knowing(&at_alice)
        .up();
    // Whoever notices first hangs up, and the other may never hear why.
    let parted = alice.wait_until(|event| {
        let parts = ["other_network", "disconnected"].map(Value::from);
        parts.contains(&event["event"]) && event["peer"] == name_in(&at_bob)
    });
    if parted["event"] == "disconnected" {
        bob.wait_until(|event| {
            event["event"] == "other_network" && event["network"] == "/rejoin/main/1.0.0"
        });
    }
}

/// A node with something to save, and the lock that keeps it from doing so.
fn with_a_stuck_disk(home: &TempDir) -> (File, Node) {
    let (_alice, at_alice) = Start::at(home.path().join("alice")).up();
    let store = home.path().join("peers.json");
    let bob = Start::at(home.path().join("bob"))
        .with("--store", &format!("json:{}", store.display()))
        .knowing(&at_alice);
    let (bob, _) = bob.up();
    let lock = File::options()
        .write(true)
        .open(store.with_extension("json.lock"));
    let lock = lock.unwrap();
    lock.lock().unwrap();
    bob.wait_for_peer(name_in(&at_alice));
    (lock, bob)
}

#[test]
fn strangers_are_found_through_those_who_are_known() {
    let home = home();
    let (_hub, at_hub) = Start::at(home.path().join("hub")).up();
    let (alice, at_alice) = Start::at(home.path().join("alice")).knowing(&at_hub).up();
    alice.wait_for_peer(name_in(&at_hub));
    let (bob, _) = Start::at(home.path().join("bob")).knowing(&at_hub).up();
    bob.wait_for_peer(name_in(&at_alice));
}
