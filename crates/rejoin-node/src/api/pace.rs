//! How often somebody may ask: a number of requests at once, and then one in each span. Does not read
//! the clock.

use std::time::Duration;

use tokio::time::Instant;

/// One measure for everybody it is applied to, so that it cannot grow.
#[derive(Debug)]
pub struct Pace {
    every: Duration,
    /// How far ahead of its time a request may come.
    slack: Duration,
    /// When the next one would come if they kept the pace.
    next: Instant,
}

impl Pace {
    /// `at_once` requests in a row, and `per_second` in the long run.
    pub fn new(per_second: u32, at_once: u32, now: Instant) -> Self {
        let every = Duration::from_secs(1) / per_second;
        Self {
            every,
            slack: every * (at_once - 1),
            next: now,
        }
    }

    /// Counts one request.
    ///
    /// # Errors
    /// If it comes too soon, and then it does not count: with the span to wait.
    pub fn keep(&mut self, now: Instant) -> Result<(), Duration> {
        let ahead = self.next.saturating_duration_since(now);
        if ahead > self.slack {
            return Err(ahead - self.slack);
        }
        self.next = self.next.max(now) + self.every;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_at_once_and_then_one_in_each_span() {
        // At which millisecond, and how long to wait.
        check(&[
            (0, 0),
            (0, 0),
            (0, 0),
            (0, 100),
            (99, 1),
            (100, 0),
            (100, 100),
        ]);
    }

    #[test]
    fn a_pause_gives_back_no_more_than_there_was() {
        check(&[(0, 0), (9_000, 0), (9_000, 0), (9_000, 0), (9_000, 100)]);
    }

    #[test]
    fn who_is_told_to_wait_loses_nothing_by_asking_again() {
        check(&[
            (0, 0),
            (0, 0),
            (0, 0),
            (50, 50),
            (50, 50),
            (50, 50),
            (100, 0),
        ]);
    }

    /// Ten a second, three at once.
    #[track_caller]
    fn check(requests: &[(u64, u64)]) {
        let began = Instant::now();
        let mut pace = Pace::new(10, 3, began);
        for (n, (at, wait)) in requests.iter().enumerate() {
            let told = pace.keep(began + Duration::from_millis(*at));
            let waited = told.err().unwrap_or_default();
            assert_eq!(waited, Duration::from_millis(*wait), "request {n}");
        }
    }
}
