//! What the engine costs, by how many peers it remembers: `cargo bench -p rejoin-core`.

use std::{hint::black_box, time::Duration};

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use rejoin_core::{
    Address, AddressRecord, Config, Connected, ConnectionKind, Direction, Engine, Input, PeerKey,
    PeerRecord, Snapshot, Source, Time, decay::Decayed, retention::Rule,
};

const NOW: Time = Time::from_millis(1_700_000_000_000);
const SIZES: [u32; 3] = [100, 10_000, 100_000];

fn key(n: u32) -> PeerKey {
    PeerKey::new(format!("peer-{n:08}").as_bytes()).expect("short enough")
}

fn address(n: u32) -> Address {
    let [_, a, b, c] = n.to_be_bytes();
    format!("/ip4/{}.{b}.{c}.7/tcp/4001", 11 + a % 80)
        .parse()
        .expect("an address")
}

fn met(n: u32) -> PeerRecord {
    let seen = NOW - Duration::from_secs(u64::from(n % 1_000) * 60);
    let mut record = PeerRecord::new(key(n), seen - Duration::from_secs(86_400 * 9));
    record.last_seen = Some(seen);
    record.last_connected = Some(seen);
    record.evidence.dials_ok = Decayed::new(f64::from(n % 17), seen);
    record.evidence.latency_ms = Some(20.0 + (n % 300) as f32);
    let mut known = AddressRecord::new(address(n), Source::Own, seen);
    known.dial_ms = Some(80.0 + (n % 900) as f32);
    known.last_success = Some(seen);
    record.addresses.push(known);
    record
}

/// An engine that remembers `n` peers, holds what it wants and has room for all of them.
fn engine(n: u32) -> Engine {
    let config = Config {
        target: 1,
        low_water: 1,
        retention: vec![Rule::ProvenCap(10_000_000)],
        ..Config::default()
    };
    let snapshot = Snapshot {
        memory: None,
        peers: (0..n).map(met).collect(),
    };
    let mut engine = Engine::new(config, snapshot, NOW, 1);
    connect(&mut engine, u32::MAX);
    engine
}

fn connect(engine: &mut Engine, n: u32) {
    engine.handle_input(
        NOW,
        Input::Connected(Connected {
            peer: key(n),
            address: address(n),
            direction: Direction::Inbound,
            kind: ConnectionKind::Direct,
            failures: vec![],
        }),
    );
    while engine.poll_output().is_some() {}
}

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
