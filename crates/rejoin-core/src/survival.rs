//! How likely a peer still answers after we have not seen it for a while.
//!
//! Other programs use a time limit here: a peer unseen for six hours or thirty days is gone. But a
//! peer that has been around for a year is likely there tomorrow, and one met for ten minutes is
//! not. So the chance follows from the peer's own age, and is corrected by what this very node has
//! lived through: how often peers really answered after such an absence.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// The upper ends of the lengths of absence that are counted apart; the last is open.
const ABSENCE_UP_TO: [Duration; SurvivalCounts::LENGTHS - 1] = [
    Duration::from_secs(10 * 60),
    Duration::from_secs(3_600),
    Duration::from_secs(6 * 3_600),
    Duration::from_secs(24 * 3_600),
    Duration::from_secs(3 * 24 * 3_600),
    Duration::from_secs(7 * 24 * 3_600),
    Duration::from_secs(30 * 24 * 3_600),
];

/// An age nobody is denied: a peer met a moment ago has lived through at least one meeting.
const AGE_MIN: Duration = Duration::from_secs(1_800);

/// The exponent of the prior. With lifetimes as heavy-tailed as those measured in file sharing
/// (Stutzbach and Rejaie, "Understanding Churn in Peer-to-Peer Networks", IMC 2006), the chance to
/// live on for `t` at age `a` is `(a / (a + t))^shape` with a shape between 0.5 and 1.
const SHAPE: f64 = 0.7;

/// How many dials of evidence weigh as much as the prior: fewer than ten say little.
const PRIOR_WEIGHT: f64 = 10.0;

/// What has been seen after one length of absence. The three add up across processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Absence {
    /// Peers dialled.
    pub dialled: f64,
    /// How many of them answered.
    pub answered: f64,
    /// How many the prior had expected to.
    pub expected: f64,
}

/// How often peers answered, by length of absence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SurvivalCounts([Absence; SurvivalCounts::LENGTHS]);

impl SurvivalCounts {
    /// How many lengths of absence are told apart.
    pub const LENGTHS: usize = 8;

    /// The chance, above 0 and below 1, that a peer of this age answers after this absence.
    pub fn chance(&self, age: Duration, absence: Duration) -> f64 {
        let seen = self.0[length(absence)];
        let correction = (seen.answered + PRIOR_WEIGHT) / (seen.expected + PRIOR_WEIGHT);
        (prior(age, absence) * correction).clamp(0.01, 0.99)
    }

    /// Learns from one dial of a peer that had been out of sight.
    pub fn learn(&mut self, age: Duration, absence: Duration, answered: bool) {
        let seen = &mut self.0[length(absence)];
        seen.dialled += 1.0;
        seen.answered += f64::from(u8::from(answered));
        seen.expected += prior(age, absence);
        *seen = seen.faded();
    }

    /// What has been seen, shortest absence first, with the upper end of each length.
    pub fn lengths(&self) -> impl Iterator<Item = (Option<Duration>, Absence)> + '_ {
        let ends = ABSENCE_UP_TO.iter().copied().map(Some).chain([None]);
        ends.zip(self.0.iter().copied())
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let mut sum = *self;
        for (mine, theirs) in sum.0.iter_mut().zip(other.0) {
            mine.dialled += theirs.dialled;
            mine.answered += theirs.answered;
            mine.expected += theirs.expected;
            *mine = mine.faded();
        }
        sum
    }

    /// Nothing has been seen.
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// Makes counts read from a file usable; says whether they had to be changed.
    pub fn sanitise(&mut self) -> bool {
        let before = *self;
        for seen in &mut self.0 {
            let numbers = [seen.dialled, seen.answered, seen.expected];
            let sound = numbers.iter().all(|n| n.is_finite() && *n >= 0.0);
            if !sound || seen.answered > seen.dialled || seen.expected > seen.dialled {
                *seen = Absence::default();
            }
        }
        *self != before
    }
}

/// Old times must not drown new ones: past this, what was counted weighs half.
const DIALS_MAX: f64 = 1_000.0;

impl Absence {
    fn faded(self) -> Self {
        let by = if self.dialled > DIALS_MAX { 0.5 } else { 1.0 };
        Self {
            dialled: self.dialled * by,
            answered: self.answered * by,
            expected: self.expected * by,
        }
    }
}

/// What to expect before anything has been seen.
fn prior(age: Duration, absence: Duration) -> f64 {
    let age_s = age.max(AGE_MIN).as_secs_f64();
    (age_s / (age_s + absence.as_secs_f64())).powf(SHAPE)
}

fn length(absence: Duration) -> usize {
    ABSENCE_UP_TO.partition_point(|end| *end < absence)
}

/// How long a peer has been out of sight; for one never seen, since we heard of it.
pub fn absence(last_seen: Option<Time>, first_seen: Time, now: Time) -> Duration {
    now.since(last_seen.unwrap_or(first_seen))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);
    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn the_old_outlive_the_young() {
        let counts = SurvivalCounts::default();
        let chance = |age, absence| counts.chance(age, absence);
        assert!(chance(DAY * 365, DAY) > 0.95);
        assert!(chance(HOUR, DAY) < 0.2);
        assert!(chance(HOUR, HOUR) > chance(HOUR, DAY));
        assert!(chance(DAY, HOUR) > chance(HOUR, HOUR));
    }

    #[test]
    fn a_node_learns_its_own_network() {
        let mut counts = SurvivalCounts::default();
        let (age, absence) = (DAY * 30, DAY * 2);
        let before = counts.chance(age, absence);
        for _ in 0..100 {
            counts.learn(age, absence, false);
        }
        assert!(counts.chance(age, absence) < before / 5.0);
        // Another length of absence is another question.
        assert_eq!(
            counts.chance(age, HOUR),
            SurvivalCounts::default().chance(age, HOUR)
        );
        for _ in 0..2_000 {
            counts.learn(age, absence, true);
        }
        assert!(counts.chance(age, absence) > 0.9);
    }

    #[test]
    fn nonsense_from_a_file_is_dropped() {
        let json = r#"[{"dialled":1,"answered":5,"expected":0.5},{"dialled":2,"answered":1,
            "expected":1},{},{},{},{},{},{}]"#;
        let mut counts: SurvivalCounts = serde_json::from_str(json).unwrap();
        assert!(counts.sanitise());
        assert_eq!(counts.0[0], Absence::default());
        assert_eq!(counts.0[1].dialled, 2.0);
    }
}
