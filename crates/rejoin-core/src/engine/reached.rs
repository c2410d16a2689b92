//! How others reach us: what tries from outside mean, and the relays that keep a slot for us while
//! nobody can come straight.

use super::Engine;
use crate::{
    address::Address,
    evidence::ConnectionKind,
    input::{Connected, Direction, Rerouted, Tested},
    key::PeerKey,
    output::{Output, Timeout},
    reach::Scope,
    reachable::Verdict,
    relays,
    scene::Scene,
    status::ReachStatus,
    time::Time,
};

impl Engine {
    /// Whoever came straight to us shows that we can be reached from there.
    pub(super) fn note_visit(&mut self, connected: &Connected) {
        if connected.direction == Direction::Inbound && connected.kind != ConnectionKind::Relayed {
            self.reachable.visited(Scope::of(&connected.address));
        }
    }

    pub(super) fn tested(&mut self, now: Time, address: Address, by: &PeerKey, outcome: Tested) {
        let tester = self.links.get(by).map(|link| link.scope);
        let max = self.config.local_max;
        self.reachable.tested(now, address, tester, outcome, max);
        // Whoever was not needed a moment ago may be now.
        self.relays.look_again();
    }

    /// Beside the relayed connections to a peer a straight one came up.
    pub(super) fn rerouted(&mut self, now: Time, rerouted: Rerouted) {
        let Rerouted {
            peer,
            dialled,
            kind,
        } = rerouted;
        self.heard_from(now, &peer, None);
        if self.links.rerouted(&peer, dialled.clone()) {
            let place = self.reach.place();
            self.book
                .rerouted(now, &peer, dialled.as_ref(), kind, place);
        }
    }

    pub(super) fn slot_kept(&mut self, now: Time, relay: &PeerKey) {
        if self.relays.kept(relay, now) {
            self.book.relayed_us(now, relay);
        }
    }

    pub(super) fn slot_lost(&mut self, now: Time, relay: &PeerKey) {
        self.relays.failed(relay, now, &self.config, &mut self.rng);
    }

    /// Sees to it that there are as many slots as are wanted.
    pub(super) fn keep_slots(&mut self, now: Time) {
        for relay in self.relays.overdue(now, &self.config) {
            self.slot_lost(now, &relay);
            self.outputs.push_back(Output::Release { relay });
        }
        let needed = self.reachable.verdict() == Verdict::No;
        if self.reachable.verdict() == Verdict::Yes {
            for relay in self.relays.not_needed() {
                self.outputs.push_back(Output::Release { relay });
            }
        }
        // While the line is down nobody could answer.
        while self.guard.since().is_none()
            && self.relays.len() < self.relays.wanted(needed, &self.config)
        {
            let scene = Scene {
                now,
                book: &self.book,
                links: &self.links,
                reach: &self.reach,
                config: &self.config,
            };
            let Some(reserve) = self.relays.next(scene, needed) else {
                return;
            };
            self.outputs.push_back(Output::Reserve(reserve));
        }
    }

    pub(super) fn slots_timeout(&self, now: Time) -> Option<Timeout> {
        let due = |at, reason| Timeout { at, reason };
        let overdue = self.relays.overdue_at(&self.config);
        let needed = self.reachable.verdict() == Verdict::No;
        let missing = self.relays.len() < self.relays.wanted(needed, &self.config);
        let look = self.relays.look_at(now).filter(|_| missing);
        Timeout::earlier(
            overdue.map(|at| due(at, "a relay to answer")),
            look.map(|at| due(at, "a relay to be looked for")),
        )
    }

    pub(super) fn reach_status(&self) -> ReachStatus {
        let known = self.book.iter().filter(|record| relays::is_relay(record));
        ReachStatus {
            tests: self.reachable.tests(),
            visited_from: self.reachable.visited_from(),
            relays: self.relays.status(),
            relays_known: known.count(),
        }
    }
}
