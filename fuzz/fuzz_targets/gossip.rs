//! A round of gossip: at most as many words as allowed, each one sound or broken, and those that are
//! passed on arrive as they came.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rejoin_core::{Rumour, Word};
use rejoin_fuzz::is_sound;
use rejoin_libp2p::fuzzing::{gossip, rumours};

fuzz_target!(|bytes: &[u8]| {
    let words = rumours(bytes, 20);
    assert!(words.len() <= 20, "docs/wire.md allows no more");
    let sound: Vec<_> = words
        .into_iter()
        .filter(|(word, _)| match word {
            Word::Signed(signed) => {
                is_sound(signed);
                true
            }
            Word::Broken => false,
        })
        .collect();
    let told = sound.iter().filter_map(|(word, hops)| match word {
        Word::Signed(signed) => Some(Rumour {
            envelope: signed.envelope.clone(),
            hops: *hops,
        }),
        Word::Broken => None,
    });
    assert_eq!(rumours(&gossip(told.collect()), 20), sound);
});
