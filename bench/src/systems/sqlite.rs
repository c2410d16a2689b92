//! A bare table in SQLite with an index over the score: what a database can do at best.

use std::path::Path;

use rusqlite::{Connection, params};

use super::System;
use crate::peers::Peer;

pub struct Table {
    conn: Connection,
    /// Changes are under way.
    open: bool,
}

impl Table {
    pub fn open(folder: &Path) -> Self {
        let conn = Connection::open(folder.join("peers.db")).expect("a database");
        conn.execute_batch(
            "PRAGMA journal_mode = wal;
             PRAGMA synchronous = full;
             CREATE TABLE IF NOT EXISTS peers (
                 id BLOB PRIMARY KEY, addresses TEXT NOT NULL, score INTEGER NOT NULL
             ) WITHOUT ROWID;
             CREATE INDEX IF NOT EXISTS by_score ON peers (score);",
        )
        .expect("our own tables");
        Self { conn, open: false }
    }

    fn begin(&mut self) {
        if !self.open {
            self.conn.execute_batch("BEGIN IMMEDIATE").expect("alone");
            self.open = true;
        }
    }
}

impl System for Table {
    fn insert(&mut self, peers: &[Peer]) -> Option<()> {
        self.begin();
        let sql = "INSERT INTO peers VALUES (?1, ?2, 0)";
        let mut insert = self.conn.prepare_cached(sql).expect("a statement");
        for peer in peers {
            let [a, b] = peer.addresses;
            let row = params![peer.id, format!("{a} {b}")];
            insert.execute(row).expect("room");
        }
        Some(())
    }

    fn update(&mut self, peer: &Peer) -> Option<()> {
        self.begin();
        let sql = "UPDATE peers SET score = score + 1 WHERE id = ?1";
        let mut update = self.conn.prepare_cached(sql).expect("a statement");
        update.execute([peer.id]).expect("room");
        Some(())
    }

    fn best(&mut self, k: usize) -> Option<usize> {
        let sql = "SELECT id, addresses FROM peers ORDER BY score DESC LIMIT ?1";
        let mut best = self.conn.prepare_cached(sql).expect("a statement");
        let row = |row: &rusqlite::Row<'_>| -> rusqlite::Result<(Vec<u8>, String)> {
            Ok((row.get(0)?, row.get(1)?))
        };
        let best = best.query_map([k as i64], row).expect("a query");
        Some(
            best.map(|row| row.expect("our own row"))
                .collect::<Vec<_>>()
                .len(),
        )
    }

    fn save(&mut self) -> Option<()> {
        if self.open {
            self.conn.execute_batch("COMMIT").expect("room");
            self.open = false;
        }
        Some(())
    }

    fn load(&mut self) -> Option<()> {
        None
    }
}
