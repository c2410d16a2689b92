//! The only clock the core knows: a plain number, handed in by the caller.

use std::{
    fmt,
    num::NonZeroU64,
    ops::{Add, Sub},
    time::Duration,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds since the UNIX epoch.
///
/// One type serves saved stamps and live deadlines alike, so a test can write any moment down. The
/// shell makes sure that it never runs backwards while the program lives; between two runs it may
/// have been set in either direction, so every difference saturates at zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(
    /// One more than the milliseconds, so that an `Option<Time>` is no larger: a record holds a dozen.
    NonZeroU64,
);

impl Time {
    /// A moment that many milliseconds after the UNIX epoch. The last two that there are count as one.
    pub const fn from_millis(millis: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add(millis))
    }

    /// Milliseconds since the UNIX epoch.
    pub const fn as_millis(self) -> u64 {
        match self.0.get() {
            u64::MAX => u64::MAX,
            one_more => one_more - 1,
        }
    }

    /// How long ago `earlier` was, or zero if it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.as_millis().saturating_sub(earlier.as_millis()))
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self::from_millis(self.as_millis().saturating_add(whole_millis(span)))
    }
}

impl Sub<Duration> for Time {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self::from_millis(self.as_millis().saturating_sub(whole_millis(span)))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.as_millis())
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Time").field(&self.as_millis()).finish()
    }
}

impl Default for Time {
    fn default() -> Self {
        Self::from_millis(0)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_millis().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(Self::from_millis)
    }
}

/// A `Duration` holds more milliseconds than fit into 64 bits; such a span means "for ever" here.
fn whole_millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_and_sums_saturate() {
        let (early, late) = (Time::from_millis(10), Time::from_millis(25));
        assert_eq!(late.since(early), Duration::from_millis(15));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(early - Duration::from_secs(1), Time::from_millis(0));
        assert_eq!(early + Duration::MAX, Time::from_millis(u64::MAX));
    }

    #[test]
    fn a_moment_is_saved_as_its_milliseconds_and_a_missing_one_takes_no_room() {
        for millis in [0, 1, 1_790_000_000_000, u64::MAX] {
            let time = Time::from_millis(millis);
            assert_eq!(time.as_millis(), millis);
            let json = serde_json::to_string(&time).unwrap();
            assert_eq!(json, millis.to_string());
            assert_eq!(serde_json::from_str::<Time>(&json).unwrap(), time);
        }
        assert_eq!(size_of::<Option<Time>>(), size_of::<Time>());
    }
}
