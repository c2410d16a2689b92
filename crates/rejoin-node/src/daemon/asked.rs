//! What the node answers those who ask it: the command line, through the API.

use libp2p::PeerId;
use rejoin::{
    Choice, Command, DialTrace, Explanation, PeerKey, PeerRecord, Purpose, Source, Status,
};
use rejoin_core::retention::PruneReport;
use rejoin_libp2p::now;

use super::Daemon;
use crate::{
    answer::{Answer, ConnectAnswer, DoctorAnswer, NodeFacts},
    api::{Ask, Reply},
    checkup::{self, Checkup, Disk, Memory, NodeState, Running},
    connects::Awaited,
    mind::{self, Mind},
    network,
    question::{Hearsay, Question, Target},
    refusal::Refusal,
};

impl Daemon {
    pub(super) fn asked(&mut self, ask: Ask) {
        match ask {
            Ask::Question { question, reply } => self.answer(&question, reply),
            Ask::Stream {
                filter,
                after,
                reply,
            } => {
                let _ = reply.send(self.stream(filter, after)); // whoever asked may be gone
            }
        }
    }

    fn answer(&mut self, question: &Question, reply: Reply) {
        if let Question::Connect(target) = question {
            return self.connect(target, reply);
        }
        if let Question::Doctor = question {
            return self.see_doctor(reply);
        }
        if self.status().shelved > 0 && self.looks_in_store(question) {
            return self.look_in_store(question, reply);
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
                notices: self.trouble.notices.clone(),
                unsaved: storage.unsaved,
                saved: storage.saved,
                failures: storage.failures,
                newest: checkup::newest(memory.peers()),
                repaired: self.trouble.repaired,
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

    fn hear(&mut self, source: Source, told: &Hearsay) {
        let Some(peer) = told.peer.peer_id() else {
            return; // nobody a libp2p node could dial
        };
        let addresses = told.addresses.iter().map(|it| it.to_string().parse());
        let addresses: Vec<_> = addresses.filter_map(Result::ok).collect();
        self.memory().heard(source, peer, addresses);
    }
}
