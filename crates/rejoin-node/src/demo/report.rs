//! What the demo found, as numbers. Pure; how they look on a terminal is in `table.rs`.

use serde::Serialize;

/// One start of the node under test, judged when it had all the connections it wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Round {
    /// From the start of the process until the node is up, its memory open.
    pub up_ms: f64,
    /// From then to the first authenticated connection.
    pub first_ms: f64,
    /// From the same moment to the fifth.
    pub fifth_ms: f64,
    /// From the start of the process to the fifth.
    pub fifth_since_process_ms: f64,
    /// Dials the engine made.
    pub dials: u64,
    /// Of these, dials of bootstrap servers.
    pub bootstrap_dials: u64,
    /// Remembered peers dialled, dead or alive.
    pub cached_dialled: u64,
    /// How many of them connected.
    pub cached_connected: u64,
    /// Remembered peers dialled that are alive and were not called off.
    pub living_dialled: u64,
    /// How many of them connected.
    pub living_connected: u64,
    /// What the fifth connection had to wait for dead peers.
    pub stagger_ms: f64,
}

/// Everything the demo found: medians over the rounds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Rounds of each kind.
    pub rounds: usize,
    /// Without memory.
    pub cold: Cold,
    /// With the memory as it was when the node was killed.
    pub warm: Warm,
    /// One bare dial to a living node on this machine.
    pub handshake_ms: f64,
    /// Five such dials at once, until the last is connected.
    pub five_handshakes_ms: f64,
    /// How many bare dials the fifth warm connection took.
    pub warm_over_handshake: f64,
    /// How many times sooner the fifth connection came with memory.
    pub cold_over_warm: f64,
    /// Where this was measured.
    #[serde(flatten)]
    pub setting: Setting,
}

/// Starts without memory.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cold {
    /// As in [`Round`].
    pub up_ms: f64,
    /// As in [`Round`].
    pub first_ms: f64,
    /// As in [`Round`].
    pub fifth_ms: f64,
    /// As in [`Round`].
    pub fifth_since_process_ms: f64,
    /// As in [`Round`].
    pub dials: f64,
    /// As in [`Round`].
    pub bootstrap_dials: f64,
}

/// Starts with memory.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Warm {
    /// As in [`Round`].
    pub up_ms: f64,
    /// As in [`Round`].
    pub first_ms: f64,
    /// As in [`Round`].
    pub fifth_ms: f64,
    /// As in [`Round`].
    pub fifth_since_process_ms: f64,
    /// As in [`Round`].
    pub dials: f64,
    /// As in [`Round`].
    pub bootstrap_dials: f64,
    /// As in [`Round`].
    pub cached_dialled: f64,
    /// As in [`Round`].
    pub cached_connected: f64,
    /// Of the living remembered peers dialled in all rounds, the share that connected; `None` if
    /// none was dialled.
    pub hit_rate: Option<f64>,
    /// As in [`Round`].
    pub stagger_ms: f64,
}

/// The network the rounds were played in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Nodes alive.
    pub living: usize,
    /// Nodes whose port was closed.
    pub refusing: usize,
    /// Nodes replaced by a silence.
    pub silent: usize,
    /// Round trip to everybody, beside what the machine needs by itself.
    pub rtt_ms: u64,
    /// Peers the node had met when it was killed.
    pub proven: usize,
    /// Peers it had only heard of.
    pub hearsay: usize,
}

/// What connections cost at best: medians of dials from a plain libp2p node that does nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bare {
    /// One dial.
    pub one_ms: f64,
    /// Five dials at once, until the last is connected.
    pub five_ms: f64,
}

impl Report {
    /// Sums up rounds of both kinds.
    pub fn of(cold: &[Round], warm: &[Round], bare: Bare, setting: Setting) -> Self {
        let over = |rounds: &[Round], value: fn(&Round) -> f64| {
            rounded(median(&rounds.iter().map(value).collect::<Vec<_>>()))
        };
        let rounds = cold.len().min(warm.len());
        let handshake_ms = rounded(bare.one_ms);
        let living_dialled: u64 = warm.iter().map(|round| round.living_dialled).sum();
        let living_connected: u64 = warm.iter().map(|round| round.living_connected).sum();
        let cold = Cold {
            up_ms: over(cold, |round| round.up_ms),
            first_ms: over(cold, |round| round.first_ms),
            fifth_ms: over(cold, |round| round.fifth_ms),
            fifth_since_process_ms: over(cold, |round| round.fifth_since_process_ms),
            dials: over(cold, |round| round.dials as f64),
            bootstrap_dials: over(cold, |round| round.bootstrap_dials as f64),
        };
        let warm = Warm {
            up_ms: over(warm, |round| round.up_ms),
            first_ms: over(warm, |round| round.first_ms),
            fifth_ms: over(warm, |round| round.fifth_ms),
            fifth_since_process_ms: over(warm, |round| round.fifth_since_process_ms),
            dials: over(warm, |round| round.dials as f64),
            bootstrap_dials: over(warm, |round| round.bootstrap_dials as f64),
            cached_dialled: over(warm, |round| round.cached_dialled as f64),
            cached_connected: over(warm, |round| round.cached_connected as f64),
            hit_rate: (living_dialled > 0)
                .then(|| rounded(living_connected as f64 / living_dialled as f64)),
            stagger_ms: over(warm, |round| round.stagger_ms),
        };
        Self {
            rounds,
            warm_over_handshake: rounded(warm.fifth_ms / handshake_ms),
            cold_over_warm: rounded(cold.fifth_ms / warm.fifth_ms),
            cold,
            warm,
            handshake_ms,
            five_handshakes_ms: rounded(bare.five_ms),
            setting,
        }
    }
}

/// What the demo is to show, and whether it did.
#[derive(Clone, Debug, PartialEq)]
pub struct Goal {
    /// Whether it was reached.
    pub met: bool,
    /// What was found, in words.
    pub found: String,
    /// What was hoped for, in words.
    pub hoped: &'static str,
}

/// How many times sooner memory is to bring the fifth connection.
const SOONER: f64 = 5.0;

/// How many bare handshakes the fifth connection may take, waiting for dead peers aside: one for
/// itself, the rest for those that go on at the same time.
const HANDSHAKES: f64 = 3.0;

/// Of the bootstrap connections, memory is to save at least this share.
const BOOTSTRAP_SAVED: f64 = 0.5;

/// Of the remembered peers that live, this share is to be found.
const HITS: f64 = 0.95;

impl Report {
    /// What was promised, held against what was found.
    pub fn goals(&self) -> [Goal; 4] {
        let (cold, warm) = (&self.cold, &self.warm);
        let handshakes = (warm.fifth_ms - warm.stagger_ms) / self.handshake_ms;
        [
            Goal {
                met: self.cold_over_warm >= SOONER,
                found: format!(
                    "{:.1} times sooner at the fifth connection",
                    self.cold_over_warm
                ),
                hoped: "5 times",
            },
            Goal {
                met: handshakes <= HANDSHAKES,
                found: format!(
                    "{handshakes:.1} bare handshakes of {:.2} ms until then, {:.0} ms for dead peers aside",
                    self.handshake_ms, warm.stagger_ms
                ),
                hoped: "3 handshakes",
            },
            Goal {
                met: warm.bootstrap_dials <= cold.bootstrap_dials * (1.0 - BOOTSTRAP_SAVED),
                found: format!(
                    "{:.0} bootstrap dials instead of {:.0}",
                    warm.bootstrap_dials, cold.bootstrap_dials
                ),
                hoped: "half as many",
            },
            Goal {
                met: warm.hit_rate >= Some(HITS),
                found: match warm.hit_rate {
                    Some(rate) => format!(
                        "{:.0} % of the remembered peers that live were found",
                        rate * 100.0
                    ),
                    None => "no remembered peer that lives was dialled".into(),
                },
                hoped: "95 %",
            },
        ]
    }
}

/// A number of times in words.
pub fn times(number: usize) -> String {
    match number {
        1 => "once".into(),
        number => format!("{number} times"),
    }
}

/// The middle one, or the mean of the two in the middle; not a number if there is none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// Three places after the point: a microsecond, and more than any of this is good for.
fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_whatever_the_order() {
        check_median(&[3.0], 3.0);
        check_median(&[9.0, 1.0, 2.0], 2.0);
        check_median(&[4.0, 1.0, 100.0, 2.0], 3.0);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn one_slow_round_does_not_spoil_the_others() {
        let cold = [round(100.0), round(90.0), round(5_000.0)];
        let warm = [round(10.0), round(9.0), round(900.0)];
        let report = Report::of(&cold, &warm, bare(4.0), Setting::default());
        assert_eq!(report.rounds, 3);
        assert_eq!((report.cold.fifth_ms, report.warm.fifth_ms), (100.0, 10.0));
        assert_eq!(report.handshake_ms, 4.0);
        assert_eq!(report.warm_over_handshake, 2.5);
        assert_eq!(report.cold_over_warm, 10.0);
    }

    #[test]
    fn the_hit_rate_is_that_of_all_rounds_together() {
        let warm = [hits(9, 10), hits(10, 10)];
        assert_eq!(report(&warm).warm.hit_rate, Some(0.95));
        assert_eq!(report(&[hits(0, 0)]).warm.hit_rate, None);
    }

    #[test]
    fn time_spent_on_the_dead_is_no_handshake() {
        let mut slow = round(60.0);
        slow.stagger_ms = 57.0;
        assert!(report(&[slow.clone()]).goals()[1].met);
        slow.stagger_ms = 50.0;
        assert!(!report(&[slow]).goals()[1].met);
    }

    #[test]
    fn what_was_not_reached_is_said() {
        let mut asks = round(30.0);
        asks.bootstrap_dials = 2;
        let met = report(&[asks]).goals().map(|goal| goal.met);
        assert_eq!(met, [false; 4]);
        let mut good = hits(20, 20);
        good.fifth_ms = 2.0;
        let met = report(&[good]).goals().map(|goal| goal.met);
        assert_eq!(met, [true; 4]);
    }

    #[test]
    fn the_json_has_the_documented_names() {
        let json = serde_json::to_value(report(&[hits(1, 1)])).unwrap();
        for pointer in [
            "/rounds",
            "/cold/first_ms",
            "/cold/fifth_ms",
            "/cold/dials",
            "/cold/bootstrap_dials",
            "/warm/first_ms",
            "/warm/fifth_ms",
            "/warm/dials",
            "/warm/bootstrap_dials",
            "/warm/cached_dialled",
            "/warm/cached_connected",
            "/warm/hit_rate",
            "/handshake_ms",
            "/five_handshakes_ms",
            "/warm_over_handshake",
            "/cold_over_warm",
        ] {
            assert!(
                json.pointer(pointer)
                    .is_some_and(serde_json::Value::is_number),
                "{pointer}"
            );
        }
    }

    fn round(fifth_ms: f64) -> Round {
        Round {
            first_ms: fifth_ms / 2.0,
            fifth_ms,
            ..Round::default()
        }
    }

    fn hits(connected: u64, dialled: u64) -> Round {
        Round {
            living_connected: connected,
            living_dialled: dialled,
            ..round(1.0)
        }
    }

    fn bare(one_ms: f64) -> Bare {
        Bare {
            one_ms,
            five_ms: one_ms * 2.0,
        }
    }

    /// Against a cold start of 100 ms with two bootstrap dials, and handshakes of 1 ms.
    fn report(warm: &[Round]) -> Report {
        let mut cold = round(100.0);
        cold.bootstrap_dials = 2;
        Report::of(&[cold], warm, bare(1.0), Setting::default())
    }

    #[track_caller]
    fn check_median(values: &[f64], expected: f64) {
        assert_eq!(median(values), expected, "{values:?}");
    }
}
