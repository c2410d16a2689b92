//! What becomes of a store whose file is missing, empty, or was taken away under a process that had it
//! open: what anybody still knows is written back.

mod fixtures;

use std::fs;

use rejoin_store::{Notice, PeerStore};

use fixtures::{NOW, PAGE, Place, forgetting, key, open, peer, saving};

#[test]
fn a_missing_file_and_its_folders_are_made() {
    for scheme in ["json", "sqlite"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/peers");
        let opened = open(&format!("{scheme}:{}", path.display()));
        assert_eq!(opened.notice, [Notice::Created { path: path.clone() }]);
        assert!(path.exists());
    }
}

#[test]
fn an_empty_file_is_begun_anew() {
    for scheme in ["json", "sqlite"] {
        let place = Place::new(scheme);
        fs::write(place.path(), "").unwrap();
        let mut opened = open(&place.url());
        let path = place.path();
        assert_eq!(opened.notice, [Notice::Empty { path }]);
        opened.store.commit(&saving([peer(1)]), NOW).unwrap();
    }
}

#[test]
fn a_file_that_vanishes_is_restored_from_its_last_good_copy() {
    for scheme in ["json", "sqlite"] {
        for removed in [true, false] {
            let place = Place::new(scheme);
            place.fill(0..10);
            let mut store = open(&place.url()).store;
            store.commit(&forgetting([key(9)]), NOW).unwrap();
            store.close().unwrap();
            match removed {
                true => fs::remove_file(place.path()).unwrap(),
                false => fs::write(place.path(), "").unwrap(),
            }
            let mut opened = open(&place.url());
            assert!(
                matches!(&opened.notice[..], [Notice::Restored { peers: 9, .. }]),
                "{opened:?}"
            );
            assert_eq!(opened.store.count().unwrap(), 9, "forgotten is forgotten");
            let memory = opened.store.memory().unwrap();
            assert_eq!(memory.unwrap().secret, [5; 16]);
        }
    }
}

#[test]
fn a_copy_that_cannot_be_read_now_is_not_taken_for_none() {
    for scheme in ["json", "sqlite"] {
        let place = Place::new(scheme);
        place.fill(0..10);
        open(&place.url())
            .store
            .commit(&saving([peer(10)]), NOW)
            .unwrap();
        fs::remove_file(place.path()).unwrap();
        let (copy, hidden) = (place.beside(".last-good"), place.beside(".hidden"));
        fs::rename(&copy, &hidden).unwrap();
        fs::create_dir(&copy).unwrap();
        rejoin_store::open(&place.url(), NOW).unwrap_err();
        fs::remove_dir(&copy).unwrap();
        fs::rename(&hidden, &copy).unwrap();
        assert!(open(&place.url()).store.count().unwrap() >= 10, "{scheme}");
    }
}

#[test]
fn a_good_memory_is_never_replaced_by_an_empty_one() {
    for scheme in ["json", "sqlite"] {
        let place = Place::new(scheme);
        place.fill(0..10);
        // Another program empties or tears the file while we have it open.
        let mut store = open(&place.url()).store;
        assert_eq!(store.count().unwrap(), 10);
        if scheme == "json" {
            fs::write(place.path(), "").unwrap();
        } else {
            let whole = fs::read(place.path()).unwrap();
            let _ = fs::remove_file(place.beside("-wal"));
            fs::write(place.path(), [&[0; PAGE], &whole[PAGE..]].concat()).unwrap();
        }
        store.commit(&saving([peer(10)]), NOW).unwrap();
        drop(store);
        let mut store = open(&place.url()).store;
        assert_eq!(store.count().unwrap(), 11, "{scheme}");
        assert_eq!(store.memory().unwrap().unwrap().secret, [5; 16], "{scheme}");
    }
}

/// What somebody does to a store that a process has open, which last saved `peer(10)`.
type Mischief = fn(&Place);

const TAKEN_AWAY: Mischief = |place| fs::remove_file(place.path()).unwrap();

const PUT_BACK_OLDER: Mischief = |place| {
    fs::rename(place.beside(".older"), place.path()).unwrap();
};

const TAKEN_AWAY_WITH_ITS_COPY: Mischief = |place| {
    TAKEN_AWAY(place);
    fs::remove_file(place.beside(".last-good")).unwrap();
};

#[cfg(unix)]
#[test]
fn what_a_process_has_saved_survives_what_is_done_to_the_file_under_it() {
    for mischief in [TAKEN_AWAY, PUT_BACK_OLDER, TAKEN_AWAY_WITH_ITS_COPY] {
        for scheme in ["json", "sqlite"] {
            check(scheme, mischief, |store| {
                store.commit(&saving([peer(11)]), NOW).unwrap();
                assert_eq!(store.count().unwrap(), 12);
            });
            check(scheme, mischief, |store| {
                assert_eq!(store.count().unwrap(), 11);
            });
        }
        check("sqlite", mischief, |_| {}); // closing is enough
    }
}

#[track_caller]
fn check(scheme: &'static str, mischief: Mischief, then: fn(&mut dyn PeerStore)) {
    let place = Place::new(scheme);
    place.fill(0..10);
    fs::copy(place.path(), place.beside(".older")).unwrap();
    let mut store = open(&place.url()).store;
    store.commit(&saving([peer(10)]), NOW).unwrap();
    mischief(&place);
    then(&mut *store);
    store.close().unwrap();
    let opened = open(&place.url());
    let mut store = opened.store;
    assert_eq!(opened.notice, [], "{scheme}: what was put back is sound");
    for n in 0..11 {
        assert_eq!(store.get(&key(n)).unwrap(), Some(peer(n)), "{scheme}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_taken_away_under_several_loses_nothing_of_any_of_them() {
    for scheme in ["json", "sqlite"] {
        let place = Place::new(scheme);
        place.fill(0..3);
        let mut stores = [0, 1, 2].map(|_| open(&place.url()).store);
        let mut saved = 3;
        for round in 0..5 {
            for at in [round, round + 1, round + 1, round + 2] {
                let store = &mut stores[at % 3];
                store.commit(&saving([peer(saved)]), NOW).unwrap();
                saved += 1;
            }
            fs::remove_file(place.path()).unwrap();
            let _ = fs::remove_file(place.beside(".last-good"));
        }
        // All of it comes together however often one has to look after another, and then is left alone.
        for _ in 0..stores.len() {
            for store in &mut stores {
                store.count().unwrap();
            }
        }
        let settled = fs::metadata(place.path()).unwrap().modified().unwrap();
        for store in &mut stores {
            assert_eq!(store.count().unwrap() as u64, saved, "{scheme}");
        }
        for store in stores {
            store.close().unwrap();
        }
        if scheme == "json" {
            let now = fs::metadata(place.path()).unwrap().modified().unwrap();
            assert_eq!(now, settled, "nobody writes what is there");
        }
        let opened = open(&place.url());
        let mut store = opened.store;
        assert_eq!(
            (store.count().unwrap() as u64, &opened.notice[..]),
            (saved, &[][..]),
            "{scheme}"
        );
    }
}

#[cfg(unix)]
#[test]
fn counts_of_two_add_up_though_the_file_is_taken_away_under_them() {
    for scheme in ["json", "sqlite"] {
        let place = Place::new(scheme);
        place.fill(0..1);
        let mut stores = [0, 1].map(|_| open(&place.url()).store);
        let mut dials = |who: usize, times: usize| {
            let store = &mut stores[who];
            for _ in 0..times {
                store.commit(&saving([peer(0)]), NOW).unwrap();
            }
            let record = store.get(&key(0)).unwrap().unwrap();
            record.evidence.dials_ok.latest()
        };
        let (before, after_one) = (dials(0, 0), dials(0, 1));
        let each = after_one - before;
        let mut commits = 1;
        // Who saved last goes on first, or the other does; each may have looked away for a while.
        for (last, first, times) in [(0, 0, 1), (0, 1, 1), (1, 0, 3), (1, 1, 2), (0, 1, 4)] {
            dials(1 - last, 1);
            dials(last, times);
            fs::remove_file(place.path()).unwrap();
            dials(first, times);
            let sum = dials(1 - first, 1);
            commits += 2 + 2 * times;
            let expected = before + each * commits as f64;
            assert!((sum - expected).abs() < 1e-6, "{scheme}: {sum}, {expected}");
        }
    }
}

#[cfg(unix)]
#[test]
fn who_saved_once_into_a_file_without_a_branch_puts_all_of_it_back() {
    let place = Place::new("json");
    place.fill(0..3);
    let mut file: serde_json::Value =
        serde_json::from_slice(&fs::read(place.path()).unwrap()).unwrap();
    for field in ["generation", "branch", "begun_from"] {
        file.as_object_mut().unwrap().remove(field);
    }
    fs::write(place.path(), file.to_string()).unwrap();
    let opened = open(&place.url());
    assert_eq!(opened.notice, []);
    let mut store = opened.store;
    store.commit(&saving([peer(3)]), NOW).unwrap();
    TAKEN_AWAY_WITH_ITS_COPY(&place);
    let mut other = open(&place.url()).store;
    other.commit(&saving([peer(4)]), NOW).unwrap();
    for n in 0..5 {
        assert_eq!(store.get(&key(n)).unwrap(), Some(peer(n)), "{n}");
    }
}

#[cfg(unix)]
#[test]
fn of_two_states_of_a_peer_the_later_is_put_back() {
    for scheme in ["json", "sqlite"] {
        let place = Place::new(scheme);
        place.fill(0..3);
        fs::copy(place.path(), place.beside(".older")).unwrap();
        let mut store = open(&place.url()).store;
        // Two more dials at the very moment of the last: only the counts tell which state is later.
        store.commit(&saving([peer(1)]), NOW).unwrap();
        let known = store.get(&key(1)).unwrap();
        assert_ne!(known, Some(peer(1)));
        PUT_BACK_OLDER(&place);
        assert_eq!(store.get(&key(1)).unwrap(), known, "{scheme}");
        store.close().unwrap();
        assert_eq!(open(&place.url()).store.get(&key(1)).unwrap(), known);
    }
}

#[test]
fn a_file_emptied_again_and_again_loses_nothing() {
    for scheme in ["json", "sqlite"] {
        let place = Place::new(scheme);
        place.fill(0..10);
        let mut store = open(&place.url()).store;
        store.commit(&saving([peer(10)]), NOW).unwrap();
        // The second time nothing of it stands in a log.
        for _ in 0..3 {
            fs::write(place.path(), "").unwrap();
            assert_eq!(store.count().unwrap(), 11, "{scheme}");
        }
        store.close().unwrap();
        assert_eq!(open(&place.url()).store.count().unwrap(), 11, "{scheme}");
    }
}

#[test]
fn a_foreign_file_gives_way_to_the_last_good_copy() {
    for scheme in ["json", "sqlite"] {
        let place = Place::new(scheme);
        place.fill(0..10);
        let mut store = open(&place.url()).store;
        store.commit(&saving([peer(10)]), NOW).unwrap();
        store.close().unwrap();
        fs::write(place.path(), "Dear diary, today I met alice.").unwrap();
        let mut opened = open(&place.url());
        assert!(
            matches!(
                &opened.notice[..],
                [Notice::Foreign { .. }, Notice::Restored { .. }]
            ),
            "{opened:?}"
        );
        assert!(opened.store.count().unwrap() >= 10, "{scheme}");
    }
}

#[cfg(unix)]
#[test]
fn the_log_of_a_database_that_was_replaced_is_never_played_onto_the_other() {
    let (place, other) = (Place::new("sqlite"), Place::new("sqlite"));
    place.fill(0..10);
    other.fill(20..60);
    let mut store = open(&place.url()).store;
    store.commit(&saving((10..20).map(peer)), NOW).unwrap();
    fs::rename(other.path(), place.path()).unwrap();
    for n in (0..60).step_by(7) {
        assert_eq!(store.get(&key(n)).unwrap(), Some(peer(n)));
    }
    assert_eq!(store.count().unwrap(), 60);
    let notices = store.take_notices();
    assert!(
        matches!(notices[..], [Notice::Restored { peers: 20, .. }]),
        "{notices:?}"
    );
}

#[test]
fn whom_we_forget_is_in_no_file_of_the_store() {
    for scheme in ["json", "sqlite"] {
        let place = Place::new(scheme);
        place.fill(0..10);
        let mut store = open(&place.url()).store;
        store.commit(&saving([peer(10)]), NOW).unwrap();
        let of_bob = key(10).to_string();
        assert!(!files_with(&place, &of_bob).is_empty());
        store.commit(&forgetting([key(10)]), NOW).unwrap();
        assert_eq!(files_with(&place, &of_bob), [""; 0], "{scheme}");
    }
}

#[test]
fn a_wiped_store_leaves_no_file_behind_and_takes_no_other() {
    for scheme in ["json", "sqlite"] {
        let place = Place::new(scheme);
        place.fill(0..10);
        fs::write(place.path(), [&[0; 9000][..], b"{\"key\""].concat()).unwrap();
        drop(open(&place.url())); // sets the damaged one aside
        fs::write(place.beside("-notes"), "of somebody else").unwrap();
        let removed = rejoin_store::wipe(&place.url()).unwrap();
        assert!(removed.len() >= 3, "{removed:?}");
        let left = fs::read_dir(place.folder.path()).unwrap();
        let left: Vec<_> = left.map(|file| file.unwrap().path()).collect();
        assert_eq!(left, [place.beside("-notes")], "{scheme}");
        assert_eq!(
            rejoin_store::wipe(&place.url()).unwrap(),
            Vec::<std::path::PathBuf>::new()
        );
        let path = place.path();
        assert_eq!(open(&place.url()).notice, [Notice::Created { path }]);
    }
}

fn files_with(place: &Place, text: &str) -> Vec<String> {
    let files = fs::read_dir(place.folder.path()).unwrap();
    files
        .map(|file| file.unwrap().path())
        .filter(|path| {
            let bytes = fs::read(path).unwrap();
            bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        })
        .map(|path| path.display().to_string())
        .collect()
}
