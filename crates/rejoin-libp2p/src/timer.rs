//! Wakes the behaviour when the engine wants to be called. When that is, the engine says.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_timer::Delay;
use rejoin_core::{Time, Timeout};

use crate::clock::Clock;

/// Timers stop while the machine sleeps, so never nap for long: this is how late we notice at most
/// that it woke. Must stay below [`Config::sleep_gap`](rejoin_core::Config::sleep_gap).
const NAP_MAX: Duration = Duration::from_secs(30);

/// An engine that always wants to be called at once must not keep the processor busy.
const NAP_MIN: Duration = Duration::from_millis(1);

/// One alarm at a time.
#[derive(Debug)]
pub(crate) struct Timer {
    delay: Delay,
    /// When it goes off, if it is set.
    set_to: Option<Time>,
}

impl Default for Timer {
    fn default() -> Self {
        Self {
            delay: Delay::new(NAP_MAX),
            set_to: None,
        }
    }
}

impl Timer {
    /// Ready when it is time, or when the longest nap is over.
    pub(crate) fn poll(
        &mut self,
        wanted: Option<Timeout>,
        clock: &mut Clock,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let now = clock.now();
        if let Some((at, nap)) = reset_to(self.set_to, wanted.map(|timeout| timeout.at), now) {
            self.delay.reset(nap);
            self.set_to = Some(at);
        }
        let due = Pin::new(&mut self.delay).poll(cx);
        if due.is_ready() {
            self.set_to = None;
        }
        due
    }
}

/// When to go off and how long until then, if the alarm is to be set anew. One that goes off too
/// early does no harm, so it is only ever brought forward.
fn reset_to(set_to: Option<Time>, wanted: Option<Time>, now: Time) -> Option<(Time, Duration)> {
    let longest = now + NAP_MAX;
    let at = wanted.map_or(longest, |at| at.min(longest));
    if set_to.is_some_and(|set| set <= at) {
        return None;
    }
    Some((at, at.since(now).max(NAP_MIN)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_sleeps_until_the_engine_wants_to_be_called() {
        check(None, Some(1_500), Some((1_500, 500)));
    }

    #[test]
    fn it_never_sleeps_for_long() {
        check(None, Some(3_600_000), Some((31_000, 30_000)));
        check(None, None, Some((31_000, 30_000)));
    }

    #[test]
    fn it_never_spins() {
        check(None, Some(1_000), Some((1_000, 1)));
        check(None, Some(0), Some((0, 1)));
    }

    #[test]
    fn it_is_only_brought_forward() {
        check(Some(2_000), Some(1_500), Some((1_500, 500)));
        check(Some(2_000), Some(5_000), None);
        check(Some(2_000), None, None);
    }

    #[track_caller]
    fn check(set_to_ms: Option<u64>, wanted_ms: Option<u64>, expected_ms: Option<(u64, u64)>) {
        let now = Time::from_millis(1_000);
        let reset = reset_to(
            set_to_ms.map(Time::from_millis),
            wanted_ms.map(Time::from_millis),
            now,
        );
        let expected =
            expected_ms.map(|(at, nap)| (Time::from_millis(at), Duration::from_millis(nap)));
        assert_eq!(reset, expected);
    }
}
