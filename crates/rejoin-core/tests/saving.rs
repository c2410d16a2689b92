//! Changes reach the store soon, whole and once; a store that fails stops nothing.

mod common;

use common::*;
use rejoin_core::{Command, Config, Input, Note, Output, SecretBytes, text::Text};

#[test]
fn mistake_05_what_happened_is_handed_out_within_five_seconds() {
    let mut node = Node::new(friends(20));
    for dial in node.dials.clone().into_iter().take(8) {
        node.answer(&dial);
    }
    node.pass(SECOND * 5);
    let saved = node.stored();
    let met_now = saved
        .peers
        .iter()
        .filter(|record| record.last_connected == Some(START));
    assert_eq!(met_now.count(), 8);
}

#[test]
fn mistake_06_a_failing_store_stops_neither_networking_nor_shutdown() {
    let mut node = Node::new(friends(20));
    node.store_answers = false;
    for _ in 0..20 {
        node.tell(Input::Committed { ok: false });
        node.pass(SECOND * 5);
    }
    assert!(node.engine.status(node.now).storage.failures > 5);
    let dial = node.dials.last().unwrap().clone();
    node.answer(&dial);
    assert_eq!(node.engine.connections(), 1);
    node.tell(Input::Committed { ok: true });
    node.pass(SECOND * 6);
    node.tell(Input::Committed { ok: true });
    assert_eq!(node.engine.status(node.now).storage.failures, 0);
    // The store breaks for good: shutting down tries once and ends.
    node.come("alice");
    node.tell(Input::Shutdown);
    let tried = node.commits.len();
    node.tell(Input::Committed { ok: false });
    assert_eq!(node.commits.len(), tried);
    assert_eq!(node.engine.poll_timeout(), None);
}

#[test]
fn shutting_down_saves_at_once_and_dials_nobody() {
    let mut node = Node::new(friends(20));
    node.come("alice");
    let flying = node.engine.status(node.now).dials;
    node.tell(Input::Shutdown);
    assert_eq!(node.cancelled.len(), flying);
    let last = node.commits.last().unwrap();
    assert!(
        last.peers
            .iter()
            .any(|delta| delta.record.key == key("alice"))
    );
    node.tell(Input::Committed { ok: true });
    assert!(node.engine.is_saved());
    let dials = node.dials.len();
    node.pass(SECOND * 60);
    assert_eq!(node.dials.len(), dials);
}

#[test]
fn a_commit_carries_what_changed_and_nothing_else() {
    let mut node = Node::new(friends(50));
    for dial in node.dials.clone().into_iter().take(8) {
        node.answer(&dial);
    }
    node.pass(SECOND * 20);
    node.commits.clear();
    node.come("p47");
    node.pass(SECOND * 6);
    let touched: Vec<_> = node.commits[0]
        .peers
        .iter()
        .map(|delta| &delta.record.key)
        .collect();
    assert_eq!(touched, [&key("p47")]);
}

#[test]
fn only_one_commit_is_unanswered_at_a_time() {
    let mut node = Node::new(vec![]);
    node.store_answers = false;
    node.commits.clear();
    for n in 0..30 {
        node.come(&format!("visitor{n}"));
        node.pass(SECOND);
    }
    assert_eq!(node.commits.len(), 1);
    node.tell(Input::Committed { ok: true });
    assert_eq!(node.commits.len(), 2);
}

#[test]
fn increments_and_records_agree() {
    let mut node = Node::new(vec![]);
    for _ in 0..5 {
        node.come("alice");
        node.pass(SECOND * 40);
        node.tell(Input::Disconnected { peer: key("alice") });
        node.pass(SECOND * 40);
    }
    node.tell(Input::Shutdown);
    let stored = node.stored();
    let (ours, theirs) = (&node.record("alice").evidence, &stored.peers[0].evidence);
    assert!((ours.sessions.value(node.now) - theirs.sessions.value(node.now)).abs() < 1e-9);
    assert!(
        !node
            .others
            .iter()
            .any(|output| matches!(output, Output::Dial(_)))
    );
}

#[test]
fn what_the_application_notes_is_saved_and_forgotten_with_the_peer() {
    let mut node = Node::new(vec![]);
    let secret = SecretBytes::new(b"swordfish".to_vec()).unwrap();
    let note = |note| {
        let peer = key("alice");
        Command::Note { peer, note }
    };
    node.command(note(Note::Secret(Some(secret.clone()))));
    node.command(note(Note::Metadata {
        name: Text::new("met"),
        text: Some(Text::new("in Ulm")),
    }));
    node.pass(SECOND * 5);
    let saved = node.stored();
    let alice = &saved.peers[0];
    assert_eq!(alice.notes.secret.as_ref().unwrap().open(), Some(&secret));
    assert_eq!(&*alice.notes.metadata[&Text::new("met")], "in Ulm");

    node.command(note(Note::Secret(None)));
    node.pass(SECOND * 5);
    let again = Node::with(Config::default(), node.stored());
    assert_eq!(again.record("alice").notes.secret, None);

    node.command(Command::Forget(key("alice")));
    node.pass(SECOND * 5);
    assert!(node.stored().peers.is_empty());
}

#[test]
fn erasing_what_was_never_noted_makes_nobody_up() {
    let mut node = Node::new(vec![]);
    node.command(Command::Note {
        peer: key("alice"),
        note: Note::UserId(None),
    });
    assert!(node.engine.peer(&key("alice")).is_none());
}
