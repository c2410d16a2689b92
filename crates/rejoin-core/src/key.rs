//! A peer's stable name.

use std::{
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
    sync::Arc,
};

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use multiaddr::PeerId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::as_text;

/// A peer's stable name: the bytes of a libp2p `PeerId`, or a socket address in text where a network
/// has no identities. Opaque to the core: it is compared, hashed and shown, never interpreted.
///
/// In text it reads as a peer id where the bytes are one, as itself where the bytes are plain text,
/// and as `0x…` otherwise. Text and bytes always lead back to each other. Copies share the bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PeerKey(Arc<[u8]>);

/// Why some bytes or some text cannot name a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerKeyError {
    /// Nothing at all.
    #[error("a peer key is empty; give a peer id such as 12D3KooW…")]
    Empty,
    /// More than [`PeerKey::BYTES_MAX`].
    #[error(
        "a peer key has {bytes} bytes, at most {} are kept",
        PeerKey::BYTES_MAX
    )]
    TooLong {
        /// How many there were.
        bytes: usize,
    },
    /// It starts with `0x`, but what follows is not an even number of hexadecimal digits.
    #[error("a peer key starting with 0x continues with pairs of the digits 0-9 and a-f")]
    NotHex,
}

impl PeerKey {
    /// A libp2p peer id has 38 or 42 bytes, an IPv6 socket address at most 47 characters.
    pub const BYTES_MAX: usize = 128;

    /// Takes the bytes of a peer's name.
    ///
    /// # Errors
    /// If there are none, or more than [`Self::BYTES_MAX`].
    pub fn new(bytes: &[u8]) -> Result<Self, PeerKeyError> {
        match bytes.len() {
            0 => Err(PeerKeyError::Empty),
            1..=Self::BYTES_MAX => Ok(Self(bytes.into())),
            bytes => Err(PeerKeyError::TooLong { bytes }),
        }
    }

    /// The bytes as given.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The libp2p peer id these bytes are, if they are one.
    pub fn peer_id(&self) -> Option<PeerId> {
        PeerId::from_bytes(&self.0).ok()
    }
}

impl Hash for PeerKey {
    /// As its bytes alone. A slice would put its length before them, and hash twice for nothing.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0);
    }
}

impl From<PeerId> for PeerKey {
    fn from(id: PeerId) -> Self {
        Self(id.to_bytes().into())
    }
}

impl FromStr for PeerKey {
    type Err = PeerKeyError;

    fn from_str(text: &str) -> Result<Self, PeerKeyError> {
        if let Ok(id) = text.parse::<PeerId>() {
            return Ok(id.into());
        }
        match text.strip_prefix("0x") {
            Some(digits) => {
                let bytes = HEXLOWER_PERMISSIVE.decode(digits.as_bytes());
                Self::new(&bytes.map_err(|_| PeerKeyError::NotHex)?)
            }
            None => Self::new(text.as_bytes()),
        }
    }
}

impl fmt::Display for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(id) = self.peer_id() {
            return id.fmt(f);
        }
        let plain = std::str::from_utf8(&self.0)
            .ok()
            .filter(|text| !text.chars().any(char::is_control))
            // Text that would be read as something else must not pose as it.
            .filter(|text| text.parse::<Self>().as_ref() == Ok(self));
        match plain {
            Some(text) => f.write_str(text),
            None => {
                f.write_str("0x")?;
                HEXLOWER.encode_display(&self.0).fmt(f)
            }
        }
    }
}

impl fmt::Debug for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for PeerKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        as_text::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for PeerKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        as_text::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALICE: &str = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";

    #[test]
    fn a_peer_id_reads_as_one() {
        let key: PeerKey = ALICE.parse().unwrap();
        assert_eq!(key.to_string(), ALICE);
        assert_eq!(key.peer_id().unwrap().to_string(), ALICE);
    }

    #[test]
    fn a_socket_address_reads_as_itself() {
        let key: PeerKey = "8.8.4.4:30333".parse().unwrap();
        assert_eq!(key.as_bytes(), b"8.8.4.4:30333");
        assert_eq!(key.to_string(), "8.8.4.4:30333");
    }

    #[test]
    fn text_that_would_be_read_as_a_peer_id_is_shown_as_hex() {
        let impostor = PeerKey::new(ALICE.as_bytes()).unwrap();
        assert!(impostor.to_string().starts_with("0x"));
    }

    #[test]
    fn nothing_and_too_much_are_refused() {
        assert_eq!(PeerKey::new(&[]), Err(PeerKeyError::Empty));
        assert_eq!(
            PeerKey::new(&[1; 129]),
            Err(PeerKeyError::TooLong { bytes: 129 })
        );
        assert_eq!("0xabc".parse::<PeerKey>(), Err(PeerKeyError::NotHex));
    }

    proptest! {
        #[test]
        fn text_leads_back_to_the_bytes(bytes in prop::collection::vec(any::<u8>(), 1..=128)) {
            let key = PeerKey::new(&bytes).unwrap();
            prop_assert_eq!(key.to_string().parse::<PeerKey>().unwrap(), key);
        }
    }
}
