//! Who is next: the peers we remember, in the order in which they are worth dialling.
//!
//! The queue is made anew when the order has changed and taken from until then. Who is in the air
//! already, and how many may be, is the dialer's concern; what one peer is worth stands in `order`.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use fastrand::Rng;

use crate::{
    key::PeerKey,
    netgroup::Netgroup,
    record::{PeerRecord, Pool},
    scene::Scene,
    time::Time,
};

/// Those who may be dialled.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    /// The best last.
    candidates: Vec<Candidate>,
    ordered: Option<Time>,
    stale: bool,
    /// When somebody who rests now may be dialled again.
    ready_at: Option<Time>,
}

#[derive(Clone, Debug)]
struct Candidate {
    key: PeerKey,
    chance: f64,
    worth: f64,
    group: Netgroup,
    anchor: bool,
    /// Heard of only since the race began.
    news: bool,
}

/// What the race has shown so far of those we remember.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// When the race began.
    pub since: Time,
    /// How much of their chance those known by then have left, from 0 to 1.
    pub left: f64,
    /// Whom sources named since, known before or not.
    pub named: &'a BTreeSet<PeerKey>,
}

impl Queue {
    /// Somebody became worth dialling, or no longer is: the order has to be made anew.
    pub fn reorder(&mut self) {
        self.stale = true;
    }

    /// A dial of somebody failed: the queue has to be made anew once it has rested, or now if
    /// another way is open.
    pub fn rests(&mut self, record: &PeerRecord) {
        let addresses = record
            .addresses
            .iter()
            .map(|known| known.backoff_until)
            .min();
        match addresses.flatten().max(record.control.backoff_until) {
            Some(until) => self.wake_at(until),
            None => self.reorder(),
        }
    }

    /// When the queue has somebody to offer who rests now.
    pub fn ready_at(&self) -> Option<Time> {
        self.ready_at
    }

    /// Makes the queue anew, if that is due.
    pub fn put_in_order(&mut self, scene: Scene<'_>, shown: Shown<'_>) {
        let now = scene.now;
        let old = self
            .ordered
            .is_none_or(|ordered| now.since(ordered) > AGE_MAX);
        let rested = self.ready_at.is_some_and(|ready| now >= ready);
        if !self.stale && !old && !rested {
            return;
        }
        self.stale = false;
        self.ordered = Some(now);
        self.ready_at = None;
        self.candidates.clear();
        for record in scene.book.considered(now, scene.config.considered_max) {
            if record.role.bootstrap || scene.reach.is_me(&record.key) {
                continue;
            }
            if let Some(until) = record.blocked_until(now) {
                self.wake_at(until);
                continue;
            }
            self.consider(scene, record, shown);
        }
        self.candidates
            .sort_by(|a, b| a.worth.total_cmp(&b.worth).then_with(|| b.key.cmp(&a.key)));
    }

    fn consider(&mut self, scene: Scene<'_>, record: &PeerRecord, shown: Shown<'_>) {
        let addresses = scene.usable(record, true);
        let Some(first) = addresses.first() else {
            return;
        };
        let rests_until = record.control.backoff_until;
        let ready_at = addresses
            .iter()
            .map(|known| known.backoff_until.max(rests_until))
            .min()
            .flatten();
        if let Some(ready_at) = ready_at.filter(|ready| scene.now < *ready) {
            self.wake_at(ready_at);
        }
        let news = record.first_seen >= shown.since || shown.named.contains(&record.key);
        // What the race has shown of the memory so far holds for the rest of it, but not for those
        // we have heard of meanwhile.
        let left = if news { 1.0 } else { shown.left };
        let pinned = if record.control.pinned {
            PINNED_WORTH
        } else {
            0.0
        };
        let outlook = scene.outlook(record, &addresses);
        self.candidates.push(Candidate {
            key: record.key.clone(),
            chance: outlook.chance,
            worth: outlook.worth() * left + pinned,
            group: Netgroup::of(&first.address),
            anchor: record.control.anchor,
            news,
        });
    }

    fn wake_at(&mut self, until: Time) {
        self.ready_at = Some(self.ready_at.map_or(until, |first| first.min(until)));
    }

    /// How likely the first so many in order are to answer, on average, of those we remembered; `None` if
    /// we remember nobody.
    pub fn promise(&self, first: usize) -> Option<f64> {
        let remembered = self.candidates.iter().rev().filter(|next| !next.news);
        let chances: Vec<_> = remembered.take(first).map(|next| next.chance).collect();
        (!chances.is_empty()).then(|| chances.iter().sum::<f64>() / chances.len() as f64)
    }

    /// Whether the next in order was only heard of since the race began; `None` if nobody is left
    /// to dial now.
    pub fn next_is_news(&self, is_free: impl Fn(&PeerKey) -> bool) -> Option<bool> {
        let mut in_order = self.candidates.iter().rev();
        in_order.find(|next| is_free(&next.key)).map(|it| it.news)
    }

    /// Takes out the best free anchor.
    pub fn take_anchor(&mut self, is_free: impl Fn(&PeerKey) -> bool) -> Option<PeerKey> {
        let anchor = |next: &Candidate| next.anchor && is_free(&next.key);
        let at = self.candidates.iter().rposition(anchor)?;
        Some(self.candidates.remove(at).key)
    }

    /// Draws anybody, and takes it out if it is free.
    pub fn take_any(
        &mut self,
        is_free: impl Fn(&PeerKey) -> bool,
        rng: &mut Rng,
    ) -> Option<PeerKey> {
        let candidates = self.candidates.iter().enumerate();
        let at = draw(candidates.map(|(at, next)| (&next.group, at)), rng)?;
        is_free(&self.candidates[at].key).then(|| self.candidates.remove(at).key)
    }

    /// Takes out the best free candidate in a public netgroup that is not `taken`, by a dial in the
    /// air or a connection of our own; if there is none near the front, the best free one.
    pub fn take_best(
        &mut self,
        is_free: impl Fn(&PeerKey) -> bool,
        taken: &BTreeSet<&Netgroup>,
    ) -> Option<PeerKey> {
        // Who is not free now will not be before the queue is made anew.
        while let Some(last) = self.candidates.last()
            && !is_free(&last.key)
        {
            self.candidates.pop();
        }
        let crowded = |next: &Candidate| next.group.is_public() && taken.contains(&next.group);
        let front = self.candidates.iter().enumerate().rev().take(FRONT);
        let diverse = front
            .filter(|(_, next)| !crowded(next))
            .find(|(_, next)| is_free(&next.key))
            .map(|(at, _)| at);
        let at = diverse.or(self.candidates.len().checked_sub(1))?;
        Some(self.candidates.remove(at).key)
    }
}

/// Somebody the user named whom we have not met so far, and who may be dialled.
pub fn next_sought(scene: Scene<'_>, is_busy: impl Fn(&PeerKey) -> bool) -> Option<PeerKey> {
    let mut sought = scene.book.singled_out().filter(|record| record.is_sought());
    let next = sought.find(|record| !is_busy(&record.key) && scene.is_free(&record.key, false));
    next.map(|record| record.key.clone())
}

/// Draws somebody we only heard of, in order to test what we heard.
pub fn draw_hearsay(
    scene: Scene<'_>,
    is_busy: impl Fn(&PeerKey) -> bool,
    rng: &mut Rng,
) -> Option<PeerKey> {
    let mut free: Vec<_> = scene
        .book
        .considered(scene.now, scene.config.considered_max)
        .into_iter()
        .filter(|record| record.pool() == Pool::Hearsay && !record.role.bootstrap)
        .map(|record| (record, &record.key))
        .filter(|(_, key)| !scene.reach.is_me(key) && !is_busy(key) && scene.is_free(key, false))
        .filter_map(|(record, key)| Some((Netgroup::of(&record.addresses.first()?.address), key)))
        .collect();
    free.sort_unstable_by_key(|(_, key)| *key); // the same draw whatever way they came
    draw(free.iter().map(|(group, key)| (group, *key)), rng).cloned()
}

/// Draws one public network, or one peer of ours, and whoever lives in it: a thousand names of one
/// network are drawn as often as the only one of another.
fn draw<'a, T>(peers: impl Iterator<Item = (&'a Netgroup, T)>, rng: &mut Rng) -> Option<T> {
    let mut crowds: BTreeMap<&Netgroup, Vec<T>> = BTreeMap::new();
    let mut alone = Vec::new();
    for (group, peer) in peers {
        if group.is_public() {
            crowds.entry(group).or_default().push(peer);
        } else {
            alone.push(vec![peer]);
        }
    }
    let mut crowds: Vec<_> = crowds.into_values().chain(alone).collect();
    let mut crowd = crowds.swap_remove(drawn(&crowds, rng)?);
    let at = drawn(&crowd, rng)?;
    Some(crowd.swap_remove(at))
}

fn drawn<T>(list: &[T], rng: &mut Rng) -> Option<usize> {
    (!list.is_empty()).then(|| rng.usize(..list.len()))
}

/// A queue older than this is put in order anew, since chances fade.
const AGE_MAX: Duration = Duration::from_secs(5);

/// How far down the queue a peer of another netgroup is looked for: the whole front of a race.
const FRONT: usize = 64;

/// Pinned peers go before everybody else, in order among themselves.
const PINNED_WORTH: f64 = 1e6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        address::Address,
        book::{Book, Meeting},
        config::Config,
        evidence::ConnectionKind,
        input::{AddressFailure, Failure},
        links::Links,
        reach::Reach,
        record::Control,
        source::Source,
    };

    const T: Time = Time::from_millis(1_000_000);
    const LATER: Time = Time::from_millis(1_060_000);

    #[test]
    fn the_met_go_before_the_heard_of_and_the_pinned_before_everybody() {
        let mut world = World::new();
        world.meets("alice", "/ip4/8.8.4.4/tcp/1");
        world.hears_of("bob", "/ip4/9.9.9.9/tcp/1");
        world.check(&["alice", "bob"]);
        let pin = |control: &mut Control| control.pinned = true;
        world.book.decide(T, &peer("bob"), pin);
        world.check(&["bob", "alice"]);
    }

    #[test]
    fn who_told_of_peers_that_were_not_there_comes_later() {
        let mut world = World::new();
        world.meets("eve", "/ip4/9.9.9.9/tcp/1");
        world.meets("frank", "/ip4/8.8.4.4/tcp/1");
        world.check(&["eve", "frank"]);
        world.is_misled_by("eve");
        world.check(&["frank", "eve"]);
    }

    #[test]
    fn who_has_nowhere_to_be_dialled_or_is_blocked_is_not_in_it() {
        let mut world = World::new();
        world.hears_of("alice", "/ip4/8.8.4.4/tcp/1");
        world.hears_of("bob", "/ip4/9.9.9.9/tcp/1");
        world.book.decide(T, &peer("bob"), |control| {
            control.blocked_until = Some(Time::from_millis(u64::MAX));
        });
        world.book.decide(T, &peer("eve"), |_| {});
        world.check(&["alice"]);
    }

    #[test]
    fn a_race_that_shows_the_memory_dead_puts_news_first() {
        let mut world = World::new();
        world.meets("alice", "/ip4/8.8.4.4/tcp/1");
        world.hears_of("bob", "/ip4/9.9.9.9/tcp/1");
        world.left = 0.01;
        world.check(&["alice", "bob"]);
        world.since = LATER;
        world.now = LATER;
        world.hears_of("eve", "/ip4/7.7.7.7/tcp/1");
        world.check(&["eve", "alice", "bob"]);
    }

    #[test]
    fn whom_a_source_names_now_is_news_though_we_have_heard_of_it_before() {
        let mut world = World::new();
        world.meets("alice", "/ip4/8.8.4.4/tcp/1");
        world.hears_of("bob", "/ip4/9.9.9.9/tcp/1");
        world.left = 0.01;
        world.check(&["alice", "bob"]);
        world.named.insert(peer("bob"));
        world.check(&["bob", "alice"]);
    }

    #[test]
    fn of_one_public_network_one_at_a_time_unless_nobody_else_waits() {
        let mut world = World::new();
        world.meets("alice", "/ip4/8.8.4.4/tcp/1");
        world.hears_of("bob", "/ip4/9.9.9.9/tcp/1");
        let mut queue = world.queue();
        let group = Netgroup::of(&"/ip4/8.8.4.5/tcp/2".parse().unwrap());
        let flying = BTreeSet::from([&group]);
        assert_eq!(queue.take_best(|_| true, &flying), Some(peer("bob")));
        assert_eq!(queue.take_best(|_| true, &flying), Some(peer("alice")));
        assert_eq!(queue.take_best(|_| true, &flying), None);
    }

    #[test]
    fn a_crowd_of_one_network_is_drawn_as_seldom_as_one_of_another() {
        check_draw("5.5.0", 10..=40);
        // On one machine a crowd says nothing.
        check_draw("127.0.0", 960..=999);
    }

    /// How often one of a hundred neighbours is drawn, of a thousand times, beside 40 others who live
    /// alone or with them.
    #[track_caller]
    fn check_draw(home: &str, expected: std::ops::RangeInclusive<usize>) {
        let at = |address: String| Netgroup::of(&address.parse().unwrap());
        let crowd = (0..1_000).map(|n| (at(format!("/ip4/{home}.{}/tcp/1", n % 250)), true));
        let others = (10..50).map(|n| (at(format!("/ip4/{n}.9.0.1/tcp/1")), false));
        let all: Vec<_> = crowd.chain(others).collect();
        let mut rng = Rng::with_seed(7);
        let one = |_: &usize| draw(all.iter().map(|(group, it)| (group, *it)), &mut rng).unwrap();
        let times = (0..1_000).filter(one).count();
        assert!(expected.contains(&times), "{times}");
    }

    #[test]
    fn the_queue_knows_when_who_rests_may_be_dialled_again() {
        let mut world = World::new();
        world.hears_of("alice", "/ip4/8.8.4.4/tcp/1");
        let config = Config::default();
        let mut rng = Rng::with_seed(7);
        world.book.rest(T, &peer("alice"), &[], &config, &mut rng);
        let alice = world.book.get(&peer("alice")).unwrap();
        let until = alice.control.backoff_until;
        assert_eq!(world.queue().ready_at(), until);
        world.now = until.unwrap();
        assert_eq!(world.queue().ready_at(), None);
    }

    #[test]
    fn of_more_than_can_be_looked_at_the_best_the_singled_out_and_the_hearsay_are_in_it() {
        let mut world = World::new();
        world.meets("carol", "/ip4/7.7.7.7/tcp/1");
        world.meets("dave", "/ip4/6.6.6.6/tcp/1");
        world.now = LATER;
        world.meets("alice", "/ip4/8.8.4.4/tcp/1");
        world.hears_of("bob", "/ip4/9.9.9.9/tcp/1");
        for name in ["carol", "dave"] {
            let key = peer(name);
            world
                .book
                .control(T, &key, |record| std::mem::take(&mut record.control.anchor));
        }
        world.config.considered_max = 1;
        world.check(&["alice", "bob"]);
        // Whoever rests takes nobody's place.
        let until = LATER + Duration::from_secs(60);
        world.book.pause(LATER, &peer("alice"), until);
        world.check(&["alice", "carol", "bob"]);
        let pin = |control: &mut Control| control.pinned = true;
        world.book.decide(T, &peer("dave"), pin);
        world.check(&["dave", "alice", "carol", "bob"]);
    }

    struct World {
        now: Time,
        config: Config,
        book: Book,
        since: Time,
        left: f64,
        named: BTreeSet<PeerKey>,
    }

    impl World {
        fn new() -> Self {
            let mut rng = Rng::with_seed(7);
            let (book, _) = Book::new(None, T, &Config::default(), &mut rng);
            Self {
                now: T,
                config: Config::default(),
                book,
                since: LATER,
                left: 1.0,
                named: BTreeSet::new(),
            }
        }

        fn hears_of(&mut self, name: &str, address: &str) {
            let (address, config) = (address.parse().unwrap(), Config::default());
            let key = peer(name);
            let new = self
                .book
                .hear(self.now, &key, [address], &Source::Swarm, &config);
            assert!(new);
        }

        fn meets(&mut self, name: &str, address: &str) {
            let meeting = Meeting {
                dialled: Some(&address.parse().unwrap()),
                took: None,
                kind: ConnectionKind::Direct,
                place: None,
            };
            self.book
                .met(self.now, &peer(name), meeting, &Config::default());
        }

        /// Somebody tells of a peer that is not there.
        fn is_misled_by(&mut self, teller: &str) {
            let (nobody, config) = (peer("nobody"), Config::default());
            let address: Address = "/ip4/7.7.7.7/tcp/1".parse().unwrap();
            let source = Source::Pex(peer(teller));
            self.book
                .hear(T, &nobody, [address.clone()], &source, &config);
            let failed = [AddressFailure {
                address,
                failure: Failure::Refused,
            }];
            let mut rng = Rng::with_seed(7);
            self.book.failed(T, &nobody, &failed, &config, &mut rng);
            self.book.forget(T, &nobody);
        }

        fn queue(&self) -> Queue {
            let scene = Scene {
                now: self.now,
                book: &self.book,
                links: &Links::default(),
                reach: &Reach::new(None),
                config: &self.config,
            };
            let mut queue = Queue::default();
            let shown = Shown {
                since: self.since,
                left: self.left,
                named: &self.named,
            };
            queue.put_in_order(scene, shown);
            queue
        }

        /// The one place that knows how a queue is emptied.
        #[track_caller]
        fn check(&self, expected: &[&str]) {
            let mut queue = self.queue();
            let next = || queue.take_best(|_| true, &BTreeSet::new());
            let taken: Vec<_> = std::iter::from_fn(next).collect();
            let expected: Vec<_> = expected.iter().map(|name| peer(name)).collect();
            assert_eq!(taken, expected);
        }
    }

    fn peer(name: &str) -> PeerKey {
        name.parse().unwrap()
    }
}
