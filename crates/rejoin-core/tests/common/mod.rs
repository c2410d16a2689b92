//! A world of one engine: the test plays the network by hand.
#![allow(dead_code, reason = "each test file uses its part")]

use std::time::Duration;

use rejoin_core::{
    Address, AddressFailure, AddressRecord, Changes, Command, Config, Connected, ConnectionKind,
    Dial, DialId, Direction, DisconnectReason, Engine, Event, Failure, Input, Output, PeerKey,
    PeerRecord, Snapshot, Source, Time, decay::Decayed,
};

/// When every test begins.
pub const START: Time = Time::from_millis(1_700_000_000_000);

pub const SECOND: Duration = Duration::from_secs(1);
pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(3_600);
pub const DAY: Duration = Duration::from_secs(86_400);

/// One engine and everything it has asked for.
pub struct Node {
    pub engine: Engine,
    pub now: Time,
    pub dials: Vec<Dial>,
    pub cancelled: Vec<DialId>,
    pub commits: Vec<Changes>,
    pub events: Vec<Event>,
    pub others: Vec<Output>,
    /// All it was told, but that time passes.
    pub told: Vec<Input>,
    /// Whether commits are answered at once, and well.
    pub store_answers: bool,
}

impl Node {
    pub fn new(peers: Vec<PeerRecord>) -> Self {
        Self::with(
            Config::default(),
            Snapshot {
                memory: None,
                peers,
            },
        )
    }

    /// A node with a lot of its own.
    pub fn seeded(peers: Vec<PeerRecord>, seed: u64) -> Self {
        let memory = None;
        Self::made(Config::default(), Snapshot { memory, peers }, seed)
    }

    pub fn with(config: Config, snapshot: Snapshot) -> Self {
        Self::made(config, snapshot, 42)
    }

    fn made(config: Config, snapshot: Snapshot, seed: u64) -> Self {
        let mut node = Self {
            engine: Engine::new(config, snapshot, START, seed),
            now: START,
            dials: Vec::new(),
            cancelled: Vec::new(),
            commits: Vec::new(),
            events: Vec::new(),
            others: Vec::new(),
            told: Vec::new(),
            store_answers: true,
        };
        node.tell(Input::Tick);
        node
    }

    pub fn tell(&mut self, input: Input) {
        if input != Input::Tick {
            self.told.push(input.clone());
        }
        self.engine.handle_input(self.now, input);
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Dial(dial) => self.dials.push(dial),
                Output::CancelDial(dial) => self.cancelled.push(dial),
                Output::Commit(changes) => {
                    self.commits.push(changes);
                    if self.store_answers {
                        self.engine
                            .handle_input(self.now, Input::Committed { ok: true });
                    }
                }
                Output::Event(event) => self.events.push(event),
                other => self.others.push(other),
            }
        }
    }

    /// Lets time pass, waking the engine whenever it asked for it.
    pub fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(timeout) = self.engine.poll_timeout().filter(|next| next.at <= end) {
            // An engine that asks for the past again and again would spin for ever.
            self.now = timeout.at.max(self.now);
            let before = self.engine.poll_timeout();
            self.tell(Input::Tick);
            assert!(
                self.engine.poll_timeout() != before || timeout.at > self.now,
                "the engine spins: {before:?}"
            );
        }
        self.now = end;
        self.tell(Input::Tick);
    }

    /// The dial of a peer that is still in the air.
    pub fn dial_of(&self, name: &str) -> Option<&Dial> {
        let peer = key(name);
        let mut to = self.dials.iter().rev();
        to.find(|dial| dial.peer.as_ref() == Some(&peer) && !self.cancelled.contains(&dial.id))
    }

    pub fn answer(&mut self, dial: &Dial) {
        let peer = dial.peer.clone().expect("a dial of a known peer");
        self.connected(
            peer,
            dial.addresses[0].clone(),
            Direction::Outbound(Some(dial.id)),
        );
    }

    pub fn connected(&mut self, peer: PeerKey, address: Address, direction: Direction) {
        self.tell(Input::Connected(Connected {
            peer,
            address,
            direction,
            kind: ConnectionKind::Direct,
            failures: vec![],
        }));
    }

    pub fn fail(&mut self, dial: &Dial, failure: Failure) {
        let failed = |address: &Address| AddressFailure {
            address: address.clone(),
            failure,
        };
        let failures = dial.addresses.iter().map(failed).collect();
        self.tell(Input::DialFailed {
            dial: dial.id,
            failures,
        });
    }

    /// Connects a peer from outside.
    pub fn come(&mut self, name: &str) {
        self.connected(key(name), address(999), Direction::Inbound);
    }

    /// Connects a peer we dialled, by no dial of the engine.
    pub fn reach(&mut self, name: &str) {
        self.connected(key(name), address(999), Direction::Outbound(None));
    }

    /// Lets time pass in which those named go on sending something.
    pub fn pass_talking(&mut self, span: Duration, names: &[&str]) {
        let end = self.now + span;
        while self.now < end {
            self.pass(end.since(self.now).min(SECOND * 15));
            for name in names {
                self.tell(Input::Received { peer: key(name) });
            }
        }
    }

    /// Why connections were to be closed, in order.
    pub fn closed(&self) -> Vec<(String, DisconnectReason)> {
        let closed = self.others.iter().filter_map(|output| match output {
            Output::Disconnect { peer, reason } => Some((peer.to_string(), *reason)),
            _ => None,
        });
        closed.collect()
    }

    pub fn command(&mut self, command: Command) {
        self.tell(Input::Command(command));
    }

    pub fn record(&self, name: &str) -> &PeerRecord {
        self.engine.peer(&key(name)).expect("a peer in memory")
    }

    /// What a store would hold after all commits so far.
    pub fn stored(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        let mut peers = std::collections::BTreeMap::new();
        for changes in &self.commits {
            for delta in &changes.peers {
                let key = delta.record.key.clone();
                let merged = delta.onto(peers.remove(&key));
                peers.insert(key, merged);
            }
            for key in &changes.forgotten {
                peers.remove(key);
            }
            if let Some(memory) = &changes.memory {
                snapshot.memory = Some(memory.onto(snapshot.memory.take()));
            }
        }
        snapshot.peers = peers.into_values().collect();
        snapshot
    }
}

pub fn key(name: &str) -> PeerKey {
    name.parse().expect("a name")
}

/// A public address in a netgroup of its own for every `n` below 60,000.
pub fn address(n: u16) -> Address {
    let [a, b] = n.to_be_bytes();
    format!("/ip4/{}.{b}.1.1/tcp/4001", 11 + a % 80)
        .parse()
        .expect("an address")
}

/// Somebody we met `absence` ago, after knowing them for a month.
pub fn met(name: &str, n: u16, absence: Duration, dial_ms: f32) -> PeerRecord {
    let seen = START - absence;
    let mut record = PeerRecord::new(key(name), seen - DAY * 30);
    record.last_seen = Some(seen);
    record.last_connected = Some(seen);
    record.evidence.dials_ok = Decayed::new(5.0, seen);
    let mut known = AddressRecord::new(address(n), Source::Own, seen);
    known.last_success = Some(seen);
    known.observed = true;
    known.dial_ms = Some(dial_ms);
    record.addresses.push(known);
    record
}

/// Somebody we only heard of, an hour ago.
pub fn rumoured(name: &str, n: u16) -> PeerRecord {
    let heard = START - HOUR;
    let mut record = PeerRecord::new(key(name), heard);
    let known = AddressRecord::new(address(n), Source::Swarm, heard);
    record.addresses.push(known);
    record
}

/// `count` acquaintances, called p0, p1 …, the fastest first.
pub fn friends(count: u16) -> Vec<PeerRecord> {
    let friend = |n: u16| met(&format!("p{n}"), n, HOUR, 20.0 + f32::from(n) * 10.0);
    (0..count).map(friend).collect()
}

/// Somebody `source` told us of a moment ago.
pub fn heard(names: &[&str]) -> Input {
    let place = |(n, name): (usize, &&str)| {
        let n = u16::try_from(n).expect("few names");
        (key(name), vec![address(5_000 + n)])
    };
    Input::Heard {
        source: Source::Swarm,
        teller: None,
        peers: names.iter().enumerate().map(place).collect(),
    }
}
