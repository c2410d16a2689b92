//! More peers than memory has room for: the best are in memory, the others in the store, and nobody who
//! asks can tell the difference.

mod common;

use common::{HOUR, MINUTE, Node, SECOND, START, key, met};
use rejoin_core::{
    Changes, Command, Config, Event, Input, Output, PeerRecord, Ranked, Recall, Recalled, Snapshot,
    decay::Decayed, retention::Rule,
};

const ROOM: usize = 32;

#[test]
fn beyond_its_room_memory_keeps_the_best_and_forgets_nobody() {
    let mut node = node_of(100);
    node.pass(10 * SECOND);
    let status = node.engine.status(node.now);
    assert!(status.proven <= ROOM, "{status:?}");
    assert_eq!(status.proven + status.shelved, 100);
    let kept = node.engine.peers().map(Ranked::of).max().unwrap();
    let better = crowd(100).filter(|peer| Ranked::of(peer) < kept).count();
    assert_eq!(better + 1, status.proven, "somebody better was let go");
    let forgotten = |commit: &Changes| !commit.forgotten.is_empty();
    assert!(!node.commits.iter().any(forgotten));
}

#[test]
fn whoever_is_not_saved_yet_stays() {
    let mut node = node_of(0);
    node.store_answers = false;
    for n in 0..100 {
        visit(&mut node, &name(n));
    }
    assert_eq!(node.engine.status(node.now).proven, 100);
    node.tell(Input::Committed { ok: true });
    node.store_answers = true;
    node.pass(MINUTE);
    let status = node.engine.status(node.now);
    assert!(status.proven <= ROOM, "{status:?}");
    assert_eq!(status.proven + status.shelved, 100);
}

#[test]
fn whoever_is_connected_pinned_or_blocked_stays() {
    let mut node = node_of(0);
    for n in 0..3 {
        visit(&mut node, &name(n));
    }
    node.command(Command::Pin(key(&name(1))));
    let (peer, span) = (key(&name(2)), 9 * HOUR);
    node.command(Command::Block { peer, span });
    node.come(&name(0));
    node.tell(Input::Loaded(crowd(100).skip(3).collect()));
    node.pass(10 * SECOND);
    for n in 0..3 {
        assert!(node.engine.peer(&key(&name(n))).is_some(), "{n}");
    }
}

#[test]
fn a_peer_in_the_store_alone_is_recalled_when_it_comes_and_keeps_its_history() {
    let mut node = node_of(100);
    node.pass(10 * SECOND);
    let stranger = let_go(&node);
    node.come(&stranger.key.to_string());
    let recall = Recall::Peers(vec![stranger.key.clone()]);
    assert_eq!(recalls(&node), [recall]);
    let known = node.engine.peer(&stranger.key).expect("connected");
    assert_eq!(known.first_seen, node.now, "as if it were new");

    let shelved = node.engine.status(node.now).shelved;
    node.tell(Input::Recalled(vec![stranger.clone()].into()));
    let known = node.engine.peer(&stranger.key).expect("connected");
    assert_eq!(known.first_seen, stranger.first_seen);
    assert_eq!(known.evidence.dials_ok, stranger.evidence.dials_ok);
    assert_eq!(known.last_connected, Some(node.now));
    assert_eq!(node.engine.status(node.now).shelved, shelved - 1);
}

#[test]
fn a_blocked_peer_in_the_store_alone_is_sent_away_as_soon_as_it_is_recalled() {
    let mut node = node_of(100);
    node.pass(10 * SECOND);
    let mut stranger = let_go(&node);
    stranger.control.blocked_until = Some(node.now + HOUR);
    stranger.control.decided = node.now;
    let name = stranger.key.to_string();
    node.come(&name);
    node.tell(Input::Recalled(vec![stranger].into()));
    let away =
        |output: &Output| matches!(output, Output::Disconnect { peer, .. } if *peer == key(&name));
    assert!(node.others.iter().any(away));
}

#[test]
fn with_all_in_memory_nobody_is_recalled() {
    let mut node = node_of(20);
    node.come("stranger");
    node.pass(10 * MINUTE);
    assert_eq!(recalls(&node), []);
}

#[test]
fn whoever_came_while_the_memory_was_read_is_recalled_once_it_is_known_not_to_fit() {
    let mut node = node_of(ROOM as u32);
    node.come("stranger");
    node.tell(Input::Shelved(500));
    assert_eq!(recalls(&node), [Recall::Peers(vec![key("stranger")])]);
    assert_eq!(node.engine.status(node.now).shelved, 500);
}

#[test]
fn one_recall_is_under_way_at_a_time() {
    let mut node = node_of(ROOM as u32);
    node.tell(Input::Shelved(500));
    for n in 0..5 {
        node.come(&format!("stranger{n}"));
    }
    assert_eq!(recalls(&node).len(), 1);
    node.tell(Input::Recalled(Recalled::default()));
    let four = (1..5).map(|n| key(&format!("stranger{n}"))).collect();
    assert_eq!(recalls(&node)[1..], [Recall::Peers(four)]);
}

#[test]
fn memory_with_room_again_is_filled_up_from_the_store() {
    let mut node = node_of(100);
    node.pass(10 * SECOND);
    let best: Vec<_> = node.engine.peers().map(|it| it.key.clone()).collect();
    for peer in &best[..10] {
        node.command(Command::Forget(peer.clone()));
    }
    let from_the_first = Recall::Best {
        after: None,
        count: 1_000,
    };
    assert_eq!(recalls(&node), [from_the_first]);
    let left: Vec<_> = in_order(100)
        .filter(|it| !best[..10].contains(&it.key))
        .collect();
    node.tell(Input::Recalled(left.into()));
    let status = node.engine.status(node.now);
    assert!(
        status.proven >= ROOM - ROOM / 16 && status.proven <= ROOM,
        "{status:?}"
    );
    assert_eq!(status.proven + status.shelved, 90);
    node.pass(10 * MINUTE);
    assert_eq!(recalls(&node).len(), 1, "it is full");
}

#[test]
fn nobody_is_read_back_for_one_that_is_lost_just_after_others_were_let_go() {
    let mut node = node_of(100);
    node.pass(10 * SECOND);
    let lost = node.engine.peers().next().unwrap().key.clone();
    node.command(Command::Forget(lost));
    node.pass(10 * MINUTE);
    assert_eq!(recalls(&node), []);
}

#[test]
fn no_number_a_store_may_say_is_too_large() {
    let mut node = node_with(20, Rule::ProvenCap(80));
    node.tell(Input::Shelved(usize::MAX));
    assert_eq!(recalls(&node), [Recall::Worst(1_000)]);
    node.tell(Input::Recalled(Recalled::default()));
    node.come("stranger");
    node.pass(MINUTE);
}

#[test]
fn a_store_that_has_nobody_left_is_not_asked_again() {
    let mut node = node_of(5);
    node.tell(Input::Shelved(3)); // counted, and gone since
    assert_eq!(recalls(&node).len(), 1);
    node.tell(Input::Recalled(Recalled::default()));
    node.pass(10 * MINUTE);
    assert_eq!(recalls(&node).len(), 1);
    assert_eq!(node.engine.status(node.now).shelved, 0);
}

#[test]
fn of_more_than_are_to_be_remembered_the_worst_in_the_store_are_forgotten() {
    let mut node = node_with(100, Rule::ProvenCap(80));
    node.pass(10 * SECOND);
    assert_eq!(recalls(&node), [Recall::Worst(20)]);
    let mut worst: Vec<_> = in_order(100).collect();
    worst.reverse();
    worst.truncate(20);
    worst[3].control.pinned = true;
    node.tell(Input::Recalled(worst.clone().into()));
    let Some(Event::Pruned(report)) = node.events.last() else {
        panic!("nobody forgotten");
    };
    assert_eq!(report.by_rule["proven-cap"], 19, "not whom the user wants");
    node.pass(10 * SECOND);
    let forgotten: Vec<_> = node
        .commits
        .iter()
        .flat_map(|commit| &commit.forgotten)
        .collect();
    let mut expected: Vec<_> = worst.iter().filter(|it| !it.control.pinned).collect();
    expected.sort_by(|a, b| a.key.cmp(&b.key));
    assert!(forgotten.into_iter().eq(expected.iter().map(|it| &it.key)));
    let status = node.engine.status(node.now);
    assert_eq!(status.proven + status.shelved, 81);
}

#[test]
fn a_flood_of_visitors_leaves_memory_bounded() {
    let mut node = node_of(100);
    for n in 0..5_000 {
        visit(&mut node, &format!("visitor{n}"));
        if n % 50 == 0 {
            node.pass(6 * SECOND);
            if let Some(Recall::Peers(_)) = recalls(&node).last() {
                node.tell(Input::Recalled(Recalled::default()));
            }
        }
        let held = node.engine.peers().count();
        assert!(held <= ROOM + 110, "{held} in memory");
    }
    let status = node.engine.status(node.now);
    assert!(status.proven + status.shelved > 5_000);
}

/// So many peers, each of its own rank, and a node that has just loaded them.
fn node_of(peers: u32) -> Node {
    node_with(peers, Rule::ProvenCap(usize::MAX))
}

fn node_with(peers: u32, rule: Rule) -> Node {
    let config = Config {
        hot_max: ROOM,
        target: 0, // nobody is dialled
        low_water: 0,
        retention: vec![rule],
        ..Config::default()
    };
    let peers = crowd(peers).collect();
    let memory = None;
    Node::with(config, Snapshot { memory, peers })
}

fn crowd(peers: u32) -> impl Iterator<Item = PeerRecord> {
    (0..peers).map(|n| {
        let mut record = met(&name(n), 7, HOUR, 20.0);
        record.evidence.dials_ok = Decayed::new(f64::from(n + 1), START - HOUR);
        record
    })
}

fn in_order(peers: u32) -> impl Iterator<Item = PeerRecord> {
    let mut all: Vec<_> = crowd(peers).collect();
    all.sort_by_cached_key(Ranked::of);
    all.into_iter()
}

fn name(n: u32) -> String {
    format!("peer{n:03}")
}

/// Somebody who is in the store alone.
fn let_go(node: &Node) -> PeerRecord {
    crowd(100)
        .find(|it| node.engine.peer(&it.key).is_none())
        .expect("somebody was let go")
}

fn visit(node: &mut Node, name: &str) {
    node.come(name);
    node.tell(Input::Disconnected { peer: key(name) });
}

fn recalls(node: &Node) -> Vec<Recall> {
    let recalls = node.others.iter().filter_map(|output| match output {
        Output::Recall(whom) => Some(whom.clone()),
        _ => None,
    });
    recalls.collect()
}
