//! What the behaviour tells the program, in libp2p's names.

use std::time::Duration;

use libp2p::PeerId;
use rejoin_core::{AskId, Consequence, Directory, Event as Told, PeerKey, retention::PruneReport};

/// Something worth telling.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A peer is connected.
    Connected {
        /// Who.
        peer: PeerId,
        /// How many there are now.
        connections: usize,
        /// Whether it was dialled out of memory.
        remembered: bool,
    },
    /// A peer is gone.
    Disconnected {
        /// Who.
        peer: PeerId,
        /// How many there are left.
        connections: usize,
    },
    /// As many connections as wanted, for the first time since they were missing.
    TargetReached {
        /// How long it took.
        took: Duration,
    },
    /// Nothing answers at all: from here on it counts as our own outage.
    OutageBegan,
    /// Something answers again.
    OutageEnded {
        /// How long it lasted.
        lasted: Duration,
    },
    /// Retention forgot or demoted peers.
    Pruned(PruneReport),
    /// A peer did more than is tolerated.
    Misbehaved {
        /// Who.
        peer: PeerId,
        /// What it has brought upon itself.
        consequence: Consequence,
    },
    /// What had to be put right in what was loaded.
    Repaired {
        /// Values that made no sense, such as times ahead of now.
        values: usize,
    },
    /// A round of gossip: publish it on [`gossip_topic`](crate::gossip_topic), and hand what others
    /// publish there to [`Behaviour::on_gossip`](crate::Behaviour::on_gossip). Without a gossipsub in
    /// the swarm there is nothing to do.
    Gossip {
        /// At most [`GOSSIP_BYTES_MAX`](crate::GOSSIP_BYTES_MAX) bytes.
        message: Vec<u8>,
    },
    /// Ask this for peers, and answer with [`Behaviour::consulted`](crate::Behaviour::consulted).
    /// Comes only for what was named by [`Behaviour::add_directory`](crate::Behaviour::add_directory).
    Consult {
        /// The question's name.
        ask: AskId,
        /// What to ask.
        directory: Directory,
        /// After how long to give up.
        within: Duration,
    },
    /// Too few peers are known: ask the other discovery behaviours of the swarm, such as Kademlia,
    /// if there are any. What they find is taken in by itself.
    Discover,
}

impl Event {
    /// `None` for a peer without a libp2p name: no swarm ever connects to one.
    pub(crate) fn told(event: Told) -> Option<Self> {
        let named = |key: PeerKey| key.peer_id();
        Some(match event {
            Told::Connected {
                peer,
                connections,
                remembered,
            } => Self::Connected {
                peer: named(peer)?,
                connections,
                remembered,
            },
            Told::Disconnected { peer, connections } => Self::Disconnected {
                peer: named(peer)?,
                connections,
            },
            Told::TargetReached { took } => Self::TargetReached { took },
            Told::OutageBegan => Self::OutageBegan,
            Told::OutageEnded { lasted } => Self::OutageEnded { lasted },
            Told::Pruned(report) => Self::Pruned(report),
            Told::Misbehaved { peer, consequence } => Self::Misbehaved {
                peer: named(peer)?,
                consequence,
            },
            Told::Repaired { values } => Self::Repaired { values },
        })
    }
}
