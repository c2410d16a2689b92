//! Gossip: what to pass on unasked, and how much of it to take. Every node tells its neighbours a
//! little in every round; a rumour travels a few hops and is then told no more. So a node's share of
//! the traffic does not grow with the network.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use fastrand::Rng;

use crate::{
    config::Config,
    exchange::sample,
    key::PeerKey,
    output::{Rumour, Timeout},
    reach::Scope,
    scene::Scene,
    signed::{Envelope, SignedPeer},
    time::Time,
};

/// What is to be passed on, and how much each neighbour has told lately.
#[derive(Clone, Debug, Default)]
pub struct Rumours {
    /// Heard from others and not yet passed on, the oldest first.
    fresh: VecDeque<Fresh>,
    /// What was passed on lately, the oldest first: who is forgotten and heard of again is no news.
    passed: VecDeque<(PeerKey, u64)>,
    tellers: BTreeMap<PeerKey, Told>,
    /// When we tell next, once there is somebody to tell.
    round_at: Option<Time>,
}

#[derive(Clone, Debug)]
struct Fresh {
    peer: PeerKey,
    scope: Scope,
    rumour: Rumour,
}

/// What one neighbour told in the current minute.
#[derive(Clone, Copy, Debug)]
struct Told {
    since: Time,
    messages: u32,
}

const MINUTE: Duration = Duration::from_secs(60);

impl Rumours {
    /// A neighbour tells something. Says whether it may: a few messages a minute.
    pub fn may_tell(&mut self, now: Time, teller: &PeerKey, config: &Config) -> bool {
        self.tellers
            .retain(|_, told| now.since(told.since) < MINUTE);
        if !self.tellers.contains_key(teller) && self.tellers.len() >= config.connections_max {
            return false;
        }
        let told = self.tellers.entry(teller.clone()).or_insert(Told {
            since: now,
            messages: 0,
        });
        told.messages += 1;
        told.messages <= config.exchange.gossip_heard_max
    }

    /// Something new that may be passed on, if it has not come too far already.
    pub fn pass_on(&mut self, signed: &SignedPeer, hops: u8, config: &Config) {
        let Some(scope) = signed.scope().filter(|_| hops < config.exchange.hops_max) else {
            return;
        };
        let name = (signed.peer.clone(), signed.seq);
        if self.passed.contains(&name) {
            return;
        }
        let max = config.exchange.rumours_max;
        push(&mut self.passed, name, max * PASSED_PER_WAITING);
        self.fresh.retain(|known| known.peer != signed.peer);
        let rumour = Rumour {
            envelope: signed.envelope.clone(),
            hops: hops + 1,
        };
        let peer = signed.peer.clone();
        push(
            &mut self.fresh,
            Fresh {
                peer,
                scope,
                rumour,
            },
            max,
        );
    }

    /// Somebody is there to be told. The first round comes soon, so that a newcomer is known.
    pub fn newcomer(&mut self, now: Time, config: &Config, rng: &mut Rng) {
        let soon = now + jittered(config.exchange.gossip_first, rng);
        self.round_at.get_or_insert(soon);
    }

    /// How far away the furthest is of those who will hear the next round: that decides what may be
    /// said. `None` if no round is due.
    pub fn audience(&mut self, scene: Scene<'_>) -> Option<Scope> {
        self.round_at.filter(|at| scene.now >= *at)?;
        self.round_at = None;
        scene.links.iter().map(|(_, link)| link.scope).max()
    }

    /// What to tell now: our own word, what is fresh, and some of those we know.
    pub fn round(
        &mut self,
        scene: Scene<'_>,
        own: Option<Envelope>,
        audience: Scope,
        rng: &mut Rng,
    ) -> Vec<Rumour> {
        let limits = &scene.config.exchange;
        self.round_at = Some(scene.now + jittered(limits.gossip_every, rng));
        let own = own.map(|envelope| Rumour { envelope, hops: 0 });
        let mut told: Vec<_> = own.into_iter().collect();
        while told.len() < limits.gossip_max / 2
            && let Some(next) = self.fresh.pop_front()
        {
            if next.scope.may_be_told(audience) {
                told.push(next.rumour);
            }
        }
        let left = limits.gossip_max.saturating_sub(told.len());
        let known = sample(scene, None, audience, left, rng);
        told.extend(
            known
                .into_iter()
                .map(|envelope| Rumour { envelope, hops: 1 }),
        );
        told
    }

    /// When the next round is due.
    pub fn timeout(&self) -> Option<Timeout> {
        let reason = "a round of gossip";
        self.round_at.map(|at| Timeout { at, reason })
    }
}

/// Adds to a list that drops its oldest when it is full.
fn push<T>(list: &mut VecDeque<T>, new: T, max: usize) {
    while list.len() >= max.max(1) {
        list.pop_front();
    }
    list.push_back(new);
}

/// By then a rumour has made its few hops everywhere.
const PASSED_PER_WAITING: usize = 8;

/// Between three quarters and five quarters of it, so that neighbours do not all talk at once.
fn jittered(span: Duration, rng: &mut Rng) -> Duration {
    span.mul_f64(0.75 + rng.f64() / 2.0)
}
