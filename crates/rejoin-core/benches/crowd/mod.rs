//! A memory of any size, the same in every run.

use std::time::Duration;

use rejoin_core::{
    Address, AddressRecord, Config, Connected, ConnectionKind, Direction, Engine, Input, PeerKey,
    PeerRecord, Snapshot, Source, Time, decay::Decayed, retention::Rule,
};

pub const NOW: Time = Time::from_millis(1_700_000_000_000);

pub fn key(n: u32) -> PeerKey {
    PeerKey::new(format!("peer-{n:08}").as_bytes()).expect("short enough")
}

fn address(n: u32) -> Address {
    let [_, a, b, c] = n.to_be_bytes();
    format!("/ip4/{}.{b}.{c}.7/tcp/4001", 11 + a % 80)
        .parse()
        .expect("an address")
}

/// Somebody met, each a little differently.
pub fn met(n: u32) -> PeerRecord {
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
pub fn engine(n: u32) -> Engine {
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

pub fn connect(engine: &mut Engine, n: u32) {
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
