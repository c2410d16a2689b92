//! Whom to dial now: the race across peers.
//!
//! A race keeps as many *fresh* dials in the air as it takes to fill what is missing: at first half
//! as many again, more as the answers show how stale the memory is. A dial that has had the time
//! its own history says it needs is overdue and no longer fresh, so another starts beside it, as in
//! Happy Eyeballs (RFC 8305); one that fails is replaced at once. No dead peer holds up anybody.
//!
//! The dialer keeps the dials in the air and counts how the race goes. Who is next stands in
//! `queue`, who may be dialled at all in `scene`; whether to race, and what a result means for the
//! records, is decided in the engine.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use fastrand::Rng;

use crate::{
    address::Address,
    config::Config,
    key::PeerKey,
    netgroup::Netgroup,
    order::Outlook,
    output::{Dial, DialId, Lane, Timeout},
    queue::{Queue, Shown},
    record::{PeerRecord, Pool},
    scene::Scene,
    survival,
    time::Time,
};

/// The dials in the air, and who is next.
#[derive(Clone, Debug, Default)]
pub struct Dialer {
    flights: BTreeMap<DialId, Flight>,
    by_peer: BTreeMap<PeerKey, DialId>,
    next_id: u64,
    race: Race,
    /// Whom sources named since the race began, four full answers at most.
    named: BTreeSet<PeerKey>,
    queue: Queue,
}

/// One dial in the air.
#[derive(Clone, Debug)]
pub struct Flight {
    /// Who, if that is known.
    pub peer: Option<PeerKey>,
    /// Where.
    pub addresses: Vec<Address>,
    /// Why.
    pub lane: Lane,
    /// Since when.
    pub began: Time,
    /// How old the acquaintance was, and how long the peer had been out of sight, if it was proven.
    pub absent: Option<(Duration, Duration)>,
    /// How many racing dials began before it.
    place: usize,
    overdue_at: Time,
    hopeless_at: Time,
    gives_way_at: Time,
    deadline: Time,
    groups: Vec<Netgroup>,
}

/// How the race has gone so far.
#[derive(Clone, Copy, Debug, Default)]
struct Race {
    since: Time,
    began: Option<Time>,
    starts: usize,
    /// How many dials it began with.
    burst: usize,
    anchors: usize,
    answered: u32,
    failed: u32,
    /// How likely those it dials first were to answer, as far as the memory knew.
    promise: Option<f64>,
}

impl Dialer {
    /// A race begins anew.
    pub fn restart(&mut self, now: Time) {
        self.race = Race {
            since: now,
            ..Race::default()
        };
        self.named.clear();
        self.queue.reorder();
    }

    /// A source named this peer: news, whatever the race has shown of those we remembered.
    pub fn named(&mut self, peer: PeerKey, config: &Config) {
        if self.named.len() < config.heard_max.saturating_mul(4) {
            self.named.insert(peer);
            self.queue.reorder();
        }
    }

    /// Whether nobody answered yet, and three quarters of the first burst have had twice the time
    /// they should have needed: a busy processor is no dead memory, and one slow peer no hope.
    pub fn memory_failed(&self, now: Time) -> bool {
        let Race {
            starts,
            burst,
            answered,
            ..
        } = self.race;
        let hopeful = self.flights.values().filter(|flight| {
            is_racing(flight.lane) && flight.place < burst && now < flight.hopeless_at
        });
        starts > 0 && answered == 0 && hopeful.count() * 4 < burst
    }

    /// Somebody became worth dialling, or no longer is: the order has to be made anew.
    pub fn reorder(&mut self) {
        self.queue.reorder();
    }

    /// A dial of somebody failed: the queue has to be made anew once it has rested, or now if
    /// another way is open.
    pub fn rests(&mut self, record: &PeerRecord) {
        self.queue.rests(record);
    }

    /// How many dials are in the air.
    pub fn len(&self) -> usize {
        self.flights.len()
    }

    /// Nothing is in the air.
    pub fn is_empty(&self) -> bool {
        self.flights.is_empty()
    }

    /// Whether this peer is being dialled.
    pub fn is_dialling(&self, key: &PeerKey) -> bool {
        self.by_peer.contains_key(key)
    }

    /// Whoever is being dialled, as far as their names are known.
    pub fn peers(&self) -> impl Iterator<Item = &PeerKey> {
        self.by_peer.keys()
    }

    /// Whom a dial in the air goes to, if that is known.
    pub fn peer_of(&self, dial: DialId) -> Option<PeerKey> {
        self.flights.get(&dial)?.peer.clone()
    }

    /// The dial of a peer.
    pub fn dial_of(&self, key: &PeerKey) -> Option<DialId> {
        self.by_peer.get(key).copied()
    }

    /// The dials of the given lanes.
    pub fn in_lanes(&self, lanes: &[Lane]) -> Vec<DialId> {
        let in_lanes = self
            .flights
            .iter()
            .filter(|(_, flight)| lanes.contains(&flight.lane));
        in_lanes.map(|(id, _)| *id).collect()
    }

    /// How many racing dials are in the air; with a moment given, only those fresh then.
    fn racing(&self, fresh_at: Option<Time>) -> usize {
        let racing = self
            .flights
            .values()
            .filter(|flight| is_racing(flight.lane));
        racing
            .filter(|flight| fresh_at.is_none_or(|now| now < flight.overdue_at))
            .count()
    }

    /// How many bootstrap dials are in the air and not overdue.
    pub fn fresh_bootstrap(&self, now: Time) -> usize {
        let fresh = |flight: &&Flight| flight.lane == Lane::Bootstrap && now < flight.overdue_at;
        self.flights.values().filter(fresh).count()
    }

    /// Whether another racing dial should start, given how many connections are missing and how many
    /// dials the race may have in the air.
    pub fn wants_more(&self, now: Time, missing: usize, room: usize) -> bool {
        self.racing(None) < room && self.racing(Some(now)) < self.fresh_wanted(now, missing)
    }

    /// Like [`Self::wants_more`], were there room in the air.
    pub fn wants_room(&self, now: Time, missing: usize, room: usize) -> bool {
        self.racing(None) >= room && self.racing(Some(now)) < self.fresh_wanted(now, missing)
    }

    /// Whether all the dials the race may have in the air are not enough to fill what is missing: by what
    /// memory promises of them, or by what has become of them so far.
    pub fn is_outrun(&self, now: Time, missing: usize, room: usize) -> bool {
        let Race {
            starts,
            answered,
            failed,
            ..
        } = self.race;
        let foreseen = self.promise() * (room as f64) < missing as f64 * FORESEEN;
        // As long as next to nothing comes back it may be our own processor that is busy.
        let told = answered > 0 || failed >= FAILURES_TOLD;
        let wanted = missing as f64 / self.share_answering(now, ANSWER_PRIOR);
        let full = self.racing(None) >= room;
        starts > 0 && foreseen || told && full && (self.racing(Some(now)) as f64) < wanted
    }

    /// How many fresh dials it takes to fill what is missing, by the share that answered so far.
    fn fresh_wanted(&self, now: Time, missing: usize) -> usize {
        (missing as f64 / self.share_answering(now, self.promise())).ceil() as usize
    }

    /// What share of those dialled first will answer, by what is known before: no more than in general,
    /// for a memory may have slept through anything.
    fn promise(&self) -> f64 {
        let promise = self.race.promise.unwrap_or(ANSWER_PRIOR);
        promise.min(ANSWER_PRIOR)
    }

    /// The share of what we remember that seems to answer, above 0. Overdue dials count as failed:
    /// most of them will. Fresh ones count as the prior has it: a refusal takes one round trip and
    /// an answer two, so those that failed are always known before those that will answer.
    fn share_answering(&self, now: Time, prior: f64) -> f64 {
        let fresh = self.racing(Some(now));
        let overdue = (self.racing(None) - fresh) as f64;
        let answered = f64::from(self.race.answered);
        let judged = answered + f64::from(self.race.failed) + overdue;
        let unknown = ANSWER_PRIOR_WEIGHT + FRESH_WEIGHT * fresh as f64;
        (answered + prior * unknown) / (judged + unknown)
    }

    /// The next peer in order, with the addresses to try; `anyway` ignores that it rests.
    pub fn next(
        &mut self,
        scene: Scene<'_>,
        anyway: bool,
        rng: &mut Rng,
    ) -> Option<(PeerKey, Lane)> {
        self.put_in_order(scene);
        let Self {
            flights,
            by_peer,
            race,
            queue,
            ..
        } = self;
        let is_free = |key: &PeerKey| !by_peer.contains_key(key) && scene.is_free(key, anyway);
        if race.anchors < scene.config.anchors_first
            && let Some(anchor) = queue.take_anchor(is_free)
        {
            race.anchors += 1;
            return Some((anchor, Lane::Memory));
        }
        let one_in = scene.config.explore_one_in;
        if one_in > 0
            && race.starts % one_in == one_in - 1
            && let Some(drawn) = queue.take_any(is_free, rng)
        {
            return Some((drawn, Lane::Explore));
        }
        let flying = flights.values().flat_map(|flight| &flight.groups);
        let taken = flying.chain(scene.links.outbound_groups()).collect();
        let best = queue.take_best(is_free, &taken)?;
        Some((best, Lane::Memory))
    }

    /// Whether the next in order was only heard of since the race began; `None` if nobody is left
    /// to dial now.
    pub fn next_is_news(&mut self, scene: Scene<'_>) -> Option<bool> {
        self.put_in_order(scene);
        let Self { by_peer, queue, .. } = self;
        queue.next_is_news(|key| !by_peer.contains_key(key) && scene.is_free(key, false))
    }

    fn put_in_order(&mut self, scene: Scene<'_>) {
        let prior = self.promise();
        let shown = Shown {
            since: self.race.since,
            left: (self.share_answering(scene.now, prior) / prior).min(1.0),
            named: &self.named,
        };
        self.queue.put_in_order(scene, shown);
        if self.race.promise.is_none() {
            self.race.promise = self.queue.promise(scene.config.dials_max);
        }
    }

    /// Begins to dial a remembered peer; `None` if there is nowhere to dial.
    pub fn dial(
        &mut self,
        scene: Scene<'_>,
        key: &PeerKey,
        lane: Lane,
        anyway: bool,
    ) -> Option<Dial> {
        let record = scene.book.get(key)?;
        let addresses = scene.to_try(record, anyway);
        if addresses.is_empty() {
            return None;
        }
        let outlook = scene.outlook(record, &addresses);
        let absence = survival::absence(record.last_seen, record.first_seen, scene.now);
        let proven = record.pool() == Pool::Proven;
        let absent = proven.then(|| (record.age(), absence));
        let addresses = addresses
            .into_iter()
            .map(|known| known.address.clone())
            .collect();
        Some(self.launch(scene, Some(key.clone()), addresses, lane, outlook, absent))
    }

    /// Begins to dial an address whose owner may be unknown.
    pub fn dial_address(
        &mut self,
        scene: Scene<'_>,
        peer: Option<PeerKey>,
        address: Address,
        lane: Lane,
    ) -> Dial {
        let outlook = Outlook::unknown();
        self.launch(scene, peer, vec![address], lane, outlook, None)
    }

    fn launch(
        &mut self,
        scene: Scene<'_>,
        peer: Option<PeerKey>,
        addresses: Vec<Address>,
        lane: Lane,
        outlook: Outlook,
        absent: Option<(Duration, Duration)>,
    ) -> Dial {
        let id = DialId(self.next_id);
        self.next_id += 1;
        let place = self.race.starts;
        if is_racing(lane) {
            self.race.starts += 1;
            // All that begins in the same moment, before anything is known.
            if *self.race.began.get_or_insert(scene.now) == scene.now && self.race.failed == 0 {
                self.race.burst = self.race.starts;
            }
        }
        if let Some(peer) = &peer {
            self.by_peer.insert(peer.clone(), id);
        }
        let began = scene.now;
        self.flights.insert(
            id,
            Flight {
                peer: peer.clone(),
                groups: addresses.iter().map(Netgroup::of).collect(),
                addresses: addresses.clone(),
                lane,
                began,
                absent,
                place,
                hopeless_at: began + outlook.hopeless_after(scene.config),
                gives_way_at: began + outlook.gives_way_after(scene.config),
                overdue_at: began + outlook.overdue_after(scene.config),
                deadline: began + outlook.timeout(scene.config),
            },
        );
        Dial {
            id,
            peer,
            addresses,
            lane,
        }
    }

    /// Takes a dial out of the air; `None` if it is not there any more.
    pub fn land(&mut self, id: DialId) -> Option<Flight> {
        let flight = self.flights.remove(&id)?;
        if let Some(peer) = &flight.peer {
            self.by_peer.remove(peer);
        }
        Some(flight)
    }

    /// Counts a landed dial for the race.
    pub fn judge(&mut self, flight: &Flight, answered: bool) {
        if is_racing(flight.lane) {
            if answered {
                self.race.answered += 1;
            } else {
                self.race.failed += 1;
                // What it says of the others is worth a new order now and then.
                if self.race.failed.is_multiple_of(FAILURES_PER_ORDER) {
                    self.queue.reorder();
                }
            }
        }
    }

    /// The dials whose time is up.
    pub fn expired(&self, now: Time) -> Vec<DialId> {
        let expired = self
            .flights
            .iter()
            .filter(|(_, flight)| now >= flight.deadline);
        expired.map(|(id, _)| *id).collect()
    }

    /// The dial that makes room for who is next: the longest in the air of those that have had far
    /// more time than they should have needed.
    pub fn give_way(&self, now: Time) -> Option<DialId> {
        self.longest(|flight| now >= flight.gives_way_at)
    }

    /// The dial that makes room for somebody just heard of: the longest in the air of those
    /// overdue. Where a memory is so stale that news outrank it, its last hopes are slim.
    pub fn give_way_to_news(&self, now: Time) -> Option<DialId> {
        self.longest(|flight| now >= flight.overdue_at)
    }

    fn longest(&self, which: impl Fn(&Flight) -> bool) -> Option<DialId> {
        let racing = self
            .flights
            .iter()
            .filter(|(_, flight)| is_racing(flight.lane));
        let of_these = racing.filter(|(_, flight)| which(flight));
        of_these
            .min_by_key(|(_, flight)| flight.began)
            .map(|(id, _)| *id)
    }

    /// The longest in the air, which has to go when the user wants something and the air is full.
    pub fn oldest(&self) -> Option<DialId> {
        let by_age =
            |(id, flight): &(&DialId, &Flight)| (flight.lane == Lane::Manual, flight.began, **id);
        self.flights.iter().min_by_key(by_age).map(|(id, _)| *id)
    }

    /// When the next dial becomes overdue, or its time is up.
    pub fn timeout(&self, now: Time) -> Option<Timeout> {
        let due = |at: Time, reason| Some(Timeout { at, reason });
        self.flights.values().fold(None, |first, flight| {
            let ahead = [
                due(flight.overdue_at, "a dial to answer"),
                due(flight.hopeless_at, "an overdue dial to answer after all"),
                due(flight.gives_way_at, "an overdue dial to give way"),
                due(flight.deadline, "an overdue dial to be given up"),
            ];
            let next = ahead.into_iter().flatten().find(|next| now < next.at);
            Timeout::earlier(first, next)
        })
    }

    /// When the queue has somebody to offer who rests now.
    pub fn ready_at(&self) -> Option<Time> {
        self.queue.ready_at()
    }
}

fn is_racing(lane: Lane) -> bool {
    matches!(lane, Lane::Memory | Lane::Explore)
}

/// One and a half dials per missing connection while nothing is known: two of three will answer.
const ANSWER_PRIOR: f64 = 2.0 / 3.0;

/// With a promise of fewer answers than this share of what is missing a server is asked with the first
/// dials. Wind tunnel: with 0.85 0.42 servers are dialled after a day, and 0.25 with this, while the slowest
/// of twenty restarts after a month take as long; with a half they take a quarter longer.
const FORESEEN: f64 = 0.65;

/// Of so many a reset has come back, most likely: our processor and our line are fine.
const FAILURES_TOLD: u32 = 4;

/// How many dials of evidence weigh as much as that prior.
const ANSWER_PRIOR_WEIGHT: f64 = 2.0;

/// How much a dial still in its time weighs for the prior. Wind tunnel, nine in ten dead by lot: 0.25 takes
/// 277 ms, this 259, 0.1 takes 254 and asks a tenth more servers after a month.
const FRESH_WEIGHT: f64 = 0.15;

/// So many failures change what is to be expected of the rest enough to order it anew.
const FAILURES_PER_ORDER: u32 = 4;
