//! The loopback API and those who mean harm: pages of other sites, programs without the token, and
//! whoever would keep it busy.

mod common;

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::Duration,
};

use common::api::Api;
use serde_json::json;

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
fn a_page_of_another_site_may_neither_look_nor_change_anything() {
    let api = Api::of_a_node();
    let foreign = "Origin: http://evil.example\r\n";
    let picture = "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n";
    for headers in [foreign, picture] {
        api.refused(&api.look("status", headers), 403, "wrong-origin");
        let with_token = [headers, &api.token()].concat();
        let answer = api.post("prune", &with_token, &json!({}));
        api.refused(&answer, 403, "wrong-origin");
    }
    let ours = format!("Origin: http://127.0.0.1:{}\r\n", api.port);
    assert_eq!(api.look("status", &ours).0, 200);
}

#[test]
fn whatever_is_answered_says_how_it_is_to_be_treated_and_lets_no_other_origin_read_it() {
    let api = Api::of_a_node();
    let port = api.port;
    let begin = |line: &str| format!("{line} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n");
    let requests = [
        begin("GET /api/v1/status"),
        begin("GET /api/v1/nothing"),
        begin("POST /api/v1/prune"),
        begin("DELETE /api/v1/status"),
        begin("OPTIONS /api/v1/prune") + "Origin: http://evil.example\r\n",
        "GET /api/v1/status HTTP/1.1\r\nHost: evil.example\r\n".into(),
    ];
    for request in requests {
        let answer = api.raw(&format!("{request}\r\n")).to_lowercase();
        for header in [
            "x-content-type-options: nosniff\r\n",
            "cache-control: no-store\r\n",
            "content-security-policy: default-src 'none'; frame-ancestors 'none'\r\n",
            "referrer-policy: no-referrer\r\n",
            "cross-origin-resource-policy: same-origin\r\n",
        ] {
            assert!(answer.contains(header), "{request}: {answer}");
        }
        assert!(!answer.contains("access-control"), "{request}: {answer}");
    }
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
fn more_headers_than_anybody_needs_are_refused() {
    let api = Api::of_a_node();
    let many: String = (0..100).map(|n| format!("X-{n}: y\r\n")).collect();
    assert_eq!(api.look("status", &many).0, 431);
    let long = format!("X: {}\r\n", "y".repeat(64 * 1024));
    assert_eq!(api.look("status", &long).0, 431);
}

#[test]
fn whoever_is_slow_is_sent_away() {
    let api = Api::of_a_node();
    let port = api.port;
    let headers = format!("GET /api/v1/status HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n");
    let token = api.token();
    let slow = [
        ("says nothing", String::new()),
        ("never ends its headers", headers.clone()),
        ("asks nothing any more", format!("{headers}\r\n")),
        (
            "never ends its body",
            format!(
                "POST /api/v1/prune HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{token}\
                 Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{{"
            ),
        ),
    ];
    let lines = slow.map(|(who, says)| {
        let mut line = api.connect();
        line.write_all(says.as_bytes()).unwrap();
        (who, line)
    });
    for (who, mut line) in lines {
        // Five seconds are allowed to each; together they take no longer.
        assert!(is_over(&mut line, Duration::from_secs(7)), "who {who}");
    }
}

#[test]
fn any_number_of_callers_who_say_nothing_keeps_nobody_out() {
    let api = Api::of_a_node();
    let mut silent: Vec<_> = (0..200).map(|_| api.connect()).collect();
    // Long before the first of them are sent away for saying nothing.
    let mut good = api.connect();
    good.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    let request = "GET /api/v1/status HTTP/1.1\r\nHost: 127.0.0.1:";
    write!(good, "{request}{}\r\n\r\n", api.port).unwrap();
    let mut answer = [0; 15];
    good.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    let first = &mut silent[0];
    assert!(is_over(first, Duration::from_secs(1)), "it makes room");
}

/// Whether the other end hangs up, or has, within so long.
fn is_over(line: &mut TcpStream, within: Duration) -> bool {
    line.set_read_timeout(Some(within)).unwrap();
    match line.read_to_end(&mut Vec::new()) {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}

#[test]
fn a_flood_is_told_to_wait_and_neither_keeps_the_owner_out_nor_lasts() {
    let api = Api::of_a_node();
    let flooded = (0..1_000).find_map(|_| {
        let answer = api.look("timeline", "");
        (answer.0 != 200).then_some(answer)
    });
    let refusal = flooded.expect("nobody may ask a thousand times");
    api.refused(&refusal, 429, "too-many");
    assert_eq!(refusal.1["error"]["wait_s"], 1);
    let raw = api.raw(&format!(
        "GET /api/v1/status HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAuthorization: Bearer guess\r\n\r\n",
        api.port
    ));
    if raw.starts_with("HTTP/1.1 429") {
        assert!(raw.to_lowercase().contains("retry-after: 1\r\n"), "{raw}");
    }
    assert_eq!(api.look("status", &api.token()).0, 200);
    let recovers = (0..100_000).any(|_| api.look("status", "").0 == 200);
    assert!(recovers, "it lasts");
}

/// As Linux tells it.
#[cfg(target_os = "linux")]
#[test]
fn nobody_outside_this_machine_can_reach_it() {
    let api = Api::of_a_node();
    let port = format!(":{:04X}", api.port);
    let listening = |file: &str| -> Vec<String> {
        let sockets = std::fs::read_to_string(file).unwrap_or_default();
        let rows = sockets.lines().map(|row| row.split_whitespace());
        // Number, local address, remote address, state: 0A listens.
        rows.filter_map(|mut row| Some((row.nth(1)?, row.nth(1)?)))
            .filter(|(local, state)| local.ends_with(&port) && *state == "0A")
            .map(|(local, _)| local.to_owned())
            .collect()
    };
    assert_eq!(listening("/proc/net/tcp"), [format!("0100007F{port}")]);
    assert_eq!(listening("/proc/net/tcp6"), [""; 0]);
}
