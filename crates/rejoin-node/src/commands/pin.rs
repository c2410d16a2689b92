//! `rejoin pin`: keeps a peer whatever happens.

use crate::{answer::DoneAnswer, failure::Failure, node, question::Question, settings::Place};

pub fn run(place: &Place, peer: String, undo: bool, json: bool) -> Result<(), Failure> {
    let answer = node::ask(place, &Question::Pin { peer, undo })?;
    node::show(answer, json, |done: DoneAnswer| {
        if undo {
            format!("{} is treated like any other again", done.peer)
        } else {
            format!("{} is pinned: never forgotten, and tried first", done.peer)
        }
    })
}
