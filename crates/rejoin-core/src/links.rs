//! Who is connected, who was just lost, and who stays an anchor.

use std::{collections::BTreeMap, time::Duration};

use hashlink::LinkedHashMap;

use crate::{
    address::Address,
    config::Config,
    health::{self, FarEnd, Pulse},
    input::{Direction, Identified},
    key::PeerKey,
    keyed::Keyed,
    netgroup::Netgroup,
    reach::Scope,
    time::Time,
};

/// The peers with an authenticated connection.
#[derive(Clone, Debug, Default)]
pub struct Links {
    up: BTreeMap<PeerKey, Link>,
    /// How many of them count as what: asked for several times at each event.
    census: Census,
    /// Lost while others may have stayed: still anchors until it is clear that only they left.
    lost: LinkedHashMap<PeerKey, Time, Keyed>,
    /// When the machine last woke: what has been silent since may be dead.
    woke: Time,
    /// Before this nobody's silence means anything new. Whatever comes in only puts that off, so it
    /// need not be counted anew each time.
    look_at: Option<Time>,
    /// The last feeler that got through.
    scout: Option<PeerKey>,
}

/// One connected peer.
#[derive(Clone, Debug)]
pub struct Link {
    /// Since when.
    pub since: Time,
    /// The address we dialled, if we did.
    pub dialled: Option<Address>,
    /// Where it leads.
    pub group: Netgroup,
    /// How far away that is.
    pub scope: Scope,
    /// When it last sent us anything.
    pub heard: Time,
    /// Whether it counts: it was heard lately, and since the machine last woke.
    pub awake: bool,
    /// What is at the other end.
    pub far_end: FarEnd,
    /// It is a bootstrap server: there to be asked, not to be kept.
    pub server: bool,
}

impl Link {
    /// A connection that has just come up.
    pub fn new(now: Time, address: &Address, direction: Direction) -> Self {
        Self {
            since: now,
            dialled: (direction != Direction::Inbound).then(|| address.clone()),
            group: Netgroup::of(address),
            scope: Scope::of(address),
            heard: now,
            awake: true,
            far_end: FarEnd::guess(address, direction),
            server: false,
        }
    }

    /// Whether it counts as a connection to a peer that we chose ourselves.
    pub fn is_outbound(&self) -> bool {
        self.counts() && self.dialled.is_some()
    }

    /// Whether it counts as a connection to a peer.
    fn counts(&self) -> bool {
        self.awake && !self.server
    }
}

/// How many connections count as what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Census {
    live: usize,
    peers: usize,
    outbound: usize,
}

impl Census {
    fn of<'a>(links: impl IntoIterator<Item = &'a Link>) -> Self {
        let mut census = Self::default();
        for link in links {
            census.add(link);
        }
        census
    }

    fn add(&mut self, link: &Link) {
        self.live += usize::from(link.awake);
        self.peers += usize::from(link.counts());
        self.outbound += usize::from(link.is_outbound());
    }

    fn take_off(&mut self, link: &Link) {
        self.live -= usize::from(link.awake);
        self.peers -= usize::from(link.counts());
        self.outbound -= usize::from(link.is_outbound());
    }
}

impl Links {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.up.len()
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.up.is_empty()
    }

    /// Whether a peer is connected.
    pub fn contains(&self, key: &PeerKey) -> bool {
        self.up.contains_key(key)
    }

    /// A feeler got through. Returns the one before it, if that is still connected.
    pub fn relieve_scout(&mut self, next: PeerKey) -> Option<PeerKey> {
        let before = self.scout.replace(next);
        before.filter(|peer| self.contains(peer))
    }

    /// One connected peer.
    pub fn get(&self, key: &PeerKey) -> Option<&Link> {
        self.up.get(key)
    }

    /// All of them, in order of key.
    pub fn iter(&self) -> impl Iterator<Item = (&PeerKey, &Link)> {
        self.up.iter()
    }

    /// How many are awake.
    pub fn live(&self) -> usize {
        self.census.live
    }

    /// How many of those are peers, and not bootstrap servers.
    pub fn peers(&self) -> usize {
        self.census.peers
    }

    /// How many of those we dialled.
    pub fn outbound(&self) -> usize {
        self.census.outbound
    }

    /// The networks those are in.
    pub fn outbound_groups(&self) -> impl Iterator<Item = &Netgroup> {
        let outbound = self.up.values().filter(|link| link.is_outbound());
        outbound.map(|link| &link.group)
    }

    /// The machine woke: every connection has to show life anew.
    pub fn woke(&mut self, now: Time, config: &Config) {
        self.woke = now;
        for link in self.up.values_mut() {
            link.awake = false;
        }
        self.census = Census::default();
        self.look_by(now + config.wake_grace);
    }

    /// Whether a connection has yet to show life after the machine woke.
    pub fn is_on_trial(&self, link: &Link) -> bool {
        link.heard < self.woke
    }

    /// Something came from a peer. Says whether it is connected.
    pub fn heard(&mut self, key: &PeerKey, now: Time) -> bool {
        self.change(key, |link| {
            link.heard = now;
            link.awake = true;
        })
    }

    /// A peer is reached in another way now, at this address if we dialled it. Whoever came to us
    /// stays one we did not choose. Says whether it is connected.
    pub fn rerouted(&mut self, key: &PeerKey, dialled: Option<Address>) -> bool {
        self.change(key, |link| {
            if let Some(address) = dialled {
                link.group = Netgroup::of(&address);
                link.scope = Scope::of(&address);
                link.dialled = link.dialled.is_some().then_some(address);
            }
        })
    }

    /// Says whether there is one to change.
    fn change(&mut self, key: &PeerKey, change: impl FnOnce(&mut Link)) -> bool {
        let Some(link) = self.up.get_mut(key) else {
            return false;
        };
        self.census.take_off(link);
        change(link);
        self.census.add(link);
        true
    }

    /// A peer told us about itself.
    pub fn told(&mut self, told: &Identified, config: &Config) {
        if let Some(link) = self.up.get_mut(&told.peer) {
            link.far_end = link.far_end.told(told);
            let by = link.heard + config.sleeps_after;
            self.look_by(by);
        }
    }

    /// When the next look at who is silent is due, if anybody may be.
    pub fn look_at(&self) -> Option<Time> {
        self.look_at.filter(|_| !self.up.is_empty())
    }

    /// Puts to sleep who has been silent for a while, and names those who are dead.
    pub fn look(&mut self, now: Time, config: &Config) -> Vec<PeerKey> {
        let mut dead = Vec::new();
        if self.look_at.is_none_or(|due| now < due) {
            return dead;
        }
        self.look_at = None;
        let mut next: Option<Time> = None;
        for (key, link) in &mut self.up {
            let until = match health::pulse(link.heard, link.far_end, self.woke, now, config) {
                Pulse::Awake { until } => until,
                Pulse::Asleep { until } => {
                    link.awake = false;
                    until
                }
                Pulse::Dead => {
                    dead.push(key.clone());
                    continue;
                }
            };
            next = Some(next.map_or(until, |first| first.min(until)));
        }
        self.census = Census::of(self.up.values());
        // Those whose time is up within a second of each other are looked at together.
        self.look_at = next.map(|at| at.max(now + LOOK_EVERY_MIN));
        dead
    }

    fn look_by(&mut self, at: Time) {
        self.look_at = Some(self.look_at.map_or(at, |due| due.min(at)));
    }

    /// Whether there is room for another connection. Those who come to us never take the room of
    /// those we dial, and those who come from one public network not that of others.
    pub fn has_room(
        &self,
        key: &PeerKey,
        address: &Address,
        direction: Direction,
        config: &Config,
    ) -> bool {
        let fits = match direction {
            Direction::Inbound => {
                self.up.len() + config.reserve() < config.connections_max
                    && self.came_from(&Netgroup::of(address)) < config.inbound_per_netgroup
            }
            Direction::Outbound(_) => self.up.len() < config.connections_max,
        };
        self.contains(key) || fits
    }

    /// How many came to us from a public network. On one machine or one LAN a crowd says nothing.
    fn came_from(&self, group: &Netgroup) -> usize {
        let came = |link: &&Link| link.dialled.is_none() && link.group == *group;
        if group.is_public() {
            self.up.values().filter(came).count()
        } else {
            0
        }
    }

    /// A connection came up, and there was room for it.
    pub fn came_up(&mut self, key: &PeerKey, link: Link, config: &Config) {
        self.lost.remove(key);
        self.look_by(link.heard + config.sleeps_after);
        self.census.add(&link);
        if let Some(before) = self.up.insert(key.clone(), link) {
            self.census.take_off(&before);
        }
    }

    /// The last connection to a peer is gone. Returns how long it lasted.
    pub fn went_down(&mut self, key: &PeerKey, now: Time) -> Option<Duration> {
        let link = self.up.remove(key)?;
        self.census.take_off(&link);
        self.lost.insert(key.clone(), now);
        Some(now.since(link.since))
    }

    /// Whether a peer was lost so lately that it is not decided yet whether it stays an anchor.
    pub fn was_lost(&self, key: &PeerKey) -> bool {
        self.lost.contains_key(key)
    }

    /// Those lost long enough ago, while others stayed, to be anchors no more. When everybody is
    /// lost together the line is to blame, and all of them stay anchors. Of more than can be connected
    /// at once the first were not lost together with the last.
    pub fn no_longer_anchors(&mut self, now: Time, config: &Config) -> Vec<PeerKey> {
        let mut gone = Vec::new();
        if self.up.is_empty() {
            return gone;
        }
        while let Some((_, lost)) = self.lost.front()
            && (now.since(*lost) >= config.anchor_grace || self.lost.len() > config.connections_max)
        {
            gone.extend(self.lost.pop_front().map(|(key, _)| key));
        }
        gone
    }

    /// When the next of them is decided.
    pub fn next_decision(&self, config: &Config) -> Option<Time> {
        let (_, lost) = self.lost.front().filter(|_| !self.up.is_empty())?;
        Some(*lost + config.anchor_grace)
    }
}

/// How close together two looks may be.
const LOOK_EVERY_MIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const T: Time = Time::from_millis(1_000_000);

    fn links(names: &[&str]) -> (Links, Config) {
        let (mut links, config) = (Links::default(), Config::default());
        for name in names {
            links.came_up(&key(name), link("/ip4/8.8.4.4/tcp/1"), &config);
        }
        (links, config)
    }

    fn key(name: &str) -> PeerKey {
        name.parse().unwrap()
    }

    fn link(address: &str) -> Link {
        Link::new(T, &address.parse().unwrap(), Direction::Inbound)
    }

    #[test]
    fn one_who_leaves_alone_is_an_anchor_no_more() {
        let (mut links, config) = links(&["alice", "bob"]);
        links.went_down(&key("bob"), T);
        assert!(links.no_longer_anchors(T, &config).is_empty());
        let decided = links.next_decision(&config).unwrap();
        assert_eq!(links.no_longer_anchors(decided, &config), [key("bob")]);
    }

    #[test]
    fn one_who_comes_back_in_time_is_an_anchor_still() {
        let (mut links, config) = links(&["alice", "bob"]);
        let bob = "bob".parse().unwrap();
        let link = links.get(&bob).unwrap().clone();
        links.went_down(&bob, T);
        assert!(links.was_lost(&bob));
        links.came_up(&bob, link, &config);
        assert!(!links.was_lost(&bob));
        let later = T + config.anchor_grace;
        assert!(links.no_longer_anchors(later, &config).is_empty());
    }

    #[test]
    fn mistake_04_those_lost_all_together_stay_anchors() {
        let (mut links, config) = links(&["alice", "bob"]);
        for name in ["alice", "bob"] {
            links.went_down(&key(name), T);
        }
        let later = T + config.anchor_grace * 100;
        assert!(links.no_longer_anchors(later, &config).is_empty());
        assert_eq!(links.next_decision(&config), None);
    }

    #[test]
    fn after_waking_a_connection_counts_only_once_it_shows_life() {
        let (mut links, config) = links(&["alice", "bob"]);
        let woke = T + Duration::from_secs(3_600);
        links.woke(woke, &config);
        assert_eq!(links.live(), 0);
        links.heard(&key("alice"), woke);
        assert_eq!(links.live(), 1);
        assert!(links.look(woke, &config).is_empty(), "it gets its time");
        let decided = woke + config.wake_grace;
        assert_eq!(links.look(decided, &config), [key("bob")]);
    }

    #[test]
    fn who_goes_on_talking_costs_one_look_a_minute() {
        let (mut links, config) = links(&["alice", "bob"]);
        let mut looks = 0;
        for second in 0..3_600 {
            let now = T + Duration::from_secs(second);
            if second % 15 == 0 {
                links.heard(&key("alice"), now);
                links.heard(&key("bob"), now);
            }
            if links.look_at().is_some_and(|due| now >= due) {
                looks += 1;
                assert!(links.look(now, &config).is_empty());
            }
        }
        assert!((40..=62).contains(&looks), "{looks} looks in an hour");
        assert_eq!(links.live(), 2);
    }

    #[test]
    fn a_sleeping_page_does_not_count_until_it_wakes() {
        let (mut links, config) = links(&["alice"]);
        links.came_up(&key("page"), link("/ip4/8.8.4.4/tcp/1/ws"), &config);
        let due = links.look_at().unwrap();
        assert_eq!(due, T + config.sleeps_after);
        links.heard(&key("alice"), due);
        assert!(links.look(due, &config).is_empty());
        assert_eq!((links.len(), links.live()), (2, 1));
        links.heard(&key("page"), due);
        assert_eq!(links.live(), 2);
    }

    #[test]
    fn connections_are_bounded_and_those_that_come_leave_room_for_those_we_dial() {
        let (links, mut config) = links(&["alice", "bob"]);
        config.connections_max = 3;
        config.outbound_reserved = Some(1);
        let from = "/ip4/9.9.9.9/tcp/1".parse().unwrap();
        let has_room = |name, direction| links.has_room(&key(name), &from, direction, &config);
        assert!(!has_room("eve", Direction::Inbound));
        assert!(has_room("alice", Direction::Inbound), "it is here already");
        assert!(has_room("carol", Direction::Outbound(None)));
    }

    #[test]
    fn those_who_come_from_one_public_network_leave_room_for_others() {
        let (mut links, mut config) = links(&[]);
        config.inbound_per_netgroup = 2;
        for (name, from) in [
            ("eve1", "5.5.0.1"),
            ("eve2", "5.5.0.2"),
            ("alice", "8.8.4.4"),
        ] {
            let from: Address = format!("/ip4/{from}/tcp/1").parse().unwrap();
            links.came_up(&key(name), Link::new(T, &from, Direction::Inbound), &config);
        }
        for (from, direction, fits) in [
            ("5.5.0.3", Direction::Inbound, false),
            ("5.5.0.3", Direction::Outbound(None), true),
            ("8.8.8.8", Direction::Inbound, true),
            ("127.0.0.1", Direction::Inbound, true),
        ] {
            let from = format!("/ip4/{from}/tcp/1").parse().unwrap();
            let has_room = links.has_room(&key("bob"), &from, direction, &config);
            assert_eq!(has_room, fits, "{from}");
        }
    }

    #[test]
    fn of_more_lost_than_can_be_connected_the_first_are_anchors_no_more() {
        let (mut links, mut config) = links(&["alice", "bob", "eve", "frank"]);
        config.connections_max = 1;
        for name in ["alice", "bob", "eve"] {
            links.went_down(&key(name), T);
        }
        let gone = links.no_longer_anchors(T, &config);
        assert_eq!(gone, ["alice", "bob"].map(key));
        assert!(links.was_lost(&key("eve")), "the last is the one");
    }
}
