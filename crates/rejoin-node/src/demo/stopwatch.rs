//! The one file of the demo that reads a clock.

#![expect(
    clippy::disallowed_methods,
    reason = "the one file of the demo that reads a clock"
)]

use std::time::{Duration, Instant};

/// Tells how long ago it was started.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
