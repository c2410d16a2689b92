//! `rejoin status`: how things are.

use std::time::Duration;

use rejoin_libp2p::now;

use crate::{
    answer::{ReturnAnswer, StatusAnswer},
    failure::Failure,
    node,
    print::{BAD, DIM, GOOD, NAME, ago, count, in_words},
    question::Question,
    settings::Place,
};

pub fn run(place: &Place, json: bool) -> Result<(), Failure> {
    let answer = node::ask(place, &Question::Status)?;
    let now = now().as_millis();
    node::show(answer, json, |status| words(&status, now))
}

fn words(status: &StatusAnswer, now: u64) -> String {
    let node = &status.node;
    let mut lines = Vec::new();
    let mut line = |name: &str, text: String| {
        lines.push(format!("{DIM}{name:<12}{DIM:#}{text}"));
    };
    let name = node.peer_id.as_deref();
    line(
        "name",
        name.unwrap_or("none yet; the first `rejoin up` makes one")
            .into(),
    );
    if node.running {
        let since = ago(node.started, now);
        let network = node.network.as_deref().unwrap_or("?");
        line(
            "node",
            format!("{GOOD}runs{GOOD:#} on network {NAME}{network}{NAME:#}, started {since}"),
        );
        line("connected", connected(status));
    } else {
        line("node", "does not run; start it with `rejoin up`".into());
    }
    if let Some(since) = status.outage_since {
        let text = format!(
            "{BAD}nothing answers{BAD:#} since {}; likely our own line",
            in_words(Duration::from_millis(now.saturating_sub(since)))
        );
        line("outage", text);
    }
    line(
        "memory",
        match status.shelved {
            0 => format!(
                "{} met, {} by hearsay",
                count(status.proven, "peer"),
                status.hearsay
            ),
            shelved => format!(
                "{} met, {shelved} of them on the disk alone; {} by hearsay",
                count(status.proven + shelved, "peer"),
                status.hearsay
            ),
        },
    );
    line("kept in", kept_in(status, now));
    if node.running {
        line("last return", last_return(&status.last_return));
        for (index, address) in node.listening.iter().enumerate() {
            // The name at its end stands above already.
            let place = address
                .rsplit_once("/p2p/")
                .map_or(&**address, |(place, _)| place);
            line(if index == 0 { "listening" } else { "" }, place.into());
        }
    }
    for (index, source) in status.sources.iter().enumerate() {
        let trouble = match (source.failures, source.until) {
            (0, _) => String::new(),
            (failures, None) => format!("  {}", count(failures as usize, "failure")),
            (failures, Some(until)) => format!(
                "  {BAD}{}{BAD:#}, asked again in {}",
                count(failures as usize, "failure"),
                in_words(Duration::from_millis(until.saturating_sub(now)))
            ),
        };
        line(
            if index == 0 { "sources" } else { "" },
            format!("{DIM}{:<11}{DIM:#}{}{trouble}", source.kind, source.address),
        );
    }
    lines.join("\n")
}

fn connected(status: &StatusAnswer) -> String {
    let style = if status.connections >= status.target {
        GOOD
    } else {
        NAME
    };
    let wanted = status.target;
    let mut text = match status.sources.is_empty() {
        true => format!("{style}{}{style:#} of {wanted} wanted", status.connections),
        false => format!(
            "{style}{}{style:#}, and {wanted} wanted beside bootstrap servers",
            status.connections
        ),
    };
    if status.asleep > 0 {
        text.push_str(&format!(", {} asleep", status.asleep));
    }
    if status.dials > 0 {
        text.push_str(&format!(", {} in the air", count(status.dials, "dial")));
    }
    text
}

fn kept_in(status: &StatusAnswer, now: u64) -> String {
    let store = &status.node.store;
    if let Some(problem) = &status.node.store_problem {
        return format!("{BAD}memory only{BAD:#}: {problem}");
    }
    let storage = &status.storage;
    match (storage.failures, storage.unsaved, storage.saved) {
        (0, 0, None) => store.clone(),
        (0, 0, Some(_)) => format!("{store}, saved {}", ago(storage.saved, now)),
        (0, unsaved, _) => format!("{store}, {} to be saved", count(unsaved, "change")),
        (failures, unsaved, _) => format!(
            "{store}, {BAD}{} to save{BAD:#}; {} wait, the log says why",
            count(failures as usize, "failed attempt"),
            count(unsaved, "change")
        ),
    }
}

fn last_return(back: &ReturnAnswer) -> String {
    let after = |ms: Option<u64>| ms.map(|ms| in_words(Duration::from_millis(ms)));
    let mut parts = Vec::new();
    match after(back.first_ms) {
        Some(span) => parts.push(format!("first connection after {span}")),
        None => parts.push("not connected yet".into()),
    }
    if let Some(span) = after(back.target_ms) {
        parts.push(format!("all after {span}"));
    }
    if let Some(rate) = back.hit_rate {
        parts.push(format!(
            "{} of {} remembered peers answered ({:.0} %)",
            back.cached_connected,
            back.cached_dialled.saturating_sub(back.cached_cancelled),
            rate * 100.0
        ));
    }
    parts.push(match back.bootstrap_connections {
        0 => "no bootstrap server needed".into(),
        some => count(
            usize::try_from(some).unwrap_or(usize::MAX),
            "bootstrap connection",
        ),
    });
    parts.join(", ")
}
