//! A node that remembers more peers than it holds in memory: whoever asks sees them all.

mod common;

use std::{collections::BTreeSet, path::Path};

use common::{Start, api::Api, home, json, run};
use rejoin::{PeerKey, PeerRecord, Source, Time};
use rejoin_core::{AddressRecord, Changes, Counts, PeerDelta, decay::Decayed};
use serde_json::{Value, json};

/// The least a node can be told to hold.
const HOT: &str = "100";
const ALL: usize = 400;

#[test]
fn without_a_node_every_command_sees_whoever_is_on_the_disk_alone() {
    let home = home();
    let data = home.path();
    let names = fill(data);
    std::fs::write(
        data.join("limits.json"),
        r#"{"remember": 1000, "hot": 100}"#,
    )
    .unwrap();

    let status = json(data, &["status"]);
    assert_eq!(
        (&status["proven"], &status["shelved"]),
        (&json!(100), &json!(300))
    );
    for sort in ["score", "name", "last-seen", "latency"] {
        let listed = page_by_page(|after| {
            let mut ask = vec!["peers", "--limit", "70", "--sort", sort];
            ask.extend(after.map(|_| "--after"));
            ask.extend(after);
            json(data, &ask)
        });
        let all = {
            let wide = common::home();
            std::fs::copy(data.join("peers.db"), wide.path().join("peers.db")).unwrap();
            in_page(&json(wide.path(), &["peers", "--sort", sort]))
        };
        assert_eq!(listed, all, "by {sort}");
    }
    // The worst of all.
    let shelved = &names[0];
    let found = json(data, &["peers", "--filter", &shelved[..]]);
    assert_eq!(in_page(&found), names[..1]);
    let short = run(data, &["pin", &shelved[shelved.len() - 8..]]);
    assert!(String::from_utf8_lossy(&short.stderr).contains("in full"));
    json(data, &["pin", shelved]);
    let pinned = json(data, &["peers", "--filter", shelved]);
    assert_eq!(pinned["peers"][0]["pinned"], true);
    assert_eq!(pinned["peers"][0]["first_seen"], FIRST_SEEN.as_millis());
    assert!(json(data, &["why", shelved])["score"].is_number());
    json(data, &["forget", shelved]);
    assert_eq!(streamed(data, &[]).len(), ALL - 1);
    assert_eq!(streamed(data, &["--filter", &names[1]]), names[1..2]);
}

#[test]
fn a_running_node_answers_for_those_on_the_disk_too_and_forgets_nobody() {
    let home = home();
    let data = home.path().to_owned();
    let names = fill(&data);
    let start = Start::at(&data)
        .with("--hot", HOT)
        .with("--remember", "1000");
    let (node, _) = start.up();
    let api = Api::of(home, node);
    let status = loop {
        let (_, status) = api.get("status");
        if status["shelved"] != 0 {
            break status;
        }
    };
    let held = status["proven"].as_u64().unwrap();
    assert!(held <= 100, "{status}");
    let listed = page_by_page(|after| {
        let after = after.map_or_else(String::new, |after| format!("&after={after}"));
        api.get(&format!("peers?limit=70{after}")).1
    });
    assert_eq!(listed.len(), ALL);
    let (_, found) = api.get(&format!("peers?filter={}", names[0]));
    assert_eq!(in_page(&found), names[..1]);
    let (code, peer) = api.get(&format!("peers/{}", names[0]));
    assert_eq!((code, &peer["peer"]["peer"]), (200, &json!(names[0])));
    assert_eq!(api.get(&format!("peers/{}/why", names[0])).0, 200);
    let nobody = names[0].replace("12D3KooW", "12D3KooX");
    api.refused(&api.get(&format!("peers/{nobody}")), 404, "no-such-peer");
    let lines = streamed_by(&api, "");
    assert_eq!(lines.len(), ALL);
    let rest = streamed_by(&api, &format!("?after={}", lines[149]));
    assert_eq!(rest, lines[150..]);
    let gone = json!({"peer": names[1]});
    assert_eq!(api.post("forget", &api.token(), &gone).0, 200);

    let (node, _home) = api.end();
    node.wait_until_all_saved();
    assert!(node.stop().success());
    // Started without the options it goes on remembering as many.
    let (node, _) = Start::at(&data).up();
    assert!(node.stop().success());
    let expected: BTreeSet<_> = names.iter().filter(|name| **name != names[1]).collect();
    assert_eq!(
        streamed(&data, &[]).iter().collect::<BTreeSet<_>>(),
        expected
    );
}

#[test]
fn fewer_in_memory_than_a_node_can_work_with_are_refused() {
    let home = home();
    let refused = run(home.path(), &["up", "--hot", "99"]);
    assert_eq!(refused.status.code(), Some(2));
    std::fs::write(home.path().join("limits.json"), b"{").unwrap();
    for command in [&["up"][..], &["peers"]] {
        let refused = run(home.path(), command);
        assert!(!refused.status.success());
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(said.contains("limits.json"), "{said}");
    }
}

const FIRST_SEEN: Time = Time::from_millis(1_760_000_000_000);

/// A memory of so many peers, the worst first; none of them can be dialled.
fn fill(data: &Path) -> Vec<String> {
    let keys: Vec<PeerKey> = (0..ALL as u64).map(key).collect();
    let seen = rejoin_libp2p::now();
    let met = keys.iter().enumerate().map(|(n, key)| {
        let mut record = PeerRecord::new(key.clone(), FIRST_SEEN);
        let address = format!("/ip4/192.0.2.{}/tcp/4001", n % 250)
            .parse()
            .unwrap();
        record
            .addresses
            .push(AddressRecord::new(address, Source::Swarm, FIRST_SEEN));
        record.last_seen = Some(seen);
        record.last_connected = Some(seen);
        record.evidence.latency_ms = (n % 3 > 0).then_some(n as f32);
        record.evidence.dials_ok = Decayed::new(n as f64 + 1.0, seen);
        let unsaved = Counts::of(&record.evidence);
        PeerDelta { record, unsaved }
    });
    let changes = Changes {
        peers: met.collect(),
        ..Changes::default()
    };
    let url = format!("sqlite:{}", data.join("peers.db").display());
    let mut store = rejoin_store::open(&url, seen).unwrap().store;
    store.commit(&changes, seen).unwrap();
    store.close().unwrap();
    keys.iter().map(ToString::to_string).collect()
}

fn key(n: u64) -> PeerKey {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&n.to_be_bytes());
    let keypair = libp2p::identity::Keypair::ed25519_from_bytes(seed).unwrap();
    keypair.public().to_peer_id().into()
}

/// Everybody listed, and that no page but the last says that there is none behind it.
fn page_by_page(ask: impl Fn(Option<&str>) -> Value) -> Vec<String> {
    let mut listed: Vec<String> = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let answer = ask(after.as_deref());
        assert_eq!(answer["total"], ALL, "{}", answer["next"]);
        listed.extend(in_page(&answer));
        match answer["next"].as_str() {
            Some(next) => after = Some(next.into()),
            None => return listed,
        }
    }
}

fn in_page(answer: &Value) -> Vec<String> {
    let peers = answer["peers"].as_array().unwrap().iter();
    peers
        .map(|peer| peer["peer"].as_str().unwrap().into())
        .collect()
}

fn streamed_by(api: &Api, begin: &str) -> Vec<String> {
    let port = api.port;
    let answer = api.raw(&format!(
        "GET /api/v1/peers/stream{begin} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"
    ));
    names_in(&answer)
}

fn streamed(data: &Path, filter: &[&str]) -> Vec<String> {
    let output = run(data, &[&["peers", "--stream"], filter].concat());
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    names_in(&text)
}

/// What is no line of JSON says how long a piece is, or belongs to a head.
fn names_in(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| line.starts_with('{'));
    let peers = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    peers
        .map(|peer| peer["peer"].as_str().unwrap().to_owned())
        .collect()
}
