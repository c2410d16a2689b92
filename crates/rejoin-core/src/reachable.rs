//! Whether others can reach us: what peers found when they tried our addresses, and who came of
//! themselves. What follows from that is decided in `relays`.

use std::collections::BTreeMap;

use crate::{address::Address, input::Tested, reach::Scope, status::TestStatus, time::Time};

/// What is known of it since we came to this place.
#[derive(Clone, Debug, Default)]
pub struct Reachable {
    tests: BTreeMap<Address, (Time, Tested)>,
    visited_from: Option<Scope>,
}

/// The answer so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody has tried.
    Unknown,
    /// From as far away as anybody tried, an address of ours led to us.
    Yes,
    /// From as far away as anybody tried, none did.
    No,
}

impl Reachable {
    /// A peer reached at `tester` tried an address of ours. Of what is nearer to us than to the
    /// tester a failure says nothing: nobody on the internet can try our LAN. With `max` addresses
    /// noted, the one tried longest ago makes room.
    pub fn tested(
        &mut self,
        now: Time,
        address: Address,
        tester: Option<Scope>,
        outcome: Tested,
        max: usize,
    ) {
        let scope = Scope::of(&address);
        // Without a tester it is our own machine that says so.
        let tester = tester.unwrap_or(Scope::Loopback);
        if scope == Scope::Nowhere || outcome == Tested::Failed && !scope.may_be_told(tester) {
            return;
        }
        if self.tests.len() >= max && !self.tests.contains_key(&address) {
            let oldest = self.tests.iter().min_by_key(|(_, (at, _))| *at);
            if let Some(oldest) = oldest.map(|(address, _)| address.clone()) {
                self.tests.remove(&oldest);
            }
        }
        self.tests.insert(address, (now, outcome));
    }

    /// Somebody came to us straight, from so far away.
    pub fn visited(&mut self, from: Scope) {
        if from != Scope::Nowhere {
            self.visited_from = self.visited_from.max(Some(from));
        }
    }

    /// We are somewhere else: all of it has to be found out anew.
    pub fn moved(&mut self) {
        *self = Self::default();
    }

    /// The answer so far: the farthest tries count. That our LAN reaches us says nothing about the
    /// internet, and somebody who knows no internet is content with their LAN.
    pub fn verdict(&self) -> Verdict {
        let farthest = self.tests.keys().map(Scope::of).max();
        let mut there = self
            .tests
            .iter()
            .filter(|(address, _)| Some(Scope::of(address)) == farthest);
        match farthest {
            None => Verdict::Unknown,
            Some(_) if there.any(|(_, (_, outcome))| *outcome == Tested::Reached) => Verdict::Yes,
            Some(_) => Verdict::No,
        }
    }

    /// The farthest from which anybody came.
    pub fn visited_from(&self) -> Option<Scope> {
        self.visited_from
    }

    /// Every address tried, in order.
    pub fn tests(&self) -> Vec<TestStatus> {
        let status = |(address, (at, outcome)): (&Address, &(Time, Tested))| TestStatus {
            address: address.clone(),
            reached: *outcome == Tested::Reached,
            at: *at,
        };
        self.tests.iter().map(status).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Time = Time::from_millis(1_000_000);
    const INTERNET: &str = "/ip4/8.8.4.4/tcp/1";
    const LAN: &str = "/ip4/10.0.0.7/tcp/1";
    const HERE: &str = "/ip4/127.0.0.1/tcp/1";

    use Tested::{Failed, Reached};

    #[test]
    fn the_farthest_try_counts() {
        check(&[], Verdict::Unknown);
        check(&[(HERE, HERE, Reached)], Verdict::Yes);
        check(&[(HERE, HERE, Failed)], Verdict::No);
        check(
            &[(LAN, LAN, Reached), (INTERNET, INTERNET, Failed)],
            Verdict::No,
        );
        check(
            &[(INTERNET, INTERNET, Reached), (LAN, LAN, Failed)],
            Verdict::Yes,
        );
    }

    #[test]
    fn one_address_that_works_is_enough() {
        let other = "/ip4/8.8.4.4/udp/1/quic-v1";
        check(
            &[(INTERNET, INTERNET, Failed), (other, INTERNET, Reached)],
            Verdict::Yes,
        );
    }

    #[test]
    fn the_last_try_of_an_address_counts() {
        check(
            &[(INTERNET, INTERNET, Reached), (INTERNET, INTERNET, Failed)],
            Verdict::No,
        );
    }

    #[test]
    fn nobody_can_fail_to_find_what_is_not_theirs_to_find() {
        check(&[(LAN, INTERNET, Failed)], Verdict::Unknown);
        check(&[(HERE, LAN, Failed)], Verdict::Unknown);
        check(
            &[("/ip4/192.0.2.1/tcp/1", INTERNET, Failed)],
            Verdict::Unknown,
        );
    }

    #[test]
    fn elsewhere_everything_is_open_again() {
        let mut reachable = Reachable::default();
        reachable.tested(T, INTERNET.parse().unwrap(), None, Reached, 8);
        reachable.visited(Scope::Public);
        reachable.moved();
        assert_eq!(reachable.verdict(), Verdict::Unknown);
        assert_eq!(reachable.visited_from(), None);
    }

    #[test]
    fn the_farthest_visitor_is_remembered() {
        let mut reachable = Reachable::default();
        for from in [
            Scope::Private,
            Scope::Public,
            Scope::Loopback,
            Scope::Nowhere,
        ] {
            reachable.visited(from);
        }
        assert_eq!(reachable.visited_from(), Some(Scope::Public));
    }

    // Mistake 19: what others can make us note ends somewhere.
    #[test]
    fn the_address_tried_longest_ago_makes_room() {
        let mut reachable = Reachable::default();
        for n in 0..9u16 {
            let now = T + std::time::Duration::from_millis(n.into());
            let address = format!("/ip4/8.8.4.4/tcp/{}", 100 - n).parse().unwrap();
            reachable.tested(now, address, None, Failed, 8);
        }
        let kept = reachable.tests();
        assert_eq!(kept.len(), 8);
        assert!(kept.iter().all(|test| test.at > T));
    }

    /// Each try: at which address, from where, with what outcome.
    #[track_caller]
    fn check(tries: &[(&str, &str, Tested)], verdict: Verdict) {
        let mut reachable = Reachable::default();
        for (address, tester, outcome) in tries {
            let tester = Some(Scope::of(&tester.parse().unwrap()));
            reachable.tested(T, address.parse().unwrap(), tester, *outcome, 8);
        }
        assert_eq!(reachable.verdict(), verdict, "{tries:?}");
    }
}
