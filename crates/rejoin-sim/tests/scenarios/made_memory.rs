//! The memories of `past.rs` are made, not lived. Here a node really lives, and what it remembers
//! has the same look.

use rejoin_core::{PeerRecord, Pool};
use rejoin_sim::{Deaths, Lifetimes, Past, Scene, Sim, SimConfig};

use crate::seeds::{each_seed, secs};

const DAY: u64 = 86_400;

#[test]
fn made_records_look_like_lived_ones() {
    each_seed(2, |seed| {
        let config = SimConfig {
            discovery: true,
            ping_every: secs(60), // days of pings take their time
            ..SimConfig::default()
        };
        let mut sim = Sim::with(seed, config);
        sim.churn(Lifetimes::default(), secs(3 * DAY));
        sim.start();
        sim.run_for(secs(2 * DAY));
        sim.shutdown();
        let lived = look(sim.shelf().peers.values());
        let past = Past {
            deaths: Deaths::Churn,
            ..Past::default()
        };
        let made = look(Scene::new(seed, &past).shelf.peers.values());
        assert!(lived.proven >= 20, "{lived:?}");
        // One of those it was connected to may be a bootstrap server, which is not counted here.
        assert!((5..=8).contains(&lived.anchors), "{lived:?}");
        assert_eq!(made.anchors, 8);
        // Two round trips, and the handshake was really measured.
        assert!((1.5..2.5).contains(&lived.dial_per_rtt), "{lived:?}");
        assert!((1.5..2.5).contains(&made.dial_per_rtt), "{made:?}");
        let ratio = lived.dial_ms / made.dial_ms;
        assert!((0.6..1.6).contains(&ratio), "{lived:?} {made:?}");
    });
}

/// What a memory looks like from afar.
#[derive(Debug)]
struct Look {
    proven: usize,
    anchors: usize,
    dial_ms: f32,
    dial_per_rtt: f32,
}

/// Checks what holds for every record, and sums up.
fn look<'a>(peers: impl Iterator<Item = &'a PeerRecord>) -> Look {
    let (proven, hearsay): (Vec<_>, Vec<_>) = peers
        .filter(|record| !record.role.bootstrap)
        .partition(|record| record.pool() == Pool::Proven);
    for record in &hearsay {
        assert!(!record.addresses.is_empty());
    }
    let (mut ratios, mut dials) = (Vec::new(), Vec::new());
    for record in &proven {
        let connected = record.last_connected.expect("proven");
        assert!(record.first_seen <= connected);
        assert!(record.last_seen >= Some(connected));
        assert!(record.evidence.dials_ok.latest() > 0.0);
        assert!(record.evidence.failures_in_row < 5);
        let known = &record.addresses[0];
        assert!(known.observed && known.last_success.is_some());
        let dial = known.dial_ms.expect("dialled");
        dials.push(dial);
        // Some were not connected for long enough to be pinged.
        ratios.extend(record.evidence.latency_ms.map(|rtt| dial / rtt));
    }
    assert!(ratios.len() >= 8, "{} were pinged", ratios.len());
    let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
    Look {
        proven: proven.len(),
        anchors: proven.iter().filter(|record| record.control.anchor).count(),
        dial_ms: mean(&dials),
        dial_per_rtt: mean(&ratios),
    }
}
