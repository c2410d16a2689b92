//! The circuit breaker with everything real but the time: an engine that asks, a fetcher that fetches,
//! and a server on loopback that goes wrong. Ten minutes of waiting take as long as the requests.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use rejoin::{Address, Config, Directory, PeerKey, Snapshot, Time};
use rejoin_core::{
    AskId, Command, Connected, ConnectionKind, Direction, Engine, Input, Output,
    status::SourceStatus,
};

use super::*;

/// What a server that never ends its answer is left.
const PATIENCE: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_server_that_goes_wrong_is_left_alone_for_longer_and_longer_until_it_answers_well() {
    check(|_, stream| drop(stream.read(&mut [0; 9]))); // says nothing
    check(|_, stream| trickle(stream)); // slow
    check(|_, stream| endless(stream)); // never ends
    check(|_, stream| stream.write_all(ok("", "<html>").as_bytes()).unwrap()); // wrong
    check(|_, stream| {
        let broken = b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(broken).unwrap();
    });
    check(go_round); // redirects for ever
}

#[test]
fn a_server_that_is_down_is_left_alone_while_our_own_line_works() {
    let mut node = Node::new(Place::new(), &nowhere());
    node.meet_alice();
    node.until_asked(5);
    node.is_open(5, 60);
    node.until_asked(6);
    node.is_open(6, 120);
}

// Our own machine refuses for itself, line or no line.
#[test]
fn a_server_that_is_down_is_not_blamed_while_nothing_else_answers() {
    let mut node = Node::new(Place::new(), &nowhere());
    node.pass(SECOND * 600);
    assert!(node.asked.len() > 5, "asked {} times", node.asked.len());
    let SourceStatus {
        breaker, failures, ..
    } = node.source();
    assert_eq!((breaker, failures), ("closed", 0));
}

/// Five failures open the breaker; after a minute one try, after two more the next. Once the server
/// answers well all is forgotten.
#[track_caller]
fn check(mut wrong: impl FnMut(&str, &mut TcpStream) + Send + 'static) {
    let place = Place::new();
    let (list, mended) = (place.signed(1), Arc::new(AtomicBool::new(false)));
    let works = Arc::clone(&mended);
    let server = Server::start(move |request, stream| match works.load(Ordering::SeqCst) {
        true => stream.write_all(ok("", &list).as_bytes()).unwrap(),
        false => wrong(request, stream),
    });
    let mut node = Node::new(place, &server.url);
    node.until_asked(5);
    node.is_open(5, 60);
    node.until_asked(6);
    node.is_open(6, 120);
    mended.store(true, Ordering::SeqCst);
    node.patience = SECOND * 10;
    node.until_asked(7);
    let SourceStatus {
        breaker,
        failures,
        until,
        ..
    } = node.source();
    assert_eq!((breaker, failures, until), ("closed", 0, None));
    assert_eq!(node.engine.peers().count(), 1, "the list was read");
}

/// An engine that knows one source, and how it goes on.
struct Node {
    engine: Engine,
    now: Time,
    fetcher: Fetcher,
    patience: Duration,
    /// When the source was asked.
    asked: Vec<Time>,
    alice: Option<PeerKey>,
    _place: Place,
}

impl Node {
    fn new(place: Place, url: &str) -> Self {
        let now = Time::from_millis(1_700_000_000_000);
        let mut node = Self {
            engine: Engine::new(Config::default(), Snapshot::default(), now, 1),
            now,
            fetcher: place.fetcher(),
            patience: PATIENCE,
            asked: Vec::new(),
            alice: None,
            _place: place,
        };
        let directory = Directory::url(url).unwrap();
        node.tell(Input::Command(Command::AddDirectory(directory)));
        node
    }

    /// Somebody whose signs of life show that our own line works.
    fn meet_alice(&mut self) {
        let peer: PeerKey = "alice".parse().unwrap();
        self.alice = Some(peer.clone());
        self.tell(Input::Connected(Connected {
            peer,
            address: "/ip4/8.8.4.4/tcp/1".parse().unwrap(),
            direction: Direction::Inbound,
            kind: ConnectionKind::Direct,
            failures: vec![],
        }));
    }

    /// Until so many questions were asked and answered.
    #[track_caller]
    fn until_asked(&mut self, times: usize) {
        let deadline = self.now + SECOND * 600;
        while self.asked.len() < times {
            assert!(self.now < deadline, "asked {} times", self.asked.len());
            self.pass(SECOND);
        }
        assert_eq!(self.asked.len(), times, "not more at once");
    }

    /// The breaker is open, and for the whole wait nobody is asked; then it is half-open.
    #[track_caller]
    fn is_open(&mut self, times: u32, secs: u32) {
        let source = self.source();
        assert_eq!((source.breaker, source.failures), ("open", times));
        let until = source.until.expect("it is open");
        let last = *self.asked.last().expect("it was asked");
        let wait = until.since(last);
        assert!(
            SECOND * secs <= wait && wait <= SECOND * (secs + 1),
            "{wait:?}"
        );
        let asked = self.asked.len();
        self.pass(until.since(self.now) - Duration::from_millis(1));
        assert_eq!(self.asked.len(), asked, "it is left alone");
        assert_eq!(self.engine.status(until).sources[0].breaker, "half-open");
    }

    fn source(&self) -> SourceStatus {
        self.engine.status(self.now).sources[0].clone()
    }

    /// Lets so much time go by, from one timeout of the engine's to the next.
    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            let next = self.engine.poll_timeout().map_or(end, |timeout| timeout.at);
            self.now = next.max(self.now + Duration::from_millis(1)).min(end);
            self.tell(Input::Tick);
        }
    }

    fn tell(&mut self, input: Input) {
        self.engine.handle_input(self.now, input);
        while let Some(output) = self.engine.poll_output() {
            if let Output::Commit(_) = output {
                let done = Input::Committed { ok: true };
                self.engine.handle_input(self.now, done);
            }
            if let Output::Consult {
                ask,
                directory: Directory::Url(url),
                ..
            } = output
            {
                self.consult(ask, &url);
            }
        }
    }

    /// Really fetches; on the clock of this test it takes a moment.
    fn consult(&mut self, ask: AskId, url: &str) {
        self.asked.push(self.now);
        let found = self.fetcher.fetch(url, self.patience);
        self.now = self.now + Duration::from_millis(1);
        if let Some(peer) = self.alice.clone() {
            let alive = Input::Received { peer };
            self.engine.handle_input(self.now, alive);
        }
        let named = |address: Multiaddr| match Address::split(address).unwrap() {
            (address, Some(peer)) => (peer, vec![address]),
            (address, None) => panic!("nobody at {address}"),
        };
        let found = found.map(|addresses| addresses.into_iter().map(named).collect());
        let answer = Input::Consulted { ask, found };
        self.engine.handle_input(self.now, answer);
    }
}

/// Where nobody listens.
fn nowhere() -> String {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    format!("http://{}/list", listener.local_addr().unwrap())
}

/// A byte now and then, for ever.
fn trickle(stream: &mut TcpStream) {
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n");
    stream.set_read_timeout(Some(PATIENCE / 5)).unwrap();
    while stream.write_all(b"#").is_ok() {
        let _ = stream.read(&mut [0; 9]);
    }
}

fn endless(stream: &mut TcpStream) {
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
    while stream.write_all(&[b'a'; 4096]).is_ok() {}
}

fn go_round(request: &str, stream: &mut TcpStream) {
    let path = request.split(' ').nth(1).unwrap();
    let answer = format!("HTTP/1.1 302 Found\r\nLocation: {path}x\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(answer.as_bytes()).unwrap();
}
