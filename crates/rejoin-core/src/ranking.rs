//! Who is best, kept up as ranks change: a tournament among everybody.
//!
//! The ranks of all stand in a row; above it stands the best of every eight neighbours, above that
//! the best of every eight of those, and so on up to one last row. A rank that changes has to be
//! passed up only as far as it decides anything, and the best are found by following them down (the
//! tournament tree of Knuth, "The Art of Computer Programming" 3, 5.4.1, eight wide so that a group is
//! one line of a processor's cache). That costs nine bytes a peer, and no sorting ever.

use std::{cmp::Reverse, collections::BinaryHeap};

/// The ranks of a growing and shrinking row of peers, each known by its place in the row.
#[derive(Clone, Debug)]
pub struct Ranking {
    /// The row itself first. The last has no more than [`FAN`].
    rows: Vec<Vec<f64>>,
}

/// Neighbours that compete.
const FAN: usize = 1 << FAN_BITS;
const FAN_BITS: usize = 3;

/// The rank of who is not to be found among the best at all.
pub const UNRANKED: f64 = f64::NEG_INFINITY;

impl Default for Ranking {
    fn default() -> Self {
        Self {
            rows: vec![Vec::new()],
        }
    }
}

impl Ranking {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows[0].len()
    }

    /// Another one at the end.
    pub fn push(&mut self, rank: f64) {
        let at = self.len();
        self.rows[0].push(rank.max(UNRANKED)); // what is no number is no rank
        self.pass_up(at);
    }

    /// The rank of one has changed.
    pub fn set(&mut self, at: usize, rank: f64) {
        let rank = rank.max(UNRANKED);
        if std::mem::replace(&mut self.rows[0][at], rank) != rank {
            self.pass_up(at);
        }
    }

    /// One is gone; the last takes its place.
    pub fn swap_remove(&mut self, at: usize) {
        let last = self.len() - 1;
        let rank = self.rows[0][last];
        self.set(at, rank);
        self.rows[0].pop();
        self.pass_up(last);
    }

    /// The places of all that are ranked, the best first, one found at a time. Of equals the one that
    /// stands first.
    pub fn best_first(&self) -> impl Iterator<Item = usize> {
        let top = self.rows.len() - 1;
        let mut open = BinaryHeap::new();
        open.extend(self.group(top, 0));
        std::iter::from_fn(move || {
            loop {
                let next: Winner = open.pop()?;
                match next.row.checked_sub(1) {
                    None => return Some(next.at()),
                    Some(below) => open.extend(self.group(below, next.at())),
                }
            }
        })
    }

    /// All that are ranked, by their places, with their ranks.
    pub fn ranked(&self) -> impl Iterator<Item = (usize, f64)> {
        let all = self.rows[0].iter().copied().enumerate();
        all.filter(|(_, rank)| *rank > UNRANKED)
    }

    /// Those of one group that are ranked.
    fn group(&self, row: usize, nth: usize) -> impl Iterator<Item = Winner> {
        let ranks = self.rows[row][nth * FAN..].iter().take(FAN).enumerate();
        let ranked = ranks.filter(|(_, rank)| **rank > UNRANKED);
        ranked.map(move |(n, rank)| Winner {
            rank: in_order(*rank),
            first: Reverse((nth * FAN + n) << (FAN_BITS * row)),
            row,
        })
    }

    /// Puts the rows above right after one of the lowest has changed, come or gone.
    fn pass_up(&mut self, mut at: usize) {
        for row in 0.. {
            let groups = self.rows[row].chunks(FAN);
            let count = groups.len();
            if count <= 1 {
                self.rows.truncate(row + 1);
                return;
            }
            if row + 1 == self.rows.len() {
                let above = groups.map(best).collect();
                self.rows.push(above);
                return;
            }
            at /= FAN;
            let winner = groups.skip(at).map(best).next();
            let above = &mut self.rows[row + 1];
            above.resize(count, UNRANKED);
            // Nothing to pass on, be it that the group is new and ranks nobody: what is missing further
            // up counts as unranked there.
            if let Some(winner) = winner
                && std::mem::replace(&mut above[at], winner) == winner
            {
                return;
            }
        }
    }
}

fn best(group: &[f64]) -> f64 {
    group.iter().copied().fold(UNRANKED, f64::max)
}

/// A peer, or the best of a group of them. The greatest is found next: of equals the one nearer the
/// front, and groups before the peers who may be in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Winner {
    rank: u64,
    /// The place of the first peer it may be.
    first: Reverse<usize>,
    row: usize,
}

impl Winner {
    /// Its place in its row.
    fn at(self) -> usize {
        self.first.0 >> (FAN_BITS * self.row)
    }
}

/// A whole number in whose order ranks are.
fn in_order(rank: f64) -> u64 {
    let bits = rank.to_bits();
    // Those below zero count down from the middle, the others up.
    if bits >> 63 == 1 {
        !bits
    } else {
        bits | 1 << 63
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn whoever_is_unranked_is_never_found() {
        check(&[UNRANKED, 1.0, f64::NAN, 3.0, UNRANKED]);
        check(&[UNRANKED; 70]);
        check(&[]);
    }

    #[test]
    fn of_equals_the_first_goes_first() {
        check(&[2.0; 600]);
        check(&[1.0, 2.0, 2.0, 0.0, -0.0, 2.0, 1.0, 1.0, 0.0, 2.0]);
    }

    /// The one place that knows what the right order is.
    #[track_caller]
    fn check(ranks: &[f64]) {
        let mut ranking = Ranking::default();
        for rank in ranks {
            ranking.push(*rank);
        }
        assert_eq!(ranking.best_first().collect::<Vec<_>>(), sorted(ranks));
    }

    fn sorted(ranks: &[f64]) -> Vec<usize> {
        let ranked = |at: &usize| ranks[*at] > UNRANKED;
        let mut places: Vec<_> = (0..ranks.len()).filter(ranked).collect();
        places.sort_by(|a, b| ranks[*b].total_cmp(&ranks[*a]));
        places
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(f64),
        Set(prop::sample::Index, f64),
        Remove(prop::sample::Index),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        // Few different ranks, so that there are equals; some of them lost.
        let rank = || prop_oneof![Just(UNRANKED), (0u8..40).prop_map(f64::from)];
        let step = prop_oneof![
            6 => rank().prop_map(Step::Push),
            3 => (any::<prop::sample::Index>(), rank()).prop_map(|(at, rank)| Step::Set(at, rank)),
            4 => any::<prop::sample::Index>().prop_map(Step::Remove),
        ];
        prop::collection::vec(step, 0..1_500)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn whatever_changes_the_best_are_those_a_sort_would_find(steps in steps()) {
            let (mut ranking, mut ranks) = (Ranking::default(), Vec::<f64>::new());
            for step in steps {
                match step {
                    Step::Push(rank) => {
                        ranking.push(rank);
                        ranks.push(rank);
                    }
                    Step::Set(at, rank) if !ranks.is_empty() => {
                        let at = at.index(ranks.len());
                        ranking.set(at, rank);
                        ranks[at] = rank;
                    }
                    Step::Remove(at) if !ranks.is_empty() => {
                        let at = at.index(ranks.len());
                        ranking.swap_remove(at);
                        ranks.swap_remove(at);
                    }
                    Step::Set(..) | Step::Remove(_) => {}
                }
                prop_assert_eq!(ranking.best_first().next(), sorted(&ranks).first().copied());
            }
            prop_assert_eq!(ranking.len(), ranks.len());
            prop_assert_eq!(ranking.best_first().collect::<Vec<_>>(), sorted(&ranks));
        }
    }
}
