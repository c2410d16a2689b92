//! Lists of peers as they travel: read from what somebody wrote, in lines or in JSON, and signed for
//! what we write ourselves. Fetching and publishing them is done elsewhere; docs/formats.md has the
//! format field by field.

use libp2p::{Multiaddr, PeerId, identity::Keypair, multiaddr::Protocol};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::signature::Signature;

/// Two thousand addresses of a hundred characters, and the JSON around them.
pub const LIST_BYTES_MAX: u64 = 256 * 1024;

/// Addresses taken from one list; the engine draws a hundred peers from it.
pub const ADDRESSES_MAX: usize = 2_000;

/// What the signature covers begins with this, so that it is never a signature of something else.
const DOMAIN: &str = "rejoin-peer-list-v1:";

/// What a signed list calls itself.
const KIND: &str = "peer-list";
const VERSION: u32 = 1;

/// What a list said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// Addresses that end in their peer's name.
    pub addresses: Vec<Multiaddr>,
    /// When it was signed, if it was, in milliseconds since the epoch.
    pub issued: Option<u64>,
    /// Until when it is good, if it says so.
    pub expires: Option<u64>,
}

/// What a list has to be.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Who must have signed it; with `None` a list without a signature will do.
    pub signer: Option<PeerId>,
    /// The network it must be of, if it names one.
    pub network: &'a str,
    /// Now, in milliseconds since the epoch.
    pub now_ms: u64,
}

/// Why a list is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// Neither lines of text nor JSON as we know it.
    #[error("it is neither one address a line nor a list in JSON")]
    Unreadable,
    /// No address with a name.
    #[error("it holds no address that ends in /p2p/ and a peer id")]
    Nobody,
    /// A signature was wanted.
    #[error("it is not signed, and only {signer}'s word counts")]
    Unsigned {
        /// Whose was wanted.
        signer: PeerId,
    },
    /// Signed by somebody else.
    #[error("it is signed by {found}, whose word does not count here")]
    OtherSigner {
        /// By whom.
        found: PeerId,
    },
    /// The signature does not fit.
    #[error("its signature does not fit what it says; it was damaged or forged")]
    BadSignature,
    /// Of a version we do not know.
    #[error("it is of version {found}, this program reads {VERSION}; upgrade the program")]
    TooNew {
        /// Which.
        found: u32,
    },
    /// Of another network.
    #[error("it is of the network {found:?}")]
    OtherNetwork {
        /// Which.
        found: String,
    },
    /// Too old.
    #[error("it was good for a limited time, and that is over")]
    Expired,
}

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// The network its peers live in.
    pub network: String,
    /// When it was signed.
    pub issued: u64,
    /// Until when it is good.
    pub expires: u64,
    /// Who, and where.
    pub peers: Vec<Entry>,
}

/// One peer of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name.
    pub peer: String,
    /// Where it lives, best first, without its name.
    pub addresses: Vec<String>,
}

/// The file around it.
#[derive(Serialize, Deserialize)]
struct Envelope {
    rejoin: String,
    version: u32,
    #[serde(flatten)]
    signature: Signature,
    list: String,
}

/// A peer in a list of others' making.
#[derive(Deserialize)]
#[serde(untagged)]
enum Item {
    Address(String),
    Peer(Entry),
}

/// Reads a list.
///
/// # Errors
/// If it is not what was expected, or of no use.
pub fn read(bytes: &[u8], expected: Expected<'_>) -> Result<List, ListError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ListError::Unreadable)?;
    let list = match serde_json::from_str::<Value>(text) {
        Ok(json) => read_json(json, expected)?,
        Err(_) if expected.signer.is_some() => return Err(unsigned(expected)),
        Err(_) if text.trim_start().starts_with(['{', '[']) => return Err(ListError::Unreadable),
        Err(_) => List {
            addresses: read_lines(text),
            ..List::default()
        },
    };
    match list.addresses.is_empty() {
        true => Err(ListError::Nobody),
        false => Ok(list),
    }
}

fn unsigned(expected: Expected<'_>) -> ListError {
    match expected.signer {
        Some(signer) => ListError::Unsigned { signer },
        None => ListError::Unreadable,
    }
}

/// One address a line; what begins with `#` is for people.
fn read_lines(text: &str) -> Vec<Multiaddr> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(named)
        .take(ADDRESSES_MAX)
        .collect()
}

fn read_json(json: Value, expected: Expected<'_>) -> Result<List, ListError> {
    if json["rejoin"] == KIND {
        return read_signed(json, expected);
    }
    if expected.signer.is_some() {
        return Err(unsigned(expected));
    }
    let items = match json {
        Value::Array(items) => items,
        Value::Object(mut fields) => match fields.remove("peers") {
            Some(Value::Array(items)) => items,
            _ => return Err(ListError::Unreadable),
        },
        _ => return Err(ListError::Unreadable),
    };
    let items = items
        .into_iter()
        .filter_map(|item| serde_json::from_value(item).ok());
    let addresses = items.flat_map(|item| match item {
        Item::Address(text) => named(&text).into_iter().collect(),
        Item::Peer(entry) => entry.addresses(),
    });
    Ok(List {
        addresses: addresses.take(ADDRESSES_MAX).collect(),
        ..List::default()
    })
}

fn read_signed(json: Value, expected: Expected<'_>) -> Result<List, ListError> {
    if let Some(found) = json["version"]
        .as_u64()
        .filter(|it| *it != u64::from(VERSION))
    {
        let found = u32::try_from(found).unwrap_or(u32::MAX);
        return Err(ListError::TooNew { found });
    }
    let envelope: Envelope = serde_json::from_value(json).map_err(|_| ListError::Unreadable)?;
    let found = envelope.signature.signer().ok_or(ListError::BadSignature)?;
    if expected.signer.is_some_and(|signer| signer != found) {
        return Err(ListError::OtherSigner { found });
    }
    if !envelope.signature.fits(DOMAIN, &envelope.list) {
        return Err(ListError::BadSignature);
    }
    let signed: Signed = serde_json::from_str(&envelope.list).map_err(|_| ListError::Unreadable)?;
    if signed.network != expected.network {
        let found = signed.network.chars().filter(|c| !c.is_control());
        let found = found.take(40).collect();
        return Err(ListError::OtherNetwork { found });
    }
    if signed.expires <= expected.now_ms {
        return Err(ListError::Expired);
    }
    let addresses = signed.peers.iter().flat_map(Entry::addresses);
    Ok(List {
        addresses: addresses.take(ADDRESSES_MAX).collect(),
        issued: Some(signed.issued),
        expires: Some(signed.expires),
    })
}

impl Signed {
    /// The file, signed.
    pub fn sign(&self, keypair: &Keypair) -> String {
        let list = serde_json::to_string(self).expect("text and numbers have a JSON");
        let envelope = Envelope {
            rejoin: KIND.into(),
            version: VERSION,
            signature: Signature::of(DOMAIN, &list, keypair),
            list,
        };
        let mut text = serde_json::to_string_pretty(&envelope).expect("so has the envelope");
        text.push('\n');
        text
    }
}

impl Entry {
    fn addresses(&self) -> Vec<Multiaddr> {
        let Ok(peer) = self.peer.parse::<PeerId>() else {
            return Vec::new();
        };
        let whole = |text: &String| {
            let address: Multiaddr = text.parse().ok()?;
            match address.iter().last() {
                Some(Protocol::P2p(named)) => (named == peer).then_some(address),
                _ => Some(address.with(Protocol::P2p(peer))),
            }
        };
        self.addresses.iter().filter_map(whole).collect()
    }
}

/// An address that ends in its peer's name.
fn named(text: &str) -> Option<Multiaddr> {
    let address: Multiaddr = text.parse().ok()?;
    matches!(address.iter().last(), Some(Protocol::P2p(_))).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
    const BOB: &str = "12D3KooWNvSZnPi3RrhrTwEY4LuuBeB6K6facKUCJcyWG1aoDd2p";

    /// As docs/formats.md has it.
    const VECTOR: &str = include_str!("../../testdata/peer-list.json");

    #[test]
    fn lists_are_read_in_every_form_people_write_them() {
        let at = |port: u16, peer| format!("/ip4/8.8.4.4/tcp/{port}/p2p/{peer}");
        let both = [at(1, ALICE), at(2, BOB)];
        let [one, two] = &both;
        check(
            &format!("# ours\n\n {one} \r\n{two}\n/ip4/1.2.3.4/tcp/1\nnonsense"),
            &both,
        );
        check(&format!(r#"["{one}", 7, "x", "{two}"]"#), &both);
        check(&format!(r#"{{"peers": ["{one}", "{two}"]}}"#), &both);
        let entry = |peer, rest| {
            format!(r#"{{"peer": "{peer}", "addresses": ["/ip4/8.8.4.4/tcp/{rest}"]}}"#)
        };
        let with_name = format!("2/p2p/{BOB}");
        let (alice, bob) = (entry(ALICE, "1"), entry(BOB, &with_name));
        let eve = entry(BOB, &format!("3/p2p/{ALICE}"));
        check(&format!(r#"{{"peers": [{alice}, {bob}, {eve}]}}"#), &both);
    }

    #[test]
    fn what_is_no_list_is_refused() {
        refuse("", ListError::Nobody);
        refuse("<html>404</html>", ListError::Nobody);
        refuse("[]", ListError::Nobody);
        refuse("7", ListError::Unreadable);
        refuse("{\"peers\": 7}", ListError::Unreadable);
        refuse("[\"/ip4", ListError::Unreadable);
        let error = read(&[0xff, 0xfe], expected(None)).unwrap_err();
        assert_eq!(error, ListError::Unreadable);
    }

    #[test]
    fn a_list_without_end_is_cut() {
        let line = format!("/ip4/8.8.4.4/tcp/1/p2p/{ALICE}\n");
        let list = read(line.repeat(10_000).as_bytes(), expected(None)).unwrap();
        assert_eq!(list.addresses.len(), ADDRESSES_MAX);
    }

    #[test]
    fn a_signed_list_reads_back_for_whoever_knows_the_signer() {
        let keypair = keypair();
        let signer = keypair.public().to_peer_id();
        let text = signed().sign(&keypair);
        let list = read(text.as_bytes(), expected(Some(signer))).unwrap();
        assert_eq!(list.addresses.len(), 1);
        assert_eq!((list.issued, list.expires), (Some(1_000), Some(3_000)));
        assert_eq!(read(text.as_bytes(), expected(None)), Ok(list));
    }

    #[test]
    fn what_the_signer_did_not_say_is_refused() {
        let keypair = keypair();
        let signer = Some(keypair.public().to_peer_id());
        let text = signed().sign(&keypair);
        let refused = |text: &str, expected| read(text.as_bytes(), expected).unwrap_err();
        let forged = text.replace("8.8.4.4", "8.8.8.8");
        assert_ne!(forged, text);
        assert_eq!(refused(&forged, expected(None)), ListError::BadSignature);
        let stranger = Keypair::generate_ed25519();
        let theirs = signed().sign(&stranger);
        assert!(matches!(
            refused(&theirs, expected(signer)),
            ListError::OtherSigner { .. }
        ));
        let lines = format!("/ip4/8.8.4.4/tcp/1/p2p/{ALICE}");
        for unsigned in [&lines, &format!("[\"{lines}\"]"), "{}"] {
            let error = refused(unsigned, expected(signer));
            assert!(matches!(error, ListError::Unsigned { .. }), "{error}");
        }
        let late = Expected {
            now_ms: 3_000,
            ..expected(signer)
        };
        assert_eq!(refused(&text, late), ListError::Expired);
        let elsewhere = Expected {
            network: "theirs",
            ..expected(signer)
        };
        let error = refused(&text, elsewhere);
        assert!(matches!(error, ListError::OtherNetwork { .. }), "{error}");
        let newer = text.replace("\"version\": 1", "\"version\": 2");
        let error = refused(&newer, expected(signer));
        assert_eq!(error, ListError::TooNew { found: 2 });
    }

    #[test]
    fn the_test_vector_of_the_documentation_holds() {
        let keypair = keypair();
        assert_eq!(signed().sign(&keypair), VECTOR);
        let signer = keypair.public().to_peer_id();
        let list = read(VECTOR.as_bytes(), expected(Some(signer))).unwrap();
        let address = format!("/ip4/8.8.4.4/tcp/4001/p2p/{ALICE}");
        assert_eq!(list.addresses, [address.parse().unwrap()]);
    }

    /// The ed25519 key of thirty-two bytes 7.
    fn keypair() -> Keypair {
        Keypair::ed25519_from_bytes([7; 32]).unwrap()
    }

    fn signed() -> Signed {
        Signed {
            network: "main".into(),
            issued: 1_000,
            expires: 3_000,
            peers: vec![Entry {
                peer: ALICE.into(),
                addresses: vec!["/ip4/8.8.4.4/tcp/4001".into()],
            }],
        }
    }

    fn expected(signer: Option<PeerId>) -> Expected<'static> {
        Expected {
            signer,
            network: "main",
            now_ms: 2_000,
        }
    }

    #[track_caller]
    fn check(text: &str, expected_addresses: &[String]) {
        let list = read(text.as_bytes(), expected(None)).unwrap();
        let read: Vec<_> = list.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(read, expected_addresses, "{text}");
    }

    #[track_caller]
    fn refuse(text: &str, error: ListError) {
        assert_eq!(read(text.as_bytes(), expected(None)), Err(error), "{text}");
    }
}
