//! What the application keeps of a peer that nobody else may read: open in the hands of the program,
//! sealed wherever it is written down. How it is sealed is the store's business.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};

use crate::text::Blob;

/// How long a secret may be, in bytes: a key, a token or a shared phrase, not a file.
pub const SECRET_BYTES_MAX: usize = 1024;

/// How long it may be once sealed: with the nonce and the tag of whichever cipher a store uses.
pub const SEALED_BYTES_MAX: usize = SECRET_BYTES_MAX + 64;

/// One secret. Only a sealed one is ever written; an open one has no text form.
#[derive(Clone, PartialEq, Eq)]
pub enum PeerSecret {
    /// To be read and changed by the program.
    Open(SecretBytes),
    /// As it lies in a store whose key we do not have; handed back untouched.
    Sealed(Blob<SEALED_BYTES_MAX>),
}

/// The bytes of a secret, at most [`SECRET_BYTES_MAX`]. Shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretBytes(Vec<u8>);

impl SecretBytes {
    /// `None` if there are more than [`SECRET_BYTES_MAX`].
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() <= SECRET_BYTES_MAX).then_some(Self(bytes))
    }

    /// The bytes as given.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl PeerSecret {
    /// The secret itself, unless it is sealed.
    pub fn open(&self) -> Option<&SecretBytes> {
        match self {
            Self::Open(bytes) => Some(bytes),
            Self::Sealed(_) => None,
        }
    }
}

/// Whether there is nothing here that may be written.
pub(crate) fn is_unwritten(secret: &Option<PeerSecret>) -> bool {
    !matches!(secret, Some(PeerSecret::Sealed(_)))
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secret bytes", self.0.len())
    }
}

impl fmt::Debug for PeerSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(bytes) => write!(f, "Open({bytes:?})"),
            Self::Sealed(blob) => write!(f, "Sealed({} bytes)", blob.as_bytes().len()),
        }
    }
}

impl Serialize for PeerSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Open(_) => Err(ser::Error::custom("an open secret is not written")),
            Self::Sealed(blob) => blob.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for PeerSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Blob::deserialize(deserializer).map(Self::Sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{record::PeerRecord, time::Time};

    fn alice(secret: PeerSecret) -> PeerRecord {
        let mut record = PeerRecord::new("alice".parse().unwrap(), Time::from_millis(1));
        record.notes.secret = Some(secret);
        record
    }

    fn open(text: &str) -> PeerSecret {
        PeerSecret::Open(SecretBytes::new(text.into()).unwrap())
    }

    #[test]
    fn an_open_secret_is_never_written() {
        let json = serde_json::to_string(&alice(open("swordfish"))).unwrap();
        assert!(!json.contains("secret"), "{json}");
        assert!(serde_json::to_string(&open("swordfish")).is_err());
    }

    #[test]
    fn a_sealed_secret_survives_json_and_stays_sealed() {
        let sealed = PeerSecret::Sealed(Blob::new(vec![7; SEALED_BYTES_MAX]).unwrap());
        let json = serde_json::to_string(&alice(sealed.clone())).unwrap();
        assert!(json.contains(r#""secret":"BwcH"#), "{json}");
        let back: PeerRecord = serde_json::from_str(&json).unwrap();
        assert_eq!(back.notes.secret, Some(sealed));
    }

    #[test]
    fn no_secret_is_shown_not_even_to_who_debugs() {
        for shown in [
            format!("{:?}", alice(open("AAAA"))),
            format!("{:#?}", open("AAAA")),
            format!("{:?}", open("AAAA").open()),
            format!("{:?}", PeerSecret::Sealed(Blob::new(vec![65; 4]).unwrap())),
        ] {
            assert!(!shown.contains("AA") && !shown.contains("65"), "{shown}");
        }
    }

    #[test]
    fn a_secret_that_is_too_long_is_refused() {
        assert!(SecretBytes::new(vec![0; SECRET_BYTES_MAX]).is_some());
        assert!(SecretBytes::new(vec![0; SECRET_BYTES_MAX + 1]).is_none());
        let text = format!("\"{}\"", "A".repeat(1_600));
        assert!(serde_json::from_str::<PeerSecret>(&text).is_err());
    }
}
