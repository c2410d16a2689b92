//! What saving and coming back cost, by how much is remembered: SQLite and JSON at 100, 10,000 and
//! 100,000 peers.

#[path = "../tests/fixtures/mod.rs"]
mod fixtures;

use std::{hint::black_box, time::Duration};

use criterion::{BenchmarkId, Criterion, SamplingMode, criterion_group, criterion_main};
use rejoin_core::{Changes, Counts, PeerDelta, decay::Decayed};
use rejoin_store::PeerStore;

use fixtures::{NOW, open, peer, saving};

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
            let mut bench = |name: &str, step: &mut dyn FnMut()| {
                group.bench_function(BenchmarkId::new(name, size), |b| b.iter(&mut *step));
            };

            let mut store = open(&url).store;
            let mut next = size;
            bench("commit one new", &mut || {
                next += 1;
                commit(&mut *store, &saving([peer(next)]));
            });
            bench("commit evidence of one", &mut || {
                next += 1;
                commit(&mut *store, &evidence(next % size, next));
            });
            if !large {
                bench("commit 1000 new", &mut || {
                    commit(&mut *store, &saving((next + 1..=next + 1_000).map(peer)));
                    next += 1_000;
                });
            }
            for k in [5, 20] {
                bench(&format!("best {k}"), &mut || {
                    black_box(store.best(k).expect("a sound store"));
                });
            }
            drop(store);
            bench("reopen to best 20", &mut || {
                let mut store = open(&url).store;
                black_box(store.memory().expect("a sound store"));
                black_box(store.best(20).expect("a sound store"));
            });
            group.finish();
        }
    }
}

fn fill(url: &str, size: u64) {
    let mut store = open(url).store;
    commit(&mut *store, &saving((0..size).map(peer)));
    store.close().expect("a sound store");
}

fn commit(store: &mut dyn PeerStore, changes: &Changes) {
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
