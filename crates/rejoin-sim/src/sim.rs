//! The run: one virtual clock, one queue of what is to happen, one node under test. Here are the
//! verbs a scenario is told in; how the node's shell carries out what the engine wants is in
//! [`shell`](crate::shell).

use std::{collections::BTreeMap, time::Duration};

use rejoin_core::{Config, DialId, Directory, Engine, Input, PeerKey, Recall, Status, Time};

use crate::{
    directories::Answering,
    shelf::{Disk, Shelf},
    shell::{Line, Node},
    trace::Trace,
    world::{HostId, HostState, Terrain, World},
};

/// The moment every run begins at: 2026-01-01, so that stamps look like stamps.
pub const EPOCH: Time = Time::from_millis(1_767_225_600_000);

/// How long `run_until` waits before it calls a wish in vain.
pub const PATIENCE: Duration = Duration::from_secs(3_600);

/// Wake-ups the engine may ask for without time passing; more is a loop without end.
const SPINS_MAX: u32 = 100;

/// How the world treats the node.
#[derive(Clone, Debug, PartialEq)]
pub struct SimConfig {
    /// The network.
    pub terrain: Terrain,
    /// The engine's own settings.
    pub engine: Config,
    /// Whether the node knows the bootstrap servers.
    pub bootstrap: bool,
    /// What else the node can ask for peers, and what comes of it.
    pub directories: Vec<(Directory, Answering)>,
    /// Whether `Discover` is answered: any connected peer then names others, as in a DHT.
    pub discovery: bool,
    /// How often a connected peer is pinged.
    pub ping_every: Duration,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            terrain: Terrain::default(),
            engine: Config::default(),
            bootstrap: true,
            directories: Vec::new(),
            discovery: false,
            ping_every: crate::shell::PING_EVERY,
        }
    }
}

/// What is to happen. Those with a `life` concern one run of the node's program and are void once
/// it has ended.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    /// A host changes.
    Turn(HostId, HostState),
    /// A dial ends.
    DialEnds { life: u64, dial: DialId },
    /// The node notices that a broken link is broken.
    LinkNoticed { life: u64, peer: PeerKey },
    /// A peer says who it is.
    Identify { life: u64, peer: PeerKey },
    /// A peer names others.
    Told { life: u64, teller: PeerKey },
    /// A ping comes back.
    Ping { life: u64, peer: PeerKey, nth: u64 },
    /// The disk is done with a commit.
    DiskDone { life: u64, commit: u64 },
    /// The disk has read what the node recalls.
    Recalled { life: u64, whom: Recall },
    /// Something to tell the engine, decided earlier.
    Tell { life: u64, input: Input },
}

/// A simulated network with one real engine in it.
#[derive(Debug)]
pub struct Sim {
    pub(crate) config: SimConfig,
    pub(crate) world: World,
    pub(crate) shelf: Shelf,
    pub(crate) node: Option<Node>,
    pub(crate) line: Line,
    pub(crate) trace: Trace,
    /// How often each directory was asked.
    pub(crate) asked: BTreeMap<Directory, usize>,
    now: Time,
    skew_ms: i64,
    lives: u64,
    queue: BTreeMap<(Time, u64), Happening>,
    queued: u64,
    spins: u32,
}

impl Sim {
    /// A network as in [`SimConfig::default`]; the node is not running yet.
    pub fn new(seed: u64) -> Self {
        Self::with(seed, SimConfig::default())
    }

    /// A network of one's own choice; the node is not running yet and remembers nothing.
    pub fn with(seed: u64, config: SimConfig) -> Self {
        let world = World::new(seed, config.terrain);
        Self::on(world, Shelf::default(), EPOCH, config)
    }

    /// A given network and a given memory, at a given moment; the node is not running yet.
    pub fn on(world: World, shelf: Shelf, now: Time, config: SimConfig) -> Self {
        Self {
            config,
            world,
            shelf,
            node: None,
            line: Line::Up,
            trace: Trace::default(),
            asked: BTreeMap::new(),
            now,
            skew_ms: 0,
            lives: 0,
            queue: BTreeMap::new(),
            queued: 0,
            spins: 0,
        }
    }

    /// The true time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// What the node's clock shows.
    pub fn node_now(&self) -> Time {
        Time::from_millis(self.now.as_millis().saturating_add_signed(self.skew_ms))
    }

    /// The seed all of it follows from.
    pub fn seed(&self) -> u64 {
        self.world.seed()
    }

    /// The network.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// What is saved.
    pub fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// What is saved, to be tampered with.
    pub fn shelf_mut(&mut self) -> &mut Shelf {
        &mut self.shelf
    }

    /// What happened so far.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The running engine.
    ///
    /// # Panics
    /// If the node is not running.
    #[track_caller]
    pub fn engine(&self) -> &Engine {
        &self.node.as_ref().expect("the node is running").engine
    }

    /// What the engine says of itself.
    ///
    /// # Panics
    /// If the node is not running.
    #[track_caller]
    pub fn status(&self) -> Status {
        self.engine().status(self.node_now())
    }

    /// How many peers, bootstrap servers not among them, have a connection to the node that works
    /// right now: the truth, which the node may learn of later.
    pub fn connected(&self) -> usize {
        self.links().count()
    }

    /// Who these are, in order of key.
    pub fn links(&self) -> impl Iterator<Item = &PeerKey> {
        let links = self.node.iter().flat_map(|node| &node.links);
        links
            .filter(|(_, link)| !link.broken && !self.world.host(link.host).bootstrap)
            .map(|(peer, _)| peer)
    }

    /// Whether a peer is connected right now.
    pub fn is_connected(&self, peer: &PeerKey) -> bool {
        let node = self.node.as_ref();
        node.and_then(|node| node.links.get(peer))
            .is_some_and(|link| !link.broken)
    }

    /// Dials in the air.
    pub fn dials(&self) -> usize {
        self.node.as_ref().map_or(0, |node| node.flights.len())
    }

    /// Dials made since the program started, and how many of them went to bootstrap servers.
    pub fn dials_made(&self) -> (u64, u64) {
        let node = self.node.as_ref();
        node.map_or((0, 0), |node| (node.dials_made, node.bootstrap_dials_made))
    }

    /// Starts the node's program with what is on the shelf.
    ///
    /// # Panics
    /// If it is running.
    pub fn start(&mut self) {
        assert!(self.node.is_none(), "the node is running already");
        self.lives += 1;
        self.boot(self.lives);
    }

    /// Ends the node's program as a kill or a crash does: without a word, and what is not on the
    /// disk is lost.
    pub fn kill(&mut self) {
        if self.node.take().is_some() {
            self.note("alice: killed");
        }
    }

    /// Ends the node's program as a user does. Returns how long that took.
    pub fn shutdown(&mut self) -> Duration {
        let began = self.now;
        self.note("alice: shuts down");
        if let Some(node) = &mut self.node {
            node.stopping = true;
        }
        self.tell(Input::Shutdown);
        let deadline = began + crate::shell::SHUTDOWN_TIMEOUT;
        while self.is_saving() && self.now < deadline {
            self.step(deadline);
        }
        self.kill();
        self.now.since(began)
    }

    fn is_saving(&self) -> bool {
        self.node
            .as_ref()
            .is_some_and(|node| !node.committing.is_empty())
    }

    /// Kills and starts it.
    pub fn crash(&mut self) {
        self.kill();
        self.start();
    }

    /// Gives the engine something of the application's, such as a judgement or a command.
    pub fn input(&mut self, input: Input) {
        self.tell(input);
    }

    /// Puts a host into another state now.
    pub fn turn(&mut self, host: HostId, state: HostState) {
        self.world.turn(host, state);
        let key = self.world.host(host).key.clone();
        self.note(format_args!("{key}: {state:?}"));
        self.follow_host(host, state);
    }

    /// Puts a host into another state later.
    pub fn turn_after(&mut self, wait: Duration, host: HostId, state: HostState) {
        self.after(wait, Happening::Turn(host, state));
    }

    /// Cuts off every `nth` host from the node; the rest of the network still sees them.
    pub fn partition(&mut self, nth: usize) {
        self.turn_where(HostState::Partitioned, |id, host| {
            id.0.is_multiple_of(nth) && host.state == HostState::Alive
        });
    }

    /// Ends the partition.
    pub fn heal(&mut self) {
        self.turn_where(HostState::Alive, |_, host| {
            host.state == HostState::Partitioned
        });
    }

    /// Puts all hosts that fit into another state now.
    pub fn turn_where(
        &mut self,
        state: HostState,
        fits: impl Fn(HostId, &crate::world::Host) -> bool,
    ) {
        let hosts: Vec<_> = self
            .world
            .hosts()
            .filter(|(id, host)| fits(*id, host))
            .map(|(id, _)| id)
            .collect();
        for host in hosts {
            self.turn(host, state);
        }
    }

    /// How the disk behaves from now on.
    pub fn disk(&mut self, disk: Disk) {
        self.note(format_args!("disk: {disk:?}"));
        self.shelf.disk = disk;
    }

    /// Sets the machine's clock while the program is not running, by so many milliseconds.
    ///
    /// # Panics
    /// If it is running: the shell hides jumps of the clock from a running engine.
    pub fn set_clock(&mut self, by_ms: i64) {
        assert!(self.node.is_none(), "set the clock between two runs");
        self.skew_ms += by_ms;
        self.note(format_args!("clock: set by {by_ms} ms"));
    }

    /// Runs for a while.
    pub fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            self.step(end);
        }
    }

    /// Runs until the wish comes true and returns how long that took.
    ///
    /// # Panics
    /// If it does not within [`PATIENCE`]; the message has the seed and the last events.
    #[track_caller]
    pub fn run_until(&mut self, wish: impl Fn(&Self) -> bool) -> Duration {
        match self.run_until_or(PATIENCE, wish) {
            Some(took) => took,
            None => panic!(
                "seed {}: in vain for {PATIENCE:?}; last:\n{}",
                self.seed(),
                self.trace.tail(30)
            ),
        }
    }

    /// Runs until the wish comes true and returns how long that took, or `None` if it does not
    /// within `limit`.
    pub fn run_until_or(
        &mut self,
        limit: Duration,
        wish: impl Fn(&Self) -> bool,
    ) -> Option<Duration> {
        let began = self.now;
        let end = began + limit;
        while !wish(self) {
            if self.now >= end {
                return None;
            }
            self.step(end);
        }
        Some(self.now.since(began))
    }

    /// Lets the next thing happen, or time pass until `end`.
    fn step(&mut self, end: Time) {
        let wake = self.wake_at();
        let next = self.queue.keys().next().map(|(at, _)| *at);
        let queue_first = match (next, wake) {
            (Some(next), Some(wake)) => next <= wake,
            (next, _) => next.is_some(),
        };
        let due = if queue_first { next } else { wake };
        let Some(due) = due.filter(|due| *due <= end) else {
            self.now = end;
            return;
        };
        if due > self.now {
            self.now = due;
            self.spins = 0;
        }
        if queue_first {
            if let Some((_, happening)) = self.queue.pop_first() {
                self.happen(happening);
            }
            return;
        }
        self.spins += 1;
        assert!(
            self.spins < SPINS_MAX,
            "seed {}: the engine asks to be woken over and over at {}: {:?}",
            self.seed(),
            self.now,
            self.engine().poll_timeout(),
        );
        self.tell(Input::Tick);
    }

    /// When the shell wakes the engine at the latest, in true time.
    fn wake_at(&self) -> Option<Time> {
        let node = self.node.as_ref()?;
        let nap_ends = node.last_input + crate::shell::NAP_MAX;
        let asked = node.engine.poll_timeout().map(|timeout| {
            let millis = timeout.at.as_millis();
            Time::from_millis(millis.saturating_add_signed(-self.skew_ms))
        });
        Some(asked.map_or(nap_ends, |at| at.min(nap_ends)).max(self.now))
    }

    fn happen(&mut self, happening: Happening) {
        let life = match happening {
            Happening::Turn(host, state) => return self.turn(host, state),
            Happening::DialEnds { life, .. }
            | Happening::LinkNoticed { life, .. }
            | Happening::Identify { life, .. }
            | Happening::Told { life, .. }
            | Happening::Ping { life, .. }
            | Happening::DiskDone { life, .. }
            | Happening::Recalled { life, .. }
            | Happening::Tell { life, .. } => life,
        };
        if self.node.as_ref().is_none_or(|node| node.life != life) {
            return;
        }
        match happening {
            Happening::Turn(..) => {}
            Happening::DialEnds { dial, .. } => self.dial_ends(dial),
            Happening::LinkNoticed { peer, .. } => self.link_noticed(&peer),
            Happening::Identify { peer, .. } => self.identify(&peer),
            Happening::Told { teller, .. } => self.told(&teller),
            Happening::Ping { peer, nth, .. } => self.ping(&peer, nth),
            Happening::DiskDone { commit, .. } => self.disk_done(commit),
            Happening::Recalled { whom, .. } => self.recalled(&whom),
            Happening::Tell { input, .. } => self.tell(input),
        }
    }

    /// Closes the lid for `span`: the world goes on, the node stands still. Afterwards its dials
    /// are lost and, if it slept for longer than a peer waits, its links broken.
    pub fn suspend(&mut self, span: Duration) {
        self.note("alice: sleeps");
        let wake = self.now + span;
        let mut kept = Vec::new();
        while let Some(entry) = self.queue.first_entry().filter(|e| e.key().0 < wake) {
            let at = entry.key().0;
            let happening = entry.remove();
            match happening {
                Happening::Turn(..) => {
                    self.now = self.now.max(at);
                    self.happen(happening);
                }
                // Nothing that was under way reaches us; what is on the disk is on the disk.
                Happening::DialEnds { .. } | Happening::DiskDone { .. } => kept.push(happening),
                // A break noticed in the interval is noticed after it.
                Happening::LinkNoticed { .. }
                | Happening::Recalled { .. }
                | Happening::Tell { .. } => kept.push(happening),
                Happening::Identify { .. } | Happening::Told { .. } => {}
                Happening::Ping { .. } => kept.push(happening),
            }
        }
        self.now = wake;
        for happening in kept {
            self.after(Duration::ZERO, happening);
        }
        self.note("alice: wakes");
        self.wake_up(span);
    }

    pub(crate) fn after(&mut self, wait: Duration, happening: Happening) {
        self.queued += 1;
        self.queue.insert((self.now + wait, self.queued), happening);
    }

    pub(crate) fn note(&mut self, what: impl std::fmt::Display) {
        self.trace.line(self.now, what);
    }
}
