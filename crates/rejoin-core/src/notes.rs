//! What the application writes down of a peer: who it is to its user, and what nobody else may read.
//! All of it is the application's; nothing that comes over the network changes it.

use crate::{
    record::{METADATA_BYTES_MAX, PeerRecord, metadata_bytes},
    secret::{PeerSecret, SecretBytes},
    text::Text,
    time::Time,
};

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
            let replaced = record.metadata.get(name);
            let replaced = replaced.map_or(0, |text| name.len() + text.len());
            metadata_bytes(&record.metadata) - replaced
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
        let changed = match self {
            Self::UserId(id) => differs(&mut record.user_id, id),
            Self::DisplayName(name) => differs(&mut record.display_name, name),
            Self::Metadata {
                name,
                text: Some(text),
            } => record.metadata.insert(name, text.clone()) != Some(text),
            Self::Metadata { name, text: None } => record.metadata.remove(&name).is_some(),
            Self::Secret(bytes) => differs(&mut record.secret, bytes.map(PeerSecret::Open)),
        };
        if changed {
            record.noted = now;
        }
        changed
    }
}

fn differs<T: PartialEq>(held: &mut T, new: T) -> bool {
    let differs = *held != new;
    *held = new;
    differs
}

/// Joins the notes of two views of a peer in `merged`. Whoever wrote last holds as a whole, so that
/// what was erased stays erased; where neither did, nothing is lost.
pub(crate) fn merge(merged: &mut PeerRecord, newer: &PeerRecord, older: &PeerRecord) {
    if newer.noted != older.noted {
        let last = if older.noted > newer.noted {
            older
        } else {
            newer
        };
        merged.noted = last.noted;
        merged.user_id.clone_from(&last.user_id);
        merged.display_name.clone_from(&last.display_name);
        merged.metadata.clone_from(&last.metadata);
        merged.secret.clone_from(&last.secret);
        return;
    }
    merged.user_id = newer.user_id.clone().or(older.user_id.clone());
    merged.display_name = newer.display_name.clone().or(older.display_name.clone());
    merged.secret = newer.secret.clone().or(older.secret.clone());
    for (name, note) in &older.metadata {
        merged
            .metadata
            .entry(name.clone())
            .or_insert_with(|| note.clone());
    }
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
        ours.secret = Some(PeerSecret::Open(SecretBytes::new(vec![1]).unwrap()));
        let with_secret = PeerRecord {
            secret: ours.secret.clone(),
            ..both
        };
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
        assert_eq!(record.noted, t(1));
    }
}
