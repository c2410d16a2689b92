//! The seal of a database: found whatever has become of it, and changed for another.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::{
    SqliteStore, last_good,
    opening::{is_damage, is_misfit},
    rows,
    salvage::{self, WAL},
    schema,
};
use crate::{
    Mode, Notice, SealKey, StoreError, carve,
    durable::{self, beside},
    lock::Lock,
    seal::{
        self, Seal,
        header::{Flaw, Header, VERSION},
    },
};

/// The seals that the database at `path` has or, if it is damaged, may have had; none if it is not
/// sealed. Under the lock.
pub(super) fn headers(path: &Path) -> Result<Vec<Header>, StoreError> {
    if !durable::is_empty(path)? {
        match told(path) {
            Ok(Told::NoSeal) => return Ok(Vec::new()),
            Ok(Told::Seal(text)) => match Header::parse(&text) {
                Ok(header) => return Ok(vec![header]),
                Err(Flaw::TooNew(found)) => {
                    return Err(StoreError::TooNew {
                        path: path.to_owned(),
                        found,
                        known: VERSION,
                    });
                }
                Err(Flaw::Damaged) => {}
            },
            Ok(Told::Unclear) => {}
            Err(error) if is_damage(&error) || is_misfit(&error) => {}
            Err(error) => return Err(StoreError::sqlite("open", path)(error)),
        }
    }
    let mut found = Vec::new();
    for place in [path, &beside(path, WAL), &last_good::place(path)] {
        let bytes = salvage::read_bytes(place).map_err(StoreError::file("read", place))?;
        carve::headers(&bytes, &mut found);
    }
    Ok(found)
}

/// What of the store at `path` is sealed.
pub(crate) fn mode_of(path: &Path) -> Result<Mode, StoreError> {
    if !durable::exists(durable::folder(path))? {
        return Ok(Mode::Off);
    }
    let path = durable::settle(path.to_owned())?;
    let _lock = Lock::take(&path)?;
    salvage::finish(&path)?;
    Ok(seal::mode_of(&headers(&path)?))
}

/// What a database says of its seal.
enum Told {
    NoSeal,
    Seal(String),
    Unclear,
}

fn told(path: &Path) -> rusqlite::Result<Told> {
    let conn = schema::look_at(path)?;
    let told = match header(&conn)? {
        Some(header) => Told::Seal(header),
        // Without peers it is none of ours, and says nothing of what lay there before.
        None if schema::has_table(&conn, "peers")? && !holds_sealed(&conn)? => Told::NoSeal,
        None => Told::Unclear,
    };
    schema::call_sound(&conn)?;
    Ok(told)
}

/// What is wrong with the seal of a database, if anything.
pub(super) fn flaw(conn: &Connection) -> rusqlite::Result<Option<String>> {
    Ok(match header(conn)? {
        Some(text) => Header::parse(&text)
            .is_err()
            .then(|| "its seal cannot be read".into()),
        None => holds_sealed(conn)?.then(|| "its seal is missing".into()),
    })
}

/// The seal's header, in a database of any version.
fn header(conn: &Connection) -> rusqlite::Result<Option<String>> {
    match schema::has_table(conn, "seal")? {
        true => rows::header(conn),
        false => Ok(None),
    }
}

/// Looks at one row: either all are sealed or none is.
fn holds_sealed(conn: &Connection) -> rusqlite::Result<bool> {
    let first = conn
        .query_row("SELECT record FROM peers LIMIT 1", [], |row| row.get(0))
        .optional()?;
    Ok(first.is_some_and(|text: String| seal::is_envelope(&text)))
}

/// Makes sure that what is damaged is not of another seal than ours, or it would be taken for lost.
pub(super) fn check(path: &Path, seal: &Seal) -> Result<(), StoreError> {
    match seal.may_be_among(&headers(path)?) {
        true => Ok(()),
        false => Err(StoreError::Resealed { path: path.into() }),
    }
}

impl SqliteStore {
    /// What is sealed.
    pub(crate) fn mode(&self) -> Mode {
        self.seal.mode()
    }

    /// Seals the database in this way and with this key, whatever it was sealed with before.
    pub(crate) fn reseal(&mut self, mode: Mode, key: &SealKey) -> Result<(), StoreError> {
        let new = self.seal.made_anew(mode, key, &self.path)?;
        let lock = Lock::take(&self.path)?;
        self.attach(&lock)?;
        let result =
            self.through_damage(&lock, |store| convert(&mut store.conn, &store.seal, &new))?;
        let Some(held) = result.map_err(StoreError::sqlite("seal", &self.path))? else {
            return Err(self.resealed());
        };
        let from = std::mem::replace(&mut self.seal, new).mode();
        let mut in_the_open = self.wash();
        if mode != from && held.peers > 0 {
            self.notices.push(Notice::Sealed {
                path: self.path.clone(),
                from,
                to: mode,
                peers: held.peers,
                lost: held.lost,
            });
        }
        // Sealed with the old key is not sealed any more; and of secrets there were none in the open.
        if mode == Mode::All || mode == from {
            in_the_open.extend(durable::set_aside(&self.path)?);
        }
        if !in_the_open.is_empty() && mode != Mode::Off {
            self.notices.push(Notice::InTheOpen { paths: in_the_open });
        }
        Ok(())
    }

    /// Removes all traces of what was before from the file, its log and its copy. Returns the files
    /// where that failed.
    fn wash(&mut self) -> Vec<PathBuf> {
        let washed = self
            .conn
            .execute_batch("VACUUM")
            .and_then(|()| self.cut_log());
        let copy = last_good::place(&self.path);
        let removed = durable::remove(&copy);
        self.last_good = last_good::LastGood::of(&self.path);
        let failed = [
            washed.is_err().then(|| self.path.clone()),
            removed.is_err().then_some(copy),
        ];
        failed.into_iter().flatten().collect()
    }

    /// Writes the log back and empties it.
    pub(super) fn cut_log(&self) -> rusqlite::Result<()> {
        let busy: bool = self
            .conn
            .query_one("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        match busy {
            // What SQLite itself says where it gives up.
            true => Err(rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
                Some("somebody is reading".into()),
            )),
            false => Ok(()),
        }
    }
}

/// What was found while a database changed its seal.
#[derive(Default)]
struct Held {
    peers: usize,
    lost: usize,
}

/// Writes everything anew under another seal: all of it or nothing. `None` if the database no longer
/// has the old one.
fn convert(conn: &mut Connection, old: &Seal, new: &Seal) -> rusqlite::Result<Option<Held>> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if !rows::has_seal(&tx, old)? {
        return Ok(None);
    }
    let mut held = Held::default();
    if old.mode() != new.mode() {
        let mut after = i64::MIN;
        while let Some(last) = convert_page(&tx, old, new, after, &mut held)? {
            after = last;
        }
        if let Some(text) = rows::saved_memory(&tx)?
            && let Some(memory) = old.memory(&text)
        {
            rows::put_memory(&tx, new, &memory, None)?;
        }
    }
    rows::put_header(&tx, new)?;
    tx.commit()?;
    Ok(Some(held))
}

/// The number of the last row of a page; `None` if there are no more.
fn convert_page(
    conn: &Connection,
    old: &Seal,
    new: &Seal,
    after: i64,
    held: &mut Held,
) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT key, record, id FROM peers WHERE id > ?1 ORDER BY id LIMIT 500";
    let mut statement = conn.prepare_cached(sql)?;
    let page = statement.query_map([after], |row| Ok((row.get(2)?, rows::record(row, old))))?;
    let page: Vec<(i64, _)> = page.collect::<Result<_, _>>()?;
    for (id, record) in &page {
        match record {
            Some(record) => {
                rows::reseal(conn, new, *id, record)?;
                held.peers += 1;
            }
            // Nobody can read it, and in the open it must not stay.
            None => {
                conn.execute("DELETE FROM peers WHERE id = ?1", [id])?;
                held.lost += 1;
            }
        }
    }
    Ok(page.last().map(|(id, _)| *id))
}
