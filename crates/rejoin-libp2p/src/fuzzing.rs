//! What reads messages from the network, laid open for the targets in `fuzz/`. It is there only where
//! cargo-fuzz builds, and no part of the API.

use std::io;

use libp2p::{
    StreamProtocol,
    futures::{executor::block_on, io::Cursor},
    request_response::Codec,
};
use rejoin_core::{Rumour, Word, exchange};
use serde::Serialize;

pub use crate::pex::{Answer, Question};
use crate::{gossip, pex, word};

/// Reads a question of the peer exchange.
pub fn question(bytes: &[u8]) -> io::Result<Question> {
    block_on(pex::Wire.read_request(&protocol(), &mut Cursor::new(bytes)))
}

/// Reads an answer of the peer exchange.
pub fn answer(bytes: &[u8]) -> io::Result<Answer> {
    block_on(pex::Wire.read_response(&protocol(), &mut Cursor::new(bytes)))
}

/// Writes either.
pub fn written(message: &impl Serialize) -> Vec<u8> {
    pex::encode(message)
}

/// Reads a message of gossip, as one broken word if it holds more than `max`.
pub fn rumours(bytes: &[u8], max: usize) -> Vec<(Word, u8)> {
    gossip::read(bytes, max)
}

/// Writes one.
pub fn gossip(rumours: Vec<Rumour>) -> Vec<u8> {
    gossip::write(rumours)
}

/// Reads a signed peer record.
pub fn record(bytes: &[u8]) -> Word {
    word::read(bytes)
}

fn protocol() -> StreamProtocol {
    StreamProtocol::new(exchange::PROTOCOL)
}
