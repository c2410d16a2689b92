//! What lies at the path, and a sound database in its place if it is not one. All of it under the lock.

use std::path::Path;

use rejoin_core::Time;
use rusqlite::{Connection, ErrorCode};

use super::{
    last_good, rows,
    salvage::{self, WAL},
    schema::{self, State},
    sealing,
};
use crate::{
    Notice, StoreError,
    durable::{self, beside},
    lock::Lock,
    seal::Seal,
    shelf::Shelf,
};

/// What lies at the path.
enum Found {
    Sound(Connection),
    Foreign { why: String },
    Damaged { why: String },
}

/// A connection to a sound database, whatever was there before.
pub(super) fn open_sound(
    path: &Path,
    now: Time,
    seal: &Seal,
    _held: &Lock,
) -> Result<(Connection, Vec<Notice>), StoreError> {
    salvage::finish(path)?;
    let mut notices = Vec::new();
    if durable::is_empty(path)? {
        notices.push(begin(path, now, seal)?);
    }
    let conn = match confirmed(path)? {
        Found::Sound(conn) => conn,
        Found::Foreign { why } => {
            sealing::check(path, seal)?;
            let shelf = copied(path, seal, now)?;
            let kept = salvage::rebuild(path, &shelf, seal, now)?;
            notices.push(Notice::Foreign {
                path: path.to_owned(),
                kept,
                why,
            });
            if !shelf.is_empty() {
                notices.push(Notice::Restored {
                    path: path.to_owned(),
                    peers: shelf.peers.len(),
                });
            }
            connect(path)?
        }
        Found::Damaged { why } => {
            notices.push(replace(path, why, now, seal)?);
            connect(path)?
        }
    };
    schema::settle(&conn).map_err(StoreError::sqlite("open", path))?;
    Ok((conn, notices))
}

/// Nothing is there: begins anew, unless something is left of what was.
fn begin(path: &Path, now: Time, seal: &Seal) -> Result<Notice, StoreError> {
    let existed = durable::exists(path)?;
    // SQLite removes the log of an empty database unseen; what is in it may be all there is.
    if !durable::is_empty(&beside(path, WAL))? {
        if !existed {
            durable::create_private(path).map_err(StoreError::file("create", path))?;
        }
        return replace(path, "only its log is left".into(), now, seal);
    }
    let shelf = copied(path, seal, now)?;
    salvage::create(path, &shelf, seal)?;
    let path = path.to_owned();
    Ok(match (shelf.is_empty(), existed) {
        (false, _) => Notice::Restored {
            path,
            peers: shelf.peers.len(),
        },
        (true, true) => Notice::Empty { path },
        (true, false) => Notice::Created { path },
    })
}

/// What the last good copy holds.
fn copied(path: &Path, seal: &Seal, now: Time) -> Result<Shelf, StoreError> {
    let mut shelf = last_good::read(path, seal)?.shelf;
    shelf.sanitise(now);
    Ok(shelf)
}

/// As [`examine`]; but what is not sound is looked at again over a new connection, since a read that
/// failed once looks just like it.
fn confirmed(path: &Path) -> Result<Found, StoreError> {
    for _ in 1..LOOKS {
        if let sound @ Found::Sound(_) = examine(path)? {
            return Ok(sound);
        }
    }
    examine(path)
}

/// Three reads in a row that fail by accident are a broken disk.
const LOOKS: usize = 3;

/// Looks at a file that is there; brings an older database to the newest version.
fn examine(path: &Path) -> Result<Found, StoreError> {
    let look = || -> rusqlite::Result<Result<Found, u32>> {
        let mut conn = schema::look_at(path)?;
        match schema::state(&conn, schema::MIGRATIONS.len())? {
            State::Newer(version) => {
                schema::call_sound(&conn)?;
                return Ok(Err(version));
            }
            State::Foreign if schema::fits(&conn).is_ok() => {
                let why = "its application id is not ours".into();
                return Ok(Ok(Found::Damaged { why }));
            }
            State::Foreign => {
                let why = "a database of another program".into();
                return Ok(Ok(Found::Foreign { why }));
            }
            State::Older(0) => schema::migrate(&mut conn, 0, schema::MIGRATIONS)?,
            // Damage is looked for first, since what is damaged is kept as it was.
            State::Older(from) => match flaw(&conn, from)? {
                Some(why) => return Ok(Ok(Found::Damaged { why })),
                None => schema::migrate(&mut conn, from, schema::MIGRATIONS)?,
            },
            State::Ready => {}
        }
        Ok(Ok(match flaw(&conn, schema::MIGRATIONS.len())? {
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

fn flaw(conn: &Connection, version: usize) -> rusqlite::Result<Option<String>> {
    if let Some(flaw) = schema::flaw(conn, version)? {
        return Ok(Some(flaw));
    }
    // Text that is none passes SQLite's own check.
    rows::saved_memory(conn)?;
    sealing::flaw(conn)
}

/// Rebuilds a damaged database from what it still gives, and its last good copy.
pub(super) fn replace(
    path: &Path,
    why: String,
    now: Time,
    seal: &Seal,
) -> Result<Notice, StoreError> {
    sealing::check(path, seal)?;
    let carved = salvage::salvage(path, seal)?;
    let mut shelf = carved.shelf;
    let salvaged = shelf.peers.len();
    shelf.complete(last_good::read(path, seal)?.shelf);
    shelf.sanitise(now);
    let restored = shelf.peers.len() - salvaged;
    let kept = salvage::rebuild(path, &shelf, seal, now)?;
    Ok(Notice::Damaged {
        path: path.to_owned(),
        kept,
        why,
        salvaged,
        restored,
        lost: carved.lost.saturating_sub(restored),
    })
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    schema::connect(path).map_err(StoreError::sqlite("open", path))
}

/// The bytes are wrong, rather than the way to them.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
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
pub(super) fn is_misfit(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqlInputError { .. })
        || error.sqlite_error_code() == Some(ErrorCode::Unknown)
}
