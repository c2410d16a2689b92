//! Records cut out of damaged bytes, whatever is around them. Both kinds of file keep records as
//! JSON text that begins with the peer's key, so one knife serves a torn JSON file and the pages of
//! a broken database.

use rejoin_core::PeerRecord;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    seal::{Seal, header::Header},
    shelf::Shelf,
};

/// What could be cut out.
#[derive(Debug, Default)]
pub(crate) struct Carved {
    pub(crate) shelf: Shelf,
    /// Places where a record begins but cannot be read to its end.
    pub(crate) lost: usize,
}

/// Takes every record that reads from its first to its last byte. Of several under one key, as old
/// pages hold them, the latest is taken.
pub(crate) fn carve(bytes: &[u8], seal: &Seal) -> Carved {
    let mut carved = Carved::default();
    let mut at = 0;
    while let Some(found) = bytes[at..].iter().position(|byte| *byte == b'{') {
        at += found;
        match first_field(&bytes[at..]) {
            Some(b"key") if !seal.is_whole() => match read::<PeerRecord>(&bytes[at..]) {
                Some((record, length)) => {
                    carved.shelf.keep(seal.opened(record));
                    at += length;
                    continue;
                }
                None => carved.lost += 1,
            },
            Some(b"sealed") => match read::<&RawValue>(&bytes[at..]) {
                Some((raw, length)) => {
                    match (seal.record(raw.get()), seal.memory(raw.get())) {
                        (Some(record), _) => {
                            carved.shelf.keep(record);
                        }
                        (None, Some(memory)) => {
                            carved.shelf.memory.get_or_insert(memory);
                        }
                        (None, None) => carved.lost += 1,
                    }
                    at += length;
                    continue;
                }
                None => carved.lost += 1,
            },
            Some(b"secret") if !seal.is_whole() && carved.shelf.memory.is_none() => {
                if let Some((memory, length)) = read(&bytes[at..]) {
                    carved.shelf.memory = Some(memory);
                    at += length;
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    carved
}

/// Adds every seal that lies among these bytes to those found before.
pub(crate) fn headers(bytes: &[u8], found: &mut Vec<Header>) {
    let mut at = 0;
    while found.len() < HEADERS_MAX
        && let Some(next) = bytes[at..].iter().position(|byte| *byte == b'{')
    {
        at += next;
        if first_field(&bytes[at..]) == Some(b"kdf")
            && let Some((raw, _)) = read::<&RawValue>(&bytes[at..])
            && let Ok(header) = Header::parse(raw.get())
            && !found.contains(&header)
        {
            found.push(header);
        }
        at += 1;
    }
}

/// The seal that holds, and some from before the last changes of key. Each may cost a passphrase's time.
const HEADERS_MAX: usize = 4;

/// The name of the first field of the object that begins here. Only names without escapes matter.
fn first_field(object: &[u8]) -> Option<&[u8]> {
    let name = object[1..].trim_ascii_start().strip_prefix(b"\"")?;
    // No name of ours is longer; do not search a whole file for a quote.
    let name = &name[..name.len().min(NAME_BYTES_MAX)];
    let end = name.iter().position(|byte| *byte == b'"')?;
    Some(&name[..end])
}

const NAME_BYTES_MAX: usize = 16;

/// Reads one value from the beginning, and says how long it was.
fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<(T, usize)> {
    let bytes = &bytes[..bytes.len().min(VALUE_BYTES_MAX)];
    let mut stream = serde_json::Deserializer::from_slice(bytes).into_iter();
    let value = stream.next()?.ok()?;
    Some((value, stream.byte_offset()))
}

/// No value of ours is longer: a record at all its limits has 60 KiB. Keeps the work on hostile
/// bytes in proportion to their length.
const VALUE_BYTES_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rejoin_core::{Memory, Time};

    use super::*;

    const ALICE: &str = r#"{"key":"alice","first_seen":1}"#;
    const BOB: &str = r#"{ "key" : "bob", "first_seen" : 2, "last_seen": 5 }"#;

    #[test]
    fn a_record_is_taken_only_whole() {
        check(&format!("{ALICE},{BOB}"), &["alice", "bob"], 0);
        check(&format!("{ALICE},{}", &BOB[..20]), &["alice"], 1);
        check(&format!("{},{BOB}", &ALICE[..20]), &["bob"], 1);
        check(&format!("\u{0}{{{{\"{ALICE}}}"), &["alice"], 0);
        check(r#"{"key":7,"first_seen":1}"#, &[], 1);
        check(r#"{"first_seen":1}"#, &[], 0);
        check("", &[], 0);
        check("{", &[], 0);
    }

    #[test]
    fn of_two_states_of_a_peer_the_later_is_taken() {
        let old = r#"{"key":"bob","first_seen":2,"last_seen":4}"#;
        for bytes in [format!("{old}{BOB}"), format!("{BOB}{old}")] {
            let carved = carve(bytes.as_bytes(), &Seal::none());
            let bob = carved.shelf.peers.values().next().unwrap();
            assert_eq!(bob.last_seen, Some(Time::from_millis(5)));
        }
    }

    #[test]
    fn the_memory_is_found_by_its_secret() {
        let memory = serde_json::to_string(&Memory {
            secret: [7; 16],
            ..Memory::default()
        });
        let bytes = format!("xx{}{ALICE}", memory.unwrap());
        let carved = carve(bytes.as_bytes(), &Seal::none());
        assert_eq!(carved.shelf.memory.unwrap().secret, [7; 16]);
        assert_eq!(carved.shelf.peers.len(), 1);
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_carved(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            carve(&bytes, &Seal::none());
        }

        #[test]
        fn whatever_is_overwritten_the_other_records_stay(at in 0..3usize, with in any::<u8>()) {
            let records: Vec<_> = (0..3)
                .map(|n| format!(r#"{{"key":"peer{n}","first_seen":1}}"#).into_bytes())
                .collect();
            let mut damaged = records.clone();
            damaged[at].fill(with);
            let carved = carve(&damaged.join(&b','), &Seal::none());
            prop_assert_eq!(carved.shelf.peers.len(), 2);
        }
    }

    #[track_caller]
    fn check(text: &str, keys: &[&str], lost: usize) {
        let carved = carve(text.as_bytes(), &Seal::none());
        let found: Vec<_> = carved.shelf.peers.keys().map(ToString::to_string).collect();
        assert_eq!(found, keys, "{text}");
        assert_eq!(carved.lost, lost, "{text}");
    }
}
