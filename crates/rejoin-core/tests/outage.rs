//! When our own line is dead nobody else's record suffers, and the way back is quick.

mod common;

use common::*;
use rejoin_core::{Event, Failure, Input};

/// Answers every dial with silence or worse for a while.
fn fail_all(node: &mut Node, failure: Failure, rounds: usize) {
    for _ in 0..rounds {
        for dial in std::mem::take(&mut node.dials) {
            if !node.cancelled.contains(&dial.id) {
                node.fail(&dial, failure);
            }
        }
        node.pass(SECOND);
    }
}

fn dead_line(failure: Failure) -> Node {
    let mut node = Node::new(friends(100));
    fail_all(&mut node, failure, 120);
    assert!(node.events.contains(&Event::OutageBegan), "{failure:?}");
    node
}

#[test]
fn own_outage_is_nobodys_failure() {
    for failure in [Failure::Unreachable, Failure::Silent] {
        let mut node = dead_line(failure);
        for record in node.engine.peers() {
            assert!(
                record.evidence.dials_failed.is_zero(),
                "{failure:?}: {}",
                record.key
            );
            assert_eq!(record.evidence.failures_in_row, 0);
        }
        // The line returns, and the first answer must not bring the verdicts down after all.
        let dial = node.dials.last().cloned().unwrap_or_else(|| {
            node.pass(SECOND * 20);
            node.dials.last().cloned().expect("a probe")
        });
        node.answer(&dial);
        assert!(
            node.engine
                .peers()
                .all(|record| record.evidence.dials_failed.is_zero())
        );
    }
}

#[test]
fn while_the_line_is_dead_dialling_slows_to_a_probe() {
    let mut node = dead_line(Failure::Unreachable);
    node.dials.clear();
    fail_all(&mut node, Failure::Unreachable, 60);
    node.dials.clear();
    let before = node.engine.numbers().dials;
    fail_all(&mut node, Failure::Unreachable, 60);
    let probes = node.engine.numbers().dials - before;
    assert!((2..=8).contains(&probes), "{probes} in a minute");
}

#[test]
fn the_first_answer_starts_the_whole_race_again() {
    let mut node = dead_line(Failure::Unreachable);
    node.dials.clear();
    while node.dials.is_empty() {
        node.pass(SECOND);
    }
    let probe = node.dials[0].clone();
    node.dials.clear();
    node.answer(&probe);
    assert!(
        node.events
            .iter()
            .any(|event| matches!(event, Event::OutageEnded { .. }))
    );
    assert!(node.dials.len() >= 7, "{}", node.dials.len());
}

#[test]
fn one_live_peer_makes_the_others_silence_their_own_fault() {
    let mut node = Node::new(friends(40));
    let dials = std::mem::take(&mut node.dials);
    node.pass(SECOND / 20);
    node.answer(&dials[0]);
    node.pass(SECOND * 3);
    let failed = node
        .engine
        .peers()
        .filter(|record| record.evidence.failures_in_row > 0);
    assert!(
        failed.count() >= 11,
        "silence counts where somebody answered"
    );
}

#[test]
fn a_short_gap_is_forgiven() {
    let mut node = Node::new(friends(3));
    for dial in std::mem::take(&mut node.dials) {
        node.fail(&dial, Failure::Silent);
    }
    node.pass(SECOND * 10);
    let dial = node
        .dials
        .last()
        .expect("tried again after a pause")
        .clone();
    node.answer(&dial);
    let blamed: Vec<_> = node
        .engine
        .peers()
        .filter(|r| r.evidence.failures_in_row > 0)
        .collect();
    assert!(
        blamed.is_empty(),
        "nothing had answered when they failed: {blamed:?}"
    );
}

#[test]
fn mistake_16_backoff_is_saved_and_holds_after_a_restart() {
    let mut node = Node::new(friends(12));
    let dials = std::mem::take(&mut node.dials);
    let (alive, dead) = dials.split_at(1);
    node.answer(&alive[0]);
    for _ in 0..4 {
        for dial in dead {
            node.fail(dial, Failure::Refused);
        }
    }
    node.pass(SECOND * 6);
    let saved = node.stored();
    let resting = |record: &&rejoin_core::PeerRecord| record.control.backoff_until > Some(node.now);
    assert!(saved.peers.iter().filter(resting).count() > 0);
    let mut again =
        rejoin_core::Engine::new(node.engine.config().clone(), saved.clone(), node.now, 7);
    again.handle_input(node.now, Input::Tick);
    let mut dialled = Vec::new();
    while let Some(output) = again.poll_output() {
        if let rejoin_core::Output::Dial(dial) = output {
            dialled.extend(dial.peer);
        }
    }
    for record in saved.peers.iter().filter(resting) {
        assert!(!dialled.contains(&record.key), "{} rests", record.key);
    }
}
