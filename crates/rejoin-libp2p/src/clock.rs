//! The one place where the two real clocks are read. What time means to the engine is not decided
//! here; the arithmetic takes the readings as arguments, so that a test can write any of them down.

#![expect(
    clippy::disallowed_methods,
    reason = "the one file that reads the clocks"
)]

use std::time::{Duration, Instant, SystemTime};

use rejoin_core::Time;

/// The time now, for whoever opens a store before there is a behaviour.
pub fn now() -> Time {
    Clock::start().peek()
}

/// Never runs backwards, and goes on while the machine sleeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    mono: Instant,
    wall: SystemTime,
    /// Since the UNIX epoch. Whole milliseconds would lose the rest at every reading.
    now: Duration,
}

impl Clock {
    /// Begins with what the wall says.
    pub(crate) fn start() -> Self {
        Self::begin(Instant::now(), SystemTime::now())
    }

    /// The time now.
    pub(crate) fn now(&mut self) -> Time {
        self.advance(Instant::now(), SystemTime::now())
    }

    /// The time now, for whoever only looks.
    pub(crate) fn peek(&self) -> Time {
        let mut looking = *self;
        looking.now()
    }

    fn begin(mono: Instant, wall: SystemTime) -> Self {
        let now = wall
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        Self { mono, wall, now }
    }

    /// `Instant` may stop during sleep; the wall clock may be set back. The larger step is the true
    /// one, but the two are never read at the same moment: taking the larger of two readings that
    /// differ by noise would let time run fast.
    fn advance(&mut self, mono: Instant, wall: SystemTime) -> Time {
        let ticked = mono.saturating_duration_since(self.mono);
        let walled = wall.duration_since(self.wall).unwrap_or(Duration::ZERO);
        (self.mono, self.wall) = (mono, wall);
        let step = if walled > ticked.saturating_add(NOISE) {
            walled
        } else {
            ticked
        };
        self.now = self.now.saturating_add(step);
        Time::from_millis(u64::try_from(self.now.as_millis()).unwrap_or(u64::MAX))
    }
}

/// No sleep shorter than this matters, and no two readings are further apart by chance.
const NOISE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_going_on_give_their_step() {
        check(10_000, 10_000, 10_000);
    }

    #[test]
    fn a_sleep_that_stopped_one_clock_is_counted() {
        check(5, 3_600_000, 3_600_000);
    }

    #[test]
    fn a_wall_clock_set_back_neither_freezes_nor_turns_time() {
        check(2_000, -86_400_000, 2_000);
    }

    #[test]
    fn noise_between_the_two_readings_is_not_time() {
        check(100, 900, 100);
    }

    #[test]
    fn many_short_steps_add_up() {
        let (mono, wall) = (Instant::now(), SystemTime::now());
        let mut clock = Clock::begin(mono, wall);
        let began = clock.advance(mono, wall);
        let tenth = Duration::from_micros(100);
        for step in 1..=10_000 {
            clock.advance(mono + tenth * step, wall + tenth * step);
        }
        let end = mono + tenth * 10_000;
        let after = clock.advance(end, wall + tenth * 10_000);
        assert_eq!(after.since(began), Duration::from_secs(1));
    }

    #[test]
    fn looking_does_not_move_the_clock() {
        let clock = Clock::start();
        let before = clock.now;
        clock.peek();
        assert_eq!(clock.now, before);
    }

    #[track_caller]
    fn check(mono_ms: u64, wall_ms: i64, expected_ms: u64) {
        let (mono, wall) = (Instant::now(), SystemTime::now());
        let mut clock = Clock::begin(mono, wall);
        let began = clock.advance(mono, wall);
        let by = Duration::from_millis(wall_ms.unsigned_abs());
        let wall = if wall_ms < 0 { wall - by } else { wall + by };
        let after = clock.advance(mono + Duration::from_millis(mono_ms), wall);
        assert_eq!(after.since(began), Duration::from_millis(expected_ms));
    }
}
