//! `rejoin forget`: removes a peer from memory.

use crate::{answer::DoneAnswer, failure::Failure, node, question::Question, settings::Place};

pub fn run(place: &Place, peer: String, json: bool) -> Result<(), Failure> {
    let answer = node::ask(place, &Question::Forget(peer))?;
    node::show(answer, json, |done: DoneAnswer| {
        format!(
            "{} is forgotten; if it comes again it is a stranger",
            done.peer
        )
    })
}
