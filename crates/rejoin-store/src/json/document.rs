//! The text of a `json:` file: read strictly, and written for people to read. Touches no disk.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use rejoin_core::{Memory, PeerKey, PeerRecord, PeerSecret, record::Unknown};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::edition::Edition;
use crate::{
    seal::{self, Mode, Seal, header::Header},
    shelf::Shelf,
};

/// What the file says it is.
const KIND: &str = "peers";

/// The version written here, and the newest that can be read.
pub(crate) const VERSION: u32 = 2;

/// What is in the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Document {
    pub(crate) edition: Edition,
    /// Whence it was begun anew, if that was a whole state of it.
    pub(crate) begun_from: Option<Edition>,
    pub(crate) shelf: Shelf,
    /// What of it is sealed, as it stands in the file.
    written: Written,
    /// Fields beside ours. We hand them back.
    pub(crate) unknown: Unknown,
}

/// Texts in which something is sealed, so that what has not changed is not sealed anew.
#[derive(Clone, Debug, Default, PartialEq)]
struct Written {
    memory: Option<String>,
    peers: BTreeMap<PeerKey, String>,
}

/// Why some bytes are no document.
#[derive(Debug, PartialEq)]
pub(crate) enum Flaw {
    /// Good JSON, but of another program or another kind.
    Foreign,
    /// Ours, but of a later version.
    TooNew(u32),
    /// Sealed in another way than expected.
    OtherSeal,
    /// Not readable as a whole, for this reason.
    Damaged(String),
}

impl Document {
    pub(crate) fn parse(bytes: &[u8], seal: &Seal) -> Result<Self, Flaw> {
        let outline = Outline::of(bytes)?;
        if outline.header()?.as_ref() != seal.header() {
            return Err(Flaw::OtherSeal);
        }
        let mut document = Self {
            edition: Edition {
                branch: outline.branch,
                generation: outline.generation,
            },
            begun_from: outline.begun_from,
            unknown: outline.unknown,
            ..Self::default()
        };
        match outline.memory {
            Some(raw) if seal.is_whole() => {
                document.shelf.memory = Some(seal.memory(raw.get()).ok_or_else(unsealed)?);
                document.written.memory = Some(raw.get().to_owned());
            }
            Some(raw) => document.shelf.memory = part::<Option<Memory>>(raw)?,
            None => {}
        }
        let peers = outline.peers.map(part::<Vec<&RawValue>>).transpose()?;
        for raw in peers.unwrap_or_default() {
            let record = match seal.is_whole() {
                true => seal.record(raw.get()).ok_or_else(unsealed)?,
                false => seal.opened(part(raw)?),
            };
            if seal.is_whole() || matches!(record.notes.secret, Some(PeerSecret::Open(_))) {
                let text = raw.get().to_owned();
                document.written.peers.insert(record.key.clone(), text);
            }
            document.shelf.peers.insert(record.key.clone(), record);
        }
        Ok(document)
    }

    /// A document with nothing but this in it.
    pub(crate) fn of(shelf: Shelf) -> Self {
        Self {
            shelf,
            ..Self::default()
        }
    }

    /// Adds what another one knows beside this, or knows later. Returns how many peers that brought.
    pub(crate) fn complete(&mut self, other: Self) -> usize {
        for (name, value) in other.unknown {
            self.unknown.entry(name).or_insert(value);
        }
        self.shelf.complete(other.shelf)
    }

    /// Whether this holds all that was in the file when it was of that edition, unless it was taken out.
    pub(crate) fn follows(&self, other: Edition) -> bool {
        let begun_from = self.begun_from.is_some_and(|from| from.follows(other));
        begun_from || self.edition.follows(other)
    }

    /// Whether this was begun from what the file held just before it was of that edition.
    pub(crate) fn lacks_only(&self, edition: Edition) -> bool {
        self.begun_from.map(Edition::next) == Some(edition)
    }

    /// The edition that both of these together amount to: `self` as it lies there, `held` as we have it.
    /// `None` if that cannot be told: a file that never had a branch, or what was carved out of one.
    pub(crate) fn head(&self, held: &Self) -> Option<Edition> {
        let head = match self.is_empty() || held.edition.follows(self.edition) {
            true => held.edition,
            false => self.edition,
        };
        (head.branch != 0).then_some(head)
    }

    /// Whether both tell the same, however they came to it.
    pub(crate) fn has_the_same(&self, other: &Self) -> bool {
        (&self.shelf, &self.unknown) == (&other.shelf, &other.unknown)
    }

    /// Nobody would miss it.
    pub(crate) fn is_empty(&self) -> bool {
        self.shelf.is_empty() && self.unknown.is_empty()
    }

    /// The text under this seal. What was sealed before and has not changed is taken as it was.
    pub(crate) fn text(&mut self, seal: &Seal) -> Result<Vec<u8>, getrandom::Error> {
        let memory = match &self.shelf.memory {
            Some(memory) if seal.is_whole() => {
                let text = seal.memory_text(memory, self.written.memory.as_deref())?;
                self.written.memory = Some(text.clone());
                Some(Part::sealed(text))
            }
            Some(memory) => Some(Part::Open(Cow::Borrowed(memory))),
            None => None,
        };
        let mut written = BTreeMap::new();
        let mut peers = Vec::new();
        for (key, record) in &self.shelf.peers {
            let before = self.written.peers.get(key).map(String::as_str);
            let part = match seal.mode() {
                Mode::All => {
                    let text = seal.record_text(record, before)?;
                    written.insert(key.clone(), text.clone());
                    Part::sealed(text)
                }
                Mode::Off | Mode::Secrets => {
                    let closed = seal.closed(record, before)?;
                    if let Cow::Owned(closed) = &closed {
                        written.insert(key.clone(), seal::json(closed));
                    }
                    Part::Open(closed)
                }
            };
            peers.push((seal.row_key(key), part));
        }
        // Where names are sealed, their order would tell of them.
        peers.sort_by(|a, b| a.0.cmp(&b.0));
        let file = File {
            rejoin: KIND,
            version: VERSION,
            generation: self.edition.generation,
            branch: self.edition.branch,
            begun_from: self.begun_from,
            seal: seal.header(),
            memory,
            peers: peers.into_iter().map(|(_, part)| part).collect(),
            unknown: &self.unknown,
        };
        let mut text = serde_json::to_vec_pretty(&file)
            .expect("plain data with text for keys always has a JSON form");
        text.push(b'\n');
        self.written.peers = written;
        Ok(text)
    }

    /// Nothing of what was sealed before is taken as it was: it was sealed in another way.
    pub(crate) fn unseal(&mut self) {
        self.written = Written::default();
    }
}

/// The seal of a file that reads as a whole.
pub(crate) fn header(bytes: &[u8]) -> Result<Option<Header>, Flaw> {
    Outline::of(bytes)?.header()
}

/// Whether a file that begins like one of ours has a seal.
pub(crate) fn mentions_seal(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(HEAD_BYTES)];
    head.windows(6).any(|part| part == b"\"seal\"")
}

fn unsealed() -> Flaw {
    Flaw::Damaged("something in it is not sealed with its key".into())
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

/// The kind, the version and the seal stand at the very beginning.
const HEAD_BYTES: usize = 256;

#[derive(Serialize)]
struct File<'a> {
    rejoin: &'static str,
    version: u32,
    generation: u64,
    branch: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    begun_from: Option<Edition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seal: Option<&'a Header>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<Part<'a, Memory>>,
    peers: Vec<Part<'a, PeerRecord>>,
    #[serde(flatten)]
    unknown: &'a Unknown,
}

/// Something in the file, for people to read or sealed as a whole.
#[derive(Serialize)]
#[serde(untagged)]
enum Part<'a, T: Clone> {
    Open(Cow<'a, T>),
    Sealed(Box<RawValue>),
}

impl<T: Clone> Part<'_, T> {
    fn sealed(text: String) -> Self {
        Self::Sealed(RawValue::from_string(text).expect("what we seal has a JSON form"))
    }
}

/// The file with its parts still in text, so that the trouble of one does not hide another.
#[derive(Default)]
struct Outline<'a> {
    kind: Option<String>,
    version: Option<u32>,
    generation: u64,
    branch: u32,
    begun_from: Option<Edition>,
    seal: Option<&'a RawValue>,
    memory: Option<&'a RawValue>,
    /// In whatever shape: of another program's file nothing is expected.
    peers: Option<&'a RawValue>,
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
                        "branch" => outline.branch = map.next_value()?,
                        "begun_from" => outline.begun_from = map.next_value()?,
                        "seal" => outline.seal = Some(map.next_value()?),
                        "memory" => outline.memory = Some(map.next_value()?),
                        "peers" => outline.peers = Some(map.next_value()?),
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

impl<'a> Outline<'a> {
    /// The outline of a file of ours, of a version we can read.
    fn of(bytes: &'a [u8]) -> Result<Self, Flaw> {
        let outline =
            serde_json::from_slice::<Self>(bytes).map_err(|error| {
                match announced_version(bytes) {
                    Some(version) if version > VERSION => Flaw::TooNew(version),
                    _ => Flaw::Damaged(error.to_string()),
                }
            })?;
        if let Some(name) = outline.misspelt() {
            return Err(Flaw::Damaged(format!(
                "{name:?} is no name of ours, but nearly"
            )));
        }
        if outline.is_foreign() {
            return Err(Flaw::Foreign);
        }
        match outline.version {
            Some(1..=VERSION) => Ok(outline),
            Some(version) if version > VERSION => Err(Flaw::TooNew(version)),
            _ => Err(Flaw::Damaged("its version is missing".into())),
        }
    }

    fn header(&self) -> Result<Option<Header>, Flaw> {
        let Some(raw) = self.seal else {
            return Ok(None);
        };
        match Header::parse(raw.get()) {
            Ok(header) => Ok(Some(header)),
            Err(seal::header::Flaw::TooNew(version)) => Err(Flaw::TooNew(version)),
            Err(seal::header::Flaw::Damaged) => {
                Err(Flaw::Damaged("its seal cannot be read".into()))
            }
        }
    }

    /// A name of ours in which one byte is wrong: nobody chooses it, so the disk has. Taken for a
    /// stranger's, it would hide all that stands under it.
    fn misspelt(&self) -> Option<&str> {
        let kind = self.kind.as_deref().filter(|kind| is_nearly(kind, KIND));
        let mut names = self.unknown.keys().map(String::as_str);
        kind.or_else(|| names.find(|name| NAMES.iter().any(|ours| is_nearly(name, ours))))
    }

    /// Of another program, whose `peers` may have any shape.
    fn is_foreign(&self) -> bool {
        self.kind.as_deref() != Some(KIND)
    }
}

/// The names of our fields.
const NAMES: [&str; 8] = [
    "rejoin",
    "version",
    "generation",
    "branch",
    "begun_from",
    "seal",
    "memory",
    "peers",
];

/// Whether two words differ in one byte.
fn is_nearly(word: &str, ours: &str) -> bool {
    let differing = word.bytes().zip(ours.bytes()).filter(|(a, b)| a != b);
    word.len() == ours.len() && differing.count() == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_survives_its_text() {
        let text = br#"{"rejoin":"peers","version":1,"generation":9,"branch":7,"begun_from":{"branch":6,"generation":5},"memory":{"secret":
            [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]},"mood":{"of":"the day"},
            "peers":[{"key":"alice","first_seen":1,"hue":7}]}"#;
        let mut document = Document::parse(text, &Seal::none()).unwrap();
        let edition = |branch, generation| Edition { branch, generation };
        assert_eq!(document.edition, edition(7, 9));
        assert_eq!(document.begun_from, Some(edition(6, 5)));
        for (held, is_held) in [
            ((7, 9), true),
            ((7, 10), false),
            ((6, 5), true),
            ((6, 6), false),
        ] {
            assert_eq!(
                document.follows(edition(held.0, held.1)),
                is_held,
                "{held:?}"
            );
            assert_eq!(document.lacks_only(edition(held.0, held.1)), held == (6, 6));
        }
        assert_eq!(document.shelf.peers.len(), 1);
        assert_eq!(document.unknown["mood"]["of"], "the day");
        let text = document.text(&Seal::none()).unwrap();
        assert_eq!(Document::parse(&text, &Seal::none()), Ok(document));
    }

    #[test]
    fn each_flaw_is_told_from_the_others() {
        check(r#"{"rejoin":"peers","version":1,"peers":[]}"#, "sound");
        check(r#"{"rejoin":"peers","version":2,"peers":[]}"#, "sound");
        check(r#"{"rejoin":"peers","version":3,"peers":[]}"#, "too new");
        check(
            r#"{"rejoin":"peers","version":3,"peers":{"a":1}}"#,
            "too new",
        );
        check(
            r#"{"rejoin":"peers","version":2,"seal":{"version":9},"peers":[]}"#,
            "too new",
        );
        check(
            r#"{"rejoin":"peers","version":2,"seal":{"kdf":1},"peers":[]}"#,
            "damaged",
        );
        check(
            "{\n \"rejoin\": \"peers\",\n \"version\": 12,\n torn",
            "too new",
        );
        check(r#"{"rejoin":"export","version":1,"peers":[]}"#, "foreign");
        check(r#"{"peers":[{"peer_id":"x"}],"version":9}"#, "foreign");
        for name in ["rejoin", "peers", "version"] {
            let wrong = name.replacen(['r', 'p', 'v'], "x", 1);
            let text = r#"{"rejoin":"peers","version":1,"peers":[]}"#;
            check(&text.replacen(name, &wrong, 1), "damaged");
        }
        let sorted = r#"{"peers":[{"key":"alice","first_seen":1}],"rejoin":"peers","version":2}"#;
        let document = Document::parse(sorted.as_bytes(), &Seal::none()).unwrap();
        assert_eq!(document.shelf.peers.len(), 1, "in whatever order");
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
        let found = match Document::parse(text.as_bytes(), &Seal::none()) {
            Ok(_) => "sound",
            Err(Flaw::Foreign) => "foreign",
            Err(Flaw::TooNew(_)) => "too new",
            Err(Flaw::OtherSeal) => "sealed",
            Err(Flaw::Damaged(_)) => "damaged",
        };
        assert_eq!(found, expected, "{text}");
    }
}
