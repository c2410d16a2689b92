//! A list is published by one node, served by an ordinary web server, and leads others in.

mod common;

use std::{
    io::{Read, Write},
    net::TcpListener,
    path::Path,
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use common::{Start, home, json, met, name_in, program, run};

#[test]
fn a_published_list_leads_a_stranger_in() {
    let home = home();
    let at = |name: &str| home.path().join(name);
    let (alice, at_alice) = Start::at(at("alice")).up();
    let (bob, _) = Start::at(at("bob")).knowing(&at_alice).up();
    bob.wait_for_peer(name_in(&at_alice));
    bob.wait_until_all_saved();
    let file = at("peers.json");
    let published = publish(&at("bob"), &file, &["--local"]);
    assert_eq!(published["peers"], 1, "{published}");
    let signer = published["signer"].as_str().unwrap();

    let server = Server::start(&file);
    let dead = "http://127.0.0.1:9/peers.json";
    let carol = Start::at(at("carol"))
        .with("--peers-url", dead)
        .with("--peers-url", &server.url)
        .with("--peers-key", signer)
        .spawn();
    carol.wait_for_peer(name_in(&at_alice));
    let status = json(&at("carol"), &["status"]);
    let sources = status["sources"].as_array().unwrap();
    let ours = sources
        .iter()
        .find(|it| it["address"] == server.url.as_str());
    let ours = ours.unwrap();
    assert_eq!(
        (&ours["kind"], &ours["breaker"]),
        (&"url".into(), &"closed".into())
    );
    assert!(status["last_return"]["consults"].as_u64() >= Some(1));
    assert_eq!(status["last_return"]["bootstrap_dials"], 0);

    // From a new memory, but with the old list: nothing is downloaded twice.
    carol.stop();
    std::fs::remove_file(at("carol").join("peers.db")).unwrap();
    let before = server.answers.try_iter().filter(|full| *full).count();
    assert_eq!(before, 1);
    let carol = Start::at(at("carol"))
        .with("--peers-url", &server.url)
        .with("--peers-key", signer)
        .spawn();
    carol.wait_for_peer(name_in(&at_alice));
    assert!(!server.answers.recv().unwrap(), "a 304 is enough");
    drop(alice);
}

#[test]
fn a_list_of_another_signer_leads_nobody_anywhere() {
    let home = home();
    let at = |name: &str| home.path().join(name);
    let (_alice, at_alice) = Start::at(at("alice")).up();
    let (bob, _) = Start::at(at("bob")).knowing(&at_alice).up();
    bob.wait_for_peer(name_in(&at_alice));
    bob.wait_until_all_saved();
    let file = at("peers.json");
    publish(&at("bob"), &file, &["--local"]);
    let server = Server::start(&file);
    let carol = Start::at(at("carol"))
        .with("--peers-url", &server.url)
        .with("--peers-key", name_in(&at_alice))
        .spawn();
    server.answers.recv().unwrap();
    carol.wait_for("listening");
    let news = carol.news_within(Duration::from_millis(700));
    assert!(
        news.iter().all(|event| event["event"] != "connected"),
        "{news:?}"
    );
    let status = json(&at("carol"), &["status"]);
    assert_eq!(status["hearsay"], 0);
    assert!(
        status["sources"][0]["failures"].as_u64() >= Some(1),
        "{status}"
    );
    assert_eq!(met(&at("carol")), [""; 0]);
}

#[test]
fn what_only_makes_sense_here_is_not_published_for_everybody() {
    let home = home();
    let at = |name: &str| home.path().join(name);
    let (_alice, at_alice) = Start::at(at("alice")).up();
    let (bob, _) = Start::at(at("bob")).knowing(&at_alice).up();
    bob.wait_for_peer(name_in(&at_alice));
    bob.wait_until_all_saved();
    let published = publish(&at("bob"), &at("peers.json"), &[]);
    assert_eq!(published["peers"], 0);
}

#[test]
fn a_list_anybody_on_the_way_could_change_is_refused_at_once() {
    let output = program()
        .args(["up", "--peers-url", "http://example.org/peers.json"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("--peers-key"), "{words}");
}

fn publish(data: &Path, out: &Path, flags: &[&str]) -> serde_json::Value {
    let out = out.to_str().unwrap();
    let arguments = [&["peers", "publish", "--json", "--out", out], flags].concat();
    let output = run(data, &arguments);
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A static host: one file, one version.
struct Server {
    url: String,
    /// Whether each answer had the file in it.
    answers: Receiver<bool>,
}

impl Server {
    fn start(file: &Path) -> Self {
        let body = std::fs::read_to_string(file).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/peers.json", listener.local_addr().unwrap());
        let (sender, answers) = channel();
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                    head.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&head).to_lowercase();
                let known = head.contains("if-none-match: \"one\"");
                let answer = match known {
                    true => "HTTP/1.1 304 Not Modified\r\nETag: \"one\"\r\n\r\n".into(),
                    false => format!(
                        "HTTP/1.1 200 OK\r\nETag: \"one\"\r\nContent-Length: {}\r\n\r\n{body}",
                        body.len()
                    ),
                };
                let _ = stream.write_all(answer.as_bytes());
                let _ = sender.send(!known);
            }
        });
        Self { url, answers }
    }
}
