//! Whose fault it is when a dial fails: the peer's, or our own line's.
//!
//! A laptop in a tunnel must not conclude that all its friends are dead. A failure therefore counts
//! against a peer only if something answered around the time of the dial; until that is clear it is
//! held back. When very many dials stay silent and nothing is connected, the outage is declared to
//! be ours: what is held back is dropped, and dialling slows to a probe until something answers.

use std::{collections::VecDeque, time::Duration};

use crate::{config::Config, time::Time};

/// Decides whose fault failures are. `T` is what to do to the peer if the fault is its own.
#[derive(Clone, Debug)]
pub struct OutageGuard<T> {
    /// When anything last came in from the network.
    heard: Option<Time>,
    /// Silent dials since then.
    silent: usize,
    /// Dials since then for which our own machine knew no way.
    unreachable: usize,
    suspended: VecDeque<Suspended<T>>,
    declared: Option<Declared>,
}

#[derive(Clone, Debug)]
struct Suspended<T> {
    ended: Time,
    verdict: T,
}

#[derive(Clone, Copy, Debug)]
struct Declared {
    since: Time,
    probe_at: Time,
    wait: Duration,
    probes: u32,
}

/// What an answer reveals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// Failures that were the peers' own after all.
    pub guilty: Vec<T>,
    /// If an outage ends with it, how long it lasted.
    pub outage: Option<Duration>,
}

impl<T> Default for OutageGuard<T> {
    fn default() -> Self {
        Self {
            heard: None,
            silent: 0,
            unreachable: 0,
            suspended: VecDeque::new(),
            declared: None,
        }
    }
}

impl<T> OutageGuard<T> {
    /// A dial that began at `began` ended at `now` without any answer. Gives the verdict back if
    /// the peer is to blame for sure.
    pub fn silent(&mut self, began: Time, now: Time, verdict: T, config: &Config) -> Option<T> {
        self.silent = self.silent.saturating_add(1);
        if self.heard.is_some_and(|heard| heard >= began) {
            return Some(verdict); // somebody else got through meanwhile
        }
        if self.declared.is_none() {
            if self.suspended.len() >= config.suspended_max {
                self.suspended.pop_front();
            }
            let ended = now;
            self.suspended.push_back(Suspended { ended, verdict });
        }
        None
    }

    /// A dial ended because our own machine knew no way: nobody's fault but ours.
    pub fn unreachable(&mut self) {
        self.silent = self.silent.saturating_add(1);
        self.unreachable = self.unreachable.saturating_add(1);
    }

    /// Something came in at `now`: an answer to what began at `began`, or, with `None`, over a
    /// connection that has been up for longer.
    pub fn answered(&mut self, began: Option<Time>, now: Time, config: &Config) -> Answer<T> {
        self.heard = Some(now);
        self.silent = 0;
        self.unreachable = 0;
        let outage = self
            .declared
            .take()
            .map(|declared| now.since(declared.since));
        // What failed before the answer was asked for fell into a gap of unknown cause, unless a
        // connection has bridged that gap.
        let (overlap, kept_for) = (began.unwrap_or_default(), config.suspended_for);
        let guilty = self
            .suspended
            .drain(..)
            .filter(|held| held.ended >= overlap && now.since(held.ended) <= kept_for)
            .map(|held| held.verdict)
            .collect();
        Answer { guilty, outage }
    }

    /// Whether enough dials stayed silent, with nothing connected, to declare the outage ours: who
    /// knows only a few peers needs only twice as many. Where our own machine knows no way, time
    /// after time, connections that seem to be up are dead too. Says so once.
    pub fn declare(&mut self, now: Time, connected: usize, known: usize, config: &Config) -> bool {
        let enough = config.outage_after.min(known.max(2) * 2);
        let no_way = self.unreachable >= config.unreachable_after;
        let nobody = connected == 0 && self.silent >= enough;
        if self.declared.is_some() || !(no_way || nobody) {
            return false;
        }
        self.suspended.clear();
        self.declared = Some(Declared {
            since: now,
            probe_at: now + config.probe_min,
            wait: config.probe_min,
            probes: 0,
        });
        true
    }

    /// Forgets all suspicion: the machine woke or moved, so whatever failed is no longer a hint.
    pub fn reset(&mut self) {
        *self = Self {
            heard: self.heard,
            ..Self::default()
        };
    }

    /// Since when the outage is ours.
    pub fn since(&self) -> Option<Time> {
        self.declared.map(|declared| declared.since)
    }

    /// During an outage, when the next probe is due.
    pub fn probe_at(&self) -> Option<Time> {
        self.declared.map(|declared| declared.probe_at)
    }

    /// Notes that a probe is made, and says how many were before it.
    pub fn probed(&mut self, now: Time, config: &Config) -> u32 {
        let Some(declared) = &mut self.declared else {
            return 0;
        };
        declared.wait = (declared.wait * 2).min(config.probe_max);
        declared.probe_at = now + declared.wait;
        declared.probes = declared.probes.saturating_add(1);
        declared.probes - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Time {
        Time::from_millis(1_000_000 + seconds * 1_000)
    }

    fn guard() -> (OutageGuard<&'static str>, Config) {
        (OutageGuard::default(), Config::default())
    }

    #[test]
    fn silence_beside_an_answer_is_the_peers_fault() {
        let (mut guard, config) = guard();
        assert_eq!(
            guard.silent(s(0), s(2), "bob", &config),
            None,
            "not clear yet"
        );
        let answer = guard.answered(Some(s(1)), s(3), &config);
        assert_eq!(answer.guilty, ["bob"]);
        assert_eq!(
            guard.silent(s(1), s(4), "eve", &config),
            Some("eve"),
            "clear at once"
        );
    }

    #[test]
    fn silence_before_the_line_came_back_is_nobodys_fault() {
        let (mut guard, config) = guard();
        guard.silent(s(0), s(2), "bob", &config);
        assert!(guard.answered(Some(s(3)), s(4), &config).guilty.is_empty());
    }

    #[test]
    fn a_connection_that_stayed_up_proves_the_line() {
        let (mut guard, config) = guard();
        guard.silent(s(0), s(2), "bob", &config);
        assert_eq!(guard.answered(None, s(10), &config).guilty, ["bob"]);
        guard.silent(s(11), s(13), "bob", &config);
        assert!(
            guard.answered(None, s(60), &config).guilty.is_empty(),
            "too long ago"
        );
    }

    #[test]
    fn when_nobody_answers_at_all_the_outage_is_ours() {
        let (mut guard, config) = guard();
        for n in 0..config.outage_after {
            assert!(!guard.declare(s(2), 0, 100, &config), "after {n}");
            guard.silent(s(0), s(2), "somebody", &config);
        }
        assert!(
            !guard.declare(s(2), 1, 100, &config),
            "something is still connected"
        );
        assert!(guard.declare(s(2), 0, 100, &config));
        assert!(!guard.declare(s(2), 0, 100, &config), "said once");
        guard.silent(s(3), s(5), "somebody", &config);
        let answer = guard.answered(Some(s(4)), s(9), &config);
        assert_eq!(answer.outage, Some(Duration::from_secs(7)));
        assert!(answer.guilty.is_empty());
        assert_eq!(guard.since(), None);
    }

    #[test]
    fn what_failed_before_an_outage_was_declared_is_nobodys_fault() {
        let (mut guard, config) = guard();
        for _ in 0..config.outage_after {
            guard.silent(s(0), s(2), "somebody", &config);
        }
        assert!(guard.declare(s(2), 0, 100, &config));
        assert!(guard.answered(None, s(3), &config).guilty.is_empty());
    }

    #[test]
    fn an_answer_starts_the_count_anew() {
        for unreachable in [false, true] {
            let (mut guard, config) = guard();
            for round in 0..3 {
                for _ in 1..config.outage_after.min(config.unreachable_after) {
                    if unreachable {
                        guard.unreachable();
                    } else {
                        guard.silent(s(0), s(2), "somebody", &config);
                    }
                }
                assert!(!guard.declare(s(2), 0, 6, &config), "round {round}");
                guard.answered(Some(s(2)), s(3), &config);
            }
        }
    }

    #[test]
    fn no_way_and_no_answer_count_together() {
        let (mut guard, config) = guard();
        for _ in 1..config.unreachable_after {
            guard.unreachable();
        }
        for _ in config.unreachable_after..=config.outage_after {
            assert!(!guard.declare(s(2), 0, 100, &config));
            guard.silent(s(0), s(2), "somebody", &config);
        }
        assert!(guard.declare(s(2), 0, 100, &config));
    }

    #[test]
    fn no_more_is_held_back_than_allowed() {
        let (mut guard, mut config) = guard();
        config.suspended_max = 2;
        for name in ["alice", "bob", "eve"] {
            guard.silent(s(0), s(2), name, &config);
        }
        assert_eq!(guard.answered(None, s(3), &config).guilty, ["bob", "eve"]);
    }

    #[test]
    fn without_any_way_connections_that_seem_up_prove_nothing() {
        let (mut guard, config) = guard();
        for _ in 0..config.unreachable_after {
            assert!(!guard.declare(s(2), 8, 100, &config));
            guard.unreachable();
        }
        assert!(guard.declare(s(2), 8, 100, &config));
    }

    #[test]
    fn who_knows_few_gives_up_sooner() {
        let (mut guard, config) = guard();
        for _ in 0..6 {
            assert!(!guard.declare(s(2), 0, 3, &config));
            guard.silent(s(0), s(2), "somebody", &config);
        }
        assert!(guard.declare(s(2), 0, 3, &config));
    }

    #[test]
    fn probes_slow_down_to_their_limit() {
        let (mut guard, config) = guard();
        for _ in 0..config.outage_after {
            guard.silent(s(0), s(2), "somebody", &config);
        }
        assert!(guard.declare(s(2), 0, 100, &config));
        let mut now = s(2);
        let mut waits = Vec::new();
        for _ in 0..6 {
            let at = guard.probe_at().unwrap();
            waits.push(at.since(now).as_secs());
            now = at;
            assert_eq!(guard.probed(now, &config) as usize + 1, waits.len());
        }
        assert_eq!(waits, [1, 2, 4, 8, 15, 15]);
    }
}
