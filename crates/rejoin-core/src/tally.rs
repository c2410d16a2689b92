//! Numbers that are true: what the way back into the network took, dial by dial.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use crate::{
    config::Config,
    key::PeerKey,
    output::{DialId, Lane},
    status::{DialTrace, Numbers},
    time::Time,
};

/// Counts one return to the network after the other.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    numbers: Numbers,
    timeline: VecDeque<(DialId, DialTrace)>,
    /// Remembered peers dialled in this return and the best that came of it, so that each counts
    /// once however often it comes and goes.
    dialled: BTreeMap<PeerKey, Best>,
}

/// The best that came of the dials of one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Best {
    Nothing,
    Cancelled,
    Failed,
    Connected,
}

/// A dial as it begins.
#[derive(Clone, Debug)]
pub struct Begun<'a> {
    /// Its name.
    pub id: DialId,
    /// Who, if that is known.
    pub peer: Option<&'a PeerKey>,
    /// Why.
    pub lane: Lane,
    /// Whether we had been connected to that peer before.
    pub proven: bool,
}

impl Tally {
    /// A return begins: at the start, on waking, or with the loss of the last connection.
    pub fn restart(&mut self, now: Time) {
        self.numbers = Numbers {
            since: now,
            ..Numbers::default()
        };
        self.timeline.clear();
        self.dialled.clear();
    }

    /// A dial begins.
    pub fn begun(&mut self, now: Time, dial: &Begun<'_>, config: &Config) {
        self.numbers.dials += 1;
        self.numbers.bootstrap_dials += u64::from(dial.lane == Lane::Bootstrap);
        if let Some(peer) = dial.peer
            && counts_as_cached(dial)
            && self.dialled.len() < config.connections_max
            && !self.dialled.contains_key(peer)
        {
            self.dialled.insert(peer.clone(), Best::Nothing);
            self.numbers.cached_dialled += 1;
        }
        if self.timeline.len() >= config.timeline_max {
            self.timeline.pop_front();
        }
        let trace = DialTrace {
            peer: dial.peer.cloned(),
            lane: dial.lane,
            began: now,
            ended: None,
            outcome: "flying",
        };
        self.timeline.push_back((dial.id, trace));
    }

    /// A directory is asked.
    pub fn consulted(&mut self) {
        self.numbers.consults += 1;
    }

    /// A dial ended. `remembered` says that it counted as a dial out of memory.
    pub fn ended(
        &mut self,
        now: Time,
        id: DialId,
        remembered: bool,
        lane: Lane,
        outcome: &'static str,
    ) {
        let entry = self
            .timeline
            .iter_mut()
            .rev()
            .find(|(known, _)| *known == id);
        let Some((_, trace)) = entry else {
            return; // it belongs to an earlier return
        };
        trace.ended = Some(now);
        trace.outcome = outcome;
        let came = match outcome {
            "connected" => Best::Connected,
            "cancelled" | "not-made" => Best::Cancelled,
            _ => Best::Failed,
        };
        if lane == Lane::Bootstrap && came == Best::Connected {
            self.numbers.bootstrap_connections += 1;
        }
        let peer = trace.peer.as_ref().filter(|_| remembered);
        if let Some(best) = peer.and_then(|peer| self.dialled.get_mut(peer))
            && came > *best
        {
            let numbers = &mut self.numbers;
            numbers.cached_cancelled += u64::from(came == Best::Cancelled);
            numbers.cached_cancelled -= u64::from(*best == Best::Cancelled);
            numbers.cached_connected += u64::from(came == Best::Connected);
            *best = came;
        }
    }

    /// There are so many connections now.
    pub fn connected(&mut self, now: Time, connections: usize) {
        let took = self.took_ms(now);
        if connections >= 1 {
            self.numbers.first_ms.get_or_insert(took);
        }
        if connections >= 5 {
            self.numbers.fifth_ms.get_or_insert(took);
        }
    }

    /// There are as many peers as wanted. Returns how long that took.
    pub fn target_reached(&mut self, now: Time) -> Duration {
        let took = self.took_ms(now);
        self.numbers.target_ms.get_or_insert(took);
        now.since(self.numbers.since)
    }

    fn took_ms(&self, now: Time) -> u64 {
        u64::try_from(now.since(self.numbers.since).as_millis()).unwrap_or(u64::MAX)
    }

    /// The counts of the current return.
    pub fn numbers(&self) -> Numbers {
        self.numbers
    }

    /// The dials of the current return, oldest first.
    pub fn timeline(&self) -> impl Iterator<Item = &DialTrace> {
        self.timeline.iter().map(|(_, trace)| trace)
    }
}

/// Dials out of memory: of peers we have met, for their own sake.
fn counts_as_cached(dial: &Begun<'_>) -> bool {
    dial.proven && matches!(dial.lane, Lane::Memory | Lane::Explore)
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Time = Time::from_millis(1_000);

    fn begin(tally: &mut Tally, id: u64, name: &str, lane: Lane) {
        let peer: PeerKey = name.parse().unwrap();
        let dial = Begun {
            id: DialId(id),
            peer: Some(&peer),
            lane,
            proven: lane == Lane::Memory,
        };
        tally.begun(T, &dial, &Config::default());
    }

    #[test]
    fn mistake_01_a_dial_begun_is_no_success() {
        let mut tally = Tally::default();
        tally.restart(T);
        begin(&mut tally, 1, "alice", Lane::Memory);
        begin(&mut tally, 2, "bob", Lane::Memory);
        assert_eq!(tally.numbers().cached_connected, 0);
        assert_eq!(tally.numbers().hit_rate(), Some(0.0));
        tally.ended(T, DialId(1), true, Lane::Memory, "connected");
        tally.ended(T, DialId(2), true, Lane::Memory, "silent");
        assert_eq!(tally.numbers().cached_connected, 1);
        assert_eq!(tally.numbers().hit_rate(), Some(0.5));
    }

    #[test]
    fn a_dial_called_off_counts_neither_way() {
        let mut tally = Tally::default();
        begin(&mut tally, 1, "alice", Lane::Memory);
        begin(&mut tally, 2, "bob", Lane::Memory);
        tally.ended(T, DialId(1), true, Lane::Memory, "connected");
        tally.ended(T, DialId(2), true, Lane::Memory, "cancelled");
        assert_eq!(tally.numbers().hit_rate(), Some(1.0));
    }

    #[test]
    fn bootstrap_servers_are_counted_apart() {
        let mut tally = Tally::default();
        begin(&mut tally, 1, "server", Lane::Bootstrap);
        tally.ended(T, DialId(1), false, Lane::Bootstrap, "connected");
        let numbers = tally.numbers();
        assert_eq!(
            (numbers.bootstrap_dials, numbers.bootstrap_connections),
            (1, 1)
        );
        assert_eq!(numbers.hit_rate(), None);
    }
}
