//! What is compared.

mod ant_quic;
mod json;
mod libp2p_peer_store;
mod redb;
mod rejoin;
mod sqlite;

use std::path::Path;

use crate::peers::Peer;

/// A store of peers. What it cannot do it says with `None`.
pub trait System {
    /// Takes in peers it does not know.
    fn insert(&mut self, peers: &[Peer]);

    /// A dial of a peer it knows has worked.
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
    /// Opens what lies in a folder, with room for so many peers.
    pub open: fn(&Path, usize) -> Box<dyn System>,
}

/// All of them, ours first.
pub const KINDS: [Kind; 6] = [
    Kind {
        name: "rejoin",
        open: |folder, _| Box::new(rejoin::Rejoin::open(folder)),
    },
    Kind {
        name: "libp2p-peer-store",
        open: |_, n| Box::new(libp2p_peer_store::MemoryOnly::new(n)),
    },
    Kind {
        name: "ant-quic",
        open: |folder, n| Box::new(ant_quic::Cache::open(folder, n)),
    },
    Kind {
        name: "sqlite",
        open: |folder, _| Box::new(sqlite::Table::open(folder)),
    },
    Kind {
        name: "redb",
        open: |folder, _| Box::new(redb::Tables::open(folder)),
    },
    Kind {
        name: "serde_json",
        open: |folder, _| Box::new(json::Map::open(folder)),
    },
];
