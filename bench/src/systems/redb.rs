//! Two tables of redb: the peers, and their order.

use std::path::Path;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use super::System;
use crate::peers::Peer;

const PEERS: TableDefinition<&[u8; 32], (u32, &str)> = TableDefinition::new("peers");
const ORDER: TableDefinition<(u32, &[u8; 32]), ()> = TableDefinition::new("order");

/// As much as SQLite's default and some more; its own is a gigabyte.
const CACHE_BYTES: usize = 64 << 20;

pub struct Tables {
    database: Database,
    under_way: Option<WriteTransaction>,
}

impl Tables {
    pub fn open(folder: &Path) -> Self {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES);
        let database = builder.create(folder.join("peers.redb"));
        Self {
            database: database.expect("a database"),
            under_way: None,
        }
    }

    fn write(&mut self) -> &WriteTransaction {
        let database = &self.database;
        self.under_way
            .get_or_insert_with(|| database.begin_write().expect("alone"))
    }
}

impl System for Tables {
    fn insert(&mut self, peers: &[Peer]) -> Option<()> {
        let write = self.write();
        let mut table = write.open_table(PEERS).expect("our own table");
        let mut order = write.open_table(ORDER).expect("our own table");
        for peer in peers {
            let [a, b] = peer.addresses;
            let text = format!("{a} {b}");
            table.insert(&peer.id, (0, text.as_str())).expect("room");
            order.insert((0, &peer.id), ()).expect("room");
        }
        Some(())
    }

    fn update(&mut self, peer: &Peer) -> Option<()> {
        let write = self.write();
        let mut table = write.open_table(PEERS).expect("our own table");
        let mut order = write.open_table(ORDER).expect("our own table");
        let (score, text) = {
            let row = table.get(&peer.id).expect("sound")?;
            let (score, text) = row.value();
            (score, text.to_owned())
        };
        order.remove((score, &peer.id)).expect("sound");
        order.insert((score + 1, &peer.id), ()).expect("room");
        table
            .insert(&peer.id, (score + 1, text.as_str()))
            .expect("room");
        Some(())
    }

    /// What was saved.
    fn best(&mut self, k: usize) -> Option<usize> {
        let read = self.database.begin_read().expect("a database");
        let order = read.open_table(ORDER).ok()?;
        let table = read.open_table(PEERS).ok()?;
        let mut best = Vec::with_capacity(k);
        for row in order.iter().expect("sound").rev().take(k) {
            let (key, _) = row.expect("sound");
            let (_, id) = key.value();
            let row = table.get(id).expect("sound")?;
            best.push((*id, row.value().1.to_owned()));
        }
        Some(best.len())
    }

    fn save(&mut self) -> Option<()> {
        if let Some(write) = self.under_way.take() {
            write.commit().expect("room");
        }
        Some(())
    }

    fn load(&mut self) -> Option<()> {
        None
    }
}
