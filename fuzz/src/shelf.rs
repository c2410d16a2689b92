//! What must be true of a store whose files hold anything at all: it opens, keeps the evidence, gives
//! back only what is usable, goes on saving, and is sound from then on.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use rejoin_core::{PeerKey, PeerRecord};
use rejoin_store::{Notice, Opened, PeerStore, Sealing, StoreError, open, open_sealed};

use crate::fixtures::{NOW, all, key, peer, saving};

/// A store as somebody left it.
pub struct Found<'a> {
    /// `json` or `sqlite`.
    pub scheme: &'static str,
    /// What is in the file.
    pub file: &'a [u8],
    /// What is in SQLite's log beside it, if there is one.
    pub log: Option<&'a [u8]>,
    /// How it is opened, if it is to be sealed.
    pub sealing: Option<&'a Sealing>,
}

impl Found<'_> {
    fn open(&self, url: &str) -> Result<Opened, StoreError> {
        match self.sealing {
            None => open(url, NOW),
            Some(sealing) => open_sealed(url, sealing, NOW),
        }
    }
}

/// Goes through all of it.
pub fn survives(found: &Found<'_>) {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let path = folder.path().join("peers");
    fs::write(&path, found.file).expect("a file there");
    if let Some(log) = found.log {
        fs::write(folder.path().join("peers-wal"), log).expect("a file there");
    }
    let url = format!("{}:{}", found.scheme, path.display());
    let opened = match found.open(&url) {
        Ok(opened) => opened,
        Err(
            StoreError::TooNew { .. } | StoreError::Sealed { .. } | StoreError::WrongKey { .. },
        ) => return is_untouched(&path, found),
        Err(error) => panic!("it must open: {error}"),
    };
    for notice in &opened.notice {
        if let Some(kept) = kept_by(notice) {
            is_evidence(&kept, found);
        }
    }
    let mut store = opened.store;
    let before = is_usable(&mut *store);
    store
        .commit(&saving([peer(1)]), NOW)
        .expect("a store that opens takes changes");
    let after = is_usable(&mut *store);
    assert!(store.get(&key(1)).expect("it is read").is_some());
    let mut expected = before;
    expected.insert(key(1));
    assert_eq!(after, expected, "a commit changes what it names");
    store.close().expect("nothing is left to do");
    let again = found.open(&url).expect("what we wrote opens");
    assert_eq!(again.notice, [], "what we wrote is sound");
    let mut store = again.store;
    assert_eq!(is_usable(&mut *store), after);
    let best = store.best(usize::MAX).expect("it is read");
    assert_eq!(keys(&best), after);
    assert_eq!(best.len(), after.len());
    let count = store.count().expect("it is read");
    let unreadable = store.repairs().unreadable > 0;
    assert!(count == after.len() || unreadable && count > after.len());
}

/// Everybody in it, each of them usable.
fn is_usable(store: &mut dyn PeerStore) -> BTreeSet<PeerKey> {
    store.memory().expect("it is read");
    store.count().expect("it is read");
    let scanned = all(store);
    let best = store.best(usize::MAX).expect("it is read");
    for record in scanned.iter().chain(&best) {
        assert_eq!(record.clone().sanitise(NOW), 0, "{record:?}");
        store.get(&record.key).expect("it is read");
    }
    keys(&scanned)
}

fn keys(records: &[PeerRecord]) -> BTreeSet<PeerKey> {
    records.iter().map(|record| record.key.clone()).collect()
}

fn kept_by(notice: &Notice) -> Option<PathBuf> {
    match notice {
        Notice::Damaged { kept, .. } | Notice::Foreign { kept, .. } => Some(kept.clone()),
        _ => None,
    }
}

/// With a log SQLite may have finished what that says.
fn is_evidence(kept: &Path, found: &Found<'_>) {
    let bytes = fs::read(kept).expect("what was damaged is kept");
    assert!(found.log.is_some() || bytes == found.file, "as it was");
}

fn is_untouched(path: &Path, found: &Found<'_>) {
    let bytes = fs::read(path).expect("it is still there");
    assert!(found.log.is_some() || bytes == found.file, "as it was");
}
