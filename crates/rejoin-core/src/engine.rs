//! The whole mind, put together: one way in, one way out.
//!
//! The engine forwards what happens to the machine whose concern it is and, after every input,
//! asks each what is due. It keeps no facts of its own beside a few deadlines.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use fastrand::Rng;

use crate::{
    address::Address,
    book::{self, Book, Meeting},
    config::Config,
    dialer::{Dialer, Flight, Scene},
    input::{AddressFailure, Command, Connected, Direction, Failure, Input},
    key::PeerKey,
    links::{Link, Links},
    memory::Memory,
    outage::{Answer, OutageGuard},
    output::{Dial, DialId, DisconnectReason, Event, Lane, Output, Timeout},
    reach::{Reach, Scope},
    record::{AddressRecord, PeerRecord, Pool},
    retention::PruneReport,
    score::{self, Explanation},
    source::Source,
    sources::Sources,
    status::{DialTrace, Numbers, Status},
    tally::{Begun, Tally},
    time::Time,
};

/// What is known at the start: the best part of the memory, enough for the first dials.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// What is remembered beside the peers; `None` if there is no memory yet.
    pub memory: Option<Memory>,
    /// Anchors and the best peers, in any order.
    pub peers: Vec<PeerRecord>,
}

/// Decides whom to keep, whom to dial, and when. Does no I/O, reads no clock.
///
/// The caller repeats three steps: give one [`Input`], take every [`Output`], then sleep until
/// [`Engine::poll_timeout`] or the next input, whichever is first.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    rng: Rng,
    book: Book,
    links: Links,
    dialer: Dialer,
    sources: Sources,
    guard: OutageGuard<Verdict>,
    reach: Reach,
    tally: Tally,
    schedule: Schedule,
    outputs: VecDeque<Output>,
}

/// A dial that failed, and what to do about it once it is clear whose fault it was.
#[derive(Clone, Debug)]
struct Verdict {
    flight: Flight,
    failures: Vec<AddressFailure>,
}

/// When what is due next.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    now: Time,
    /// Bootstrap servers join the race.
    bootstrap_at: Time,
    check_at: Time,
    feeler_at: Time,
    discover_at: Time,
    prune_at: Time,
    pruned: Time,
    /// Bootstrap servers were named in the last input, and more may follow: drawing among the
    /// first of them only would send everybody with the same list to its first entry.
    naming: bool,
    /// The target has been reached since connections were last missing.
    satisfied: bool,
    /// We are about to stop; the number is how many commits had failed in a row by then.
    stopping: Option<u32>,
}

impl Engine {
    /// Begins at `now` with what is remembered. The same config, snapshot, seed and inputs give the
    /// same outputs.
    pub fn new(config: Config, snapshot: Snapshot, now: Time, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let sources = Sources::new(rng.fork());
        let (book, repaired) = Book::new(snapshot.memory, now, &config, &mut rng);
        let mut engine = Self {
            schedule: Schedule {
                now,
                bootstrap_at: now + config.bootstrap_head_start,
                check_at: now + config.check_every,
                feeler_at: now + config.feeler_every,
                discover_at: now,
                prune_at: now + config.prune_every,
                pruned: now,
                naming: false,
                satisfied: false,
                stopping: None,
            },
            reach: Reach::new(config.me.clone()),
            config,
            rng,
            book,
            links: Links::default(),
            dialer: Dialer::default(),
            sources,
            guard: OutageGuard::default(),
            tally: Tally::default(),
            outputs: VecDeque::new(),
        };
        engine.tally.restart(now);
        engine.dialer.restart(now);
        engine.load(now, snapshot.peers, repaired);
        engine
    }

    /// Takes in what has happened. A `now` before the last one counts as that.
    pub fn handle_input(&mut self, now: Time, input: Input) {
        let before = self.schedule.now;
        let now = now.max(before);
        self.schedule.now = now;
        if now.since(before) > self.config.sleep_gap {
            self.woke(now);
        }
        self.schedule.naming = matches!(input, Input::Command(Command::AddBootstrap { .. }));
        match input {
            Input::Tick => {}
            Input::Connected(connected) => self.connected(now, connected),
            Input::Disconnected { peer } => self.disconnected(now, &peer),
            Input::DialFailed { dial, failures } => self.dial_failed(now, dial, failures),
            Input::DialNotMade { dial } => self.not_made(now, dial),
            Input::Identified(told) => {
                self.heard_from(now, &told.peer, None);
                self.book.identified(now, &told, &self.reach);
            }
            Input::Latency { peer, rtt } => self.latency(now, &peer, rtt),
            Input::Received { peer } => {
                self.heard_from(now, &peer, None);
                self.book.seen(now, &peer, None, &self.config);
            }
            Input::Heard {
                source,
                teller,
                peers,
            } => self.heard(now, &source, teller, peers),
            Input::Judged { peer, deed } => self.book.judged(now, &peer, deed),
            Input::Moved {
                own,
                networks,
                place,
            } => {
                let place = place.map(|named_by| self.book.place(&named_by));
                // Learning where we are is no move; leaving a place we knew is.
                let before = self.reach.place();
                let elsewhere = before.is_some() && place.is_some() && place != before;
                self.reach.set_local(own, networks, self.config.local_max);
                self.reach.set_place(place);
                self.dialer.reorder();
                if elsewhere {
                    self.woke(now);
                }
            }
            Input::Woke => self.woke(now),
            Input::Command(command) => self.command(now, command),
            Input::Loaded(peers) => self.load(now, peers, 0),
            Input::Committed { ok } => self.book.end_commit(now, ok),
            Input::Shutdown => self.shutdown(now),
        }
        self.drive(now);
        self.check_invariants();
    }

    /// What is to be done next, until there is nothing.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to come back at the latest.
    pub fn poll_timeout(&self) -> Option<Timeout> {
        let now = self.schedule.now;
        let due = |at: Time, reason| Some(Timeout { at, reason });
        let saving = self.book.unsaved().timeout(&self.config);
        if self.schedule.stopping.is_some() {
            return saving.filter(|_| self.is_worth_saving());
        }
        let missing = self.missing() > 0;
        let probing = self.guard.probe_at();
        let racing = missing && probing.is_none();
        [
            due(
                now + self.config.nap_max,
                "nothing; a longer gap would mean sleep",
            ),
            saving,
            self.schedule
                .naming
                .then(|| due(now, "bootstrap servers, once all are named"))
                .flatten(),
            self.dialer.timeout(now),
            probing
                .filter(|_| missing)
                .and_then(|at| due(at, "the next probe of our own line")),
            racing.then(|| self.bootstrap_timeout()).flatten(),
            self.dialer
                .ready_at()
                // Who is ready already waits for a place, not for a moment.
                .filter(|at| racing && *at > now)
                .and_then(|at| due(at, "a resting peer to be dialled again")),
            due(
                self.schedule.check_at,
                "the next look at how many are connected",
            ),
            due(self.schedule.feeler_at, "the next feeler").filter(|_| !missing),
            due(self.schedule.prune_at, "the memory to be pruned"),
            self.links
                .next_decision(&self.config)
                .and_then(|at| due(at, "a lost peer to return")),
            self.links
                .stale_at(&self.config)
                .and_then(|at| due(at, "connections to show life after sleep")),
        ]
        .into_iter()
        .fold(None, Timeout::earlier)
    }

    /// The state of things.
    pub fn status(&self, now: Time) -> Status {
        Status {
            connections: self.links.len(),
            target: self.config.target,
            proven: self.book.count(Pool::Proven),
            hearsay: self.book.count(Pool::Hearsay),
            dials: self.dialer.len(),
            outage_since: self.guard.since(),
            numbers: self.numbers(),
            sources: self.sources.status(now, &self.config),
            storage: self.book.unsaved().status(),
            waiting_for: self.poll_timeout().map(|timeout| timeout.reason),
        }
    }

    /// The counts of the current return to the network.
    pub fn numbers(&self) -> Numbers {
        self.tally.numbers()
    }

    /// The dials of the current return to the network, oldest first.
    pub fn timeline(&self) -> impl Iterator<Item = &DialTrace> {
        self.tally.timeline()
    }

    /// Everybody in memory, in order of key.
    pub fn peers(&self) -> impl Iterator<Item = &PeerRecord> {
        self.book.iter()
    }

    /// The `k` proven peers with the highest score, the best first.
    pub fn best(&self, k: usize) -> Vec<&PeerRecord> {
        self.book.best(k)
    }

    /// One peer's record.
    pub fn peer(&self, key: &PeerKey) -> Option<&PeerRecord> {
        self.book.get(key)
    }

    /// What is remembered beside the peers.
    pub fn memory(&self) -> &Memory {
        self.book.memory()
    }

    /// Whether a peer is connected.
    pub fn is_connected(&self, key: &PeerKey) -> bool {
        self.links.contains(key)
    }

    /// How many peers are connected.
    pub fn connections(&self) -> usize {
        self.links.len()
    }

    /// Nothing waits to be saved, and no commit is under way.
    pub fn is_saved(&self) -> bool {
        self.book.unsaved().is_settled()
    }

    /// Why a peer has the score it has; `None` if it is unknown.
    pub fn explain(&self, key: &PeerKey, now: Time) -> Option<Explanation> {
        self.book.get(key).map(|record| score::explain(record, now))
    }

    /// What the retention rules would do now, and why.
    pub fn prune_dry_run(&self, now: Time) -> PruneReport {
        self.book
            .prune_plan(now, &self.config, |record| self.links.contains(&record.key))
    }

    /// The limits in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    fn load(&mut self, now: Time, peers: Vec<PeerRecord>, repaired: usize) {
        let mut values = repaired;
        for record in peers {
            let server = record.role.bootstrap.then(|| record.key.clone());
            values += self.book.load(now, record, &self.config);
            if let Some(server) = server {
                self.remember_server(&server);
            }
        }
        self.dialer.reorder();
        if values > 0 {
            self.tell(Event::Repaired { values });
        }
    }

    /// Who was a bootstrap server once may be asked again, named anew or not.
    fn remember_server(&mut self, server: &PeerKey) {
        let Some(record) = self.book.get(server) else {
            return;
        };
        // Those the user names need room beside those we remember.
        let room = self.config.sources_max / 2;
        let named = |known: &&AddressRecord| known.observed || known.source == Source::Bootstrap;
        for known in record.addresses.iter().filter(named) {
            if self.sources.len() >= room {
                return;
            }
            let breaker = &self.book.memory().sources;
            let breaker = breaker.get(&Sources::name(&known.address)).copied();
            let (peer, address) = (Some(server.clone()), known.address.clone());
            self.sources.add(peer, address, breaker, &self.config);
        }
    }

    fn connected(&mut self, now: Time, connected: Connected) {
        let Connected {
            peer,
            address,
            direction,
            kind,
            failures,
        } = connected;
        if self
            .book
            .get(&peer)
            .is_some_and(|record| record.is_blocked(now))
        {
            if let Direction::Outbound(Some(dial)) = direction {
                self.not_made(now, dial);
            }
            let reason = DisconnectReason::Blocked;
            self.outputs.push_back(Output::Disconnect { peer, reason });
            return;
        }
        let ours = match direction {
            Direction::Outbound(Some(dial)) => self.dialer.land(dial).map(|flight| (dial, flight)),
            Direction::Outbound(None) | Direction::Inbound => None,
        };
        // Whichever way it came about, nobody else needs to dial it any more.
        if let Some(dial) = self.dialer.dial_of(&peer) {
            self.cancel(now, dial);
        }
        let began = ours.as_ref().map_or(now, |(_, flight)| flight.began);
        let remembered = ours
            .as_ref()
            .is_some_and(|(_, flight)| counts_as_remembered(flight));
        self.book.met(
            now,
            &peer,
            Meeting {
                dialled: (direction != Direction::Inbound).then_some(&address),
                took: ours.as_ref().map(|(_, flight)| now.since(flight.began)),
                kind,
                place: self.reach.place(),
            },
        );
        self.book.bypassed(now, &peer, &failures);
        let link = Link {
            since: now,
            heard: now,
            dialled: (direction != Direction::Inbound).then_some(address),
            feeler: ours
                .as_ref()
                .is_some_and(|(_, flight)| flight.lane == Lane::Feeler),
            server: ours
                .as_ref()
                .is_some_and(|(_, flight)| flight.lane == Lane::Bootstrap)
                || self
                    .book
                    .get(&peer)
                    .is_some_and(|record| record.role.bootstrap),
        };
        if let Some((dial, flight)) = ours {
            self.landed_well(now, &peer, dial, &flight);
        }
        let feeler = link.feeler;
        self.links.came_up(&peer, link, &self.config);
        self.answered(now, Some(began));
        let connections = self.links.len();
        self.count_connections(now);
        let event = Event::Connected {
            peer: peer.clone(),
            connections,
            remembered,
        };
        self.tell(event);
        if connections == 1 {
            self.schedule.discover_at = now;
        }
        if feeler && self.links.peers() > self.config.target {
            let reason = DisconnectReason::FeelerDone;
            self.outputs.push_back(Output::Disconnect { peer, reason });
        }
    }

    fn landed_well(&mut self, now: Time, peer: &PeerKey, dial: DialId, flight: &Flight) {
        self.dialer.judge(flight, true);
        let remembered = counts_as_remembered(flight);
        self.tally
            .ended(now, dial, remembered, flight.lane, "connected");
        if let Some((age, absence)) = flight.absent.filter(|(_, absence)| was_away(*absence)) {
            self.book.learn_survival(now, age, absence, true);
        }
        if flight.lane == Lane::Bootstrap {
            for address in &flight.addresses {
                self.book
                    .introduce(now, peer, address.clone(), &Source::Bootstrap);
            }
            if let Some((source, breaker)) = self.sources.answered(dial, peer) {
                self.book.set_breaker(now, source, breaker);
            }
            // One server is enough until it has had its chance to help.
            self.schedule.bootstrap_at = now + self.config.bootstrap_head_start;
        }
    }

    fn disconnected(&mut self, now: Time, peer: &PeerKey) {
        let before = self.links.peers();
        let Some(session) = self.links.went_down(peer, now, &self.config) else {
            return;
        };
        let low = self.config.low_water;
        if before >= low && self.links.peers() < low {
            // Whatever took it may have taken the peers of many others at the same moment.
            self.schedule.bootstrap_at = self.jittered_head_start(now);
        }
        self.book.parted(now, peer, session);
        // Who stayed for a while is welcome back at once, who did not only after a pause.
        if session < self.config.check_every {
            self.book.rest(now, peer, &[], &self.config, &mut self.rng);
        }
        self.dialer.reorder();
        let connections = self.links.len();
        self.tell(Event::Disconnected {
            peer: peer.clone(),
            connections,
        });
        if connections == 0 {
            self.begin_return(now);
        }
    }

    /// From here on the way back is timed and raced anew. After a loss shared by many, bootstrap
    /// servers are asked at different moments by different nodes.
    fn begin_return(&mut self, now: Time) {
        self.tally.restart(now);
        self.dialer.restart(now);
        self.schedule.satisfied = false;
        self.schedule.bootstrap_at = self.jittered_head_start(now);
    }

    fn jittered_head_start(&mut self, now: Time) -> Time {
        let head_start = self.config.bootstrap_head_start;
        now + head_start + head_start.mul_f64(self.rng.f64())
    }

    fn dial_failed(&mut self, now: Time, dial: DialId, failures: Vec<AddressFailure>) {
        let Some(flight) = self.dialer.land(dial) else {
            return;
        };
        self.ended_badly(now, dial, flight, failures);
    }

    fn ended_badly(
        &mut self,
        now: Time,
        dial: DialId,
        flight: Flight,
        failures: Vec<AddressFailure>,
    ) {
        let remembered = counts_as_remembered(&flight);
        self.tally
            .ended(now, dial, remembered, flight.lane, outcome(&failures));
        self.dialer.judge(&flight, false);
        self.sources.rest(dial, now, &self.config);
        if let Some(peer) = &flight.peer {
            self.book
                .rest(now, peer, &failures, &self.config, &mut self.rng);
            self.dialer.rests(self.book.get(peer));
        }
        let began = flight.began;
        let kinds = |of: fn(&AddressFailure) -> bool| failures.iter().all(of);
        let (no_way, no_means) = (kinds(is_unreachable), kinds(is_unsupported));
        let answered = failures.iter().any(is_answer);
        let verdict = Verdict { flight, failures };
        if answered {
            self.line_works(now, Some(began));
            self.pass(now, verdict);
        } else if no_means {
            self.pass(now, verdict);
        } else if no_way {
            self.guard.unreachable();
        } else if let Some(verdict) = self.guard.silent(began, now, verdict, &self.config) {
            self.pass(now, verdict);
        }
        let (live, known) = (self.links.live(), self.book.len() + self.sources.len());
        if self.guard.declare(now, live, known, &self.config) {
            self.tell(Event::OutageBegan);
        }
    }

    /// The fault was the peer's.
    fn pass(&mut self, now: Time, verdict: Verdict) {
        let Verdict { flight, failures } = verdict;
        if flight.lane == Lane::Bootstrap {
            for address in &flight.addresses {
                let failed = self.sources.failed(address, now, &self.config);
                if let Some((source, breaker)) = failed {
                    self.book.set_breaker(now, source, breaker);
                }
            }
        }
        let Some(peer) = flight.peer else {
            return;
        };
        self.book
            .failed(now, &peer, &failures, &self.config, &mut self.rng);
        if let Some((age, absence)) = flight.absent.filter(|(_, absence)| was_away(*absence))
            && failures
                .iter()
                .any(|failed| book::blames_peer(failed.failure))
        {
            self.book.learn_survival(now, age, absence, false);
        }
        let plan = self.book.prune_plan_of(now, &peer, &self.config);
        self.prune(now, plan);
    }

    /// A peer answered what began at `began`, or showed life of itself. If that ends an outage,
    /// everybody may be dialled at once again.
    fn answered(&mut self, now: Time, began: Option<Time>) {
        if self.line_works(now, began) {
            self.book.clear_backoff(now);
            self.sources.clear();
            self.dialer.restart(now);
            self.schedule.bootstrap_at = self.jittered_head_start(now);
        }
    }

    /// Something came in from the network, be it a refusal. Says whether that ends an outage.
    fn line_works(&mut self, now: Time, began: Option<Time>) -> bool {
        let Answer { guilty, outage } = self.guard.answered(began, now, &self.config);
        for verdict in guilty {
            self.pass(now, verdict);
        }
        if let Some(lasted) = outage {
            self.tell(Event::OutageEnded { lasted });
        }
        outage.is_some()
    }

    fn heard_from(&mut self, now: Time, peer: &PeerKey, began: Option<Time>) {
        if self.links.heard(peer, now) {
            self.answered(now, began);
            self.count_connections(now);
        }
    }

    /// What was connected before a sleep counts once it has shown life.
    fn count_connections(&mut self, now: Time) {
        let live = self.links.live();
        self.tally.connected(now, live);
    }

    fn latency(&mut self, now: Time, peer: &PeerKey, rtt: Duration) {
        self.heard_from(now, peer, None);
        let dialled = self.links.get(peer).and_then(|link| link.dialled.clone());
        let measured = Some((rtt, dialled.as_ref()));
        self.book.seen(now, peer, measured, &self.config);
    }

    fn heard(
        &mut self,
        now: Time,
        source: &Source,
        teller: Option<Scope>,
        peers: Vec<(PeerKey, Vec<Address>)>,
    ) {
        for (peer, addresses) in peers.into_iter().take(self.config.heard_max) {
            if self.reach.is_me(&peer) {
                continue;
            }
            let believable: Vec<_> = addresses
                .into_iter()
                .filter(|address| self.reach.is_believable(address, teller))
                .collect();
            if self.book.hear(now, &peer, believable, source, &self.config) {
                self.dialer.reorder();
            }
        }
    }

    /// The machine slept, or is somewhere else: old failures mean little, old connections too.
    fn woke(&mut self, now: Time) {
        self.guard.reset();
        self.links.woke(now);
        self.book.clear_backoff(now);
        self.sources.clear();
        for dial in
            self.dialer
                .in_lanes(&[Lane::Memory, Lane::Explore, Lane::Bootstrap, Lane::Feeler])
        {
            self.cancel(now, dial);
        }
        self.begin_return(now);
    }

    fn command(&mut self, now: Time, command: Command) {
        match command {
            Command::Connect { peer, addresses } => self.connect(now, peer, addresses),
            Command::AddBootstrap { peer, address } => {
                let breaker = self
                    .book
                    .memory()
                    .sources
                    .get(&Sources::name(&address))
                    .copied();
                if let Some(peer) = &peer {
                    let source = Source::Bootstrap;
                    self.book.introduce(now, peer, address.clone(), &source);
                }
                self.sources.add(peer, address, breaker, &self.config);
            }
            Command::Pin(peer) => self
                .book
                .decide(now, &peer, |control| control.pinned = true),
            Command::Unpin(peer) => self
                .book
                .decide(now, &peer, |control| control.pinned = false),
            Command::Block { peer, span } => {
                self.book.decide(now, &peer, |control| {
                    control.blocked_until = Some(now + span)
                });
                self.send_away(now, peer, DisconnectReason::Blocked);
            }
            Command::Unblock(peer) => self
                .book
                .decide(now, &peer, |control| control.blocked_until = None),
            Command::Forget(peer) => {
                self.send_away(now, peer.clone(), DisconnectReason::Forgotten);
                // Its connection may outlive the order to close it; it is nobody's from here on.
                self.disconnected(now, &peer);
                self.sources.forget(&peer);
                self.book.forget(now, &peer);
            }
            Command::Prune => self.schedule.prune_at = now,
            Command::ClearHost(ip) => self.book.clear_host(now, ip),
            Command::SetTarget(target) => self.config.target = target,
        }
        self.dialer.reorder();
    }

    fn send_away(&mut self, now: Time, peer: PeerKey, reason: DisconnectReason) {
        if let Some(dial) = self.dialer.dial_of(&peer) {
            self.cancel(now, dial);
        }
        if self.links.contains(&peer) {
            self.outputs.push_back(Output::Disconnect { peer, reason });
        }
    }

    fn connect(&mut self, now: Time, peer: Option<PeerKey>, addresses: Vec<Address>) {
        if self.schedule.stopping.is_some() {
            return;
        }
        let Some(peer) = peer else {
            for address in addresses
                .into_iter()
                .take(self.config.addresses_per_dial.max(1))
            {
                self.make_room(now);
                let scene = scene(now, &self.book, &self.links, &self.reach, &self.config);
                let dial = self.dialer.dial_address(scene, None, address, Lane::Manual);
                self.send(now, dial, false);
            }
            return;
        };
        for address in addresses {
            self.book.introduce(now, &peer, address, &Source::Manual);
        }
        if self.links.contains(&peer) || self.reach.is_me(&peer) {
            return;
        }
        if let Some(dial) = self.dialer.dial_of(&peer) {
            self.cancel(now, dial);
        }
        self.make_room(now);
        self.dial(now, &peer, Lane::Manual, true);
    }

    /// What the user wants does not wait for a free place in the air.
    fn make_room(&mut self, now: Time) {
        if self.dialer.len() >= self.config.dials_max
            && let Some(oldest) = self.dialer.oldest()
        {
            self.cancel(now, oldest);
        }
    }

    fn shutdown(&mut self, now: Time) {
        let failures = self.book.unsaved().status().failures;
        self.schedule.stopping.get_or_insert(failures);
        for dial in self.dialer.in_lanes(&Lane::ALL) {
            self.cancel(now, dial);
        }
    }

    /// Does whatever is due.
    fn drive(&mut self, now: Time) {
        if self.schedule.stopping.is_none() {
            self.give_up_expired(now);
            self.fill_up(now);
            self.keep_house(now);
        }
        let hurry = self.schedule.stopping.is_some() && self.is_worth_saving();
        if let Some(changes) = self.book.begin_commit(now, hurry, &self.config) {
            self.outputs.push_back(Output::Commit(changes));
        }
    }

    /// While stopping, a commit that fails is the last one: a broken disk must not hold us up.
    fn is_worth_saving(&self) -> bool {
        let failures = self.book.unsaved().status().failures;
        self.schedule
            .stopping
            .is_none_or(|before| failures <= before)
    }

    fn give_up_expired(&mut self, now: Time) {
        for dial in self.dialer.expired(now) {
            self.give_up(now, dial);
        }
    }

    /// Ends a dial that stayed silent.
    fn give_up(&mut self, now: Time, dial: DialId) {
        let Some(flight) = self.dialer.land(dial) else {
            return;
        };
        self.outputs.push_back(Output::CancelDial(dial));
        let silent = |address: &Address| AddressFailure {
            address: address.clone(),
            failure: Failure::Silent,
        };
        let failures = flight.addresses.iter().map(silent).collect();
        self.ended_badly(now, dial, flight, failures);
    }

    fn fill_up(&mut self, now: Time) {
        let missing = self.missing();
        if missing == 0 {
            for dial in self
                .dialer
                .in_lanes(&[Lane::Memory, Lane::Explore, Lane::Bootstrap])
            {
                self.cancel(now, dial);
            }
            if !self.schedule.satisfied {
                self.schedule.satisfied = true;
                self.dialer.restart(now);
                let took = self.tally.target_reached(now);
                self.book.settle_anchors(now, &self.links);
                self.tell(Event::TargetReached { took });
            }
            return;
        }
        if self.schedule.satisfied {
            // Connections are missing again: bootstrap servers get their head start anew.
            self.schedule.satisfied = false;
            self.dialer.restart(now);
            self.schedule.bootstrap_at = self.jittered_head_start(now);
        }
        if let Some(probe_at) = self.guard.probe_at() {
            if now >= probe_at {
                self.probe(now);
            }
            return;
        }
        self.race(now, missing);
        self.ask_bootstrap(now, missing);
    }

    fn race(&mut self, now: Time, missing: usize) {
        while let Some(news) = self.next_is_news(now) {
            let room = self.room(now, news);
            if self.dialer.wants_more(now, missing, room) {
                let scene = scene(now, &self.book, &self.links, &self.reach, &self.config);
                let Some((peer, lane)) = self.dialer.next(scene, false, &mut self.rng) else {
                    return;
                };
                self.dial(now, &peer, lane, false);
            } else if !self.dialer.wants_room(now, missing, room) {
                return;
            } else if let Some(patient) = self.dialer.give_way(now) {
                self.give_up(now, patient);
            } else if let Some(overdue) = self.dialer.give_way_to_news(now).filter(|_| news) {
                self.cancel(now, overdue);
            } else {
                return;
            }
        }
    }

    /// Whether the next to be dialled was only heard of since the race began; `None` if nobody is.
    fn next_is_news(&mut self, now: Time) -> Option<bool> {
        let scene = scene(now, &self.book, &self.links, &self.reach, &self.config);
        self.dialer.next_is_news(scene)
    }

    /// How many dials the race may have in the air. Bootstrap servers must not have to wait for a
    /// place, and once they are asked, neither must those they will name.
    fn room(&self, now: Time, news: bool) -> usize {
        let servers = self.sources.len().min(self.config.bootstrap_dials_max);
        let others = [Lane::Bootstrap, Lane::Feeler, Lane::Manual];
        let others = self.dialer.in_lanes(&others).len();
        let asked = !self.sources.is_empty() && now >= self.schedule.bootstrap_at;
        let reserved = if asked && !news {
            self.config.news_reserve
        } else {
            0
        };
        self.config
            .dials_max
            .saturating_sub(servers.max(others) + reserved)
    }

    /// One peer or two, whatever their backoff: enough to see whether the line is back.
    fn probe(&mut self, now: Time) {
        let probes = self.guard.probed(now, &self.config);
        if self.dialer.len() + 2 > self.config.dials_max {
            return; // enough is in the air to notice
        }
        self.dialer.reorder();
        let scene = scene(now, &self.book, &self.links, &self.reach, &self.config);
        let next = self.dialer.next(scene, true, &mut self.rng);
        if let Some((peer, lane)) = &next {
            self.dial(now, peer, *lane, true);
        }
        // Servers would hear from everybody whose line fails, so they are asked half as often.
        if next.is_none() || probes.is_multiple_of(2) {
            self.dial_bootstrap(now, true);
        }
    }

    fn ask_bootstrap(&mut self, now: Time, missing: usize) {
        if self.schedule.naming || self.links.peers() >= self.config.low_water {
            return;
        }
        let nobody_left =
            self.links.is_empty() && self.dialer.is_empty() && self.next_is_news(now).is_none();
        let due = now >= self.schedule.bootstrap_at
            || self.links.is_empty() && (nobody_left || self.dialer.memory_failed(now));
        if !due {
            return;
        }
        let most = missing.min(self.config.bootstrap_dials_max);
        while self.dialer.fresh_bootstrap(now) < most && self.dialer.len() < self.config.dials_max {
            if !self.dial_bootstrap(now, false) {
                return;
            }
        }
    }

    fn dial_bootstrap(&mut self, now: Time, anyway: bool) -> bool {
        let busy = |peer: &PeerKey| {
            self.links.contains(peer)
                || self.dialer.is_dialling(peer)
                || self.reach.is_me(peer)
                || self.book.get(peer).is_some_and(|it| it.is_blocked(now))
        };
        let Some(ask) = self.sources.next(now, anyway, busy) else {
            return false;
        };
        let scene = scene(now, &self.book, &self.links, &self.reach, &self.config);
        let address = ask.address.clone();
        let dial = self
            .dialer
            .dial_address(scene, ask.peer, ask.address, Lane::Bootstrap);
        self.sources.dialled(&address, dial.id);
        self.send(now, dial, false);
        true
    }

    fn dial(&mut self, now: Time, peer: &PeerKey, lane: Lane, anyway: bool) {
        let scene = scene(now, &self.book, &self.links, &self.reach, &self.config);
        let proven = self
            .book
            .get(peer)
            .is_some_and(|record| record.pool() == Pool::Proven);
        if let Some(dial) = self.dialer.dial(scene, peer, lane, anyway) {
            self.send(now, dial, proven);
        }
    }

    fn send(&mut self, now: Time, dial: Dial, proven: bool) {
        let begun = Begun {
            id: dial.id,
            peer: dial.peer.as_ref(),
            lane: dial.lane,
            proven,
        };
        self.tally.begun(now, &begun, &self.config);
        self.outputs.push_back(Output::Dial(dial));
    }

    /// Calls a dial off; it counts neither for nor against anybody.
    fn cancel(&mut self, now: Time, dial: DialId) {
        self.called_off(now, dial, "cancelled");
        self.outputs.push_back(Output::CancelDial(dial));
    }

    /// A dial the swarm would not make, or whose peer was there already.
    fn not_made(&mut self, now: Time, dial: DialId) {
        self.sources.rest(dial, now, &self.config);
        self.called_off(now, dial, "not-made");
    }

    fn called_off(&mut self, now: Time, dial: DialId, outcome: &'static str) {
        self.sources.called_off(dial);
        if let Some(flight) = self.dialer.land(dial) {
            let remembered = counts_as_remembered(&flight);
            self.tally
                .ended(now, dial, remembered, flight.lane, outcome);
        }
    }

    fn keep_house(&mut self, now: Time) {
        for peer in self.links.no_longer_anchors(now, &self.config) {
            self.book.control(now, &peer, |record| {
                std::mem::take(&mut record.control.anchor)
            });
        }
        for peer in self.links.stale(now, &self.config) {
            let reason = DisconnectReason::Stale;
            self.outputs.push_back(Output::Disconnect {
                peer: peer.clone(),
                reason,
            });
            self.disconnected(now, &peer);
        }
        if now >= self.schedule.check_at {
            self.schedule.check_at = now + self.config.check_every;
            if self.missing() > 0 {
                self.dialer.reorder();
            }
        }
        if now >= self.schedule.discover_at && self.missing() > 0 && !self.links.is_empty() {
            self.schedule.discover_at = now + self.config.discover_every;
            self.outputs.push_back(Output::Discover);
        }
        if now >= self.schedule.feeler_at {
            self.schedule.feeler_at = now + self.config.feeler_every;
            self.feel(now);
        }
        if self.book.len() > self.config.peers_max {
            // At most a few times a minute, since some may be exempt.
            let soonest = self.schedule.pruned + self.config.save_every;
            self.schedule.prune_at = self.schedule.prune_at.min(soonest);
        }
        if now >= self.schedule.prune_at {
            self.schedule.pruned = now;
            self.schedule.prune_at = now + self.config.prune_every;
            let plan = self.prune_dry_run(now);
            self.prune(now, plan);
        }
    }

    fn feel(&mut self, now: Time) {
        if self.missing() > 0 || self.dialer.len() >= self.config.dials_max {
            return;
        }
        let scene = scene(now, &self.book, &self.links, &self.reach, &self.config);
        if let Some(peer) = self.dialer.draw_hearsay(scene, &mut self.rng) {
            self.dial(now, &peer, Lane::Feeler, false);
        }
    }

    fn prune(&mut self, now: Time, plan: PruneReport) {
        if !plan.is_empty() {
            self.book.prune(now, &plan);
            self.dialer.reorder();
            self.tell(Event::Pruned(plan));
        }
    }

    fn missing(&self) -> usize {
        self.config.target.saturating_sub(self.links.peers())
    }

    /// When bootstrap servers join, or may be asked again.
    fn bootstrap_timeout(&self) -> Option<Timeout> {
        if self.links.peers() >= self.config.low_water {
            return None;
        }
        let busy = |peer: &PeerKey| self.links.contains(peer) || self.dialer.is_dialling(peer);
        let ready = self.sources.ready_at(busy)?;
        let at = ready.max(self.schedule.bootstrap_at);
        // What is due already waits for a free place, and that comes with another timeout.
        let reason = "bootstrap servers to join the race";
        (at > self.schedule.now).then_some(Timeout { at, reason })
    }

    fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// What we believe of ourselves, whatever peers, files and users send.
    fn check_invariants(&self) {
        assert!(
            self.dialer.len() <= self.config.dials_max.max(1),
            "more dials in the air than allowed"
        );
        assert!(
            self.links.len() <= self.config.connections_max,
            "more connections tracked than allowed"
        );
        assert!(
            self.schedule.stopping.is_none() || self.dialer.is_empty(),
            "a dial in the air while stopping"
        );
        assert!(
            self.links
                .iter()
                .all(|(peer, _)| !self.dialer.is_dialling(peer)),
            "dialling a connected peer"
        );
        assert!(
            self.links
                .iter()
                .all(|(peer, _)| self.book.get(peer).is_none_or(book::was_met)),
            "a connected peer that was never met"
        );
    }
}

fn scene<'a>(
    now: Time,
    book: &'a Book,
    links: &'a Links,
    reach: &'a Reach,
    config: &'a Config,
) -> Scene<'a> {
    Scene {
        now,
        book,
        links,
        reach,
        config,
    }
}

/// An absence worth learning from: shorter ones are reconnects.
fn was_away(absence: Duration) -> bool {
    absence >= Duration::from_secs(60)
}

fn counts_as_remembered(flight: &Flight) -> bool {
    flight.absent.is_some() && matches!(flight.lane, Lane::Memory | Lane::Explore)
}

/// Whether this failure came from somebody: then our own line works.
fn is_answer(failed: &AddressFailure) -> bool {
    match failed.failure {
        Failure::WrongPeer | Failure::Handshake => true,
        // Our own machine refuses for itself, even without a line.
        Failure::Refused => Scope::of(&failed.address) != Scope::Loopback,
        Failure::Silent | Failure::Unreachable | Failure::Unsupported | Failure::Other => false,
    }
}

fn is_unreachable(failed: &AddressFailure) -> bool {
    failed.failure == Failure::Unreachable
}

fn is_unsupported(failed: &AddressFailure) -> bool {
    failed.failure == Failure::Unsupported
}

/// One word for the timeline.
fn outcome(failures: &[AddressFailure]) -> &'static str {
    let mut by_kind: BTreeMap<Failure, usize> = BTreeMap::new();
    for failed in failures {
        *by_kind.entry(failed.failure).or_default() += 1;
    }
    match by_kind
        .into_iter()
        .max_by_key(|(_, count)| *count)
        .map(|(kind, _)| kind)
    {
        Some(Failure::Refused) => "refused",
        Some(Failure::Silent) => "silent",
        Some(Failure::Unreachable) => "unreachable",
        Some(Failure::WrongPeer) => "wrong-peer",
        Some(Failure::Handshake | Failure::Unsupported | Failure::Other) | None => "failed",
    }
}
