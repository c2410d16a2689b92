//! Bounded text and bounded bytes: what a peer, a file or a user hands in, cut to size once.

use std::{fmt, ops::Deref, sync::Arc};

use data_encoding::BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Text of at most `MAX` characters, without control characters.
///
/// Longer text is cut rather than refused: an overlong name must not cost us the peer. Copies share the
/// characters.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Text<const MAX: usize>(Arc<str>);

impl<const MAX: usize> Text<MAX> {
    /// Strips control characters and keeps the first `MAX` characters of what is left.
    pub fn new(raw: &str) -> Self {
        let kept = raw.chars().filter(|c| !c.is_control()).take(MAX);
        Self(kept.collect::<String>().into())
    }
}

impl<const MAX: usize> Deref for Text<MAX> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::new(&String::deserialize(deserializer)?))
    }
}

/// At most `MAX` bytes, base64 in text formats. Longer is refused: half a key is no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob<const MAX: usize>(Box<[u8]>);

impl<const MAX: usize> Blob<MAX> {
    /// `None` if there are more than `MAX` bytes.
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() <= MAX).then(|| Self(bytes.into()))
    }

    /// The bytes as given.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl<const MAX: usize> Serialize for Blob<MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(&self.0))
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Blob<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64
            .decode(text.as_bytes())
            .map_err(|_| de::Error::custom("not base64"))?;
        let count = bytes.len();
        Self::new(bytes)
            .ok_or_else(|| de::Error::custom(format!("{count} bytes, at most {MAX} are kept")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_by_characters_and_loses_control_characters() {
        assert_eq!(&*Text::<4>::new("a\u{7}b\ncdef"), "abcd");
        assert_eq!(&*Text::<2>::new("äöü"), "äö");
        let read: Text<3> = serde_json::from_str("\"a\\u0000bcd\"").unwrap();
        assert_eq!(&*read, "abc");
    }

    #[test]
    fn a_blob_survives_json_and_refuses_too_much() {
        let blob = Blob::<4>::new(vec![0, 255, 7]).unwrap();
        let json = serde_json::to_string(&blob).unwrap();
        assert_eq!(serde_json::from_str::<Blob<4>>(&json).unwrap(), blob);
        assert!(serde_json::from_str::<Blob<2>>(&json).is_err());
        assert!(Blob::<2>::new(vec![1, 2, 3]).is_none());
    }
}
