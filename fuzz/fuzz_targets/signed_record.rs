//! A signed record as it travels. Few bytes that nobody signed get past the signature; what is behind it
//! is tried in `record_inside`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rejoin_core::Word;
use rejoin_fuzz::is_sound;
use rejoin_libp2p::fuzzing::record;

fuzz_target!(|bytes: &[u8]| {
    if let Word::Signed(signed) = record(bytes) {
        assert_eq!(
            signed.envelope.as_bytes(),
            bytes,
            "it is handed on as it came"
        );
        is_sound(&signed);
    }
});
