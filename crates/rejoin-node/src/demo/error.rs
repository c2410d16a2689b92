//! What can go wrong on the demo's stage, and what to do about it.

use std::{error::Error, io, time::Duration};

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The system gives us no threads.
    #[error("cannot start: {0}; close other programs and try again")]
    Runtime(io::Error),
    /// The network of others could not be set up.
    #[error(
        "cannot set up a network on 127.0.0.1: {0}; if it says that too many files are open, \
         ask for fewer --nodes or raise the limit (ulimit -n)"
    )]
    Network(Box<dyn Error + Send + Sync>),
    /// No place for the memory.
    #[error("cannot write to the temporary folder: {0}; free some space, or set TMPDIR")]
    Disk(io::Error),
    /// The node under test could not be started.
    #[error("cannot start the node under test: {0}; is this program still where it was started?")]
    Start(io::Error),
    /// It ended by itself.
    #[error(
        "the node under test ended too early; it said:\n{said}\n(all of it: rejoin demo --keep)"
    )]
    Ended {
        /// Its last words.
        said: String,
    },
    /// Nobody could get there.
    #[error(
        "only {surviving} nodes would survive, and it takes {wanted}: ask for more --nodes, or fewer --dead"
    )]
    TooFew {
        /// How many would.
        surviving: usize,
        /// How many have to.
        wanted: usize,
    },
    /// It did not get there.
    #[error(
        "the node under test had {got} of {wanted} {what} after {waited:?}; the machine may be too \
         busy: try again, or with fewer --nodes (rejoin demo --keep keeps the node's log)"
    )]
    TooSlow {
        /// What it had.
        got: usize,
        /// What was wanted.
        wanted: usize,
        /// Of what.
        what: &'static str,
        /// For how long.
        waited: Duration,
    },
    /// What it says makes no sense to us.
    #[error("the node under test cannot be understood: {0}; this is a bug, please report it")]
    Account(Box<dyn Error + Send + Sync>),
}

impl DemoError {
    /// Anything that went wrong between nodes.
    pub fn network(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Network(Box::new(error))
    }

    /// Anything in an account that we cannot read, or that does not come.
    pub fn account(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Account(Box::new(error))
    }
}
