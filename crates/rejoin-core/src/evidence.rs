//! What really happened between a peer and us.

use serde::{Deserialize, Serialize};

use crate::{
    decay::{Decayed, Penalty},
    record::is_default,
    seldom::{Blank, Seldom},
    time::Time,
};

/// How a connection reaches its peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionKind {
    /// Straight to it.
    #[default]
    Direct,
    /// Straight to it, after both sides opened their firewalls at once.
    HolePunched,
    /// Through a relay.
    Relayed,
}

/// What really happened between a peer and us. Counts fade (see [`Decayed`]) and add up across
/// processes that share one memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Our dials that ended in an authenticated connection.
    #[serde(default, skip_serializing_if = "Decayed::is_zero")]
    pub dials_ok: Decayed,
    /// Our dials that did not, where the fault was not ours.
    #[serde(default, skip_serializing_if = "Decayed::is_zero")]
    pub dials_failed: Decayed,
    /// Connections that have ended.
    #[serde(default, skip_serializing_if = "Decayed::is_zero")]
    pub sessions: Decayed,
    /// How long those lasted together, in seconds.
    #[serde(default, skip_serializing_if = "Decayed::is_zero")]
    pub session_s: Decayed,
    /// What it did for us, or to us.
    #[serde(flatten)]
    pub dealings: Seldom<Dealings>,
    /// Round-trip time, in milliseconds, smoothed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f32>,
    /// How our last connection reached it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub kind: ConnectionKind,
    /// How often it could not be reached since it last could.
    #[serde(default, skip_serializing_if = "is_default")]
    pub failures_in_row: u32,
}

/// What a peer did for us, or to us, once we were connected.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Dealings {
    /// Transfers the application called good.
    #[serde(default, skip_serializing_if = "Decayed::is_zero")]
    pub transfers_ok: Decayed,
    /// Transfers it called failed.
    #[serde(default, skip_serializing_if = "Decayed::is_zero")]
    pub transfers_failed: Decayed,
    /// Invalid data, weighted: see [`Severity::weight`]. A broken limit weighs like minor invalid
    /// data.
    #[serde(default, skip_serializing_if = "Decayed::is_zero")]
    pub invalid_data: Decayed,
    /// Points for what it did lately that nobody should: see [`reputation`](crate::reputation).
    #[serde(default, skip_serializing_if = "Penalty::is_zero")]
    pub misbehaviour: Penalty,
    /// Bytes received from it, ever.
    #[serde(default, skip_serializing_if = "is_default")]
    pub bytes_in: u64,
    /// Bytes sent to it, ever.
    #[serde(default, skip_serializing_if = "is_default")]
    pub bytes_out: u64,
}

impl Blank for Dealings {
    const BLANK: &'static Self = &Self {
        transfers_ok: Decayed::ZERO,
        transfers_failed: Decayed::ZERO,
        invalid_data: Decayed::ZERO,
        misbehaviour: Penalty::ZERO,
        bytes_in: 0,
        bytes_out: 0,
    };
}

/// How bad some invalid data was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// A slip any honest program may make.
    Minor,
    /// Wrong, and it cost us something.
    Moderate,
    /// Nobody does this by accident.
    Severe,
}

impl Severity {
    /// Minor reports have to come by the dozen before they weigh as much as one severe one.
    pub fn weight(self) -> f64 {
        match self {
            Self::Minor => 1.0,
            Self::Moderate => 4.0,
            Self::Severe => 16.0,
        }
    }
}

impl Evidence {
    /// Makes what was read from a file usable: nothing is counted ahead of `now`, and counts are finite.
    /// Returns how many values had to be changed.
    pub(crate) fn sanitise(&mut self, now: Time) -> usize {
        let mut changed = 0;
        if !self.dealings.is_blank() {
            let dealings = &mut *self.dealings;
            changed += usize::from(dealings.misbehaviour.sanitise(now));
            for count in [
                &mut dealings.transfers_ok,
                &mut dealings.transfers_failed,
                &mut dealings.invalid_data,
            ] {
                changed += usize::from(count.sanitise(now));
            }
        }
        for count in [
            &mut self.dials_ok,
            &mut self.dials_failed,
            &mut self.sessions,
            &mut self.session_s,
        ] {
            changed += usize::from(count.sanitise(now));
        }
        changed
    }
}
