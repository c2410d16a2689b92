//! What one node goes through, written down: so that others can be told the very same.

use rejoin_core::{Input, Word};

use super::NodeId;

/// Something that happened to a node, as far as a memory for peers cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// It was told of a peer.
    Told(NodeId),
    /// It got an authenticated connection to a peer, or a peer to it.
    Met(NodeId),
    /// It dialled a peer.
    Dialled(NodeId),
}

impl Noted {
    /// Whom it dialled, if it did.
    pub(super) fn dialled(self) -> Option<NodeId> {
        match self {
            Self::Dialled(peer) => Some(peer),
            Self::Told(_) | Self::Met(_) => None,
        }
    }
}

/// All of it, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Tape(Vec<Noted>);

impl Tape {
    pub(super) fn noted(&self) -> &[Noted] {
        &self.0
    }

    pub(super) fn heard(&mut self, input: &Input) {
        let told = |word: &Word| match word {
            Word::Signed(signed) => NodeId::of(&signed.peer).map(Noted::Told),
            Word::Broken => None,
        };
        match input {
            Input::PeersTold { words, .. } => self.0.extend(words.iter().filter_map(told)),
            Input::Gossiped { words, .. } => {
                self.0
                    .extend(words.iter().filter_map(|(word, _)| told(word)));
            }
            Input::Connected(connected) => {
                self.0.extend(NodeId::of(&connected.peer).map(Noted::Met));
            }
            _ => {}
        }
    }

    pub(super) fn dialled(&mut self, peer: Option<NodeId>) {
        self.0.extend(peer.map(Noted::Dialled));
    }
}
