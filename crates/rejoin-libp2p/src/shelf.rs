//! What the behaviour asks of whoever keeps the memory. The keeping itself, its files and its
//! thread, is elsewhere: this crate knows no store.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use rejoin_core::{Changes, PeerRecord, Recall, Recalled, Time};

/// Keeps the memory. It runs beside the swarm and never makes it wait.
pub trait Shelf: Send + 'static {
    /// Writes these changes, made up to `now`, and answers with [`Answer::Committed`] under this
    /// number. Returns at once, whatever the disk does.
    fn commit(&mut self, number: u64, changes: Changes, now: Time);

    /// Reads this from the store and answers with [`Answer::Recalled`], whatever comes of it. Returns at
    /// once.
    fn recall(&mut self, whom: Recall);

    /// The next answer, in the order in which the work was done: a part of the memory that was read
    /// before a commit comes before the answer to it. Wakes the task when there is one.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Answer>;

    /// The next answer, waiting for it no longer than this; `None` if none came. Called only when
    /// the program ends.
    fn wait_answer(&mut self, at_most: Duration) -> Option<Answer>;
}

/// What a [`Shelf`] has to say.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// A part of the memory that was not in the first snapshot.
    Loaded(Vec<PeerRecord>),
    /// All of it that there is room for is loaded; so many peers are in the store beside those.
    Shelved(usize),
    /// What was asked for, as far as it is there.
    Recalled(Recalled),
    /// What became of a commit.
    Committed {
        /// Which.
        number: u64,
        /// Whether it is on the disk.
        ok: bool,
    },
}
