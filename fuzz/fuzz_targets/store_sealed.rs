//! A store that is to be sealed and whose file holds anything, sealed or not: by the first byte a JSON
//! file or a database, of which everything is to be sealed or the secrets only.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rejoin_fuzz::shelf::{Found, survives};
use rejoin_store::{Mode, SealKey, Sealing};

fuzz_target!(|bytes: &[u8]| {
    let Some((how, file)) = bytes.split_first() else {
        return;
    };
    let sealing = Sealing {
        mode: match how & 2 {
            0 => Mode::All,
            _ => Mode::Secrets,
        },
        key: SealKey::raw([7; 32]), // the one to the samples of docs/formats.md
    };
    survives(&Found {
        scheme: match how & 1 {
            0 => "json",
            _ => "sqlite",
        },
        file,
        log: None,
        sealing: Some(&sealing),
    });
});
