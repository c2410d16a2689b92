//! Whom to take for what: the best peers to relay for us, to move much data, to answer fast, or to
//! keep something. A score says how good a peer has been to us over all; a purpose weighs the same
//! facts differently and adds how likely it is to be there for as long as the purpose takes.
//!
//! Whom to dial for a connection of whatever kind is another question; it stands in `order`.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    record::{PeerRecord, Pool},
    reputation,
    score::{self, Explanation, Facts, Term},
    survival::{self, SurvivalCounts},
    time::Time,
};

/// What a peer is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// To relay for us: only peers that relay for others are considered.
    Relay,
    /// To move much data.
    Bulk,
    /// To answer fast.
    Latency,
    /// To keep something for us and still have it tomorrow.
    Storage,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 4] = [Self::Relay, Self::Bulk, Self::Latency, Self::Storage];

    /// Its name, as it is written and read.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Bulk => "bulk",
            Self::Latency => "latency",
            Self::Storage => "storage",
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Not the name of a purpose.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is no purpose; name relay, bulk, latency or storage")]
pub struct PurposeError {
    /// What was read.
    pub given: String,
}

impl FromStr for Purpose {
    type Err = PurposeError;

    fn from_str(text: &str) -> Result<Self, PurposeError> {
        let named = Self::ALL.into_iter().find(|it| it.name() == text);
        named.ok_or_else(|| PurposeError { given: text.into() })
    }
}

/// One peer and what it is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice<'a> {
    /// How well it suits, from 0 to 1.
    pub worth: f64,
    /// Who.
    pub record: &'a PeerRecord,
}

/// What a choice rests on beside the peer's own record.
#[derive(Clone, Copy, Debug)]
pub struct Chooser<'a> {
    /// What for.
    pub purpose: Purpose,
    /// How long peers live, as far as this node has seen.
    pub survival: &'a SurvivalCounts,
    /// The moment.
    pub now: Time,
}

impl Chooser<'_> {
    /// The `k` that suit best, the best first, equals in order of key. Who does not suit at all is
    /// never among them. It takes `O(n + k log k)`.
    pub fn best<'a>(
        self,
        records: impl Iterator<Item = &'a PeerRecord>,
        k: usize,
    ) -> Vec<Choice<'a>> {
        let fit = records.filter(|record| self.unfit(record).is_none());
        let worth = |record: &PeerRecord| self.worth(record, &Facts::of(record));
        highest(
            fit.map(|record| Choice {
                worth: worth(record),
                record,
            }),
            k,
        )
    }

    /// How well a peer suits, with every reason for it.
    pub fn explain(self, record: &PeerRecord) -> Explanation {
        let facts = Facts::of(record);
        let unfit = self.unfit(record);
        Explanation {
            score: match unfit {
                None => self.worth(record, &facts),
                Some(_) => 0.0,
            },
            terms: self
                .values(record, &facts)
                .into_iter()
                .zip(self.words(record, &facts))
                .map(|((name, value, weight), because)| Term {
                    name,
                    value,
                    weight,
                    because,
                })
                .collect(),
            factors: vec![
                facts.honesty_explained(),
                reputation::explain(record, self.now),
                Term {
                    name: "fit",
                    value: if unfit.is_some() { 0.0 } else { 1.0 },
                    weight: 1.0,
                    because: unfit.unwrap_or("it can be had for this").into(),
                },
            ],
        }
    }

    /// Why a peer does not come into question, if it does not.
    fn unfit(self, record: &PeerRecord) -> Option<&'static str> {
        if record.pool() == Pool::Hearsay {
            Some("we only heard of it, or it has failed too often since")
        } else if record.is_blocked(self.now) {
            Some("we do not deal with it at present")
        } else if self.purpose == Purpose::Relay && !record.role.relay {
            Some("it does not relay for others")
        } else {
            None
        }
    }

    fn worth(self, record: &PeerRecord, facts: &Facts) -> f64 {
        let sum: f64 = self
            .values(record, facts)
            .into_iter()
            .map(|(_, value, weight)| value * weight)
            .sum();
        (sum * facts.honesty() * reputation::conduct(record, self.now)).clamp(0.0, 1.0)
    }

    /// Name, value and weight of each term.
    fn values(self, record: &PeerRecord, facts: &Facts) -> [(&'static str, f64, f64); 6] {
        let Needs {
            weights,
            rtt_half_ms,
            session_half_s,
            stays_for: _,
        } = self.needs();
        let rtt = facts.latency_ms.map(|ms| rtt_half_ms / (rtt_half_ms + ms));
        let session = facts.session_s.map(|s| s / (s + session_half_s));
        let values = [
            f64::midpoint(facts.reliability(), facts.transfers()),
            rtt.unwrap_or(score::UNKNOWN),
            self.availability(record),
            session.unwrap_or(score::UNKNOWN),
            capacity(record),
            facts.connection(),
        ];
        let mut terms = NAMES.map(|name| (name, 0.0, 0.0));
        for (term, (value, weight)) in terms.iter_mut().zip(values.into_iter().zip(weights)) {
            (term.1, term.2) = (value, weight);
        }
        terms
    }

    /// The reason for each of them.
    fn words(self, record: &PeerRecord, facts: &Facts) -> [String; 6] {
        let stays_for = score::in_words(self.needs().stays_for);
        let percent = self.availability(record) * 100.0;
        [
            format!("{}; {}", facts.dials_in_words(), facts.transfers_in_words()),
            facts.latency_in_words(),
            format!("the chance that it answers {stays_for} from now is {percent:.0} %"),
            facts.session_in_words(),
            format!(
                "{:.1} MiB were moved between it and us{}",
                moved(record) / MIB,
                if record.role.relay {
                    ", and it relays for others"
                } else {
                    ""
                }
            ),
            facts.connection_in_words(),
        ]
    }

    /// How likely it still answers by the time it is needed.
    fn availability(self, record: &PeerRecord) -> f64 {
        let absence = survival::absence(record.last_seen, record.first_seen, self.now);
        let absence = absence.saturating_add(self.needs().stays_for);
        self.survival.chance(record.age(), absence)
    }

    /// The weights are guesses from what each purpose lives on; they make 1 together.
    fn needs(self) -> Needs {
        const MINUTE: Duration = Duration::from_secs(60);
        match self.purpose {
            // It has to be there for as long as we want to be reached, and every byte passes it.
            Purpose::Relay => Needs {
                weights: [0.20, 0.20, 0.25, 0.20, 0.05, 0.10],
                rtt_half_ms: 100.0, // it comes on top of the way to the peer behind it
                session_half_s: 3_600.0,
                stays_for: MINUTE * 60, // how long a relay reservation lasts
            },
            // What has moved much without breaking off will again.
            Purpose::Bulk => Needs {
                weights: [0.35, 0.05, 0.10, 0.10, 0.30, 0.10],
                rtt_half_ms: 150.0,
                session_half_s: 3_600.0,
                stays_for: MINUTE * 10, // a gigabyte over a home line
            },
            // Little else counts, as long as it answers.
            Purpose::Latency => Needs {
                weights: [0.15, 0.65, 0.10, 0.05, 0.00, 0.05],
                rtt_half_ms: 50.0, // across a country
                session_half_s: 3_600.0,
                stays_for: MINUTE * 10,
            },
            // Whoever stays for long and has been around for long is there tomorrow.
            Purpose::Storage => Needs {
                weights: [0.30, 0.00, 0.35, 0.25, 0.10, 0.00],
                rtt_half_ms: 150.0,
                session_half_s: 6.0 * 3_600.0, // a working day is better than an evening
                stays_for: MINUTE * 60 * 24,
            },
        }
    }
}

/// What a purpose lives on.
struct Needs {
    /// How much each of [`NAMES`] counts.
    weights: [f64; 6],
    /// A round trip that is worth half.
    rtt_half_ms: f64,
    /// A mean session that is worth half.
    session_half_s: f64,
    /// How long it will be needed.
    stays_for: Duration,
}

const NAMES: [&str; 6] = [
    "reputation",
    "rtt",
    "availability",
    "session",
    "capacity",
    "connection",
];

const MIB: f64 = 1_048_576.0;

/// Data moved that is worth half: a hundred photographs, or a long film's first minutes.
const MOVED_HALF: f64 = 256.0 * MIB;

/// Whoever relays has a public address and a line to spare, which closes this much of what is left.
const RELAY_BONUS: f64 = 0.25;

/// How much a peer can take, by what it has taken: our own count, never its word.
fn capacity(record: &PeerRecord) -> f64 {
    let moved = moved(record);
    let shown = moved / (moved + MOVED_HALF);
    let bonus = if record.role.relay { RELAY_BONUS } else { 0.0 };
    shown + (1.0 - shown) * bonus
}

/// Bytes in both directions, ever.
fn moved(record: &PeerRecord) -> f64 {
    let evidence = &record.evidence;
    evidence
        .dealings
        .bytes_in
        .saturating_add(evidence.dealings.bytes_out) as f64
}

/// The `k` choices of the highest worth, the best first, equals in order of key.
pub(crate) fn highest<'a>(choices: impl Iterator<Item = Choice<'a>>, k: usize) -> Vec<Choice<'a>> {
    let better = |a: &Choice<'_>, b: &Choice<'_>| {
        let by_worth = b.worth.total_cmp(&a.worth);
        by_worth.then_with(|| a.record.key.cmp(&b.record.key))
    };
    let mut choices: Vec<_> = choices.collect();
    if k < choices.len() {
        choices.select_nth_unstable_by(k, better);
        choices.truncate(k);
    }
    choices.sort_by(better);
    choices
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decay::{Decayed, Penalty};

    const NOW: Time = Time::from_millis(400 * 86_400_000);
    const DAY: Duration = Duration::from_secs(86_400);

    /// Somebody of middling virtue, known for a month.
    fn peer(name: &str) -> PeerRecord {
        let mut record = PeerRecord::new(name.parse().unwrap(), NOW - DAY * 30);
        record.last_seen = Some(NOW);
        record.last_connected = Some(NOW);
        record.role.relay = true;
        let evidence = &mut record.evidence;
        evidence.dials_ok = Decayed::new(6.0, NOW);
        evidence.dials_failed = Decayed::new(2.0, NOW);
        evidence.latency_ms = Some(100.0);
        evidence.sessions = Decayed::new(4.0, NOW);
        evidence.session_s = Decayed::new(4.0 * 3_600.0, NOW);
        record
    }

    fn chooser(purpose: Purpose, survival: &SurvivalCounts) -> Chooser<'_> {
        Chooser {
            purpose,
            survival,
            now: NOW,
        }
    }

    #[test]
    fn each_purpose_prefers_what_it_lives_on() {
        use Purpose::{Bulk, Latency, Relay, Storage};
        let near = |record: &mut PeerRecord| record.evidence.latency_ms = Some(5.0);
        let proud = |record: &mut PeerRecord| record.evidence.dealings.bytes_in = 4 << 30;
        let loyal = |record: &mut PeerRecord| {
            record.evidence.session_s = Decayed::new(4.0 * 86_400.0, NOW);
        };
        let old = |record: &mut PeerRecord| record.first_seen = NOW - DAY * 365;
        let sure = |record: &mut PeerRecord| {
            record.evidence.dealings.transfers_ok = Decayed::new(50.0, NOW);
        };
        check(Latency, near, proud);
        check(Latency, near, loyal);
        check(Bulk, proud, near);
        check(Bulk, sure, loyal);
        check(Storage, loyal, near);
        check(Storage, loyal, proud);
        check(Storage, old, near);
        check(Relay, loyal, proud);
        check(Relay, near, proud);
    }

    #[test]
    fn whatever_for_honesty_and_conduct_come_first() {
        for purpose in Purpose::ALL {
            check(
                purpose,
                |_| {},
                |eve| {
                    eve.evidence.latency_ms = Some(1.0);
                    eve.evidence.dealings.bytes_in = 9 << 30;
                    eve.evidence.session_s = Decayed::new(9.0 * 86_400.0, NOW);
                    eve.evidence.dealings.invalid_data = Decayed::new(16.0, NOW);
                },
            );
            check(
                purpose,
                |_| {},
                |eve| {
                    eve.evidence.latency_ms = Some(1.0);
                    eve.evidence.dealings.misbehaviour = Penalty::new(15.0, NOW);
                },
            );
        }
    }

    /// The one place that knows how two peers are compared.
    #[track_caller]
    fn check(purpose: Purpose, better: fn(&mut PeerRecord), worse: fn(&mut PeerRecord)) {
        // The better one has the later key, so that it cannot win as an equal.
        let (mut first, mut second) = (peer("bob"), peer("alice"));
        better(&mut first);
        worse(&mut second);
        let survival = SurvivalCounts::default();
        let records = [second, first];
        let best = chooser(purpose, &survival).best(records.iter(), 1);
        assert_eq!(best[0].record.key.to_string(), "bob", "{purpose}");
    }

    #[test]
    fn who_does_not_suit_is_never_chosen_and_told_why() {
        let [mut heard, mut blocked, mut plain] = ["a", "b", "c"].map(peer);
        heard.last_connected = None;
        blocked.control.blocked_until = Some(NOW + DAY);
        plain.role.relay = false;
        let survival = SurvivalCounts::default();
        let for_relay = chooser(Purpose::Relay, &survival);
        let all = [heard, blocked, plain];
        assert!(for_relay.best(all.iter(), 9).is_empty());
        for (record, reason) in all.iter().zip(["heard", "deal with", "relay"]) {
            let told = for_relay.explain(record);
            assert_eq!(told.score, 0.0);
            let fit = told.factors.last().unwrap();
            assert!(fit.because.contains(reason), "{}", fit.because);
        }
        let for_bulk = chooser(Purpose::Bulk, &survival);
        assert_eq!(for_bulk.best(all.iter(), 9).len(), 1);
    }

    #[test]
    fn an_explanation_adds_up_to_the_worth() {
        let survival = SurvivalCounts::default();
        let mut record = peer("alice");
        record.evidence.dealings.misbehaviour = Penalty::new(3.0, NOW);
        record.evidence.dealings.invalid_data = Decayed::new(2.0, NOW);
        for purpose in Purpose::ALL {
            let chooser = chooser(purpose, &survival);
            let told = chooser.explain(&record);
            let sum: f64 = told.terms.iter().map(|it| it.value * it.weight).sum();
            let weights: f64 = told.terms.iter().map(|it| it.weight).sum();
            assert!((weights - 1.0).abs() < 1e-12, "{purpose}");
            let product: f64 = told.factors.iter().map(|it| it.value).product();
            assert!((told.score - sum * product).abs() < 1e-12);
            let chosen = chooser.best(std::iter::once(&record), 1);
            assert_eq!(chosen[0].worth, told.score);
            let mut all = told.terms.iter().chain(&told.factors);
            assert!(all.all(|it| !it.because.is_empty() && (0.0..=1.0).contains(&it.value)));
        }
    }

    #[test]
    fn a_purpose_is_read_as_it_is_written() {
        for purpose in Purpose::ALL {
            assert_eq!(purpose.name().parse(), Ok(purpose));
            let json = serde_json::to_value(purpose).unwrap();
            assert_eq!(json, purpose.name());
        }
        assert!("beauty".parse::<Purpose>().is_err());
    }

    proptest! {
        #[test]
        fn in_whatever_order_peers_come_the_same_are_chosen(
            latencies in prop::collection::vec(0u8..4, 1..40), k in 0usize..12, seed in any::<u64>(),
        ) {
            let survival = SurvivalCounts::default();
            let mut peers: Vec<_> = latencies.iter().enumerate().map(|(n, ms)| {
                let mut record = peer(&format!("p{n:02}"));
                record.evidence.latency_ms = Some(f32::from(*ms));
                record
            }).collect();
            let names = |peers: &[PeerRecord]| -> Vec<_> {
                let best = chooser(Purpose::Latency, &survival).best(peers.iter(), k);
                best.iter().map(|choice| choice.record.key.clone()).collect()
            };
            let mut sorted = peers.clone();
            sorted.sort_by(|a, b| {
                let (x, y) = (a.evidence.latency_ms.unwrap(), b.evidence.latency_ms.unwrap());
                x.total_cmp(&y).then_with(|| a.key.cmp(&b.key))
            });
            let expected: Vec<_> = sorted.iter().take(k).map(|it| it.key.clone()).collect();
            prop_assert_eq!(names(&peers), expected.clone());
            fastrand::Rng::with_seed(seed).shuffle(&mut peers);
            prop_assert_eq!(names(&peers), expected);
        }
    }
}
