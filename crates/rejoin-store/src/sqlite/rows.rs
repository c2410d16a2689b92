//! Records to rows and back. The record's JSON is the truth; the other columns are read off it, for
//! indexes and for people.

use rejoin_core::{PeerKey, PeerRecord, Pool, score};
use rusqlite::{Connection, OptionalExtension, Row, named_params};
use serde::Serialize;

/// The record in a row of `key, record`, if it reads and belongs to that key.
pub(super) fn record(row: &Row<'_>) -> Option<PeerRecord> {
    let key = row.get_ref(0).ok()?.as_blob().ok()?;
    let text = row.get_ref(1).ok()?.as_str().ok()?;
    let record: PeerRecord = serde_json::from_str(text).ok()?;
    (record.key.as_bytes() == key).then_some(record)
}

/// What is saved of a peer, in text.
pub(super) fn saved(conn: &Connection, key: &PeerKey) -> rusqlite::Result<Option<String>> {
    conn.prepare_cached("SELECT record FROM peers WHERE key = ?1")?
        .query_row([key.as_bytes()], |row| row.get(0))
        .optional()
}

/// Writes one peer, whose text is `text`.
pub(super) fn put(conn: &Connection, record: &PeerRecord, text: &str) -> rusqlite::Result<()> {
    // Not REPLACE: that would move the row, and touch every index even if only the record differs.
    conn.prepare_cached(
        "INSERT INTO peers (key, name, pool, anchor, rank, last_seen, record)
         VALUES (:key, :name, :pool, :anchor, :rank, :last_seen, :record)
         ON CONFLICT (key) DO UPDATE SET name = :name, pool = :pool, anchor = :anchor,
             rank = :rank, last_seen = :last_seen, record = :record",
    )?
    .execute(named_params! {
        ":key": record.key.as_bytes(),
        ":name": record.key.to_string(),
        ":pool": match record.pool() {
            Pool::Proven => 0,
            Pool::Hearsay => 1,
        },
        ":anchor": record.control.anchor,
        ":rank": finite(score::rank(record)),
        ":last_seen": record.last_seen.map(|at| i64::try_from(at.as_millis()).unwrap_or(i64::MAX)),
        ":record": text,
    })?;
    Ok(())
}

/// Removes one peer; says whether it was there.
pub(super) fn remove(conn: &Connection, key: &PeerKey) -> rusqlite::Result<bool> {
    let mut statement = conn.prepare_cached("DELETE FROM peers WHERE key = ?1")?;
    Ok(statement.execute([key.as_bytes()])? > 0)
}

/// What is saved beside the peers, in text.
pub(super) fn saved_memory(conn: &Connection) -> rusqlite::Result<Option<String>> {
    conn.prepare_cached("SELECT json FROM memory WHERE id = 1")?
        .query_row([], |row| row.get(0))
        .optional()
}

/// Writes what is remembered beside the peers.
pub(super) fn put_memory(conn: &Connection, text: &str) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO memory (id, json) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET json = ?1",
    )?
    .execute([text])?;
    Ok(())
}

/// The JSON text of a record or of the memory.
pub(super) fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain data with text for keys always has a JSON form")
}

/// SQLite turns what is not a number into NULL, which no rank may be; infinities it keeps.
fn finite(rank: f64) -> f64 {
    if rank.is_nan() { f64::MIN } else { rank }
}
