//! Records and the memory as they are written under a seal, and back. What says the same as before is
//! not sealed anew, so that saving nothing writes nothing, and a nonce is spent only on a change.

use std::borrow::Cow;

use data_encoding::BASE64;
use rejoin_core::{Memory, PeerKey, PeerRecord, PeerSecret, SecretBytes, text::Blob};
use serde::{Deserialize, Serialize};

use super::{
    KeyBytes, Seal,
    bytes::{self, Cipher, keyed},
};

/// The store's own key, and those made of it, one for each purpose.
pub(crate) struct Keys {
    data_key: KeyBytes,
    records: Cipher,
    memory: Cipher,
    secrets: Cipher,
    index: KeyBytes,
    /// What stands for the memory, which every record that is read is held against.
    memory_id: Pseudonym,
}

/// Something sealed as a whole: who it is about, then nonce, ciphertext and tag, in base64.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    sealed: &'a str,
}

/// What stands for a peer's name where the name is sealed.
type Pseudonym = [u8; PSEUDONYM_BYTES];

const PSEUDONYM_BYTES: usize = 16;

impl Keys {
    pub(super) fn of(data_key: KeyBytes) -> Self {
        let cipher = |label: &[u8]| Cipher::new(&keyed(&data_key, &[label]));
        let index = keyed(&data_key, &[b"rejoin-index-v1"]);
        Self {
            records: cipher(b"rejoin-records-v1"),
            memory: cipher(b"rejoin-memory-v1"),
            secrets: cipher(b"rejoin-secrets-v1"),
            memory_id: pseudonym(&index, MEMORY),
            index,
            data_key,
        }
    }

    pub(super) fn data_key(&self) -> KeyBytes {
        self.data_key.clone()
    }

    fn pseudonym(&self, name: &[u8]) -> Pseudonym {
        pseudonym(&self.index, name)
    }

    fn open_secret(&self, key: &PeerKey, sealed: &[u8]) -> Option<SecretBytes> {
        let mut plain = self.secrets.open(&about_secret(key), sealed)?;
        SecretBytes::new(std::mem::take(&mut *plain))
    }

    fn seal_secret(&self, key: &PeerKey, bytes: &[u8]) -> Result<PeerSecret, getrandom::Error> {
        let sealed = self
            .secrets
            .seal(bytes::random()?, &about_secret(key), bytes);
        let blob = Blob::new(sealed).expect("a secret has room for its nonce and tag");
        Ok(PeerSecret::Sealed(blob))
    }
}

fn pseudonym(index: &KeyBytes, name: &[u8]) -> Pseudonym {
    let hash = keyed(index, &[name]);
    *hash.first_chunk().expect("a hash is longer than a name")
}

impl Seal {
    /// What a row is found by: the peer's key, or what stands for it.
    pub(crate) fn row_key<'a>(&self, key: &'a PeerKey) -> Cow<'a, [u8]> {
        match self.whole() {
            Some(keys) => keys.pseudonym(key.as_bytes()).to_vec().into(),
            None => key.as_bytes().into(),
        }
    }

    /// The record that was written like this; `None` if it is none, or not written under this seal.
    pub(crate) fn record(&self, text: &str) -> Option<PeerRecord> {
        let record = serde_json::from_str(&self.unwrapped(text)?).ok()?;
        Some(self.opened(record))
    }

    /// A record that was read in the open, with its secret opened if we can.
    pub(crate) fn opened(&self, mut record: PeerRecord) -> PeerRecord {
        if let (Some(keys), Some(PeerSecret::Sealed(blob))) = (&self.keys, &record.notes.secret)
            && let Some(open) = keys.open_secret(&record.key, blob.as_bytes())
        {
            record.notes.secret = Some(PeerSecret::Open(open));
        }
        record
    }

    /// A record with its secret sealed, to be written in the open. `before` is what is written now.
    pub(crate) fn closed<'a>(
        &self,
        record: &'a PeerRecord,
        before: Option<&str>,
    ) -> Result<Cow<'a, PeerRecord>, getrandom::Error> {
        let (Some(keys), Some(PeerSecret::Open(open))) = (&self.keys, &record.notes.secret) else {
            return Ok(Cow::Borrowed(record));
        };
        let written = before
            .and_then(|text| self.unwrapped(text))
            .and_then(|text| serde_json::from_str::<PeerRecord>(&text).ok())
            .and_then(|written| written.notes.secret.clone());
        let same = written.filter(|written| match written {
            PeerSecret::Sealed(blob) => {
                keys.open_secret(&record.key, blob.as_bytes()).as_ref() == Some(open)
            }
            PeerSecret::Open(_) => false,
        });
        let mut closed = record.clone();
        closed.notes.secret = Some(match same {
            Some(same) => same,
            None => keys.seal_secret(&record.key, open.as_bytes())?,
        });
        Ok(Cow::Owned(closed))
    }

    /// A record as it is to be written. `before` is what is written of it now; it comes back if it says
    /// the same.
    pub(crate) fn record_text(
        &self,
        record: &PeerRecord,
        before: Option<&str>,
    ) -> Result<String, getrandom::Error> {
        let plain = json(&*self.closed(record, before)?);
        match self.whole() {
            Some(keys) => {
                let id = keys.pseudonym(record.key.as_bytes());
                self.wrapped(&keys.records, id, plain, before)
            }
            None => Ok(plain),
        }
    }

    /// The memory that was written like this.
    pub(crate) fn memory(&self, text: &str) -> Option<Memory> {
        serde_json::from_str(&self.unwrapped(text)?).ok()
    }

    /// The memory as it is to be written, as [`Self::record_text`].
    pub(crate) fn memory_text(
        &self,
        memory: &Memory,
        before: Option<&str>,
    ) -> Result<String, getrandom::Error> {
        let plain = json(memory);
        match self.whole() {
            Some(keys) => self.wrapped(&keys.memory, keys.memory_id, plain, before),
            None => Ok(plain),
        }
    }

    /// The keys of a store that is sealed as a whole.
    fn whole(&self) -> Option<&Keys> {
        self.keys.as_ref().filter(|_| self.is_whole())
    }

    fn wrapped(
        &self,
        cipher: &Cipher,
        id: Pseudonym,
        plain: String,
        before: Option<&str>,
    ) -> Result<String, getrandom::Error> {
        if let Some(before) = before
            && self.unwrapped(before).is_some_and(|held| *held == plain)
        {
            return Ok(before.to_owned());
        }
        let sealed = cipher.seal(bytes::random()?, &about(id), plain.as_bytes());
        let sealed = BASE64.encode(&[&id[..], &sealed].concat());
        Ok(json(&Envelope { sealed: &sealed }))
    }

    /// What is in the envelope, or the text itself where nothing is put in envelopes. Where everything
    /// is, a text without one is somebody else's and not believed.
    fn unwrapped<'a>(&self, text: &'a str) -> Option<Cow<'a, str>> {
        let Some(keys) = self.whole() else {
            return Some(text.into());
        };
        let envelope: Envelope<'_> = serde_json::from_str(text).ok()?;
        let bytes = BASE64.decode(envelope.sealed.as_bytes()).ok()?;
        let (id, sealed) = bytes.split_first_chunk()?;
        let cipher = match *id == keys.memory_id {
            true => &keys.memory,
            false => &keys.records,
        };
        let mut plain = cipher.open(&about(*id), sealed)?;
        let plain = String::from_utf8(std::mem::take(&mut *plain)).ok()?;
        Some(plain.into())
    }
}

/// Whether a text is something sealed as a whole, by whatever key.
pub(crate) fn is_envelope(text: &str) -> bool {
    serde_json::from_str::<Envelope<'_>>(text).is_ok()
}

/// Binds what is sealed to whom it is about, so that no record can take the place of another.
fn about(id: Pseudonym) -> Vec<u8> {
    [b"rejoin-record-v1", &id[..]].concat()
}

fn about_secret(key: &PeerKey) -> Vec<u8> {
    [b"rejoin-secret-v1", key.as_bytes()].concat()
}

/// The JSON text of a record or of the memory.
pub(crate) fn json(value: &impl Serialize) -> String {
    let mut text = Vec::with_capacity(USUAL_BYTES);
    serde_json::to_writer(&mut text, value)
        .expect("plain data with text for keys always has a JSON form");
    String::from_utf8(text).expect("JSON is UTF-8")
}

/// A record with two addresses takes some 600.
const USUAL_BYTES: usize = 1024;

/// The memory's name among those of peers, none of which is empty.
const MEMORY: &[u8] = b"";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rejoin_core::{Address, AddressRecord, Source, Time};

    use super::*;
    use crate::seal::{Mode, SealKey, bytes::KEY_BYTES};

    fn seal(mode: Mode, data_key: u8) -> Seal {
        let (key, path) = (SealKey::raw([9; KEY_BYTES]), std::path::Path::new(""));
        let mut seal = Seal::none().made_anew(mode, &key, path).unwrap();
        seal.keys = Some(Keys::of([data_key; KEY_BYTES].into()));
        seal
    }

    fn peer(name: &str, secret: &str) -> PeerRecord {
        let mut record = PeerRecord::new(name.parse().unwrap(), Time::from_millis(1));
        let address: Address = "/ip4/8.8.4.4/tcp/4001".parse().unwrap();
        let known = AddressRecord::new(address, Source::Mdns, record.first_seen);
        record.addresses.push(known);
        record.notes.secret = SecretBytes::new(secret.into()).map(PeerSecret::Open);
        record
    }

    #[track_caller]
    fn text(seal: &Seal, record: &PeerRecord, before: Option<&str>) -> String {
        seal.record_text(record, before).unwrap()
    }

    #[test]
    fn what_is_sealed_is_read_back_and_hides_what_it_should() {
        hides(Mode::Secrets, &["swordfish"], &["alice", "8.8.4.4"]);
        hides(Mode::All, &["swordfish", "alice", "8.8.4.4", "key"], &[]);
    }

    #[track_caller]
    fn hides(mode: Mode, hidden: &[&str], shown: &[&str]) {
        let (seal, alice) = (seal(mode, 1), peer("alice", "swordfish"));
        let text = text(&seal, &alice, None);
        assert_eq!(seal.record(&text), Some(alice));
        for word in hidden {
            assert!(!text.contains(word), "{word} in {text}");
        }
        for word in shown {
            assert!(text.contains(word), "no {word} in {text}");
        }
    }

    #[test]
    fn without_a_seal_a_secret_is_not_written() {
        let written = text(&Seal::none(), &peer("alice", "swordfish"), None);
        let back = Seal::none().record(&written).unwrap();
        assert_eq!(back.notes.secret, None);
    }

    #[test]
    fn what_has_not_changed_is_not_sealed_again() {
        for mode in [Mode::Secrets, Mode::All] {
            let (seal, mut alice) = (seal(mode, 1), peer("alice", "swordfish"));
            let first = text(&seal, &alice, None);
            assert_eq!(text(&seal, &alice, Some(&first)), first);
            assert_ne!(text(&seal, &alice, None), first, "the nonce is new");

            // Another fact changes; the secret is the one sealed before.
            let sealed = |text: &str| {
                let keys = seal.keys.as_ref().unwrap();
                let plain = seal.unwrapped(text).unwrap();
                let record: PeerRecord = serde_json::from_str(&plain).unwrap();
                assert!(keys.data_key[0] == 1 && record.notes.secret.is_some());
                record.notes.secret.clone()
            };
            alice.last_seen = Some(Time::from_millis(5));
            let second = text(&seal, &alice, Some(&first));
            assert_ne!(second, first);
            assert_eq!(sealed(&second), sealed(&first));
            alice.notes = peer("alice", "other").notes;
            let third = text(&seal, &alice, Some(&second));
            assert_ne!(sealed(&third), sealed(&second));
            assert_eq!(seal.record(&third), Some(alice));
        }
    }

    #[test]
    fn a_secret_without_its_key_is_handed_back_as_it_is() {
        let (opened, alice) = (seal(Mode::Secrets, 1), peer("alice", "swordfish"));
        let written = text(&opened, &alice, None);
        let locked = Seal {
            header: opened.header.clone(),
            keys: None,
        };
        let read = locked.record(&written).unwrap();
        assert!(matches!(read.notes.secret, Some(PeerSecret::Sealed(_))));
        assert_eq!(text(&locked, &read, Some(&written)), written);
        let other = seal(Mode::Secrets, 2).record(&written).unwrap();
        assert_eq!(
            other.notes.secret, read.notes.secret,
            "nor with another key"
        );
    }

    #[test]
    fn one_peers_secret_is_no_use_to_another() {
        let seal = seal(Mode::Secrets, 1);
        let mut stolen: PeerRecord =
            serde_json::from_str(&text(&seal, &peer("alice", "swordfish"), None)).unwrap();
        stolen.key = "eve".parse().unwrap();
        let read = seal.record(&json(&stolen)).unwrap();
        assert_eq!(read.notes.secret.as_ref().unwrap().open(), None);
    }

    #[test]
    fn a_record_cannot_take_the_place_of_another() {
        let seal = seal(Mode::All, 1);
        let bytes = |name: &str| {
            let text = text(&seal, &peer(name, ""), None);
            let envelope: Envelope<'_> = serde_json::from_str(&text).unwrap();
            BASE64.decode(envelope.sealed.as_bytes()).unwrap()
        };
        let (alice, eve) = (bytes("alice"), bytes("eve"));
        let forged = [&alice[..PSEUDONYM_BYTES], &eve[PSEUDONYM_BYTES..]].concat();
        let sealed = BASE64.encode(&forged);
        assert_eq!(seal.record(&json(&Envelope { sealed: &sealed })), None);
        assert_eq!(
            alice[..PSEUDONYM_BYTES],
            seal.row_key(&"alice".parse().unwrap())[..]
        );
    }

    #[test]
    fn where_everything_is_sealed_nothing_else_is_believed() {
        let whole = seal(Mode::All, 1);
        let plain = json(&peer("eve", ""));
        assert_eq!(whole.record(&plain), None);
        assert_eq!(whole.memory(&json(&Memory::default())), None);
        let another = text(&seal(Mode::All, 2), &peer("eve", ""), None);
        assert_eq!(whole.record(&another), None);
        assert!(is_envelope(&another) && !is_envelope(&plain));
        assert_eq!(Seal::none().record(&another), None);
    }

    #[test]
    fn the_memory_is_sealed_as_records_are_and_taken_for_none() {
        let memory = Memory {
            secret: [7; 16],
            ..Memory::default()
        };
        let seal = seal(Mode::All, 1);
        let text = seal.memory_text(&memory, None).unwrap();
        assert!(!text.contains("secret"), "{text}");
        assert_eq!(seal.memory_text(&memory, Some(&text)).unwrap(), text);
        assert_eq!(seal.memory(&text), Some(memory));
        assert_eq!(seal.record(&text), None);
    }

    #[test]
    fn records_sealed_by_any_release_are_read() {
        // Sealed by another implementation, OpenSSL's.
        let text = include_str!("../../testdata/sealed-record-v1.json");
        let record = seal(Mode::All, 1).record(text.trim()).unwrap();
        assert_eq!(record, peer("alice", "swordfish"));
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_refused(flip in any::<prop::sample::Index>()) {
            let seal = seal(Mode::All, 1);
            let mut bytes = text(&seal, &peer("alice", "swordfish"), None).into_bytes();
            let bit = flip.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            let read = String::from_utf8(bytes).ok().and_then(|text| seal.record(&text));
            prop_assert_eq!(read, None);
        }

        #[test]
        fn any_flipped_bit_of_a_secret_leaves_it_closed(flip in any::<prop::sample::Index>()) {
            let seal = seal(Mode::Secrets, 1);
            let written = text(&seal, &peer("alice", "swordfish"), None);
            let mut record: PeerRecord = serde_json::from_str(&written).unwrap();
            let Some(PeerSecret::Sealed(blob)) = &record.notes.secret else { panic!("not sealed") };
            let mut bytes = blob.as_bytes().to_vec();
            let bit = flip.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            record.notes.secret = Blob::new(bytes).map(PeerSecret::Sealed);
            let read = seal.record(&json(&record)).unwrap();
            prop_assert_eq!(read.notes, record.notes);
        }
    }
}
