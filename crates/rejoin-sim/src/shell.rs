//! The node's shell in the simulation: it does what the real shell and the libp2p adapter do, with
//! the simulated world in place of sockets, disk and clock. It holds no policy: whom to dial and
//! when to give up is the engine's business.

use std::{collections::BTreeMap, time::Duration};

use rejoin_core::{
    Address, AddressFailure, Changes, Command, Connected, ConnectionKind, Dial, DialId, Direction,
    Engine, Event, Failure, Identified, Input, Lane, LocalNetwork, Output, PeerKey, Recall, Scope,
    Source, Time,
};

use crate::{
    chance::{self, Subject},
    shelf::{Disk, Shelf},
    sim::{Happening, Sim},
    world::{ASK_RTTS, Attempt, HostId, HostState, TRANSPORT_TIMEOUT},
};

/// How often libp2p pings by default.
pub const PING_EVERY: Duration = Duration::from_secs(15);

/// How long it waits for the answer.
pub const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// The shell never sleeps longer, for timers stop while the machine sleeps.
pub const NAP_MAX: Duration = Duration::from_secs(30);

/// A shutdown does not wait longer for the disk.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// A commit with its `fsync`, on a disk that has other work too.
pub const COMMIT_TIME: Duration = Duration::from_millis(20);

/// Reading the rest of the memory in the background.
pub const LOAD_TIME: Duration = Duration::from_millis(50);

/// Records handed over at once while the rest is read.
const LOAD_BATCH: usize = 1_000;

/// Round trips a walk through a DHT takes until it has found somebody.
const WALK_RTTS: u32 = 3;

/// After so much silence a peer has closed its end: one ping and its timeout.
const PEER_GIVES_UP: Duration = Duration::from_secs(35);

/// The node's own link to the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Up,
    /// The interface is down: dials fail at once.
    Unreachable,
    /// The way out is cut somewhere else: dials just hang.
    Silent,
}

/// One run of the node's program.
#[derive(Debug)]
pub(crate) struct Node {
    pub life: u64,
    pub engine: Engine,
    pub flights: BTreeMap<DialId, Flight>,
    pub links: BTreeMap<PeerKey, Link>,
    /// Commits the disk has not answered, by number.
    pub committing: BTreeMap<u64, Changes>,
    /// Commits so far, and when the last one was handed out.
    commits: u64,
    committed_at: Time,
    /// Whether it has been told to stop.
    pub stopping: bool,
    /// When the engine was last told something, in true time.
    pub last_input: Time,
    pub dials_made: u64,
    pub bootstrap_dials_made: u64,
    /// Dials of each peer so far, so that each gets a delay of its own.
    dialled: BTreeMap<PeerKey, u64>,
    /// Connections so far.
    linked: u64,
    /// Walks asked of each peer so far.
    walks: BTreeMap<PeerKey, u64>,
}

/// A dial in the air.
#[derive(Debug)]
pub(crate) struct Flight {
    dial: Dial,
    began: Time,
    attempt: Attempt,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub host: HostId,
    /// Nothing passes any more, though the node may not know yet.
    pub broken: bool,
    /// Which of the node's connections it is, so that one's pings are not another's.
    nth: u64,
}

impl Sim {
    /// Starts the program: reads the best of the memory, tells the engine where it is, and hands it
    /// the rest a little later.
    pub(crate) fn boot(&mut self, life: u64) {
        self.note("alice: starts");
        let (snapshot, rest) = self.shelf.read(Shelf::FIRST);
        let seed = chance::rng(self.seed(), Subject::Engine, life, 0).u64(..);
        let engine = Engine::new(self.config.engine.clone(), snapshot, self.node_now(), seed);
        self.node = Some(Node {
            life,
            engine,
            flights: BTreeMap::new(),
            links: BTreeMap::new(),
            committing: BTreeMap::new(),
            commits: 0,
            committed_at: self.now(),
            stopping: false,
            last_input: self.now(),
            dials_made: 0,
            bootstrap_dials_made: 0,
            dialled: BTreeMap::new(),
            linked: 0,
            walks: BTreeMap::new(),
        });
        self.tell(here());
        if self.config.bootstrap {
            let servers: Vec<_> = self
                .world
                .bootstrap()
                .map(|(_, host)| Command::AddBootstrap {
                    peer: Some(host.key.clone()),
                    address: host.addresses[0].clone(),
                })
                .collect();
            for server in servers {
                self.tell(Input::Command(server));
            }
        }
        for (directory, _) in self.config.directories.clone() {
            self.tell(Input::Command(Command::AddDirectory(directory)));
        }
        let room = self.config.engine.hot_max;
        let (rest, shelved) = self.shelf.fitting(rest, room);
        for batch in rest.chunks(LOAD_BATCH) {
            let input = Input::Loaded(batch.to_vec());
            self.after(LOAD_TIME, Happening::Tell { life, input });
        }
        if shelved > 0 {
            let input = Input::Shelved(shelved);
            self.after(LOAD_TIME, Happening::Tell { life, input });
        }
    }

    /// Tells the engine something and carries out all it wants.
    pub(crate) fn tell(&mut self, input: Input) {
        let (now, clock) = (self.now(), self.node_now());
        let Some(node) = &mut self.node else { return };
        node.last_input = now;
        node.engine.handle_input(clock, input);
        let outputs: Vec<_> = std::iter::from_fn(|| node.engine.poll_output()).collect();
        for output in outputs {
            self.carry_out(output);
        }
        self.check_invariants();
    }

    fn carry_out(&mut self, output: Output) {
        let Some(node) = &mut self.node else { return };
        match output {
            Output::Dial(dial) => self.dial(dial),
            Output::CancelDial(id) => {
                if let Some(flight) = node.flights.remove(&id) {
                    let whom = whom(&flight.dial);
                    self.note(format_args!("alice -x- {whom}: called off"));
                }
            }
            Output::Disconnect { peer, reason } => {
                if node.links.remove(&peer).is_some() {
                    self.note(format_args!("alice =/= {peer}: closed ({reason:?})"));
                    self.soon(Input::Disconnected { peer });
                }
            }
            Output::Commit(changes) => self.commit(changes),
            Output::Recall(whom) => {
                let life = node.life;
                self.after(LOAD_TIME, Happening::Recalled { life, whom });
            }
            Output::Consult {
                ask,
                directory,
                within,
            } => self.consult(ask, directory, within),
            // Nobody in this world says that it relays, so nobody is ever asked to.
            Output::Reserve(_) | Output::Release { .. } => {}
            Output::Discover => self.discover(),
            // The peers of this world speak of nobody.
            Output::AskPeers { peer, .. } => self.soon(Input::PeersNotTold { peer }),
            Output::Sign(_) | Output::TellPeers { .. } | Output::Gossip(_) => {}
            Output::Event(event) => self.note_event(&event),
        }
    }

    /// Dials all addresses at once. What will become of it is settled now; only the line can still
    /// change it.
    fn dial(&mut self, dial: Dial) {
        let whom = whom(&dial);
        self.note(format_args!("alice --> {whom}: dials ({})", dial.lane));
        let now = self.now();
        let line = self.line;
        let Some(node) = &mut self.node else { return };
        let life = node.life;
        if dial
            .peer
            .as_ref()
            .is_some_and(|peer| node.links.contains_key(peer))
        {
            return self.soon(Input::DialNotMade { dial: dial.id });
        }
        node.dials_made += 1;
        node.bootstrap_dials_made += u64::from(dial.lane == Lane::Bootstrap);
        let nth = dial.peer.as_ref().map_or(0, |peer| {
            let count = node.dialled.entry(peer.clone()).or_default();
            *count += 1;
            *count - 1
        });
        let attempt = match line {
            Line::Up => self.world.dial(dial.peer.as_ref(), &dial.addresses, nth),
            Line::Unreachable => in_vain(&dial, Failure::Unreachable, Duration::ZERO),
            Line::Silent => in_vain(&dial, Failure::Silent, TRANSPORT_TIMEOUT),
        };
        let (id, after) = (dial.id, attempt.after);
        let flight = Flight {
            dial,
            began: now,
            attempt,
        };
        let before = node.flights.insert(id, flight);
        assert!(before.is_none(), "two dials of one name");
        self.after(after, Happening::DialEnds { life, dial: id });
    }

    pub(crate) fn dial_ends(&mut self, id: DialId) {
        let now = self.now();
        let Some(node) = &mut self.node else { return };
        // Called off, or already ended in another way.
        let due = |flight: &Flight| now >= flight.began + flight.attempt.after;
        if !node.flights.get(&id).is_some_and(due) {
            return;
        }
        let Some(Flight { dial, attempt, .. }) = node.flights.remove(&id) else {
            return;
        };
        let Some((peer, address)) = attempt.answer else {
            let why = attempt.failures.first().map(|first| first.failure);
            self.note(format_args!("alice -/-> {}: {why:?}", whom(&dial)));
            let failures = attempt.failures;
            return self.tell(Input::DialFailed { dial: id, failures });
        };
        if node.links.contains_key(&peer) {
            return self.tell(Input::DialNotMade { dial: id });
        }
        let direction = Direction::Outbound(Some(id));
        self.link_up(peer, address, direction, attempt.failures);
    }

    /// A peer dials us; a page does so by WebSocket, as pages can.
    ///
    /// # Panics
    /// If there is no such host.
    pub fn dialled_by(&mut self, host: HostId) {
        let host = self.world.host(host);
        let (peer, mut address) = (host.key.clone(), host.addresses[0].clone());
        if host.page {
            let from = format!("{address}/ws");
            address = from.parse().expect("an address with one part more");
        }
        let known = |node: &Node| node.links.contains_key(&peer);
        if self.line == Line::Up && self.node.as_ref().is_some_and(|node| !known(node)) {
            self.link_up(peer, address, Direction::Inbound, Vec::new());
        }
    }

    fn link_up(
        &mut self,
        peer: PeerKey,
        address: Address,
        direction: Direction,
        failures: Vec<AddressFailure>,
    ) {
        let arrow = match direction {
            Direction::Outbound(_) => "==>",
            Direction::Inbound => "<==",
        };
        self.note(format_args!("alice {arrow} {peer}: connected"));
        let host = self.world.find(&peer);
        let Some(node) = &mut self.node else { return };
        let life = node.life;
        if let Some(host) = host {
            let state = self.world.host(host);
            // It may have died while its last packet was on the way.
            let state_then = state.state;
            let broken = state_then != HostState::Alive;
            node.linked += 1;
            let nth = node.linked;
            node.links.insert(peer.clone(), Link { host, broken, nth });
            let (rtt, bootstrap) = (state.rtt, state.bootstrap);
            let identify = Happening::Identify {
                life,
                peer: peer.clone(),
            };
            self.after(rtt, identify);
            let ping = Happening::Ping {
                life,
                peer: peer.clone(),
                nth,
            };
            self.after(rtt, ping);
            if bootstrap {
                let teller = peer.clone();
                self.after(rtt * ASK_RTTS, Happening::Told { life, teller });
            }
            if broken && state_then != HostState::Hung {
                self.notice_later(&peer);
            }
        }
        self.tell(Input::Connected(Connected {
            peer,
            address,
            direction,
            kind: ConnectionKind::Direct,
            failures,
        }));
    }

    pub(crate) fn link_noticed(&mut self, peer: &PeerKey) {
        let Some(node) = &mut self.node else { return };
        if node.links.get(peer).is_some_and(|link| link.broken) {
            node.links.remove(peer);
            self.note(format_args!("alice =/= {peer}: lost"));
            let peer = peer.clone();
            self.tell(Input::Disconnected { peer });
        }
    }

    pub(crate) fn identify(&mut self, peer: &PeerKey) {
        let Some(link) = self.link(peer).filter(|link| !link.broken) else {
            return;
        };
        let host = self.world.host(link.host);
        let (addresses, agent) = if host.page {
            (Vec::new(), "js-libp2p/2.8.0 browser/Mozilla/5.0")
        } else {
            (host.addresses.clone(), "sim/1")
        };
        self.tell(Input::Identified(Identified {
            peer: peer.clone(),
            addresses,
            agent: agent.into(),
            protocols: vec!["/ipfs/id/1.0.0".into(), "/ipfs/ping/1.0.0".into()],
            public_key: Vec::new(),
            scope: Scope::Public,
        }));
    }

    pub(crate) fn told(&mut self, teller: &PeerKey) {
        let Some(link) = self.link(teller).filter(|link| !link.broken) else {
            return;
        };
        let host = link.host;
        let Some(node) = &mut self.node else { return };
        let nth = node.walks.entry(teller.clone()).or_default();
        *nth += 1;
        let peers = self.world.walk(host, *nth - 1);
        let source = if self.world.host(host).bootstrap {
            Source::Bootstrap
        } else {
            Source::Swarm
        };
        self.note(format_args!("alice <~~ {teller}: names {}", peers.len()));
        self.tell(Input::Heard {
            source,
            teller: Some(Scope::Public),
            peers,
        });
    }

    /// Pings go out for as long as the connection seems to be there; answers come while it is.
    pub(crate) fn ping(&mut self, peer: &PeerKey, nth: u64) {
        let Some(link) = self.link(peer).filter(|link| link.nth == nth) else {
            return;
        };
        let (host, broken) = (link.host, link.broken);
        let Some(life) = self.node.as_ref().map(|node| node.life) else {
            return;
        };
        let peer = peer.clone();
        let again = Happening::Ping {
            life,
            peer: peer.clone(),
            nth,
        };
        self.after(self.config.ping_every, again);
        if !broken {
            let rtt = self.world.host(host).rtt;
            self.tell(Input::Latency { peer, rtt });
        }
    }

    fn commit(&mut self, changes: Changes) {
        let now = self.now();
        let patience = self.config.engine.save_timeout;
        let Some(node) = &mut self.node else { return };
        assert!(
            node.committing.is_empty() || node.stopping || now.since(node.committed_at) >= patience,
            "a second commit before the first was answered or given up",
        );
        node.commits += 1;
        node.committed_at = now;
        let (life, commit) = (node.life, node.commits);
        node.committing.insert(commit, changes);
        match self.shelf.disk {
            Disk::Works | Disk::Fails => {
                self.after(COMMIT_TIME, Happening::DiskDone { life, commit });
            }
            Disk::Hangs => {}
        }
    }

    pub(crate) fn disk_done(&mut self, commit: u64) {
        let Some(node) = &mut self.node else { return };
        let Some(changes) = node.committing.remove(&commit) else {
            return;
        };
        let ok = self.shelf.disk == Disk::Works;
        if ok {
            self.shelf.apply(&changes);
        }
        let count = changes.len();
        let outcome = if ok { "saved" } else { "not saved" };
        self.note(format_args!("disk: {count} {outcome}"));
        self.tell(Input::Committed { ok });
    }

    pub(crate) fn recalled(&mut self, whom: &Recall) {
        let found = self.shelf.recall(whom);
        self.note(format_args!("disk: {} recalled", found.peers.len()));
        self.tell(Input::Recalled(found));
    }

    /// Somebody connected is asked for others, as a DHT does.
    fn discover(&mut self) {
        self.note("alice: looks for more peers");
        if !self.config.discovery {
            return;
        }
        let Some(node) = &self.node else { return };
        let life = node.life;
        let live = |link: &&Link| !link.broken;
        let Some(host) = node.links.values().find(live).map(|link| link.host) else {
            return;
        };
        let host = self.world.host(host);
        let (wait, teller) = (host.rtt * WALK_RTTS, host.key.clone());
        self.after(wait, Happening::Told { life, teller });
    }

    fn note_event(&mut self, event: &Event) {
        match event {
            // The arrows say it already.
            Event::Connected { .. } | Event::Disconnected { .. } => {}
            other => self.note(format_args!("alice: {other:?}")),
        }
    }

    /// What a host's change does to the link to it.
    pub(crate) fn follow_host(&mut self, id: HostId, state: HostState) {
        let host = self.world.host(id);
        let (peer, rtt) = (host.key.clone(), host.rtt);
        let Some(node) = &mut self.node else { return };
        let life = node.life;
        let Some(link) = node.links.get_mut(&peer) else {
            return;
        };
        link.broken = state != HostState::Alive;
        match state {
            HostState::Alive => {}
            // Its system closes what its program leaves behind.
            HostState::Refused | HostState::WrongPeer => {
                self.after(rtt / 2, Happening::LinkNoticed { life, peer });
            }
            HostState::Silent | HostState::Partitioned => self.notice_later(&peer),
            // Its system goes on acknowledging whatever we send.
            HostState::Hung => {}
        }
    }

    /// Silence is noticed when a ping stays unanswered.
    fn notice_later(&mut self, peer: &PeerKey) {
        let wait = self.until_next_ping(peer) + PING_TIMEOUT;
        self.notice_after(wait, peer);
    }

    fn notice_after(&mut self, wait: Duration, peer: &PeerKey) {
        let Some(life) = self.node.as_ref().map(|node| node.life) else {
            return;
        };
        let peer = peer.clone();
        self.after(wait, Happening::LinkNoticed { life, peer });
    }

    fn until_next_ping(&self, peer: &PeerKey) -> Duration {
        let which = self.world.find(peer).map_or(0, |id| id.0 as u64);
        let mut rng = chance::rng(self.seed(), Subject::Notice, which, self.now().as_millis());
        PING_EVERY.mul_f64(rng.f64())
    }

    /// Takes the interface down: the machine knows that it has no network.
    pub fn unplug(&mut self) {
        self.cut(Line::Unreachable);
    }

    /// Cuts the line somewhere beyond the machine: nothing fails, nothing answers.
    pub fn cut_uplink(&mut self) {
        self.cut(Line::Silent);
    }

    fn cut(&mut self, line: Line) {
        self.note(format_args!("line: {line:?}"));
        self.line = line;
        let failure = match line {
            Line::Unreachable => Failure::Unreachable,
            Line::Up | Line::Silent => Failure::Silent,
        };
        self.lose_flights(failure);
        for peer in self.break_links() {
            self.notice_later(&peer);
        }
    }

    /// The line works again. If the interface was down, the machine notices; links that nobody has
    /// given up meanwhile go on.
    pub fn plug_in(&mut self) {
        let was = self.line;
        self.note("line: Up");
        self.line = Line::Up;
        let Some(node) = &mut self.node else { return };
        for link in node.links.values_mut() {
            link.broken = self.world.host(link.host).state != HostState::Alive;
        }
        if was == Line::Unreachable {
            self.tell(here());
            self.tell(Input::Woke);
        }
    }

    /// What a sleep has done to dials and links. The engine is not told: it sees the gap itself.
    pub(crate) fn wake_up(&mut self, slept: Duration) {
        self.lose_flights(Failure::Silent);
        if slept < PEER_GIVES_UP {
            return;
        }
        for peer in self.break_links() {
            // The peer has closed its end: our next ping is answered by a reset.
            let wait = self.until_next_ping(&peer);
            self.notice_after(wait, &peer);
        }
    }

    /// Every dial in the air fails: at once if the machine knows, else when the transport gives up.
    fn lose_flights(&mut self, failure: Failure) {
        let now = self.now();
        let Some(node) = &mut self.node else { return };
        let life = node.life;
        let mut ends = Vec::new();
        for (id, flight) in &mut node.flights {
            let after = match failure {
                Failure::Unreachable => now.since(flight.began),
                _ => TRANSPORT_TIMEOUT,
            };
            flight.attempt = in_vain(&flight.dial, failure, after);
            ends.push((*id, (flight.began + after).since(now)));
        }
        for (dial, wait) in ends {
            self.after(wait, Happening::DialEnds { life, dial });
        }
    }

    fn break_links(&mut self) -> Vec<PeerKey> {
        let links = self.node.iter_mut().flat_map(|node| &mut node.links);
        links
            .map(|(peer, link)| {
                link.broken = true;
                peer.clone()
            })
            .collect()
    }

    fn link(&self, peer: &PeerKey) -> Option<&Link> {
        self.node.as_ref()?.links.get(peer)
    }

    /// Tells the engine something right after what it is being told now.
    fn soon(&mut self, input: Input) {
        let Some(life) = self.node.as_ref().map(|node| node.life) else {
            return;
        };
        self.after(Duration::ZERO, Happening::Tell { life, input });
    }

    fn check_invariants(&self) {
        let Some(node) = &self.node else { return };
        let max = self.config.engine.dials_max;
        assert!(
            node.flights.len() <= max,
            "seed {}: {} dials in the air, {max} allowed",
            self.seed(),
            node.flights.len(),
        );
    }
}

/// Where the node is: at home, behind a router.
fn here() -> Input {
    let ip = [192, 168, 1, 20].into();
    Input::Moved {
        own: vec![Address::from(std::net::SocketAddr::new(ip, 4001))],
        networks: vec![LocalNetwork::new(ip, 24)],
        place: Some(b"192.168.1.1".to_vec()),
    }
}

fn in_vain(dial: &Dial, failure: Failure, after: Duration) -> Attempt {
    let failed = |address: &Address| AddressFailure {
        address: address.clone(),
        failure,
    };
    Attempt {
        after,
        answer: None,
        failures: dial.addresses.iter().map(failed).collect(),
    }
}

fn whom(dial: &Dial) -> String {
    match (&dial.peer, dial.addresses.first()) {
        (Some(peer), _) => peer.to_string(),
        (None, Some(address)) => address.to_string(),
        (None, None) => "nobody".into(),
    }
}
