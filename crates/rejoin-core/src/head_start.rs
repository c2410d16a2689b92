//! How long the memory races alone before sources are asked.

use std::time::Duration;

use fastrand::Rng;

use crate::{
    config::Config,
    record::{PeerRecord, Pool},
    time::Time,
};

/// The head start of one race.
#[derive(Clone, Copy, Debug)]
pub struct HeadStart {
    cause: Cause,
    ends: Time,
    /// Since when nobody has been connected and memory has been of no use: then it ends early.
    unaided_since: Option<Time>,
}

/// What made the race necessary, and so whether others race too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// We have just started, for reasons of our own.
    Start,
    /// Connections were lost. What took them from us may have taken them from others.
    Loss,
    /// We have just started, and were away so briefly that whoever of our friends does not answer was
    /// struck by the same. They too will be back, and do not need a server for that.
    Blackout,
}

impl HeadStart {
    /// After a start, given whom we remember.
    pub fn at_start(now: Time, remembered: &[PeerRecord], config: &Config, rng: &mut Rng) -> Self {
        match were_there_just_now(now, remembered, config) {
            true => Self::with_jitter(Cause::Blackout, now, config.blackout_head_start, rng),
            false => Self::new(Cause::Start, now + config.bootstrap_head_start),
        }
    }

    /// After a loss. It may have struck many others at the same moment, so different nodes ask
    /// servers at different moments.
    pub fn after_loss(now: Time, config: &Config, rng: &mut Rng) -> Self {
        Self::with_jitter(Cause::Loss, now, config.bootstrap_head_start, rng)
    }

    fn with_jitter(cause: Cause, now: Time, span: Duration, rng: &mut Rng) -> Self {
        Self::new(cause, now + span + span.mul_f64(rng.f64()))
    }

    fn new(cause: Cause, ends: Time) -> Self {
        Self {
            cause,
            ends,
            unaided_since: None,
        }
    }

    /// When sources join, given whether we are without any connection.
    pub fn ends(&self, alone: bool) -> Time {
        match self.unaided_since {
            Some(since) if alone => since,
            Some(_) | None => self.ends,
        }
    }

    /// Whether memory has had its time, whatever came of it.
    pub fn is_over(&self, now: Time) -> bool {
        now >= self.ends
    }

    /// Nobody is connected and memory is of no use. Says whether sources are to be asked for that.
    pub fn is_unaided(&mut self, now: Time) -> bool {
        if self.cause == Cause::Blackout && !self.is_over(now) {
            return false; // of no use yet
        }
        let since = self.unaided_since.get_or_insert(now);
        *since = now.min(*since);
        true
    }

    /// Whether memory may be found too slow and a server asked before its time.
    pub fn may_be_cut(&self) -> bool {
        self.cause == Cause::Start
    }

    /// A source has answered, and so long is enough of an answer.
    pub fn answered(&mut self, until: Time) {
        self.ends = until;
    }

    /// Peers were named, and have their chance until then.
    pub fn named(&mut self, until: Time) {
        self.ends = self.ends.max(until);
        if let Some(since) = &mut self.unaided_since {
            *since = until.max(*since);
        }
    }
}

/// Whether as many as it takes for a node to be well connected were met, and some of them a moment ago.
fn were_there_just_now(now: Time, remembered: &[PeerRecord], config: &Config) -> bool {
    let is_met = |it: &&PeerRecord| it.pool() == Pool::Proven && !it.role.bootstrap;
    let met = || remembered.iter().filter(is_met);
    let last_seen = met().filter_map(|record| record.last_seen).max();
    let briefly = last_seen.is_some_and(|seen| now.since(seen) <= config.brief_absence);
    briefly && met().count() >= config.low_water
}
