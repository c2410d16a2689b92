//! `rejoin prune`: forgets by the rules, or says whom it would forget.

use crate::{
    answer::PruneAnswer,
    failure::Failure,
    naming::short,
    node,
    print::{count, table},
    question::Question,
    settings::Place,
};

pub fn run(place: &Place, dry_run: bool, json: bool) -> Result<(), Failure> {
    let answer = node::ask(place, &Question::Prune { dry_run })?;
    node::show(answer, json, words)
}

fn words(answer: PruneAnswer) -> String {
    let PruneAnswer {
        dry_run,
        checked,
        fates,
    } = answer;
    let looked = format!("{} looked at", count(checked, "peer"));
    if fates.is_empty() {
        return format!("{looked}; no rule hits anybody");
    }
    let hit = fates.len();
    let rows = fates.into_iter().map(|fate| {
        let what = match (fate.fate.as_str(), dry_run) {
            ("demote", true) => "would be demoted to hearsay",
            ("demote", false) => "demoted to hearsay",
            (_, true) => "would be forgotten",
            (_, false) => "forgotten",
        };
        [short(&fate.peer), what.into(), fate.because]
    });
    let verb = if dry_run { "would be hit" } else { "hit" };
    format!(
        "{}\n{looked}, {hit} {verb}",
        table(["PEER", "FATE", "BECAUSE"], &[], rows)
    )
}
