//! Facts, and what the doctor makes of them. Codes stand for findings, in their order.

use std::path::PathBuf;

use rejoin::{PeerKey, Status};
use rejoin_core::{ReachStatus, RelayStatus, TestStatus, status::SourceStatus};

use super::*;
use crate::finding::Level;

const NOW: Time = Time::from_millis(1_800_000_000_000);
const HERE: &str = "/ip4/127.0.0.1/tcp/1";
const LAN: &str = "/ip4/192.168.1.7/tcp/1";
const INTERNET: &str = "/ip4/8.8.4.4/tcp/1";
const CARRIER: &str = "/ip4/100.64.0.9/tcp/1";
const CIRCUIT: &str =
    "/ip4/8.8.8.8/tcp/1/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN/p2p-circuit";

#[test]
fn without_a_node_clock_and_store_are_looked_at() {
    check(|_| {}, &["not-running", "clock-plausible", "store-well"]);
    check(
        |it| it.disk.empty = true,
        &["not-running", "clock-plausible", "nothing-kept"],
    );
    let why = "it is busy".to_owned();
    check(
        |it| it.node = NodeState::Silent { why: why.clone() },
        &["node-silent", "clock-plausible", "store-well"],
    );
}

#[test]
fn reached_from_the_internet_nothing_else_matters() {
    reach(
        &[LAN],
        |it| tried(it, INTERNET, true),
        &["reached-from-internet"],
    );
    reach(
        &[LAN],
        |it| {
            it.status.reach.visited_from = Some(Scope::Public);
            it.router = Router::Absent;
        },
        &["reached-from-internet"],
    );
}

#[test]
fn reached_on_the_lan_the_internet_may_still_be_shut_out() {
    reach(
        &[HERE, LAN],
        |it| tried(it, LAN, true),
        &["reached-on-lan", "only-private"],
    );
    reach(
        &[LAN],
        |it| {
            tried(it, LAN, true);
            tried(it, INTERNET, false);
        },
        &[
            "reached-on-lan",
            "not-reached",
            "no-relay-known",
            "only-private",
        ],
    );
}

#[test]
fn tried_in_vain_is_trouble_unless_a_relay_helps() {
    let shut_out = |it: &mut Running| tried(it, INTERNET, false);
    reach(
        &[LAN],
        shut_out,
        &["not-reached", "no-relay-known", "only-private"],
    );
    reach(
        &[LAN],
        |it| {
            shut_out(it);
            it.status.reach.relays_known = 1;
        },
        &["not-reached", "only-private"],
    );
    reach(
        &[LAN, CIRCUIT],
        |it| {
            shut_out(it);
            relayed(it);
        },
        &["reached-by-relay", "not-reached-straight", "only-private"],
    );
}

#[test]
fn not_known_yet_is_said_and_is_no_trouble() {
    let unknown = ["reach-not-known", "only-private"];
    reach(&[LAN], |_| {}, &unknown);
    reach(&[INTERNET], |it| it.testers = 3, &["reach-not-known"]);
    assert_eq!(Finding::ReachNotKnown { testers: 0 }.level(), Level::Note);
}

#[test]
fn what_stands_in_the_way_is_named() {
    let way = |listening: &[&str], router, code| {
        let codes = ["reach-not-known", code, "only-private"];
        let codes = match code {
            "carrier-nat" => codes.to_vec(),
            _ => vec!["reach-not-known", "only-private", code],
        };
        reach(listening, |it| it.router = router, &codes);
    };
    way(&[CARRIER], Router::NotAsked, "carrier-nat");
    way(&[LAN], Router::Absent, "router-silent");
    way(&[LAN], Router::Shadowed, "router-shadowed");
    way(&[LAN], Router::Forbidden, "router-not-asked");
    way(&[LAN], Router::Opened, "router-opened");
}

#[test]
fn a_node_of_this_machine_only_is_told_so_and_is_well() {
    reach(&[HERE], |_| {}, &["only-this-machine"]);
    reach(&[HERE], |it| tried(it, HERE, true), &["only-this-machine"]);
    assert_eq!(Finding::OnlyThisMachine.level(), Level::Note);
}

#[test]
fn listening_nowhere_is_trouble_unless_a_relay_keeps_a_slot() {
    reach(&[], |_| {}, &["no-listener"]);
    reach(&[CIRCUIT], relayed, &["reached-by-relay"]);
}

#[test]
fn who_is_there_is_told() {
    company(|it| it.connections = 3, &["connected"]);
    company(|_| {}, &["knows-nobody"]);
    company(|it| it.proven = 1, &["nobody-answers"]);
    company(
        |it| {
            it.proven = 1;
            it.outage_since = Some(NOW);
        },
        &["own-outage"],
    );
    company(
        |it| it.sources = vec![server("closed")],
        &["nobody-answers"],
    );
    company(
        |it| it.sources = vec![server("open"), server("half-open"), server("closed")],
        &["nobody-answers", "sources-silent"],
    );
}

#[test]
fn silent_sources_are_trouble_only_while_nobody_is_connected() {
    let silent = |connected| Finding::SourcesSilent {
        open: 1,
        of: 1,
        connected,
    };
    assert_eq!(silent(true).level(), Level::Note);
    assert_eq!(silent(false).level(), Level::Trouble);
}

#[test]
fn a_clock_that_cannot_be_right_is_trouble() {
    let minutes = |n: u64| Some(NOW + std::time::Duration::from_secs(n * 60));
    let clock = |change: &dyn Fn(&mut Checkup), codes: &[&str]| {
        let expected: Vec<_> = ["not-running"]
            .into_iter()
            .chain(codes.iter().copied())
            .chain(["store-well"])
            .collect();
        check(change, &expected);
    };
    clock(&|it| it.program_from = minutes(1), &["clock-plausible"]);
    clock(
        &|it| it.program_from = minutes(2),
        &["clock-before-program"],
    );
    clock(&|it| it.memory.newest = minutes(1), &["clock-plausible"]);
    clock(
        &|it| it.memory.newest = minutes(2),
        &["memory-ahead-of-clock"],
    );
    let mended = |secs| Notice::Mended {
        values: 1,
        ahead: std::time::Duration::from_secs(secs),
    };
    clock(
        &|it| it.memory.notices = vec![mended(60)],
        &["clock-plausible", "values-repaired"],
    );
    clock(
        &|it| it.memory.notices = vec![mended(61)],
        &["memory-ahead-of-clock", "values-repaired"],
    );
    clock(
        &|it| it.memory.repaired = 3,
        &["clock-plausible", "values-repaired"],
    );
}

#[test]
fn a_store_that_does_not_keep_is_trouble() {
    store(|it| it.disk.forgets = true, &["store-forgets"]);
    store(
        |it| it.disk.free_bytes = Some(FREE_BYTES_MIN),
        &["store-well"],
    );
    store(
        |it| it.disk.free_bytes = Some(FREE_BYTES_MIN - 1),
        &["disk-full"],
    );
    store(|it| it.memory.failures = 1, &["not-saved"]);
    store(
        |it| it.memory.problem = Some("locked".into()),
        &["store-closed"],
    );
    let unwritable = vec![(PathBuf::from("peers.db"), "no right".into())];
    store(
        |it| it.disk.unwritable = unwritable.clone(),
        &["not-writable"],
    );
}

#[test]
fn what_was_found_on_opening_is_told_unless_it_is_usual() {
    let path = PathBuf::from("peers.db");
    let found = |notice: Notice, codes: &[&str]| {
        store(|it| it.memory.notices = vec![notice.clone()], codes);
    };
    found(Notice::Created { path: path.clone() }, &["store-well"]);
    found(Notice::Empty { path: path.clone() }, &["store-replaced"]);
    found(
        Notice::Damaged {
            kept: path.clone(),
            path,
            why: "torn".into(),
            salvaged: 1,
            restored: 0,
            lost: 1,
        },
        &["store-damaged"],
    );
}

#[test]
fn each_transport_says_whether_it_was_reached() {
    let mut node = listening(&[LAN, HERE, "/ip4/192.168.1.7/udp/1/quic-v1", CIRCUIT]);
    tried(&mut node, INTERNET, false);
    let found: Vec<_> = transports(&node)
        .into_iter()
        .map(|it| (it.transport, it.addresses.len(), it.reached))
        .collect();
    assert_eq!(
        found,
        [
            (Transport::Tcp, 2, Known::No),
            (Transport::Quic, 1, Known::NotYet),
            (Transport::Relay, 1, Known::Yes),
        ]
    );
}

#[test]
fn every_trouble_has_a_remedy() {
    let why = String::new;
    for trouble in [
        Finding::NodeSilent { why: why() },
        Finding::NoListener,
        Finding::NotReached,
        Finding::OwnOutage { since_ms: 1 },
        Finding::KnowsNobody,
        Finding::NobodyAnswers { known: 1, dials: 1 },
        Finding::ClockBeforeProgram { behind_ms: 1 },
        Finding::MemoryAheadOfClock { ahead_ms: 1 },
        Finding::StoreClosed { why: why() },
        Finding::StoreDamaged { notice: why() },
        Finding::DiskFull { free_bytes: 1 },
    ] {
        assert_eq!(trouble.level(), Level::Trouble, "{trouble:?}");
        assert!(trouble.remedy().is_some(), "{trouble:?}");
    }
}

fn reach(addresses: &[&str], change: impl Fn(&mut Running), codes: &[&str]) {
    let mut node = listening(addresses);
    node.status.connections = 1;
    change(&mut node);
    let rest = ["connected", "clock-plausible", "store-well"];
    let expected: Vec<_> = codes.iter().copied().chain(rest).collect();
    check(
        |it| it.node = NodeState::Runs(Box::new(node.clone())),
        &expected,
    );
}

fn company(change: impl Fn(&mut Status), codes: &[&str]) {
    let mut node = listening(&[HERE]);
    change(&mut node.status);
    let rest = ["clock-plausible", "store-well"];
    let expected: Vec<_> = ["only-this-machine"]
        .into_iter()
        .chain(codes.iter().copied())
        .chain(rest)
        .collect();
    check(
        |it| it.node = NodeState::Runs(Box::new(node.clone())),
        &expected,
    );
}

fn store(change: impl Fn(&mut Checkup), codes: &[&str]) {
    let first = ["not-running", "clock-plausible"];
    let expected: Vec<_> = first.into_iter().chain(codes.iter().copied()).collect();
    check(change, &expected);
}

/// The one place that knows how a diagnosis is made.
#[track_caller]
fn check(change: impl Fn(&mut Checkup), codes: &[&str]) {
    let mut checkup = Checkup {
        now: NOW,
        ..Checkup::default()
    };
    checkup.disk.store = "sqlite:peers.db".into();
    change(&mut checkup);
    let found: Vec<_> = diagnose(&checkup).iter().map(code).collect();
    assert_eq!(found, codes);
}

fn code(finding: &Finding) -> String {
    assert!(!finding.what().is_empty());
    let json = serde_json::to_value(finding).unwrap();
    json["code"].as_str().unwrap().to_owned()
}

fn listening(addresses: &[&str]) -> Running {
    Running {
        listening: addresses.iter().map(|it| it.parse().unwrap()).collect(),
        status: Status {
            reach: ReachStatus::default(),
            ..Status::default()
        },
        ..Running::default()
    }
}

fn tried(node: &mut Running, address: &str, reached: bool) {
    node.status.reach.tests.push(TestStatus {
        address: address.parse().unwrap(),
        reached,
        at: NOW,
    });
}

fn relayed(node: &mut Running) {
    let peer: PeerKey = "relay".parse().unwrap();
    let since = Some(NOW);
    node.status.reach.relays.push(RelayStatus { peer, since });
}

fn server(breaker: &'static str) -> SourceStatus {
    SourceStatus {
        name: "seed".into(),
        kind: "manual",
        breaker,
        failures: 1,
        until: None,
    }
}
