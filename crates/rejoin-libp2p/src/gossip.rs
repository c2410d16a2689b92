//! One round of gossip as a message. How messages travel is the program's: its gossipsub publishes what
//! we hand out and hands us what its neighbours published. Field by field it is described in
//! `docs/wire.md`.

use rejoin_core::{Rumour, Word};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{pex, word};

/// The topic of a network. Messages on it are for direct neighbours only: whoever validates them has to
/// *ignore* them after reading, so that gossipsub does not forward them. What is worth passing on, each
/// node passes on in a round of its own.
pub fn gossip_topic(network: &str) -> String {
    format!("rejoin/peers/1/{network}")
}

/// Twenty records of at most 4 KiB, and what is around them: what gossipsub has to transmit.
pub const GOSSIP_BYTES_MAX: usize = 20 * (4_096 + 32) + 64;

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Message {
    rumours: Vec<Told>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Told {
    record: ByteBuf,
    hops: u8,
}

pub(crate) fn write(rumours: Vec<Rumour>) -> Vec<u8> {
    let told = |rumour: Rumour| Told {
        record: ByteBuf::from(rumour.envelope.as_bytes()),
        hops: rumour.hops,
    };
    pex::encode(&Message {
        rumours: rumours.into_iter().map(told).collect(),
    })
}

/// What a message says, with one word too many if it says more than `max`: nobody makes us check
/// thousands of signatures.
pub(crate) fn read(bytes: &[u8], max: usize) -> Vec<(Word, u8)> {
    match pex::decode::<Message>(bytes, GOSSIP_BYTES_MAX) {
        Ok(Message { rumours }) if rumours.len() <= max => rumours
            .into_iter()
            .map(|told| (word::read(&told.record), told.hops))
            .collect(),
        _ => vec![(Word::Broken, 0)],
    }
}

#[cfg(test)]
mod tests {
    use libp2p::identity::Keypair;
    use rejoin_core::SignedPeer;

    use super::*;

    fn alice() -> SignedPeer {
        let home = "/ip4/8.8.4.4/tcp/4001".parse().unwrap();
        word::sign(&Keypair::generate_ed25519(), &[home]).unwrap()
    }

    #[test]
    fn rumours_arrive_as_they_were_told() {
        let alice = alice();
        let envelope = alice.envelope.clone();
        let message = write(vec![Rumour { envelope, hops: 2 }]);
        assert_eq!(read(&message, 20), [(Word::Signed(alice), 2)]);
    }

    #[test]
    fn too_many_rumours_and_nonsense_are_one_broken_word() {
        let Rumour { envelope, .. } = Rumour {
            envelope: alice().envelope,
            hops: 0,
        };
        let many = vec![Rumour { envelope, hops: 0 }; 21];
        for message in [write(many), vec![255; 9], vec![0; GOSSIP_BYTES_MAX + 1]] {
            assert_eq!(read(&message, 20), [(Word::Broken, 0)]);
        }
    }

    #[test]
    fn the_wire_looks_as_documented() {
        let message = Message {
            rumours: vec![Told {
                record: ByteBuf::from(vec![1, 2]),
                hops: 3,
            }],
        };
        let expected = b"\xa1\x67rumours\x81\xa2\x66record\x42\x01\x02\x64hops\x03";
        assert_eq!(pex::encode(&message), expected);
    }
}
