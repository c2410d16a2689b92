//! `rejoin block`: neither dials nor accepts a peer for some time.

use std::time::Duration;

use crate::{answer::DoneAnswer, failure::Failure, node, question::Question, settings::Place};

/// Without a span the block is lifted.
pub fn run(place: &Place, peer: String, span: Option<Duration>, json: bool) -> Result<(), Failure> {
    let question = match span {
        Some(span) => Question::Block { peer, span },
        None => Question::Unblock(peer),
    };
    let answer = node::ask(place, &question)?;
    node::show(answer, json, |done: DoneAnswer| match span {
        Some(span) => format!(
            "{} is blocked for {}",
            done.peer,
            humantime::format_duration(span)
        ),
        None => format!("{} is no longer blocked", done.peer),
    })
}
