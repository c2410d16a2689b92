//! A `json:` store whose file holds anything.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rejoin_fuzz::shelf::{Found, survives};

fuzz_target!(|bytes: &[u8]| {
    survives(&Found {
        scheme: "json",
        file: bytes,
        log: None,
        sealing: None,
    });
});
