//! What saving and coming back cost, by how much is remembered: SQLite and JSON at 100, 10,000 and
//! 100,000 peers.

#[path = "../tests/fixtures/mod.rs"]
mod fixtures;

use std::{cell::RefCell, hint::black_box, time::Duration};

use criterion::{BatchSize, BenchmarkId, Criterion, SamplingMode, criterion_group, criterion_main};
use rejoin_core::{Changes, Counts, PeerDelta, decay::Decayed};
use rejoin_store::PeerStore;

use fixtures::{NOW, forgetting, key, open, peer, saving};

const SIZES: [u64; 3] = [100, 10_000, 100_000];

fn stores(c: &mut Criterion) {
    for scheme in ["sqlite", "json"] {
        for size in SIZES {
            // A commit of a large JSON file takes seconds; show it, but do not wait for many.
            let large = scheme == "json" && size > 10_000;
            let folder = tempfile::tempdir().expect("a folder for the benchmark");
            let url = format!("{scheme}:{}", folder.path().join("peers").display());
            fill(&url, size);

            let mut group = c.benchmark_group(scheme);
            group.sample_size(10);
            group.sampling_mode(SamplingMode::Flat);
            group.warm_up_time(Duration::from_millis(if large { 1 } else { 200 }));
            group.measurement_time(Duration::from_millis(if large { 10 } else { 1_000 }));
            // Reads before writes, so that they meet as many peers as their name says.
            let mut store = open(&url).store;
            for k in [5, 20] {
                group.bench_function(BenchmarkId::new(format!("best {k}"), size), |b| {
                    b.iter(|| black_box(store.best(k).expect("a sound store")));
                });
            }
            store.close().expect("a sound store");
            group.bench_function(BenchmarkId::new("reopen to best 20", size), |b| {
                b.iter(|| {
                    let opened = rejoin_store::open_for_start(&url, None, NOW);
                    let mut store = opened.expect("a sound store").store;
                    black_box(store.memory().expect("a sound store"));
                    black_box(store.best(20).expect("a sound store"));
                });
            });

            let store = RefCell::new(open(&url).store);
            let mut next = size;
            let mut commits = |name, mut changes: Box<dyn FnMut() -> (Changes, Changes)>| {
                let mut undo = Changes::default();
                group.bench_function(BenchmarkId::new(name, size), |b| {
                    let prepare = || {
                        commit(&store, &undo);
                        let (changes, after) = changes();
                        undo = after;
                        changes
                    };
                    let work = |changes| commit(&store, &changes);
                    b.iter_batched(prepare, work, BatchSize::PerIteration);
                });
                commit(&store, &undo);
            };
            commits(
                "commit one new",
                Box::new(|| (saving([peer(size)]), forgetting([key(size)]))),
            );
            commits(
                "commit evidence of one",
                Box::new(move || {
                    next += 1;
                    (evidence(next % size, next), Changes::default())
                }),
            );
            let batch = size..size + 1_000;
            commits(
                "commit 1000 new",
                Box::new(move || {
                    let undo = forgetting(batch.clone().map(key));
                    (saving(batch.clone().map(peer)), undo)
                }),
            );
            group.finish();
        }
    }
}

fn fill(url: &str, size: u64) {
    let mut store = open(url).store;
    let filling = saving((0..size).map(peer));
    store.commit(&filling, NOW).expect("room on the disk");
    store.close().expect("a sound store");
}

fn commit(store: &RefCell<Box<dyn PeerStore + Send>>, changes: &Changes) {
    let mut store = store.borrow_mut();
    store.commit(changes, NOW).expect("room on the disk");
}

/// One more answered dial of a known peer.
fn evidence(n: u64, count: u64) -> Changes {
    let mut record = peer(n);
    let one = Decayed::new(1.0, NOW);
    record.last_seen = Some(NOW - Duration::from_millis(1_000_000 - count % 1_000_000));
    record.evidence.dials_ok = record.evidence.dials_ok.plus(one);
    let unsaved = Counts {
        dials_ok: one,
        ..Counts::default()
    };
    Changes {
        peers: vec![PeerDelta { record, unsaved }],
        ..Changes::default()
    }
}

criterion_group!(benches, stores);
criterion_main!(benches);
