//! The mind of a node's peer memory: whom to keep, whom to dial, when, and what to tell.

#![cfg_attr(not(test), deny(clippy::unwrap_used))]

pub mod address;
mod addresses;
mod as_text;
pub mod backoff;
mod book;
pub mod changes;
pub mod choose;
mod common;
pub mod config;
pub mod decay;
mod dialer;
pub mod directory;
pub mod engine;
pub mod evidence;
pub mod exchange;
mod head_start;
mod health;
mod hosts;
mod hot;
pub mod input;
pub mod introducers;
pub mod key;
mod keyed;
mod links;
pub mod memory;
pub mod netgroup;
pub mod notes;
mod order;
mod outage;
pub mod output;
mod placement;
pub mod query;
mod queue;
mod ranking;
pub mod reach;
mod reachable;
pub mod record;
mod records;
mod relays;
pub mod reputation;
pub mod retention;
mod rumours;
mod scene;
pub mod score;
pub mod secret;
pub mod seldom;
pub mod signed;
pub mod source;
mod sources;
pub mod status;
pub mod survival;
mod tally;
pub mod text;
pub mod time;
mod trim;
mod unsaved;

pub use address::{Address, AddressError, Transport};
pub use changes::{Changes, Counts, PeerDelta};
pub use choose::{Choice, Purpose, PurposeError};
pub use config::{Config, ExchangeConfig};
pub use directory::{Directory, DirectoryError};
pub use engine::{Engine, Snapshot};
pub use evidence::{ConnectionKind, Dealings, Evidence, Severity};
pub use input::{
    AddressFailure, Command, Connected, Deed, Direction, Failure, Identified, Input, QuestionId,
    Rerouted, Tested, Word,
};
pub use key::{PeerKey, PeerKeyError};
pub use memory::{Memory, MemoryDelta};
pub use netgroup::Netgroup;
pub use notes::{Note, NoteError, Notes};
pub use output::{
    AskId, Dial, DialId, DisconnectReason, Event, Lane, Output, Ranked, Recall, Recalled, Reserve,
    Rumour, Timeout,
};
pub use reach::{LocalNetwork, Scope};
pub use record::{AddressRecord, Ban, PeerRecord, Pool};
pub use reputation::Consequence;
pub use score::Explanation;
pub use secret::{PeerSecret, SecretBytes};
pub use signed::{Credentials, Envelope, SignedPeer};
pub use source::Source;
pub use status::{DialTrace, Numbers, ReachStatus, RelayStatus, Status, TestStatus};
pub use survival::SurvivalCounts;
pub use time::Time;
