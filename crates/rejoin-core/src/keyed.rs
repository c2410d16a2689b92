//! How keys of peers are hashed: with a secret, since strangers choose their keys and must not choose
//! where they fall.

use std::hash::{BuildHasher, Hasher};

use siphasher::sip::SipHasher13;

use crate::memory::Secret;

/// SipHash (Aumasson and Bernstein, 2012) with the secret of a memory. Without one, for what is bounded
/// so narrowly that a thousand keys in one place cost nothing, it is the same in every process.
#[derive(Clone, Debug, Default)]
pub struct Keyed(pub Secret);

impl BuildHasher for Keyed {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hasher.write_u8(b'k'); // apart from what else is hashed with this secret
        hasher
    }
}
