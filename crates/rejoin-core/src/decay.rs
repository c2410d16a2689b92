//! Counters that fade, and averages that follow.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// How long evidence takes to weigh half as much: a peer gone for a month may have a new owner,
/// machine or line.
pub const HALF_LIFE: Duration = Duration::from_secs(HALF_LIFE_S);
const HALF_LIFE_S: u64 = 30 * 86_400;

/// A count that fades over days: what a peer is like.
pub type Decayed = Fading<HALF_LIFE_S>;

/// A count that fades over minutes: what is held against a peer just now. Half of it is gone after
/// ten minutes, as in Lighthouse's peer scores: a bug that was noticed is mended by then, an attack
/// is not over.
pub type Penalty = Fading<600>;

/// A count whose past weighs less the longer it is gone: it halves once per half-life.
///
/// The half-life is a part of the type and not a setting, since processes that share one store add
/// up each other's counts and must fade them alike.
///
/// This is exponential *forward decay* (Cormode, Shkapenyuk, Srivastava and Xu, "Forward Decay: A
/// Practical Time Decay Model for Streaming Systems", ICDE 2009): the stored value stands still
/// until something happens, two counts made by two processes simply add up, and the ratio of two
/// counts does not depend on when one looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fading<const HALF_LIFE_S: u64> {
    /// The count as it stood at `at`.
    value: f64,
    at: Time,
}

impl<const HALF_LIFE_S: u64> Fading<HALF_LIFE_S> {
    /// Nothing counted so far.
    pub const ZERO: Self = Self {
        value: 0.0,
        at: Time::from_millis(0),
    };

    /// A count of `value` made at `at`.
    pub fn new(value: f64, at: Time) -> Self {
        Self { value, at }
    }

    /// The count as it was when it last changed.
    pub fn latest(self) -> f64 {
        self.value
    }

    /// When it last changed.
    pub fn at(self) -> Time {
        self.at
    }

    /// The count as of `now`. A `now` before its last change reads as that change: a clock set back
    /// must not make the past larger.
    pub fn value(self, now: Time) -> f64 {
        if self.value == 0.0 || now <= self.at {
            return self.value;
        }
        self.value * left(now.since(self.at), HALF_LIFE_S)
    }

    /// Counts `amount` more at `now`.
    pub fn add(&mut self, amount: f64, now: Time) {
        *self = self.plus(Self::new(amount, now));
    }

    /// Both counts together, as of the later of the two. In whichever order counts are added up,
    /// the sum is the same but for rounding.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        // Mostly one of them is nothing, and then there is nothing to work out.
        if other.value == 0.0 && other.at <= self.at {
            return self;
        }
        if self.value == 0.0 && self.at <= other.at {
            return other;
        }
        let at = self.at.max(other.at);
        Self {
            value: self.value(at) + other.value(at),
            at,
        }
    }

    /// The same, but never less than nothing: what was taken away twice is no credit.
    #[must_use]
    pub fn at_least_zero(self) -> Self {
        Self {
            value: self.value.max(0.0),
            ..self
        }
    }

    /// Nothing has been counted.
    pub fn is_zero(&self) -> bool {
        self.value == 0.0
    }

    /// Makes a count read from a file usable: finite, not negative, not ahead of `now`. Says
    /// whether it had to be changed.
    pub fn sanitise(&mut self, now: Time) -> bool {
        let before = *self;
        if !self.value.is_finite() || self.value < 0.0 {
            self.value = 0.0;
        }
        self.at = self.at.min(now);
        *self != before
    }
}

/// What is left of one after `span`, by the half-life of [`Decayed`].
pub fn factor(span: Duration) -> f64 {
    left(span, HALF_LIFE_S)
}

fn left(span: Duration, half_life_s: u64) -> f64 {
    (-span.as_secs_f64() / half_life_s as f64).exp2()
}

/// Follows a measured time with the weight of TCP's smoothed round-trip time (RFC 6298: 1/8).
pub fn follow(average_ms: &mut Option<f32>, sample: Duration) {
    let sample_ms = sample.as_secs_f32() * 1000.0;
    *average_ms = Some(match *average_ms {
        None => sample_ms,
        Some(average) => average + (sample_ms - average) / 8.0,
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_count_halves_once_per_half_life() {
        let start = Time::from_millis(1_000_000);
        let mut count = Decayed::default();
        count.add(8.0, start);
        assert_eq!(count.value(start + HALF_LIFE * 3), 1.0);
        count.add(1.0, start + HALF_LIFE * 3);
        assert_eq!(count.latest(), 2.0);
    }

    #[test]
    fn a_penalty_halves_in_ten_minutes_and_is_gone_after_a_week() {
        let start = Time::from_millis(1_000_000);
        let held = Penalty::new(8.0, start);
        assert_eq!(held.value(start + Duration::from_secs(600)), 4.0);
        assert_eq!(held.value(start + HALF_LIFE), 0.0);
        assert_eq!(held.plus(Penalty::new(-9.0, start)).latest(), -1.0);
        assert!(
            held.plus(Penalty::new(-9.0, start))
                .at_least_zero()
                .is_zero()
        );
    }

    #[test]
    fn a_clock_set_back_leaves_a_count_as_it_was() {
        let count = Decayed::new(8.0, Time::from_millis(1_000_000));
        assert_eq!(count.value(Time::from_millis(0)), 8.0);
    }

    #[test]
    fn nonsense_from_a_file_is_made_usable() {
        let now = Time::from_millis(50);
        for bad in [f64::NAN, f64::INFINITY, -1.0] {
            let mut count = Decayed::new(bad, now);
            assert!(count.sanitise(now));
            assert_eq!(count.latest(), 0.0);
        }
        let mut future = Decayed::new(1.0, Time::from_millis(99));
        assert!(future.sanitise(now));
        assert_eq!(future.at(), now);
        assert!(!future.sanitise(now));
    }

    #[test]
    fn an_average_follows_slowly() {
        let mut average = None;
        follow(&mut average, Duration::from_millis(80));
        assert_eq!(average, Some(80.0));
        follow(&mut average, Duration::from_millis(160));
        assert_eq!(average, Some(90.0));
    }

    proptest! {
        #[test]
        fn the_order_of_additions_does_not_matter(
            counts in prop::collection::vec((0.0..100.0f64, 0..10_000_000_000u64), 1..20),
        ) {
            let sum = |counts: &[(f64, u64)]| {
                counts.iter().fold(Decayed::default(), |sum, &(value, at)| {
                    sum.plus(Decayed::new(value, Time::from_millis(at)))
                })
            };
            let there = sum(&counts);
            let mut reversed = counts.clone();
            reversed.reverse();
            let back = sum(&reversed);
            prop_assert_eq!(there.at(), back.at());
            prop_assert!((there.latest() - back.latest()).abs() <= 1e-9 * (1.0 + there.latest()));
        }
    }
}
