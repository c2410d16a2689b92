//! The shape of the database and how older ones are brought to it. The shape itself is in
//! `migrations/`, one file per version, each column with its meaning.

use rusqlite::{
    Connection, ErrorCode, MAIN_DB, OpenFlags, TransactionBehavior, config::DbConfig, ffi,
};

use crate::lock::WAIT_MAX;

/// Marks a database as ours: "Rjn" and a byte for its kind, peers.
pub(super) const APPLICATION_ID: i32 = 0x526a_6e01;

/// What leads from each version to the next; the first makes version 1 of an empty database. A
/// release that changes the formula of the rank also gets one, since the index is kept by it.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/1.sql"),
    include_str!("../../migrations/2.sql"),
    include_str!("../../migrations/3.sql"),
];

/// What is wrong with a database, if anything.
#[derive(Debug, PartialEq)]
pub(super) enum State {
    /// Ours, and of the newest version.
    Ready,
    /// Ours, but to be migrated from this version; an empty one from 0.
    Older(usize),
    /// Ours, but of this later version.
    Newer(u32),
    /// Another program's.
    Foreign,
}

/// Opens a connection that waits for others as long as everything here does.
pub(super) fn connect(path: &std::path::Path) -> rusqlite::Result<Connection> {
    // Never creates: a file of ours is made with the right permissions first.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    // SQLite opens what it may not write for reading alone.
    if conn.is_readonly(MAIN_DB)? {
        return Err(read_only());
    }
    conn.busy_timeout(WAIT_MAX)?;
    // What is sealed must not lie in the open in some other folder for a while.
    conn.pragma_update(None, "temp_store", "memory")?;
    // A foreign or damaged schema may name functions; run none of them.
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.pragma_update(None, "cell_size_check", true)?;
    Ok(conn)
}

/// As [`connect`], but leaves the log as it is when it closes, unless it is [called sound](call_sound) before:
/// of a damaged database it is evidence.
pub(super) fn look_at(path: &std::path::Path) -> rusqlite::Result<Connection> {
    let conn = connect(path)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(conn)
}

/// Has the log written back and removed when a connection closes, as usual.
pub(super) fn call_sound(conn: &Connection) -> rusqlite::Result<()> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    Ok(())
}

/// Settings for daily use; the database is known to be ours.
pub(super) fn settle(conn: &Connection) -> rusqlite::Result<()> {
    call_sound(conn)?;
    // Readers and a writer side by side. Where a file system cannot do that, SQLite stays with its
    // rollback journal, which is as safe.
    conn.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    // What is committed survives a power cut; on macOS that takes more than fsync.
    conn.pragma_update(None, "synchronous", "full")?;
    conn.pragma_update(None, "fullfsync", true)?;
    // A log that one large commit has blown up is cut back.
    conn.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES_MAX, |_| Ok(()))?;
    // What is forgotten is not left readable in free pages.
    conn.pragma_update_and_check(None, "secure_delete", true, |_| Ok(()))?;
    Ok(())
}

/// Reads off whose database this is, and of which version.
pub(super) fn state(conn: &Connection, newest: usize) -> rusqlite::Result<State> {
    let application: i32 = conn.query_one("PRAGMA application_id", [], |row| row.get(0))?;
    // No release will ever come to a number that does not fit; a damaged header may.
    let version: u16 = conn.query_one("PRAGMA user_version", [], |row| row.get(0))?;
    let objects: u32 = conn.query_one("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0))?;
    Ok(match (application, version) {
        (0, 0) if objects == 0 => State::Older(0),
        (APPLICATION_ID, version) => match usize::from(version) {
            known if known == newest => State::Ready,
            older if older < newest => State::Older(older),
            _ => State::Newer(version.into()),
        },
        _ => State::Foreign,
    })
}

/// Brings a database from version `from` to the newest: all steps, or none.
pub(super) fn migrate(
    conn: &mut Connection,
    from: usize,
    migrations: &[&str],
) -> rusqlite::Result<()> {
    if from == 0 {
        conn.pragma_update(None, "page_size", PAGE_BYTES)?;
    }
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in migrations.iter().skip(from) {
        tx.execute_batch(step)?;
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", migrations.len() as i64)?;
    tx.commit()
}

/// What is wrong with how a database of this version is made, in words, if anything is.
pub(super) fn flaw(conn: &Connection, version: usize) -> rusqlite::Result<Option<String>> {
    for (table, since) in [("peers", 1), ("memory", 1), ("seal", 2)] {
        if since <= version && !has_table(conn, table)? {
            return Ok(Some(format!("the table {table} is missing")));
        }
    }
    fits(conn)?;
    // The file itself may be written, or there would be no connection.
    if conn.is_readonly(MAIN_DB)? {
        return Ok(Some("its header forbids to write".into()));
    }
    // Where SQLite cannot open the log for writing it says so only now; that is no flaw of what is there. Any
    // other answer is that another process is writing, so one can.
    match conn.execute_batch("BEGIN IMMEDIATE; ROLLBACK") {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ReadOnly) => return Err(error),
        _ => {}
    }
    Ok(None)
}

/// What is wrong with what lies in its tables and indexes, if anything is. Reads every page of a small
/// database; those of a large one are checked as they are read.
pub(super) fn inner_flaw(conn: &Connection) -> rusqlite::Result<Option<String>> {
    if bytes(conn)? > CHECKED_BYTES_MAX {
        return Ok(None);
    }
    // The quick check takes half as long, and misses an index by which no peer would be found.
    let answer: String = conn.query_one("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if let Some(code) = failed_read(&answer) {
        let error = ffi::Error::new(code);
        return Err(rusqlite::Error::SqliteFailure(error, Some(answer)));
    }
    Ok((answer != "ok").then_some(answer))
}

pub(super) fn has_table(conn: &Connection, name: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    conn.query_one(sql, [name], |row| row.get(0))
}

/// How large a database is.
pub(super) fn bytes(conn: &Connection) -> rusqlite::Result<i64> {
    let number = |pragma| conn.query_one(pragma, [], |row| row.get::<_, i64>(0));
    Ok(number("PRAGMA page_count")? * number("PRAGMA page_size")?)
}

/// The code of a read that the system refused, which a check reports like damage.
fn failed_read(answer: &str) -> Option<i32> {
    let (_, code) = answer.rsplit_once("unable to get the page. error code=")?;
    let code = code.trim().parse().ok()?;
    (ffi::Error::new(code).code == ErrorCode::SystemIoFailure).then_some(code)
}

/// Whether the tables have our columns.
pub(super) fn fits(conn: &Connection) -> rusqlite::Result<()> {
    conn.prepare("SELECT id, key, pool, anchor, rank, record FROM peers")?;
    conn.prepare("SELECT id, json FROM memory").map(drop)
}

fn read_only() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_READONLY), None)
}

/// Pages of a new database; an older one keeps its own. Nine sealed records of 860 bytes fit into one of 8 KiB, and
/// eight into two of 4; still larger ones would make a single change larger.
const PAGE_BYTES: u32 = 8192;

/// A check goes through that in some thirty milliseconds: a start must not take longer because there is more
/// to remember.
const CHECKED_BYTES_MAX: i64 = 16 << 20;

/// Twice what SQLite lets the log grow to before it writes it back.
const LOG_BYTES_MAX: u32 = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &[&str] = &[MIGRATIONS[0]];
    const SECOND: &str = "ALTER TABLE peers ADD COLUMN mood TEXT; UPDATE peers SET mood = 'fine';";

    #[test]
    fn mistake_25_an_older_database_is_migrated_and_keeps_its_peers() {
        let mut conn = Connection::open_in_memory().unwrap();
        assert_eq!(state(&conn, 1).unwrap(), State::Older(0));
        migrate(&mut conn, 0, FIRST).unwrap();
        assert_eq!(state(&conn, 1).unwrap(), State::Ready);
        conn.execute(
            "INSERT INTO peers (key, name, pool, anchor, rank, record) VALUES (x'61', 'a', 0, 0, 1, '{}')",
            [],
        )
        .unwrap();

        let newer = [FIRST[0], SECOND];
        assert_eq!(state(&conn, 2).unwrap(), State::Older(1));
        migrate(&mut conn, 1, &newer).unwrap();
        assert_eq!(state(&conn, 2).unwrap(), State::Ready);
        assert_eq!(state(&conn, 1).unwrap(), State::Newer(2));
        let mood: String = conn
            .query_one("SELECT mood FROM peers", [], |row| row.get(0))
            .unwrap();
        assert_eq!(mood, "fine");
    }

    #[test]
    fn a_migration_that_fails_leaves_the_database_as_it_was() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, 0, FIRST).unwrap();
        let broken = [FIRST[0], SECOND, "no SQL at all"];
        assert!(migrate(&mut conn, 1, &broken).is_err());
        assert_eq!(state(&conn, 1).unwrap(), State::Ready);
        assert!(conn.prepare("SELECT mood FROM peers").is_err());
    }

    #[test]
    fn a_read_that_failed_is_told_from_damage() {
        let said = |code: i32| format!("Page 7: unable to get the page. error code={code}");
        assert_eq!(
            failed_read(&said(8458)),
            Some(8458),
            "a file system at fault"
        );
        assert_eq!(failed_read(&said(266)), Some(266), "a read");
        assert_eq!(failed_read(&said(11)), None, "a page that cannot be");
        assert_eq!(failed_read("ok"), None);
        assert_eq!(failed_read("row 1 missing from index peers_by_rank"), None);
    }

    #[test]
    fn another_programs_database_is_recognised() {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch("CREATE TABLE bookmarks (url TEXT)")
            .unwrap();
        assert_eq!(state(&conn, 1).unwrap(), State::Foreign);
        let conn = Connection::open_in_memory().unwrap();
        conn.pragma_update(None, "application_id", 7).unwrap();
        assert_eq!(state(&conn, 1).unwrap(), State::Foreign);
    }

    #[test]
    fn every_column_says_what_it_means() {
        for step in MIGRATIONS {
            let lines: Vec<_> = step.lines().map(str::trim).collect();
            for pair in lines.windows(2) {
                let first = pair[1].split_whitespace().next().unwrap_or_default();
                let is_column = first.chars().all(|c| c.is_ascii_lowercase() || c == '_');
                if is_column && !first.is_empty() {
                    assert!(pair[0].starts_with("--"), "no comment above: {}", pair[1]);
                }
            }
        }
    }
}
