//! What a seal over everything costs: each deed done on a sealed store and on one that is not, by turns,
//! and how many times as long it took, by the medians.

#[path = "../tests/fixtures/mod.rs"]
mod fixtures;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use rejoin_core::{Changes, PeerRecord};
use rejoin_store::{Mode, PeerStore, SealKey, Sealing, open_sealed};
use tempfile::TempDir;

use fixtures::{NOW, forgetting, key, peer, saving};

const ROUNDS: usize = 21;

type Store = Box<dyn PeerStore + Send>;

fn main() {
    for (scheme, size) in [("sqlite", 10_000), ("json", 1_000)] {
        let folder = tempfile::tempdir().expect("a folder for the benchmark");
        let open = |mode| open(&folder, scheme, mode);
        for mode in MODES {
            let mut store = open(mode);
            commit(&mut store, &saving((0..size).map(peer)));
            store.close().expect("a sound store");
        }
        compare(scheme, size, "open", |mode| {
            let began = now();
            black_box(open(mode));
            began.elapsed()
        });
        compare(scheme, size, "best 20", |mode| {
            let mut store = open(mode);
            store.count().expect("a sound store");
            let began = now();
            black_box(store.best(20).expect("a sound store"));
            began.elapsed()
        });
        let changed = |n: u64| PeerRecord {
            last_seen: Some(NOW),
            ..peer(n)
        };
        compare(scheme, size, "commit one", |mode| {
            timed(open(mode), &saving([changed(7)]), &saving([peer(7)]))
        });
        let (new, undo) = (size..size + 1_000, size..size + 1_000);
        let (new, undo) = (saving(new.map(peer)), forgetting(undo.map(key)));
        compare(scheme, size, "commit 1000 new", |mode| {
            timed(open(mode), &new, &undo)
        });
    }
}

const MODES: [Mode; 2] = [Mode::Off, Mode::All];

fn compare(scheme: &str, size: u64, deed: &str, mut once: impl FnMut(Mode) -> Duration) {
    let mut took = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (mode, took) in MODES.into_iter().zip(&mut took) {
            took.push(once(mode));
        }
    }
    let [off, all] = took.map(|mut took| {
        took.sort();
        took[ROUNDS / 2]
    });
    let ratio = all.as_secs_f64() / off.as_secs_f64();
    println!("{scheme} {size:>6} {deed:<16} off {off:>10.1?}  all {all:>10.1?}  ratio {ratio:.2}");
}

fn timed(mut store: Store, changes: &Changes, undo: &Changes) -> Duration {
    let began = now();
    commit(&mut store, changes);
    let took = began.elapsed();
    commit(&mut store, undo);
    store.close().expect("a sound store");
    took
}

fn open(folder: &TempDir, scheme: &str, mode: Mode) -> Store {
    let url = format!("{scheme}:{}/{mode:?}", folder.path().display());
    let key = SealKey::raw([7; 32]); // a passphrase costs its fixed time on top
    let sealing = Sealing { mode, key };
    open_sealed(&url, &sealing, NOW)
        .expect("a sound store")
        .store
}

fn commit(store: &mut Store, changes: &Changes) {
    store.commit(changes, NOW).expect("room on the disk");
}

#[expect(
    clippy::disallowed_methods,
    reason = "what is measured here is the clock's time"
)]
fn now() -> Instant {
    Instant::now()
}
