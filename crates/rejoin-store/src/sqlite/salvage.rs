//! A sound database in place of a broken one. The broken one is kept under another name; its records
//! are read row by row as far as SQLite can follow, and cut out of the bare pages where it cannot.
//!
//! The order of steps makes every crash harmless: a finished new database waits as `.rebuilt`, and
//! whoever opens the store next puts it in its place.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use rejoin_core::Time;
use rusqlite::{Connection, TransactionBehavior};

use super::{last_good, opening::is_damage, rows, schema};
use crate::{
    StoreError,
    carve::{Carved, carve},
    durable::{self, beside},
    seal::Seal,
    shelf::{Shelf, is_later},
};

/// Puts a new database holding `shelf` in the place of the one at `path`; says where the old one
/// lies now.
pub(super) fn rebuild(
    path: &Path,
    shelf: &Shelf,
    seal: &Seal,
    now: Time,
) -> Result<PathBuf, StoreError> {
    let building = beside(path, BUILDING);
    build(&building, shelf, seal)?;
    last_good::keep(&building, path);
    let kept = durable::damaged_name(path, now)?;
    durable::second_name(path, &kept)?;
    let log = beside(path, WAL);
    if durable::exists(&log)? {
        durable::second_name(&log, &beside(&kept, WAL))?;
    }
    put_in_place(path)?;
    Ok(kept)
}

/// Puts a new database holding `shelf` where nothing is.
pub(super) fn create(path: &Path, shelf: &Shelf, seal: &Seal) -> Result<(), StoreError> {
    build(&beside(path, BUILDING), shelf, seal)?;
    put_in_place(path)
}

fn put_in_place(path: &Path) -> Result<(), StoreError> {
    rename(&beside(path, BUILDING), &beside(path, REBUILT))?;
    durable::sync_folder(path)?;
    finish(path)
}

/// Completes a rebuild that a crash interrupted after the new database was ready.
pub(super) fn finish(path: &Path) -> Result<(), StoreError> {
    let rebuilt = beside(path, REBUILT);
    if !durable::exists(&rebuilt)? {
        return Ok(());
    }
    // The log of the old database must never be played onto the new one.
    durable::remove(&beside(path, WAL))?;
    durable::remove(&beside(path, SHM))?;
    durable::sync_folder(path)?;
    rename(&rebuilt, path)?;
    durable::sync_folder(path)
}

/// Keeps the log of a database that is no longer there from being played onto the one that is.
pub(super) fn set_log_aside(path: &Path, now: Time) -> Result<(), StoreError> {
    let log = beside(path, WAL);
    if !durable::is_empty(&log)? {
        let kept = beside(&durable::damaged_name(path, now)?, WAL);
        fs::rename(&log, &kept).map_err(StoreError::file("set aside", &log))?;
    }
    durable::remove(&beside(path, SHM))
}

/// Everything the database at `path` still gives. Works on a copy: opening a database can change it,
/// and the damaged one is evidence.
pub(super) fn salvage(path: &Path, seal: &Seal) -> Result<Carved, StoreError> {
    let copy = beside(path, COPY);
    for suffix in ["", WAL] {
        let (from, to) = (beside(path, suffix), beside(&copy, suffix));
        durable::remove(&to)?;
        match fs::copy(&from, &to) {
            Err(error) if suffix.is_empty() || error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::file("copy", &from)(error));
            }
            _ => {}
        }
    }
    let (mut carved, whole) = match schema::connect(&copy) {
        Ok(conn) => {
            let (carved, trouble) = rows_of(&conn, seal);
            (carved, trouble.is_none())
        }
        Err(_) => (Carved::default(), false),
    };
    if !whole {
        for suffix in ["", WAL] {
            let from = beside(path, suffix);
            let pages = read_bytes(&from).map_err(StoreError::file("read", &from))?;
            let found = carve(&pages, seal);
            carved.shelf.complete(found.shelf);
            carved.lost += found.lost;
        }
    }
    for suffix in ["", WAL, SHM] {
        durable::remove(&beside(&copy, suffix))?;
    }
    Ok(carved)
}

/// Reads what is in a database, from both ends towards the damage if there is any. Says what kept it
/// from reading all, if anything.
pub(super) fn rows_of(conn: &Connection, seal: &Seal) -> (Carved, Option<rusqlite::Error>) {
    let mut carved = Carved::default();
    let memory = rows::saved_memory(conn).map(|json| {
        carved.shelf.memory = json.and_then(|json| seal.memory(&json));
    });
    let forward = read_rows(conn, seal, "ASC", &mut carved);
    if forward.is_err() {
        // How far this comes does not matter: the pages are searched in any case.
        let _ = read_rows(conn, seal, "DESC", &mut carved);
    }
    (carved, forward.and(memory).err())
}

/// What a file that is gone still gives over an open connection. What cannot be read just now is tried
/// again later, and must not be given up; what is damaged is.
pub(super) fn still_held(conn: &Connection, seal: &Seal, path: &Path) -> Result<Shelf, StoreError> {
    match rows_of(conn, seal) {
        (_, Some(error)) if !is_damage(&error) => Err(StoreError::sqlite("read", path)(error)),
        (carved, _) => Ok(carved.shelf),
    }
}

fn read_rows(
    conn: &Connection,
    seal: &Seal,
    order: &str,
    carved: &mut Carved,
) -> rusqlite::Result<()> {
    let sql = format!("SELECT key, record FROM peers NOT INDEXED ORDER BY id {order}");
    let mut statement = conn.prepare(&sql)?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        match rows::record(row, seal) {
            Some(record) => {
                carved.shelf.keep(record);
            }
            None => carved.lost += 1,
        }
    }
    Ok(())
}

/// Adds what a sound database lacks, or knows only in an earlier state. Returns how many peers.
pub(super) fn complete(
    conn: &mut Connection,
    seal: &Seal,
    shelf: &Shelf,
) -> rusqlite::Result<usize> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut peers = 0;
    for record in shelf.peers.values() {
        let saved = rows::saved(&tx, seal, &record.key)?;
        let known = saved.as_ref().and_then(|saved| seal.record(&saved.text));
        if known.is_none_or(|known| is_later(record, &known)) {
            rows::put(&tx, seal, record, saved.as_ref())?;
            peers += 1;
        }
    }
    if let Some(memory) = &shelf.memory
        && rows::saved_memory(&tx)?.is_none()
    {
        rows::put_memory(&tx, seal, memory, None)?;
    }
    tx.commit()?;
    Ok(peers)
}

fn build(path: &Path, shelf: &Shelf, seal: &Seal) -> Result<(), StoreError> {
    durable::create_private(path).map_err(StoreError::file("create", path))?;
    let fill = || -> rusqlite::Result<()> {
        let mut conn = schema::connect(path)?;
        // One file and no log, so that it can be renamed; durable before it is.
        conn.pragma_update(None, "synchronous", "full")?;
        schema::migrate(&mut conn, 0, schema::MIGRATIONS)?;
        rows::put_header(&conn, seal)?;
        complete(&mut conn, seal, shelf)?;
        conn.close().map_err(|(_, error)| error)
    };
    fill().map_err(StoreError::sqlite("rebuild", path))
}

/// Whether the file begins like text, which no database does, not even a broken one: its first words are
/// text, and most of its header is not. Records in the text of some other program are not ours to believe.
pub(super) fn is_text(path: &Path) -> Result<bool, StoreError> {
    let mut head = Vec::new();
    File::open(path)
        .and_then(|file| file.take(HEADER_BYTES).read_to_end(&mut head))
        .map_err(StoreError::file("read", path))?;
    Ok(!head.is_empty()
        && head
            .iter()
            .all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()))
}

pub(super) fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(CARVED_BYTES_MAX).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    Ok(bytes)
}

fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(StoreError::file("put the new database in place of", to))
}

/// What a database begins with, see <https://sqlite.org/fileformat.html>.
const HEADER_BYTES: u64 = 100;

/// How much of a database is searched for records: it is read into memory as a whole.
const CARVED_BYTES_MAX: u64 = 1 << 30;

pub(super) const WAL: &str = "-wal";
const SHM: &str = "-shm";
const COPY: &str = ".salvage";
const BUILDING: &str = ".rebuilding";
const REBUILT: &str = ".rebuilt";
