//! The loopback API as any program on the machine sees it: what there is to ask, and what it takes to
//! change something. Callers who mean harm are in `door`.

mod common;

use std::collections::BTreeSet;

use common::{Start, api::Api, home, name_in};
use libp2p::PeerId;
use serde_json::json;

#[test]
fn whoever_only_looks_needs_no_token() {
    let api = Api::of_a_node();
    for path in ["status", "peers", "timeline", "doctor", "prune"] {
        let (status, body) = api.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        assert!(body.is_object());
    }
}

#[test]
fn changing_something_takes_the_token() {
    let api = Api::of_a_node();
    for path in ["connect", "forget", "pin", "block", "prune"] {
        api.refused(&api.post(path, "", &json!({})), 401, "forbidden");
        let wrong = "Authorization: Bearer 0000\r\n";
        api.refused(&api.post(path, wrong, &json!({})), 401, "forbidden");
    }
    let (status, _) = api.post("prune", &api.token(), &json!({}));
    assert_eq!(status, 200);
}

#[test]
fn what_makes_no_sense_is_refused_with_a_reason() {
    let api = Api::of_a_node();
    let token = api.token();
    api.refused(
        &api.post("forget", &token, &json!({ "who": "x" })),
        400,
        "unreadable",
    );
    api.refused(
        &api.post("forget", &token, &json!({ "peer": "x" })),
        404,
        "no-such-peer",
    );
    api.refused(
        &api.post("block", &token, &json!({ "peer": "x" })),
        400,
        "unreadable",
    );
    for query in [
        "sort=beauty",
        "pool=deep",
        "score-min=high",
        "seen-within-s=1h",
    ] {
        api.refused(&api.get(&format!("peers?{query}")), 400, "unreadable");
    }
    api.refused(&api.get("peers?after=nobody"), 404, "no-such-peer");
    api.refused(&api.get("peers/nobody"), 404, "no-such-peer");
    api.refused(&api.get("nothing"), 404, "no-such-page");
}

#[test]
fn a_memory_is_read_page_by_page_and_only_as_far_as_it_fits() {
    let api = Api::of_a_node();
    let told = |n: u8| {
        let addresses = [format!("/ip4/8.8.{n}.4/tcp/1")];
        json!({ "peer": PeerId::random().to_string(), "addresses": addresses })
    };
    let told: Vec<_> = (0..9).map(told).collect();
    let (status, answer) = api.post("import", &api.token(), &json!({ "peers": told }));
    // Two that belong to one seat of the hearsay cannot both have it.
    let known = answer["new"].as_u64().unwrap();
    assert!(status == 200 && known > 4, "{answer}");
    let (mut names, mut after) = (Vec::new(), String::new());
    loop {
        let (_, page) = api.get(&format!("peers?sort=name&source=import&limit=2{after}"));
        assert_eq!(page["total"], known, "{page}");
        let rows = page["peers"].as_array().unwrap();
        names.extend(
            rows.iter()
                .map(|row| row["peer"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(last) => after = format!("&after={last}"),
            None => break,
        }
    }
    assert_eq!(names.len() as u64, known);
    assert_eq!(
        BTreeSet::from_iter(&names).len(),
        names.len(),
        "each of them once"
    );
    let (_, seen) = api.get("peers?source=import&netgroup=8.8.0.0/16&seen-within-s=3600");
    assert_eq!(seen["total"], 0, "of none we know that it lives");
    let (_, all) = api.get("peers?source=import&netgroup=8.8.0.0/16&pool=hearsay&transport=tcp");
    assert_eq!(all["total"], known);
}

#[test]
fn one_peer_can_be_had_whole_and_with_every_reason_for_its_score() {
    let home = home();
    let (_bob, at_bob) = Start::at(home.path().join("bob")).up();
    let (alice, _) = Start::at(home.path().join("alice")).knowing(&at_bob).up();
    alice.wait_for_peer(name_in(&at_bob));
    let api = Api::of(home, alice);
    let name = name_in(&at_bob);
    let end = &name[name.len() - 6..];
    let (_, peer) = api.get(&format!("peers/{end}"));
    assert_eq!(peer["peer"]["peer"], name);
    assert_eq!(peer["record"]["key"], name);
    let (_, why) = api.get(&format!("peers/{end}/why"));
    assert_eq!(why["terms"].as_array().unwrap().len(), 5);
    let (_, timeline) = api.get("timeline");
    let dial = &timeline["dials"][0];
    assert_eq!(
        (&dial["lane"], &dial["outcome"]),
        (&json!("bootstrap"), &json!("connected"))
    );
}
