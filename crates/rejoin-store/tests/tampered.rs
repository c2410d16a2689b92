//! Sealed stores that were damaged, or changed by somebody without the key.

mod fixtures;

use std::fs;

use rejoin_store::{Mode, Notice, Opened, StoreError, open_sealed};

use fixtures::{NOW, Place, all, key, peer, sealed::*};

#[test]
fn a_damaged_sealed_store_gives_back_what_it_can() {
    for scheme in SCHEMES {
        let place = Place::new(scheme);
        fill(&place, Mode::All);
        fs::remove_file(place.beside(".last-good")).unwrap();
        let mut bytes = fs::read(place.path()).unwrap();
        match scheme {
            "json" => bytes.truncate(bytes.len() - 2_000),
            _ => bytes[..100].fill(0),
        }
        fs::write(place.path(), &bytes).unwrap();
        let error = refused(rejoin_store::open(&place.url(), NOW));
        assert!(matches!(error, StoreError::Sealed { .. }), "{error}");
        let Opened { mut store, notice } = opened(&place, Mode::All);
        let [Notice::Damaged { salvaged, .. }] = &notice[..] else {
            panic!("{notice:?}");
        };
        assert!(*salvaged >= 15, "{scheme}: {notice:?}");
        assert_eq!(store.count().unwrap(), *salvaged);
        // Who stood at the end is another one each time: under the seal nobody is in order.
        for record in all(&mut *store) {
            assert_eq!(store.get(&record.key).unwrap(), Some(record));
        }
        store.close().unwrap();
        check_nothing_told(&place);
        assert_eq!(place.set_aside().len(), 1);
    }
}

#[test]
fn a_sealed_store_comes_back_from_its_last_good_copy() {
    for scheme in SCHEMES {
        let place = Place::new(scheme);
        fill(&place, Mode::All);
        for suffix in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(place.beside(suffix));
        }
        let error = refused(rejoin_store::open(&place.url(), NOW));
        assert!(matches!(error, StoreError::Sealed { .. }), "{error}");
        let Opened { mut store, notice } = opened(&place, Mode::All);
        assert!(
            matches!(notice[..], [Notice::Restored { .. }]),
            "{notice:?}"
        );
        check_all_there(&mut *store, Mode::All);
        check_nothing_told(&place);
    }
}

#[test]
fn something_else_in_the_place_of_a_sealed_store_keeps_its_seal() {
    for scheme in SCHEMES {
        let theirs = Place::new("sqlite");
        let conn = rusqlite::Connection::open(theirs.path()).unwrap();
        conn.execute_batch("CREATE TABLE bookmarks (url TEXT)")
            .unwrap();
        conn.close().unwrap();
        let database = fs::read(theirs.path()).unwrap();
        for foreign in [&b"Dear diary, today I met alice."[..], &database] {
            let place = Place::new(scheme);
            fill(&place, Mode::All);
            fs::write(place.path(), foreign).unwrap();
            let error = refused(rejoin_store::open(&place.url(), NOW));
            assert!(matches!(error, StoreError::Sealed { .. }), "{error}");
            let mut store = opened(&place, Mode::All).store;
            check_all_there(&mut *store, Mode::All);
            store.close().unwrap();
            check_nothing_told(&place);
        }
    }
}

#[test]
fn where_everything_is_sealed_a_record_in_the_open_is_not_believed() {
    let place = Place::new("sqlite");
    fill(&place, Mode::All);
    let conn = rusqlite::Connection::open(place.path()).unwrap();
    let eve = serde_json::to_string(&peer(66)).unwrap();
    conn.execute(
        "INSERT INTO peers (key, pool, anchor, rank, record) VALUES (?1, 0, 1, 9e9, ?2)",
        rusqlite::params![key(66).as_bytes(), eve],
    )
    .unwrap();
    drop(conn);
    let mut store = opened(&place, Mode::All).store;
    assert!(
        store
            .best(99)
            .unwrap()
            .iter()
            .all(|record| record.key != key(66))
    );
    assert_eq!(store.get(&key(66)).unwrap(), None);
    assert!(store.repairs().unreadable > 0);
}

#[test]
fn records_that_swapped_their_rows_are_not_believed() {
    let place = Place::new("sqlite");
    fill(&place, Mode::All);
    let conn = rusqlite::Connection::open(place.path()).unwrap();
    conn.execute_batch(
        "CREATE TEMP TABLE two AS SELECT id, record FROM peers ORDER BY id LIMIT 2;
         UPDATE peers SET record = (SELECT record FROM two WHERE two.id <> peers.id)
             WHERE id IN (SELECT id FROM two);",
    )
    .unwrap();
    drop(conn);
    let mut store = opened(&place, Mode::All).store;
    assert_eq!(all(&mut *store).len(), 17);
    assert_eq!(store.repairs().unreadable, 2);
}

#[test]
fn a_seal_that_was_removed_takes_nothing_with_it_but_itself() {
    let place = Place::new("sqlite");
    fill(&place, Mode::All);
    let conn = rusqlite::Connection::open(place.path()).unwrap();
    conn.execute_batch("DELETE FROM seal; PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    drop(conn);
    // The last good copy still has it.
    let Opened { mut store, notice } = opened(&place, Mode::All);
    let told = notice.iter().map(ToString::to_string).collect::<String>();
    assert!(told.contains("its seal is missing"), "{told}");
    check_all_there(&mut *store, Mode::All);
}

#[test]
fn a_seal_of_a_newer_version_is_left_alone() {
    for scheme in SCHEMES {
        let place = Place::new(scheme);
        fill(&place, Mode::All);
        match scheme {
            "json" => {
                let text = fs::read_to_string(place.path()).unwrap();
                let at = text.find("\"kdf\"").unwrap();
                let newer = text[at..].replacen("\"version\": 1", "\"version\": 9", 1);
                fs::write(place.path(), text[..at].to_owned() + &newer).unwrap();
            }
            _ => {
                let conn = rusqlite::Connection::open(place.path()).unwrap();
                let sql =
                    "UPDATE seal SET header = replace(header, '\"version\":1', '\"version\":9')";
                assert_eq!(conn.execute(sql, []).unwrap(), 1);
            }
        }
        let error = refused(open_sealed(&place.url(), &sealing(Mode::All), NOW));
        assert!(
            matches!(error, StoreError::TooNew { found: 9, .. }),
            "{error}"
        );
    }
}

#[test]
fn what_cannot_be_read_keeps_no_store_from_being_sealed() {
    for change in [
        "UPDATE memory SET json = CAST(x'ff' AS TEXT)",
        "UPDATE peers SET record = CAST(x'ff' AS TEXT) WHERE id = 1",
    ] {
        let place = Place::new("sqlite");
        fill(&place, Mode::Off);
        let conn = rusqlite::Connection::open(place.path()).unwrap();
        conn.execute(change, []).unwrap();
        drop(conn);
        let mut store = opened(&place, Mode::All).store;
        assert!(all(&mut *store).len() >= 18, "{change}");
        assert_eq!(store.memory().unwrap().unwrap().secret, [5; 16], "{change}");
        store.close().unwrap();
        assert_eq!(rejoin_store::mode(&place.url()).unwrap(), Mode::All);
    }
}
