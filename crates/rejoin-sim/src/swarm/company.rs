//! How much company one node has had: since when, and for how long too little.

use std::time::Duration;

use rejoin_core::Time;

/// With fewer connections a node is not well connected: the engine's low-water mark.
pub const WANTED: usize = 5;

/// A newcomer has so long before its lack of company counts against the swarm.
pub const GROWN_AFTER: Duration = Duration::from_secs(60);

/// The honest company of one node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Company {
    born: Time,
    /// From here on it is watched.
    watched: Time,
    now: usize,
    changed: Time,
    alone_since: Time,
    alone_longest: Duration,
    few: Duration,
    few_grown: Duration,
    /// When there was enough for the first time.
    pub(crate) wanted_at: Option<Time>,
}

impl Company {
    pub(crate) fn new(born: Time) -> Self {
        Self {
            born,
            watched: born,
            now: 0,
            changed: born,
            alone_since: born,
            alone_longest: Duration::ZERO,
            few: Duration::ZERO,
            few_grown: Duration::ZERO,
            wanted_at: None,
        }
    }

    /// How many honest nodes it has a working connection to.
    pub(crate) fn now(&self) -> usize {
        self.now
    }

    /// How long ago the node started.
    pub(crate) fn age(&self, now: Time) -> Duration {
        now.since(self.born)
    }

    /// One more.
    pub(crate) fn more(&mut self, now: Time) {
        self.settle(now);
        self.now += 1;
        if self.now >= WANTED {
            self.wanted_at.get_or_insert(now);
        }
    }

    /// One fewer.
    pub(crate) fn fewer(&mut self, now: Time) {
        self.settle(now);
        self.now = self.now.checked_sub(1).expect("nobody leaves twice");
        if self.now == 0 {
            self.alone_since = now;
        }
    }

    /// Forgets the past: from here on it is watched anew.
    pub(crate) fn watch(&mut self, now: Time) {
        *self = Self {
            now: self.now,
            alone_since: self.alone_since,
            watched: now,
            changed: now,
            wanted_at: self.wanted_at,
            ..Self::new(self.born)
        };
    }

    /// What came of it by now.
    pub(crate) fn so_far(mut self, now: Time) -> Watched {
        self.settle(now);
        let grown = self.born + GROWN_AFTER;
        Watched {
            whole: now.since(self.watched),
            few: self.few,
            whole_grown: now.since(self.watched.max(grown)),
            few_grown: self.few_grown,
            alone_longest: self.alone_longest,
        }
    }

    fn settle(&mut self, now: Time) {
        if self.now < WANTED {
            let grown = self.born + GROWN_AFTER;
            self.few += now.since(self.changed);
            self.few_grown += now.since(self.changed.max(grown));
        }
        if self.now == 0 {
            let alone = now.since(self.alone_since);
            self.alone_longest = self.alone_longest.max(alone);
        }
        self.changed = now;
    }
}

/// How long a node was watched, and how long of it it had too little company.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Watched {
    pub(crate) whole: Duration,
    pub(crate) few: Duration,
    /// The same without its first minute.
    pub(crate) whole_grown: Duration,
    pub(crate) few_grown: Duration,
    pub(crate) alone_longest: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Time = Time::from_millis(1_000_000);

    fn at(s: u64) -> Time {
        T + Duration::from_secs(s)
    }

    fn with(links: usize) -> Company {
        let mut company = Company::new(T);
        (0..links).for_each(|_| company.more(T));
        company
    }

    #[test]
    fn time_with_too_few_is_counted_and_the_first_minute_apart() {
        let mut company = with(4);
        company.more(at(90));
        company.fewer(at(100));
        let watched = company.so_far(at(150));
        assert_eq!(watched.few.as_secs(), 140);
        assert_eq!(watched.few_grown.as_secs(), 80);
        assert_eq!(watched.whole.as_secs(), 150);
        assert_eq!(watched.whole_grown.as_secs(), 90);
        assert_eq!(company.wanted_at, Some(at(90)));
    }

    #[test]
    fn the_longest_time_alone_is_kept() {
        let mut company = with(0);
        company.more(at(10));
        company.fewer(at(20));
        company.more(at(50));
        company.fewer(at(60));
        assert_eq!(company.so_far(at(65)).alone_longest.as_secs(), 30);
        assert_eq!(company.so_far(at(95)).alone_longest.as_secs(), 35);
    }

    #[test]
    fn watched_anew_the_past_is_forgotten() {
        let mut company = with(4);
        company.watch(at(100));
        let watched = company.so_far(at(110));
        assert_eq!((watched.whole.as_secs(), watched.few.as_secs()), (10, 10));
        assert_eq!(company.now(), 4);
    }
}
