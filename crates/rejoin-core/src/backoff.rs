//! How long to leave something alone after it failed.

use std::time::Duration;

use fastrand::Rng;
use serde::{Deserialize, Serialize};

use crate::time::Time;

/// The failures of one thing, and until when it is left alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backoff {
    /// Failures since the last success.
    pub failures: u32,
    /// Not to be tried before this.
    pub until: Time,
}

impl Backoff {
    /// Whether it may be tried.
    pub fn is_over(&self, now: Time) -> bool {
        now >= self.until
    }

    /// Counts one more failure and draws the next wait.
    pub fn fail(&mut self, now: Time, min: Duration, max: Duration, rng: &mut Rng) {
        self.until = now + delay(self.failures, min, max, rng);
        self.failures = self.failures.saturating_add(1);
    }

    /// Makes a wait read from a file usable: it never reaches further than `max` ahead of `now`,
    /// wherever the clock has been meanwhile. Says whether it had to be changed.
    pub fn sanitise(&mut self, now: Time, max: Duration) -> bool {
        let before = self.until;
        self.until = before.min(now + max);
        self.until != before
    }
}

/// The wait after `failures` earlier ones: drawn evenly between `min` and a ceiling that doubles
/// from `2 × min` up to `max`.
///
/// This is "full jitter" (Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog,
/// 2015) on a floor of `min`: without the floor one draw in ten would hammer a dead host.
pub fn delay(failures: u32, min: Duration, max: Duration, rng: &mut Rng) -> Duration {
    let doubled = min.saturating_mul(2u32.saturating_pow(failures.saturating_add(1)));
    let ceiling = doubled.clamp(min, max.max(min));
    let spread_ms = u64::try_from((ceiling - min).as_millis()).unwrap_or(u64::MAX - 1);
    min + Duration::from_millis(rng.u64(0..=spread_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: Duration = Duration::from_secs(1);
    const MAX: Duration = Duration::from_secs(60);

    #[test]
    fn the_ceiling_doubles_and_then_stays() {
        check(0, 2);
        check(1, 4);
        check(4, 32);
        check(5, 60);
        check(u32::MAX, 60);
    }

    #[test]
    fn draws_spread_over_the_whole_range() {
        let mut rng = Rng::with_seed(7);
        let waits: Vec<_> = (0..1_000).map(|_| delay(9, MIN, MAX, &mut rng)).collect();
        assert!(waits.iter().any(|wait| *wait < MAX / 10));
        assert!(waits.iter().any(|wait| *wait > MAX * 9 / 10));
    }

    #[test]
    fn mistake_14_a_wait_from_the_future_never_outlasts_the_longest_wait() {
        let now = Time::from_millis(1_000);
        let mut wait = Backoff {
            failures: 3,
            until: Time::from_millis(u64::MAX),
        };
        assert!(wait.sanitise(now, MAX));
        assert!(wait.is_over(now + MAX));
        assert!(!wait.sanitise(now, MAX));
    }

    /// The one place that knows how `delay` is called.
    #[track_caller]
    fn check(failures: u32, ceiling_s: u64) {
        for seed in 0..100 {
            let wait = delay(failures, MIN, MAX, &mut Rng::with_seed(seed));
            let range = MIN..=Duration::from_secs(ceiling_s);
            assert!(
                range.contains(&wait),
                "seed {seed}: {wait:?} not in {range:?}"
            );
        }
    }
}
