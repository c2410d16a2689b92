//! Who told us of peers that turned out to be there, and who of peers that did not: what a source
//! may tell us next shrinks with its lies. Nobody else ever learns of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{decay::Decayed, key::PeerKey, source::Source, time::Time};

/// What came of the hearsay of each peer that told us any.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Introducers(BTreeMap<PeerKey, Introduced>);

/// What came of the hearsay of one peer. Only what we tried ourselves counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Introduced {
    /// Peers that were where they were said to be.
    pub true_words: Decayed,
    /// Peers that were not, or not who they were said to be.
    pub false_words: Decayed,
}

/// So many true words everybody has in advance: even honest peers name some that have just left, and
/// a single one must not silence them.
const BENEFIT_OF_THE_DOUBT: f64 = 4.0;

/// Nobody is silenced for good: a source that is never tried again could never better itself.
const TRUST_MIN: f64 = 0.02;

impl Introducers {
    /// How much the words of a source weigh, from 0.02 to 1. What is not a peer is trusted as far as
    /// its user put it there.
    pub fn trust(&self, source: &Source) -> f64 {
        teller(source).map_or(1.0, |peer| self.trust_in(peer))
    }

    /// How much the words of a peer weigh, from 0.02 to 1.
    pub fn trust_in(&self, peer: &PeerKey) -> f64 {
        let Some(held) = self.0.get(peer) else {
            return 1.0;
        };
        let at = held.at();
        let (good, bad) = (held.true_words.value(at), held.false_words.value(at));
        let trust = (good + BENEFIT_OF_THE_DOUBT) / (good + bad + BENEFIT_OF_THE_DOUBT);
        trust.max(TRUST_MIN)
    }

    /// Whom a source named was there, or was not. Says whether anything was noted.
    pub fn learn(&mut self, source: &Source, now: Time, was_there: bool, max: usize) -> bool {
        let Some(peer) = teller(source) else {
            return false;
        };
        if !self.0.contains_key(peer) {
            self.shrink(max.saturating_sub(1));
        }
        let held = self.0.entry(peer.clone()).or_default();
        if was_there {
            held.true_words.add(1.0, now);
        } else {
            held.false_words.add(1.0, now);
        }
        true
    }

    /// Both together; of one peer the newer notes hold. Whoever loads the result cuts it to size.
    pub fn join(&mut self, other: &Self) {
        for (peer, theirs) in &other.0 {
            let ours = self.0.entry(peer.clone()).or_default();
            if theirs.at() > ours.at() {
                *ours = *theirs;
            }
        }
    }

    /// Makes what was read from a file usable. Returns how many values had to be changed.
    pub fn sanitise(&mut self, now: Time, max: usize) -> usize {
        let counts = self.0.values_mut();
        let mut changed = counts
            .flat_map(|held| [&mut held.true_words, &mut held.false_words])
            .filter_map(|count| count.sanitise(now).then_some(()))
            .count();
        changed += self.0.len().saturating_sub(max);
        self.shrink(max);
        changed
    }

    /// Nothing is noted of anybody.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Drops the oldest notes until so many are left. Flooding it with new names only drops the notes
    /// of peers that have been quiet for longest.
    fn shrink(&mut self, max: usize) {
        while self.0.len() > max {
            let oldest = self.0.iter().min_by_key(|(_, held)| held.at());
            let Some(oldest) = oldest.map(|(peer, _)| peer.clone()) else {
                return;
            };
            self.0.remove(&oldest);
        }
    }
}

impl Introduced {
    fn at(&self) -> Time {
        self.true_words.at().max(self.false_words.at())
    }
}

/// The peer behind a source, if one is.
fn teller(source: &Source) -> Option<&PeerKey> {
    match source {
        Source::Pex(peer) | Source::Gossip(peer) => Some(peer),
        Source::Own
        | Source::Manual
        | Source::Bootstrap
        | Source::Dns
        | Source::Url
        | Source::Mdns
        | Source::Rendezvous
        | Source::Swarm
        | Source::Import(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Time = Time::from_millis(1_000_000);

    #[test]
    fn lies_cost_trust_and_true_words_win_it_back() {
        check(0, 0, 1.0);
        check(10, 0, 1.0);
        check(0, 1, 0.8);
        check(0, 4, 0.5);
        check(12, 4, 0.8);
        check(0, 1_000_000, TRUST_MIN);
    }

    #[test]
    fn what_is_not_a_peer_is_not_judged() {
        let mut introducers = Introducers::default();
        assert!(!introducers.learn(&Source::Mdns, T, false, 8));
        assert_eq!(introducers.trust(&Source::Mdns), 1.0);
        assert!(introducers.is_empty());
    }

    #[test]
    fn notes_are_bounded_and_the_oldest_go_first() {
        let mut introducers = Introducers::default();
        for n in 0..100u64 {
            let now = Time::from_millis(1_000_000 + n);
            introducers.learn(&Source::Pex(name(n)), now, false, 10);
        }
        assert_eq!(introducers.0.len(), 10);
        assert!(introducers.trust_in(&name(99)) < 1.0);
        assert_eq!(introducers.trust_in(&name(0)), 1.0, "forgotten");
    }

    #[test]
    fn of_two_processes_notes_the_newer_ones_hold() {
        let (mut ours, mut theirs) = (Introducers::default(), Introducers::default());
        ours.learn(&Source::Pex(name(1)), T, true, 8);
        let later = Time::from_millis(2_000_000);
        theirs.learn(&Source::Pex(name(1)), later, false, 8);
        theirs.learn(&Source::Gossip(name(2)), later, false, 8);
        ours.join(&theirs);
        assert_eq!(ours, theirs);
    }

    /// The one place that knows how trust comes about.
    #[track_caller]
    fn check(true_words: u32, false_words: u32, trust: f64) {
        let eve = Source::Gossip(name(7));
        let held = Introduced {
            true_words: Decayed::new(true_words.into(), T),
            false_words: Decayed::new(false_words.into(), T),
        };
        let introducers = Introducers(BTreeMap::from([(name(7), held)]));
        assert!((introducers.trust(&eve) - trust).abs() < 1e-9);
    }

    fn name(n: u64) -> PeerKey {
        format!("peer-{n}").parse().unwrap()
    }
}
