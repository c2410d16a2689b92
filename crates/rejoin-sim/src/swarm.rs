//! A swarm: up to a hundred thousand real engines that talk to each other, on one virtual clock. One
//! seed gives one run. [`Sim`](crate::Sim) shows one node in detail; this shows what comes of all of
//! them together.
//!
//! Every node runs [`Engine`], with the default configuration unless another is asked for. What an adapter would do for it stands
//! in `shell`, what becomes of connections in `link`. Simplified: every node can be reached at one
//! public address; a commit is acknowledged and dropped, and who restarts remembers all of it; pings are
//! sent to everybody connected at once, four times a minute; a node tells its gossip to at most 8 of
//! the connected, chosen as gossipsub grafts its mesh, and gossipsub's own control messages are left
//! out. Loss, firewalls and full lines are left out as in the rest of this crate.

pub mod blackout;
mod company;
pub mod experiment;
pub mod flood;
mod graph;
mod link;
pub mod load;
mod node;
mod places;
mod report;
mod shell;
mod tales;
mod tape;
pub mod tune;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use fastrand::Rng;
use rejoin_core::{
    Command, Config, DialId, Engine, Envelope, Input, LocalNetwork, Rumour, Snapshot, Time,
};

pub use company::{GROWN_AFTER, WANTED};
pub use experiment::{Figures, Story};
pub use node::{Effort, Role};
pub use places::NodeId;
pub use tape::Noted;

use crate::{
    chance::{self, Subject},
    sim::EPOCH,
    trace::Trace,
    world::TRANSPORT_TIMEOUT,
};
use company::{Company, Watched};
use load::{Loads, Row};
use node::{Node, State};
use places::Places;
use tape::Tape;

/// Many nodes on one network.
#[derive(Debug)]
pub struct Swarm {
    seed: u64,
    /// Every engine's.
    config: Config,
    now: Time,
    places: Places,
    nodes: Vec<Node>,
    /// The bootstrap servers, and when others have connected to each.
    servers: BTreeMap<NodeId, Vec<Time>>,
    queue: BTreeMap<(Time, u64), Happening>,
    numbers: Numbers,
    loads: Loads,
    trace: Option<Trace>,
    /// What one of them goes through, if that is to be written down.
    tape: Option<(NodeId, Tape)>,
}

/// The last number that was given to each thing that has one.
#[derive(Debug, Default)]
struct Numbers {
    happenings: u64,
    links: u64,
    questions: u64,
    strangers: u32,
}

/// What is to happen.
#[derive(Clone, Debug)]
enum Happening {
    /// A node starts, and knows one other, if anybody.
    Starts(NodeId, Option<NodeId>),
    /// It goes without a word.
    Goes(NodeId),
    /// Its engine wants to be called.
    Wakes(NodeId),
    /// It pings everybody it is connected to.
    Pings(NodeId),
    /// A dial ends.
    DialEnds(NodeId, DialId),
    /// It dials somebody, whatever an engine would say.
    Intrudes(NodeId, NodeId),
    /// Something reaches a node over a connection, if that still works.
    Arrives(NodeId, Sender, Message),
    /// A node notices that a connection is gone.
    Noticed(NodeId, Sender),
}

/// The other end, and which of all connections it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sender {
    peer: NodeId,
    link: u64,
}

#[derive(Clone, Debug)]
enum Message {
    Identify,
    Ask(Option<Envelope>),
    Tell(Vec<Envelope>),
    Gossip(Arc<[Rumour]>),
}

/// How often a node pings, and how many pings make a minute.
const PING_EVERY: Duration = crate::shell::PING_EVERY;
const PINGS_PER_MINUTE: u32 = 4;

impl Swarm {
    /// Nobody is there yet.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            config: Config::default(),
            now: EPOCH,
            places: Places::new(seed),
            nodes: Vec::new(),
            servers: BTreeMap::new(),
            queue: BTreeMap::new(),
            numbers: Numbers::default(),
            loads: Loads::default(),
            trace: None,
            tape: None,
        }
    }

    /// Every engine that starts from now on has this configuration, but for its name.
    #[must_use]
    pub fn with_config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Writes down what happens. Only for small swarms: it costs far more than the swarm itself.
    #[must_use]
    pub fn traced(mut self) -> Self {
        self.trace = Some(Trace::default());
        self
    }

    /// What happened so far, if it was to be written down.
    pub fn trace(&self) -> Option<&Trace> {
        self.trace.as_ref()
    }

    /// The time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// How many nodes there ever were, also those yet to come.
    pub fn size(&self) -> usize {
        self.nodes.len()
    }

    /// One more honest node, which starts after a while and knows one other only, if anybody.
    pub fn join(&mut self, wait: Duration, introducer: Option<NodeId>) -> NodeId {
        self.settle(Role::Honest, None, wait, introducer)
    }

    /// One more node of any role, somewhere or in a given /16.
    pub fn settle(
        &mut self,
        role: Role,
        prefix: Option<[u8; 2]>,
        wait: Duration,
        introducer: Option<NodeId>,
    ) -> NodeId {
        let id = self.places.settle(prefix);
        self.nodes.push(Node::new(role, self.now));
        if role == Role::Server {
            self.servers.insert(id, Vec::new());
        }
        self.after(wait, Happening::Starts(id, introducer));
        id
    }

    /// So many honest nodes start in any order within a second, each knowing one other: nobody knows
    /// everybody, whoever one knows may not have started yet, and there is no server.
    pub fn plant(&mut self, count: usize) {
        let mut rng = self.rng(Subject::Fate, NodeId(u32::MAX), 0);
        for nth in 0..count {
            let other = (nth > 0).then(|| NodeId(rng.u32(..nth as u32)));
            self.join(Duration::from_millis(rng.u64(..1_000)), other);
        }
    }

    /// A node goes after a while, without a word.
    pub fn leave(&mut self, wait: Duration, id: NodeId) {
        self.after(wait, Happening::Goes(id));
    }

    /// A running node goes as if killed, and is back after a while with what it remembered.
    ///
    /// # Panics
    /// If it is back before what it had in the air has come down.
    pub fn restart(&mut self, id: NodeId, away: Duration) {
        let engine = self.engine(id);
        let mut peers: Vec<_> = engine.peers().cloned().collect();
        peers.sort_by(|a, b| a.key.cmp(&b.key));
        let memory = Snapshot {
            memory: Some(engine.memory().clone()),
            peers,
        };
        self.begin_anew(id, away);
        self.nodes[id.index()].memory = Some(memory);
    }

    /// The same, but it remembers nothing.
    ///
    /// # Panics
    /// As [`Self::restart`].
    pub fn begin_anew(&mut self, id: NodeId, away: Duration) {
        assert!(away > TRANSPORT_TIMEOUT + PING_EVERY, "away for {away:?}");
        self.goes(id);
        self.after(away, Happening::Starts(id, None));
    }

    /// When others have connected to bootstrap servers, server by server.
    pub fn visits(&self) -> impl Iterator<Item = &Time> {
        self.servers.values().flatten()
    }

    /// A node is up to something else from now on.
    ///
    /// # Panics
    /// If that takes an engine and it has none, or the other way round.
    pub fn turn(&mut self, id: NodeId, role: Role) {
        let node = &mut self.nodes[id.index()];
        assert_eq!(node.role.has_engine(), role.has_engine(), "{role:?}");
        node.role = role;
    }

    /// Begins to write down what one node hears and whom it dials.
    pub fn tape(&mut self, id: NodeId) {
        self.tape = Some((id, Tape::default()));
    }

    /// What was written down so far, in order.
    pub fn taped(&self) -> &[Noted] {
        self.tape.as_ref().map_or(&[], |(_, tape)| tape.noted())
    }

    /// A node connects to another after a while, whatever an engine would say.
    pub fn intrude(&mut self, wait: Duration, intruder: NodeId, victim: NodeId) {
        self.after(wait, Happening::Intrudes(intruder, victim));
    }

    /// The honest nodes that are running.
    pub fn honest(&self) -> impl Iterator<Item = NodeId> {
        let nodes = self.nodes.iter().enumerate();
        nodes
            .filter(|(_, node)| node.is_honest())
            .map(|(index, _)| NodeId(index as u32))
    }

    /// Everybody that is running, of whatever kind.
    pub fn running(&self) -> impl Iterator<Item = NodeId> {
        let ids = (0..self.nodes.len()).map(|index| NodeId(index as u32));
        ids.filter(|id| self.runs(*id))
    }

    /// Whether somebody is running; strangers never are.
    pub fn runs(&self, id: NodeId) -> bool {
        let node = self.nodes.get(id.index());
        node.is_some_and(|node| node.state == State::Up)
    }

    /// The /16 somebody lives in.
    pub fn prefix(&self, id: NodeId) -> [u8; 2] {
        self.places.prefix(id)
    }

    /// Whom a node has a working connection to.
    pub fn linked(&self, id: NodeId) -> Vec<NodeId> {
        let links = self.nodes[id.index()].links.iter();
        let working = links.filter(|(peer, link)| self.works(id, **peer, link.number));
        working.map(|(peer, _)| *peer).collect()
    }

    /// The engine of a running node.
    ///
    /// # Panics
    /// If it is not running, or has none.
    #[track_caller]
    pub fn engine(&self, id: NodeId) -> &Engine {
        let engine = self.nodes[id.index()].engine.as_deref();
        engine.expect("the node is running")
    }

    /// How long ago it started, if it has.
    pub fn age(&self, id: NodeId) -> Duration {
        self.nodes[id.index()].company.age(self.now)
    }

    /// How many honest nodes it has a working connection to.
    pub fn company(&self, id: NodeId) -> usize {
        self.nodes[id.index()].company.now()
    }

    /// How many connections it believes to have, of whatever kind.
    pub fn links(&self, id: NodeId) -> usize {
        self.nodes[id.index()].links.len()
    }

    /// What it took until it had the company it wants; `None` if it never had.
    pub fn effort(&self, id: NodeId) -> Option<Effort> {
        self.nodes[id.index()].effort
    }

    /// What every full minute of every node came to since the last call.
    pub fn take_loads(&mut self) -> Vec<Row> {
        let loads = std::mem::take(&mut self.loads);
        loads.sum_up()
    }

    /// Begins to watch everybody's company anew.
    pub fn watch(&mut self) {
        for node in &mut self.nodes {
            node.company.watch(self.now);
        }
    }

    /// The nodes whose company one is in, while it is.
    fn friends(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        let links = self.nodes[id.index()].links.iter();
        links
            .filter(move |(peer, link)| self.works(id, **peer, link.number))
            .map(|(peer, _)| *peer)
            .filter(|peer| self.nodes[peer.index()].is_honest())
    }

    fn watched(&self, id: NodeId) -> Watched {
        self.nodes[id.index()].company.so_far(self.now)
    }

    /// Runs for a while.
    pub fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(due) = self.queue.first_entry() {
            let (at, _) = *due.key();
            if at > end {
                break;
            }
            let happening = due.remove();
            self.now = at;
            self.happens(happening);
        }
        self.now = end;
    }

    /// The same, and tells once in each second of its clock how long it has run by then in all.
    pub fn run_for_telling(&mut self, span: Duration, tell: impl Fn(Duration)) {
        const SECOND: Duration = Duration::from_secs(1);
        let end = self.now + span;
        while self.now < end {
            self.run_for(end.since(self.now).min(SECOND));
            tell(self.now.since(EPOCH));
        }
    }

    /// Runs until the wish comes true, looking ten times a second; `None` if it does not in time.
    pub fn run_until(&mut self, limit: Duration, wish: impl Fn(&Self) -> bool) -> Option<Duration> {
        const LOOK_EVERY: Duration = Duration::from_millis(100);
        let began = self.now;
        loop {
            let took = self.now.since(began);
            if wish(self) {
                return Some(took);
            }
            if took >= limit {
                return None;
            }
            self.run_for(LOOK_EVERY);
        }
    }

    fn happens(&mut self, happening: Happening) {
        self.note(|| format!("{happening:?}"));
        match happening {
            Happening::Starts(id, introducer) => self.starts(id, introducer),
            Happening::Goes(id) => self.goes(id),
            Happening::Wakes(id) => self.wakes(id),
            Happening::Pings(id) => self.pings(id),
            Happening::DialEnds(id, dial) => self.dial_ends(id, dial),
            Happening::Intrudes(intruder, victim) => self.intrudes(intruder, victim),
            Happening::Arrives(id, sender, message) => self.arrives(id, sender, message),
            Happening::Noticed(id, sender) => self.noticed(id, sender),
        }
    }

    fn starts(&mut self, id: NodeId, introducer: Option<NodeId>) {
        let now = self.now;
        let memory = self.nodes[id.index()].memory.take();
        let life = u64::from(memory.is_some());
        let seed = self.rng(Subject::Engine, id, life).u64(..);
        let address = self.places.address(id);
        let node = &mut self.nodes[id.index()];
        node.state = State::Up;
        node.company = Company::new(now);
        node.effort = None;
        let first =
            PING_EVERY.mul_f64(chance::rng(self.seed, Subject::Notice, u64::from(id.0), 0).f64());
        self.after(first, Happening::Pings(id));
        let node = &mut self.nodes[id.index()];
        if !node.role.has_engine() {
            return;
        }
        let config = Config {
            me: Some(id.key()),
            ..self.config.clone()
        };
        node.engine = Some(Box::new(Engine::new(
            config,
            memory.unwrap_or_default(),
            now,
            seed,
        )));
        let networks = address.ip().map(|ip| LocalNetwork::new(ip, 32));
        let mut inputs = VecDeque::from([Input::Moved {
            own: vec![address],
            networks: networks.into_iter().collect(),
            place: None,
        }]);
        inputs.extend(self.servers.keys().map(|server| {
            Input::Command(Command::AddBootstrap {
                peer: Some(server.key()),
                address: self.places.address(*server),
            })
        }));
        inputs.extend(introducer.map(|introducer| {
            Input::Command(Command::Connect {
                peer: Some(introducer.key()),
                addresses: vec![self.places.address(introducer)],
            })
        }));
        self.tell_all(id, inputs);
    }

    fn goes(&mut self, id: NodeId) {
        if self.nodes[id.index()].state != State::Up {
            return;
        }
        let machine_stays = self.rng(Subject::Fate, id, 1).bool();
        let state = if machine_stays {
            State::Refuses
        } else {
            State::Silent
        };
        self.break_all(id, state);
        let node = &mut self.nodes[id.index()];
        node.state = state;
        node.engine = None;
        node.wake_at = None;
        node.links.clear();
        node.flights.clear();
        node.questions.clear();
        node.waiting.clear();
    }

    fn rng(&self, subject: Subject, id: NodeId, nth: u64) -> Rng {
        chance::rng(self.seed, subject, u64::from(id.0), nth)
    }

    fn after(&mut self, wait: Duration, happening: Happening) {
        self.numbers.happenings += 1;
        let key = (self.now + wait, self.numbers.happenings);
        self.queue.insert(key, happening);
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.line(self.now, what());
        }
    }
}
