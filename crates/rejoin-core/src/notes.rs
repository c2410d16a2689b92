//! What the application writes down of a peer: who it is to its user, and what nobody else may read.
//! All of it is the application's; nothing that comes over the network changes it.

use std::{cmp::Ordering, collections::BTreeMap};

use serde::{Deserialize, Serialize};

use crate::{
    record::{PeerRecord, is_default},
    secret::{self, PeerSecret, SecretBytes},
    seldom::Blank,
    text::Text,
    time::Time,
};

/// What the application wrote down of a peer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Notes {
    /// The name the application knows its user by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<Text<64>>,
    /// What it wants to be called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<Text<50>>,
    /// Anything else, at most [`METADATA_BYTES_MAX`] bytes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<Text<64>, Text<4096>>,
    /// What nobody else may read.
    #[serde(default, skip_serializing_if = "secret::is_unwritten")]
    pub secret: Option<PeerSecret>,
    /// When any of this was last written down. Of two records the later one's hold.
    #[serde(default, skip_serializing_if = "is_default")]
    pub noted: Time,
}

impl Blank for Notes {
    const BLANK: &'static Self = &Self {
        user_id: None,
        display_name: None,
        metadata: BTreeMap::new(),
        secret: None,
        noted: Time::from_millis(0),
    };
}

/// How many bytes of text the application may attach to one peer.
pub const METADATA_BYTES_MAX: usize = 4096;

/// One thing written down. `None` erases it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The name the application knows the peer's user by.
    UserId(Option<Text<64>>),
    /// What the peer wants to be called.
    DisplayName(Option<Text<50>>),
    /// Anything else, by a name of the application's choice.
    Metadata {
        /// The name.
        name: Text<64>,
        /// What is noted under it.
        text: Option<Text<4096>>,
    },
    /// What nobody else may read. It is kept beyond this run only in a store that is sealed.
    Secret(Option<SecretBytes>),
}

/// Why something was not written down.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// The notes on one peer would take more than is kept.
    #[error(
        "the notes on this peer would take {bytes} bytes, {METADATA_BYTES_MAX} are kept; erase \
         others first, or keep a reference in their place"
    )]
    TooLarge {
        /// What they would take, names included.
        bytes: usize,
    },
}

impl Note {
    /// Whether it can be written down beside what is noted already; `record` is `None` if the peer is
    /// unknown so far.
    ///
    /// # Errors
    /// If it cannot.
    pub fn check(&self, record: Option<&PeerRecord>) -> Result<(), NoteError> {
        let Self::Metadata {
            name,
            text: Some(text),
        } = self
        else {
            return Ok(());
        };
        let others = record.map_or(0, |record| {
            let metadata = &record.notes.metadata;
            let replaced = metadata.get(name);
            let replaced = replaced.map_or(0, |text| name.len() + text.len());
            metadata_bytes(metadata) - replaced
        });
        let bytes = others + name.len() + text.len();
        if bytes > METADATA_BYTES_MAX {
            return Err(NoteError::TooLarge { bytes });
        }
        Ok(())
    }

    /// Writes it down, unless there is no room; says whether anything is different now.
    pub(crate) fn write(self, record: &mut PeerRecord, now: Time) -> bool {
        if self.check(Some(record)).is_err() {
            return false;
        }
        let notes = &mut *record.notes;
        let changed = match self {
            Self::UserId(id) => differs(&mut notes.user_id, id),
            Self::DisplayName(name) => differs(&mut notes.display_name, name),
            Self::Metadata {
                name,
                text: Some(text),
            } => notes.metadata.insert(name, text.clone()) != Some(text),
            Self::Metadata { name, text: None } => notes.metadata.remove(&name).is_some(),
            Self::Secret(bytes) => differs(&mut notes.secret, bytes.map(PeerSecret::Open)),
        };
        if changed {
            notes.noted = now;
        }
        changed
    }
}

fn differs<T: PartialEq>(held: &mut T, new: T) -> bool {
    let differs = *held != new;
    *held = new;
    differs
}

/// How many bytes some notes take.
pub fn metadata_bytes<const K: usize, const V: usize>(
    metadata: &BTreeMap<Text<K>, Text<V>>,
) -> usize {
    metadata
        .iter()
        .map(|(name, note)| name.len() + note.len())
        .sum()
}

/// Joins the notes of two views of a peer. Whoever wrote last holds as a whole, so that what was erased
/// stays erased; where neither did, nothing is lost.
pub(crate) fn merged(newer: &Notes, older: &Notes) -> Notes {
    match newer.noted.cmp(&older.noted) {
        Ordering::Less => return older.clone(),
        Ordering::Greater => return newer.clone(),
        Ordering::Equal => {}
    }
    let mut merged = newer.clone();
    merged.user_id = merged.user_id.or(older.user_id.clone());
    merged.display_name = merged.display_name.or(older.display_name.clone());
    merged.secret = merged.secret.or(older.secret.clone());
    for (name, note) in &older.metadata {
        let entry = merged.metadata.entry(name.clone());
        entry.or_insert_with(|| note.clone());
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::changes::{Counts, PeerDelta};

    const fn t(ms: u64) -> Time {
        Time::from_millis(1_000_000 + ms)
    }

    fn alice() -> PeerRecord {
        PeerRecord::new("alice".parse().unwrap(), t(0))
    }

    fn metadata(name: &str, text: &str) -> Note {
        Note::Metadata {
            name: Text::new(name),
            text: (!text.is_empty()).then(|| Text::new(text)),
        }
    }

    fn secret(text: &str) -> Note {
        Note::Secret(SecretBytes::new(text.into()))
    }

    fn noted(notes: impl IntoIterator<Item = Note>, at: Time) -> PeerRecord {
        let mut record = alice();
        for note in notes {
            assert!(note.write(&mut record, at));
        }
        record
    }

    #[track_caller]
    fn check(ours: &PeerRecord, saved: &PeerRecord, expected: &PeerRecord) {
        let onto = |ours: &PeerRecord, saved: &PeerRecord| {
            let unsaved = Counts::default();
            let record = ours.clone();
            PeerDelta { record, unsaved }.onto(Some(saved.clone()))
        };
        assert_eq!(onto(ours, saved), *expected);
        assert_eq!(onto(saved, ours), *expected, "in the other order");
    }

    #[test]
    fn what_was_written_last_holds_and_what_was_erased_stays_erased() {
        let early = noted(
            [
                Note::UserId(Some(Text::new("al"))),
                Note::DisplayName(Some(Text::new("Al"))),
                metadata("met", "in Ulm"),
                secret("swordfish"),
            ],
            t(5),
        );
        let mut late = early.clone();
        for erased in [
            Note::UserId(None),
            Note::DisplayName(None),
            metadata("met", ""),
            Note::Secret(None),
        ] {
            assert!(erased.write(&mut late, t(9)));
        }
        check(&late, &early, &late);
        check(&early, &alice(), &early);
        let changed = noted([secret("other")], t(7));
        check(&changed, &early, &changed);
    }

    #[test]
    fn meeting_a_peer_later_is_no_note() {
        let early = noted([secret("swordfish")], t(5));
        let mut met = alice();
        met.last_seen = Some(t(99));
        let both = PeerRecord {
            last_seen: met.last_seen,
            ..early.clone()
        };
        check(&met, &early, &both);
    }

    #[test]
    fn notes_from_before_there_were_stamps_are_all_kept() {
        let mut ours = noted([metadata("a", "1")], Time::default());
        let saved = noted([metadata("b", "2")], Time::default());
        let both = noted([metadata("a", "1"), metadata("b", "2")], Time::default());
        check(&ours, &saved, &both);
        let secret = SecretBytes::new(vec![1]).map(PeerSecret::Open);
        ours.notes.secret.clone_from(&secret);
        let mut with_secret = both;
        with_secret.notes.secret = secret;
        check(&ours, &saved, &with_secret);
    }

    #[test]
    fn a_note_that_has_no_room_is_refused_and_nothing_else_is_lost() {
        let long = "x".repeat(METADATA_BYTES_MAX - 10);
        let mut record = noted([metadata("a", &long)], t(1));
        let over = metadata("bb", "12345678");
        let bytes = METADATA_BYTES_MAX + 1;
        assert_eq!(
            over.check(Some(&record)),
            Err(NoteError::TooLarge { bytes })
        );
        let before = record.clone();
        assert!(!over.write(&mut record, t(2)));
        assert_eq!(record, before);
        assert!(metadata("a", &long[1..]).write(&mut record, t(2)), "less");
        assert_eq!(metadata("b", "12345678").check(Some(&record)), Ok(()));
        let alone = metadata("b", &"ä".repeat(3_000));
        assert!(alone.check(None).is_err(), "bytes count, not characters");
    }

    #[test]
    fn what_changes_nothing_is_no_note() {
        let mut record = noted([metadata("a", "1"), secret("x")], t(1));
        for same in [metadata("a", "1"), secret("x"), metadata("b", "")] {
            assert!(!same.write(&mut record, t(2)));
        }
        assert_eq!(record.notes.noted, t(1));
    }
}
