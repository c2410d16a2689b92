//! How keys of peers are hashed: with a secret, since strangers choose their keys and must not choose
//! where they fall.

use std::hash::{BuildHasher, Hasher};

use siphasher::sip::SipHasher13;

use crate::memory::Secret;

/// SipHash (Aumasson and Bernstein, 2012) with the secret of a memory. Without one, for what is bounded
/// so narrowly that a thousand keys in one place cost nothing, it is the same in every process.
#[derive(Clone, Debug)]
pub struct Keyed(
    /// As it begins each time.
    SipHasher13,
);

impl Keyed {
    /// With this secret.
    pub fn new(secret: Secret) -> Self {
        let mut hasher = SipHasher13::new_with_key(&secret);
        hasher.write(b"peer key"); // apart from what else is hashed with it; a whole word, taken in for good
        Self(hasher)
    }
}

impl Default for Keyed {
    fn default() -> Self {
        Self::new(Secret::default())
    }
}

impl BuildHasher for Keyed {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        self.0
    }
}
