//! The loopback API as any program on the machine sees it: what there is to ask, and what it takes to
//! change something. Callers who mean harm are in `door`.

mod common;

use common::{Start, api::Api, home, name_in};
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
    api.refused(&api.get("peers?sort=beauty"), 400, "unreadable");
    api.refused(&api.get("peers/nobody"), 404, "no-such-peer");
    api.refused(&api.get("nothing"), 404, "no-such-page");
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
