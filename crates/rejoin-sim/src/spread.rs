//! Percentiles of times of which some may be never.

use std::time::Duration;

use serde::Serialize;

/// The time of what did not happen, in milliseconds.
pub const NEVER: u64 = u64::MAX;

/// A time in milliseconds, [`NEVER`] if there is none.
pub fn millis(span: Option<Duration>) -> u64 {
    span.map_or(NEVER, |span| {
        u64::try_from(span.as_millis()).unwrap_or(NEVER)
    })
}

/// Percentiles of a time, in milliseconds; `None` stands for never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// Half are faster.
    pub p50_ms: Option<u64>,
    /// 95 of 100 are faster.
    pub p95_ms: Option<u64>,
    /// 99 of 100 are faster.
    pub p99_ms: Option<u64>,
}

impl Spread {
    /// The percentiles of some times, by nearest rank.
    pub fn of(mut times_ms: Vec<u64>) -> Self {
        times_ms.sort_unstable();
        let rank = |percent: usize| {
            let place = (times_ms.len() * percent).div_ceil(100).saturating_sub(1);
            times_ms.get(place).copied().filter(|ms| *ms != NEVER)
        };
        Self {
            p50_ms: rank(50),
            p95_ms: rank(95),
            p99_ms: rank(99),
        }
    }

    /// The first two.
    pub(crate) fn in_short(self) -> String {
        let show = |ms: Option<u64>| ms.map_or("never".into(), |ms| ms.to_string());
        format!("{}/{}", show(self.p50_ms), show(self.p95_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_taken_by_nearest_rank() {
        let spread = Spread::of((1..=100).collect());
        assert_eq!(
            spread,
            Spread {
                p50_ms: Some(50),
                p95_ms: Some(95),
                p99_ms: Some(99)
            }
        );
        assert_eq!(Spread::of(vec![7]).p99_ms, Some(7));
        assert_eq!(Spread::of(vec![7, NEVER]).p95_ms, None);
    }
}
