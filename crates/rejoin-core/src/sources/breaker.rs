//! The circuit breaker of one source: how long it is left alone after a failure. What counts as a
//! failure is decided elsewhere.

use std::time::Duration;

use fastrand::Rng;

use crate::{
    backoff::{self, Backoff},
    config::Config,
    time::Time,
};

/// Counts a failure that was the source's own, and leaves it alone for a while.
pub fn fail(breaker: &mut Backoff, now: Time, config: &Config, rng: &mut Rng) {
    breaker.failures = breaker.failures.saturating_add(1);
    breaker.until = now + wait(breaker.failures, config, rng);
}

/// Leaves a source alone for a moment without blaming it.
pub fn rest(breaker: &mut Backoff, now: Time, config: &Config, rng: &mut Rng) {
    let (min, max) = (config.backoff_min, config.breaker_min);
    let wait = backoff::delay(breaker.failures, min, max, rng);
    breaker.until = breaker.until.max(now + wait);
}

/// `closed`, `open` or `half-open`.
pub fn state(breaker: &Backoff, now: Time, config: &Config) -> &'static str {
    let tripped = breaker.failures >= config.breaker_failures;
    match (tripped, breaker.is_over(now)) {
        (false, _) => "closed",
        (true, false) => "open",
        (true, true) => "half-open",
    }
}

/// A closed breaker only spaces out the tries; an open one doubles from its minimum.
fn wait(failures: u32, config: &Config, rng: &mut Rng) -> Duration {
    match failures.checked_sub(config.breaker_failures) {
        None => {
            let earlier = failures.saturating_sub(1);
            backoff::delay(earlier, config.backoff_min, config.breaker_min, rng)
        }
        Some(further) => config
            .breaker_min
            .saturating_mul(2u32.saturating_pow(further))
            .min(config.breaker_max),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Time = Time::from_millis(1_000_000);

    #[test]
    fn it_opens_at_five_failures_and_doubles_up_to_an_hour() {
        let (config, mut rng) = (Config::default(), Rng::with_seed(1));
        let mut breaker = Backoff::default();
        for _ in 0..4 {
            fail(&mut breaker, T, &config, &mut rng);
            assert_eq!(state(&breaker, T, &config), "closed");
        }
        for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
            fail(&mut breaker, T, &config, &mut rng);
            assert_eq!(breaker.until.since(T), Duration::from_secs(60 * minutes));
            assert_eq!(state(&breaker, T, &config), "open");
            assert_eq!(state(&breaker, breaker.until, &config), "half-open");
        }
    }

    #[test]
    fn a_rest_blames_nobody_and_shortens_no_wait() {
        let (config, mut rng) = (Config::default(), Rng::with_seed(1));
        let mut breaker = Backoff::default();
        rest(&mut breaker, T, &config, &mut rng);
        assert_eq!(breaker.failures, 0);
        assert!(!breaker.is_over(T) && breaker.is_over(T + config.breaker_min));
        for _ in 0..9 {
            fail(&mut breaker, T, &config, &mut rng);
        }
        let until = breaker.until;
        rest(&mut breaker, T, &config, &mut rng);
        assert_eq!(breaker.until, until);
    }
}
