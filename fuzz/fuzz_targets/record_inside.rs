//! What a peer may sign: anything. The first byte says whether the rest is all of what is signed (even)
//! or addresses, each after a byte with its length, in a record that is right otherwise (odd).

#![no_main]

use libfuzzer_sys::fuzz_target;
use libp2p::core::SignedEnvelope;
use rejoin_core::Word;
use rejoin_fuzz::{is_sound, key};
use rejoin_libp2p::fuzzing::record;

fuzz_target!(|bytes: &[u8]| {
    let Some((how, rest)) = bytes.split_first() else {
        return;
    };
    let payload = match how % 2 {
        0 => rest.to_vec(),
        _ => with_addresses(rest),
    };
    let domain = "libp2p-peer-record".to_owned();
    let signed = SignedEnvelope::new(&key(), domain, vec![3, 1], payload);
    let envelope = signed.expect("this key signs anything");
    if let Word::Signed(signed) = record(&envelope.into_protobuf_encoding()) {
        let me = key().public().to_peer_id();
        assert_eq!(signed.peer, me.into(), "nobody speaks for others");
        is_sound(&signed);
    }
});

/// A `PeerRecord` in protobuf.
fn with_addresses(mut rest: &[u8]) -> Vec<u8> {
    let mut payload = field(1, &key().public().to_peer_id().to_bytes());
    payload.extend([0x10, 7]); // seq
    while let Some((length, more)) = rest.split_first() {
        let (address, more) = more.split_at(more.len().min(usize::from(*length)));
        payload.extend(field(3, &field(1, address)));
        rest = more;
    }
    payload
}

fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    match u8::try_from(content.len()).ok().filter(|it| *it < 128) {
        Some(length) => bytes.push(length),
        None => bytes.extend([content.len() as u8 | 128, (content.len() >> 7) as u8]),
    }
    bytes.extend(content);
    bytes
}
