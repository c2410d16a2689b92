//! Records to rows and back. The record's text is the truth; the other columns are read off it, for the
//! indexes.

use rejoin_core::{Memory, PeerKey, PeerRecord, Pool, Ranked, score};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::seal::{Seal, header::Header};

/// The record in a row of `key, record`, if it reads and belongs to that key.
pub(super) fn record(row: &Row<'_>, seal: &Seal) -> Option<PeerRecord> {
    let key = row.get_ref(0).ok()?.as_blob().ok()?;
    let text = row.get_ref(1).ok()?.as_str().ok()?;
    let record = seal.record(text)?;
    (*seal.row_key(&record.key) == *key).then_some(record)
}

/// What is saved of a peer: in which row, and the record as it is written there.
pub(super) struct Saved {
    id: i64,
    pub(super) text: String,
}

/// What is saved of a peer, if anything is.
pub(super) fn saved(
    conn: &Connection,
    seal: &Seal,
    key: &PeerKey,
) -> rusqlite::Result<Option<Saved>> {
    conn.prepare_cached("SELECT id, record FROM peers WHERE key = ?1")?
        .query_row([seal.row_key(key)], |row| {
            let (id, text) = (row.get(0)?, row.get(1)?);
            Ok(Saved { id, text })
        })
        .optional()
}

/// Where a peer stands in the order of rank. What is read of it may rank otherwise: its times may have
/// been put right.
pub(super) fn place_of(
    conn: &Connection,
    seal: &Seal,
    key: &PeerKey,
) -> rusqlite::Result<Option<Ranked>> {
    let rank = conn
        .prepare_cached("SELECT rank FROM peers WHERE key = ?1")?
        .query_row([seal.row_key(key)], |row| row.get(0))
        .optional()?;
    let peer = key.clone();
    Ok(rank.map(|rank| Ranked { rank, peer }))
}

/// Writes one peer of which this is saved now, unless it says the same; says whether it did not.
pub(super) fn put(
    conn: &Connection,
    seal: &Seal,
    record: &PeerRecord,
    saved: Option<&Saved>,
) -> rusqlite::Result<bool> {
    let Some(saved) = saved else {
        return put_new(conn, seal, record);
    };
    let text = sealed(seal, record, Some(&saved.text))?;
    if saved.text == text {
        return Ok(false);
    }
    let (pool, anchor, rank) = place(record);
    conn.prepare_cached(
        "UPDATE peers SET pool = ?1, anchor = ?2, rank = ?3, record = ?4 WHERE id = ?5",
    )?
    .execute(params![pool, anchor, rank, text, saved.id])?;
    Ok(true)
}

/// Writes one peer if there is none of its key; says whether that was so.
pub(super) fn put_new(
    conn: &Connection,
    seal: &Seal,
    record: &PeerRecord,
) -> rusqlite::Result<bool> {
    let (key, text) = (seal.row_key(&record.key), sealed(seal, record, None)?);
    let (pool, anchor, rank) = place(record);
    let written = conn
        .prepare_cached(
            "INSERT INTO peers (key, pool, anchor, rank, record) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (key) DO NOTHING",
        )?
        .execute(params![key, pool, anchor, rank, text])?;
    Ok(written > 0)
}

fn sealed(seal: &Seal, record: &PeerRecord, before: Option<&str>) -> rusqlite::Result<String> {
    seal.record_text(record, before).map_err(no_chance)
}

/// The columns by which a record is found in the indexes.
fn place(record: &PeerRecord) -> (i64, bool, f64) {
    let rank = finite(score::rank(record));
    (number_of(record.pool()), record.control.anchor, rank)
}

/// How the pools are written.
pub(super) fn number_of(pool: Pool) -> i64 {
    match pool {
        Pool::Proven => 0,
        Pool::Hearsay => 1,
    }
}

/// Writes the peer of this row anew, under another seal than before.
pub(super) fn reseal(
    conn: &Connection,
    seal: &Seal,
    id: i64,
    record: &PeerRecord,
) -> rusqlite::Result<()> {
    let (key, text) = (seal.row_key(&record.key), sealed(seal, record, None)?);
    conn.prepare_cached("UPDATE peers SET key = ?1, record = ?2 WHERE id = ?3")?
        .execute(params![key, text, id])?;
    Ok(())
}

/// Removes one peer; says whether it was there.
pub(super) fn remove(conn: &Connection, seal: &Seal, key: &PeerKey) -> rusqlite::Result<bool> {
    let mut statement = conn.prepare_cached("DELETE FROM peers WHERE key = ?1")?;
    Ok(statement.execute([seal.row_key(key)])? > 0)
}

/// What is saved beside the peers, in text.
pub(super) fn saved_memory(conn: &Connection) -> rusqlite::Result<Option<String>> {
    conn.prepare_cached("SELECT json FROM memory WHERE id = 1")?
        .query_row([], |row| row.get(0))
        .optional()
}

/// Writes what is remembered beside the peers, as [`put`].
pub(super) fn put_memory(
    conn: &Connection,
    seal: &Seal,
    memory: &Memory,
    saved: Option<&str>,
) -> rusqlite::Result<bool> {
    let text = seal.memory_text(memory, saved).map_err(no_chance)?;
    if saved == Some(&text) {
        return Ok(false);
    }
    conn.prepare_cached(
        "INSERT INTO memory (id, json) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET json = ?1",
    )?
    .execute([text])?;
    Ok(true)
}

/// Whether the database is sealed with this very seal, or like it with none.
pub(super) fn has_seal(conn: &Connection, seal: &Seal) -> rusqlite::Result<bool> {
    Ok(header(conn)? == seal.header().map(Header::text))
}

/// The seal, in text.
pub(super) fn header(conn: &Connection) -> rusqlite::Result<Option<String>> {
    conn.prepare_cached("SELECT header FROM seal WHERE id = 1")?
        .query_row([], |row| row.get(0))
        .optional()
}

/// Writes the seal.
pub(super) fn put_header(conn: &Connection, seal: &Seal) -> rusqlite::Result<()> {
    match seal.header() {
        Some(header) => conn.execute(
            "INSERT INTO seal (id, header) VALUES (1, ?1)
             ON CONFLICT (id) DO UPDATE SET header = ?1",
            [header.text()],
        ),
        None => conn.execute("DELETE FROM seal", []),
    }
    .map(drop)
}

/// SQLite turns what is not a number into NULL, which no rank may be; infinities it keeps.
pub(super) fn finite(rank: f64) -> f64 {
    if rank.is_nan() { f64::MIN } else { rank }
}

/// Goes through SQLite's errors as one about a value that could not be made.
fn no_chance(error: getrandom::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
}
