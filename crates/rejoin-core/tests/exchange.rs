//! What peers tell each other: nobody learns what is private, and nobody is believed for talking much.

mod common;

use common::*;
use rejoin_core::{
    Address, Connected, ConnectionKind, Direction, Envelope, Failure, Identified, Input, Output,
    PeerKey, PeerRecord, Purpose, QuestionId, Rumour, Scope, SignedPeer, Snapshot, Source, Word,
    exchange,
};

/// Somebody's own word. The envelope is no real one; the core never looks inside.
fn word(name: &str, seq: u64, addresses: &[Address]) -> SignedPeer {
    SignedPeer {
        peer: key(name),
        addresses: addresses.to_vec(),
        seq,
        envelope: envelope(name, seq),
    }
}

fn envelope(name: &str, seq: u64) -> Envelope {
    Envelope::new(format!("{name} {seq}").into_bytes()).unwrap()
}

fn words(signed: impl IntoIterator<Item = SignedPeer>) -> Vec<Word> {
    signed.into_iter().map(Word::Signed).collect()
}

/// Strangers with one public address each.
fn strangers(names: std::ops::Range<u16>) -> Vec<SignedPeer> {
    let stranger = |n| word(&format!("x{n}"), 1, &[address(n)]);
    names.map(stranger).collect()
}

impl Node {
    /// A peer that speaks our protocol comes from so far away.
    fn speaker(&mut self, name: &str, from: &str) {
        self.connected(key(name), from.parse().unwrap(), Direction::Inbound);
        self.tell(Input::Identified(Identified {
            peer: key(name),
            addresses: vec![],
            agent: "test".into(),
            protocols: vec![exchange::PROTOCOL.into()],
            public_key: vec![1],
            scope: Scope::Public,
        }));
    }

    fn asks(&self) -> Vec<PeerKey> {
        let ask = |output: &Output| match output {
            Output::AskPeers { peer, .. } => Some(peer.clone()),
            _ => None,
        };
        self.others.iter().filter_map(ask).collect()
    }

    /// What it answers a peer that asks.
    fn asked_by(&mut self, name: &str) -> Vec<Envelope> {
        self.others.clear();
        self.tell(Input::PeersAsked {
            peer: key(name),
            question: QuestionId(7),
            own: None,
        });
        let answer = self.others.iter().find_map(|output| match output {
            Output::TellPeers {
                question,
                envelopes,
            } => {
                assert_eq!(*question, QuestionId(7));
                Some(envelopes.clone())
            }
            _ => None,
        });
        answer.expect("every question is answered")
    }

    fn rounds(&self) -> Vec<Vec<Rumour>> {
        let round = |output: &Output| match output {
            Output::Gossip(rumours) => Some(rumours.clone()),
            _ => None,
        };
        self.others.iter().filter_map(round).collect()
    }

    fn hearsay(&self) -> usize {
        self.engine.status(self.now).hearsay
    }

    /// How much invalid data is noted of a peer.
    fn invalid(&self, name: &str) -> f64 {
        self.record(name).evidence.dealings.invalid_data.latest()
    }
}

/// A friend whose own word we keep, seen a moment ago.
fn vouched(name: &str, n: u16, scope: Scope) -> PeerRecord {
    let mut record = met(name, n, SECOND, 20.0);
    record.credentials.signed_record = Some(envelope(name, 1));
    record.credentials.signed_seq = Some(1);
    record.credentials.signed_scope = Some(scope);
    record
}

#[test]
fn mistake_20_what_others_say_of_a_peer_changes_nothing_of_what_it_is_worth() {
    let mut node = Node::new(vec![
        vouched("alice", 1, Scope::Public),
        vouched("bob", 2, Scope::Public),
    ]);
    for name in ["eve1", "eve2", "eve3"] {
        node.speaker(name, "/ip4/9.9.9.9/tcp/1");
    }
    let worth = |node: &Node| {
        let (alice, now) = (key("alice"), node.now);
        let best: Vec<_> = node
            .engine
            .best(9)
            .iter()
            .map(|it| it.key.clone())
            .collect();
        let score = node.engine.explain(&alice, now).unwrap();
        let fit = node.engine.explain_for(&alice, Purpose::Bulk, now);
        (score, fit, node.engine.standing(&alice, now), best)
    };
    let before = worth(&node);
    // All of them praise her, or run her down: where she lives is all that anybody can say, and that
    // they do not know.
    for (n, name) in ["eve1", "eve2", "eve3"].into_iter().enumerate() {
        let told = word("alice", 2 + n as u64, &[address(1), address(700)]);
        node.tell(Input::Gossiped {
            peer: key(name),
            words: vec![(Word::Signed(told), 1)],
        });
    }
    assert_eq!(
        node.record("alice").credentials.signed_seq,
        Some(4),
        "they were heard"
    );
    assert_eq!(worth(&node), before);
}

#[test]
fn an_answer_is_a_small_part_of_whom_we_know() {
    let friends: Vec<_> = (0..100)
        .map(|n| vouched(&format!("p{n}"), n, Scope::Public))
        .collect();
    let mut node = Node::new(friends);
    node.tell(Input::Signed(word("me", 1, &[address(999)])));
    node.speaker("bob", "/ip4/9.9.9.9/tcp/1");
    let told = node.asked_by("bob");
    assert_eq!(told[0], envelope("me", 1), "ours goes first");
    assert_eq!(told.len(), 1 + 24, "23 % of 101, rounded up");
    let each: std::collections::BTreeSet<_> =
        told.iter().map(|told| told.as_bytes().to_vec()).collect();
    assert_eq!(each.len(), told.len(), "nobody twice");
}

#[test]
fn only_proven_peers_seen_lately_are_told_of() {
    let mut long_gone = vouched("old", 1, Scope::Public);
    let seen = Some(START - HOUR * 4);
    (long_gone.last_seen, long_gone.last_connected) = (seen, seen);
    let mut node = Node::new(vec![long_gone, vouched("alice", 2, Scope::Public)]);
    node.speaker("bob", "/ip4/9.9.9.9/tcp/1");
    node.tell(Input::PeersAsked {
        peer: key("bob"),
        question: QuestionId(1),
        own: Some(word("bob", 1, &[address(3)])),
    });
    node.speaker("carol", "/ip4/9.8.9.9/tcp/1");
    let told: Vec<_> = (0..20)
        .flat_map(|_| {
            node.pass(SECOND * 61);
            node.asked_by("carol")
        })
        .collect();
    assert!(told.contains(&envelope("alice", 1)));
    assert!(told.contains(&envelope("bob", 1)), "it said so itself");
    assert!(!told.contains(&envelope("old", 1)));
}

#[test]
fn what_is_private_is_told_to_nobody_farther_away() {
    // Whose word reaches how far, who asks, and whether it is told.
    told(Scope::Public, "/ip4/9.9.9.9/tcp/1", true);
    told(Scope::Public, "/ip4/127.0.0.1/tcp/1", true);
    told(Scope::Private, "/ip4/9.9.9.9/tcp/1", false);
    told(Scope::Private, "/ip4/10.0.0.9/tcp/1", true);
    told(Scope::Loopback, "/ip4/9.9.9.9/tcp/1", false);
    told(Scope::Loopback, "/ip4/10.0.0.9/tcp/1", false);
    told(Scope::Loopback, "/ip4/127.0.0.1/tcp/1", true);
}

#[track_caller]
fn told(scope: Scope, asker: &str, expected: bool) {
    let mut node = Node::new(vec![vouched("alice", 1, scope)]);
    node.speaker("bob", asker);
    let answer = node.asked_by("bob");
    assert_eq!(
        answer.contains(&envelope("alice", 1)),
        expected,
        "{scope:?} to {asker}"
    );
}

#[test]
fn of_our_own_addresses_the_private_ones_stay_at_home() {
    let mut node = Node::new(vec![]);
    let home: Address = "/ip4/10.0.0.1/tcp/1".parse().unwrap();
    for own in [vec![home.clone()], vec![home.clone(), address(9)]] {
        node.tell(Input::Moved {
            own,
            networks: vec![],
            place: None,
        });
        node.pass(SECOND * 31);
    }
    let signed: Vec<_> = node
        .others
        .iter()
        .filter_map(|output| match output {
            Output::Sign(addresses) => Some(addresses.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(signed, [vec![home], vec![address(9)]]);
}

#[test]
fn who_asks_too_often_is_told_nothing_and_it_counts_against_it_unless_it_was_away() {
    let mut node = Node::new(vec![vouched("alice", 1, Scope::Public)]);
    node.speaker("bob", "/ip4/9.9.9.9/tcp/1");
    assert_eq!(node.asked_by("bob").len(), 1);
    node.tell(Input::Disconnected { peer: key("bob") });
    node.pass(SECOND);
    node.speaker("bob", "/ip4/9.9.9.9/tcp/1");
    assert_eq!(node.asked_by("bob"), [], "coming back changes nothing");
    assert_eq!(
        node.invalid("bob"),
        0.0,
        "it may have crashed and forgotten"
    );
    assert_eq!(node.asked_by("bob"), []);
    assert!(node.invalid("bob") > 0.0, "twice over one connection");
    node.pass(SECOND * 61);
    assert_eq!(node.asked_by("bob").len(), 1);
}

#[test]
fn an_answer_is_taken_only_from_whom_we_asked_and_once() {
    let mut node = Node::new(vec![]);
    node.speaker("bob", "/ip4/9.9.9.9/tcp/1");
    assert_eq!(node.asks(), [key("bob")]);
    tell(&mut node, "bob", words(strangers(0..10)));
    let known = node.hearsay();
    assert!(known >= 7, "{known}: two of ten may want one seat");
    assert_eq!(node.invalid("bob"), 0.0);
    tell(&mut node, "bob", words(strangers(10..20)));
    assert_eq!(node.hearsay(), known, "nobody asked");
    assert!(node.invalid("bob") > 0.0);
}

#[test]
fn an_answer_that_breaks_a_limit_is_dropped_whole() {
    dropped(words(strangers(0..51)));
    let mut broken = words(strangers(0..10));
    broken.push(Word::Broken);
    dropped(broken);
}

#[track_caller]
fn dropped(answer: Vec<Word>) {
    let mut node = Node::new(vec![]);
    node.speaker("bob", "/ip4/9.9.9.9/tcp/1");
    tell(&mut node, "bob", answer);
    assert_eq!(node.hearsay(), 0);
    assert!(node.invalid("bob") > 0.0);
}

fn tell(node: &mut Node, name: &str, words: Vec<Word>) {
    let peer = key(name);
    node.tell(Input::PeersTold { peer, words });
}

#[test]
fn of_two_words_of_one_peer_the_newer_holds_whoever_brings_it() {
    let mut node = Node::new(vec![]);
    node.speaker("bob", "/ip4/9.9.9.9/tcp/1");
    tell(&mut node, "bob", words([word("alice", 5, &[address(1)])]));
    let gossip = |seq, n| Input::Gossiped {
        peer: key("bob"),
        words: vec![(Word::Signed(word("alice", seq, &[address(n)])), 0)],
    };
    node.tell(gossip(4, 2));
    let at = |node: &Node| -> Vec<Address> {
        let known = node.record("alice").addresses.iter();
        known.map(|known| known.address.clone()).collect()
    };
    assert_eq!(at(&node), [address(1)], "an old word");
    node.tell(gossip(6, 3));
    assert_eq!(at(&node), [address(3)], "it has moved");
    assert_eq!(node.record("alice").credentials.signed_seq, Some(6));
}

#[test]
fn what_worked_stays_whatever_a_newer_word_leaves_out() {
    let mut node = Node::new(vec![vouched("alice", 1, Scope::Public)]);
    node.speaker("bob", "/ip4/9.9.9.9/tcp/1");
    let evidence = node.record("alice").evidence.clone();
    tell(&mut node, "bob", words([word("alice", 2, &[address(7)])]));
    let alice = node.record("alice");
    assert_eq!(alice.addresses[0].address, address(1));
    assert_eq!(alice.addresses[1].address, address(7));
    assert_eq!(alice.evidence, evidence);
    assert!(alice.last_seen.is_some_and(|seen| seen < node.now));
}

#[test]
fn whose_words_prove_false_may_say_less_next_time_and_after_a_restart() {
    let mut node = Node::new(vec![]);
    node.speaker("eve", "/ip4/9.9.9.9/tcp/1");
    tell(&mut node, "eve", words(strangers(0..40)));
    for _ in 0..200 {
        let Some(dial) = node.dials.pop() else {
            node.pass(SECOND);
            continue;
        };
        if !node.cancelled.contains(&dial.id) {
            node.fail(&dial, Failure::Refused);
        }
    }
    let trust = node.engine.memory().introducers.trust_in(&key("eve"));
    assert!(trust < 0.2, "{trust}");

    let mut again = Node::with(
        rejoin_core::Config::default(),
        Snapshot {
            peers: vec![],
            ..node.stored()
        },
    );
    again.speaker("eve", "/ip4/9.9.9.9/tcp/1");
    tell(&mut again, "eve", words(strangers(100..150)));
    assert!(again.hearsay() <= 10, "{}", again.hearsay());
    let mut other = Node::new(vec![]);
    other.speaker("eve", "/ip4/9.9.9.9/tcp/1");
    tell(&mut other, "eve", words(strangers(100..150)));
    assert!(other.hearsay() > 30, "{}", other.hearsay());
}

#[test]
fn a_neighbour_is_asked_less_often_while_it_has_nothing_new() {
    let mut node = Node::new(vec![]);
    node.speaker("bob", "/ip4/9.9.9.9/tcp/1");
    let mut asked = Vec::new();
    for second in 0..4_000u64 {
        for peer in node.asks() {
            asked.push(second);
            node.others.clear();
            tell(&mut node, "bob", vec![]);
            assert_eq!(peer, key("bob"));
        }
        node.tell(Input::Received { peer: key("bob") });
        node.pass(SECOND);
    }
    let waits: Vec<_> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits.windows(2).all(|pair| pair[0] < pair[1]), "{waits:?}");
    assert!((3..8).contains(&waits.len()), "{waits:?}");
}

#[test]
fn a_rumour_is_passed_on_once_and_only_so_far() {
    let mut node = Node::new(vec![]);
    node.speaker("bob", "/ip4/9.9.9.9/tcp/1");
    for (name, hops) in [("near", 0), ("far", 2), ("too-far", 3)] {
        let signed = word(name, 1, &[address(u16::from(hops) + 1)]);
        let words = vec![(Word::Signed(signed), hops)];
        let peer = key("bob");
        node.tell(Input::Gossiped { peer, words });
    }
    node.pass(SECOND * 200);
    let rounds = node.rounds().concat();
    let hops = |name: &str| -> Vec<u8> {
        let of = rounds
            .iter()
            .filter(|rumour| rumour.envelope == envelope(name, 1));
        of.map(|rumour| rumour.hops).collect()
    };
    assert_eq!(hops("near"), [1]);
    assert_eq!(hops("far"), [3]);
    assert!(hops("too-far").is_empty(), "known here, told no further");
    assert_eq!(node.hearsay(), 3);
}

#[test]
fn mistake_21_nothing_is_passed_on_twice_even_if_it_was_forgotten_meanwhile() {
    let mut node = Node::new(vec![]);
    node.speaker("bob", "/ip4/9.9.9.9/tcp/1");
    for _ in 0..3 {
        let words = vec![(Word::Signed(word("alice", 1, &[address(1)])), 0)];
        let peer = key("bob");
        node.tell(Input::Gossiped { peer, words });
        node.pass(SECOND * 70);
    }
    let told = node.rounds().concat();
    assert_eq!(told.len(), 1, "{told:?}");
}

#[test]
fn mistake_19_gossip_over_its_limits_is_dropped_and_counted() {
    let mut node = Node::new(vec![]);
    node.speaker("eve", "/ip4/9.9.9.9/tcp/1");
    for n in 0..100 {
        let words = strangers(n * 20..n * 20 + 20);
        let words = words.into_iter().map(|it| (Word::Signed(it), 0)).collect();
        let peer = key("eve");
        node.tell(Input::Gossiped { peer, words });
    }
    assert!(
        node.hearsay() <= 80,
        "four messages a minute: {}",
        node.hearsay()
    );
    assert!(node.invalid("eve") > 0.0);
    let before = node.hearsay();
    node.pass(SECOND * 61);
    let words = vec![(Word::Signed(word("far", 1, &[address(1)])), 4)];
    let peer = key("eve");
    node.tell(Input::Gossiped { peer, words });
    assert!(node.engine.peer(&key("far")).is_none(), "it came too far");
    assert!(node.hearsay() <= before);
}

#[test]
fn who_is_not_connected_tells_nothing() {
    let mut node = Node::new(vec![]);
    let words = vec![(Word::Signed(word("alice", 1, &[address(1)])), 0)];
    let peer = key("ghost");
    node.tell(Input::Gossiped { peer, words });
    tell(&mut node, "ghost", words_of_bob());
    assert_eq!(node.asked_by("ghost"), []);
    assert_eq!(node.hearsay(), 0);
}

fn words_of_bob() -> Vec<Word> {
    words([word("bob", 1, &[address(2)])])
}

#[test]
fn every_teller_of_a_peer_is_named_as_its_source() {
    let mut node = Node::new(vec![]);
    node.speaker("bob", "/ip4/9.9.9.9/tcp/1");
    let own = word("bob", 1, &[address(3)]);
    let other = word("alice", 1, &[address(4)]);
    tell(&mut node, "bob", words([own, other]));
    let source = |name: &str| node.record(name).addresses[0].source.clone();
    assert_eq!(source("bob"), Source::Own);
    assert_eq!(source("alice"), Source::Pex(key("bob")));
    assert_eq!(node.record("bob").evidence.kind, ConnectionKind::Direct);
}

#[test]
fn a_question_is_answered_even_to_a_peer_met_a_moment_ago() {
    let mut node = Node::new(vec![vouched("alice", 1, Scope::Public)]);
    node.tell(Input::Connected(Connected {
        peer: key("bob"),
        address: "/ip4/9.9.9.9/tcp/1".parse().unwrap(),
        direction: Direction::Inbound,
        kind: ConnectionKind::Direct,
        failures: vec![],
    }));
    assert_eq!(node.asked_by("bob").len(), 1);
}
