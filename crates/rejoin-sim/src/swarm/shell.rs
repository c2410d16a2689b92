//! What an adapter does for each engine: it brings what happens, carries out what is wanted, wakes it
//! in time. It holds no policy.

use std::{collections::VecDeque, sync::Arc};

use rejoin_core::{
    Envelope, Identified, Input, Output, QuestionId, Recalled, Rumour, Scope, Word, exchange,
};

use super::{
    Happening, Message, NodeId, PING_EVERY, PINGS_PER_MINUTE, Role, Sender, Swarm,
    load::{self, Kind},
    node::State,
    tales::ANSWER_MAX,
};
use crate::shell::PING_TIMEOUT;

/// A timer is never more exact than this.
const TIMER: std::time::Duration = std::time::Duration::from_millis(1);

impl Swarm {
    /// Tells an engine something and carries out all it wants.
    pub(super) fn tell(&mut self, id: NodeId, input: Input) {
        self.tell_all(id, VecDeque::from([input]));
    }

    /// The same for several things in a row. Whoever has no engine hears nothing.
    pub(super) fn tell_all(&mut self, id: NodeId, mut inputs: VecDeque<Input>) {
        while let Some(input) = inputs.pop_front() {
            let Some(engine) = &mut self.nodes[id.index()].engine else {
                return;
            };
            if let Some((_, tape)) = self.tape.as_mut().filter(|(of, _)| *of == id) {
                tape.heard(&input);
            }
            engine.handle_input(self.now, input);
            while let Some(output) = self.next_output(id) {
                self.carry_out(id, output, &mut inputs);
            }
        }
        self.set_alarm(id);
    }

    fn next_output(&mut self, id: NodeId) -> Option<Output> {
        self.nodes[id.index()].engine.as_mut()?.poll_output()
    }

    /// Sees to it that an engine is called when it wants to be.
    fn set_alarm(&mut self, id: NodeId) {
        let soonest = self.now + TIMER;
        let node = &mut self.nodes[id.index()];
        let timeout = node
            .engine
            .as_ref()
            .and_then(|engine| engine.poll_timeout());
        let Some(at) = timeout.map(|timeout| timeout.at.max(soonest)) else {
            return;
        };
        if node.wake_at.is_none_or(|wakes| at < wakes) {
            node.wake_at = Some(at);
            self.after(at.since(self.now), Happening::Wakes(id));
        }
    }

    pub(super) fn wakes(&mut self, id: NodeId) {
        let node = &mut self.nodes[id.index()];
        if node.wake_at != Some(self.now) {
            return; // an earlier alarm has taken its place
        }
        node.wake_at = None;
        let timeout = node
            .engine
            .as_ref()
            .and_then(|engine| engine.poll_timeout());
        match timeout {
            Some(timeout) if timeout.at <= self.now => self.tell(id, Input::Tick),
            Some(_) => self.set_alarm(id),
            None => {}
        }
    }

    fn carry_out(&mut self, id: NodeId, output: Output, inputs: &mut VecDeque<Input>) {
        match output {
            Output::Dial(dial) => {
                let peer = dial.peer.as_ref().and_then(NodeId::of);
                if let Some((_, tape)) = self.tape.as_mut().filter(|(of, _)| *of == id) {
                    tape.dialled(peer);
                }
                let links = &self.nodes[id.index()].links;
                if peer.is_some_and(|peer| links.contains_key(&peer)) {
                    inputs.push_back(Input::DialNotMade { dial: dial.id });
                } else {
                    self.dial(id, dial);
                }
            }
            Output::CancelDial(dial) => {
                self.nodes[id.index()].flights.remove(&dial);
            }
            Output::Disconnect { peer, .. } => {
                if NodeId::of(&peer).is_some_and(|other| self.close(id, other)) {
                    inputs.push_back(Input::Disconnected { peer });
                }
            }
            Output::Recall(_) => inputs.push_back(Input::Recalled(Recalled::default())),
            Output::Commit(_) => inputs.push_back(Input::Committed { ok: true }),
            Output::Sign(_) => {
                let seq = self.now.as_millis() / 1_000; // libp2p counts in seconds
                inputs.push_back(Input::Signed(self.places.signed(id, seq)));
            }
            Output::AskPeers { peer, own } => match NodeId::of(&peer) {
                Some(other) if self.nodes[id.index()].links.contains_key(&other) => {
                    self.ask(id, other, own);
                }
                _ => inputs.push_back(Input::PeersNotTold { peer }),
            },
            Output::TellPeers {
                question,
                envelopes,
            } => self.answer(id, question, envelopes),
            Output::Gossip(rumours) => self.gossip(id, rumours),
            // Nobody here relays, and nobody knows of any directory.
            Output::Reserve(_) | Output::Release { .. } | Output::Consult { .. } => {}
            Output::Discover | Output::Event(_) => {}
        }
    }

    fn ask(&mut self, id: NodeId, peer: NodeId, own: Option<Envelope>) {
        let node = &mut self.nodes[id.index()];
        node.asked += 1;
        node.waiting.insert(peer);
        let parcel = load::question(own.is_some());
        self.send(id, peer, Kind::Pex, parcel, Message::Ask(own));
    }

    fn answer(&mut self, id: NodeId, question: QuestionId, envelopes: Vec<Envelope>) {
        let Some((asker, number)) = self.nodes[id.index()].questions.remove(&question) else {
            return;
        };
        let envelopes = self.tale(id, ANSWER_MAX).unwrap_or(envelopes);
        if self.works(id, asker, number) {
            let parcel = load::answer(envelopes.len());
            self.send(id, asker, Kind::Pex, parcel, Message::Tell(envelopes));
        }
    }

    fn gossip(&mut self, id: NodeId, rumours: Vec<Rumour>) {
        self.nodes[id.index()].told += 1;
        let rumours: Arc<[Rumour]> = self.rumours(id).unwrap_or(rumours).into();
        let parcel = load::gossip(rumours.len());
        let links = self.nodes[id.index()].links.iter();
        let mesh: Vec<_> = links
            .filter(|(_, link)| link.mesh)
            .map(|(peer, _)| *peer)
            .collect();
        for peer in mesh {
            let message = Message::Gossip(Arc::clone(&rumours));
            self.send(id, peer, Kind::Gossip, parcel, message);
        }
    }

    pub(super) fn send(
        &mut self,
        id: NodeId,
        peer: NodeId,
        kind: Kind,
        parcel: load::Parcel,
        what: Message,
    ) {
        let Some(link) = self.nodes[id.index()].links.get(&peer).copied() else {
            return;
        };
        self.count(id, kind, parcel);
        let sender = Sender {
            peer: id,
            link: link.number,
        };
        let wait = self.places.rtt(id, peer) / 2;
        self.after(wait, Happening::Arrives(peer, sender, what));
    }

    pub(super) fn arrives(&mut self, id: NodeId, sender: Sender, message: Message) {
        let Sender { peer, link } = sender;
        if !self.works(id, peer, link) {
            return;
        }
        let key = peer.key();
        match message {
            Message::Identify => self.tell(
                id,
                Input::Identified(Identified {
                    peer: key,
                    addresses: vec![self.places.address(peer)],
                    agent: "swarm/1".into(),
                    protocols: vec![exchange::PROTOCOL.into()],
                    public_key: Vec::new(),
                    scope: Scope::Public,
                }),
            ),
            Message::Ask(own) => {
                self.count(id, Kind::Pex, load::question(own.is_some()));
                self.numbers.questions += 1;
                let question = QuestionId(self.numbers.questions);
                let node = &mut self.nodes[id.index()];
                node.questions.insert(question, (peer, link));
                if !node.role.has_engine() {
                    return self.answer(id, question, Vec::new());
                }
                let own = own.map(|envelope| self.places.read(&envelope));
                let peer = key;
                self.tell(
                    id,
                    Input::PeersAsked {
                        peer,
                        question,
                        own,
                    },
                );
            }
            Message::Tell(envelopes) => {
                self.count(id, Kind::Pex, load::answer(envelopes.len()));
                self.nodes[id.index()].waiting.remove(&peer);
                let words = envelopes.iter().map(|envelope| self.word(envelope));
                let (peer, words) = (key, words.collect());
                self.tell(id, Input::PeersTold { peer, words });
            }
            Message::Gossip(rumours) => {
                self.count(id, Kind::Gossip, load::gossip(rumours.len()));
                let words = rumours
                    .iter()
                    .map(|rumour| (self.word(&rumour.envelope), rumour.hops));
                let (peer, words) = (key, words.collect());
                self.tell(id, Input::Gossiped { peer, words });
            }
        }
    }

    fn word(&self, envelope: &Envelope) -> Word {
        Word::Signed(self.places.read(envelope))
    }

    /// Pings everybody at once, and closes the minute when it is over.
    pub(super) fn pings(&mut self, id: NodeId) {
        let node = &mut self.nodes[id.index()];
        if node.state != State::Up {
            return;
        }
        node.pings += 1;
        if node.pings.is_multiple_of(PINGS_PER_MINUTE) {
            let minute = std::mem::take(&mut node.minute);
            if node.role == Role::Honest {
                self.loads.push(minute);
            }
        }
        self.after(PING_EVERY, Happening::Pings(id));
        let mut answers = VecDeque::new();
        let links = self.nodes[id.index()].links.clone();
        for (peer, link) in links {
            if self.works(id, peer, link.number) {
                self.count(id, Kind::Ping, load::PING);
                self.count(peer, Kind::Ping, load::PING);
                let (peer, rtt) = (peer.key(), self.places.rtt(id, peer));
                answers.push_back(Input::Latency { peer, rtt });
            } else if !link.doubted {
                if let Some(link) = self.nodes[id.index()].links.get_mut(&peer) {
                    link.doubted = true;
                }
                let link = link.number;
                self.after(PING_TIMEOUT, Happening::Noticed(id, Sender { peer, link }));
            }
        }
        self.tell_all(id, answers);
        self.graft(id);
        self.tell_tales(id);
    }
}
