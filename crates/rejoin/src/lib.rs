#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), deny(clippy::unwrap_used))]

mod keeper;
mod open;

pub use open::{OpenError, open, open_noticing, open_sealed, open_with};
pub use rejoin_core::{
    Address, AddressError, AskId, Choice, Command, Config, ConnectionKind, Consequence, DialTrace,
    Directory, DirectoryError, Explanation, Failure, LocalNetwork, Note, NoteError, Numbers,
    PeerKey, PeerRecord, PeerSecret, Pool, Purpose, SecretBytes, Severity, Snapshot, Source,
    Status, Time, Transport, query,
};
pub use rejoin_libp2p::{
    Answer, Behaviour, Blocked, Event, GOSSIP_BYTES_MAX, Setup, Shelf, gossip_topic,
};
pub use rejoin_store::{KeyError, Mode as SealMode, Notice, SealKey, Sealing, StoreError, rekey};
