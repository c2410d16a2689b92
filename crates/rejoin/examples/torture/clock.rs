//! The one file that reads the clock.

#![expect(
    clippy::disallowed_methods,
    reason = "the one file that reads the clocks"
)]

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

/// Now.
pub fn now() -> Instant {
    Instant::now()
}

/// Lets time pass, for those who are to be disturbed at a moment of their own.
pub fn pass(span: Duration) {
    let (_held, never) = mpsc::channel::<()>();
    let _ = never.recv_timeout(span);
}
