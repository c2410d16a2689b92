//! Signed peer records: libp2p's envelopes in the engine's words and back. Whoever signed one with the
//! key that its name is made of lives where it says, whoever carries it.
//!
//! The *interop* signing domain is used throughout, since go-libp2p and js-libp2p reject the one that
//! rust-libp2p used at first.

use libp2p::{
    core::{PeerRecord, SignedEnvelope},
    identity::Keypair,
};
use rejoin_core::{Address, Envelope, PeerKey, SignedPeer, Word};

use crate::way;

/// What some bytes from the network say, if they are a record that its owner signed.
pub(crate) fn read(bytes: &[u8]) -> Word {
    signed(bytes).map_or(Word::Broken, Word::Signed)
}

fn signed(bytes: &[u8]) -> Option<SignedPeer> {
    // Its size first: nobody makes us check the signature of a megabyte.
    let envelope = Envelope::new(bytes.to_vec())?;
    let parsed = SignedEnvelope::from_protobuf_encoding(bytes).ok()?;
    let record = PeerRecord::from_signed_envelope_interop(parsed).ok()?;
    Some(told(&record, envelope))
}

/// Our own record; `None` if the key cannot sign, or the record is too long to be kept.
pub(crate) fn sign(key: &Keypair, addresses: &[Address]) -> Option<SignedPeer> {
    let addresses = addresses.iter().map(Address::to_multiaddr).collect();
    let record = PeerRecord::new_interop(key, addresses).ok()?;
    let bytes = record.to_signed_envelope().into_protobuf_encoding();
    Some(told(&record, Envelope::new(bytes)?))
}

fn told(record: &PeerRecord, envelope: Envelope) -> SignedPeer {
    let peer = PeerKey::from(record.peer_id());
    let addresses = record.addresses().iter();
    SignedPeer {
        addresses: addresses
            .filter_map(|address| way::stripped_of(&peer, address.clone()))
            .collect(),
        peer,
        seq: record.seq(),
        envelope,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_sign_others_can_read() {
        let key = Keypair::generate_ed25519();
        let home: Address = "/ip4/8.8.4.4/tcp/4001".parse().unwrap();
        let own = sign(&key, std::slice::from_ref(&home)).unwrap();
        assert_eq!(own.peer, PeerKey::from(key.public().to_peer_id()));
        assert_eq!(own.addresses, [home]);
        assert_eq!(read(own.envelope.as_bytes()), Word::Signed(own));
    }

    /// The record of `docs/wire.md`: the key is made of 32 sevens.
    const DOCUMENTED: &str = "0a2408011220ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c\
        120203011a490a26002408011220ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c\
        1090ba96d8061a0a0a080408080404060fa11a0d0a0b040808040491020fa1cd032a401950f7599b4886a5e38f31\
        ed9882912a68b3a5482e0ddd3f3c4f2895f3f5feec856d7c271bd2e8acab6cdedac94a2a0b2e31e0bc4d456bd555\
        a41ed6fce03e0d";

    #[test]
    fn the_documented_record_is_read() {
        let digits = DOCUMENTED.as_bytes().chunks(2);
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
        let bytes: Vec<u8> = digits.map(|pair| byte(pair).unwrap()).collect();
        let Word::Signed(signed) = read(&bytes) else {
            panic!("it is broken");
        };
        let key = Keypair::ed25519_from_bytes([7; 32]).unwrap();
        assert_eq!(signed.peer, key.public().to_peer_id().into());
        assert_eq!(signed.seq, 1_795_530_000);
        let at: Vec<_> = signed.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(
            at,
            ["/ip4/8.8.4.4/tcp/4001", "/ip4/8.8.4.4/udp/4001/quic-v1"]
        );
    }

    #[test]
    fn a_record_with_any_byte_changed_is_broken_or_says_the_same() {
        let own = sign(
            &Keypair::generate_ed25519(),
            &["/ip4/8.8.4.4/tcp/4001".parse().unwrap()],
        );
        let own = own.unwrap();
        for at in 0..own.envelope.as_bytes().len() {
            let mut bytes = own.envelope.as_bytes().to_vec();
            bytes[at] ^= 1;
            if let Word::Signed(other) = read(&bytes) {
                let same = (&other.peer, &other.addresses, other.seq);
                assert_eq!(same, (&own.peer, &own.addresses, own.seq), "byte {at}");
            }
        }
    }

    #[test]
    fn nobody_speaks_for_somebody_else() {
        let eve = Keypair::generate_ed25519();
        let own = sign(&eve, &["/ip4/8.8.4.4/tcp/4001".parse().unwrap()]).unwrap();
        // Bob's name in place of Eve's, in the part that she signed.
        let bob = Keypair::generate_ed25519().public().to_peer_id().to_bytes();
        let name = eve.public().to_peer_id().to_bytes();
        let mut bytes = own.envelope.as_bytes().to_vec();
        let at = bytes.windows(name.len()).position(|part| part == name);
        bytes.splice(at.unwrap()..at.unwrap() + name.len(), bob);
        assert_eq!(read(&bytes), Word::Broken);
    }

    #[test]
    fn a_record_in_the_old_signing_domain_is_not_read() {
        let key = Keypair::generate_ed25519();
        let address = "/ip4/8.8.4.4/tcp/4001".parse().unwrap();
        let old = PeerRecord::new(&key, vec![address]).unwrap();
        let bytes = old.into_signed_envelope().into_protobuf_encoding();
        assert_eq!(read(&bytes), Word::Broken);
    }

    #[test]
    fn nonsense_and_too_much_are_broken() {
        for bytes in [&b""[..], &[0; 100], &[255; 5_000]] {
            assert_eq!(read(bytes), Word::Broken);
        }
    }
}
