//! What is said of a peer: addresses to try, and nothing else. Whoever is not known yet needs a seat.

use super::{Book, netgroup};
use crate::{
    address::Address,
    addresses,
    config::Config,
    key::PeerKey,
    netgroup::Netgroup,
    placement::{Slot, Teller},
    record::{ADDRESSES_MAX, PeerRecord},
    records::Entry,
    retention,
    signed::SignedPeer,
    source::Source,
    time::Time,
};

impl Book {
    /// Takes in what somebody said of a peer. A proven peer gains addresses to try and nothing
    /// else; an unknown one is seated among the hearsay if its seat is free or its occupant is
    /// worth nothing. Returns whether anything new was learned.
    pub fn hear(
        &mut self,
        now: Time,
        key: &PeerKey,
        addresses: impl IntoIterator<Item = Address>,
        source: &Source,
        config: &Config,
    ) -> bool {
        let mut addresses = addresses.into_iter().take(ADDRESSES_MAX).peekable();
        if addresses.peek().is_none() {
            return false;
        }
        if self.get(key).is_none() {
            let mut record = PeerRecord::new(key.clone(), now);
            for address in addresses {
                addresses::add(&mut record, address, source, now);
            }
            return self.seat(now, record, config);
        }
        let mut learned = false;
        self.update(now, key, |record| {
            for address in addresses {
                learned |= addresses::add(record, address, source, now);
            }
            learned
        });
        learned
    }

    /// Takes in a peer's own signed word, whoever carried it; of two the newer holds. What was only
    /// claimed before and is claimed no longer is dropped. Returns whether anything new was learned.
    pub fn vouched(
        &mut self,
        now: Time,
        signed: &SignedPeer,
        believable: impl IntoIterator<Item = Address>,
        source: &Source,
        config: &Config,
    ) -> bool {
        let key = &signed.peer;
        let known = self
            .get(key)
            .and_then(|record| record.credentials.signed_seq);
        if known >= Some(signed.seq) {
            return false;
        }
        let learned = self.hear(now, key, believable, source, config);
        self.update(now, key, |record| {
            record.credentials.signed_record = Some(signed.envelope.clone());
            record.credentials.signed_seq = Some(signed.seq);
            record.credentials.signed_scope = signed.scope();
            record.addresses.retain(|known| {
                known.last_success.is_some()
                    || !matches!(known.source, Source::Pex(_) | Source::Gossip(_))
                    || signed.addresses.contains(&known.address)
            });
            true
        });
        learned
    }

    /// How much the words of a source weigh, from 0.02 to 1; see [`Introducers`].
    ///
    /// [`Introducers`]: crate::introducers::Introducers
    pub fn trust(&self, source: &Source) -> f64 {
        self.memory.introducers.trust(source)
    }

    /// The same for the words of a peer.
    pub fn trust_in(&self, peer: &PeerKey) -> f64 {
        self.memory.introducers.trust_in(peer)
    }

    /// Somebody a source named was there, or was not: its words weigh more, or less.
    pub(super) fn judge_teller(
        &mut self,
        now: Time,
        teller: Option<Source>,
        was_there: bool,
        config: &Config,
    ) {
        let max = config.introducers_max;
        if let Some(source) = teller
            && self.memory.introducers.learn(&source, now, was_there, max)
        {
            self.unsaved.touch_memory(now);
        }
    }

    /// A peer the user or the program named: kept wherever it comes from.
    pub fn introduce(&mut self, now: Time, key: &PeerKey, address: Address, source: &Source) {
        self.ensure(now, key);
        self.update(now, key, |record| {
            let known = addresses::add(record, address, source, now);
            let bootstrap = *source == Source::Bootstrap && !record.role.bootstrap;
            record.role.bootstrap |= bootstrap;
            known || bootstrap
        });
    }

    fn seat(&mut self, now: Time, record: PeerRecord, config: &Config) -> bool {
        let Some(slot) = self.seat_of(&record) else {
            return false;
        };
        if let Some(occupant) = self.placement.occupant(slot).cloned() {
            let worthless = self
                .get(&occupant)
                .is_none_or(|held| is_worthless(held, now, config));
            if !worthless {
                return false;
            }
            self.forget(now, &occupant);
        }
        let key = record.key.clone();
        self.hot.turned_up(&key);
        let mut entry = Entry::new(record);
        self.unsaved.touch(now, &key, &mut entry.ticket);
        self.placement.take(slot, key);
        entry.slot = Some(slot);
        self.records.insert(entry);
        true
    }

    /// The seat hearsay belongs to, by its first address and whoever named it.
    pub(super) fn seat_of(&self, record: &PeerRecord) -> Option<Slot> {
        if record.last_connected.is_some() || record.role.bootstrap {
            return None;
        }
        let first = record.addresses.first()?;
        let lives_in = match &first.source {
            Source::Pex(teller) | Source::Gossip(teller) => self.get(teller).and_then(netgroup),
            _ => None,
        };
        let teller = Teller::of(&first.source, lives_in.as_ref());
        let about = Netgroup::of(&first.address);
        Some(self.placement.slot(&record.key, &about, &teller))
    }
}

/// Hearsay that gives its seat to fresher hearsay.
fn is_worthless(held: &PeerRecord, now: Time, config: &Config) -> bool {
    let once = std::iter::once(held);
    if held.control.pinned || held.is_blocked_by_user(now) {
        return false; // what the user decided, hearsay cannot undo
    }
    held.addresses.is_empty()
        || held.evidence.failures_in_row > 0
        || !retention::plan(&config.retention, once, |_| false, now).is_empty()
}
