//! What the user, the application and we ourselves want of a peer.

use super::Book;
use crate::{
    addresses,
    key::PeerKey,
    links::Links,
    notes::Note,
    record::{Control, PeerRecord},
    time::Time,
};

impl Book {
    /// Writes down what the user decided about a peer, who may be unknown so far. That ends whatever
    /// we had decided ourselves.
    pub fn decide(&mut self, now: Time, key: &PeerKey, decision: impl FnOnce(&mut Control)) {
        self.ensure(now, key);
        self.update(now, key, |record| {
            decision(&mut record.control);
            record.control.decided = now;
            record.control.banned = None;
            true
        });
    }

    /// Writes down what the application wants remembered of a peer, who may be unknown so far.
    pub fn note(&mut self, now: Time, key: &PeerKey, note: Note) {
        let known = self.get(key).cloned();
        let mut record = known.unwrap_or_else(|| PeerRecord::new(key.clone(), now));
        if note.write(&mut record, now) {
            self.ensure(now, key);
            self.update(now, key, |known| {
                *known = record;
                true
            });
        }
    }

    /// Changes what we ourselves noted about a peer; `change` says whether it did.
    pub fn control(
        &mut self,
        now: Time,
        key: &PeerKey,
        change: impl FnOnce(&mut PeerRecord) -> bool,
    ) {
        self.update(now, key, change);
    }

    /// We are back with others: anchors that have not come back are anchors no more.
    pub fn settle_anchors(&mut self, now: Time, links: &Links) {
        let absent = |record: &&PeerRecord| {
            record.control.anchor && !links.contains(&record.key) && !links.was_lost(&record.key)
        };
        let gone: Vec<_> = self
            .singled_out()
            .filter(absent)
            .map(|record| record.key.clone())
            .collect();
        for key in gone {
            self.control(now, &key, |record| {
                std::mem::take(&mut record.control.anchor)
            });
        }
    }

    /// Lets every proven peer be dialled at once again.
    pub fn clear_backoff(&mut self, now: Time) {
        let resting: Vec<_> = self
            .iter()
            .filter(|record| record.last_connected.is_some() && addresses::is_resting(record))
            .map(|record| record.key.clone())
            .collect();
        for key in resting {
            self.update(now, &key, |record| {
                addresses::wake(record);
                true
            });
        }
        if !self.memory.hosts.is_empty() {
            self.memory.hosts.clear();
            self.unsaved.touch_memory(now);
        }
    }
}
