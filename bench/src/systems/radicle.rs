//! Radicle's address book: tables in SQLite, every call a transaction of its own.

use std::{collections::HashMap, path::Path};

use radicle::node::{
    Address, Alias, Database, Features, KnownAddress, NodeId, PROTOCOL_VERSION, Penalty, Timestamp,
    UserAgent,
    address::{Source, Store},
    db::config::Config,
};

use super::System;
use crate::peers::Peer;

/// For below the table.
pub const NOTE: &str = "every change is a transaction of its own, and a dial two; as Radicle runs it \
    they reach the disk at the next checkpoint, so saving is a checkpoint; it knows who misbehaved, \
    and all others are equally good";

pub struct AddressBook {
    database: Database,
    now: u64,
}

impl AddressBook {
    pub fn open(folder: &Path) -> Self {
        let database = Database::open(folder.join("node.db"), Config::default());
        Self {
            database: database.expect("a database"),
            now: 1_790_000_000_000,
        }
    }

    fn time(&self) -> Timestamp {
        Timestamp::try_from(self.now).expect("some day in 2026")
    }
}

impl System for AddressBook {
    fn insert(&mut self, peers: &[Peer]) -> Option<()> {
        let (alias, agent, now) = (Alias::new("peer"), UserAgent::default(), self.time());
        for peer in peers {
            let addresses = peer
                .addresses
                .map(|address| KnownAddress::new(Address::from(address), Source::Peer));
            let (id, features) = (name(peer), Features::SEED);
            self.database
                .insert(
                    &id,
                    PROTOCOL_VERSION,
                    features,
                    &alias,
                    0,
                    &agent,
                    now,
                    addresses,
                )
                .expect("room");
        }
        Some(())
    }

    fn update(&mut self, peer: &Peer) -> Option<()> {
        self.now += 1;
        let (id, address, now) = (name(peer), Address::from(peer.addresses[0]), self.time());
        self.database.attempted(&id, &address, now).expect("room");
        self.database.connected(&id, &address, now).expect("room");
        Some(())
    }

    /// As its node looks for peers to dial: through all of them.
    fn best(&mut self, k: usize) -> Option<usize> {
        let mut peers: HashMap<NodeId, (Penalty, Vec<KnownAddress>)> = HashMap::new();
        for entry in self.database.entries().expect("our own tables") {
            if entry.version == PROTOCOL_VERSION
                && !entry.address.banned
                && !entry.penalty.is_connect_threshold_reached()
            {
                let fresh = || (entry.penalty, Vec::new());
                let (_, addresses) = peers.entry(entry.node).or_insert_with(fresh);
                addresses.push(entry.address);
            }
        }
        let mut best: Vec<_> = peers.into_iter().collect();
        best.sort_by_key(|(_, (penalty, _))| *penalty);
        best.truncate(k);
        Some(best.len())
    }

    fn save(&mut self) -> Option<()> {
        let checkpoint = self.database.execute("PRAGMA wal_checkpoint(FULL)");
        checkpoint.expect("room");
        Some(())
    }

    fn load(&mut self) -> Option<()> {
        None
    }
}

/// Nobody looks whether it is a point on the curve.
fn name(peer: &Peer) -> NodeId {
    NodeId::from(peer.id)
}
