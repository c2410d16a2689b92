//! `rejoin connect`: connects to a peer now.

use std::time::Duration;

use crate::{
    answer::ConnectAnswer,
    failure::Failure,
    node,
    print::{GOOD, in_words},
    question::{Question, Target},
    settings::Place,
};

pub fn run(place: &Place, target: &str, json: bool) -> Result<(), Failure> {
    let answer = node::ask(place, &Question::Connect(Target::read(target)))?;
    node::show(answer, json, |answer: ConnectAnswer| {
        let how = if answer.already {
            "was connected already".into()
        } else {
            let took = in_words(Duration::from_millis(answer.took_ms));
            format!("connected after {took}")
        };
        format!("{GOOD}{}{GOOD:#} {how}", answer.peer)
    })
}
