//! placeholder
use serde::Serialize;
/// Every term of a score, in words and numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Explanation {
    /// The score, from 0 to 1.
    pub score: f64,
    /// Its terms, in the order they are applied.
    pub terms: Vec<Term>,
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
/// A number by which stores keep their index: of two peers the one with the higher rank has the
/// higher score, now and for as long as nothing happens to either.
pub fn rank(record: &crate::PeerRecord) -> f64 {
    record.last_seen.map_or(0.0, |seen| seen.as_millis() as f64)
}
