//! Peer exchange: whom to ask for peers and when, whom to answer, and what to tell. What comes back
//! is judged in the engine; the wire and the signatures are the adapter's.
//!
//! After Bitcoin Core's `getaddr` (at most 23 % of the table, only what was seen lately) and libp2p's
//! rendezvous (signed records only): nobody learns whom we rank high, and nobody on the internet what
//! lives on our LAN.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use fastrand::Rng;

use crate::{
    address::Address,
    book,
    config::Config,
    key::PeerKey,
    netgroup::Netgroup,
    output::{Rumour, Timeout},
    reach::Scope,
    record::{PeerRecord, Pool},
    rumours::Rumours,
    scene::Scene,
    signed::{Envelope, SignedPeer, worth_signing},
    time::Time,
};

/// What a peer that answers says it speaks.
pub const PROTOCOL: &str = "/rejoin/pex/1";

/// Who was asked, who asked, and what we say of ourselves.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Our own word, once signed.
    own: Option<SignedPeer>,
    /// The addresses that were last handed out to be signed.
    signing: Vec<Address>,
    /// Our own addresses may be others since.
    moved: bool,
    /// Not to be signed anew before this.
    sign_at: Time,
    asked: BTreeMap<PeerKey, Asked>,
    /// Who asked us.
    askers: BTreeMap<PeerKey, Asker>,
    ask_at: Time,
    rumours: Rumours,
    /// Of its own, so that whom we dial does not hang on what we tell.
    rng: Rng,
}

/// One peer we asked.
#[derive(Clone, Copy, Debug)]
struct Asked {
    waiting: bool,
    again_at: Time,
    /// Doubles with every answer that tells us nothing new.
    wait: Duration,
}

/// One peer that asked us.
#[derive(Clone, Copy, Debug)]
struct Asker {
    asked: Time,
    answered: Time,
}

/// What to make of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manners {
    /// It may be answered.
    Fine,
    /// It comes too soon to be answered, as after a crash that made the asker forget.
    TooSoon,
    /// It comes too soon over the very connection that brought the last one.
    Pushing,
}

impl Exchange {
    /// Nobody has asked or been asked yet.
    pub fn new(rng: Rng) -> Self {
        Self {
            own: None,
            signing: Vec::new(),
            moved: true,
            sign_at: Time::default(),
            asked: BTreeMap::new(),
            askers: BTreeMap::new(),
            ask_at: Time::default(),
            rumours: Rumours::default(),
            rng,
        }
    }

    /// Our own addresses have changed, perhaps.
    pub fn moved(&mut self) {
        self.moved = true;
    }

    /// What of our own addresses is to be signed anew, if anything is.
    pub fn to_sign<'a>(
        &mut self,
        now: Time,
        own: impl Iterator<Item = &'a Address> + Clone,
        config: &Config,
    ) -> Option<Vec<Address>> {
        if !self.moved || now < self.sign_at {
            return None;
        }
        self.moved = false;
        let addresses = worth_signing(own);
        if addresses.is_empty() || addresses == self.signing {
            return None;
        }
        self.sign_at = now + config.exchange.sign_every;
        self.signing.clone_from(&addresses);
        Some(addresses)
    }

    /// Our own word is signed.
    pub fn signed(&mut self, own: SignedPeer) {
        self.own = Some(own);
    }

    /// Our own word, if somebody so far away may hear it.
    pub fn own(&self, audience: Scope) -> Option<&Envelope> {
        let own = self.own.as_ref();
        own.filter(|own| own.scope().is_some_and(|scope| scope.may_be_told(audience)))
            .map(|own| &own.envelope)
    }

    /// Somebody has come who may be asked, and told.
    pub fn newcomer(&mut self, now: Time, config: &Config) {
        self.ask_at = self.ask_at.min(now);
        self.rumours.newcomer(now, config, &mut self.rng);
    }

    /// What is passed on of what neighbours tell.
    pub fn rumours(&mut self) -> &mut Rumours {
        &mut self.rumours
    }

    /// What to tell every neighbour now, if a round is due.
    pub fn round(&mut self, scene: Scene<'_>) -> Option<Vec<Rumour>> {
        let audience = self.rumours.audience(scene)?;
        let own = self.own(audience).cloned();
        let Self { rumours, rng, .. } = self;
        Some(rumours.round(scene, own, audience, rng)).filter(|told| !told.is_empty())
    }

    /// Whom to ask now: a connected peer that speaks our protocol, those not asked before first.
    /// `hungry` says whether we know too few.
    pub fn whom_to_ask(
        &mut self,
        scene: Scene<'_>,
        hungry: impl FnOnce() -> bool,
    ) -> Option<PeerKey> {
        let Scene { now, config, .. } = scene;
        if now < self.ask_at {
            return None;
        }
        let (never, again): (Vec<_>, Vec<_>) = speakers(scene)
            .filter(|peer| {
                let asked = self.asked.get(*peer);
                asked.is_none_or(|asked| !asked.waiting && asked.again_at <= now)
            })
            .partition(|peer| !self.asked.contains_key(*peer));
        let ready = if never.is_empty() { again } else { never };
        let peer = self.rng.choice(ready).cloned();
        let limits = &config.exchange;
        self.ask_at = now
            + match &peer {
                Some(_) if hungry() => limits.ask_pace,
                Some(_) => limits.refresh,
                None => config.check_every,
            };
        if let Some(peer) = &peer {
            let wait = self
                .asked
                .get(peer)
                .map_or(limits.ask_every, |asked| asked.wait);
            let asked = Asked {
                waiting: true,
                again_at: now + wait,
                wait,
            };
            keep_newest(&mut self.asked, config.connections_max, |asked| {
                asked.again_at
            });
            self.asked.insert(peer.clone(), asked);
        }
        peer
    }

    /// When somebody may be asked again, or told, unless nobody is there.
    pub fn timeout(&self, alone: bool) -> Option<Timeout> {
        let ask = Timeout {
            at: self.ask_at,
            reason: "a peer to be asked for others",
        };
        Timeout::earlier(Some(ask), self.rumours.timeout()).filter(|_| !alone)
    }

    /// An answer has come. Says whether we had asked for it.
    pub fn was_asked(&mut self, peer: &PeerKey) -> bool {
        let asked = self.asked.get_mut(peer);
        asked.is_some_and(|asked| std::mem::take(&mut asked.waiting))
    }

    /// An answer, or none, told us nothing new: that peer is left alone for twice as long.
    pub fn was_barren(&mut self, now: Time, peer: &PeerKey, config: &Config) {
        if let Some(asked) = self.asked.get_mut(peer) {
            asked.waiting = false;
            asked.wait = (asked.wait * 2).min(config.exchange.ask_every_max);
            asked.again_at = now + asked.wait;
        }
    }

    /// An answer told us something new.
    pub fn was_useful(&mut self, now: Time, peer: &PeerKey, config: &Config) {
        if let Some(asked) = self.asked.get_mut(peer) {
            asked.wait = config.exchange.ask_every;
            asked.again_at = now + asked.wait;
        }
    }

    /// A peer is gone; what it was asked, it will not answer any more.
    pub fn left(&mut self, peer: &PeerKey) {
        if let Some(asked) = self.asked.get_mut(peer) {
            asked.waiting = false;
        }
    }

    /// A peer asks us, connected since `connected`. It is answered once per span, however often it
    /// reconnects.
    pub fn manners(
        &mut self,
        now: Time,
        asker: &PeerKey,
        connected: Time,
        config: &Config,
    ) -> Manners {
        if let Some(known) = self.askers.get_mut(asker)
            && now.since(known.answered) < config.exchange.asked_every
        {
            let before = std::mem::replace(&mut known.asked, now);
            return if before >= connected {
                Manners::Pushing
            } else {
                Manners::TooSoon
            };
        }
        keep_newest(&mut self.askers, config.connections_max, |known| {
            known.asked
        });
        let (asked, answered) = (now, now);
        let fresh = Asker { asked, answered };
        self.askers.insert(asker.clone(), fresh);
        Manners::Fine
    }

    /// The answer to one who asks: our own word, and a sample of whom we know.
    pub fn answer(&mut self, scene: Scene<'_>, asker: &PeerKey, audience: Scope) -> Vec<Envelope> {
        let limits = &scene.config.exchange;
        let share = (scene.book.len() as f64 * limits.share).ceil() as usize;
        let own = self.own(audience).cloned();
        let most = limits.answer_max.saturating_sub(own.iter().len());
        let count = share.min(most);
        let others = sample(scene, Some(asker), audience, count, &mut self.rng);
        own.into_iter().chain(others).collect()
    }
}

/// Proven peers seen lately, as many as wanted at most, drawn by chance, one of each public netgroup
/// before a second of any. `audience` is how far away the furthest is who will hear of them.
pub fn sample(
    scene: Scene<'_>,
    but: Option<&PeerKey>,
    audience: Scope,
    count: usize,
    rng: &mut Rng,
) -> Vec<Envelope> {
    let mut known = scene
        .book
        .considered(scene.now, scene.config.considered_max);
    known.retain(|record| Some(&record.key) != but && may_be_told(scene, record, audience));
    known.sort_unstable_by(|a, b| a.key.cmp(&b.key)); // the same draw whatever way they came
    rng.shuffle(&mut known);
    let mut groups = BTreeSet::new();
    let (first, later): (Vec<_>, Vec<_>) = known.into_iter().partition(|record| {
        let group = book::netgroup(record).filter(Netgroup::is_public);
        group.is_none_or(|group| groups.insert(group))
    });
    first
        .into_iter()
        .chain(later)
        .filter_map(|record| record.credentials.signed_record.clone())
        .take(count)
        .collect()
}

fn may_be_told(scene: Scene<'_>, record: &PeerRecord, audience: Scope) -> bool {
    let recent = scene.config.exchange.told_recent;
    record.pool() == Pool::Proven
        && !record.is_blocked(scene.now)
        && record
            .last_seen
            .is_some_and(|seen| scene.now.since(seen) <= recent)
        && record
            .credentials
            .signed_scope
            .is_some_and(|scope| scope.may_be_told(audience))
}

/// The connected peers that speak our protocol.
fn speakers(scene: Scene<'_>) -> impl Iterator<Item = &PeerKey> {
    let speaks = move |peer: &&PeerKey| {
        scene.book.get(peer).is_some_and(|record| {
            let mut protocols = record.role.protocols.iter();
            protocols.any(|protocol| **protocol == *PROTOCOL)
        })
    };
    scene.links.iter().map(|(peer, _)| peer).filter(speaks)
}

/// Makes room for one more by dropping the oldest.
fn keep_newest<T>(map: &mut BTreeMap<PeerKey, T>, max: usize, at: impl Fn(&T) -> Time) {
    while map.len() >= max.max(1) {
        let oldest = map.iter().min_by_key(|(_, held)| at(held));
        let Some(oldest) = oldest.map(|(peer, _)| peer.clone()) else {
            return;
        };
        map.remove(&oldest);
    }
}
