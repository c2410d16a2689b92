//! A running node: one loop that hands events from the swarm to whom they concern, answers
//! questions, and tells what happens. Whom to dial, keep and forget is decided in the engine.

use std::{collections::HashMap, future::poll_fn, process, task::Poll, time::Duration};

use libp2p::{
    Multiaddr, PeerId, Swarm, autonat, core::transport::ListenerId, futures::StreamExt, gossipsub,
    identify, kad, mdns, multiaddr::Protocol, swarm::SwarmEvent, upnp,
};
use rejoin::{
    Behaviour, Choice, Command, Config, Consequence, DialTrace, Event, Explanation, PeerKey,
    PeerRecord, Purpose, Setup, Source, Status, Time,
};
use rejoin_core::{
    Tested,
    record::ADDRESSES_MAX,
    retention::{Fate, PruneReport},
};
use rejoin_libp2p::now;
use rejoin_store::Notice;
use tokio::sync::mpsc;

use crate::{
    answer::{Answer, ConnectAnswer, DoctorAnswer, NodeFacts},
    api::{Ask, Door},
    checkup::{self, Checkup, Disk, Memory, NodeState, Router, Running},
    connects::{Awaited, Connects, Reply},
    esteem,
    failure::Failure,
    identity,
    lookout::{Here, Lookout},
    mind::{self, Mind},
    network::{self, Extras, Network, NetworkEvent},
    news::{News, Printer, Started},
    ports::Ports,
    print,
    question::{Question, Target},
    refusal::Refusal,
    relaying,
    settings::NodeSettings,
    signals::Signals,
    sources::Questions,
};

/// Questions waiting for the loop; it takes a fraction of a millisecond for each.
const ASKS_MAX: usize = 64;

/// A healthy disk needs a hundredth of it, and two seconds are as long as anybody waits.
const SAVE_WITHIN: Duration = Duration::from_millis(1_500);

/// Addresses of our own kept for `status`: a machine with many interfaces.
const LISTENING_MAX: usize = 64;

/// Addresses of neighbours taken in at once: an office of them.
const NEIGHBOURS_MAX: usize = 200;

/// A peer of another network is not dealt with for so long; then it may have moved to ours.
const OTHER_NETWORK: Duration = Duration::from_secs(600);

/// Runs a node until it is asked to leave.
///
/// # Errors
/// If it cannot start. Trouble with the memory is no reason: then it is kept for this run only.
pub async fn run(settings: NodeSettings, printer: Printer) -> Result<(), Failure> {
    // A name that is none is a slip to be corrected, not trouble to be lived with.
    settings.place.store.parse::<rejoin_store::Place>()?;
    let folder = settings.place.folder.clone();
    let _claim = folder.claim()?;
    let mut signals = Signals::listen().map_err(Failure::system("listen for signals"))?;
    let (asks, mut inbox) = mpsc::channel(ASKS_MAX);
    let (door, open) = Door::open(&folder, asks).await?;
    let mut daemon = Daemon::start(settings, &door, printer)?;
    let mut esteem = tokio::time::interval(esteem::TELL_EVERY);
    loop {
        let deadline = daemon.connects.next_deadline();
        daemon.questions.rendezvous.look(&daemon.swarm, now());
        let registration = daemon.questions.rendezvous.next_deadline();
        tokio::select! {
            event = daemon.swarm.select_next_some() => daemon.on_event(event),
            Some(Ask { question, reply }) = inbox.recv() => daemon.answer(&question, reply),
            here = daemon.lookout.next() => daemon.moved(here),
            Some((ask, found)) = daemon.questions.next() => daemon.memory().consulted(ask, found),
            () = until(deadline) => daemon.connects.give_up(now()),
            () = until(registration) => daemon.keep_registered(),
            _ = esteem.tick() => esteem::tell_of_all(&mut daemon.swarm),
            _ = signals.next() => break,
        }
    }
    signals.cut_short();
    drop(open); // nobody may ask a node that is leaving
    daemon.leave().await;
    Ok(())
}

struct Daemon {
    swarm: Swarm<Network>,
    facts: NodeFacts,
    /// What the doctor wants to know beside all that.
    notices: Vec<Notice>,
    repaired: usize,
    router: Router,
    /// Which listener came of which wish.
    listeners: HashMap<ListenerId, Multiaddr>,
    ports: Ports,
    connects: Connects,
    lookout: Lookout,
    questions: Questions,
    /// More peers are wanted, but nobody is known yet who could be asked.
    searching: bool,
    settings: NodeSettings,
    printer: Printer,
}

impl Daemon {
    fn start(settings: NodeSettings, door: &Door, printer: Printer) -> Result<Self, Failure> {
        let place = &settings.place;
        let keypair = identity::load_or_create(&place.folder)?;
        let me = keypair.public().to_peer_id();
        let setup = || setup(&keypair, settings.target);
        let (memory, notices, problem) = match rejoin::open_noticing(&place.store, setup()) {
            Ok((memory, notices)) => (memory, notices, None),
            Err(error) => {
                let memory = rejoin::open_with("memory:", setup());
                let memory = memory.map_err(|_| Failure::System {
                    doing: "start a thread",
                    source: std::io::ErrorKind::OutOfMemory.into(),
                })?;
                (memory, Vec::new(), Some(error.to_string()))
            }
        };
        let started = now();
        let facts = NodeFacts {
            running: true,
            version: env!("CARGO_PKG_VERSION").into(),
            instance: Some(door.instance.clone()),
            pid: Some(process::id()),
            peer_id: Some(me.to_string()),
            network: Some(settings.network.clone()),
            started: Some(started.as_millis()),
            listening: Vec::new(),
            store: place.store.clone(),
            store_problem: problem,
        };
        let (lookout, here) = Lookout::begin();
        // Whom nobody outside this machine can reach needs no router.
        let beyond = |it: &Multiaddr| !is_local(it) && relaying::relay_in(it).is_none();
        let beyond = settings.listen.iter().any(beyond);
        let extras = Extras {
            upnp: settings.upnp && beyond,
            relay_server: settings.relay_server,
            ..settings.sources.extras
        };
        let mut daemon = Self {
            swarm: network::swarm(keypair.clone(), &settings.network, memory, extras)?,
            facts,
            notices: notices.clone(),
            repaired: 0,
            router: match (extras.upnp, beyond) {
                (true, _) => Router::Asked,
                (false, true) => Router::Forbidden,
                (false, false) => Router::NotAsked,
            },
            listeners: HashMap::new(),
            ports: Ports::load(&place.folder),
            connects: Connects::default(),
            lookout,
            questions: Questions::new(&settings),
            searching: false,
            settings,
            printer,
        };
        daemon.moved(here);
        daemon.announce(door);
        for notice in notices {
            let text = notice.to_string();
            daemon.tell(News::Notice { text });
        }
        daemon.listen()?;
        for address in daemon.settings.external.clone() {
            daemon.swarm.add_external_address(address);
        }
        let sources = daemon.settings.sources.clone();
        for address in sources.bootstrap {
            if let Err(error) = daemon.memory().add_bootstrap(address) {
                print::aside(&format!("a bootstrap server is left out: {error}"));
            }
        }
        for directory in sources.directories {
            daemon.memory().add_directory(directory);
        }
        Ok(daemon)
    }

    fn announce(&self, door: &Door) {
        let status = self.status();
        let facts = &self.facts;
        self.tell(News::Started(Box::new(Started {
            version: facts.version.clone(),
            peer_id: facts.peer_id.clone().unwrap_or_default(),
            network: self.settings.network.clone(),
            data: self.settings.place.folder.path().display().to_string(),
            store: facts.store.clone(),
            store_problem: facts.store_problem.clone(),
            api: door.url(),
            proven: status.proven,
            hearsay: status.hearsay,
            target: status.target,
        })));
    }

    fn listen(&mut self) -> Result<(), Failure> {
        let mut refusal = String::from("nothing");
        let mut relayed = false;
        for wanted in self.settings.listen.clone() {
            if let Some((relay, address)) = relaying::relay_in(&wanted) {
                // That it is kept, and asked again, is the engine's business.
                match self.memory().add_relay(relay, address) {
                    Ok(()) => relayed = true,
                    Err(error) => print::aside(&format!("the relay {wanted} is left out: {error}")),
                }
                continue;
            }
            let as_last_time = self.ports.last(&wanted);
            let listener = as_last_time
                .and_then(|address| self.swarm.listen_on(address).ok())
                .map_or_else(|| self.swarm.listen_on(wanted.clone()), Ok);
            match listener {
                Ok(listener) => {
                    self.listeners.insert(listener, wanted);
                }
                Err(error) => {
                    refusal = format!("{wanted}: {error}");
                    if self.settings.listen_chosen {
                        print::aside(&format!("cannot listen on {refusal}"));
                    }
                }
            }
        }
        if self.listeners.is_empty() && !relayed {
            return Err(Failure::NoListener(refusal));
        }
        Ok(())
    }

    fn memory(&mut self) -> &mut Behaviour {
        &mut self.swarm.behaviour_mut().memory
    }

    fn tell(&self, news: News) {
        self.printer.tell(&news, now());
    }

    fn me(&self) -> PeerId {
        *self.swarm.local_peer_id()
    }

    fn on_event(&mut self, event: SwarmEvent<NetworkEvent>) {
        match event {
            SwarmEvent::Behaviour(NetworkEvent::Memory(event)) => self.on_memory(event),
            SwarmEvent::Behaviour(NetworkEvent::Identify(event)) => self.on_identify(&event),
            SwarmEvent::Behaviour(NetworkEvent::Kad(event)) => self.on_kad(event),
            SwarmEvent::Behaviour(NetworkEvent::Autonat(event)) => self.on_autonat(event),
            SwarmEvent::Behaviour(NetworkEvent::Upnp(event)) => self.on_upnp(&event),
            SwarmEvent::Behaviour(NetworkEvent::Gossip(event)) => self.on_gossip(event),
            SwarmEvent::Behaviour(NetworkEvent::Rendezvous(event)) => {
                self.questions.rendezvous.on_event(event, now());
            }
            SwarmEvent::Behaviour(NetworkEvent::Mdns(event)) => self.on_mdns(event),
            SwarmEvent::NewListenAddr {
                listener_id,
                address,
            } => self.listening(listener_id, address),
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                let gone = self.with_my_name(address);
                self.facts.listening.retain(|known| *known != gone);
                self.show_relay();
                self.lookout.look_again();
            }
            SwarmEvent::ConnectionEstablished {
                peer_id, endpoint, ..
            } => {
                self.connects.connected(peer_id, &endpoint, now());
                esteem::tell(self.swarm.behaviour_mut(), peer_id);
                let rendezvous = &mut self.questions.rendezvous;
                rendezvous.connected(&mut self.swarm, peer_id);
            }
            SwarmEvent::OutgoingConnectionError { peer_id, error, .. } => {
                self.connects.failed(peer_id, &error);
                self.questions.rendezvous.not_connected(peer_id, &error);
            }
            _ => {} // `SwarmEvent` is non-exhaustive; the rest does not concern us
        }
    }

    fn on_memory(&mut self, event: Event) {
        let target = self.settings.target;
        match event {
            Event::Connected {
                peer,
                connections,
                remembered,
            } => {
                let since = self.status().numbers.since;
                self.tell(News::Connected {
                    peer: peer.to_string(),
                    connections,
                    target,
                    remembered,
                    since_ms: millis(now().since(since)),
                });
            }
            Event::Disconnected { peer, connections } => self.tell(News::Disconnected {
                peer: peer.to_string(),
                connections,
                target,
            }),
            Event::TargetReached { took } => {
                let connections = self.status().connections;
                self.tell(News::TargetReached {
                    connections,
                    took_ms: millis(took),
                });
            }
            Event::OutageBegan => self.tell(News::OutageBegan),
            Event::OutageEnded { lasted } => self.tell(News::OutageEnded {
                lasted_ms: millis(lasted),
            }),
            Event::Pruned(report) => self.tell(pruned(&report)),
            Event::Misbehaved { peer, consequence } => {
                esteem::tell(self.swarm.behaviour_mut(), peer);
                let record = self.swarm.behaviour().memory.peer(peer);
                let until = record.and_then(|record| record.blocked_until(now()));
                self.tell(News::Misbehaved {
                    peer: peer.to_string(),
                    consequence: match consequence {
                        Consequence::Spared => "spared",
                        Consequence::SentAway => "sent_away",
                        Consequence::Banned => "banned",
                    },
                    out_for_ms: until.map(|until| millis(until.since(now()))),
                });
            }
            Event::Repaired { values } => {
                self.repaired = self.repaired.saturating_add(values);
                self.tell(News::Repaired { values });
            }
            Event::Gossip { message } => self.gossip(message),
            Event::Consult {
                ask,
                directory,
                within,
            } => self
                .questions
                .begin(&mut self.swarm, ask, directory, within),
            Event::Discover => self.discover(),
            _ => {} // `Event` is non-exhaustive
        }
    }

    /// Looks for strangers in the neighbourhood of our own name, and somewhere else.
    fn discover(&mut self) {
        let kad = &mut self.swarm.behaviour_mut().kad;
        // It fails when nobody is known yet; whoever says first where it listens will be asked.
        self.searching = kad.bootstrap().is_err();
        if !self.searching {
            kad.get_closest_peers(PeerId::random());
        }
    }

    fn on_identify(&mut self, event: &identify::Event) {
        let identify::Event::Received { peer_id, info, .. } = event else {
            return;
        };
        // Who names no network at all, as foreign programs do, may be a neighbour of ours.
        let theirs = network::named_in(&info.protocol_version);
        if theirs.is_some_and(|theirs| theirs != self.settings.network) {
            self.memory().block(*peer_id, OTHER_NETWORK);
            self.tell(News::OtherNetwork {
                peer: peer_id.to_string(),
                network: info
                    .protocol_version
                    .chars()
                    .filter(|c| !c.is_control())
                    .take(64)
                    .collect(),
            });
            return;
        }
        self.memory().on_identify(event);
        if info
            .protocols
            .contains(&network::kad_protocol(&self.settings.network))
        {
            for address in info.listen_addrs.iter().take(ADDRESSES_MAX) {
                let kad = &mut self.swarm.behaviour_mut().kad;
                kad.add_address(peer_id, address.clone());
            }
            if self.searching {
                self.discover();
            }
        }
    }

    fn on_kad(&mut self, event: kad::Event) {
        let kad::Event::OutboundQueryProgressed {
            result: kad::QueryResult::GetClosestPeers(Ok(found)),
            ..
        } = event
        else {
            return;
        };
        for peer in found.peers {
            self.memory().heard(Source::Swarm, peer.peer_id, peer.addrs);
        }
    }

    /// Somebody tried to reach us at an address of ours.
    fn on_autonat(&mut self, event: autonat::v2::client::Event) {
        let outcome = match event.result {
            Ok(()) => Tested::Reached,
            Err(_) => Tested::Failed,
        };
        self.memory()
            .tested(event.tested_addr, event.server, outcome);
    }

    fn on_upnp(&mut self, event: &upnp::Event) {
        self.router = match event {
            upnp::Event::NewExternalAddr { .. } => Router::Opened,
            upnp::Event::ExpiredExternalAddr { .. } => Router::Asked,
            upnp::Event::GatewayNotFound => Router::Absent,
            upnp::Event::NonRoutableGateway => Router::Shadowed,
        };
    }

    /// A relay offers itself once it has addresses at which others reach it. Whoever made us one
    /// says that they do, so nobody has to try first.
    fn show_relay(&mut self) {
        // Where the user says by which, that is all there is to say.
        if !self.settings.relay_server || !self.settings.external.is_empty() {
            return;
        }
        let listening: Vec<Multiaddr> = self.swarm.listeners().cloned().collect();
        let shown = relaying::reached_by(&listening);
        let external: Vec<Multiaddr> = self.swarm.external_addresses().cloned().collect();
        for gone in listening.iter().filter(|it| !shown.contains(it)) {
            if external.contains(gone) {
                self.swarm.remove_external_address(gone);
            }
        }
        for address in shown {
            if !external.contains(&address) {
                self.swarm.add_external_address(address);
            }
        }
    }

    /// Tells our neighbours. Where there are none yet, the next round finds some.
    fn gossip(&mut self, message: Vec<u8>) {
        let topic = network::gossip_topic(&self.settings.network);
        if let Err(error) = self.swarm.behaviour_mut().gossip.publish(topic, message) {
            tracing::debug!(%error, "a round of gossip reaches nobody");
        }
    }

    fn on_gossip(&mut self, event: gossipsub::Event) {
        let gossipsub::Event::Message {
            propagation_source,
            message_id,
            message,
        } = event
        else {
            return;
        };
        let network = self.swarm.behaviour_mut();
        // Read, and not forwarded: what is worth passing on is told in a round of our own.
        network.gossip.report_message_validation_result(
            &message_id,
            &propagation_source,
            gossipsub::MessageAcceptance::Ignore,
        );
        // Nobody forwards, so whoever brings a message has written it.
        if message.source == Some(propagation_source) {
            network.memory.on_gossip(propagation_source, &message.data);
            esteem::tell(network, propagation_source);
        }
    }

    /// Neighbours announce themselves; nobody has to ask.
    fn on_mdns(&mut self, event: mdns::Event) {
        let mdns::Event::Discovered(found) = event else {
            return; // the engine forgets by itself
        };
        for (peer, address) in found.into_iter().take(NEIGHBOURS_MAX) {
            self.memory().heard(Source::Mdns, peer, [address]);
        }
    }

    fn keep_registered(&mut self) {
        let rendezvous = &mut self.questions.rendezvous;
        rendezvous.keep_registered(&mut self.swarm, now());
    }

    fn listening(&mut self, listener: ListenerId, address: Multiaddr) {
        if let Some(wanted) = self.listeners.get(&listener)
            && self.ports.note(wanted, &address)
            && let Err(error) = self.ports.save(&self.settings.place.folder)
        {
            tracing::warn!(%error, "the next start may get other ports");
        }
        let local = !self.settings.listen_chosen && is_local(&address);
        let address = self.with_my_name(address);
        if self.facts.listening.contains(&address) {
            return; // a relay has renewed its slot
        }
        if self.facts.listening.len() < LISTENING_MAX {
            self.facts.listening.push(address.clone());
        }
        self.show_relay();
        self.tell(News::Listening { address, local });
        self.lookout.look_again();
    }

    fn moved(&mut self, here: Here) {
        let memory = self.memory();
        memory.set_networks(here.networks);
        memory.set_place(here.place);
    }

    fn with_my_name(&self, address: Multiaddr) -> String {
        // A circuit comes with it.
        let named = address.with_p2p(self.me());
        named.unwrap_or_else(|address| address).to_string()
    }

    fn answer(&mut self, question: &Question, reply: Reply) {
        if let Question::Connect(target) = question {
            return self.connect(target, reply);
        }
        if let Question::Doctor = question {
            return self.see_doctor(reply);
        }
        let answer = mind::answer(self, question, now());
        let _ = reply.send(answer); // whoever asked may be gone
    }

    /// The disk is looked at beside the loop: it may be the one that is ill.
    fn see_doctor(&self, reply: Reply) {
        let mut checkup = self.checkup();
        let place = self.settings.place.clone();
        tokio::task::spawn_blocking(move || {
            checkup.disk = Disk::look(&place);
            let answer = Answer::Doctor(Box::new(DoctorAnswer::new(&checkup)));
            let _ = reply.send(Ok(answer)); // whoever asked may be gone
        });
    }

    fn checkup(&self) -> Checkup {
        let status = self.status();
        let storage = status.storage;
        let tests_others = |record: &&PeerRecord| {
            let mut protocols = record.role.protocols.iter();
            protocols.any(|it| **it == *network::TESTS_ADDRESSES)
        };
        let connected = self.swarm.connected_peers();
        let memory = &self.swarm.behaviour().memory;
        let testers = connected.filter_map(|peer| memory.peer(*peer));
        Checkup {
            now: now(),
            program_from: checkup::program_from(),
            node: NodeState::Runs(Box::new(Running {
                listening: self.swarm.listeners().cloned().collect(),
                external: self.swarm.external_addresses().cloned().collect(),
                router: self.router,
                testers: testers.filter(tests_others).count(),
                status,
            })),
            memory: Memory {
                problem: self.facts.store_problem.clone(),
                notices: self.notices.clone(),
                unsaved: storage.unsaved,
                saved: storage.saved,
                failures: storage.failures,
                newest: checkup::newest(memory.peers()),
                repaired: self.repaired,
            },
            disk: Disk::default(),
        }
    }

    fn connect(&mut self, target: &Target, reply: Reply) {
        let (peer, address) = match target {
            Target::At { peer, address } => (peer.clone(), Some(address.clone())),
            Target::Known(name) => match mind::find(self, name) {
                Ok(record) => (Some(record.key.clone()), None),
                Err(refusal) => {
                    let _ = reply.send(Err(refusal));
                    return;
                }
            },
        };
        let id = peer.as_ref().and_then(PeerKey::peer_id);
        if let Some(answer) = self.without_dialling(id) {
            let _ = reply.send(answer);
            return;
        }
        let awaited = match (id, &address) {
            (Some(id), _) => Awaited::Peer(id),
            (None, Some(address)) => Awaited::Address(address.clone()),
            (None, None) => {
                let why = "its name is no peer id, and it has no address".into();
                let _ = reply.send(Err(Refusal::CannotConnect { why }));
                return;
            }
        };
        self.connects.wait(awaited, now(), reply);
        let addresses = address.into_iter().collect();
        self.command(Command::Connect { peer, addresses });
    }

    /// The answer, if it is known beforehand.
    fn without_dialling(&self, peer: Option<PeerId>) -> Option<Result<Answer, Refusal>> {
        let peer = peer?;
        let cannot = |why: &str| Some(Err(Refusal::CannotConnect { why: why.into() }));
        if peer == self.me() {
            return cannot("that is this node itself");
        }
        if self.swarm.is_connected(&peer) {
            return Some(Ok(Answer::Connect(ConnectAnswer {
                peer: peer.to_string(),
                took_ms: 0,
                already: true,
            })));
        }
        let record = self.swarm.behaviour().memory.peer(peer)?;
        if record.is_blocked(now()) {
            return cannot("it is blocked; `rejoin block --undo` deals with it again");
        }
        None
    }

    /// Saves what is unsaved. A disk that does not take it in time keeps nobody from leaving.
    async fn leave(mut self) {
        self.tell(News::Leaving);
        let connections = self.status().connections;
        for listener in self.listeners.keys() {
            self.swarm.remove_listener(*listener);
        }
        self.memory().shutdown();
        let saving = tokio::time::timeout(SAVE_WITHIN, saved(&mut self.swarm));
        let saved = saving.await.unwrap_or(false);
        self.tell(News::Stopped { connections, saved });
        if saved {
            drop(self.swarm);
        } else {
            // Dropping it would wait for the disk all over again. What is not written whole is not
            // written at all, so the end of the process harms nothing.
            std::mem::forget(self.swarm);
        }
    }
}

impl Mind for Daemon {
    fn facts(&self) -> NodeFacts {
        self.facts.clone()
    }

    fn status(&self) -> Status {
        self.swarm.behaviour().memory.status()
    }

    fn peers(&self) -> impl Iterator<Item = &PeerRecord> {
        self.swarm.behaviour().memory.peers()
    }

    fn best_for(&self, purpose: Purpose, k: usize) -> Vec<Choice<'_>> {
        self.swarm.behaviour().memory.best_for(purpose, k)
    }

    fn explain_for(&self, peer: &PeerKey, purpose: Purpose) -> Option<Explanation> {
        let memory = &self.swarm.behaviour().memory;
        memory.explain_for(peer.peer_id()?, purpose)
    }

    fn timeline(&self) -> impl Iterator<Item = &DialTrace> {
        self.swarm.behaviour().memory.timeline()
    }

    fn is_connected(&self, peer: &PeerKey) -> bool {
        peer.peer_id()
            .is_some_and(|peer| self.swarm.is_connected(&peer))
    }

    fn prune_dry_run(&self) -> PruneReport {
        self.swarm.behaviour().memory.prune_dry_run()
    }

    fn command(&mut self, command: Command) {
        self.memory().command(command);
    }
}

/// Goes on until everything is saved, or saving fails; says whether it is.
async fn saved(swarm: &mut Swarm<Network>) -> bool {
    poll_fn(|cx| {
        while let Poll::Ready(event) = swarm.poll_next_unpin(cx) {
            drop(event); // nobody is told of it any more
        }
        let memory = &swarm.behaviour().memory;
        let failed = memory.status().storage.failures > 0;
        match memory.is_saved() || failed {
            true => Poll::Ready(!failed),
            false => Poll::Pending,
        }
    })
    .await
}

async fn until(deadline: Option<Time>) {
    match deadline {
        Some(at) => tokio::time::sleep(at.since(now())).await,
        None => std::future::pending().await,
    }
}

fn is_local(address: &Multiaddr) -> bool {
    address.iter().next().is_some_and(|host| match host {
        Protocol::Ip4(ip) => ip.is_loopback(),
        Protocol::Ip6(ip) => ip.is_loopback() || ip.is_unicast_link_local(),
        _ => false,
    })
}

fn setup(keypair: &libp2p::identity::Keypair, target: usize) -> Setup {
    let setup = Setup::new(keypair);
    let low_water = setup.config.low_water.min(target);
    Setup {
        config: Config {
            target,
            low_water,
            ..setup.config
        },
        identify: None, // ours tells the networks apart, and feeds Kademlia
        ..setup
    }
}

fn pruned(report: &PruneReport) -> News {
    let count = |fate| {
        report
            .fates
            .iter()
            .filter(|sentence| sentence.fate == fate)
            .count()
    };
    News::Pruned {
        forgotten: count(Fate::Forget),
        demoted: count(Fate::Demote),
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
