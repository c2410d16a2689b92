//! Why a question gets no answer. It travels from the node to the command line as JSON, so that
//! both say the same words.

use rejoin_store::StoreError;
use serde::{Deserialize, Serialize};

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum Refusal {
    /// Nobody in memory has such a name.
    #[error(
        "nobody in memory is called {given:?}; `rejoin peers` lists everybody, and who is on the disk alone has to be named in full"
    )]
    NoSuchPeer {
        /// What was given.
        given: String,
    },
    /// The abbreviation fits more than one.
    #[error("{given:?} may be any of these; write more of it:\n  {}", candidates.join("\n  "))]
    SeveralPeers {
        /// What was given.
        given: String,
        /// The first few whom it fits.
        candidates: Vec<String>,
    },
    /// Not all peers are in memory, and the others cannot be looked at.
    #[error("the memory on the disk cannot be read: {why}")]
    Store {
        /// What is wrong with it.
        why: String,
    },
    /// There are more peers in the store than can be looked through while somebody waits.
    #[error(
        "there are too many peers to look through while you wait; `rejoin peers --stream` goes through all"
    )]
    TooLong,
    /// This takes a running node.
    #[error("no node is running here; start one with `rejoin up`")]
    NotRunning,
    /// It was tried, and did not work.
    #[error("cannot connect: {why}")]
    CannotConnect {
        /// What went wrong.
        why: String,
    },
    /// What was asked makes no sense.
    #[error("{why}")]
    Unreadable {
        /// What is wrong with it, and how it should look.
        why: String,
    },
    /// Too much at once.
    #[error("the node is busy; try again in a moment")]
    Busy,
    /// The caller did not show the token.
    #[error("the token is missing or wrong; it is in the file node.json in the data folder")]
    Forbidden,
    /// The request was meant for somebody else.
    #[error("this host name is not ours; ask 127.0.0.1 or localhost")]
    WrongHost,
    /// A page of another site asks.
    #[error("a page of another site may not ask; open this node's own address instead")]
    WrongOrigin,
    /// More requests than one may send.
    #[error("too many requests; wait {wait_s} s and send fewer")]
    TooMany {
        /// How long, in seconds.
        wait_s: u64,
    },
    /// There is no such page.
    #[error("there is nothing here; docs/json.md lists what there is")]
    NoSuchPage,
}

/// A refusal as it travels.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refused {
    /// Why.
    pub error: Refusal,
    /// The same in words.
    #[serde(default)]
    pub message: String,
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store {
            why: error.to_string(),
        }
    }
}

impl From<Refusal> for Refused {
    fn from(error: Refusal) -> Self {
        Self {
            message: error.to_string(),
            error,
        }
    }
}
