//! What the engine costs, by how many peers it remembers: `cargo bench -p rejoin-core --bench engine`.

mod crowd;

use std::{hint::black_box, time::Duration};

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use crowd::{NOW, engine, key, met};
use rejoin_core::{Config, Engine, Input, Snapshot};

const SIZES: [u32; 3] = [100, 10_000, 100_000];

fn costs(criterion: &mut Criterion) {
    for n in SIZES {
        let mut group = criterion.benchmark_group("engine");
        group
            .sample_size(10)
            .measurement_time(Duration::from_secs(2));
        group.warm_up_time(Duration::from_millis(500));

        let mut full = engine(n);
        let mut next = n;
        group.bench_function(BenchmarkId::new("insert", n), |bencher| {
            bencher.iter(|| {
                next += 1;
                full.handle_input(NOW, Input::Loaded(vec![met(next)]));
            });
        });

        let mut full = engine(n);
        let connected = key(u32::MAX);
        group.bench_function(BenchmarkId::new("evidence_update", n), |bencher| {
            bencher.iter(|| {
                let rtt = Duration::from_millis(30);
                full.handle_input(
                    NOW,
                    Input::Latency {
                        peer: connected.clone(),
                        rtt,
                    },
                );
                while full.poll_output().is_some() {}
            });
        });

        for k in [5, 20] {
            group.bench_function(BenchmarkId::new(format!("best_{k}"), n), |bencher| {
                bencher.iter(|| black_box(full.best(k).len()));
            });
        }
        group.finish();
    }

    // What a restart computes before its first dial: the store hands over its best 200.
    let mut group = criterion.benchmark_group("engine");
    group
        .sample_size(20)
        .measurement_time(Duration::from_secs(2));
    group.bench_function("first_dials_of_200_remembered", |bencher| {
        let peers: Vec<_> = (0..200).map(met).collect();
        bencher.iter_batched(
            || Snapshot {
                memory: None,
                peers: peers.clone(),
            },
            |snapshot| {
                let mut engine = Engine::new(Config::default(), snapshot, NOW, 1);
                engine.handle_input(NOW, Input::Tick);
                let mut dials = 0;
                while engine.poll_output().is_some() {
                    dials += 1;
                }
                assert!(dials >= 12);
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, costs);
criterion_main!(benches);
