//! What is refused, with what to do about it, and what stays as it was.

mod fixtures;

use std::{fs, path::Path};

use rejoin_store::{Retry, StoreError};

use fixtures::{NOW, Place, open, peer, saving};

#[test]
fn a_file_of_a_newer_version_is_left_untouched() {
    for (scheme, newest) in [("json", 2), ("sqlite", 3)] {
        let place = Place::new(scheme);
        place.fill(0..3);
        if scheme == "json" {
            let text = fs::read_to_string(place.path()).unwrap();
            let newer = text.replace("\"version\": 2", "\"version\": 3");
            fs::write(place.path(), newer).unwrap();
        } else {
            let theirs = rusqlite::Connection::open(place.path()).unwrap();
            theirs
                .pragma_update(None, "user_version", newest + 1)
                .unwrap();
            theirs.close().unwrap();
        }
        let before = fs::read(place.path()).unwrap();
        let error = rejoin_store::open(&place.url(), NOW).unwrap_err();
        let StoreError::TooNew { found, known, .. } = error else {
            panic!("{error}");
        };
        assert_eq!((found, known), (newest + 1, newest));
        assert_eq!(error.retry(), Retry::Never);
        assert!(error.to_string().contains("upgrade"), "{error}");
        assert_eq!(fs::read(place.path()).unwrap(), before);
        assert_eq!(place.set_aside(), [] as [std::path::PathBuf; 0]);
    }
}

#[test]
fn a_place_that_cannot_be_is_refused_with_a_remedy() {
    for scheme in ["json", "sqlite"] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        for bad in [file.join("peers"), folder.path().to_owned()] {
            let url = format!("{scheme}:{}", bad.display());
            let error = rejoin_store::open(&url, NOW).unwrap_err();
            assert_eq!(error.retry(), Retry::Never, "{error}");
            assert!(error.to_string().contains("name a"), "{error}");
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "x");
    }
}

#[cfg(unix)]
#[test]
fn a_folder_without_rights_is_refused_with_a_remedy_and_left_alone() {
    use std::os::unix::fs::PermissionsExt;
    for scheme in ["json", "sqlite"] {
        let place = Place::new(scheme);
        place.fill(0..3);
        fs::remove_file(place.beside(".lock")).unwrap();
        let before = fs::read(place.path()).unwrap();
        let allow = |mode| {
            fs::set_permissions(place.folder.path(), fs::Permissions::from_mode(mode)).unwrap();
        };
        allow(0o555);
        if fs::write(place.beside(".probe"), "").is_ok() {
            return; // rights do not hold back the superuser
        }
        let error = rejoin_store::open(&place.url(), NOW).unwrap_err();
        assert_eq!(error.retry(), Retry::Never, "{error}");
        assert!(
            error.to_string().contains("give this user the right"),
            "{error}"
        );
        assert_eq!(fs::read(place.path()).unwrap(), before);
        allow(0o755);
        assert_eq!(open(&place.url()).store.count().unwrap(), 3);
    }
}

#[test]
fn a_file_that_cannot_be_replaced_is_an_error_and_stays_readable() {
    let place = Place::new("json");
    place.fill(0..5);
    let mut store = open(&place.url()).store;
    fs::create_dir(place.beside(".new")).unwrap();
    let error = store.commit(&saving([peer(9)]), NOW).unwrap_err();
    assert!(matches!(error, StoreError::File { .. }), "{error}");
    assert_eq!(store.count().unwrap(), 5);
    // Once the trouble is over the same changes go through.
    fs::remove_dir(place.beside(".new")).unwrap();
    store.commit(&saving([peer(9)]), NOW).unwrap();
    assert_eq!(store.count().unwrap(), 6);
}

#[test]
fn a_locked_store_is_busy_and_not_broken() {
    let place = Place::new("sqlite");
    place.fill(0..5);
    let mut store = open(&place.url()).store;
    let theirs = rusqlite::Connection::open(place.path()).unwrap();
    theirs.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.commit(&saving([peer(9)]), NOW).unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }), "{error}");
    assert_eq!(error.retry(), Retry::Later);
    assert_eq!(store.count().unwrap(), 5);
    theirs.execute_batch("ROLLBACK").unwrap();
    store.commit(&saving([peer(9)]), NOW).unwrap();
}

#[cfg(unix)]
#[test]
fn a_link_stays_a_link() {
    for scheme in ["json", "sqlite"] {
        let place = Place::new(scheme);
        let target = place.folder.path().join("elsewhere");
        fs::write(&target, "").unwrap();
        std::os::unix::fs::symlink(&target, place.path()).unwrap();
        place.fill(0..3);
        assert!(place.path().is_symlink());
        assert!(fs::metadata(&target).unwrap().len() > 0);
    }
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_any_file() {
    use std::os::unix::fs::PermissionsExt;
    for scheme in ["json", "sqlite"] {
        let place = Place::new(scheme);
        let mut store = open(&place.url()).store;
        store.commit(&saving([peer(1)]), NOW).unwrap();
        for file in fs::read_dir(place.folder.path()).unwrap() {
            let file = file.unwrap();
            let mode = file.metadata().unwrap().permissions().mode() & 0o777;
            let is_lock = Path::new(&file.file_name()).extension() == Some("lock".as_ref());
            assert!(is_lock || mode == 0o600, "{file:?}: {mode:o}");
        }
    }
}
