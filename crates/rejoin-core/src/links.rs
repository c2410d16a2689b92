//! Who is connected, who was just lost, and who stays an anchor.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use crate::{address::Address, config::Config, key::PeerKey, time::Time};

/// The peers with an authenticated connection.
#[derive(Clone, Debug, Default)]
pub struct Links {
    up: BTreeMap<PeerKey, Link>,
    /// Lost while others may have stayed: still anchors until it is clear that only they left.
    lost: VecDeque<(Time, PeerKey)>,
    /// When the machine last woke: what has been silent since may be dead.
    woke: Time,
}

/// One connected peer.
#[derive(Clone, Debug)]
pub struct Link {
    /// Since when.
    pub since: Time,
    /// The address we dialled, if we did.
    pub dialled: Option<Address>,
    /// When it last sent us anything.
    pub heard: Time,
    /// It was only dialled to test hearsay.
    pub feeler: bool,
    /// It is a bootstrap server: there to be asked, not to be kept.
    pub server: bool,
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

    /// One connected peer.
    pub fn get(&self, key: &PeerKey) -> Option<&Link> {
        self.up.get(key)
    }

    /// All of them, in order of key.
    pub fn iter(&self) -> impl Iterator<Item = (&PeerKey, &Link)> {
        self.up.iter()
    }

    /// How many have shown life since the machine last woke.
    pub fn live(&self) -> usize {
        self.up
            .values()
            .filter(|link| link.heard >= self.woke)
            .count()
    }

    /// How many of those are peers, and not bootstrap servers.
    pub fn peers(&self) -> usize {
        let live = self.up.values().filter(|link| link.heard >= self.woke);
        live.filter(|link| !link.server).count()
    }

    /// The machine woke: every connection has to show life anew.
    pub fn woke(&mut self, now: Time) {
        self.woke = now;
    }

    /// Something came from a peer. Says whether it is connected.
    pub fn heard(&mut self, key: &PeerKey, now: Time) -> bool {
        self.up.get_mut(key).map(|link| link.heard = now).is_some()
    }

    /// Those that have not shown life for too long since the machine woke.
    pub fn stale(&self, now: Time, config: &Config) -> Vec<PeerKey> {
        if now.since(self.woke) < config.stale_after {
            return Vec::new();
        }
        let silent = self.up.iter().filter(|(_, link)| link.heard < self.woke);
        silent.map(|(key, _)| key.clone()).collect()
    }

    /// When that is decided, if anybody is in question.
    pub fn stale_at(&self, config: &Config) -> Option<Time> {
        (self.live() < self.up.len()).then(|| self.woke + config.stale_after)
    }

    /// A connection came up. Beyond the limit it is not tracked; says whether it is.
    pub fn came_up(&mut self, key: &PeerKey, link: Link, config: &Config) -> bool {
        self.lost.retain(|(_, lost)| lost != key);
        if self.up.len() >= config.connections_max && !self.up.contains_key(key) {
            return false;
        }
        self.up.insert(key.clone(), link);
        true
    }

    /// A peer is reached in another way now, at this address if we dialled it. Says whether it is
    /// connected.
    pub fn rerouted(&mut self, key: &PeerKey, dialled: Option<Address>) -> bool {
        let link = self.up.get_mut(key);
        link.map(|link| link.dialled = dialled).is_some()
    }

    /// The last connection to a peer is gone. Returns how long it lasted.
    pub fn went_down(&mut self, key: &PeerKey, now: Time, config: &Config) -> Option<Duration> {
        let link = self.up.remove(key)?;
        if self.lost.len() >= config.connections_max {
            self.lost.pop_front();
        }
        self.lost.push_back((now, key.clone()));
        Some(now.since(link.since))
    }

    /// Whether a peer was lost so lately that it is not decided yet whether it stays an anchor.
    pub fn was_lost(&self, key: &PeerKey) -> bool {
        self.lost.iter().any(|(_, lost)| lost == key)
    }

    /// Those lost long enough ago, while others stayed, to be anchors no more. When everybody is
    /// lost together the line is to blame, and all of them stay anchors.
    pub fn no_longer_anchors(&mut self, now: Time, config: &Config) -> Vec<PeerKey> {
        let mut gone = Vec::new();
        if self.up.is_empty() {
            return gone;
        }
        while let Some((lost, _)) = self.lost.front()
            && now.since(*lost) >= config.anchor_grace
        {
            gone.extend(self.lost.pop_front().map(|(_, key)| key));
        }
        gone
    }

    /// When the next of them is decided.
    pub fn next_decision(&self, config: &Config) -> Option<Time> {
        let (lost, _) = self.lost.front().filter(|_| !self.up.is_empty())?;
        Some(*lost + config.anchor_grace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Time = Time::from_millis(1_000_000);

    fn links(names: &[&str]) -> (Links, Config) {
        let (mut links, config) = (Links::default(), Config::default());
        for name in names {
            let link = Link {
                since: T,
                heard: T,
                dialled: None,
                feeler: false,
                server: false,
            };
            links.came_up(&name.parse().unwrap(), link, &config);
        }
        (links, config)
    }

    #[test]
    fn one_who_leaves_alone_is_an_anchor_no_more() {
        let (mut links, config) = links(&["alice", "bob"]);
        links.went_down(&"bob".parse().unwrap(), T, &config);
        assert!(links.no_longer_anchors(T, &config).is_empty());
        let decided = links.next_decision(&config).unwrap();
        assert_eq!(
            links.no_longer_anchors(decided, &config),
            ["bob".parse().unwrap()]
        );
    }

    #[test]
    fn mistake_04_those_lost_all_together_stay_anchors() {
        let (mut links, config) = links(&["alice", "bob"]);
        for name in ["alice", "bob"] {
            links.went_down(&name.parse().unwrap(), T, &config);
        }
        let later = T + config.anchor_grace * 100;
        assert!(links.no_longer_anchors(later, &config).is_empty());
        assert_eq!(links.next_decision(&config), None);
    }

    #[test]
    fn after_waking_a_connection_counts_only_once_it_shows_life() {
        let (mut links, config) = links(&["alice", "bob"]);
        let woke = T + Duration::from_secs(3_600);
        links.woke(woke);
        assert_eq!(links.live(), 0);
        links.heard(&"alice".parse().unwrap(), woke);
        assert_eq!(links.live(), 1);
        assert!(links.stale(woke, &config).is_empty(), "it gets its time");
        let decided = links.stale_at(&config).unwrap();
        assert_eq!(links.stale(decided, &config), ["bob".parse().unwrap()]);
    }

    #[test]
    fn connections_are_bounded() {
        let (mut links, mut config) = links(&["alice"]);
        config.connections_max = 1;
        let link = links.get(&"alice".parse().unwrap()).unwrap().clone();
        assert!(!links.came_up(&"bob".parse().unwrap(), link, &config));
        assert_eq!(links.len(), 1);
    }
}
