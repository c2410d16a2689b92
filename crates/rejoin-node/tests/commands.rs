//! Every command as a user types it, with a node running and without one.

mod common;

use std::path::Path;

use common::{Node, Start, home, json, name_in, run};
use serde_json::Value;
use tempfile::TempDir;

const STATUS: &[&str] = &[
    "running",
    "version",
    "instance",
    "pid",
    "peer_id",
    "network",
    "started",
    "listening",
    "store",
    "store_problem",
    "connections",
    "asleep",
    "outbound",
    "outbound_reserved",
    "target",
    "proven",
    "shelved",
    "hearsay",
    "dials",
    "outage_since",
    "waiting_for",
    "last_return",
    "sources",
    "storage",
];
const LAST_RETURN: &[&str] = &[
    "since",
    "first_ms",
    "fifth_ms",
    "target_ms",
    "dials",
    "consults",
    "bootstrap_dials",
    "bootstrap_connections",
    "cached_dialled",
    "cached_connected",
    "cached_cancelled",
    "hit_rate",
];
const PEER: &[&str] = &[
    "peer",
    "name",
    "score",
    "worth",
    "pool",
    "connected",
    "pinned",
    "blocked_until",
    "bootstrap",
    "latency_ms",
    "first_seen",
    "last_seen",
    "last_connected",
    "dials_ok",
    "dials_failed",
    "agent",
    "addresses",
];

#[test]
fn a_status_has_the_documented_fields_with_and_without_a_node() {
    let company = Company::gather();
    let status = json(&company.data, &["status"]);
    assert_eq!(status["running"], true);
    let source = &status["sources"][0];
    assert_fields(source, &["address", "breaker", "failures", "kind", "until"]);
    let company = company.stop();
    let offline = json(&company.data, &["status"]);
    assert_eq!(offline["running"], false);
    for status in [status, offline] {
        assert_fields(&status, STATUS);
        assert_fields(&status["last_return"], LAST_RETURN);
        assert_fields(&status["storage"], &["unsaved", "saved", "failures"]);
        assert_eq!(status["proven"], 1);
    }
}

#[test]
fn peers_can_be_sorted_filtered_and_limited_with_and_without_a_node() {
    Company::with_and_without(|data, bob| {
        for sort in ["score", "last-seen", "latency", "name"] {
            let answer = json(data, &["peers", "--sort", sort]);
            assert_fields(&answer["peers"][0], PEER);
            assert_eq!(answer["peers"][0]["peer"], bob);
        }
        let count = |arguments: &[&str]| {
            let answer = json(data, arguments);
            let listed = answer["peers"].as_array().unwrap().len();
            (answer["total"].as_u64().unwrap(), listed)
        };
        assert_eq!(
            count(&["peers", "--filter", &bob[40..].to_lowercase()]),
            (1, 1)
        );
        assert_eq!(count(&["peers", "--filter", "127.0.0.1"]), (1, 1));
        assert_eq!(count(&["peers", "--filter", "nobody at all"]), (0, 0));
        assert_eq!(count(&["peers", "--limit", "0"]), (1, 0));
        for (wish, fits, does_not) in [
            ("--pool", "proven", "hearsay"),
            ("--connection", "direct", "relayed"),
            ("--transport", "tcp", "webrtc"),
            ("--netgroup", "loopback", "203.0.0.0/16"),
            ("--source", "bootstrap", "import:chiral"),
            ("--score-min", "0.01", "1"),
            ("--seen-within", "1h", "0s"),
            ("--known-for", "0s", "1day"),
        ] {
            assert_eq!(count(&["peers", wish, fits]), (1, 1), "{wish} {fits}");
            let nobody = count(&["peers", wish, does_not]);
            assert_eq!(nobody, (0, 0), "{wish} {does_not}");
        }
        assert_eq!(count(&["peers", "--tag", "room"]), (0, 0));
        assert_eq!(count(&["peers", "--after", bob]), (1, 0));
        assert!(words(data, &["peers"]).contains(&bob[bob.len() - 8..]));
    });
}

#[test]
fn peers_can_be_chosen_for_a_purpose_with_and_without_a_node() {
    Company::with_and_without(|data, bob| {
        for purpose in ["bulk", "latency", "storage"] {
            let answer = json(data, &["peers", "--for", purpose]);
            let worth = &answer["peers"][0]["worth"];
            assert!(worth.as_f64().unwrap() > 0.0, "{answer}");
            let why = json(data, &["why", bob, "--for", purpose]);
            assert_eq!(why["for"], purpose);
            assert!((why["score"].as_f64().unwrap() - worth.as_f64().unwrap()).abs() < 0.05);
            assert!(words(data, &["why", bob, "--for", purpose]).contains("availability"));
        }
        let relays = json(data, &["peers", "--for", "relay"]);
        assert_eq!(relays["total"], 0, "bob does not relay");
        assert!(json(data, &["peers"])["peers"][0]["worth"].is_null());
    });
}

#[test]
fn why_gives_every_term_with_and_without_a_node() {
    Company::with_and_without(|data, bob| {
        let why = json(data, &["why", &bob[bob.len() - 6..]]);
        assert_fields(&why, &["peer", "for", "score", "terms", "factors"]);
        for term in [&why["terms"][0], &why["factors"][0]] {
            assert_fields(term, &["name", "value", "weight", "because"]);
        }
        let said = words(data, &["why", bob]);
        let terms = why["terms"].as_array().unwrap().iter();
        for term in terms.chain(why["factors"].as_array().unwrap()) {
            assert!(said.contains(term["name"].as_str().unwrap()), "{said}");
        }
    });
}

#[test]
fn a_pin_holds_until_it_is_undone_with_and_without_a_node() {
    Company::with_and_without(|data, bob| {
        assert_done(&json(data, &["pin", bob]), bob, "pinned");
        assert_eq!(json(data, &["peers"])["peers"][0]["pinned"], true);
        assert_done(&json(data, &["pin", bob, "--undo"]), bob, "unpinned");
        assert_eq!(json(data, &["peers"])["peers"][0]["pinned"], false);
    });
}

#[test]
fn a_block_holds_until_it_is_undone_with_and_without_a_node() {
    Company::with_and_without(|data, bob| {
        let blocked = json(data, &["block", bob, "--for", "1h"]);
        assert_done(&blocked, bob, "blocked");
        let until = &json(data, &["peers"])["peers"][0]["blocked_until"];
        let off_by = until
            .as_u64()
            .unwrap()
            .abs_diff(blocked["until"].as_u64().unwrap());
        assert!(off_by < 1_000, "{off_by} ms");
        assert_done(&json(data, &["block", bob, "--undo"]), bob, "unblocked");
        assert!(json(data, &["peers"])["peers"][0]["blocked_until"].is_null());
    });
}

#[test]
fn a_stranger_can_be_blocked_by_full_name_with_and_without_a_node() {
    Company::with_and_without(|data, _| {
        let carol = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
        assert_done(
            &json(data, &["block", carol, "--for", "1h"]),
            carol,
            "blocked",
        );
        let found = json(data, &["peers", "--filter", carol]);
        assert!(found["peers"][0]["blocked_until"].is_u64());
        fails(data, &["pin", "12D3KooWNobody"], 4, "nobody in memory");
    });
}

#[test]
fn pruning_says_what_it_does_with_and_without_a_node() {
    Company::with_and_without(|data, _| {
        for arguments in [&["prune", "--dry-run"][..], &["prune"]] {
            let report = json(data, arguments);
            assert_fields(&report, &["dry_run", "checked", "fates"]);
            assert_eq!(report["dry_run"], arguments.len() == 2);
            assert_eq!(report["checked"], 1);
        }
    });
}

#[test]
fn a_forgotten_peer_is_gone_without_a_node() {
    let company = Company::gather().stop();
    let bob = &company.bob;
    assert_done(&json(&company.data, &["forget", bob]), bob, "forgotten");
    assert_eq!(json(&company.data, &["peers"])["total"], 0);
}

#[test]
fn a_forgotten_peer_is_gone_with_a_node() {
    let mut company = Company::gather();
    drop(company.other.take()); // or it would come back as a stranger
    let bob = company.bob.clone();
    assert_done(&json(&company.data, &["forget", &bob]), &bob, "forgotten");
    assert_eq!(json(&company.data, &["peers"])["total"], 0);
    let company = company.stop();
    assert_eq!(json(&company.data, &["peers"])["total"], 0, "and stays so");
}

#[test]
fn connecting_says_whom_it_reached_or_why_it_did_not() {
    let home = home();
    let data = home.path().join("alice");
    let (_bob, at_bob) = Start::at(home.path().join("bob")).up();
    let (_alice, at_alice) = Start::at(&data).up();
    let (place, bob) = at_bob.rsplit_once("/p2p/").unwrap();
    let connected = json(&data, &["connect", place]);
    assert_fields(&connected, &["peer", "took_ms", "already"]);
    assert_eq!(
        (&connected["peer"], &connected["already"]),
        (&bob.into(), &false.into())
    );
    let again = json(&data, &["connect", &bob[bob.len() - 6..]]);
    assert_eq!(again["already"], true);

    fails(&data, &["connect", "127.0.0.1:1"], 1, "refused");
    fails(&data, &["connect", &at_alice], 1, "this node itself");
    let carol = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
    fails(
        &data,
        &["connect", &format!("{place}/p2p/{carol}")],
        1,
        "somebody else",
    );
    fails(&data, &["connect", "nobody"], 4, "nobody in memory");
}

#[test]
fn what_cannot_be_done_has_its_exit_code_and_a_remedy() {
    let home = home();
    let data = home.path().join("alice");
    fails(&data, &["connect", "127.0.0.1:1"], 1, "rejoin up");
    fails(&data, &["why", "nobody"], 4, "rejoin peers");
    fails(&data, &["dance"], 2, "unrecognized");
    fails(&data, &["block", "bob"], 2, "--for");
    assert!(!data.exists(), "asking creates nothing");
}

#[test]
fn completions_are_a_script_for_the_shell() {
    let home = home();
    for shell in ["bash", "zsh", "fish"] {
        assert!(words(home.path(), &["completions", shell]).contains("rejoin"));
    }
}

/// A node that has met another one.
struct Company {
    data: std::path::PathBuf,
    bob: String,
    node: Option<Node>,
    other: Option<Node>,
    _home: TempDir,
}

impl Company {
    fn gather() -> Self {
        let home = home();
        let data = home.path().join("alice");
        let (other, at_bob) = Start::at(home.path().join("bob")).up();
        let (node, _) = Start::at(&data).knowing(&at_bob).up();
        node.wait_for_peer(name_in(&at_bob));
        Self {
            data,
            bob: name_in(&at_bob).into(),
            node: Some(node),
            other: Some(other),
            _home: home,
        }
    }

    fn stop(mut self) -> Self {
        let stopped = self.node.take().map(Node::stop);
        assert!(stopped.is_some_and(|status| status.success()));
        self
    }

    fn with_and_without(check: impl Fn(&Path, &str)) {
        let company = Self::gather();
        check(&company.data, &company.bob);
        let company = company.stop();
        check(&company.data, &company.bob);
    }
}

fn words(data: &Path, arguments: &[&str]) -> String {
    let output = run(data, arguments);
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn fails(data: &Path, arguments: &[&str], code: i32, remedy: &str) {
    let output = run(data, arguments);
    let said = String::from_utf8_lossy(&output.stderr).to_lowercase();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    assert!(said.contains(remedy), "{arguments:?}: {said}");
    assert!(output.stdout.is_empty(), "messages go to stderr");
}

#[track_caller]
fn assert_fields(object: &Value, fields: &[&str]) {
    let mut found: Vec<_> = object.as_object().unwrap().keys().collect();
    let mut expected = fields.to_vec();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[track_caller]
fn assert_done(answer: &Value, peer: &str, done: &str) {
    assert_fields(answer, &["peer", "done", "until"]);
    assert_eq!(
        (&answer["peer"], &answer["done"]),
        (&peer.into(), &done.into())
    );
}
