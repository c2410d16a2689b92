//! What a sealed store keeps from those without its key, and what it keeps for those who have it.

mod fixtures;

use std::fs;

use rejoin_core::{Changes, Counts, PeerDelta};
use rejoin_store::{Mode, Notice, Opened, Retry, SealKey, Sealing, StoreError, open_sealed, rekey};

use fixtures::{NOW, Place, forgetting, key, peer, remembering, saving, sealed::*};

#[test]
fn who_has_the_key_finds_everything_and_who_has_not_finds_what_the_mode_shows() {
    for scheme in SCHEMES {
        for mode in MODES {
            let place = Place::new(scheme);
            fill(&place, mode);
            let Opened { mut store, notice } = opened(&place, mode);
            assert_eq!(notice, []);
            check_all_there(&mut *store, mode);
            store.close().unwrap();
            if mode == Mode::All {
                let error = refused(rejoin_store::open(&place.url(), NOW));
                assert!(matches!(error, StoreError::Sealed { .. }), "{error}");
                continue;
            }
            let mut store = fixtures::open(&place.url()).store;
            let secret = store.get(&key(3)).unwrap().unwrap().notes.secret.clone();
            assert_eq!(secret.is_some(), mode == Mode::Secrets);
            assert!(secret.is_none_or(|secret| secret.open().is_none()));
        }
    }
}

#[test]
fn no_byte_on_the_disk_tells_of_a_peer() {
    for scheme in SCHEMES {
        let place = Place::new(scheme);
        let mut store = opened(&place, Mode::All).store;
        store.commit(&remembering(5), NOW).unwrap();
        store.commit(&saving((0..20).map(telling)), NOW).unwrap();
        check_nothing_told(&place); // with its log
        store.commit(&forgetting([key(19)]), NOW).unwrap();
        check_nothing_told(&place);
        store.close().unwrap();
        check_nothing_told(&place);
        assert!(place.beside(".last-good").exists(), "{scheme}");
    }
}

#[test]
fn a_store_that_is_converted_leaves_no_trace_of_what_it_was() {
    for scheme in SCHEMES {
        for from in [Mode::Off, Mode::Secrets] {
            let place = Place::new(scheme);
            fill(&place, from);
            let Opened { mut store, notice } = opened(&place, Mode::All);
            let [
                Notice::Sealed {
                    peers: 19, lost: 0, ..
                },
            ] = notice[..]
            else {
                panic!("{notice:?}");
            };
            check_nothing_told(&place);
            check_all_there(&mut *store, from);
            store.close().unwrap();
            check_nothing_told(&place);
        }
    }
}

#[test]
fn a_large_store_that_is_converted_leaves_no_trace_either() {
    let place = Place::new("sqlite");
    let mut store = opened(&place, Mode::Off).store;
    for n in 0..6 {
        let peers = (0..100).map(|m| telling(100 * n + m));
        store.commit(&saving(peers), NOW).unwrap();
    }
    store.close().unwrap();
    let store = opened(&place, Mode::All).store;
    check_little_told(&place);
    store.close().unwrap();
    check_little_told(&place);
}

#[test]
fn every_mode_can_be_changed_for_every_other() {
    for scheme in SCHEMES {
        for from in MODES {
            for to in MODES {
                let place = Place::new(scheme);
                fill(&place, from);
                let there = opened(&place, to);
                assert_eq!(there.notice.len(), usize::from(from != to));
                there.store.close().unwrap();
                let mut back = opened(&place, to);
                assert_eq!(back.notice, []);
                let keeps = match (from, to) {
                    (Mode::Off, _) | (_, Mode::Off) => Mode::Off,
                    _ => Mode::Secrets,
                };
                check_all_there(&mut *back.store, keeps);
            }
        }
    }
}

#[test]
fn files_that_were_set_aside_in_the_open_are_told_of() {
    for scheme in SCHEMES {
        let place = Place::new(scheme);
        fill(&place, Mode::Off);
        let aside = place.beside(".damaged-7");
        fs::write(&aside, "an old one").unwrap();
        let notice = opened(&place, Mode::All).notice;
        let paths = vec![aside.canonicalize().unwrap()];
        let told = notice.iter().any(|notice| match notice {
            Notice::InTheOpen { paths: told } => told
                .iter()
                .map(|path| path.canonicalize().unwrap())
                .eq(paths.clone()),
            _ => false,
        });
        assert!(told, "{notice:?}");
        assert_eq!(fs::read(&aside).unwrap(), b"an old one");
    }
}

#[test]
fn the_wrong_key_opens_nothing_and_harms_nothing() {
    for scheme in SCHEMES {
        for mode in [Mode::Secrets, Mode::All] {
            let place = Place::new(scheme);
            fill(&place, mode);
            let before = bytes_on_disk(place.folder.path());
            for wrong in [raw(8), SealKey::passphrase("swordfish")] {
                let sealing = Sealing { mode, key: wrong };
                let error = refused(open_sealed(&place.url(), &sealing, NOW));
                assert!(matches!(error, StoreError::WrongKey { .. }), "{error}");
            }
            let after = bytes_on_disk(place.folder.path());
            assert!(before == after, "{scheme}: something was written");
            check_all_there(&mut *opened(&place, mode).store, mode);
        }
    }
}

#[test]
fn a_passphrase_opens_a_store_and_can_be_changed_without_touching_the_records() {
    for scheme in SCHEMES {
        let place = Place::new(scheme);
        fill(&place, Mode::All);
        let new = SealKey::passphrase("correct horse");
        let notices = rekey(&place.url(), &raw(7), &new, NOW).unwrap();
        assert_eq!(notices, []);
        let error = refused(open_sealed(&place.url(), &sealing(Mode::All), NOW));
        assert!(error.to_string().contains("takes a passphrase"), "{error}");
        let with_new = Sealing {
            mode: Mode::All,
            key: new.clone(),
        };
        let mut store = open_sealed(&place.url(), &with_new, NOW).unwrap().store;
        check_all_there(&mut *store, Mode::All);
        store.close().unwrap();
        rekey(&place.url(), &new, &raw(7), NOW).unwrap();
        check_all_there(&mut *opened(&place, Mode::All).store, Mode::All);
        check_nothing_told(&place);
    }
}

#[test]
fn no_copy_opens_with_the_old_key() {
    for scheme in SCHEMES {
        let place = Place::new(scheme);
        fill(&place, Mode::All);
        rekey(&place.url(), &raw(7), &raw(8), NOW).unwrap();
        fs::remove_file(place.path()).unwrap();
        if !place.beside(".last-good").exists() {
            continue;
        }
        let error = refused(open_sealed(&place.url(), &sealing(Mode::All), NOW));
        assert!(matches!(error, StoreError::WrongKey { .. }), "{error}");
    }
}

#[test]
fn what_is_not_sealed_has_no_key_to_change() {
    for scheme in SCHEMES {
        let place = Place::new(scheme);
        fill(&place, Mode::Off);
        let error = rekey(&place.url(), &raw(7), &raw(8), NOW).unwrap_err();
        assert!(matches!(error, StoreError::NotSealed { .. }), "{error}");
    }
}

#[test]
fn who_has_it_open_while_it_is_sealed_anew_is_told_to_open_it_again() {
    for scheme in SCHEMES {
        for from in MODES {
            let place = Place::new(scheme);
            fill(&place, from);
            let mut store = opened(&place, from).store;
            store.count().unwrap();
            let to = match from {
                Mode::All => Mode::Secrets,
                Mode::Off | Mode::Secrets => Mode::All,
            };
            opened(&place, to).store.close().unwrap();
            let error = store.commit(&saving([peer(30)]), NOW).unwrap_err();
            assert!(error.to_string().contains("open it again"), "{error}");
            assert_eq!(error.retry(), Retry::Never);
            assert!(store.get(&key(1)).is_err());
            drop(store);
            assert_eq!(opened(&place, to).store.count().unwrap(), 19);
        }
    }
}

#[test]
fn two_processes_with_the_key_add_up() {
    for scheme in SCHEMES {
        let place = Place::new(scheme);
        let (mut one, mut other) = (
            opened(&place, Mode::All).store,
            opened(&place, Mode::All).store,
        );
        one.commit(&saving([telling(1)]), NOW).unwrap();
        other.commit(&saving([telling(2)]), NOW).unwrap();
        assert_eq!(one.count().unwrap(), 2);
        assert_eq!(one.get(&key(2)).unwrap(), Some(telling(2)));
    }
}

#[test]
fn without_the_key_secrets_stay_as_they_are_and_everything_else_changes() {
    for scheme in SCHEMES {
        let place = Place::new(scheme);
        fill(&place, Mode::Secrets);
        let mut store = fixtures::open(&place.url()).store;
        let mut record = store.get(&key(3)).unwrap().unwrap();
        record.last_seen = Some(NOW);
        let delta = PeerDelta {
            record,
            unsaved: Counts::default(),
        };
        let changes = Changes {
            peers: vec![delta],
            ..Changes::default()
        };
        store.commit(&changes, NOW).unwrap();
        assert_eq!(store.take_notices(), []);
        store.close().unwrap();
        let back = opened(&place, Mode::Secrets).store.get(&key(3)).unwrap();
        let back = back.unwrap();
        assert_eq!(back.last_seen, Some(NOW));
        assert_eq!(back.notes.secret, telling(3).notes.secret);
    }
}

#[test]
fn a_secret_nobody_could_read_again_is_not_written_and_that_is_said_once() {
    for scheme in SCHEMES {
        let place = Place::new(scheme);
        let mut store = fixtures::open(&place.url()).store;
        for _ in 0..2 {
            store.commit(&saving([telling(1)]), NOW).unwrap();
        }
        let notices = store.take_notices();
        assert!(
            matches!(notices[..], [Notice::SecretsNotKept(_)]),
            "{notices:?}"
        );
        store.close().unwrap();
        for (name, bytes) in bytes_on_disk(place.folder.path()) {
            let found = bytes.windows(SECRET.len()).any(|part| part == SECRET);
            assert!(!found, "in {name}");
        }
    }
}

#[test]
fn mistake_23_a_key_file_in_the_stores_folder_opens_nothing() {
    for scheme in SCHEMES {
        let place = Place::new(scheme);
        let beside = place.folder.path().join("key");
        SealKey::create_file(&beside).unwrap();
        let sealing = Sealing {
            mode: Mode::All,
            key: SealKey::file(&beside),
        };
        let error = refused(open_sealed(&place.url(), &sealing, NOW));
        assert!(error.to_string().contains("same folder"), "{error}");
        let elsewhere = tempfile::tempdir().unwrap();
        fs::rename(&beside, elsewhere.path().join("key")).unwrap();
        let sealing = Sealing {
            key: SealKey::file(elsewhere.path().join("key")),
            ..sealing
        };
        for _ in 0..2 {
            open_sealed(&place.url(), &sealing, NOW).unwrap();
        }
    }
}
