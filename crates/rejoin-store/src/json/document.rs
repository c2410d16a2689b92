//! The text of a `json:` file: read strictly, and written for people to read. Touches no disk.

use std::fmt;

use rejoin_core::{Memory, PeerRecord, record::Unknown};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::shelf::Shelf;

/// What the file says it is.
const KIND: &str = "peers";

/// The version written here, and the newest that can be read.
pub(crate) const VERSION: u32 = 1;

/// What is in the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Document {
    /// How often the file had been written: tells an older copy from a newer state.
    pub(crate) generation: u64,
    pub(crate) shelf: Shelf,
    /// Fields beside ours. We hand them back.
    pub(crate) unknown: Unknown,
}

/// Why some bytes are no document.
#[derive(Debug, PartialEq)]
pub(crate) enum Flaw {
    /// Good JSON, but of another program or another kind.
    Foreign,
    /// Ours, but of a later version.
    TooNew(u32),
    /// Not readable as a whole, for this reason.
    Damaged(String),
}

impl Document {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Flaw> {
        let outline =
            serde_json::from_slice::<Outline<'_>>(bytes).map_err(
                |error| match announced_version(bytes) {
                    Some(version) if version > VERSION => Flaw::TooNew(version),
                    _ => Flaw::Damaged(error.to_string()),
                },
            )?;
        if outline.kind.as_deref() != Some(KIND) {
            return Err(Flaw::Foreign);
        }
        match outline.version {
            Some(VERSION) => {}
            Some(version) if version > VERSION => return Err(Flaw::TooNew(version)),
            _ => return Err(Flaw::Damaged("its version is missing".into())),
        }
        let mut shelf = Shelf {
            memory: outline
                .memory
                .map(part::<Option<Memory>>)
                .transpose()?
                .flatten(),
            ..Shelf::default()
        };
        for raw in outline.peers {
            let record: PeerRecord = part(raw)?;
            shelf.peers.insert(record.key.clone(), record);
        }
        Ok(Self {
            generation: outline.generation,
            shelf,
            unknown: outline.unknown,
        })
    }

    /// Adds what another one knows beside this, or knows later. Returns how many peers that brought.
    pub(crate) fn complete(&mut self, other: Self) -> usize {
        self.generation = self.generation.max(other.generation);
        for (name, value) in other.unknown {
            self.unknown.entry(name).or_insert(value);
        }
        self.shelf.complete(other.shelf)
    }

    /// Nobody would miss it.
    pub(crate) fn is_empty(&self) -> bool {
        self.shelf.is_empty() && self.unknown.is_empty()
    }

    pub(crate) fn text(&self) -> Vec<u8> {
        let written = Written {
            rejoin: KIND,
            version: VERSION,
            generation: self.generation,
            memory: &self.shelf.memory,
            peers: self.shelf.peers.values().collect(),
            unknown: &self.unknown,
        };
        let mut text = serde_json::to_vec_pretty(&written)
            .expect("plain data with text for keys always has a JSON form");
        text.push(b'\n');
        text
    }
}

fn part<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, Flaw> {
    serde_json::from_str(raw.get()).map_err(|error| {
        let beginning: String = raw.get().chars().take(60).collect();
        Flaw::Damaged(format!("{error} in {beginning:?}"))
    })
}

/// The version a file names in its first lines, even if the rest cannot be read here.
fn announced_version(bytes: &[u8]) -> Option<u32> {
    const NAME: &[u8] = b"\"version\"";
    let head = &bytes[..bytes.len().min(HEAD_BYTES)];
    let at = head.windows(NAME.len()).position(|part| part == NAME)?;
    let value = head[at + NAME.len()..]
        .trim_ascii_start()
        .strip_prefix(b":")?;
    let value = value.trim_ascii_start();
    let end = value.iter().position(|byte| !byte.is_ascii_digit())?;
    let version = std::str::from_utf8(&value[..end]).ok()?.parse().ok()?;
    names_itself(bytes).then_some(version)
}

/// Whether it begins like a file of ours.
pub(super) fn names_itself(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(HEAD_BYTES)];
    head.windows(8).any(|part| part == b"\"rejoin\"")
}

/// The kind and the version stand at the very beginning.
const HEAD_BYTES: usize = 256;

#[derive(Serialize)]
struct Written<'a> {
    rejoin: &'static str,
    version: u32,
    generation: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: &'a Option<Memory>,
    peers: Vec<&'a PeerRecord>,
    #[serde(flatten)]
    unknown: &'a Unknown,
}

/// The file with its parts still in text, so that the trouble of one does not hide another.
#[derive(Default)]
struct Outline<'a> {
    kind: Option<String>,
    version: Option<u32>,
    generation: u64,
    memory: Option<&'a RawValue>,
    peers: Vec<&'a RawValue>,
    unknown: Unknown,
}

// By hand, since serde's `flatten` and `RawValue` do not go together.
impl<'de: 'a, 'a> Deserialize<'de> for Outline<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts;

        impl<'de> Visitor<'de> for Parts {
            type Value = Outline<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with the fields rejoin, version, memory and peers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut outline = Outline::default();
                while let Some(name) = map.next_key::<String>()? {
                    match name.as_str() {
                        "rejoin" => outline.kind = map.next_value()?,
                        "version" => outline.version = map.next_value()?,
                        "generation" => outline.generation = map.next_value()?,
                        "memory" => outline.memory = Some(map.next_value()?),
                        "peers" if outline.is_foreign() => {
                            map.next_value::<IgnoredAny>()?;
                        }
                        "peers" => outline.peers = map.next_value()?,
                        _ => {
                            if outline.unknown.insert(name, map.next_value()?).is_some() {
                                return Err(de::Error::custom("a field stands twice"));
                            }
                        }
                    }
                }
                Ok(outline)
            }
        }

        deserializer.deserialize_map(Parts)
    }
}

impl Outline<'_> {
    /// Of another program, whose `peers` may have any shape.
    fn is_foreign(&self) -> bool {
        self.kind.as_deref() != Some(KIND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_survives_its_text() {
        let text = br#"{"rejoin":"peers","version":1,"generation":9,"memory":{"secret":
            [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]},"mood":{"of":"the day"},
            "peers":[{"key":"alice","first_seen":1,"hue":7}]}"#;
        let document = Document::parse(text).unwrap();
        assert_eq!((document.generation, document.shelf.peers.len()), (9, 1));
        assert_eq!(document.unknown["mood"]["of"], "the day");
        assert_eq!(Document::parse(&document.text()), Ok(document));
    }

    #[test]
    fn each_flaw_is_told_from_the_others() {
        check(r#"{"rejoin":"peers","version":1,"peers":[]}"#, "sound");
        check(r#"{"rejoin":"peers","version":2,"peers":[]}"#, "too new");
        check(
            r#"{"rejoin":"peers","version":2,"peers":{"a":1}}"#,
            "too new",
        );
        check(
            "{\n \"rejoin\": \"peers\",\n \"version\": 12,\n torn",
            "too new",
        );
        check(r#"{"rejoin":"export","version":1,"peers":[]}"#, "foreign");
        check(r#"{"peers":[{"peer_id":"x"}],"version":9}"#, "foreign");
        check("{}", "foreign");
        check("[]", "damaged");
        check("", "damaged");
        check(r#"{"rejoin":"peers","peers":[]}"#, "damaged");
        check(
            r#"{"rejoin":"peers","version":1,"peers":[{"key":""}]}"#,
            "damaged",
        );
        check(r#"{"rejoin":"peers","version":1,"peers":["#, "damaged");
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let found = match Document::parse(text.as_bytes()) {
            Ok(_) => "sound",
            Err(Flaw::Foreign) => "foreign",
            Err(Flaw::TooNew(_)) => "too new",
            Err(Flaw::Damaged(_)) => "damaged",
        };
        assert_eq!(found, expected, "{text}");
    }
}
