//! What lies at the path, and a sound database in its place if it is not one. All of it under the lock.

use std::path::Path;

use rejoin_core::Time;
use rusqlite::{Connection, ErrorCode, ffi};

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

/// How closely a database is looked at before it is called sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// All of it, if it is not too large for that.
    Close,
    /// Whether it is ours, and what it should be made of is there.
    Glance,
}

/// A connection to a sound database, whatever was there before.
pub(super) fn open_sound(
    path: &Path,
    now: Time,
    seal: &Seal,
    look: Look,
    _held: &Lock,
) -> Result<(Connection, Vec<Notice>), StoreError> {
    salvage::finish(path)?;
    let mut notices = Vec::new();
    if durable::is_empty(path)? {
        notices.push(begin(path, now, seal)?);
    }
    let conn = match confirmed(path, look)? {
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
fn confirmed(path: &Path, look: Look) -> Result<Found, StoreError> {
    for _ in 1..LOOKS {
        if let sound @ Found::Sound(_) = examine(path, look)? {
            return Ok(sound);
        }
    }
    examine(path, look)
}

/// Three reads in a row that fail by accident are a broken disk.
const LOOKS: usize = 3;

/// Looks at a file that is there; brings an older database to the newest version.
fn examine(path: &Path, look: Look) -> Result<Found, StoreError> {
    let examined = || -> rusqlite::Result<Result<Found, u32>> {
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
            State::Older(from) => match flaw(&conn, from, Look::Close)? {
                Some(why) => return Ok(Ok(Found::Damaged { why })),
                None => schema::migrate(&mut conn, from, schema::MIGRATIONS)?,
            },
            State::Ready => {}
        }
        Ok(Ok(match flaw(&conn, schema::MIGRATIONS.len(), look)? {
            Some(why) => Found::Damaged { why },
            None => Found::Sound(conn),
        }))
    };
    match examined() {
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

fn flaw(conn: &Connection, version: usize, look: Look) -> rusqlite::Result<Option<String>> {
    if let Some(flaw) = schema::flaw(conn, version)? {
        return Ok(Some(flaw));
    }
    if look == Look::Close
        && let Some(flaw) = schema::inner_flaw(conn)?
    {
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

/// What was found wrong in looking, as if it had been met in reading.
pub(super) fn damage(why: String) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), Some(why))
}

/// A statement that does not fit the tables, or a header that does not fit SQLite.
pub(super) fn is_misfit(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqlInputError { .. })
        || error.sqlite_error_code() == Some(ErrorCode::Unknown)
}
