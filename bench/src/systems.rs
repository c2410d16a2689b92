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

use std::{
    fs::{self, File},
    path::Path,
};

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

    /// Takes into memory what is not there since it was opened. `None` if it leaves it where it is.
    fn load(&mut self) -> Option<()>;
}

/// Writes a file beside the one of this name and lets it take its place, as whoever does not want to
/// lose both in a crash must.
fn replace<E: std::fmt::Debug>(path: &Path, write: impl FnOnce(&mut File) -> Result<(), E>) {
    let fresh = path.with_extension("new");
    let mut file = File::create(&fresh).expect("room");
    write(&mut file).expect("room");
    file.sync_all().expect("room");
    fs::rename(fresh, path).expect("our own folder");
    let folder = path.parent().map(File::open).expect("a folder");
    let flushed = folder.and_then(|folder| folder.sync_all());
    flushed.expect("our own folder");
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
pub const KINDS: [Kind; 12] = [
    Kind::here("rejoin", |folder, _| Box::new(rejoin::Rejoin::open(folder))),
    Kind {
        note: Some("everything is sealed: names, addresses and what is known of them"),
        ..Kind::here("rejoin-sealed", |folder, _| {
            Box::new(rejoin::Rejoin::open_sealed(folder))
        })
    },
    Kind {
        most: usize::MAX,
        note: Some(
            "it holds the best 100,000 in memory and the rest on the disk alone, so it saves while it \
             takes in, and an update of somebody on the disk is a meeting; all it loads is those it holds",
        ),
        ..Kind::here("rejoin-hot", |folder, _| {
            Box::new(rejoin::Rejoin::open_hot(folder))
        })
    },
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

/// With more peers than that only who does not hold all of them is measured.
pub const MOST: usize = 1_000_000;

impl Kind {
    const fn named(name: &'static str) -> Self {
        Self {
            name,
            place: Place::Node,
            most: MOST,
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
