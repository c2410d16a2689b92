//! Relays that keep a slot for us, so that others reach us through them: who is asked, who keeps
//! one, who rests after a refusal. Whether a slot is wanted at all is the engine's business.

use std::{cmp::Reverse, collections::BTreeMap};

use fastrand::Rng;

use crate::{
    address::Address,
    backoff::Backoff,
    choose::{Chooser, Purpose},
    config::Config,
    key::PeerKey,
    netgroup::Netgroup,
    output::Reserve,
    record::{PeerRecord, Pool},
    scene::Scene,
    status::RelayStatus,
    time::Time,
};

/// The relays we have to do with. As many slots as [`Config::relays_max`].
#[derive(Clone, Debug, Default)]
pub struct Relays {
    /// Those the user named, at most [`NAMED_MAX`].
    named: Vec<Reserve>,
    slots: BTreeMap<PeerKey, Slot>,
    /// Those that failed, at most [`RESTING_MAX`].
    resting: BTreeMap<PeerKey, Backoff>,
    /// When everybody in memory is looked at again, after that was in vain.
    look_at: Time,
}

#[derive(Clone, Debug)]
struct Slot {
    address: Address,
    /// When it was asked.
    asked: Time,
    /// Since when it keeps the slot.
    since: Option<Time>,
}

/// Somebody may name a few; more than that is a list gone wrong.
const NAMED_MAX: usize = 16;

/// A node behind a firewall tries a handful; the one longest rested makes room.
const RESTING_MAX: usize = 64;

impl Relays {
    /// A relay the user wants to be reached through.
    pub fn name(&mut self, relay: PeerKey, address: Address) {
        self.resting.remove(&relay);
        self.look_again();
        if let Some(known) = self.named.iter_mut().find(|it| it.relay == relay) {
            known.address = address;
        } else if self.named.len() < NAMED_MAX {
            self.named.push(Reserve { relay, address });
        }
    }

    /// How many slots there should be: one with each the user named, and as many as may be while
    /// nobody can reach us directly.
    pub fn wanted(&self, needed: bool, config: &Config) -> usize {
        if needed {
            config.relays_max
        } else {
            self.named.len().min(config.relays_max)
        }
    }

    /// How many keep a slot for us, or are asked for one.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether a peer keeps a slot for us, or is asked for one.
    pub fn contains(&self, relay: &PeerKey) -> bool {
        self.slots.contains_key(relay)
    }

    /// Whom to give back now that nobody is needed but those the user named.
    pub fn not_needed(&mut self) -> Vec<PeerKey> {
        let named = |relay: &PeerKey| self.named.iter().any(|it| it.relay == *relay);
        let gone: Vec<_> = self
            .slots
            .keys()
            .filter(|relay| !named(relay))
            .cloned()
            .collect();
        for relay in &gone {
            self.slots.remove(relay);
        }
        gone
    }

    /// Whom to ask next; notes that it is asked. `needed`: not only those the user named.
    pub fn next(&mut self, scene: Scene<'_>, needed: bool) -> Option<Reserve> {
        if scene.now < self.look_at {
            return None;
        }
        let named = self
            .named
            .iter()
            .find(|it| self.is_free(scene, &it.relay))
            .cloned();
        let next = named.or_else(|| needed.then(|| self.best(scene)).flatten());
        match &next {
            Some(reserve) => {
                let slot = Slot {
                    address: reserve.address.clone(),
                    asked: scene.now,
                    since: None,
                };
                self.slots.insert(reserve.relay.clone(), slot);
            }
            None => self.look_at = scene.now + scene.config.relay_look_every,
        }
        next
    }

    /// The best of those we met: who is connected already, who kept a slot for us before, who is
    /// good at it; those in another network than the relays we have before all others.
    fn best(&self, scene: Scene<'_>) -> Option<Reserve> {
        let taken: Vec<_> = self
            .slots
            .values()
            .map(|slot| Netgroup::of(&slot.address))
            .collect();
        let free = |record: &&PeerRecord| self.is_free(scene, &record.key);
        let chooser = Chooser {
            purpose: Purpose::Relay,
            survival: &scene.book.memory().survival,
            now: scene.now,
        };
        let suited = chooser.best(scene.book.iter().filter(free), usize::MAX);
        let candidates = suited.into_iter().filter_map(|choice| {
            let address = way_to(scene, choice.record)?;
            let relay = choice.record.key.clone();
            let worth = (
                !taken.contains(&Netgroup::of(&address)),
                scene.links.contains(&relay),
                choice.record.role.relayed_us.is_some(),
            );
            Some((worth, Reserve { relay, address }))
        });
        // Of equals the first, who suits best.
        let best = candidates.min_by_key(|(worth, _)| Reverse(*worth));
        best.map(|(_, reserve)| reserve)
    }

    fn is_free(&self, scene: Scene<'_>, relay: &PeerKey) -> bool {
        let blocked = |record: &PeerRecord| record.is_blocked(scene.now);
        !self.slots.contains_key(relay)
            && (self.resting.get(relay)).is_none_or(|rest| rest.is_over(scene.now))
            && !scene.reach.is_me(relay)
            && !scene.book.get(relay).is_some_and(blocked)
    }

    /// A relay keeps a slot for us. Says whether that is news.
    pub fn kept(&mut self, relay: &PeerKey, now: Time) -> bool {
        let Some(slot) = self.slots.get_mut(relay) else {
            return false; // released meanwhile
        };
        self.resting.remove(relay);
        slot.since.replace(now).is_none()
    }

    /// A relay keeps no slot for us: it rests. The user's own rest for a minute at most, others as
    /// long as a bootstrap server that fails.
    pub fn failed(&mut self, relay: &PeerKey, now: Time, config: &Config, rng: &mut Rng) {
        if self.slots.remove(relay).is_none() {
            return;
        }
        let (min, max) = if self.named.iter().any(|it| it.relay == *relay) {
            (config.backoff_min, config.breaker_min)
        } else {
            (config.breaker_min, config.breaker_max)
        };
        let mut rest = self.resting.remove(relay).unwrap_or_default();
        rest.fail(now, min, max, rng);
        if self.resting.len() >= RESTING_MAX {
            let first = self.resting.iter().min_by_key(|(_, rest)| rest.until);
            if let Some(first) = first.map(|(relay, _)| relay.clone()) {
                self.resting.remove(&first);
            }
        }
        self.resting.insert(relay.clone(), rest);
        // Who takes its place may be at hand.
        self.look_again();
    }

    /// Those that took too long to answer.
    pub fn overdue(&self, now: Time, config: &Config) -> Vec<PeerKey> {
        let late =
            |slot: &Slot| is_asked(slot) && now.since(slot.asked) >= config.relay_answer_within;
        let overdue = self.slots.iter().filter(|(_, slot)| late(slot));
        overdue.map(|(relay, _)| relay.clone()).collect()
    }

    /// When the first of those asked has taken too long.
    pub fn overdue_at(&self, config: &Config) -> Option<Time> {
        let asked = self.slots.values().filter(|slot| is_asked(slot));
        asked
            .map(|slot| slot.asked + config.relay_answer_within)
            .min()
    }

    /// When to look for another one, if one is missing: not while everybody known was looked at.
    pub fn look_at(&self, now: Time) -> Option<Time> {
        (self.look_at > now).then_some(self.look_at)
    }

    /// Somebody may be found at once.
    pub fn look_again(&mut self) {
        self.look_at = Time::default();
    }

    /// Old failures mean little.
    pub fn clear(&mut self) {
        self.resting.clear();
        self.look_again();
    }

    /// We are about to stop: every slot goes back.
    pub fn release_all(&mut self) -> Vec<PeerKey> {
        self.named.clear();
        std::mem::take(&mut self.slots).into_keys().collect()
    }

    /// Each relay that keeps a slot or is asked for one.
    pub fn status(&self) -> Vec<RelayStatus> {
        let status = |(peer, slot): (&PeerKey, &Slot)| RelayStatus {
            peer: peer.clone(),
            since: slot.since,
        };
        self.slots.iter().map(status).collect()
    }
}

/// Somebody we met who says it relays for others. Whom we only heard of cannot have told us so.
pub fn is_relay(record: &PeerRecord) -> bool {
    record.role.relay && record.pool() == Pool::Proven
}

/// Where a relay is: where we reached it, or the best we know. A relay behind a relay is none.
fn way_to(scene: Scene<'_>, record: &PeerRecord) -> Option<Address> {
    let straight = |address: &&Address| address.relay().is_none();
    let link = scene.links.get(&record.key);
    let dialled = link.and_then(|link| link.dialled.as_ref()).filter(straight);
    if let Some(dialled) = dialled {
        return Some(dialled.clone());
    }
    let known = scene.to_try(record, link.is_some()).into_iter();
    known.map(|known| &known.address).find(straight).cloned()
}

fn is_asked(slot: &Slot) -> bool {
    slot.since.is_none()
}
