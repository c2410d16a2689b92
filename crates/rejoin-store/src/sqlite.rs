//! The `sqlite:` store: the default. Many processes may share the file; a commit costs as much as it
//! changes, and the best peers are read off an index. What its rows look like is in `rows`, its
//! shape in `schema`, what happens after damage in `salvage`.

mod rows;
mod salvage;
mod schema;

use std::{
    io,
    path::{Path, PathBuf},
};

use rejoin_core::{Changes, Memory, PeerKey, PeerRecord, Time};
use rusqlite::{Connection, ErrorCode, Params, TransactionBehavior};

use self::schema::State;
use crate::{
    Notice, PeerStore, Repairs, StoreError, durable,
    lock::Lock,
    shelf::{Shelf, merge},
};

#[derive(Debug)]
pub(crate) struct SqliteStore {
    path: PathBuf,
    conn: Connection,
    /// Which file `conn` has open; another process may have put a new one in its place.
    identity: Option<Identity>,
    /// `conn` stands for nothing: a rebuild has failed half-way.
    detached: bool,
    now: Time,
    repairs: Repairs,
    notices: Vec<Notice>,
}

/// What lies at the path.
enum Found {
    Sound(Connection),
    Foreign { why: String },
    Damaged { why: String },
}

impl SqliteStore {
    pub(crate) fn open(path: PathBuf, now: Time) -> Result<(Self, Vec<Notice>), StoreError> {
        let path = durable::settle(path)?;
        let (conn, notices) = open_sound(&path, now)?;
        let store = Self {
            identity: identity(&path),
            detached: false,
            path,
            conn,
            now,
            repairs: Repairs::default(),
            notices: Vec::new(),
        };
        Ok((store, notices))
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        let (conn, notices) = open_sound(&self.path, self.now)?;
        self.conn = conn;
        self.identity = identity(&self.path);
        self.detached = false;
        self.notices.extend(notices);
        Ok(())
    }

    /// Makes sure that the file we have open is the one that others see.
    fn attach(&mut self) -> Result<(), StoreError> {
        let there = identity(&self.path);
        if !self.detached && there == self.identity {
            return Ok(());
        }
        // A file removed under us lives on in the connection; what it held must not be lost.
        let vanished = !self.detached && there.is_none();
        let held = vanished.then(|| salvage::rows_of(&self.conn).0.shelf());
        self.reopen()?;
        let Some(held) = held else { return Ok(()) };
        salvage::complete(&mut self.conn, &held)
            .map_err(StoreError::sqlite("restore", &self.path))?;
        self.notices.push(Notice::Restored {
            path: self.path.clone(),
            peers: held.peers.len(),
        });
        Ok(())
    }

    /// Does `work`. If it meets damage the database is rebuilt, and the work done once more.
    fn attempt<T>(
        &mut self,
        doing: &'static str,
        mut work: impl FnMut(&mut Self) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.attach()?;
        let result = match work(self) {
            Err(error) if is_damage(&error) => {
                self.rebuild(error.to_string())?;
                work(self)
            }
            result => result,
        };
        result.map_err(StoreError::sqlite(doing, &self.path))
    }

    fn rebuild(&mut self, why: String) -> Result<(), StoreError> {
        let lock = Lock::take(&self.path)?;
        if identity(&self.path) == self.identity {
            // Windows cannot replace a file that is open.
            let stand_in = Connection::open_in_memory();
            self.conn = stand_in.map_err(StoreError::sqlite("let go of", &self.path))?;
            self.detached = true;
            self.notices.push(replace(&self.path, why, self.now)?);
        }
        drop(lock);
        self.reopen()
    }

    /// Runs a query for `key, record` and takes at most `limit` readable records.
    fn records(
        &mut self,
        sql: &str,
        params: impl Params,
        limit: usize,
        into: &mut Vec<PeerRecord>,
    ) -> rusqlite::Result<()> {
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut found = statement.query(params)?;
        while into.len() < limit
            && let Some(row) = found.next()?
        {
            match rows::record(row) {
                Some(mut record) => {
                    self.repairs.note(&record, self.now);
                    self.repairs.values += record.sanitise(self.now);
                    into.push(record);
                }
                None => self.repairs.unreadable += 1,
            }
        }
        Ok(())
    }
}

impl PeerStore for SqliteStore {
    fn memory(&mut self) -> Result<Option<Memory>, StoreError> {
        let text = self.attempt("read", |store| rows::saved_memory(&store.conn))?;
        let Some(text) = text else { return Ok(None) };
        match serde_json::from_str::<Memory>(&text) {
            Ok(mut memory) => {
                self.repairs.values += usize::from(memory.survival.sanitise());
                Ok(Some(memory))
            }
            Err(_) => {
                self.repairs.unreadable += 1;
                Ok(None)
            }
        }
    }

    fn best(&mut self, k: usize) -> Result<Vec<PeerRecord>, StoreError> {
        self.attempt("read", |store| {
            let mut best = Vec::new();
            for sql in [ANCHORS, PROVEN, HEARSAY] {
                store.records(sql, [], k, &mut best)?;
            }
            Ok(best)
        })
    }

    fn get(&mut self, key: &PeerKey) -> Result<Option<PeerRecord>, StoreError> {
        self.attempt("read", |store| {
            let mut found = Vec::new();
            store.records(
                "SELECT key, record FROM peers WHERE key = ?1",
                [key.as_bytes()],
                1,
                &mut found,
            )?;
            Ok(found.pop())
        })
    }

    fn scan(
        &mut self,
        after: Option<&PeerKey>,
        limit: usize,
    ) -> Result<Vec<PeerRecord>, StoreError> {
        self.attempt("read", |store| {
            let mut page = Vec::new();
            // No key is empty, so everything lies behind the empty one.
            let after = after.map_or(&[][..], PeerKey::as_bytes);
            store.records(
                "SELECT key, record FROM peers WHERE key > ?1 ORDER BY key",
                [after],
                limit,
                &mut page,
            )?;
            Ok(page)
        })
    }

    fn count(&mut self) -> Result<usize, StoreError> {
        self.attempt("read", |store| {
            let count: i64 = store
                .conn
                .query_one("SELECT count(*) FROM peers", [], |row| row.get(0))?;
            Ok(usize::try_from(count).unwrap_or_default())
        })
    }

    fn commit(&mut self, changes: &Changes, now: Time) -> Result<(), StoreError> {
        self.now = self.now.max(now);
        if changes.is_empty() {
            return Ok(());
        }
        self.attempt("save to", |store| {
            commit(&mut store.conn, changes, store.now)
        })
    }

    fn repairs(&self) -> Repairs {
        self.repairs
    }

    fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        let closed = self.conn.close();
        closed.map_err(|(_, error)| StoreError::sqlite("close", &self.path)(error))
    }
}

fn commit(conn: &mut Connection, changes: &Changes, now: Time) -> rusqlite::Result<()> {
    // Immediate: what is read here is still true when it is written.
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for delta in &changes.peers {
        let saved = rows::saved(&tx, &delta.record.key)?;
        let known = saved
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok());
        let mut known: Option<PeerRecord> = known;
        if let Some(record) = &mut known {
            record.sanitise(now);
        }
        let merged = merge(delta, known, now);
        let text = rows::text(&merged);
        if saved.as_ref() != Some(&text) {
            rows::put(&tx, &merged, &text)?;
        }
    }
    for key in &changes.forgotten {
        rows::remove(&tx, key)?;
    }
    if let Some(delta) = &changes.memory {
        let saved = rows::saved_memory(&tx)?;
        let known = saved
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok());
        let mut merged = delta.onto(known);
        merged.survival.sanitise();
        let text = rows::text(&merged);
        if saved.as_ref() != Some(&text) {
            rows::put_memory(&tx, &text)?;
        }
    }
    tx.commit()
}

/// A connection to a sound database, whatever was there before.
fn open_sound(path: &Path, now: Time) -> Result<(Connection, Vec<Notice>), StoreError> {
    let _lock = Lock::take(path)?;
    salvage::finish(path)?;
    let mut notices = Vec::new();
    let existed = match std::fs::metadata(path) {
        Ok(_) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(StoreError::file("open", path)(error)),
    };
    if is_empty(path) {
        durable::create_private(path).map_err(StoreError::file("create", path))?;
        durable::sync_folder(path)?;
        // SQLite removes the log of an empty database unseen; what is in it may be all there is.
        if !is_empty(&durable::beside(path, "-wal")) {
            notices.push(replace(path, "only its log is left".into(), now)?);
        } else {
            let path = path.to_owned();
            notices.push(match existed {
                true => Notice::Empty { path },
                false => Notice::Created { path },
            });
        }
    }
    let conn = match examine(path)? {
        Found::Sound(conn) => conn,
        Found::Foreign { why } => {
            let kept = salvage::rebuild(path, &Shelf::default(), now)?;
            notices.push(Notice::Foreign {
                path: path.to_owned(),
                kept,
                why,
            });
            connect(path)?
        }
        Found::Damaged { why } => {
            notices.push(replace(path, why, now)?);
            connect(path)?
        }
    };
    schema::settle(&conn).map_err(StoreError::sqlite("open", path))?;
    Ok((conn, notices))
}

/// Looks at a file that is there; brings an older database to the newest version.
fn examine(path: &Path) -> Result<Found, StoreError> {
    let look = || -> rusqlite::Result<Result<Found, u32>> {
        let mut conn = schema::connect(path)?;
        match schema::state(&conn, schema::MIGRATIONS.len())? {
            State::Newer(version) => return Ok(Err(version)),
            State::Foreign if schema::fits(&conn).is_ok() => {
                let why = "its application id is not ours".into();
                return Ok(Ok(Found::Damaged { why }));
            }
            State::Foreign => {
                let why = "a database of another program".into();
                return Ok(Ok(Found::Foreign { why }));
            }
            State::Older(from) => schema::migrate(&mut conn, from, schema::MIGRATIONS)?,
            State::Ready => {}
        }
        Ok(Ok(match schema::flaw(&conn)? {
            Some(why) => Found::Damaged { why },
            None => Found::Sound(conn),
        }))
    };
    match look() {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(found)) => Err(StoreError::TooNew {
            path: path.to_owned(),
            found,
            known: schema::MIGRATIONS.len() as u32,
        }),
        // All our statements are known to be right, so one that fails was given wrong tables.
        Err(error) if is_damage(&error) || is_misfit(&error) => {
            let why = error.to_string();
            Ok(match salvage::is_text(path)? {
                true => Found::Foreign { why },
                false => Found::Damaged { why },
            })
        }
        Err(error) => Err(StoreError::sqlite("open", path)(error)),
    }
}

/// Rebuilds a damaged database from what it still gives. Under the lock.
fn replace(path: &Path, why: String, now: Time) -> Result<Notice, StoreError> {
    let carved = salvage::salvage(path)?;
    let lost = carved.lost;
    let mut shelf = carved.shelf();
    shelf.sanitise(now);
    let kept = salvage::rebuild(path, &shelf, now)?;
    Ok(Notice::Damaged {
        path: path.to_owned(),
        kept,
        why,
        salvaged: shelf.peers.len(),
        restored: 0,
        lost,
    })
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    schema::connect(path).map_err(StoreError::sqlite("open", path))
}

fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::Utf8Error(..) => true,
        _ => matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        ),
    }
}

/// A statement that does not fit the tables, or a header that does not fit SQLite.
fn is_misfit(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqlInputError { .. })
        || error.sqlite_error_code() == Some(ErrorCode::Unknown)
}

/// Whether there is nothing at this path, or nothing in it.
fn is_empty(path: &Path) -> bool {
    std::fs::metadata(path).map_or(true, |file| file.len() == 0)
}

/// Device and number of a file.
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(path: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    let file = std::fs::metadata(path).ok()?;
    Some((file.dev(), file.ino()))
}

/// Elsewhere a file that is open cannot be replaced.
#[cfg(not(unix))]
fn identity(_path: &Path) -> Option<Identity> {
    None
}

const ANCHORS: &str = "SELECT key, record FROM peers WHERE anchor = 1 ORDER BY rank DESC, key";

// An anchor has already been taken.
const PROVEN: &str =
    "SELECT key, record FROM peers WHERE pool = 0 AND anchor = 0 ORDER BY rank DESC, key";

const HEARSAY: &str =
    "SELECT key, record FROM peers WHERE pool = 1 AND anchor = 0 ORDER BY rank DESC, key";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_are_read_off_an_index_without_sorting() {
        let mut conn = Connection::open_in_memory().unwrap();
        schema::migrate(&mut conn, 0, schema::MIGRATIONS).unwrap();
        for (sql, index) in [
            (ANCHORS, "peers_anchors"),
            (PROVEN, "peers_by_rank"),
            (HEARSAY, "peers_by_rank"),
        ] {
            let mut plan = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let steps = plan.query_map([], |row| row.get::<_, String>(3)).unwrap();
            let steps: Vec<_> = steps.map(Result::unwrap).collect();
            assert_eq!(steps.len(), 1, "{steps:?}");
            assert!(steps[0].contains(index), "{steps:?}");
        }
    }
}
