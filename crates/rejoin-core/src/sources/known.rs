//! One source: what it is, whether it is being asked, and whether it can be. Which of many is asked
//! next stands in the parent.

use super::kind::Kind;
use crate::{
    address::Address,
    backoff::Backoff,
    directory::Directory,
    key::PeerKey,
    output::{AskId, DialId},
    text::Text,
    time::Time,
};

/// One source, and how it has fared.
#[derive(Clone, Debug)]
pub struct Known {
    /// Of which kind.
    pub kind: Kind,
    /// What it is.
    pub what: What,
    /// How often it failed lately, and until when it is left alone.
    pub breaker: Backoff,
    /// It has said what it knows, and is not asked again before this.
    pub again_at: Time,
    /// Whether it is being asked.
    pub asking: Asking,
}

/// What a source is.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A server, dialled.
    Server {
        /// Who answers there, if that is known.
        peer: Option<PeerKey>,
        /// Where.
        address: Address,
    },
    /// Something the program asks.
    Directory(Directory),
}

/// Whether a source is being asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Asking {
    /// It is not.
    Nothing,
    /// By this dial.
    Dial(DialId),
    /// By this question, since then.
    Consult(AskId, Time),
}

impl Known {
    /// The name under which its breaker is remembered.
    pub fn name(&self) -> Text<640> {
        match &self.what {
            What::Server { address, .. } => server_name(address),
            What::Directory(directory) => directory.name(),
        }
    }

    /// Who answers there, if that is known.
    pub fn peer(&self) -> Option<&PeerKey> {
        match &self.what {
            What::Server { peer, .. } => peer.as_ref(),
            What::Directory(directory) => directory.peer(),
        }
    }

    /// A server that is connected has been asked; a directory that is connected can be.
    pub fn waits_for(&self, peer: &PeerKey, busy: &impl Fn(&PeerKey) -> bool) -> bool {
        self.kind.is_dialled() && busy(peer)
    }

    /// Whether it can be asked now; `anyway` ignores that it rests.
    pub fn is_ready(&self, now: Time, anyway: bool, busy: &impl Fn(&PeerKey) -> bool) -> bool {
        let rests = !self.breaker.is_over(now) || now < self.again_at;
        let waits = self.peer().is_some_and(|peer| self.waits_for(peer, busy));
        self.asking == Asking::Nothing && (anyway || !rests) && !waits
    }

    /// Whether there is any hope in it at this moment.
    pub fn may_help(&self, now: Time, busy: &impl Fn(&PeerKey) -> bool) -> bool {
        self.asking != Asking::Nothing || self.is_ready(now, false, busy)
    }

    /// Since when the program has been asking it, if it does.
    pub fn consulted_since(&self) -> Option<Time> {
        match self.asking {
            Asking::Consult(_, began) => Some(began),
            Asking::Nothing | Asking::Dial(_) => None,
        }
    }
}

/// The name of a server, under which its breaker is remembered.
pub fn server_name(address: &Address) -> Text<640> {
    Text::new(&address.to_string())
}

/// The server at an address.
pub fn server_at<'a>(list: &'a mut [Known], at: &Address) -> Option<&'a mut Known> {
    list.iter_mut()
        .find(|known| matches!(&known.what, What::Server { address, .. } if address == at))
}

/// What is known of a directory.
pub fn directory_of<'a>(list: &'a mut [Known], directory: &Directory) -> Option<&'a mut Known> {
    list.iter_mut()
        .find(|known| matches!(&known.what, What::Directory(it) if it == directory))
}

/// Takes the dial off the source it was meant for.
pub fn land(list: &mut [Known], was: impl Fn(Asking) -> bool) -> Option<&mut Known> {
    let known = list.iter_mut().find(|known| was(known.asking))?;
    known.asking = Asking::Nothing;
    Some(known)
}
