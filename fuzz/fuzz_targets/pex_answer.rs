//! An answer of the peer exchange: what is read is what was written, and no longer than allowed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rejoin_core::Word;
use rejoin_fuzz::is_sound;
use rejoin_libp2p::fuzzing::{answer, record, written};

fuzz_target!(|bytes: &[u8]| {
    let Ok(read) = answer(bytes) else { return };
    assert!(bytes.len() <= 205_264, "docs/wire.md allows no more");
    let carried: usize = read.peers.iter().map(|peer| peer.len()).sum();
    assert!(carried <= bytes.len(), "nothing is made up");
    let again = answer(&written(&read)).expect("we read what we write");
    assert_eq!(again, read);
    for peer in read.peers.iter().take(50) {
        if let Word::Signed(signed) = record(peer) {
            is_sound(&signed);
        }
    }
});
