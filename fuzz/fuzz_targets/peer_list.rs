//! A list of peers as a server behind a URL hands it out, and one whose signer may have signed anything.

#![no_main]

use libfuzzer_sys::fuzz_target;
use libp2p::{PeerId, multiaddr::Protocol};
use rejoin_fuzz::key;
use serde_json::json;

// The program is no library; these files stand on their own.
#[allow(dead_code)]
#[path = "../../crates/rejoin-node/src/sources/list.rs"]
mod list;
#[allow(dead_code)]
#[path = "../../crates/rejoin-node/src/signature.rs"]
mod signature;

use list::{ADDRESSES_MAX, Expected, List, read};

fuzz_target!(|bytes: &[u8]| {
    let signer = key().public().to_peer_id();
    if let Ok(list) = read(bytes, expected(None)) {
        is_sound(&list);
    }
    if let Ok(list) = read(bytes, expected(Some(signer))) {
        assert!(list.issued.is_some(), "only what was signed counts");
        is_sound(&list);
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(list) = read(signed(text).as_bytes(), expected(Some(signer))) {
        assert!(list.expires > Some(NOW_MS), "what is over does not count");
        is_sound(&list);
    }
});

const NOW_MS: u64 = 2_000;

fn expected(signer: Option<PeerId>) -> Expected<'static> {
    Expected {
        signer,
        network: "main",
        now_ms: NOW_MS,
    }
}

/// Not empty, not endless, each address with its peer's name, and all the same when read again.
fn is_sound(list: &List) {
    assert!((1..=ADDRESSES_MAX).contains(&list.addresses.len()));
    for address in &list.addresses {
        assert!(matches!(address.iter().last(), Some(Protocol::P2p(_))));
    }
    let texts = list.addresses.iter().map(ToString::to_string);
    let again = read(
        json!(texts.collect::<Vec<_>>()).to_string().as_bytes(),
        expected(None),
    );
    assert_eq!(again.expect("what was read").addresses, list.addresses);
}

/// The format of `docs/formats.md` around any text.
fn signed(list: &str) -> String {
    let bytes = ["rejoin-peer-list-v1:", list].concat();
    let signature = key()
        .sign(bytes.as_bytes())
        .expect("this key signs anything");
    let digits: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({
        "rejoin": "peer-list",
        "version": 1,
        "signer": key().public().to_peer_id().to_string(),
        "signature": digits,
        "list": list,
    })
    .to_string()
}
