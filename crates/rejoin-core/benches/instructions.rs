//! How many instructions the engine takes among 10,000 peers, each against its budget:
//!
//!     .ci/instructions
//!
//! Seconds depend on what else a machine does, instructions do not. A budget is what was counted when
//! it was last committed; beyond a twentieth more this fails. Whoever makes something dearer on
//! purpose raises it, and says why; whoever makes it cheaper lowers it.

#![allow(
    missing_docs,
    unused_qualifications,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "what the library's macros write is not ours"
)]

mod crowd;

use std::{hint::black_box, time::Duration};

use crowd::{NOW, engine, key, met};
use gungraun::{
    Callgrind, EventKind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main,
};
use rejoin_core::{Config, Deed, Engine, Input, PeerRecord, Snapshot};

const PEERS: u32 = 10_000;

/// So often each, or what only happens now and then would not count.
const TIMES: u32 = 100;

fn budget(instructions: u64) -> LibraryBenchmarkConfig {
    let limit = instructions + instructions / 20;
    LibraryBenchmarkConfig::default()
        .tool(Callgrind::default().hard_limits([(EventKind::Ir, limit)]))
        .clone()
}

fn full() -> Engine {
    engine(PEERS)
}

fn newcomers() -> (Engine, Vec<PeerRecord>) {
    (full(), (PEERS..PEERS + TIMES).map(met).collect())
}

fn snapshot() -> Snapshot {
    Snapshot {
        memory: None,
        peers: (0..200).map(met).collect(),
    }
}

fn tell(engine: &mut Engine, input: Input) {
    engine.handle_input(NOW, input);
    while engine.poll_output().is_some() {}
}

// A hundred records from the store, one by one.
#[library_benchmark(config = budget(400_660))]
#[bench::of_ten_thousand(newcomers())]
fn insert(all: (Engine, Vec<PeerRecord>)) -> Engine {
    let (mut engine, newcomers) = all;
    for record in newcomers {
        tell(&mut engine, Input::Loaded(vec![record]));
    }
    engine
}

// A hundred transfers that went well.
#[library_benchmark(config = budget(417_427))]
#[bench::of_ten_thousand(full())]
fn evidence(mut engine: Engine) -> Engine {
    for n in 0..TIMES {
        let deed = Deed::TransferOk {
            bytes_in: 1,
            bytes_out: 1,
        };
        let peer = key(n * 97 % PEERS);
        tell(&mut engine, Input::Judged { peer, deed });
    }
    engine
}

// A hundred times the best five.
#[library_benchmark(config = budget(2_103_604))]
#[bench::of_ten_thousand(full())]
fn best_5(engine: Engine) -> Engine {
    for _ in 0..TIMES {
        black_box(engine.best(black_box(5)));
    }
    engine
}

// A hundred times the best twenty.
#[library_benchmark(config = budget(4_699_619))]
#[bench::of_ten_thousand(full())]
fn best_20(engine: Engine) -> Engine {
    for _ in 0..TIMES {
        black_box(engine.best(black_box(20)));
    }
    engine
}

// What a start computes before its first dial.
#[library_benchmark(config = budget(1_193_444))]
#[bench::of_two_hundred(snapshot())]
fn first_dials(snapshot: Snapshot) -> Engine {
    let mut engine = Engine::new(Config::default(), snapshot, NOW, 1);
    tell(&mut engine, Input::Tick);
    engine
}

// What is due when nothing has happened for a while, retention rules among it.
#[library_benchmark(config = budget(17_970_066))]
#[bench::of_ten_thousand(full())]
fn house_keeping(mut engine: Engine) -> Engine {
    engine.handle_input(NOW + Duration::from_secs(900), Input::Tick);
    while engine.poll_output().is_some() {}
    engine
}

library_benchmark_group!(
    name = costs;
    benchmarks = insert, evidence, best_5, best_20, first_dials, house_keeping
);

main!(library_benchmark_groups = costs);
