//! Where hearsay is kept, so that no source and no address range can fill the pool.
//!
//! After Bitcoin Core's addrman (`src/addrman.cpp`, in answer to Heilman, Kendler, Zohar and
//! Goldberg, "Eclipse Attacks on Bitcoin's Peer-to-Peer Network", USENIX Security 2015): a keyed
//! hash of who is told about and who tells picks the bucket, and one netgroup of tellers reaches
//! only a few of them, whatever it sends.

use std::{collections::BTreeMap, hash::Hasher, num::NonZeroU16};

use siphasher::sip::SipHasher24;

use crate::{
    config::Config, key::PeerKey, memory::Secret, netgroup::Netgroup, record::Place, source::Source,
};

/// One place for one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    bucket: u16,
    /// One more than it is, so that an `Option<Slot>` is no larger: there is one for every peer.
    position: NonZeroU16,
}

/// Who sits where.
#[derive(Clone, Debug)]
pub struct Placement {
    secret: Secret,
    buckets: u16,
    positions: u16,
    buckets_per_source: u64,
    taken: BTreeMap<Slot, PeerKey>,
}

impl Placement {
    /// An empty pool whose seating nobody can foresee without `secret`.
    pub fn new(secret: Secret, config: &Config) -> Self {
        Self {
            secret,
            buckets: seats(config.hearsay_buckets),
            positions: seats(config.hearsay_bucket_size),
            buckets_per_source: config.hearsay_buckets_per_source.max(1) as u64,
            taken: BTreeMap::new(),
        }
    }

    /// Where `key`, said to live in `netgroup`, belongs when `teller` names it.
    pub fn slot(&self, key: &PeerKey, netgroup: &Netgroup, teller: &Teller) -> Slot {
        let group = netgroup.to_string();
        let nth = self.hash("nth", &[&teller.0, group.as_bytes()]) % self.buckets_per_source;
        let bucket =
            self.hash("bucket", &[&teller.0, &nth.to_be_bytes()]) % u64::from(self.buckets);
        let position = self.hash("position", &[&bucket.to_be_bytes(), key.as_bytes()]);
        Slot {
            bucket: bucket as u16,
            position: NonZeroU16::MIN.saturating_add((position % u64::from(self.positions)) as u16),
        }
    }

    /// Who sits there.
    pub fn occupant(&self, slot: Slot) -> Option<&PeerKey> {
        self.taken.get(&slot)
    }

    /// Whoever sits anywhere.
    pub fn seated(&self) -> impl Iterator<Item = &PeerKey> {
        self.taken.values()
    }

    /// Seats `key`, whoever sat there before.
    pub fn take(&mut self, slot: Slot, key: PeerKey) {
        self.taken.insert(slot, key);
    }

    /// Frees a seat if it is still `key`'s.
    pub fn free(&mut self, slot: Slot, key: &PeerKey) {
        if self.taken.get(&slot) == Some(key) {
            self.taken.remove(&slot);
        }
    }

    /// The name under which we remember a place.
    pub fn place(&self, named_by: &[u8]) -> Place {
        Place(self.hash("place", &[named_by]))
    }

    fn hash(&self, purpose: &str, parts: &[&[u8]]) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.secret);
        hasher.write(purpose.as_bytes());
        for part in parts {
            // The length keeps ("ab", "c") and ("a", "bc") apart.
            hasher.write(&(part.len() as u64).to_be_bytes());
            hasher.write(part);
        }
        hasher.finish()
    }
}

/// At least one, and no more than anybody has memory for.
fn seats(configured: usize) -> u16 {
    u16::try_from(configured).unwrap_or(u16::MAX).max(1)
}

/// Who tells, as far as placement cares: the netgroup of a peer, the kind of any other source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Teller(Vec<u8>);

impl Teller {
    /// A source; `lives_in` is the netgroup of the peer it names, if it names one and we know it.
    pub fn of(source: &Source, lives_in: Option<&Netgroup>) -> Self {
        let text = match (source, lives_in) {
            (Source::Pex(_) | Source::Gossip(_), Some(netgroup)) => netgroup.to_string(),
            (source, _) => source.to_string(),
        };
        Self(text.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn group(n: u32) -> Netgroup {
        let [_, _, a, b] = n.to_be_bytes();
        Netgroup::V4([a, b])
    }

    fn key(n: u32) -> PeerKey {
        PeerKey::new(&n.to_be_bytes()).unwrap()
    }

    #[test]
    fn one_netgroup_of_tellers_reaches_few_buckets_whatever_it_sends() {
        let placement = Placement::new([7; 16], &Config::default());
        let eve = key(66);
        let teller = Teller::of(&Source::Gossip(eve), Some(&group(66)));
        let reached: BTreeSet<_> = (0..20_000)
            .map(|n| placement.slot(&key(n), &group(n), &teller).bucket)
            .collect();
        assert!(reached.len() <= 8, "{} buckets", reached.len());
    }

    #[test]
    fn one_netgroup_told_about_by_one_teller_reaches_one_bucket() {
        let placement = Placement::new([7; 16], &Config::default());
        let teller = Teller::of(&Source::Dns, None);
        let reached: BTreeSet<_> = (0..1_000)
            .map(|n| placement.slot(&key(n), &group(5), &teller).bucket)
            .collect();
        assert_eq!(reached.len(), 1);
    }

    #[test]
    fn many_tellers_reach_the_whole_pool() {
        let placement = Placement::new([7; 16], &Config::default());
        let reached: BTreeSet<_> = (0..20_000)
            .map(|n| {
                let teller = Teller::of(&Source::Pex(key(n)), Some(&group(n / 10)));
                placement.slot(&key(n), &group(n), &teller)
            })
            .collect();
        assert!(reached.len() > 64 * 16 * 9 / 10, "{}", reached.len());
    }

    #[test]
    fn another_secret_seats_differently() {
        let teller = Teller::of(&Source::Dns, None);
        let seat = |secret| {
            let placement = Placement::new(secret, &Config::default());
            (0..8)
                .map(|n| placement.slot(&key(n), &group(n), &teller))
                .collect::<Vec<_>>()
        };
        assert_eq!(seat([1; 16]), seat([1; 16]));
        assert_ne!(seat([1; 16]), seat([2; 16]));
    }
}
