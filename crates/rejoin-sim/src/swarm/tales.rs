//! What those who do not speak the truth tell of peers, and those who have no engine to speak for them.

use rejoin_core::{Envelope, Rumour};

use super::{
    Message, NodeId, PINGS_PER_MINUTE, Role, Swarm,
    load::{self, Kind},
    node::State,
    places::envelope,
};
use crate::chance::Subject;

/// Whoever lies says as much as is ever listened to.
pub(super) const ANSWER_MAX: usize = 50;
const GOSSIP_MAX: usize = 20;

impl Swarm {
    /// What a node tells in place of what its engine would say; `None` if its engine says it.
    pub(super) fn tale(&mut self, id: NodeId, count: usize) -> Option<Vec<Envelope>> {
        let named = match self.nodes[id.index()].role {
            Role::Honest => return None,
            Role::Liar => self.made_up(count),
            Role::Intruder => self.some(id, count, |role, _| role == Role::Intruder),
            Role::Bystander => self.some(id, count, |role, state| {
                matches!(role, Role::Bystander | Role::Slanderer) && state == State::Up
            }),
            Role::Server => self.some(id, count, |role, state| {
                role == Role::Honest && state == State::Up
            }),
            Role::Slanderer => {
                let part = count / 4;
                let mut named = self.some(id, part, |role, _| role == Role::Intruder);
                named.extend(self.some(id, part, |role, state| {
                    role == Role::Bystander && state != State::Up
                }));
                named.extend(self.impostors(part));
                let left = count - named.len();
                named.extend(self.made_up(left));
                named
            }
        };
        Some(named.into_iter().map(|id| envelope(id, 1)).collect())
    }

    /// The same as a round of gossip.
    pub(super) fn rumours(&mut self, id: NodeId) -> Option<Vec<Rumour>> {
        let tale = self.tale(id, GOSSIP_MAX)?.into_iter();
        Some(tale.map(|envelope| Rumour { envelope, hops: 1 }).collect())
    }

    /// Those without an engine tell everybody connected: the harmless once a minute, slanderers as often
    /// as they are listened to.
    pub(super) fn tell_tales(&mut self, id: NodeId) {
        let node = &self.nodes[id.index()];
        let minute_over = node.pings.is_multiple_of(PINGS_PER_MINUTE);
        let talks = match node.role {
            Role::Bystander => minute_over,
            Role::Slanderer => true,
            Role::Honest | Role::Liar | Role::Intruder | Role::Server => false,
        };
        if !talks {
            return;
        }
        let listeners: Vec<_> = node.links.keys().copied().collect();
        for peer in listeners {
            let rumours = self.rumours(id).unwrap_or_default();
            let parcel = load::gossip(rumours.len());
            self.send(
                id,
                peer,
                Kind::Gossip,
                parcel,
                Message::Gossip(rumours.into()),
            );
        }
    }

    /// Strangers that never lived.
    fn made_up(&mut self, count: usize) -> Vec<NodeId> {
        self.invented(count).map(NodeId::stranger).collect()
    }

    /// Strangers that never lived, said to live where somebody else does.
    fn impostors(&mut self, count: usize) -> Vec<NodeId> {
        let homes = self.nodes.len();
        self.invented(count)
            .map(|nth| NodeId::impostor(nth, NodeId((nth as usize % homes) as u32)))
            .collect()
    }

    fn invented(&mut self, count: usize) -> std::ops::Range<u32> {
        let nth = self.numbers.strangers;
        self.numbers.strangers += count as u32;
        nth..self.numbers.strangers
    }

    /// Some of those that fit, drawn by lot.
    fn some(&self, id: NodeId, count: usize, fits: impl Fn(Role, State) -> bool) -> Vec<NodeId> {
        let nodes = self.nodes.iter().enumerate();
        let fitting = nodes.filter(|(_, node)| fits(node.role, node.state));
        let mut fitting: Vec<_> = fitting.map(|(index, _)| NodeId(index as u32)).collect();
        let mut rng = self.rng(Subject::Walk, id, self.now.as_millis());
        rng.shuffle(&mut fitting);
        fitting.truncate(count);
        fitting
    }
}
