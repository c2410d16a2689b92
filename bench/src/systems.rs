//! What is compared.

mod addrman;
mod ant_bootstrap;
mod ant_quic;
mod json;
mod libp2p_peer_store;
mod radicle;
mod redb;
mod rejoin;
mod sqlite;

use std::path::Path;

use crate::peers::Peer;

/// A store of peers. What it cannot do it says with `None`.
pub trait System {
    /// Takes in peers it does not know. `None` if they are in, but not by the way it has for that.
    fn insert(&mut self, peers: &[Peer]) -> Option<()>;

    /// A dial of a peer it knows has worked, or what comes closest to such evidence.
    fn update(&mut self, peer: &Peer) -> Option<()>;

    /// How many it names when asked for its best `k`.
    fn best(&mut self, k: usize) -> Option<usize>;

    /// Saves all changes, so that they survive a power cut.
    fn save(&mut self) -> Option<()>;
}

/// One of them.
#[derive(Clone, Copy)]
pub struct Kind {
    /// Its name in the table.
    pub name: &'static str,
    /// Where it goes through its course.
    pub place: Place,
    /// With more peers than that it is not measured.
    pub most: usize,
    /// What its figures do not say themselves.
    pub note: Option<&'static str>,
}

/// Where a system runs.
#[derive(Clone, Copy)]
pub enum Place {
    /// In a process of this program, which opens what lies in a folder, with room for so many peers.
    Here(fn(&Path, usize) -> Box<dyn System>),
    /// In Node.js.
    Node,
}

/// All of them, ours first.
pub const KINDS: [Kind; 10] = [
    Kind::here("rejoin", |folder, _| Box::new(rejoin::Rejoin::open(folder))),
    Kind::here("libp2p-peer-store", |_, n| {
        Box::new(libp2p_peer_store::MemoryOnly::new(n))
    }),
    Kind {
        place: Place::Node,
        most: 100_000,
        note: Some(
            "of more than 100,000 its best twenty are minutes away, and gigabytes of memory, for it \
             has no order and reads all",
        ),
        ..Kind::named("js-libp2p")
    },
    Kind::here("ant-quic", |folder, n| {
        Box::new(ant_quic::Cache::open(folder, n))
    }),
    Kind {
        note: Some(ant_bootstrap::NOTE),
        ..Kind::here("ant-bootstrap", |folder, n| {
            Box::new(ant_bootstrap::Cache::open(folder, n))
        })
    },
    Kind {
        note: Some(radicle::NOTE),
        ..Kind::here("radicle", |folder, _| {
            Box::new(radicle::AddressBook::open(folder))
        })
    },
    Kind {
        note: Some(addrman::NOTE),
        ..Kind::here("addrman (bitcoin-address-book)", addrman::open)
    },
    Kind::here("sqlite", |folder, _| Box::new(sqlite::Table::open(folder))),
    Kind::here("redb", |folder, _| Box::new(redb::Tables::open(folder))),
    Kind::here("serde_json", |folder, _| Box::new(json::Map::open(folder))),
];

impl Kind {
    const fn named(name: &'static str) -> Self {
        Self {
            name,
            place: Place::Node,
            most: usize::MAX,
            note: None,
        }
    }

    const fn here(name: &'static str, open: fn(&Path, usize) -> Box<dyn System>) -> Self {
        Self {
            place: Place::Here(open),
            ..Self::named(name)
        }
    }
}
