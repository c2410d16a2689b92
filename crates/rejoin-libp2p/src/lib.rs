//! Rejoin inside a libp2p swarm: a [`Behaviour`] that gathers evidence from what the swarm goes
//! through, and dials whom the engine of `rejoin-core` wants.
//!
//! This crate is a dictionary between libp2p and the engine. It holds no policy and knows no file:
//! what is to be saved goes to a [`Shelf`]. The crate `rejoin` puts both together.

#![cfg_attr(not(test), deny(clippy::unwrap_used))]

mod asking;
mod behaviour;
mod clock;
mod event;
mod failure;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gossip;
mod keep_alive;
mod pex;
mod senses;
mod shelf;
mod slots;
mod surroundings;
mod talk;
mod timer;
mod translator;
mod turns;
mod way;
mod word;

pub use behaviour::{Behaviour, Blocked, Setup};
pub use clock::now;
pub use event::Event;
pub use failure::failure_of_dial;
pub use gossip::{GOSSIP_BYTES_MAX, gossip_topic};
pub use libp2p::identity::Keypair;
pub use shelf::{Answer, Shelf};
