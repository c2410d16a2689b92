//! The peers all systems are given: the same in every run.

use std::net::{Ipv4Addr, SocketAddr};

/// One peer.
#[derive(Clone, Debug)]
pub struct Peer {
    /// A public key's worth of bytes.
    pub id: [u8; 32],
    /// Where it is said to be.
    pub addresses: [SocketAddr; 2],
}

impl Peer {
    /// A libp2p peer id with the key written out in it: identity multihash of an Ed25519 key in protobuf.
    pub fn libp2p_id(&self) -> [u8; 38] {
        let mut bytes = [0; 38];
        let (head, key) = bytes.split_at_mut(6);
        head.copy_from_slice(&[0x00, 0x24, 0x08, 0x01, 0x12, 0x20]);
        key.copy_from_slice(&self.id);
        bytes
    }
}

/// The `n`th.
pub fn peer(n: u64) -> Peer {
    let mut bits = Bits(n);
    let mut id = [0; 32];
    for part in id.chunks_exact_mut(8) {
        part.copy_from_slice(&bits.next().to_le_bytes());
    }
    // Public ones; networks repeat as they do.
    let [a, b, c, d, ..] = bits.next().to_le_bytes();
    let ip = Ipv4Addr::new(11 + a % 80, b, c, d);
    let addresses = [4001, 4002].map(|port| SocketAddr::new(ip.into(), port));
    Peer { id, addresses }
}

/// So many different ones of the first `n`, by lot.
pub fn some(count: u64, n: u64) -> impl Iterator<Item = Peer> {
    let mut bits = Bits(0x5eed);
    (0..count).map(move |_| peer(bits.next() % n))
}

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
struct Bits(u64);

impl Bits {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}
