//! The `sqlite:` store: the default. Many processes may share the file; a commit costs as much as it
//! changes, and the best peers are read off an index. What its rows look like is in `rows`, its
//! shape in `schema`, how it is opened in `opening`, how changes get into it in `committing`, what
//! happens after damage in `salvage`, how it is sealed in `sealing`.
//!
//! Writers take turns by [`Lock`], not only by SQLite's own locks: a database that is being replaced has
//! nothing left that its writers could be told by.

mod committing;
mod last_good;
mod opening;
mod rows;
mod salvage;
mod schema;
pub(crate) mod sealing;

use std::{
    borrow::Cow,
    collections::HashSet,
    path::{Path, PathBuf},
};

use rejoin_core::{Changes, Memory, PeerKey, PeerRecord, Pool, Ranked, Recalled, Time};
use rusqlite::{Connection, Params, params};

pub(crate) use self::opening::Look;
use self::{
    committing::{Effect, commit},
    last_good::LastGood,
    opening::is_damage,
    salvage::WAL,
};
use crate::{
    Notice, PeerStore, Repairs, SealKey, StoreError,
    durable::{self, Identity},
    lock::Lock,
    seal::Seal,
};

#[derive(Debug)]
pub(crate) struct SqliteStore {
    path: PathBuf,
    conn: Connection,
    /// Which file `conn` has open, as another process may have put a new one in its place; `None` if
    /// `conn` stands for nothing, since a rebuild has failed half-way.
    file: Option<Identity>,
    seal: Seal,
    /// The log that belongs to it.
    log: Option<Identity>,
    last_good: LastGood,
    /// It was only glanced at so far.
    unchecked: bool,
    now: Time,
    repairs: Repairs,
    notices: Vec<Notice>,
    /// That secrets are not kept has been said once.
    told_of_secrets: bool,
}

impl SqliteStore {
    pub(crate) fn open(
        path: PathBuf,
        key: Option<&SealKey>,
        look: Look,
        now: Time,
    ) -> Result<Self, StoreError> {
        let path = durable::settle(path)?;
        let lock = Lock::take(&path)?;
        salvage::finish(&path)?;
        let headers = sealing::headers(&path)?;
        // A passphrase takes its time, and others wait only so long.
        let lock = headers.is_empty().then_some(lock);
        let seal = Seal::open(headers, key, &path)?;
        let lock = lock.map_or_else(|| Lock::take(&path), Ok)?;
        let (conn, notices) = opening::open_sound(&path, now, &seal, look, &lock)?;
        Ok(Self {
            file: durable::identity(&path)?,
            log: log_of(&path)?,
            last_good: LastGood::of(&path),
            unchecked: look == Look::Glance,
            path,
            conn,
            seal,
            now,
            repairs: Repairs::default(),
            notices,
            told_of_secrets: false,
        })
    }

    fn resealed(&self) -> StoreError {
        let path = self.path.clone();
        StoreError::Resealed { path }
    }

    /// Whether the file we have open is the one that others see, with something in it.
    fn is_attached(&self) -> Result<bool, StoreError> {
        let there = durable::identity_unless_empty(&self.path)?;
        Ok(there.is_some() && there == self.file)
    }

    /// Makes sure that it is.
    fn attach(&mut self, lock: &Lock) -> Result<(), StoreError> {
        if self.is_attached()? {
            // It stays the same for as long as anybody has the file open. To look again would have the
            // next commit write down when the log was last changed, which takes as long as the log itself.
            if self.log.is_none() {
                self.log = log_of(&self.path)?;
            }
            return Ok(());
        }
        // A file removed or replaced under us lives on in the connection; what it held must not be lost.
        // One that we have set aside ourselves was rebuilt, and all of it is in the new one.
        let held = match self.file {
            Some(file) if !durable::is_set_aside(&self.path, file)? => {
                Some(salvage::still_held(&self.conn, &self.seal, &self.path)?)
            }
            _ => None,
        };
        self.let_go()?;
        // Unless others have done so, and the log that is there belongs to the file that is.
        if held.is_some() && log_of(&self.path)? == self.log {
            salvage::set_log_aside(&self.path, self.now)?;
        }
        self.reopen(lock)?;
        let Some(held) = held else { return Ok(()) };
        let failed = StoreError::sqlite("restore", &self.path);
        if !rows::has_seal(&self.conn, &self.seal).map_err(failed)? {
            return Err(self.resealed());
        }
        let peers = salvage::complete(&mut self.conn, &self.seal, &held)
            .map_err(StoreError::sqlite("restore", &self.path))?;
        if peers > 0 {
            let path = self.path.clone();
            self.notices.push(Notice::Restored { path, peers });
        }
        Ok(())
    }

    /// Closes the file. Nobody may look into one that SQLite has open: by closing it they would undo the
    /// locks that this process has on it.
    fn let_go(&mut self) -> Result<(), StoreError> {
        let stand_in = Connection::open_in_memory();
        self.conn = stand_in.map_err(StoreError::sqlite("let go of", &self.path))?;
        self.file = None;
        Ok(())
    }

    fn reopen(&mut self, lock: &Lock) -> Result<(), StoreError> {
        let opened = opening::open_sound(&self.path, self.now, &self.seal, Look::Close, lock);
        let (conn, notices) = opened?;
        let (file, log) = (durable::identity(&self.path)?, log_of(&self.path)?);
        // All of it or nothing: a connection that stands for nothing must not pass for this file's.
        (self.conn, self.file, self.log) = (conn, file, log);
        self.unchecked = false;
        self.notices.extend(notices);
        Ok(())
    }

    /// Reads something.
    fn read<T>(
        &mut self,
        mut work: impl FnMut(&mut Self) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        if !self.is_attached()? {
            let lock = Lock::take(&self.path)?;
            self.attach(&lock)?;
        }
        let mut work = |store: &mut Self| match rows::has_seal(&store.conn, &store.seal)? {
            true => work(store).map(Some),
            false => Ok(None),
        };
        let result = match work(self) {
            Err(error) if is_damage(&error) => {
                let lock = Lock::take(&self.path)?;
                self.mend(&lock, &mut work)?
            }
            result => result,
        };
        result
            .map_err(StoreError::sqlite("read", &self.path))?
            .ok_or_else(|| self.resealed())
    }

    /// Does some work under the lock, whatever damage it meets.
    fn through_damage<T>(
        &mut self,
        lock: &Lock,
        mut work: impl FnMut(&mut Self) -> rusqlite::Result<T>,
    ) -> Result<rusqlite::Result<T>, StoreError> {
        match work(self) {
            Err(error) if is_damage(&error) => self.mend(lock, &mut work),
            result => Ok(result),
        }
    }

    /// Does the work that met damage once more over a new connection, and if that does not help, once
    /// more in a rebuilt database.
    fn mend<T>(
        &mut self,
        lock: &Lock,
        work: &mut impl FnMut(&mut Self) -> rusqlite::Result<T>,
    ) -> Result<rusqlite::Result<T>, StoreError> {
        self.let_go()?;
        self.reopen(lock)?;
        let error = match work(self) {
            Err(error) if is_damage(&error) => error,
            result => return Ok(result),
        };
        self.let_go()?;
        let notice = opening::replace(&self.path, error.to_string(), self.now, &self.seal)?;
        self.notices.push(notice);
        self.reopen(lock)?;
        Ok(work(self))
    }

    /// What follows a commit, and is no reason to call it failed.
    fn committed(&mut self, effect: Effect, forgotten: &[PeerKey], lock: &Lock) {
        if effect.forgot {
            self.forget_in_copies(forgotten);
        }
        // What cannot be read here may still be in the copy.
        if effect.wrote && self.repairs.unreadable == 0 {
            self.last_good.committed(&self.conn, &self.path, self.now);
        }
        // If the file has gone in the middle of it, the connection is the last to have it.
        if let Err(error) = self.attach(lock) {
            tracing::debug!(%error, "the peer memory has to be put back later");
        }
    }

    fn forget_in_copies(&mut self, forgotten: &[PeerKey]) {
        // The log still has the pages of before.
        if let Err(error) = self.cut_log() {
            tracing::debug!(%error, "the log keeps what was forgotten for a while");
        }
        if let Err(error) = last_good::forget(&self.path, &self.seal, forgotten) {
            self.notices.push(Notice::Remains {
                path: last_good::place(&self.path),
                why: error.to_string(),
            });
        }
    }

    /// Runs a query for `key, record, id` and takes at most `limit` readable records; returns the number of
    /// the last row it came by.
    fn records(
        &mut self,
        sql: &str,
        params: impl Params,
        limit: usize,
        into: &mut Vec<PeerRecord>,
    ) -> rusqlite::Result<Option<i64>> {
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut found = statement.query(params)?;
        let mut last = None;
        while into.len() < limit
            && let Some(row) = found.next()?
        {
            let record = rows::record(row, &self.seal);
            into.extend(self.repairs.usable(record, self.now));
            last = Some(row.get(2)?);
        }
        Ok(last)
    }
}

impl PeerStore for SqliteStore {
    fn memory(&mut self) -> Result<Option<Memory>, StoreError> {
        let text = self.read(|store| rows::saved_memory(&store.conn))?;
        let Some(text) = text else { return Ok(None) };
        match self.seal.memory(&text) {
            Some(mut memory) => {
                self.repairs.values += usize::from(memory.survival.sanitise());
                Ok(Some(memory))
            }
            None => {
                self.repairs.unreadable += 1;
                Ok(None)
            }
        }
    }

    fn best(&mut self, k: usize) -> Result<Vec<PeerRecord>, StoreError> {
        self.read(|store| {
            let mut best = Vec::new();
            for sql in [ANCHORS, PROVEN, HEARSAY] {
                store.records(sql, [], k, &mut best)?;
            }
            // SQLite's check for damage does not count what the index over the anchors names.
            let mut given = HashSet::with_capacity(best.len());
            best.retain(|record| given.insert(record.key.clone()));
            Ok(best)
        })
    }

    fn ranked(
        &mut self,
        pool: Pool,
        after: Option<&Ranked>,
        limit: usize,
    ) -> Result<Recalled, StoreError> {
        let pool = rows::number_of(pool);
        self.read(|store| {
            let mut peers = Vec::new();
            if let Some(after) = after {
                let rank = rows::finite(after.rank);
                let peer = store.seal.row_key(&after.peer).into_owned();
                // Two steps along the index; asked for at once, SQLite would pass all equals each time.
                store.records(EQUALS, params![pool, rank, peer], limit, &mut peers)?;
                store.records(BELOW, params![pool, rank], limit, &mut peers)?;
            } else {
                store.records(RANKED, [pool], limit, &mut peers)?;
            }
            let last = peers.last().filter(|_| peers.len() == limit);
            let next = match last {
                Some(last) => rows::place_of(&store.conn, &store.seal, &last.key)?,
                None => None,
            };
            Ok(Recalled { peers, next })
        })
    }

    fn worst(&mut self, limit: usize) -> Result<Vec<PeerRecord>, StoreError> {
        self.read(|store| {
            let mut worst = Vec::new();
            store.records(WORST, [], limit, &mut worst)?;
            Ok(worst)
        })
    }

    fn find(&mut self, keys: &[PeerKey]) -> Result<Vec<PeerRecord>, StoreError> {
        self.read(|store| {
            let mut found = Vec::new();
            for key in keys {
                let key = store.seal.row_key(key).into_owned();
                store.records(FIND, [key], found.len() + 1, &mut found)?;
            }
            Ok(found)
        })
    }

    fn scan(
        &mut self,
        after: Option<&PeerKey>,
        limit: usize,
    ) -> Result<Vec<PeerRecord>, StoreError> {
        self.read(|store| {
            let mut page = Vec::new();
            // No key is empty, so everything lies behind the empty one.
            let after = after.map_or_else(Cow::default, |key| store.seal.row_key(key));
            store.records(
                "SELECT key, record, id FROM peers WHERE key > ?1 ORDER BY key",
                [after],
                limit,
                &mut page,
            )?;
            Ok(page)
        })
    }

    fn browse(
        &mut self,
        from: u64,
        limit: usize,
    ) -> Result<(Vec<PeerRecord>, Option<u64>), StoreError> {
        let from = i64::try_from(from).unwrap_or(i64::MAX);
        let rows = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(|store| {
            let mut page = Vec::new();
            // What cannot be read is passed over, and no reason to stop.
            let last = store.records(BROWSE, params![from, rows], limit, &mut page)?;
            Ok((page, last.and_then(|last| u64::try_from(last).ok())))
        })
    }

    fn count_at_most(&mut self) -> Result<usize, StoreError> {
        // There are no more of them than numbers were given; a damaged one says nothing.
        let sql = "SELECT coalesce(max(id), 0) FROM peers";
        let given: i64 = self.read(|store| store.conn.query_one(sql, [], |row| row.get(0)))?;
        Ok(usize::try_from(given).unwrap_or(usize::MAX))
    }

    fn count(&mut self) -> Result<usize, StoreError> {
        self.read(|store| {
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
        let writable = self.seal.writable(changes);
        if matches!(writable, Cow::Owned(_)) && !self.told_of_secrets {
            self.told_of_secrets = true;
            self.notices.push(Notice::SecretsNotKept(self.path.clone()));
        }
        let lock = Lock::take(&self.path)?;
        self.attach(&lock)?;
        let result = self.through_damage(&lock, |store| {
            commit(&mut store.conn, &store.seal, &writable, store.now)
        })?;
        let effect = result
            .map_err(StoreError::sqlite("save to", &self.path))?
            .ok_or_else(|| self.resealed())?;
        self.committed(effect, &changes.forgotten, &lock);
        Ok(())
    }

    fn check(&mut self) -> Result<(), StoreError> {
        if self.unchecked {
            // What it finds is damage like any other: that met in reading.
            self.read(|store| match schema::inner_flaw(&store.conn)? {
                Some(flaw) => Err(opening::damage(flaw)),
                None => Ok(()),
            })?;
            self.unchecked = false;
        }
        Ok(())
    }

    fn repairs(&self) -> Repairs {
        self.repairs
    }

    fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    fn close(mut self: Box<Self>) -> Result<(), StoreError> {
        // SQLite writes its log back as it closes, and must not do so while somebody rebuilds.
        let lock = Lock::take(&self.path)?;
        self.attach(&lock)?;
        if self.repairs.unreadable == 0 {
            self.last_good.catch_up(&self.conn, &self.path, self.now);
        }
        let closed = self.conn.close();
        closed.map_err(|(_, error)| StoreError::sqlite("close", &self.path)(error))
    }
}

fn log_of(path: &Path) -> Result<Option<Identity>, StoreError> {
    durable::identity(&durable::beside(path, WAL))
}

const ANCHORS: &str = "SELECT key, record, id FROM peers WHERE anchor = 1 ORDER BY rank DESC, key";

// An anchor has already been taken.
const PROVEN: &str =
    "SELECT key, record, id FROM peers WHERE pool = 0 AND anchor = 0 ORDER BY rank DESC, key";

const HEARSAY: &str =
    "SELECT key, record, id FROM peers WHERE pool = 1 AND anchor = 0 ORDER BY rank DESC, key";

const FIND: &str = "SELECT key, record, id FROM peers WHERE key = ?1";

const BROWSE: &str = "SELECT key, record, id FROM peers WHERE id > ?1 ORDER BY id LIMIT ?2";

const RANKED: &str = "SELECT key, record, id FROM peers WHERE pool = ?1 ORDER BY rank DESC, key";

const EQUALS: &str =
    "SELECT key, record, id FROM peers WHERE pool = ?1 AND rank = ?2 AND key > ?3 ORDER BY key";

const BELOW: &str =
    "SELECT key, record, id FROM peers WHERE pool = ?1 AND rank < ?2 ORDER BY rank DESC, key";

const WORST: &str = "SELECT key, record, id FROM peers WHERE pool = 0 ORDER BY rank, key DESC";

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
            (RANKED, "peers_by_rank (pool=?)"),
            (EQUALS, "peers_by_rank (pool=? AND rank=? AND key>?)"),
            (BELOW, "peers_by_rank (pool=? AND rank<?)"),
            (WORST, "peers_by_rank (pool=?)"),
        ] {
            let mut plan = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            // What a parameter is makes no difference to the plan.
            let steps = plan.raw_query().mapped(|row| row.get::<_, String>(3));
            let steps: Vec<_> = steps.map(Result::unwrap).collect();
            assert_eq!(steps.len(), 1, "{steps:?}");
            assert!(steps[0].contains(index), "{steps:?}");
        }
    }
}
