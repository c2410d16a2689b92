//! A real HTTP server on loopback, in all the ways in which servers go wrong.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc::{Receiver, channel},
    thread,
};

use libp2p::identity::Keypair;

use super::*;
use crate::sources::list::{Entry, Signed};

#[path = "breaker_tests.rs"]
mod breaker;

const SOON: Duration = Duration::from_millis(600);

#[test]
fn a_signed_list_is_fetched_and_not_fetched_again_while_it_is_unchanged() {
    let place = Place::new();
    let body = place.signed(1);
    let server = Server::start(move |request, stream| {
        let unchanged = request.contains("if-none-match: \"v1\"");
        let answer = match unchanged {
            true => "HTTP/1.1 304 Not Modified\r\n\r\n".into(),
            false => ok("ETag: \"v1\"\r\n", &body),
        };
        stream.write_all(answer.as_bytes()).unwrap();
    });
    let fetcher = place.fetcher();
    let first = fetcher.fetch(&server.url, SOON).unwrap();
    assert_eq!(first.len(), 1);
    // A new run remembers.
    let again = place.fetcher().fetch(&server.url, SOON).unwrap();
    assert_eq!(again, first);
    let requests: Vec<_> = server.requests.try_iter().collect();
    assert_eq!(requests.len(), 2);
    assert!(requests[1].contains("if-none-match"), "{}", requests[1]);
    // Who wants another signer does not trust what is kept.
    let other = Fetcher::new(Some(PeerId::random()), "main".into(), place.folder.clone());
    assert_eq!(other.fetch(&server.url, SOON), Err(Failure::Handshake));
}

#[test]
fn an_old_list_replayed_is_refused() {
    let place = Place::new();
    let (new, old) = (place.signed(1), place.signed(0));
    let mut bodies = [new, old].into_iter();
    let server = Server::start(move |_, stream| {
        let body = bodies.next().unwrap();
        stream.write_all(ok("", &body).as_bytes()).unwrap();
    });
    let fetcher = place.fetcher();
    assert!(fetcher.fetch(&server.url, SOON).is_ok());
    assert_eq!(fetcher.fetch(&server.url, SOON), Err(Failure::Handshake));
}

#[test]
fn a_server_that_misbehaves_costs_little_and_is_blamed() {
    let endless = |stream: &mut TcpStream, head: &str, with: &[u8]| {
        let _ = stream.write_all(head.as_bytes());
        while stream.write_all(with).is_ok() {}
    };
    blamed(|_, stream| stream.write_all(b"HTTP/1.1 404 Not Found\r\n\r\n").unwrap());
    blamed(|_, stream| stream.write_all(b"HTTP/1.1 500 Oh\r\n\r\n").unwrap());
    blamed(|_, stream| stream.write_all(b"SSH-2.0-OpenSSH\r\n").unwrap());
    blamed(|_, stream| stream.write_all(ok("", "<html>").as_bytes()).unwrap());
    blamed(|_, stream| {
        stream
            .write_all(b"HTTP/1.1 304 Not Modified\r\n\r\n")
            .unwrap()
    });
    blamed(|_, _| {}); // hangs up
    blamed(|_, stream| drop(stream.read(&mut [0; 9]))); // says nothing
    blamed(move |_, stream| endless(stream, "HTTP/1.1 200 OK\r\n\r\n", &[b'a'; 4096]));
    blamed(move |_, stream| endless(stream, "HTTP/1.1 200 OK\r\n", b"X-Y: zzzzzzzzzzzzzzz\r\n"));
    blamed(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n");
        // A byte now and then, for ever.
        stream.set_read_timeout(Some(SOON / 20)).unwrap();
        while stream.write_all(b"#").is_ok() {
            let _ = stream.read(&mut [0; 9]);
        }
    });
    blamed(|request, stream| {
        let path = request.split(' ').nth(1).unwrap();
        let answer =
            format!("HTTP/1.1 302 Found\r\nLocation: {path}x\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).unwrap();
    });
}

#[test]
fn a_redirect_or_two_are_followed() {
    let place = Place::new();
    let body = place.signed(1);
    let server = Server::start(move |request, stream| {
        let answer = match request.starts_with("GET /list ") {
            true => "HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n".into(),
            false => ok("", &body),
        };
        stream.write_all(answer.as_bytes()).unwrap();
    });
    assert!(place.fetcher().fetch(&server.url, SOON).is_ok());
}

#[test]
fn without_a_pinned_key_plain_http_will_not_do() {
    let place = Place::new();
    let body = place.signed(1);
    let server = Server::start(move |_, stream| {
        stream.write_all(ok("", &body).as_bytes()).unwrap();
    });
    let fetcher = Fetcher::new(None, "main".into(), place.folder.clone());
    assert_eq!(fetcher.fetch(&server.url, SOON), Err(Failure::Handshake));
    assert!(server.requests.try_recv().is_err(), "it is not even asked");
}

#[test]
fn over_https_a_certificate_nobody_vouches_for_is_refused() {
    let server = Server::start(|_, stream| {
        let _ = stream.write_all(b"this is not TLS");
    });
    let place = Place::new();
    let url = server.url.replace("http:", "https:");
    let fetcher = Fetcher::new(None, "main".into(), place.folder.clone());
    assert_eq!(fetcher.fetch(&url, SOON), Err(Failure::Handshake));
}

#[test]
fn where_nobody_listens_the_engine_is_told_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/list", listener.local_addr().unwrap());
    drop(listener);
    let fetched = Place::new().fetcher().fetch(&url, SOON);
    assert!(
        matches!(fetched, Err(Failure::Refused | Failure::Silent)),
        "{fetched:?}"
    );
}

fn ok(headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
}

/// A server that answers like that is at fault, and holds us no longer than allowed.
#[track_caller]
fn blamed(answer: impl FnMut(&str, &mut TcpStream) + Send + 'static) {
    let server = Server::start(answer);
    let fetched = Place::new().fetcher().fetch(&server.url, SOON);
    assert_eq!(fetched, Err(Failure::Handshake));
}

struct Place {
    folder: Folder,
    keypair: Keypair,
    _home: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        Self {
            folder: Folder::at(home.path().into()),
            keypair: Keypair::generate_ed25519(),
            _home: home,
        }
    }

    fn fetcher(&self) -> Fetcher {
        let signer = Some(self.keypair.public().to_peer_id());
        Fetcher::new(signer, "main".into(), self.folder.clone())
    }

    fn signed(&self, issued: u64) -> String {
        let entry = Entry {
            peer: PeerId::random().to_string(),
            addresses: vec!["/ip4/8.8.4.4/tcp/1".into()],
        };
        let signed = Signed {
            network: "main".into(),
            issued,
            expires: u64::MAX,
            peers: vec![entry],
        };
        signed.sign(&self.keypair)
    }
}

/// Answers one connection after the other.
struct Server {
    url: String,
    requests: Receiver<String>,
}

impl Server {
    fn start(mut answer: impl FnMut(&str, &mut TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/list", listener.local_addr().unwrap());
        let (sender, requests) = channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let request = head_of(&stream);
                let _ = sender.send(request.clone());
                answer(&request, &mut stream);
            }
        });
        Self { url, requests }
    }
}

/// The request's head, as far as there is one; what is not HTTP ends it.
fn head_of(stream: &TcpStream) -> String {
    let mut head = String::new();
    for line in BufReader::new(stream).lines() {
        match line {
            Ok(line) if !line.is_empty() => {
                head.push_str(&line);
                head.push('\n');
            }
            _ => break,
        }
        if !head.is_ascii() {
            break;
        }
    }
    head
}
