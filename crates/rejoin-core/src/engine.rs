//! placeholder
use crate::*;
use crate::{retention::PruneReport, score::Explanation, status::*};

/// What is known at the start: the best part of the memory, enough for the first dials.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// What is remembered beside the peers; `None` if there is no memory yet.
    pub memory: Option<Memory>,
    /// Anchors and the best peers, in any order.
    pub peers: Vec<PeerRecord>,
}

/// Decides whom to keep, whom to dial, and when. Does no I/O, reads no clock.
///
/// The caller repeats three steps: give one [`Input`], take every [`Output`], then sleep until
/// [`Engine::poll_timeout`] or the next input, whichever is first.
#[derive(Debug)]
pub struct Engine {}

impl Engine {
    /// Begins at `now` with what is remembered. The same config, snapshot, seed and inputs give the
    /// same outputs.
    pub fn new(_config: Config, _snapshot: Snapshot, _now: Time, _seed: u64) -> Self {
        Self {}
    }
    /// Takes in what has happened.
    pub fn handle_input(&mut self, _now: Time, _input: Input) {}
    /// What is to be done next, until there is nothing.
    pub fn poll_output(&mut self) -> Option<Output> {
        None
    }
    /// When to come back at the latest.
    pub fn poll_timeout(&self) -> Option<Timeout> {
        None
    }
    /// The state of things.
    pub fn status(&self, _now: Time) -> Status {
        Status::default()
    }
    /// Everybody in memory, in order of key.
    pub fn peers(&self) -> impl Iterator<Item = &PeerRecord> {
        std::iter::empty()
    }
    /// One peer's record.
    pub fn peer(&self, _key: &PeerKey) -> Option<&PeerRecord> {
        None
    }
    /// Whether a peer is connected.
    pub fn is_connected(&self, _key: &PeerKey) -> bool {
        false
    }
    /// Why a peer has the score it has; `None` if it is unknown.
    pub fn explain(&self, _key: &PeerKey, _now: Time) -> Option<Explanation> {
        None
    }
    /// What the retention rules would do now, and why.
    pub fn prune_dry_run(&self, _now: Time) -> PruneReport {
        PruneReport::default()
    }
    /// The dials of the last return to the network, oldest first.
    pub fn timeline(&self) -> impl Iterator<Item = &DialTrace> {
        std::iter::empty()
    }
}
