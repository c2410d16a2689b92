//! What becomes of files that are missing, empty, torn, foreign, broken or too new: the store opens,
//! keeps the evidence, saves what it can and says so.

mod fixtures;

use std::{
    collections::BTreeSet,
    fs,
    io::{Seek, SeekFrom, Write},
    sync::mpsc,
};

use proptest::prelude::*;
use rejoin_store::{
    Notice, Opened, StoreError, open_for_start,
    writer::{Report, Writer},
};
use rusqlite::config::DbConfig;

use fixtures::{NOW, PAGE, Place, all, key, open, peer, saving};

/// How many were salvaged, restored and lost, from the one notice there must be.
#[track_caller]
fn damage(opened: &Opened) -> (usize, usize, usize) {
    match &opened.notice[..] {
        [
            Notice::Damaged {
                kept,
                salvaged,
                restored,
                lost,
                ..
            },
        ] => {
            assert!(kept.exists(), "the damaged file was not kept");
            assert!(opened.notice[0].to_string().contains("damaged"));
            (*salvaged, *restored, *lost)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_foreign_file_is_kept_and_nothing_in_it_is_believed() {
    let export = format!(
        r#"{{"rejoin":"export","peers":[{}]}}"#,
        serde_json::to_string(&peer(1)).unwrap()
    );
    for scheme in ["json", "sqlite"] {
        for content in ["Dear diary, today I met alice.", &export] {
            let place = Place::new(scheme);
            fs::write(place.path(), content).unwrap();
            let mut opened = open(&place.url());
            assert!(
                matches!(&opened.notice[..], [Notice::Foreign { .. }]),
                "{opened:?}"
            );
            assert_eq!(opened.store.count().unwrap(), 0);
            let kept = place.beside(&format!(".damaged-{}", NOW.as_millis()));
            assert_eq!(fs::read_to_string(kept).unwrap(), content);
        }
    }
}

#[test]
fn a_database_of_another_program_is_kept_whole() {
    let place = Place::new("sqlite");
    let theirs = rusqlite::Connection::open(place.path()).unwrap();
    theirs
        .execute_batch("CREATE TABLE bookmarks (url TEXT); INSERT INTO bookmarks VALUES ('x')")
        .unwrap();
    theirs.close().unwrap();
    let opened = open(&place.url());
    assert!(
        matches!(&opened.notice[..], [Notice::Foreign { .. }]),
        "{opened:?}"
    );
    let kept = rusqlite::Connection::open(&place.set_aside()[0]).unwrap();
    let url: String = kept
        .query_one("SELECT url FROM bookmarks", [], |row| row.get(0))
        .unwrap();
    assert_eq!(url, "x");
}

#[test]
fn our_tables_under_a_wrong_mark_are_salvaged() {
    let place = Place::new("sqlite");
    place.fill(0..5);
    let theirs = rusqlite::Connection::open(place.path()).unwrap();
    theirs.pragma_update(None, "application_id", 7).unwrap();
    theirs.close().unwrap();
    let mut opened = open(&place.url());
    assert_eq!(damage(&opened), (5, 0, 0));
    assert_eq!(opened.store.count().unwrap(), 5);
}

#[test]
fn an_index_that_disagrees_with_its_table_hides_nobody() {
    for index in ["peers_by_rank", "sqlite_autoindex_peers_1"] {
        let place = with_twenty_and_a_wrong(index);
        let mut opened = open(&place.url());
        assert_eq!(damage(&opened), (20, 0, 0), "{index}");
        let store = &mut *opened.store;
        let (scanned, best) = (all(store).len(), store.best(usize::MAX).unwrap().len());
        assert_eq!((scanned, best), (20, 20), "{index}");
    }
}

/// The index leads elsewhere, which SQLite's quick check does not see.
fn with_twenty_and_a_wrong(index: &str) -> Place {
    let place = Place::new("sqlite");
    place.fill(0..20);
    let conn = rusqlite::Connection::open(place.path()).unwrap();
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false)
        .unwrap();
    conn.pragma_update(None, "writable_schema", true).unwrap();
    conn.execute_batch(&format!(
        "CREATE INDEX bare ON peers (id);
         UPDATE sqlite_schema AS a SET rootpage = b.rootpage FROM sqlite_schema AS b
         WHERE (a.name, b.name) IN (('bare', '{index}'), ('{index}', 'bare'))"
    ))
    .unwrap();
    drop(conn);
    let conn = rusqlite::Connection::open(place.path()).unwrap();
    let quick = conn.query_one("PRAGMA quick_check", [], |row| row.get::<_, String>(0));
    assert_eq!(quick.unwrap(), "ok");
    place
}

#[test]
fn what_a_start_leaves_for_later_is_mended_before_the_first_job() {
    let place = with_twenty_and_a_wrong("sqlite_autoindex_peers_1");
    let Opened { notice, store } = open_for_start(&place.url(), None, NOW).unwrap();
    assert_eq!(notice, [], "it looks sound at a glance");
    let (to, reports) = mpsc::channel();
    let report = move |report| to.send(report).unwrap();
    let writer = Writer::spawn(store, BTreeSet::new(), usize::MAX, report).unwrap();
    assert!(writer.load());
    let first = reports.recv().unwrap();
    let Report::Noticed(Notice::Damaged { salvaged, lost, .. }) = first else {
        panic!("{first:?}");
    };
    assert_eq!((salvaged, lost), (20, 0));
    let Report::Loaded { peers, .. } = reports.recv().unwrap() else {
        panic!("the page that was asked for");
    };
    assert_eq!(peers.len(), 20);
}

/// What is in an index over some rows only, SQLite's own check does not count.
#[test]
fn an_index_that_names_too_many_gives_nobody_twice() {
    let place = Place::new("sqlite");
    place.fill(0..20);
    let conn = rusqlite::Connection::open(place.path()).unwrap();
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false)
        .unwrap();
    let rewrite = |from: &str, to: &str| {
        conn.pragma_update(None, "writable_schema", true).unwrap();
        conn.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, ?1, ?2) WHERE name = 'peers_anchors'",
            [from, to],
        )
        .unwrap();
        conn.pragma_update(None, "writable_schema", "RESET")
            .unwrap();
    };
    rewrite("anchor = 1", "anchor = 0");
    conn.execute_batch("REINDEX peers_anchors").unwrap();
    rewrite("anchor = 0", "anchor = 1");
    drop(conn);
    let mut store = open(&place.url()).store;
    let best = store.best(usize::MAX).unwrap();
    let once: BTreeSet<_> = best.iter().map(|record| &record.key).collect();
    assert_eq!((best.len(), once.len()), (20, 20));
}

#[test]
fn a_damaged_database_of_an_older_version_is_kept_as_it_was() {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/v1.db");
    let whole = fs::read(sample).unwrap();
    for page in 1..whole.len() / 4096 {
        let place = Place::new("sqlite");
        let mut bytes = whole.clone();
        bytes[page * 4096..][..4096].fill(0);
        fs::write(place.path(), &bytes).unwrap();
        damage(&open(&place.url()));
        assert_eq!(fs::read(&place.set_aside()[0]).unwrap(), bytes);
    }
}

#[test]
fn mistake_10_a_torn_file_loses_nothing_that_stands_before_the_tear() {
    let place = Place::new("json");
    place.fill(0..20);
    fs::remove_file(place.beside(".last-good")).unwrap();
    let whole = fs::read(place.path()).unwrap();
    let ends = record_ends(&whole);
    assert_eq!(ends.len(), 20);
    // Within the header, the first record, at every seam, and in the last bytes.
    let seams = ends.iter().flat_map(|end| [end - 1, *end, end + 1]);
    for tear in seams.chain([30, 60, whole.len() - 2, whole.len() - 30]) {
        fs::write(place.path(), &whole[..tear]).unwrap();
        let mut opened = open(&place.url());
        let standing = ends.iter().filter(|end| **end <= tear).count();
        assert_eq!(opened.store.count().unwrap(), standing, "torn at {tear}");
        let (salvaged, restored, lost) = damage(&opened);
        assert_eq!((salvaged, restored), (standing, 0));
        assert!(lost <= 1, "torn at {tear}: {lost} said to be lost");
        let kept = place.set_aside();
        assert_eq!(fs::read(&kept[0]).unwrap(), whole[..tear]);
        fs::remove_file(&kept[0]).unwrap();
        let _ = fs::remove_file(place.beside(".last-good"));
    }
}

/// Where each record of a pretty file ends.
fn record_ends(text: &[u8]) -> Vec<usize> {
    let ends = text.windows(6).enumerate();
    ends.filter(|(_, part)| part.starts_with(b"\n    }"))
        .map(|(at, part)| at + part.len())
        .collect()
}

#[test]
fn what_a_torn_file_no_longer_gives_comes_from_the_last_good_copy() {
    let place = Place::new("json");
    place.fill(0..10);
    let mut store = open(&place.url()).store;
    store.commit(&saving([peer(10)]), NOW).unwrap();
    store.close().unwrap();
    let whole = fs::read(place.path()).unwrap();
    fs::write(place.path(), &whole[..whole.len() / 2]).unwrap();
    let mut opened = open(&place.url());
    let (salvaged, restored, _) = damage(&opened);
    assert!(salvaged >= 4, "{salvaged}");
    assert!(salvaged + restored >= 10, "{salvaged} + {restored}");
    assert_eq!(opened.store.memory().unwrap().unwrap().secret, [5; 16]);
}

#[test]
fn what_a_broken_database_no_longer_gives_comes_from_its_last_good_copy() {
    let place = Place::new("sqlite");
    place.fill(0..300);
    let mut whole = fs::read(place.path()).unwrap();
    let middle = whole.len() / 2;
    whole[middle..].fill(0);
    fs::write(place.path(), &whole).unwrap();
    let mut opened = open(&place.url());
    let (salvaged, restored, lost) = damage(&opened);
    assert!((100..250).contains(&salvaged), "{salvaged}");
    assert_eq!((salvaged + restored, lost), (300, 0));
    assert_eq!(opened.store.count().unwrap(), 300);
}

#[test]
fn a_byte_wrong_in_the_head_of_a_file_loses_no_peer() {
    let place = Place::new("json");
    place.fill(0..3);
    let whole = fs::read(place.path()).unwrap();
    let peers = whole.windows(7).position(|part| part == b"\"peers\"");
    let memory = whole.windows(8).position(|part| part == b"\"memory\"");
    let head = memory.into_iter().chain(peers).max().unwrap() + 10;
    for at in (0..120).chain(head - 12..head) {
        for bit in 0..8 {
            let place = Place::new("json");
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << bit;
            fs::write(place.path(), &damaged).unwrap();
            match rejoin_store::open(&place.url(), NOW) {
                Ok(mut opened) => {
                    let found = opened.store.count().unwrap();
                    let head = String::from_utf8_lossy(&damaged[..at + 9]);
                    assert_eq!(found, 3, "byte {at}, bit {bit}: {head}");
                }
                Err(error) => assert!(matches!(error, StoreError::TooNew { .. }), "{error}"),
            }
        }
    }
}

#[test]
fn a_byte_wrong_in_the_head_of_a_database_loses_no_peer() {
    let place = Place::new("sqlite");
    place.fill(0..3);
    let whole = fs::read(place.path()).unwrap();
    for at in 0..100 {
        for wrong in [whole[at] ^ 1, whole[at] ^ 0x80, !whole[at]] {
            let place = Place::new("sqlite");
            let mut damaged = whole.clone();
            damaged[at] = wrong;
            fs::write(place.path(), &damaged).unwrap();
            match rejoin_store::open(&place.url(), NOW) {
                Ok(Opened { mut store, .. }) => {
                    let told = format!("byte {at} is {wrong}");
                    assert_eq!(store.count().unwrap(), 3, "{told}");
                    let saved = store.commit(&saving([peer(99)]), NOW);
                    saved.unwrap_or_else(|error| panic!("{told}: {error}"));
                }
                Err(error) => assert!(matches!(error, StoreError::TooNew { .. }), "{error}"),
            }
        }
    }
}

#[test]
fn one_bad_record_never_loses_another() {
    let place = Place::new("json");
    place.fill(0..10);
    fs::remove_file(place.beside(".last-good")).unwrap();
    let text = fs::read_to_string(place.path()).unwrap();
    let name = key(4).to_string();
    for bad in [
        text.replace(&format!("\"key\": \"{name}\""), "\"key\": \"\""),
        text.replace(&format!("\"key\": \"{name}\""), "\"key\": }{\"\"["),
    ] {
        fs::write(place.path(), bad).unwrap();
        let mut opened = open(&place.url());
        assert_eq!(damage(&opened), (9, 0, 1));
        assert_eq!(opened.store.get(&key(4)).unwrap(), None);
        assert_eq!(opened.store.memory().unwrap().unwrap().secret, [5; 16]);
    }
}

#[test]
fn a_database_whose_first_word_reads_on_is_no_text() {
    let place = Place::new("sqlite");
    place.fill(0..5);
    let mut bytes = fs::read(place.path()).unwrap();
    assert_eq!(bytes[15], 0, "where the word ends");
    bytes[15] = b' ';
    fs::write(place.path(), &bytes).unwrap();
    assert_eq!(damage(&open(&place.url())), (5, 0, 0));
}

#[test]
fn the_rows_of_a_broken_database_are_salvaged() {
    let place = Place::new("sqlite");
    place.fill(0..500);
    let whole = fs::read(place.path()).unwrap();
    let pages = whole.len() / PAGE;
    assert!(pages > 50, "{pages}");
    for broken in [0, 1, 2, 5, pages / 2, pages - 1] {
        let mut damaged = whole.clone();
        damaged[broken * PAGE..][..PAGE].fill(0xa5);
        let place = Place::new("sqlite");
        fs::write(place.path(), &damaged).unwrap();
        let mut opened = open(&place.url());
        let (salvaged, _, _) = damage(&opened);
        assert!(salvaged >= 488, "page {broken}: {salvaged} of 500");
        assert_eq!(opened.store.count().unwrap(), salvaged);
        for record in all(&mut *opened.store) {
            let n = (0..500).find(|n| key(*n) == record.key).unwrap();
            assert_eq!(record, peer(n), "page {broken}");
        }
        assert_eq!(fs::read(&place.set_aside()[0]).unwrap(), damaged);
        drop(opened);
        assert_eq!(open(&place.url()).notice, [], "the new database is sound");
    }
}

#[test]
fn a_cut_off_database_gives_what_stands_before_the_cut() {
    let place = Place::new("sqlite");
    place.fill(0..300);
    let whole = fs::read(place.path()).unwrap();
    fs::write(place.path(), &whole[..whole.len() / 2]).unwrap();
    let opened = open(&place.url());
    let (salvaged, _, _) = damage(&opened);
    assert!(salvaged >= 120, "{salvaged} of 300");
}

#[test]
fn a_log_moves_along_with_its_database() {
    let place = Place::new("sqlite");
    place.fill(0..10);
    let mut store = open(&place.url()).store;
    store.commit(&saving([peer(10)]), NOW).unwrap();
    // As after a crash: the last commit is only in the log, and the first page is gone.
    let (main, log) = (place.path(), place.beside("-wal"));
    let (mut pages, frames) = (fs::read(&main).unwrap(), fs::read(&log).unwrap());
    pages[..PAGE].fill(0);
    let place = Place::new("sqlite");
    fs::write(place.path(), &pages).unwrap();
    fs::write(place.beside("-wal"), &frames).unwrap();
    let mut opened = open(&place.url());
    assert!(
        opened.store.get(&key(10)).unwrap().is_some(),
        "{:?}",
        opened.notice
    );
    drop(opened);
    if let [kept] = &place.set_aside()[..] {
        let mut log = kept.clone().into_os_string();
        log.push("-wal");
        assert_eq!(fs::read(log).unwrap(), frames);
        assert_eq!(fs::read(kept).unwrap(), pages);
    }
}

#[test]
fn a_row_under_a_wrong_key_or_without_sense_is_left_out_and_counted() {
    let place = Place::new("sqlite");
    place.fill(0..5);
    let theirs = rusqlite::Connection::open(place.path()).unwrap();
    let text = serde_json::to_string(&peer(7)).unwrap();
    for (n, text) in [(1, text.as_str()), (2, "{}")] {
        let key = key(n);
        let changed = theirs.execute(
            "UPDATE peers SET record = ?2 WHERE key = ?1",
            (key.as_bytes(), text),
        );
        assert_eq!(changed, Ok(1));
    }
    theirs.close().unwrap();
    let mut store = open(&place.url()).store;
    assert_eq!(store.scan(None, 5).unwrap().len(), 3);
    assert_eq!(store.repairs().unreadable, 2);
}

#[test]
fn a_log_without_its_database_is_salvaged() {
    let place = Place::new("sqlite");
    place.fill(0..10);
    let mut store = open(&place.url()).store;
    store.commit(&saving([peer(10)]), NOW).unwrap();
    let log = fs::read(place.beside("-wal")).unwrap();
    for main in [None, Some("")] {
        let place = Place::new("sqlite");
        fs::write(place.beside("-wal"), &log).unwrap();
        if let Some(main) = main {
            fs::write(place.path(), main).unwrap();
        }
        let mut opened = open(&place.url());
        assert!(damage(&opened).0 > 0);
        assert!(opened.store.get(&key(10)).unwrap().is_some());
    }
}

#[test]
fn a_rebuild_cut_short_is_finished_by_the_next_to_open() {
    let (good, old, place) = (
        Place::new("sqlite"),
        Place::new("sqlite"),
        Place::new("sqlite"),
    );
    good.fill(0..7);
    old.fill(10..12);
    let mut store = open(&old.url()).store;
    store.commit(&saving((20..40).map(peer)), NOW).unwrap();
    fs::copy(good.path(), place.beside(".rebuilt")).unwrap();
    // Played onto the new database, the log of the old one would bring its pages back.
    for suffix in ["", "-wal"] {
        fs::copy(old.beside(suffix), place.beside(suffix)).unwrap();
    }
    let opened = open(&place.url());
    assert_eq!(opened.notice, []);
    let mut store = opened.store;
    let keys: Vec<_> = all(&mut *store)
        .into_iter()
        .map(|record| record.key)
        .collect();
    assert_eq!(keys.len(), 7);
    assert!((0..7).all(|n| keys.contains(&key(n))));
    assert!(!place.beside(".rebuilt").exists());
}

#[test]
fn damage_that_shows_only_later_is_mended_on_the_way() {
    let place = Place::new("sqlite");
    place.fill(0..300);
    let mut ours = open(&place.url()).store;
    assert_eq!(ours.count().unwrap(), 300);
    // Makes ours read its pages afresh.
    let mut theirs = open(&place.url()).store;
    theirs.commit(&saving([peer(300)]), NOW).unwrap();
    let mut file = fs::OpenOptions::new()
        .write(true)
        .open(place.path())
        .unwrap();
    file.seek(SeekFrom::Start(20 * PAGE as u64)).unwrap();
    file.write_all(&[0xa5; 5 * PAGE]).unwrap();
    let found = all(&mut *ours).len();
    let notices = ours.take_notices();
    assert!(
        matches!(notices[..], [Notice::Damaged { .. }]),
        "{notices:?}, {found} found"
    );
    assert!(found >= 250, "{found} of 301");
    ours.commit(&saving([peer(301)]), NOW).unwrap();
    #[cfg(unix)] // elsewhere a file that is open cannot be replaced
    assert!(theirs.get(&key(301)).unwrap().is_some());
}

/// What can happen to the bytes of a file.
#[derive(Clone, Debug)]
enum Mishap {
    Cut { at: usize },
    Overwrite { at: usize, with: Vec<u8> },
    Lose { from: usize, bytes: usize },
}

fn mishaps() -> impl Strategy<Value = Vec<Mishap>> {
    // Heads of files matter more than what follows.
    let at = prop_oneof![
        0..200usize,
        any::<prop::sample::Index>().prop_map(|i| i.index(1 << 17))
    ];
    let bytes = prop::collection::vec(any::<u8>(), 1..40);
    let one = prop_oneof![
        at.clone().prop_map(|at| Mishap::Cut { at }),
        (at.clone(), bytes).prop_map(|(at, with)| Mishap::Overwrite { at, with }),
        (at, 1..5_000usize).prop_map(|(from, bytes)| Mishap::Lose { from, bytes }),
    ];
    prop::collection::vec(one, 1..4)
}

fn befall(bytes: &mut Vec<u8>, mishap: &Mishap) {
    match mishap {
        Mishap::Cut { at } => bytes.truncate(*at),
        Mishap::Overwrite { at, with } => {
            let at = (*at).min(bytes.len());
            let end = (at + with.len()).min(bytes.len());
            bytes[at..end].copy_from_slice(&with[..end - at]);
        }
        Mishap::Lose { from, bytes: lost } => {
            let from = (*from).min(bytes.len());
            bytes.drain(from..(from + lost).min(bytes.len()));
        }
    }
}

#[test]
fn whatever_happens_to_its_bytes_a_store_opens_and_works() {
    for scheme in ["json", "sqlite"] {
        let good = Place::new(scheme);
        good.fill(0..60);
        let whole = fs::read(good.path()).unwrap();
        let config = ProptestConfig {
            cases: 50, // each is flushed to the disk several times
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        proptest!(config, |(mishaps in mishaps())| {
            let place = Place::new(scheme);
            let mut bytes = whole.clone();
            mishaps.iter().for_each(|mishap| befall(&mut bytes, mishap));
            fs::write(place.path(), &bytes).unwrap();
            let mut opened = match rejoin_store::open(&place.url(), NOW) {
                Ok(opened) => opened,
                // A version number is as easily hit as anything else.
                Err(StoreError::TooNew { .. }) => {
                    prop_assert_eq!(fs::read(place.path()).unwrap(), bytes);
                    return Ok(());
                }
                Err(error) => panic!("{error}"),
            };
            let store = &mut opened.store;
            store.commit(&saving([peer(99)]), NOW).unwrap();
            prop_assert!(store.get(&key(99)).unwrap().is_some());
            store.best(100).unwrap();
            store.memory().unwrap();
            // Whatever is left can be saved and read again.
            let left = all(&mut **store);
            drop(opened);
            prop_assert_eq!(all(&mut *open(&place.url()).store), left);
        });
    }
}
