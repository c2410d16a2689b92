//! A copy of the database as it last was in order, for when salvage is not enough. Taken by SQLite
//! itself, which reads every record for it: what cannot be read replaces no older copy.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rejoin_core::{PeerKey, Time};
use rusqlite::Connection;

use super::{rows, salvage, schema};
use crate::{
    StoreError,
    carve::Carved,
    durable::{self, beside},
    seal::Seal,
};

/// When the copy beside this database was taken.
#[derive(Debug)]
pub(super) struct LastGood {
    taken: Option<Time>,
    /// Something was committed since.
    behind: bool,
}

impl LastGood {
    /// Looks at what lies beside the database.
    pub(super) fn of(path: &Path) -> Self {
        let modified = fs::metadata(place(path)).and_then(|file| file.modified());
        // A copy that a crash cut short.
        let _ = durable::remove(&beside(path, FRESH));
        Self {
            taken: modified.ok().map(time_of),
            behind: false,
        }
    }

    /// Something was committed; takes a new copy if the last one is old.
    pub(super) fn committed(&mut self, conn: &Connection, path: &Path, now: Time) {
        self.behind = true;
        if self.taken.is_none_or(|taken| now.since(taken) >= EVERY) {
            self.take(conn, path, now);
        }
    }

    /// Before the end: takes a new copy if anything was committed since the last one, unless that would
    /// hold up whoever waits for the end.
    pub(super) fn catch_up(&mut self, conn: &Connection, path: &Path, now: Time) {
        if self.behind && schema::bytes(conn).is_ok_and(|bytes| bytes <= CLOSING_BYTES_MAX) {
            self.take(conn, path, now);
        }
    }

    /// A copy that cannot be taken is tried for again after the usual time: everything committed is
    /// in the database itself.
    fn take(&mut self, conn: &Connection, path: &Path, now: Time) {
        self.taken = Some(now);
        match take(conn, path) {
            Ok(()) => self.behind = false,
            Err(error) => tracing::debug!(%error, "no new copy of the peer memory"),
        }
    }
}

fn take(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    let failed = |error| StoreError::sqlite("copy", path)(error);
    if schema::bytes(conn).map_err(failed)? > BYTES_MAX {
        return durable::remove(&place(path)); // better none than one from long ago
    }
    replace(path, |fresh| {
        // SQLite takes an empty file for its own, with the rights we gave it.
        durable::create_private(fresh).map_err(StoreError::file("create", fresh))?;
        conn.execute("VACUUM INTO ?1", [fresh.to_string_lossy()])
            .map_err(failed)?;
        // Of a file that was emptied under it SQLite copies nothing, and says that it went well.
        schema::connect(fresh)
            .and_then(|copy| schema::fits(&copy))
            .map_err(failed)?;
        File::open(fresh)
            .and_then(|file| file.sync_all())
            .map_err(StoreError::file("flush", fresh))
    })
}

/// Takes a copy of a database that was just built, before it is put in place at `path`: it has no log in
/// which its records would stand once more, and what was damaged once may soon be again.
pub(super) fn keep(built: &Path, path: &Path) {
    let kept = match fs::metadata(built) {
        Ok(file) if file.len() > BYTES_MAX as u64 => return,
        _ => replace(path, |fresh| {
            durable::copy(built, fresh).map_err(StoreError::file("copy", built))
        }),
    };
    if let Err(error) = kept {
        tracing::debug!(%error, "no copy of the rebuilt peer memory");
    }
}

/// Puts a new copy in place of the last one, once it stands.
fn replace(
    path: &Path,
    write: impl FnOnce(&Path) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let fresh = beside(path, FRESH);
    write(&fresh)
        .and_then(|()| {
            fs::rename(&fresh, place(path)).map_err(StoreError::file("name", &fresh))?;
            durable::sync_folder(path)
        })
        .inspect_err(|_| {
            let _ = durable::remove(&fresh);
        })
}

/// What the copy gives, if there is one. One that cannot be read just now may be the only one there is,
/// so that is an error.
pub(super) fn read(path: &Path, seal: &Seal) -> Result<Carved, StoreError> {
    let copy = place(path);
    match durable::exists(&copy)? {
        true => salvage::salvage(&copy, seal),
        false => Ok(Carved::default()),
    }
}

/// Forgets these peers in the copy, too; if that cannot be, there is no copy any more.
pub(super) fn forget(path: &Path, seal: &Seal, keys: &[PeerKey]) -> Result<(), StoreError> {
    let copy = place(path);
    if !durable::exists(&copy)? {
        return Ok(());
    }
    let forgotten = || -> rusqlite::Result<()> {
        let mut conn = schema::connect(&copy)?;
        conn.pragma_update_and_check(None, "secure_delete", true, |_| Ok(()))?;
        let tx = conn.transaction()?;
        for key in keys {
            rows::remove(&tx, seal, key)?;
        }
        tx.commit()?;
        conn.close().map_err(|(_, error)| error)
    };
    forgotten().or_else(|_| durable::remove(&copy))
}

/// Where the copy lies.
pub(super) fn place(path: &Path) -> PathBuf {
    beside(path, NAME)
}

fn time_of(modified: SystemTime) -> Time {
    let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

const NAME: &str = ".last-good";
const FRESH: &str = ".last-good.new";

/// What is learnt of peers within an hour is learnt again within an hour.
const EVERY: Duration = Duration::from_secs(3_600);

/// Some 300,000 peers: a second or two, and twice the disk.
const BYTES_MAX: i64 = 256 << 20;

/// Some 50 ms.
const CLOSING_BYTES_MAX: i64 = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_file_emptied_under_it_no_copy_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("peers");
        durable::create_private(&path).unwrap();
        let mut conn = schema::connect(&path).unwrap();
        schema::migrate(&mut conn, 0, schema::MIGRATIONS).unwrap();
        take(&conn, &path).unwrap();
        let good = fs::read(place(&path)).unwrap();
        fs::write(&path, "").unwrap();
        take(&conn, &path).unwrap_err();
        assert_eq!(fs::read(place(&path)).unwrap(), good);
        assert!(!beside(&path, FRESH).exists());
    }
}
