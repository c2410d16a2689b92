//! How good a peer has been to us: one number from 0 to 1, and every reason for it.
//!
//! A score is a *quality*, which changes only when something happens, times a *recency*, which fades
//! alike for everybody. So of two peers the better one stays the better one for as long as nothing
//! happens to either, and [`rank`] can stand in a store's index. Only fresh misbehaviour, which is
//! forgiven within the hour, lowers a score without touching a rank. How likely a peer still answers
//! *today*, and how fast, is not asked here but in `order`.

use serde::Serialize;

use crate::{
    decay::{self, Decayed, HALF_LIFE},
    evidence::ConnectionKind,
    record::{PeerRecord, Pool},
    reputation,
    time::Time,
};

/// A score and every term of it, in words and numbers.
///
/// The score is the sum of each term's value times its weight, times every factor.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Explanation {
    /// The score, from 0 to 1.
    pub score: f64,
    /// What is added up; the weights make 1 together.
    pub terms: Vec<Term>,
    /// What the sum is multiplied with; their weight is 1.
    pub factors: Vec<Term>,
}

/// One term of a score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Term {
    /// What is judged.
    pub name: &'static str,
    /// The judgement, from 0 to 1.
    pub value: f64,
    /// How much it counts.
    pub weight: f64,
    /// What it rests on, in words.
    pub because: String,
}

/// Whether it can be reached matters most; what it is like when reached comes second.
const WEIGHT_RELIABILITY: f64 = 0.45;
const WEIGHT_LATENCY: f64 = 0.20;
const WEIGHT_SESSION: f64 = 0.15;
const WEIGHT_TRANSFERS: f64 = 0.10;
const WEIGHT_CONNECTION: f64 = 0.10;

/// A round trip that is worth half: Europe to the American west coast, roughly.
const LATENCY_HALF_MS: f64 = 150.0;
/// A mean session that is worth half.
const SESSION_HALF_S: f64 = 3_600.0;
/// Invalid data that halves the score: half a severe report, or eight minor ones.
const INVALID_HALF: f64 = 8.0;
/// What is unmeasured is worth half of the middle: it may be anything.
pub(crate) const UNKNOWN: f64 = 0.25;
/// What we make of somebody we only heard of.
const HEARSAY: f64 = 0.1;

/// The score at `now`, from 0 to 1.
pub fn score(record: &PeerRecord, now: Time) -> f64 {
    quality(record) * recency(record, now) * reputation::conduct(record, now)
}

/// A number by which stores keep their index: of two peers the one with the higher rank has the
/// higher score, now and for as long as nothing happens to either, once what they did lately is
/// forgiven.
pub fn rank(record: &PeerRecord) -> f64 {
    Basis::of(record).rank()
}

/// The score at `now` with every reason for it.
pub fn explain(record: &PeerRecord, now: Time) -> Explanation {
    let facts = Facts::of(record);
    let mut factors = facts.factors();
    let absence = now.since(touched(record));
    factors.push(Term {
        name: "recency",
        value: recency(record, now),
        weight: 1.0,
        because: match record.last_seen {
            Some(_) => format!("it last showed life {} ago", in_words(absence)),
            None => format!("we heard of it {} ago", in_words(absence)),
        },
    });
    factors.push(reputation::explain(record, now));
    Explanation {
        score: score(record, now),
        terms: facts.terms(),
        factors,
    }
}

/// The lower end of what the success rate may really be (Wilson's score interval, one standard
/// deviation): 99 of 100 say more than 1 of 1. Without any trial it is next to nothing: whoever only
/// came to us, however often, must not rank with those we reached ourselves.
pub fn confident_rate(ok: f64, failed: f64) -> f64 {
    let trials = ok + failed;
    if trials <= 0.0 {
        return 0.05;
    }
    let rate = ok / trials;
    let middle = rate + 0.5 / trials;
    let spread = (rate * (1.0 - rate) / trials + 0.25 / (trials * trials)).sqrt();
    ((middle - spread) / (1.0 + 1.0 / trials)).clamp(0.0, 1.0)
}

/// All of a record that its rank rests on: as long as this is the same, so is the rank.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Basis {
    /// When its quality last changed. Being talked about is no such moment, and neither is a failure:
    /// failing lowers the quality and must not make a peer look fresher.
    touched: Time,
    pool: Pool,
    kind: ConnectionKind,
    latency_ms: Option<f32>,
    dials: [Decayed; 2],
    session_mean_s: Option<f64>,
    transfers: [Decayed; 2],
    invalid: Decayed,
}

impl Basis {
    pub(crate) fn of(record: &PeerRecord) -> Self {
        let evidence = &record.evidence;
        let dealings = &*evidence.dealings;
        Self {
            touched: touched(record),
            pool: record.pool(),
            kind: evidence.kind,
            latency_ms: evidence.latency_ms,
            dials: [evidence.dials_ok, evidence.dials_failed],
            session_mean_s: record.session_mean_s(),
            transfers: [dealings.transfers_ok, dealings.transfers_failed],
            invalid: dealings.invalid_data,
        }
    }

    pub(crate) fn pool(&self) -> Pool {
        self.pool
    }

    pub(crate) fn rank(&self) -> f64 {
        let half_lives = self.touched.as_millis() as f64 / HALF_LIFE.as_millis() as f64;
        // The logarithm turns the product into a sum in which `now` is the same for everybody.
        half_lives + self.facts().quality().max(f64::MIN_POSITIVE).log2()
    }

    fn facts(&self) -> Facts {
        Facts {
            dials: together(self.dials),
            latency_ms: self.latency_ms.map(f64::from),
            session_s: self.session_mean_s,
            transfers: together(self.transfers),
            kind: self.kind,
            pool: self.pool,
            invalid: self.invalid.latest(),
        }
    }
}

/// The numbers a score rests on, without the words: what a store or a queue needs by the million.
pub(crate) struct Facts {
    dials: (f64, f64),
    pub(crate) latency_ms: Option<f64>,
    pub(crate) session_s: Option<f64>,
    transfers: (f64, f64),
    kind: ConnectionKind,
    pool: Pool,
    invalid: f64,
}

impl Facts {
    pub(crate) fn of(record: &PeerRecord) -> Self {
        Basis::of(record).facts()
    }

    pub(crate) fn reliability(&self) -> f64 {
        confident_rate(self.dials.0, self.dials.1)
    }

    fn latency(&self) -> f64 {
        let half = LATENCY_HALF_MS;
        self.latency_ms.map_or(UNKNOWN, |ms| half / (half + ms))
    }

    fn session(&self) -> f64 {
        self.session_s.map_or(UNKNOWN, |s| s / (s + SESSION_HALF_S))
    }

    pub(crate) fn transfers(&self) -> f64 {
        match self.transfers {
            (0.0, 0.0) => 0.5,
            (good, bad) => confident_rate(good, bad),
        }
    }

    pub(crate) fn connection(&self) -> f64 {
        match self.kind {
            ConnectionKind::Direct => 1.0,
            ConnectionKind::HolePunched => 0.8,
            ConnectionKind::Relayed => 0.5,
        }
    }

    fn pool(&self) -> f64 {
        match self.pool {
            Pool::Proven => 1.0,
            Pool::Hearsay => HEARSAY,
        }
    }

    pub(crate) fn honesty(&self) -> f64 {
        INVALID_HALF / (INVALID_HALF + self.invalid)
    }

    /// What changes only when something happens.
    fn quality(&self) -> f64 {
        let sum = self.reliability() * WEIGHT_RELIABILITY
            + self.latency() * WEIGHT_LATENCY
            + self.session() * WEIGHT_SESSION
            + self.transfers() * WEIGHT_TRANSFERS
            + self.connection() * WEIGHT_CONNECTION;
        (sum * self.pool() * self.honesty()).clamp(0.0, 1.0)
    }

    fn terms(&self) -> Vec<Term> {
        vec![
            Term {
                name: "reliability",
                value: self.reliability(),
                weight: WEIGHT_RELIABILITY,
                because: self.dials_in_words(),
            },
            Term {
                name: "latency",
                value: self.latency(),
                weight: WEIGHT_LATENCY,
                because: self.latency_in_words(),
            },
            Term {
                name: "session",
                value: self.session(),
                weight: WEIGHT_SESSION,
                because: self.session_in_words(),
            },
            Term {
                name: "transfers",
                value: self.transfers(),
                weight: WEIGHT_TRANSFERS,
                because: self.transfers_in_words(),
            },
            Term {
                name: "connection",
                value: self.connection(),
                weight: WEIGHT_CONNECTION,
                because: self.connection_in_words(),
            },
        ]
    }

    fn factors(&self) -> Vec<Term> {
        vec![
            Term {
                name: "pool",
                value: self.pool(),
                weight: 1.0,
                because: match self.pool {
                    Pool::Proven => "we were connected to it ourselves".into(),
                    Pool::Hearsay => "we only heard of it, or it has failed too often since".into(),
                },
            },
            self.honesty_explained(),
        ]
    }

    pub(crate) fn honesty_explained(&self) -> Term {
        Term {
            name: "honesty",
            value: self.honesty(),
            weight: 1.0,
            because: match self.invalid {
                0.0 => "it never sent anything invalid".into(),
                weight => format!("it sent invalid data weighing {weight:.1}"),
            },
        }
    }

    pub(crate) fn dials_in_words(&self) -> String {
        let (ok, failed) = self.dials;
        format!("{ok:.1} of {:.1} recent dials reached it", ok + failed)
    }

    pub(crate) fn latency_in_words(&self) -> String {
        match self.latency_ms {
            Some(ms) => format!("a round trip takes {ms:.0} ms"),
            None => "no round trip was measured yet".into(),
        }
    }

    pub(crate) fn session_in_words(&self) -> String {
        match self.session_s {
            Some(s) => format!("a connection lasts {s:.0} s on average"),
            None => "no connection has ended yet".into(),
        }
    }

    pub(crate) fn transfers_in_words(&self) -> String {
        let (good, bad) = self.transfers;
        match good + bad {
            0.0 => "nothing was transferred yet".into(),
            all => format!("{good:.1} of {all:.1} recent transfers ended well"),
        }
    }

    pub(crate) fn connection_in_words(&self) -> String {
        match self.kind {
            ConnectionKind::Direct => "it is reached directly",
            ConnectionKind::HolePunched => "it is reached through a punched hole",
            ConnectionKind::Relayed => "it is reached through a relay",
        }
        .into()
    }
}

/// The score without the fading: what changes only when something happens.
pub fn quality(record: &PeerRecord) -> f64 {
    Facts::of(record).quality()
}

fn recency(record: &PeerRecord, now: Time) -> f64 {
    decay::factor(now.since(touched(record)))
}

/// See [`Basis::touched`].
fn touched(record: &PeerRecord) -> Time {
    record.last_seen.unwrap_or(record.first_seen)
}

/// Two counts as of the later of their last changes, so that their ratio is right.
fn together([ok, failed]: [Decayed; 2]) -> (f64, f64) {
    let at = ok.at().max(failed.at());
    (ok.value(at), failed.value(at))
}

/// A span for people.
pub(crate) fn in_words(span: std::time::Duration) -> String {
    match span.as_secs() {
        s @ 0..120 => format!("{s} s"),
        s @ 120..7_200 => format!("{} min", s / 60),
        s @ 7_200..172_800 => format!("{} h", s / 3_600),
        s => format!("{} days", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::decay::Penalty;

    const DAY_MS: u64 = 86_400_000;

    fn proven(ok: f64, failed: f64) -> PeerRecord {
        let seen = Time::from_millis(100 * DAY_MS);
        let mut record = PeerRecord::new("alice".parse().unwrap(), seen);
        record.last_seen = Some(seen);
        record.last_connected = Some(seen);
        record.evidence.dials_ok = Decayed::new(ok, seen);
        record.evidence.dials_failed = Decayed::new(failed, seen);
        record
    }

    #[test]
    fn mistake_12_ninety_nine_of_a_hundred_beat_one_of_one() {
        assert!(rank(&proven(99.0, 1.0)) > rank(&proven(1.0, 0.0)));
        assert!(confident_rate(99.0, 1.0) > confident_rate(1.0, 0.0));
        assert!(confident_rate(1.0, 0.0) > confident_rate(0.0, 0.0));
        assert!(confident_rate(0.0, 0.0) > confident_rate(0.0, 1.0));
    }

    #[test]
    fn hearsay_scores_below_every_decent_proven_peer() {
        let mut hearsay = proven(0.0, 0.0);
        hearsay.last_connected = None;
        assert!(rank(&hearsay) < rank(&proven(1.0, 3.0)));
    }

    #[test]
    fn mistake_13_invalid_data_still_weighs_after_further_successes() {
        let mut liar = proven(5.0, 0.0);
        let now = liar.last_seen.unwrap();
        liar.evidence.dealings.invalid_data.add(16.0, now);
        liar.evidence.dials_ok.add(1.0, now);
        assert!(score(&liar, now) < score(&proven(6.0, 0.0), now) / 2.0);
    }

    #[test]
    fn misbehaviour_lowers_the_score_for_an_hour_and_the_rank_not_at_all() {
        let mut eve = proven(5.0, 0.0);
        let now = eve.last_seen.unwrap();
        eve.evidence.dealings.misbehaviour = Penalty::new(10.0, now);
        let part = |later| score(&eve, now + later) / score(&proven(5.0, 0.0), now + later);
        assert_eq!(part(Duration::ZERO), 0.5);
        assert!(part(Duration::from_secs(3_600)) > 0.95);
        assert_eq!(rank(&eve), rank(&proven(5.0, 0.0)));
    }

    #[test]
    fn an_explanation_adds_up_to_the_score() {
        let mut record = proven(7.0, 2.0);
        record.evidence.latency_ms = Some(40.0);
        record.evidence.dealings.misbehaviour = Penalty::new(1e9, record.first_seen);
        let now = Time::from_millis(107 * DAY_MS);
        let told = explain(&record, now);
        let sum: f64 = told.terms.iter().map(|term| term.value * term.weight).sum();
        let product = told
            .factors
            .iter()
            .fold(sum, |score, factor| score * factor.value);
        assert!((told.score - product).abs() < 1e-12);
        let weights: f64 = told.terms.iter().map(|term| term.weight).sum();
        assert!((weights - 1.0).abs() < 1e-12);
        assert!(
            told.terms
                .iter()
                .chain(&told.factors)
                .all(|term| !term.because.is_empty())
        );
    }

    prop_compose! {
        fn any_record()(
            ok in 0.0..50.0f64, failed in 0.0..50.0f64, seen_ms in 1..200 * DAY_MS,
            latency in prop::option::of(0.0..2_000.0f32), invalid in 0.0..40.0f64,
            proven in any::<bool>(),
        ) -> PeerRecord {
            let seen = Time::from_millis(seen_ms);
            let mut record = PeerRecord::new("bob".parse().unwrap(), seen);
            record.last_seen = Some(seen);
            record.last_connected = proven.then_some(seen);
            record.evidence.dials_ok = Decayed::new(ok, seen);
            record.evidence.dials_failed = Decayed::new(failed, seen);
            record.evidence.latency_ms = latency;
            record.evidence.dealings.invalid_data = Decayed::new(invalid, seen);
            record
        }
    }

    proptest! {
        #[test]
        fn a_score_lies_between_zero_and_one(record in any_record(), now in 0..900 * DAY_MS) {
            let score = score(&record, Time::from_millis(now));
            prop_assert!((0.0..=1.0).contains(&score), "{score}");
        }

        #[test]
        fn the_order_of_two_peers_never_changes_while_nothing_happens(
            one in any_record(), other in any_record(), later in 200 * DAY_MS..900 * DAY_MS,
        ) {
            let now = Time::from_millis(later);
            let by_rank = rank(&one) - rank(&other);
            let by_score = score(&one, now) - score(&other, now);
            // Rounding may tip the scales between equals only.
            prop_assert!(by_rank * by_score >= 0.0 || by_rank.abs() < 1e-9, "{by_rank} {by_score}");
        }
    }
}
