//! In which order to dial: how likely a peer answers now, and how soon.
//!
//! A race wants connections quickly, so the worth of a dial is chance over time: what a dial of
//! this peer yields per millisecond of waiting. Ordering by such a ratio is the classic answer to
//! "which of many uncertain boxes to open next" (Gittins and Jones, 1974; here in its simplest
//! form, with one attempt per box).

use std::time::Duration;

use crate::{
    config::Config,
    record::{AddressRecord, PeerRecord, Place, Pool},
    survival::{self, SurvivalCounts},
    time::Time,
};

/// What to expect of a dial.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outlook {
    /// The chance that the peer answers, above 0 and below 1.
    pub chance: f64,
    /// How long it takes until it is authenticated, if it answers.
    pub takes: Duration,
}

/// A dial costs this much whatever the distance: scheduling, signatures, one retransmission in a
/// while. It keeps a neighbour that is likely dead from beating a live peer in the next country.
const OVERHEAD_MS: f64 = 25.0;

/// Round trips from the first packet to an authenticated connection over TCP as rust-libp2p dials: one for
/// TCP, one for the handshake; what there is to agree on travels along (`Version::V1Lazy`).
pub const ROUND_TRIPS_PER_DIAL: f32 = 2.0;

/// Nobody is taken for dead sooner, however near: a busy processor alone can take that long.
const PATIENCE_MIN: Duration = Duration::from_millis(250);

/// What a dial takes where nothing was ever measured: two round trips of 100 ms.
const UNKNOWN: Duration = Duration::from_millis(200);

/// Nobody is certain to answer, or not to.
const CHANCE_MIN: f64 = 0.001;
const CHANCE_MAX: f64 = 0.999;

/// Hearsay may be true: a guess until the node's own feelers have told.
const HEARSAY_CHANCE: f64 = 0.4;

/// An anchor was connected to the very moment we stopped, which its age does not tell.
const ANCHOR_ODDS: f64 = 1.5;

/// The application knows something about these that we do not.
const TRUSTED_ODDS: f64 = 1.5;

/// Addresses that worked from this very place go first, those that only worked elsewhere last.
const PLACE_SAME: f64 = 1.3;
const PLACE_OTHER: f64 = 0.8;

impl Outlook {
    /// What to expect of dialling a peer over some of its addresses.
    pub fn of(
        record: &PeerRecord,
        addresses: &[&AddressRecord],
        survival: &SurvivalCounts,
        place: Option<Place>,
        now: Time,
    ) -> Self {
        let absence = survival::absence(record.last_seen, record.first_seen, now);
        let alive = survival.chance(record.age(), absence);
        let evidence = &record.evidence;
        let at = evidence.dials_ok.at().max(evidence.dials_failed.at());
        let (ok, failed) = (evidence.dials_ok.value(at), evidence.dials_failed.value(at));
        // The mean, with one and a half good dials given in advance: who was met once may be good.
        let reliability = (ok + 1.5) / (ok + failed + 2.0);
        let mut chance = alive * reliability;
        // Who only came to us is proven, but not where it is said to live: otherwise whoever dials us
        // in numbers would be whom we begin with next time.
        if record.pool() == Pool::Hearsay || !record.was_reached() {
            chance *= HEARSAY_CHANCE;
        }
        if record.control.anchor {
            chance = with_odds(chance, ANCHOR_ODDS);
        }
        if record.control.trusted {
            chance = with_odds(chance, TRUSTED_ODDS);
        }
        if let Some(place) = place {
            let known = |known: &&&AddressRecord| !known.places.is_empty();
            if addresses.iter().any(|known| known.places.contains(&place)) {
                chance = with_odds(chance, PLACE_SAME);
            } else if addresses.iter().any(|address| known(&address)) {
                chance = with_odds(chance, PLACE_OTHER);
            }
        }
        Self {
            chance: chance.clamp(CHANCE_MIN, CHANCE_MAX),
            takes: addresses
                .iter()
                .filter_map(|known| dial_time(known, record))
                .min()
                .unwrap_or(UNKNOWN),
        }
    }

    /// What to expect where nothing is known.
    pub fn unknown() -> Self {
        Self {
            chance: HEARSAY_CHANCE,
            takes: UNKNOWN,
        }
    }

    /// The same, told by somebody whose words weigh so much, from 0 to 1.
    #[must_use]
    pub fn trusted(self, trust: f64) -> Self {
        Self {
            chance: (self.chance * trust).clamp(CHANCE_MIN, CHANCE_MAX),
            ..self
        }
    }

    /// What the dial yields per millisecond of waiting; the higher, the sooner it is due.
    pub fn worth(&self) -> f64 {
        self.chance / (self.takes.as_secs_f64() * 1000.0 + OVERHEAD_MS)
    }

    /// When a dial begun now has had the time it needs, and another may start beside it.
    pub fn overdue_after(&self, config: &Config) -> Duration {
        self.takes
            .mul_f64(1.5)
            .clamp(config.stagger_min, config.stagger_max)
    }

    /// When a dial that stays silent lets nobody hope any more: after twice its time.
    pub fn hopeless_after(&self, config: &Config) -> Duration {
        self.patience(2, config)
    }

    /// When a dial gives up its place in the air if somebody else waits for it: an answer that
    /// takes four times as long as usual hardly ever comes.
    pub fn gives_way_after(&self, config: &Config) -> Duration {
        self.patience(4, config)
    }

    fn patience(&self, times: u32, config: &Config) -> Duration {
        let most = config.give_way_after.max(PATIENCE_MIN);
        self.takes.saturating_mul(times).clamp(PATIENCE_MIN, most)
    }

    /// When a dial is given up.
    pub fn timeout(&self, config: &Config) -> Duration {
        self.takes
            .saturating_mul(10)
            .clamp(config.dial_timeout_min, config.dial_timeout_max)
    }
}

/// How long a dial over this address takes, as far as anything was ever measured.
fn dial_time(known: &AddressRecord, record: &PeerRecord) -> Option<Duration> {
    let by_round_trip = || {
        known
            .rtt_ms
            .or(record.evidence.latency_ms)
            .map(|rtt| rtt * ROUND_TRIPS_PER_DIAL)
    };
    let ms = known.dial_ms.or_else(by_round_trip)?;
    // Ten seconds is what the transports themselves allow.
    Some(Duration::from_secs_f32(ms.clamp(0.0, 10_000.0) / 1000.0))
}

fn with_odds(chance: f64, factor: f64) -> f64 {
    let odds = chance / (1.0 - chance).max(0.001) * factor;
    odds / (1.0 + odds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decay::Decayed, source::Source};

    const HOUR: Duration = Duration::from_secs(3_600);
    const NOW: Time = Time::from_millis(500 * 86_400_000);

    fn met(age: Duration, absence: Duration, dial_ms: f32) -> PeerRecord {
        let seen = NOW - absence;
        let mut record = PeerRecord::new("alice".parse().unwrap(), seen - age);
        record.last_seen = Some(seen);
        record.last_connected = Some(seen);
        record.evidence.dials_ok = Decayed::new(3.0, seen);
        let address = "/ip4/8.8.4.4/tcp/1".parse().unwrap();
        let mut known = AddressRecord::new(address, Source::Own, seen);
        known.dial_ms = Some(dial_ms);
        record.addresses.push(known);
        record
    }

    fn outlook(record: &PeerRecord) -> Outlook {
        let addresses: Vec<_> = record.addresses.iter().collect();
        Outlook::of(
            record,
            &addresses,
            &SurvivalCounts::default(),
            Some(Place(1)),
            NOW,
        )
    }

    #[test]
    fn among_equals_the_faster_goes_first() {
        let (near, far) = (met(HOUR, HOUR, 40.0), met(HOUR, HOUR, 400.0));
        assert!(outlook(&near).worth() > outlook(&far).worth());
    }

    #[test]
    fn the_old_friend_goes_before_the_new_neighbour() {
        let friend = met(HOUR * 24 * 200, HOUR * 24 * 7, 120.0);
        let neighbour = met(HOUR / 4, HOUR * 24 * 7, 60.0);
        assert!(outlook(&friend).worth() > outlook(&neighbour).worth());
    }

    #[test]
    fn anchors_trust_and_place_raise_the_chance() {
        let plain = met(HOUR, HOUR, 40.0);
        check_better(&plain, |record| record.control.anchor = true);
        check_better(&plain, |record| record.control.trusted = true);
        check_better(&plain, |record| record.addresses[0].places.push(Place(1)));
        let mut elsewhere = plain.clone();
        elsewhere.addresses[0].places.push(Place(2));
        assert!(outlook(&elsewhere).chance < outlook(&plain).chance);
    }

    #[test]
    fn hearsay_counts_for_less() {
        let mut heard = met(HOUR, Duration::ZERO, 40.0);
        let chance = outlook(&heard).chance;
        heard.last_connected = None;
        assert!(outlook(&heard).chance < chance / 2.0);
    }

    #[test]
    fn whoever_only_came_to_us_is_known_but_not_where_it_lives() {
        let reached = met(HOUR, Duration::ZERO, 40.0);
        let mut came = reached.clone();
        came.evidence.dials_ok = Decayed::default();
        assert!(outlook(&came).chance < outlook(&reached).chance / 2.0);
    }

    #[test]
    fn waits_follow_what_was_measured_within_their_limits() {
        let config = Config::default();
        let ms = |record: &PeerRecord| outlook(record).overdue_after(&config).as_millis();
        assert_eq!(ms(&met(HOUR, HOUR, 1.0)), 50);
        assert_eq!(ms(&met(HOUR, HOUR, 100.0)), 150);
        assert_eq!(ms(&met(HOUR, HOUR, 9_000.0)), 150);
        let timeout = |record: &PeerRecord| outlook(record).timeout(&config).as_secs();
        assert_eq!(timeout(&met(HOUR, HOUR, 1.0)), 2);
        assert_eq!(timeout(&met(HOUR, HOUR, 9_000.0)), 5);
    }

    #[track_caller]
    fn check_better(plain: &PeerRecord, change: impl Fn(&mut PeerRecord)) {
        let mut better = plain.clone();
        change(&mut better);
        assert!(outlook(&better).chance > outlook(plain).chance);
    }
}
