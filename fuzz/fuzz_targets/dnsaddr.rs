//! The TXT records of a `/dnsaddr` name, one a line.

#![no_main]

use libfuzzer_sys::fuzz_target;
use libp2p::multiaddr::Protocol;
use rejoin_fuzz::key;

// The program is no library; the file stands on its own.
#[path = "../../crates/rejoin-node/src/sources/dnsaddr.rs"]
mod dnsaddr;

use dnsaddr::{Leads, RECORDS_MAX, addresses_in, leads_to};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let found = addresses_in(text.lines().map(ToOwned::to_owned));
    assert!(found.len() <= RECORDS_MAX);
    let again = found.iter().map(|address| format!("dnsaddr={address}"));
    assert_eq!(addresses_in(again), found);
    let wanted = key().public().to_peer_id();
    for address in &found {
        match leads_to(address, None) {
            Some(Leads::To(name)) => assert_eq!(name, name.to_ascii_lowercase()),
            Some(Leads::Home) => assert!(matches!(address.iter().last(), Some(Protocol::P2p(_)))),
            None => assert_eq!(leads_to(address, Some(wanted)), None),
        }
        if leads_to(address, Some(wanted)) == Some(Leads::Home) {
            assert_eq!(address.iter().last(), Some(Protocol::P2p(wanted)));
        }
    }
});
