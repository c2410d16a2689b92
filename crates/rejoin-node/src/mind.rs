//! What there is to ask: the memory of a running node, or one that lies in a store. Both answer
//! through [`answer`], so a command does the same with and without a running node.

use std::collections::BTreeSet;

use rejoin::{
    Choice, Command, DialTrace, Explanation, PeerKey, PeerRecord, Purpose, Source, Status, Time,
};
use rejoin_core::{retention::PruneReport, score, text::Text};

use crate::{
    answer::{
        Answer, DialAnswer, DoneAnswer, ImportAnswer, NodeFacts, PeerAnswer, PeerRow, PeersAnswer,
        PruneAnswer, StatusAnswer, TimelineAnswer, WhyAnswer,
    },
    listing::Listing,
    naming,
    question::{Hearsay, IMPORT_MAX, LIMIT_MAX, Query, Question},
    refusal::Refusal,
};

/// A memory that can be asked and told.
pub trait Mind {
    fn facts(&self) -> NodeFacts;
    fn status(&self) -> Status;
    fn peers(&self) -> impl Iterator<Item = &PeerRecord>;
    fn best_for(&self, purpose: Purpose, k: usize) -> Vec<Choice<'_>>;
    fn explain_for(&self, peer: &PeerKey, purpose: Purpose) -> Option<Explanation>;
    fn timeline(&self) -> impl Iterator<Item = &DialTrace>;
    fn is_connected(&self, peer: &PeerKey) -> bool;
    fn prune_dry_run(&self) -> PruneReport;
    fn command(&mut self, command: Command);
    fn hear(&mut self, source: Source, told: &Hearsay);
}

/// Answers what can be answered at once, out of the memory alone: everything but
/// [`Question::Connect`], which takes a running node, and [`Question::Doctor`], who looks at the
/// disk too.
///
/// # Errors
/// If nobody, or more than one, is called like that.
pub fn answer(mind: &mut impl Mind, question: &Question, now: Time) -> Result<Answer, Refusal> {
    Ok(match question {
        Question::Status => {
            Answer::Status(Box::new(StatusAnswer::new(mind.facts(), mind.status())))
        }
        Question::Peers(query) => Answer::Peers(match query.page.purpose {
            Some(purpose) => suited(mind, query, purpose, now)?,
            None => Listing::begin(mind, query, now)?.of_memory(mind)?,
        }),
        Question::Peer(name) => {
            let record = find(mind, name)?;
            Answer::Peer(Box::new(PeerAnswer::new(record, row(mind, record, now))))
        }
        Question::Why { peer, purpose } => {
            let record = find(mind, peer)?;
            let explanation = purpose
                .and_then(|purpose| mind.explain_for(&record.key, purpose))
                .unwrap_or_else(|| score::explain(record, now));
            Answer::Why(Box::new(WhyAnswer::new(
                row(mind, record, now),
                *purpose,
                explanation,
            )))
        }
        Question::Timeline => Answer::Timeline(TimelineAnswer {
            since: mind.status().numbers.since.as_millis(),
            dials: mind.timeline().map(DialAnswer::new).collect(),
        }),
        Question::Connect(_) | Question::Doctor => return Err(Refusal::NotRunning),
        Question::Forget(name) => decide(mind, name, "forgotten", None, Command::Forget)?,
        Question::Pin { peer, undo: false } => decide(mind, peer, "pinned", None, Command::Pin)?,
        Question::Pin { peer, undo: true } => decide(mind, peer, "unpinned", None, Command::Unpin)?,
        Question::Block { peer, span } => {
            let until = Some((now + *span).as_millis());
            let block = |peer| Command::Block { peer, span: *span };
            // A stranger can be kept out too, if named in full.
            let key = match named(mind, peer) {
                Ok(key) => key,
                Err(refusal) => full_name(peer).ok_or(refusal)?,
            };
            decided(mind, key, "blocked", until, block)
        }
        Question::Unblock(name) => decide(mind, name, "unblocked", None, Command::Unblock)?,
        Question::Import(told) => Answer::Import(import(mind, told)),
        Question::Prune { dry_run } => {
            let report = mind.prune_dry_run();
            if !dry_run {
                mind.command(Command::Prune);
            }
            Answer::Prune(PruneAnswer::new(report, *dry_run))
        }
    })
}

/// The one peer with this name.
///
/// # Errors
/// If nobody, or more than one, is called like that.
pub fn find<'a>(mind: &'a impl Mind, name: &str) -> Result<&'a PeerRecord, Refusal> {
    let key = naming::find(name, mind.peers().map(|record| &record.key))?;
    let record = mind.peers().find(|record| record.key == key);
    record.ok_or_else(|| Refusal::NoSuchPeer { given: name.into() })
}

/// The one peer with this name, who may be in the store alone if named in full.
fn named(mind: &impl Mind, name: &str) -> Result<PeerKey, Refusal> {
    match find(mind, name) {
        Ok(record) => Ok(record.key.clone()),
        Err(refusal) => in_store(mind, name).ok_or(refusal),
    }
}

/// Who is meant by a name nobody in memory has, if there are others in the store alone.
pub fn in_store(mind: &impl Mind, name: &str) -> Option<PeerKey> {
    let shelved = mind.status().shelved > 0;
    shelved.then(|| full_name(name)).flatten()
}

fn import(mind: &mut impl Mind, told: &[Hearsay]) -> ImportAnswer {
    let told = &told[..told.len().min(IMPORT_MAX)];
    let named: BTreeSet<_> = told.iter().map(|hearsay| &hearsay.peer).collect();
    let known = count_of(mind, &named);
    for hearsay in told {
        mind.hear(Source::Import(Text::new("rejoin")), hearsay);
    }
    ImportAnswer {
        told: named.len(),
        new: count_of(mind, &named) - known,
        known,
    }
}

fn count_of(mind: &impl Mind, named: &BTreeSet<&PeerKey>) -> usize {
    let records = mind.peers();
    records.filter(|record| named.contains(&record.key)).count()
}

fn full_name(text: &str) -> Option<PeerKey> {
    let key: PeerKey = text.trim().parse().ok()?;
    key.peer_id().is_some().then_some(key)
}

fn decide(
    mind: &mut impl Mind,
    name: &str,
    done: &str,
    until: Option<u64>,
    command: impl FnOnce(PeerKey) -> Command,
) -> Result<Answer, Refusal> {
    let key = named(mind, name)?;
    Ok(decided(mind, key, done, until, command))
}

fn decided(
    mind: &mut impl Mind,
    key: PeerKey,
    done: &str,
    until: Option<u64>,
    command: impl FnOnce(PeerKey) -> Command,
) -> Answer {
    let peer = key.to_string();
    mind.command(command(key));
    Answer::Done(DoneAnswer {
        peer,
        done: done.into(),
        until,
    })
}

pub fn row(mind: &impl Mind, record: &PeerRecord, now: Time) -> PeerRow {
    PeerRow::new(record, mind.is_connected(&record.key), now)
}

/// Those in memory who suit a purpose, the best first.
fn suited(
    mind: &impl Mind,
    query: &Query,
    purpose: Purpose,
    now: Time,
) -> Result<PeersAnswer, Refusal> {
    let Query { filter, page } = query;
    let mut suited = mind.best_for(purpose, usize::MAX);
    suited.retain(|choice| filter.fits(choice.record, now));
    let total = suited.len();
    if let Some(name) = &page.after {
        let after = naming::find(name, suited.iter().map(|choice| &choice.record.key))?;
        let passed = suited
            .iter()
            .position(|choice| choice.record.key == after)
            .map_or(total, |at| at + 1);
        suited.drain(..passed);
    }
    let limit = page.limit.unwrap_or(LIMIT_MAX).min(LIMIT_MAX);
    let more = suited.len() > limit;
    suited.truncate(limit);
    let rows = suited.into_iter().map(|choice| PeerRow {
        worth: Some(choice.worth),
        ..row(mind, choice.record, now)
    });
    let peers: Vec<_> = rows.collect();
    let last = peers.last().filter(|_| more);
    Ok(PeersAnswer {
        total,
        next: last.map(|row| row.peer.clone()),
        peers,
    })
}
