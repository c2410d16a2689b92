//! Where to ask when memory does not suffice: bootstrap servers, each behind a circuit breaker.
//!
//! For now a source is an address the user or the program named. What is asked, and in which order,
//! stands here; when memory has had its chance is the engine's business.

use std::time::Duration;

use fastrand::Rng;

use crate::{
    address::Address,
    backoff::{self, Backoff},
    config::Config,
    key::PeerKey,
    output::DialId,
    status::SourceStatus,
    text::Text,
    time::Time,
};

/// The bootstrap sources.
#[derive(Clone, Debug)]
pub struct Sources {
    list: Vec<Source>,
    /// Of its own, so that which server is asked does not hang on what else was drawn before.
    rng: Rng,
}

#[derive(Clone, Debug)]
struct Source {
    peer: Option<PeerKey>,
    address: Address,
    breaker: Backoff,
    dial: Option<DialId>,
}

/// A source to be dialled now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Who answers there, if that is known.
    pub peer: Option<PeerKey>,
    /// Where.
    pub address: Address,
}

impl Sources {
    /// No source yet.
    pub fn new(rng: Rng) -> Self {
        let list = Vec::new();
        Self { list, rng }
    }

    /// Adds a source, with the breaker it had when we last stopped.
    pub fn add(
        &mut self,
        peer: Option<PeerKey>,
        address: Address,
        breaker: Option<Backoff>,
        config: &Config,
    ) {
        if let Some(known) = at(&mut self.list, &address) {
            known.peer = peer.or(known.peer.take());
        } else if self.list.len() < config.sources_max {
            let breaker = breaker.unwrap_or_default();
            self.list.push(Source {
                peer,
                address,
                breaker,
                dial: None,
            });
        }
    }

    /// A peer is to be forgotten, and with it that it was a server.
    pub fn forget(&mut self, peer: &PeerKey) {
        self.list
            .retain(|source| source.peer.as_ref() != Some(peer));
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// The next source to dial: drawn among those that rest no longer and are not `busy`, so that a
    /// thousand nodes with one list do not all ask its first entry. `anyway` ignores breakers.
    pub fn next(
        &mut self,
        now: Time,
        anyway: bool,
        busy: impl Fn(&PeerKey) -> bool,
    ) -> Option<Ask> {
        let ready: Vec<_> = self
            .list
            .iter()
            .filter(|source| source.dial.is_none() && (anyway || source.breaker.is_over(now)))
            .filter(|source| !source.peer.as_ref().is_some_and(&busy))
            .collect();
        // Those that work go first.
        let fewest = ready.iter().map(|source| source.breaker.failures).min()?;
        let ready: Vec<_> = ready
            .into_iter()
            .filter(|source| source.breaker.failures == fewest)
            .collect();
        let drawn = ready.get(self.rng.usize(..ready.len()))?;
        Some(Ask {
            peer: drawn.peer.clone(),
            address: drawn.address.clone(),
        })
    }

    /// When the first of those resting may be asked again.
    pub fn ready_at(&self, busy: impl Fn(&PeerKey) -> bool) -> Option<Time> {
        self.list
            .iter()
            .filter(|source| source.dial.is_none() && !source.peer.as_ref().is_some_and(&busy))
            .map(|source| source.breaker.until)
            .min()
    }

    /// Notes that a source is being dialled.
    pub fn dialled(&mut self, address: &Address, dial: DialId) {
        if let Some(source) = at(&mut self.list, address) {
            source.dial = Some(dial);
        }
    }

    /// A dial ended badly, and it is not clear yet whose fault that was: the source rests.
    pub fn rest(&mut self, dial: DialId, now: Time, config: &Config) {
        let Some(source) = land(&mut self.list, dial) else {
            return;
        };
        let (min, max) = (config.backoff_min, config.breaker_min);
        let wait = backoff::delay(source.breaker.failures, min, max, &mut self.rng);
        source.breaker.until = source.breaker.until.max(now + wait);
    }

    /// A dial ended without saying anything about the source.
    pub fn called_off(&mut self, dial: DialId) {
        land(&mut self.list, dial);
    }

    /// A source answered, and this is who it is. Returns its breaker to be remembered.
    pub fn answered(&mut self, dial: DialId, peer: &PeerKey) -> Option<(Text<640>, Backoff)> {
        let source = land(&mut self.list, dial)?;
        source.peer = Some(peer.clone());
        source.breaker = Backoff::default();
        Some((source.name(), source.breaker))
    }

    /// A source failed, and the fault was its own. Returns its breaker to be remembered.
    pub fn failed(
        &mut self,
        address: &Address,
        now: Time,
        config: &Config,
    ) -> Option<(Text<640>, Backoff)> {
        let source = at(&mut self.list, address)?;
        source.breaker.failures = source.breaker.failures.saturating_add(1);
        source.breaker.until = now + source.breaker_wait(config, &mut self.rng);
        Some((source.name(), source.breaker))
    }

    /// Lets every source be asked at once again.
    pub fn clear(&mut self) {
        for source in &mut self.list {
            source.breaker.until = Time::default();
        }
    }

    /// The name of a source, under which its breaker is remembered.
    pub fn name(address: &Address) -> Text<640> {
        Text::new(&address.to_string())
    }

    /// Each source and its breaker.
    pub fn status(&self, now: Time, config: &Config) -> Vec<SourceStatus> {
        self.list
            .iter()
            .map(|source| {
                let tripped = source.breaker.failures >= config.breaker_failures;
                let resting = !source.breaker.is_over(now);
                SourceStatus {
                    name: source.name().to_string(),
                    breaker: match (tripped, resting) {
                        (false, _) => "closed",
                        (true, true) => "open",
                        (true, false) => "half-open",
                    },
                    failures: source.breaker.failures,
                    until: resting.then_some(source.breaker.until),
                }
            })
            .collect()
    }
}

impl Source {
    fn name(&self) -> Text<640> {
        Sources::name(&self.address)
    }

    /// A closed breaker only spaces out the tries; an open one doubles from its minimum.
    fn breaker_wait(&self, config: &Config, rng: &mut Rng) -> Duration {
        match self.breaker.failures.checked_sub(config.breaker_failures) {
            None => backoff::delay(
                self.breaker.failures - 1,
                config.backoff_min,
                config.breaker_min,
                rng,
            ),
            Some(further) => config
                .breaker_min
                .saturating_mul(2u32.saturating_pow(further))
                .min(config.breaker_max),
        }
    }
}

/// The source at an address.
fn at<'a>(list: &'a mut [Source], address: &Address) -> Option<&'a mut Source> {
    list.iter_mut().find(|source| source.address == *address)
}

/// Takes the dial off the source it was meant for.
fn land(list: &mut [Source], dial: DialId) -> Option<&mut Source> {
    let mut dialled = list.iter_mut();
    let source = dialled.find(|source| source.dial == Some(dial))?;
    source.dial = None;
    Some(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Time = Time::from_millis(1_000_000);

    fn address(port: u16) -> Address {
        format!("/ip4/8.8.4.4/tcp/{port}").parse().unwrap()
    }

    fn fail(sources: &mut Sources, now: Time) -> Backoff {
        sources.dialled(&address(1), DialId(7));
        let config = Config::default();
        sources.rest(DialId(7), now, &config);
        let (_, breaker) = sources.failed(&address(1), now, &config).unwrap();
        breaker
    }

    fn one_source() -> Sources {
        let mut sources = Sources::new(Rng::with_seed(1));
        sources.add(None, address(1), None, &Config::default());
        sources
    }

    #[test]
    fn the_breaker_opens_at_five_failures_and_doubles_up_to_an_hour() {
        let mut sources = one_source();
        let config = Config::default();
        let state = |sources: &Sources, now| sources.status(now, &config)[0].breaker;
        for _ in 0..4 {
            fail(&mut sources, T);
            assert_eq!(state(&sources, T), "closed");
        }
        for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
            let breaker = fail(&mut sources, T);
            assert_eq!(breaker.until.since(T), Duration::from_secs(60 * minutes));
            assert_eq!(state(&sources, T), "open");
            assert_eq!(state(&sources, breaker.until), "half-open");
        }
        sources.dialled(&address(1), DialId(9));
        sources.answered(DialId(9), &"alice".parse().unwrap());
        assert_eq!(state(&sources, T), "closed");
    }

    #[test]
    fn a_failure_nobody_is_blamed_for_makes_a_source_rest_and_no_more() {
        let (mut sources, config) = (one_source(), Config::default());
        sources.dialled(&address(1), DialId(7));
        assert_eq!(
            sources.next(T, true, |_| false),
            None,
            "it is being dialled"
        );
        sources.rest(DialId(7), T, &config);
        assert_eq!(sources.next(T, false, |_| false), None);
        assert!(
            sources
                .next(T + config.breaker_min, false, |_| false)
                .is_some()
        );
        assert_eq!(sources.status(T, &config)[0].failures, 0);
    }

    #[test]
    fn an_open_source_is_not_asked() {
        let mut sources = one_source();
        for _ in 0..5 {
            fail(&mut sources, T);
        }
        assert_eq!(sources.next(T, false, |_| false), None);
        assert!(sources.next(T, true, |_| false).is_some());
        let ready = sources.ready_at(|_| false).unwrap();
        assert!(sources.next(ready, false, |_| false).is_some());
    }

    #[test]
    fn those_that_work_go_first_and_none_is_everybodys_first() {
        let mut sources = one_source();
        for port in 2..6 {
            sources.add(None, address(port), None, &Config::default());
        }
        fail(&mut sources, T);
        let drawn: std::collections::BTreeSet<_> = (0..100)
            .map(|_| {
                sources
                    .next(T + Duration::from_secs(60), false, |_| false)
                    .unwrap()
                    .address
            })
            .collect();
        assert_eq!(drawn.len(), 4);
        assert!(!drawn.contains(&address(1)));
    }

    #[test]
    fn a_breaker_outlives_a_restart() {
        let mut sources = one_source();
        let breaker = fail(&mut sources, T);
        let mut again = Sources::new(Rng::with_seed(2));
        again.add(None, address(1), Some(breaker), &Config::default());
        assert_eq!(again.next(T, false, |_| false), None);
    }
}
