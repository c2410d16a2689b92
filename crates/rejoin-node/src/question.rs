//! What can be asked of a node, whether it runs or only its memory lies there.

use std::time::Duration;

use rejoin::{
    Address, PeerKey, Purpose,
    query::{Filter, Sort},
};
use serde::{Deserialize, Serialize};

/// One question or wish. Peers are named in full or abbreviated; see [`crate::naming`].
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// How are things?
    Status,
    /// Who is in memory?
    Peers(Query),
    /// All that is remembered of one peer.
    Peer(String),
    /// Why does it have the score it has, or suit a purpose as it does?
    Why {
        /// Who.
        peer: String,
        /// What for.
        purpose: Option<Purpose>,
    },
    /// Who was dialled when, and what became of it?
    Timeline,
    /// Connect to it now.
    Connect(Target),
    /// Forget it.
    Forget(String),
    /// Keep it whatever happens, or treat it like any other again.
    Pin {
        /// Who.
        peer: String,
        /// No longer.
        undo: bool,
    },
    /// Do not deal with it for so long.
    Block {
        /// Who.
        peer: String,
        /// How long.
        span: Duration,
    },
    /// Deal with it again.
    Unblock(String),
    /// Take in what a file says of others. It is hearsay.
    Import(Vec<Hearsay>),
    /// Forget by the rules.
    Prune {
        /// Only say whom.
        dry_run: bool,
    },
    /// What is wrong, and what can be done about it?
    Doctor,
}

impl Question {
    /// Whom it is about, as named, if it is about one peer in memory.
    pub fn about(&self) -> Option<&str> {
        match self {
            Self::Peer(name) | Self::Forget(name) | Self::Unblock(name) => Some(name),
            Self::Why { peer, .. } | Self::Pin { peer, .. } | Self::Block { peer, .. } => {
                Some(peer)
            }
            Self::Status
            | Self::Peers(_)
            | Self::Timeline
            | Self::Connect(_)
            | Self::Import(_)
            | Self::Prune { .. }
            | Self::Doctor => None,
        }
    }

    /// Whether answering it changes the memory.
    pub fn is_change(&self) -> bool {
        match self {
            Self::Status
            | Self::Peers(_)
            | Self::Peer(_)
            | Self::Why { .. }
            | Self::Timeline
            | Self::Doctor => false,
            Self::Prune { dry_run } => !dry_run,
            Self::Connect(_)
            | Self::Forget(_)
            | Self::Pin { .. }
            | Self::Block { .. }
            | Self::Import(_)
            | Self::Unblock(_) => true,
        }
    }
}

/// A peer somebody tells of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hearsay {
    /// Who.
    pub peer: PeerKey,
    /// Where it is said to live.
    pub addresses: Vec<Address>,
}

/// Peers in one import at most: some tens of kilobytes of JSON, and as many as an engine takes from
/// anybody at once.
pub const IMPORT_MAX: usize = 50;

/// Whom to connect to.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// Somebody at this address.
    At {
        /// Who, if that is known.
        peer: Option<PeerKey>,
        /// Where.
        address: Address,
    },
    /// Somebody in memory, by name.
    Known(String),
}

impl Target {
    /// Reads what a user writes: an address, a host and port, or a peer's name.
    pub fn read(text: &str) -> Self {
        match read_address(text) {
            Some((address, peer)) => Self::At { peer, address },
            None => Self::Known(text.trim().into()),
        }
    }
}

/// Reads a multiaddr, `ip:port` or `host:port`.
pub fn read_address(text: &str) -> Option<(Address, Option<PeerKey>)> {
    Address::parse(text)
        .ok()
        .or_else(|| Address::parse(&as_dns(text)?).ok())
}

/// `host:port` as a multiaddr.
fn as_dns(text: &str) -> Option<String> {
    let (host, port) = text.trim().rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    (!host.is_empty() && host.chars().all(plain)).then(|| format!("/dns/{host}/tcp/{port}"))
}

/// Which peers, and which page of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// Only those.
    pub filter: Filter,
    /// In what order, how many.
    pub page: Page,
}

/// A page of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Page {
    /// In what order.
    pub sort: Sort,
    /// Only those that suit a purpose, and in order of how well they do.
    #[serde(rename = "for")]
    pub purpose: Option<Purpose>,
    /// What follows behind this peer: the last one of the page before.
    pub after: Option<String>,
    /// At most so many; see [`LIMIT_MAX`].
    pub limit: Option<usize>,
}

/// Peers in one answer at most: some megabytes of JSON.
pub const LIMIT_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";

    #[test]
    fn addresses_are_read_in_every_form_people_write_them() {
        check("/ip4/1.2.3.4/tcp/80", Some("/ip4/1.2.3.4/tcp/80"));
        check("1.2.3.4:80", Some("/ip4/1.2.3.4/tcp/80"));
        check("[::1]:80", Some("/ip6/::1/tcp/80"));
        check(
            "seed.example.org:4001",
            Some("/dns/seed.example.org/tcp/4001"),
        );
        check(
            &format!("/ip4/1.2.3.4/tcp/80/p2p/{ALICE}"),
            Some("/ip4/1.2.3.4/tcp/80"),
        );
        check(ALICE, None);
        check("a host:80", None);
        check("host:99999", None);
        check("1.2.3.4", None);
    }

    #[test]
    fn what_is_no_address_is_taken_for_a_name() {
        assert_eq!(Target::read(" 6nXTN "), Target::Known("6nXTN".into()));
    }

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let read = read_address(text).map(|(address, _)| address.to_string());
        assert_eq!(read.as_deref(), expected, "{text}");
    }
}
