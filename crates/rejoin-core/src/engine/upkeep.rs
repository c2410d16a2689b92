//! Which connections last: the silent are noticed, those that are too many are let go, and behind
//! whoever comes to us there is always room for those we choose ourselves.
//!
//! What silence means stands in `health`, who goes first in `trim`; whom to dial, in `due`.

use std::collections::BTreeSet;

use super::Engine;
use crate::{
    health::FarEnd,
    key::PeerKey,
    links::Link,
    output::{DisconnectReason, Lane, Output},
    score,
    sources::Kind,
    time::Time,
    trim::{self, Held, Hold},
};

impl Engine {
    /// Closes what is dead, and lets what sleeps count no more. Whoever is lost that way is dialled
    /// again like anybody else.
    pub(super) fn notice_silence(&mut self, now: Time) {
        let before = self.links.peers();
        let mut dead = self.links.look(now, &self.config);
        self.fewer_count(now, before);
        dead.extend(self.in_the_way(now));
        for peer in dead {
            self.close(now, peer, DisconnectReason::Stale);
        }
    }

    /// Programs that sleep while connections are missing and nobody else is left to dial: a dial may find
    /// out sooner what has become of them. After an outage between us and all we know beyond it, a new
    /// connection is up long before an old one stirs.
    fn in_the_way(&mut self, now: Time) -> Vec<PeerKey> {
        let all_awake = self.links.live() == self.links.len();
        let busy = all_awake || self.missing() == 0 || !self.dialer.is_empty();
        if busy || self.next_is_news(now).is_some() {
            return Vec::new();
        }
        let (_, scene, _) = self.survey(now);
        let sleepers = scene.links.iter().filter(|(_, link)| {
            !link.awake && link.far_end == FarEnd::Program && !scene.links.is_on_trial(link)
        });
        let can_be_dialled = |peer: &&PeerKey| {
            let record = scene.book.get(peer);
            record.is_some_and(|record| !scene.usable(record, true).is_empty())
        };
        let peers = sleepers.map(|(peer, _)| peer).filter(can_be_dialled);
        peers.cloned().collect()
    }

    /// Closes the least valuable connections if there are too many. The young do not count: a flood
    /// of newcomers must not push out those who were here before it.
    pub(super) fn trim(&mut self, now: Time) {
        let (high, low) = trim::marks(&self.config);
        if self.links.len() <= high || now < self.schedule.trim_at {
            return;
        }
        self.schedule.trim_at = now + self.config.trim_every;
        let held = self.grown_up(now);
        if held.len() <= high {
            return;
        }
        for peer in trim::surplus(&held, low) {
            self.close(now, peer, DisconnectReason::Surplus);
        }
    }

    /// When that is due next, if there are too many.
    pub(super) fn trim_at(&self) -> Option<Time> {
        let (high, _) = trim::marks(&self.config);
        (self.links.len() > high).then_some(self.schedule.trim_at)
    }

    /// Every connection beyond its grace period, with what it is worth.
    fn grown_up(&self, now: Time) -> Vec<Held<'_>> {
        let grace = self.config.connections_grace;
        let grown = |link: &Link| now.since(link.since) >= grace;
        let mut held: Vec<_> = self
            .links
            .iter()
            .filter(|(_, link)| grown(link))
            .map(|(peer, link)| {
                let record = self.book.get(peer);
                let score = record.map_or(0.0, |record| score::score(record, now));
                Held {
                    peer,
                    group: &link.group,
                    hold: self.hold(peer, link),
                    value: trim::value(score, now.since(link.since)),
                }
            })
            .collect();
        let reserved = self.reserved(&held);
        for it in &mut held {
            if reserved.contains(it.peer) {
                it.hold = Hold::Kept;
            }
        }
        held
    }

    fn hold(&self, peer: &PeerKey, link: &Link) -> Hold {
        let pinned = self.book.get(peer).is_some_and(|it| it.control.pinned);
        // A network forms around its servers: who still needs one holds on to it.
        let needed = link.server && self.links.peers() < self.config.low_water;
        // Who reaches us through a relay would lose the way.
        let relays = self.relays.contains(peer);
        if pinned || needed || relays || self.links.is_on_trial(link) {
            Hold::Kept
        } else if link.awake {
            Hold::Loose
        } else {
            Hold::Asleep
        }
    }

    /// The best of those we dialled, as many as are reserved.
    fn reserved(&self, held: &[Held<'_>]) -> BTreeSet<PeerKey> {
        let ours = |held: &&Held<'_>| self.links.get(held.peer).is_some_and(Link::is_outbound);
        let mut ours: Vec<_> = held.iter().filter(ours).collect();
        ours.sort_by(|a, b| {
            let by_value = b.value.total_cmp(&a.value);
            by_value.then_with(|| a.peer.cmp(b.peer))
        });
        ours.truncate(self.config.reserve());
        ours.into_iter().map(|held| held.peer.clone()).collect()
    }

    /// How many connections of our own choice are missing, however many came to us.
    pub(super) fn short(&self) -> usize {
        let reserve = self.config.reserve();
        reserve.saturating_sub(self.links.outbound())
    }

    /// With as many connections as wanted, but too few of our own choice: one dial at a time, behind
    /// everything else. Who fails rests longer each time, so this comes to rest when nobody is left.
    /// While we chose none of our connections ourselves, a server is asked now and then: all we see
    /// may be one attacker.
    pub(super) fn fill_reserve(&mut self, now: Time) {
        let quiet = [Lane::Memory, Lane::Explore, Lane::Bootstrap];
        let full = self.dialer.len() >= self.config.dials_max;
        if !self.dialer.in_lanes(&quiet).is_empty() || full || self.guard.probe_at().is_some() {
            return;
        }
        if self.links.outbound() == 0 && now >= self.schedule.second_opinion_at {
            self.schedule.second_opinion_at = now + self.config.discover_every;
            if self.ask_one(now, &Kind::ALL, false) {
                return;
            }
        }
        let (dialer, scene, rng) = self.survey(now);
        if let Some((peer, lane)) = dialer.next(scene, false, rng) {
            self.dial(now, &peer, lane, false);
        }
    }

    /// Closes a connection, which is nobody's from here on, however long its end takes.
    fn close(&mut self, now: Time, peer: PeerKey, reason: DisconnectReason) {
        self.outputs.push_back(Output::Disconnect {
            peer: peer.clone(),
            reason,
        });
        self.disconnected(now, &peer);
    }
}
