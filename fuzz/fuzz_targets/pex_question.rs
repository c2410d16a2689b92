//! A question of the peer exchange: what is read is what was written, and no longer than allowed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rejoin_core::Word;
use rejoin_fuzz::is_sound;
use rejoin_libp2p::fuzzing::{question, record, written};

fuzz_target!(|bytes: &[u8]| {
    let Ok(read) = question(bytes) else { return };
    assert!(bytes.len() <= 4_096 + 64, "docs/wire.md allows no more");
    let again = question(&written(&read)).expect("we read what we write");
    assert_eq!(again, read);
    if let Some(own) = &read.own
        && let Word::Signed(signed) = record(own)
    {
        is_sound(&signed);
    }
});
