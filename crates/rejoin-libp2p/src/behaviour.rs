//! The behaviour: an engine, a clock, a timer and a shelf inside a swarm. Everything that happens
//! goes into the engine as one [`Input`]; everything the engine wants is carried out here. Whom to
//! keep and whom to dial is not decided here.

use std::{
    collections::{VecDeque, hash_map::RandomState},
    fmt,
    hash::{BuildHasher, Hasher},
    task::{Context, Poll},
    time::Duration,
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    identify,
    identity::Keypair,
    ping, request_response,
    swarm::{
        CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler,
        THandlerInEvent, THandlerOutEvent, ToSwarm,
    },
};
use rejoin_core::{
    Changes, Config, Engine, Envelope, Input, Output, PeerKey, Recalled, Scope, Snapshot,
};

use crate::{
    clock::Clock,
    event::Event,
    gossip,
    senses::{Sensed, Senses},
    shelf::{Answer, Shelf},
    slots::Slots,
    surroundings::Surroundings,
    talk::{self, Talk},
    timer::Timer,
    translator::Translator,
    turns::Turns,
    way,
};

/// Steps of one `poll`; after that others get their turn.
const STEPS_PER_POLL: usize = 64;

/// How long a dropped behaviour waits for its last changes to be saved: a healthy disk needs a
/// hundredth of it, and nobody wants to wait for another one.
const FLUSH_MAX: Duration = Duration::from_millis(1_500);

/// What a [`Behaviour`] begins with. Fill in what differs and take the rest from [`Setup::new`].
pub struct Setup {
    /// What the engine may do.
    pub config: Config,
    /// The best part of the memory, enough for the first dials.
    pub snapshot: Snapshot,
    /// Where changes go; `None` forgets everything when the program ends.
    pub shelf: Option<Box<dyn Shelf>>,
    /// Our own identify; `None` if the program has one and hands its events to
    /// [`Behaviour::on_identify`].
    pub identify: Option<identify::Config>,
    /// Our own ping; `None` if the program has one and hands its events to [`Behaviour::on_ping`].
    pub ping: Option<ping::Config>,
    /// Peer exchange: asks peers for others, and answers those who ask; `None` does neither.
    pub pex: Option<request_response::Config>,
    /// Signs where we live, so that others can tell of us; `None` leaves us unknown to whom we do not
    /// know.
    pub key: Option<Keypair>,
    /// The same seed and the same events lead to the same dials. Random unless a test sets it.
    pub seed: u64,
}

impl Setup {
    /// The usual: all defaults, an empty memory that nobody keeps, identify, ping and peer exchange of
    /// our own.
    pub fn new(key: &Keypair) -> Self {
        let me = key.public();
        let config = Config {
            me: Some(me.to_peer_id().into()),
            ..Config::default()
        };
        let identify = identify::Config::new(PROTOCOL_VERSION.into(), me)
            .with_agent_version(concat!("rejoin/", env!("CARGO_PKG_VERSION")).into());
        Self {
            config,
            snapshot: Snapshot::default(),
            shelf: None,
            identify: Some(identify),
            ping: Some(ping::Config::new()),
            pex: Some(
                request_response::Config::default()
                    .with_request_timeout(ANSWER_WITHIN)
                    .with_max_concurrent_streams(QUESTIONS_PER_CONNECTION),
            ),
            key: Some(key.clone()),
            seed: random_seed(),
        }
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("config", &self.config)
            .field("peers", &self.snapshot.peers.len())
            .field("saves", &self.shelf.is_some())
            .field("identifies", &self.identify.is_some())
            .field("pings", &self.ping.is_some())
            .field("exchanges", &self.pex.is_some())
            .field("signs", &self.key.is_some())
            .finish_non_exhaustive()
    }
}

/// An answer of some 20 KiB, over a bad line.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// One of theirs and one of ours at a time, and as many again.
const QUESTIONS_PER_CONNECTION: usize = 4;

/// What our identify says we speak, where the program has none of its own.
const PROTOCOL_VERSION: &str = "rejoin/1";

/// Remembers peers, judges them by what really happens, and gets the node back into its network.
///
/// Put it into a swarm, alone or beside any other behaviour: it listens to what the swarm goes
/// through and dials whom it remembers. It keeps every connection open that the engine does not
/// want closed.
///
/// Dropping it saves what is unsaved, waiting for that no longer than 1.5 seconds (a store may take
/// half a second more to close).
pub struct Behaviour {
    pub(crate) engine: Engine,
    pub(crate) clock: Clock,
    pub(crate) translator: Translator,
    pub(crate) surroundings: Surroundings,
    slots: Slots,
    turns: Turns,
    senses: Senses,
    talk: Talk,
    shelf: Option<Box<dyn Shelf>>,
    /// The last commit handed to the shelf; an answer to an earlier one came too late.
    commit: u64,
    unanswered: bool,
    stopping: bool,
    /// What the engine wanted done while nobody could do it.
    deferred: VecDeque<Output>,
    timer: Timer,
}

impl Behaviour {
    /// Begins with what is remembered.
    pub fn new(setup: Setup) -> Self {
        let mut clock = Clock::start();
        let engine = Engine::new(setup.config, setup.snapshot, clock.now(), setup.seed);
        Self {
            engine,
            clock,
            translator: Translator::default(),
            surroundings: Surroundings::default(),
            slots: Slots::default(),
            turns: Turns::default(),
            senses: Senses::new(setup.identify, setup.ping, setup.pex),
            talk: Talk::new(setup.key),
            shelf: setup.shelf,
            commit: 0,
            unanswered: false,
            stopping: false,
            deferred: VecDeque::new(),
            timer: Timer::default(),
        }
    }

    /// Hands what is still unsaved to the shelf; no dial follows. Returns at once: whoever drops the
    /// behaviour next waits for the shelf to be done. Calling it again does nothing.
    pub fn shutdown(&mut self) {
        if std::mem::replace(&mut self.stopping, true) {
            return;
        }
        self.tell(Input::Shutdown);
        self.save_now();
    }

    pub(crate) fn tell(&mut self, input: Input) {
        let now = self.clock.now();
        // Before anybody is dialled it has to be known from where.
        if let Some(moved) = self.surroundings.moved() {
            self.engine.handle_input(now, moved);
        }
        self.engine.handle_input(now, input);
    }

    /// Carries out what needs no swarm and keeps the rest.
    fn save_now(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Commit(changes) => self.save(changes),
                Output::Recall(_)
                | Output::Dial(_)
                | Output::CancelDial(_)
                | Output::Disconnect { .. }
                | Output::Reserve(_)
                | Output::Release { .. }
                | Output::Sign(_)
                | Output::AskPeers { .. }
                | Output::TellPeers { .. }
                | Output::Gossip(_)
                | Output::Consult { .. }
                | Output::Discover
                | Output::Event(_) => self.deferred.push_back(output),
            }
        }
    }

    fn save(&mut self, changes: Changes) {
        let Some(shelf) = &mut self.shelf else {
            self.tell(Input::Committed { ok: true });
            return;
        };
        self.commit += 1;
        self.unanswered = true;
        shelf.commit(self.commit, changes, self.clock.now());
    }

    /// What an answer of the shelf means to the engine; one that came too late means nothing.
    fn heard_from_shelf(&mut self, answer: Answer) -> Option<Input> {
        match answer {
            Answer::Loaded(peers) => Some(Input::Loaded(peers)),
            Answer::Shelved(count) => Some(Input::Shelved(count)),
            Answer::Recalled(found) => Some(Input::Recalled(found)),
            Answer::Committed { number, ok } => {
                (number == self.commit && self.unanswered).then(|| {
                    self.unanswered = false;
                    Input::Committed { ok }
                })
            }
        }
    }

    /// The end: nobody polls any more, so wait for the shelf here.
    fn flush(&mut self) {
        let deadline = self.clock.now() + FLUSH_MAX;
        while self.unanswered {
            let left = deadline.since(self.clock.now());
            let Some(shelf) = self.shelf.as_mut().filter(|_| !left.is_zero()) else {
                break;
            };
            let Some(answer) = shelf.wait_answer(left) else {
                break;
            };
            let Some(input) = self.heard_from_shelf(answer) else {
                continue;
            };
            let failed = input == Input::Committed { ok: false };
            self.tell(input);
            if failed {
                break; // a disk that refuses now will not take it in the next second
            }
            self.save_now();
        }
        if self.unanswered {
            tracing::warn!("the last changes to the peer memory may not be saved");
        }
    }

    /// What the swarm is to do for one output, if it takes the swarm at all.
    fn carry_out(&mut self, output: Output) -> Option<Action> {
        let connected = |peer: &PeerId| self.translator.is_connected(peer);
        match self.turns.take(output, connected)? {
            Output::Dial(dial) => match self.translator.dial(dial) {
                Ok(opts) => Some(ToSwarm::Dial { opts }),
                Err(input) => {
                    if let Input::DialFailed { dial, .. } | Input::DialNotMade { dial } = &input {
                        self.deferred.extend(self.turns.dial_ended(*dial));
                    }
                    self.tell(input);
                    None
                }
            },
            Output::CancelDial(dial) => match self.turns.cancel(dial) {
                true => None,
                false => self.translator.cancel(dial).map(close_all),
            },
            Output::Disconnect { peer, reason } => {
                tracing::debug!(%peer, ?reason, "closing");
                peer.peer_id().map(close_all)
            }
            Output::Commit(changes) => {
                self.save(changes);
                None
            }
            Output::Recall(whom) => {
                match &mut self.shelf {
                    Some(shelf) => shelf.recall(whom),
                    None => self.tell(Input::Recalled(Recalled::default())),
                }
                None
            }
            Output::Reserve(reserve) => match self.slots.ask(reserve) {
                Ok(opts) => Some(ToSwarm::ListenOn { opts }),
                Err(input) => {
                    self.tell(input);
                    None
                }
            },
            Output::Release { relay } => {
                self.turns.release(&relay);
                let id = self.slots.release(&relay)?;
                self.deferred.extend(self.turns.slot_ended(&relay));
                Some(ToSwarm::RemoveListener { id })
            }
            Output::Sign(addresses) => {
                if let Some(input) = self.talk.sign(&addresses) {
                    self.tell(input);
                }
                None
            }
            Output::AskPeers { peer, own } => {
                self.ask(peer, own.as_ref());
                None
            }
            Output::TellPeers {
                question,
                envelopes,
            } => {
                if let Some((channel, answer)) = self.talk.answer(question, &envelopes) {
                    self.senses.answer(channel, answer);
                }
                None
            }
            Output::Gossip(rumours) => Some(ToSwarm::GenerateEvent(Event::Gossip {
                message: gossip::write(rumours),
            })),
            Output::Consult {
                ask,
                directory,
                within,
            } => Some(ToSwarm::GenerateEvent(Event::Consult {
                ask,
                directory,
                within,
            })),
            Output::Discover => Some(ToSwarm::GenerateEvent(Event::Discover)),
            Output::Event(event) => Event::told(event).map(ToSwarm::GenerateEvent),
        }
    }

    fn ask(&mut self, peer: PeerKey, own: Option<&Envelope>) {
        // Asking somebody who has just left would dial.
        let connected = peer
            .peer_id()
            .filter(|peer| self.translator.is_connected(peer));
        let asked = connected.is_some_and(|id| self.senses.ask(&id, talk::question(own)));
        if !asked {
            self.tell(Input::PeersNotTold { peer });
        }
    }

    /// The next thing that has happened.
    fn next_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        if let Some(input) = self.surroundings.moved() {
            return Poll::Ready(Step::Tell(input));
        }
        if let Some(shelf) = &mut self.shelf
            && let Poll::Ready(answer) = shelf.poll_answer(cx)
        {
            return Poll::Ready(match self.heard_from_shelf(answer) {
                Some(input) => Step::Tell(input),
                None => Step::Nothing,
            });
        }
        if let Poll::Ready(action) = self.senses.poll(cx) {
            return Poll::Ready(self.sense(action));
        }
        if self
            .timer
            .poll(self.engine.poll_timeout(), &mut self.clock, cx)
            .is_ready()
        {
            return Poll::Ready(Step::Tell(Input::Tick));
        }
        Poll::Pending
    }

    fn sense(&mut self, action: ToSwarm<Sensed, THandlerInEvent<Senses>>) -> Step {
        let input = match action {
            ToSwarm::GenerateEvent(Sensed::Identify(event)) => self.translator.on_identify(&event),
            ToSwarm::GenerateEvent(Sensed::Ping(event)) => self.translator.on_ping(&event),
            ToSwarm::GenerateEvent(Sensed::Pex(event)) => {
                let most = self.engine.config().exchange.answer_max;
                self.talk.on_pex(event, most)
            }
            action => {
                let action = action.map_out(|_| unreachable!("events are taken out above"));
                return Step::Act(action);
            }
        };
        input.map_or(Step::Nothing, Step::Tell)
    }

    /// Nobody can be refused who is not known.
    fn refuse_if_blocked(&mut self, peer: PeerId) -> Result<(), ConnectionDenied> {
        let now = self.clock.now();
        let key = PeerKey::from(peer);
        match self.engine.peer(&key) {
            Some(record) if record.is_blocked(now) => Err(ConnectionDenied::new(Blocked { peer })),
            _ => Ok(()),
        }
    }

    /// Other behaviours dial where a connected peer asks them to: AutoNAT to test the peer's
    /// addresses, DCUtR to punch a hole. Nobody far away may have our own machine or LAN tried.
    fn refuse_if_out_of_sight(
        &self,
        peer: PeerId,
        addresses: &[Multiaddr],
    ) -> Result<(), ConnectionDenied> {
        let Some(from) = self.translator.nearest(&peer) else {
            return Ok(()); // who is not connected asked for nothing
        };
        let in_sight = |address: &Multiaddr| {
            way::stripped(address).is_some_and(|it| Scope::of(&it).may_be_told(from))
        };
        match addresses.is_empty() || addresses.iter().any(in_sight) {
            true => Ok(()),
            false => Err(ConnectionDenied::new(OutOfSight { peer })),
        }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = THandler<Senses>;
    type ToSwarm = Event;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.senses
            .handle_pending_inbound_connection(connection, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.refuse_if_blocked(peer)?;
        self.senses
            .handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        // The engine may dial a blocked peer: then the user wants it.
        if let Some(peer) = peer.filter(|_| !self.translator.is_ours(connection)) {
            self.refuse_if_blocked(peer)?;
            self.refuse_if_out_of_sight(peer, addresses)?;
        }
        self.senses
            .handle_pending_outbound_connection(connection, peer, addresses, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if !self.translator.is_ours(connection) {
            self.refuse_if_blocked(peer)?;
        }
        self.senses
            .handle_established_outbound_connection(connection, peer, address, role, port_use)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.senses.on_swarm_event(event);
        self.surroundings.on_swarm_event(&event);
        if let FromSwarm::NewExternalAddrOfPeer(found) = &event
            && self.senses.identifies()
            && self.translator.is_connected(&found.peer_id)
        {
            return; // our own identify passes on what we have already heard first-hand
        }
        let ended = self.translator.ends(&event);
        let input = self.translator.on_swarm_event(&event);
        let input = input.or_else(|| self.slots.on_swarm_event(&event));
        if let FromSwarm::ConnectionEstablished(event) = &event {
            self.deferred.extend(self.turns.connected(&event.peer_id));
        }
        if let Some(dial) = ended {
            self.deferred.extend(self.turns.dial_ended(dial));
        }
        if let Some(Input::Reserved { relay } | Input::NotReserved { relay }) = &input {
            self.deferred.extend(self.turns.slot_ended(relay));
        }
        if let Some(input) = input {
            self.tell(input);
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        self.senses
            .on_connection_handler_event(peer, connection, event);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Action> {
        for _ in 0..STEPS_PER_POLL {
            let wanted = self.deferred.pop_front();
            if let Some(output) = wanted.or_else(|| self.engine.poll_output()) {
                match self.carry_out(output) {
                    Some(action) => return Poll::Ready(action),
                    None => continue,
                }
            }
            match self.next_step(cx) {
                Poll::Ready(Step::Tell(input)) => self.tell(input),
                Poll::Ready(Step::Act(action)) => return Poll::Ready(action),
                Poll::Ready(Step::Nothing) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Behaviour {
    fn drop(&mut self) {
        self.shutdown();
        self.flush();
    }
}

impl fmt::Debug for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Behaviour")
            .field("engine", &self.engine)
            .field("translator", &self.translator)
            .finish_non_exhaustive()
    }
}

type Action = ToSwarm<Event, THandlerInEvent<Behaviour>>;

/// One thing that has happened.
enum Step {
    Tell(Input),
    Act(Action),
    Nothing,
}

/// Why a connection was refused: we do not deal with this peer at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{peer} is blocked; unblock it to connect")]
pub struct Blocked {
    /// Who.
    pub peer: PeerId,
}

/// Why a connection was refused: a peer far away asked for it, at an address only we can know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{peer} is too far away to know what is at this address")]
struct OutOfSight {
    peer: PeerId,
}

fn close_all(peer_id: PeerId) -> Action {
    ToSwarm::CloseConnection {
        peer_id,
        connection: CloseConnection::All,
    }
}

/// The standard library seeds its hash maps from the operating system.
fn random_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}
