//! What every signed record that was read has to be, whichever message brought it, and the key that
//! the targets sign with. What every store has to be, whatever its file holds, is in `shelf`.

#![forbid(unsafe_code)]

pub mod shelf;

/// Peers and changes, the ones the store's own tests use.
#[path = "../../crates/rejoin-store/tests/fixtures/mod.rs"]
pub mod fixtures;

use libp2p::identity::Keypair;
use rejoin_core::{Address, SignedPeer, Word};
use rejoin_libp2p::fuzzing::record;

/// The key of `docs/wire.md`: 32 bytes of value 7.
pub fn key() -> Keypair {
    Keypair::ed25519_from_bytes([7; 32]).expect("any 32 bytes are a key")
}

/// Bounded, the same when read again, and the same after it was saved, which is done in text.
pub fn is_sound(signed: &SignedPeer) {
    assert!(signed.envelope.as_bytes().len() <= 4_096);
    for address in &signed.addresses {
        assert!(address.to_multiaddr().len() <= Address::BYTES_MAX);
        let text = address.to_string();
        assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{text:?}");
        assert_eq!(text.parse().as_ref(), Ok(address), "saved as {text:?}");
    }
    let again = record(signed.envelope.as_bytes());
    assert_eq!(again, Word::Signed(signed.clone()));
}
