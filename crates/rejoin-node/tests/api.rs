//! The loopback API as any program on the machine sees it: who is let in, who is not, and that
//! nobody can keep it busy.

mod common;

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
};

use common::{LONG, Node, Start, home, name_in};
use serde_json::{Value, json};
use tempfile::TempDir;

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
fn a_page_that_thinks_it_talks_to_somebody_else_is_refused() {
    let api = Api::of_a_node();
    let port = api.port;
    let hosts = [
        "Host: evil.example\r\n".to_owned(),
        format!("Host: evil.example:{port}\r\n"),
        "Host: 127.0.0.1\r\n".into(),
        format!("Host: 127.0.0.1:{port}\r\nHost: evil.example\r\n"),
        String::new(),
    ];
    for host in hosts {
        let answer = api.ask(&format!("GET /api/v1/status HTTP/1.1\r\n{host}\r\n"));
        assert!(matches!(answer.0, 400 | 403), "{host:?}: {answer:?}");
    }
    let (status, _) = api.ask(&format!(
        "GET /api/v1/status HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"
    ));
    assert_eq!(status, 200);
}

#[test]
fn no_other_origin_may_read_an_answer() {
    let api = Api::of_a_node();
    let raw = api.raw(&format!(
        "GET /api/v1/status HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nOrigin: http://evil.example\r\n\r\n",
        api.port
    ));
    assert!(!raw.to_lowercase().contains("access-control"), "{raw}");
}

#[test]
fn a_body_larger_than_any_request_is_refused() {
    let api = Api::of_a_node();
    let large = json!({ "peer": "x".repeat(20_000) });
    let (status, body) = api.post("forget", &api.token(), &large);
    assert_eq!(status, 400);
    assert_eq!(body["error"]["code"], "unreadable");
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

#[test]
fn callers_who_say_nothing_keep_nobody_out_for_long() {
    let api = Api::of_a_node();
    // As many as there is room for; they are sent away after five seconds.
    let silent: Vec<_> = (0..32).map(|_| api.connect()).collect();
    let (status, _) = api.get("status");
    assert_eq!(status, 200);
    drop(silent);
}

struct Api {
    port: u16,
    token: String,
    _node: Node,
    _home: TempDir,
}

impl Api {
    fn of_a_node() -> Self {
        let home = home();
        let (node, _) = Start::at(home.path().join("alice")).up();
        Self::of(home, node)
    }

    fn of(home: TempDir, node: Node) -> Self {
        let note = fs::read(node.data.join("node.json")).unwrap();
        let note: Value = serde_json::from_slice(&note).unwrap();
        Self {
            port: u16::try_from(note["port"].as_u64().unwrap()).unwrap(),
            token: note["token"].as_str().unwrap().into(),
            _node: node,
            _home: home,
        }
    }

    fn token(&self) -> String {
        format!("Authorization: Bearer {}\r\n", self.token)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream
    }

    fn raw(&self, request: &str) -> String {
        let mut stream = self.connect();
        let closing = request.replacen("\r\n", "\r\nConnection: close\r\n", 1);
        stream.write_all(closing.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // A refusal may come before all was said, and cut it off.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    }

    fn ask(&self, request: &str) -> (u16, Value) {
        let answer = self.raw(request);
        let status = answer.split(' ').nth(1).expect("a status").parse().unwrap();
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    fn get(&self, path: &str) -> (u16, Value) {
        let port = self.port;
        self.ask(&format!(
            "GET /api/v1/{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"
        ))
    }

    fn post(&self, path: &str, headers: &str, body: &Value) -> (u16, Value) {
        let (port, body) = (self.port, body.to_string());
        self.ask(&format!(
            "POST /api/v1/{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{headers}\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    }

    #[track_caller]
    fn refused(&self, (status, body): &(u16, Value), expected: u16, code: &str) {
        assert_eq!(
            (*status, &body["error"]["code"]),
            (expected, &json!(code)),
            "{body}"
        );
        assert!(!body["message"].as_str().unwrap().is_empty());
    }
}
