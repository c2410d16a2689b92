//! What the engine can tell of itself: plain data for people, programs and tests.

use serde::Serialize;

use crate::{address::Address, key::PeerKey, output::Lane, reach::Scope, time::Time};

/// The state of a node's memory and of its way back, as of one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Status {
    /// Peers with an authenticated connection.
    pub connections: usize,
    /// How many of these count for nothing now: sleeping browsers, and, after our own machine slept,
    /// who has not shown life yet.
    pub asleep: usize,
    /// How many of these are awake, no bootstrap servers, and were dialled by us.
    pub outbound: usize,
    /// How many outbound ones are wanted.
    pub outbound_reserved: usize,
    /// How many are wanted.
    pub target: usize,
    /// Peers we ourselves were connected to.
    pub proven: usize,
    /// About how many more of those are in the store only, since memory has no room for them.
    pub shelved: usize,
    /// Peers others told us of.
    pub hearsay: usize,
    /// Dials in the air.
    pub dials: usize,
    /// Since when nothing answers at all, if that is so.
    pub outage_since: Option<Time>,
    /// What the last restart, or the last return to the network, took.
    pub numbers: Numbers,
    /// Each source and its circuit breaker, in the order in which they are asked.
    pub sources: Vec<SourceStatus>,
    /// How saving goes.
    pub storage: StorageStatus,
    /// Whether others can reach us.
    pub reach: ReachStatus,
    /// What the engine waits for, in words.
    pub waiting_for: Option<&'static str>,
}

/// True numbers: only authenticated connections count, and only dials that were really made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Numbers {
    /// When the count began: at the start, when the machine woke, or when the last connection was
    /// lost.
    pub since: Time,
    /// From then to the first connection, in milliseconds.
    pub first_ms: Option<u64>,
    /// From then to the fifth connection, in milliseconds.
    pub fifth_ms: Option<u64>,
    /// From then to as many as wanted, in milliseconds.
    pub target_ms: Option<u64>,
    /// Dials made.
    pub dials: u64,
    /// Questions to DNS names, rendezvous servers and URLs.
    pub consults: u64,
    /// Of these, dials of bootstrap servers.
    pub bootstrap_dials: u64,
    /// Connections with bootstrap servers that came of it.
    pub bootstrap_connections: u64,
    /// Remembered peers dialled, each once.
    pub cached_dialled: u64,
    /// How many of them really connected.
    pub cached_connected: u64,
    /// How many of them were called off before they had answered or failed.
    pub cached_cancelled: u64,
}

impl Numbers {
    /// Remembered peers that connected, of those dialled and not called off; `None` before the
    /// first.
    pub fn hit_rate(&self) -> Option<f64> {
        let judged = self.cached_dialled.saturating_sub(self.cached_cancelled);
        (judged > 0).then(|| self.cached_connected as f64 / judged as f64)
    }
}

/// One source.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SourceStatus {
    /// Its address, name or URL.
    pub name: String,
    /// `manual` or `cached` for a bootstrap server named or remembered; `dns`, `rendezvous`, `url`.
    pub kind: &'static str,
    /// Its circuit breaker: `closed`, `open` or `half-open`.
    pub breaker: &'static str,
    /// Failures in a row.
    pub failures: u32,
    /// If open, until when.
    pub until: Option<Time>,
}

/// How saving goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct StorageStatus {
    /// Peers with changes not on disk yet.
    pub unsaved: usize,
    /// When something was last saved.
    pub saved: Option<Time>,
    /// Failed commits in a row.
    pub failures: u32,
}

/// Whether others can reach us, as far as we have seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ReachStatus {
    /// Addresses of ours that peers tried, each with the last outcome.
    pub tests: Vec<TestStatus>,
    /// The farthest from which somebody came to us straight, of themselves.
    pub visited_from: Option<Scope>,
    /// Relays that keep a slot for us, or were asked for one.
    pub relays: Vec<RelayStatus>,
    /// Peers in memory that relay for others.
    pub relays_known: usize,
}

/// One address of ours that somebody tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TestStatus {
    /// Which.
    pub address: Address,
    /// Whether it led to us.
    pub reached: bool,
    /// When.
    pub at: Time,
}

/// One relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RelayStatus {
    /// Who.
    pub peer: PeerKey,
    /// Since when it keeps a slot for us; `None` while it is asked.
    pub since: Option<Time>,
}

/// One dial of the last return, for the restart timeline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DialTrace {
    /// Who, if it was known.
    pub peer: Option<PeerKey>,
    /// Why.
    #[serde(serialize_with = "as_text")]
    pub lane: Lane,
    /// When it began.
    pub began: Time,
    /// When it ended, if it has.
    pub ended: Option<Time>,
    /// How: `connected`, `refused`, `silent`, `unreachable`, `wrong-peer`, `failed`, `cancelled`,
    /// `not-made`, or `flying`.
    pub outcome: &'static str,
}

fn as_text<S: serde::Serializer>(lane: &Lane, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(lane)
}
