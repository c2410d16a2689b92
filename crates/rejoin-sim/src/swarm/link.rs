//! Connections: how one comes about, whether it still works, who of the connected hears our gossip,
//! and how its end is noticed.

use std::time::Duration;

use rejoin_core::{
    AddressFailure, Connected, ConnectionKind, Dial, DialId, Direction, Failure, Input,
};

use super::{
    Happening, Message, NodeId, Role, Sender, Swarm,
    load::{HANDSHAKE, IDENTIFY, Kind, Parcel, REFUSAL, SILENCE},
    node::State,
};
use crate::world::{HANDSHAKE_RTTS, TRANSPORT_TIMEOUT, WRONG_PEER_RTTS};

/// One end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    /// Which of all connections it is.
    pub(super) number: u64,
    /// Whether the other end hears our gossip, and we its.
    pub(super) mesh: bool,
    /// A ping stays unanswered: the end will be noticed soon.
    pub(super) doubted: bool,
}

/// A dial in the air.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    dial: Dial,
    attempt: Attempt,
}

/// What will become of a dial, as far as can be known when it begins.
#[derive(Clone, Debug)]
struct Attempt {
    after: Duration,
    answer: Option<NodeId>,
    failures: Vec<AddressFailure>,
}

/// A node looks for more to gossip with while it has fewer, as gossipsub's default degree.
const MESH_WANTED: usize = 6;

/// It takes others in up to so many.
pub(super) const MESH_MAX: usize = 8;

impl Swarm {
    /// Dials all addresses at once.
    pub(super) fn dial(&mut self, id: NodeId, dial: Dial) {
        let attempt = self.attempt(id, &dial);
        let (name, after) = (dial.id, attempt.after);
        let flight = Flight { dial, attempt };
        let before = self.nodes[id.index()].flights.insert(name, flight);
        assert!(before.is_none(), "two dials of one name");
        self.after(after, Happening::DialEnds(id, name));
    }

    /// What becomes of a dial: the first address to answer wins, without any the last to fail ends
    /// it.
    fn attempt(&mut self, id: NodeId, dial: &Dial) -> Attempt {
        let expected = dial.peer.as_ref().map(NodeId::of);
        let mut tries: Vec<_> = dial
            .addresses
            .iter()
            .map(|address| {
                let owner = self.places.owner(address);
                (self.reach(id, owner, expected), address)
            })
            .collect();
        tries.sort_by_key(|(tried, _)| tried.0);
        let mut attempt = Attempt {
            after: Duration::ZERO,
            answer: None,
            failures: Vec::new(),
        };
        for ((after, outcome), address) in tries {
            attempt.after = after;
            let failure = match outcome {
                Ok(owner) => {
                    self.count(id, Kind::Dial, HANDSHAKE);
                    attempt.answer = Some(owner);
                    break;
                }
                Err(failure) => failure,
            };
            let parcel = match failure {
                Failure::Refused => REFUSAL,
                Failure::WrongPeer => HANDSHAKE,
                _ => SILENCE,
            };
            self.count(id, Kind::Dial, parcel);
            let address = address.clone();
            attempt.failures.push(AddressFailure { address, failure });
        }
        attempt
    }

    /// What becomes of one address, and when.
    fn reach(
        &self,
        from: NodeId,
        owner: Option<NodeId>,
        expected: Option<Option<NodeId>>,
    ) -> (Duration, Result<NodeId, Failure>) {
        let Some(owner) = owner else {
            return (TRANSPORT_TIMEOUT, Err(Failure::Silent)); // an empty house
        };
        let rtt = self.places.rtt(from, owner);
        match self.nodes[owner.index()].state {
            State::Up if expected.is_some_and(|expected| expected != Some(owner)) => {
                (rtt * WRONG_PEER_RTTS, Err(Failure::WrongPeer))
            }
            State::Up => (rtt * HANDSHAKE_RTTS, Ok(owner)),
            State::Refuses => (rtt, Err(Failure::Refused)),
            State::Silent => (TRANSPORT_TIMEOUT, Err(Failure::Silent)),
        }
    }

    pub(super) fn dial_ends(&mut self, id: NodeId, name: DialId) {
        // Called off, unless it is there still.
        let Some(flight) = self.nodes[id.index()].flights.remove(&name) else {
            return;
        };
        let Flight { dial, attempt } = flight;
        let alive = |peer: &NodeId| self.nodes[peer.index()].state == State::Up;
        let Some(peer) = attempt.answer.filter(alive) else {
            let mut failures = attempt.failures;
            // Whoever would have answered has gone meanwhile.
            for address in dial.addresses {
                if !failures.iter().any(|known| known.address == address) {
                    let failure = Failure::Silent;
                    failures.push(AddressFailure { address, failure });
                }
            }
            return self.tell(
                id,
                Input::DialFailed {
                    dial: name,
                    failures,
                },
            );
        };
        if peer == id || self.nodes[id.index()].links.contains_key(&peer) {
            return self.tell(id, Input::DialNotMade { dial: name });
        }
        self.link_up(id, peer, Some(name), attempt.failures);
    }

    pub(super) fn intrudes(&mut self, intruder: NodeId, victim: NodeId) {
        let alive = |id: NodeId| self.nodes[id.index()].state == State::Up;
        let known = self.nodes[intruder.index()].links.contains_key(&victim);
        if alive(intruder) && alive(victim) && !known {
            self.link_up(intruder, victim, None, Vec::new());
        }
    }

    fn link_up(
        &mut self,
        dialler: NodeId,
        other: NodeId,
        dial: Option<DialId>,
        failures: Vec<AddressFailure>,
    ) {
        if let Some(visits) = self.servers.get_mut(&other) {
            visits.push(self.now);
        }
        self.numbers.links += 1;
        let number = self.numbers.links;
        let mesh = self.may_graft(dialler, other);
        let link = Link {
            number,
            mesh,
            doubted: false,
        };
        // One of them may not have noticed yet that an older connection is gone.
        self.drop_link(other, dialler);
        self.nodes[dialler.index()].links.insert(other, link);
        self.nodes[other.index()].links.insert(dialler, link);
        self.join_company(dialler, other);
        let rtt = self.places.rtt(dialler, other);
        self.count(other, Kind::Dial, HANDSHAKE);
        for (id, peer) in [(dialler, other), (other, dialler)] {
            self.count(id, Kind::Dial, IDENTIFY);
            let sender = Sender { peer, link: number };
            self.after(rtt, Happening::Arrives(id, sender, Message::Identify));
        }
        let ends = [
            (dialler, other, Direction::Outbound(dial), failures),
            (other, dialler, Direction::Inbound, Vec::new()),
        ];
        for (id, peer, direction, failures) in ends {
            let address = self.places.address(peer);
            self.tell(
                id,
                Input::Connected(Connected {
                    peer: peer.key(),
                    address,
                    direction,
                    kind: ConnectionKind::Direct,
                    failures,
                }),
            );
        }
    }

    /// Whether both ends still hold a connection.
    pub(super) fn works(&self, id: NodeId, peer: NodeId, number: u64) -> bool {
        let holds = |id: NodeId, peer: NodeId| {
            let link = self.nodes[id.index()].links.get(&peer);
            link.is_some_and(|link| link.number == number)
        };
        holds(id, peer) && holds(peer, id)
    }

    /// A node closes a connection; the other end hears of it.
    pub(super) fn close(&mut self, id: NodeId, peer: NodeId) -> bool {
        let Some(link) = self.nodes[id.index()].links.get(&peer).copied() else {
            return false;
        };
        if self.works(id, peer, link.number) {
            self.leave_company(id, peer);
            let sender = Sender {
                peer: id,
                link: link.number,
            };
            let wait = self.places.rtt(id, peer) / 2;
            self.after(wait, Happening::Noticed(peer, sender));
        }
        self.nodes[id.index()].links.remove(&peer);
        self.nodes[id.index()].waiting.remove(&peer);
        true
    }

    /// A node goes. Its system closes what its program leaves behind, if it is still there;
    /// otherwise the silence is noticed at the next ping.
    pub(super) fn break_all(&mut self, id: NodeId, state: State) {
        let links = self.nodes[id.index()].links.clone();
        for (peer, link) in links {
            if !self.works(id, peer, link.number) {
                continue;
            }
            self.leave_company(id, peer);
            if state == State::Refuses {
                let sender = Sender {
                    peer: id,
                    link: link.number,
                };
                let wait = self.places.rtt(id, peer) / 2;
                self.after(wait, Happening::Noticed(peer, sender));
            }
        }
    }

    pub(super) fn noticed(&mut self, id: NodeId, sender: Sender) {
        let links = &self.nodes[id.index()].links;
        let held = links.get(&sender.peer);
        if held.is_some_and(|link| link.number == sender.link) {
            self.drop_link(id, sender.peer);
        }
    }

    /// A node gives up its end of a connection that is gone.
    fn drop_link(&mut self, id: NodeId, peer: NodeId) {
        if self.nodes[id.index()].links.remove(&peer).is_none() {
            return;
        }
        let unanswered = self.nodes[id.index()].waiting.remove(&peer);
        let peer = peer.key();
        if unanswered {
            self.tell(id, Input::PeersNotTold { peer: peer.clone() });
        }
        self.tell(id, Input::Disconnected { peer });
        self.graft(id);
    }

    /// Looks for others to gossip with while there are too few.
    pub(super) fn graft(&mut self, id: NodeId) {
        if self.mesh(id) >= MESH_WANTED {
            return;
        }
        let links = self.nodes[id.index()].links.clone();
        for (peer, link) in links {
            let apart = !link.mesh && self.works(id, peer, link.number);
            if apart && self.may_graft(id, peer) {
                for (one, other) in [(id, peer), (peer, id)] {
                    let link = self.nodes[one.index()].links.get_mut(&other);
                    link.expect("it works").mesh = true;
                }
            }
        }
    }

    /// Whether two are to hear each other's gossip: one looks for somebody, the other has room.
    fn may_graft(&self, one: NodeId, other: NodeId) -> bool {
        let (one, other) = (self.mesh(one), self.mesh(other));
        one.min(other) < MESH_WANTED && one.max(other) < MESH_MAX
    }

    fn mesh(&self, id: NodeId) -> usize {
        let links = self.nodes[id.index()].links.values();
        links.filter(|link| link.mesh).count()
    }

    fn join_company(&mut self, one: NodeId, other: NodeId) {
        let now = self.now;
        for (id, peer) in [(one, other), (other, one)] {
            if !self.nodes[peer.index()].is_honest() {
                continue;
            }
            let node = &mut self.nodes[id.index()];
            node.company.more(now);
            if node.effort.is_none() && node.company.wanted_at.is_some() {
                node.note_effort(now);
            }
        }
    }

    fn leave_company(&mut self, one: NodeId, other: NodeId) {
        for (id, peer) in [(one, other), (other, one)] {
            if self.nodes[peer.index()].is_honest() {
                self.nodes[id.index()].company.fewer(self.now);
            }
        }
    }

    pub(super) fn count(&mut self, id: NodeId, kind: Kind, parcel: Parcel) {
        let node = &mut self.nodes[id.index()];
        // Attackers carry what load they like.
        if node.role == Role::Honest {
            node.minute.add(kind, parcel);
        }
    }
}
