//! `rejoin why`: a peer's score, or its worth for a purpose, term by term.

use rejoin::Purpose;

use crate::{
    answer::{TermAnswer, WhyAnswer},
    failure::Failure,
    node,
    print::{DIM, NAME, table},
    question::Question,
    settings::Place,
};

pub fn run(
    place: &Place,
    peer: String,
    purpose: Option<Purpose>,
    json: bool,
) -> Result<(), Failure> {
    let answer = node::ask(place, &Question::Why { peer, purpose })?;
    node::show(answer, json, |answer| words(&answer))
}

fn words(answer: &WhyAnswer) -> String {
    let sum: f64 = answer
        .terms
        .iter()
        .map(|term| term.value * term.weight)
        .sum();
    let term = |term: &TermAnswer| {
        [
            term.name.clone(),
            format!("{:.2}", term.value),
            format!("{:.2}", term.weight),
            format!("{:.3}", term.value * term.weight),
            term.because.clone(),
        ]
    };
    let factor = |factor: &TermAnswer| {
        [
            factor.name.clone(),
            format!("× {:.2}", factor.value),
            String::new(),
            String::new(),
            factor.because.clone(),
        ]
    };
    let total = [
        "sum".into(),
        String::new(),
        String::new(),
        format!("{sum:.3}"),
        String::new(),
    ];
    let rows = answer
        .terms
        .iter()
        .map(term)
        .chain([total])
        .chain(answer.factors.iter().map(factor));
    let what = match answer.purpose {
        Some(purpose) => format!("worth for {purpose}"),
        None => "score".into(),
    };
    format!(
        "{}\n{NAME}{what} {:.3}{NAME:#} {DIM}of 1{DIM:#}\n\n{}",
        answer.peer.peer,
        answer.score,
        table(
            ["TERM", "VALUE", "WEIGHT", "COUNTS", "BECAUSE"],
            &[1, 2, 3],
            rows
        )
    )
}
