//! `rejoin peers`: everybody in memory.

use rejoin::{Pool, query::Filter};
use rejoin_libp2p::now;

use crate::{
    answer::{PeerRow, PeersAnswer},
    failure::Failure,
    naming::short,
    node, offline,
    print::{self, DIM, ago, count, table},
    question::{Query, Question},
    settings::Place,
    stream,
};

pub fn run(place: &Place, query: Query, json: bool) -> Result<(), Failure> {
    let chosen = query.page.purpose.is_some();
    let filtered = !query.filter.is_empty() || chosen;
    let answer = node::ask(place, &Question::Peers(query))?;
    let now = now().as_millis();
    let worth = if chosen { "WORTH" } else { "SCORE" };
    node::show(answer, json, |answer| words(answer, filtered, worth, now))
}

/// Prints everybody in the store who fits, as they come.
///
/// # Errors
/// If the store cannot be read, or the lines cannot be written.
pub fn stream(place: &Place, filter: &Filter) -> Result<(), Failure> {
    let mut opened = offline::store(place, now())?;
    for notice in opened.notice {
        print::aside(&notice.to_string());
    }
    let mut printed = Ok(true);
    stream::lines(opened.store.as_mut(), filter, None, now(), |lines| {
        printed = print::lines(&lines);
        matches!(printed, Ok(true))
    })?;
    printed.map(drop)
}

fn words(answer: PeersAnswer, filtered: bool, worth: &'static str, now: u64) -> String {
    let PeersAnswer { total, peers, next } = answer;
    match (total, filtered) {
        (0, true) => return "nobody in memory fits; `rejoin peers` lists everybody".into(),
        (0, false) => return "nobody is remembered yet; `rejoin up` meets peers".into(),
        _ => {}
    }
    let shown = peers.len();
    let head = [
        "PEER",
        worth,
        "STATE",
        "RTT",
        "LAST SEEN",
        "DIALS",
        "ADDRESS",
    ];
    let mut text = table(head, &[1, 3], peers.into_iter().map(|peer| row(peer, now)));
    if shown < total {
        let more = match next {
            Some(last) => format!("; `--after {}` lists more", name_in(total, last)),
            None => String::new(),
        };
        let all = count(total, "peer");
        text.push_str(&format!("\n{DIM}{shown} of {all}{more}{DIM:#}"));
    }
    text
}

/// A name by which a peer is found again: among many an end of it may be another's, and who is on the disk
/// alone is found by the whole of it.
fn name_in(total: usize, name: String) -> String {
    match total {
        0..=SHORT_AMONG => short(&name),
        _ => name,
    }
}

const SHORT_AMONG: usize = 10_000;

fn row(peer: PeerRow, now: u64) -> [String; 7] {
    let state = state(&peer, now);
    let name = match &peer.name {
        Some(name) => format!("{} {name}", short(&peer.peer)),
        None => short(&peer.peer),
    };
    let all = peer.dials_ok + peer.dials_failed;
    let more = match peer.addresses.len() {
        0 | 1 => String::new(),
        several => format!(" +{}", several - 1),
    };
    [
        name,
        format!("{:.2}", peer.worth.unwrap_or(peer.score)),
        state,
        peer.latency_ms.map_or_else(|| "–".into(), rtt),
        if peer.connected {
            "now".into()
        } else {
            ago(peer.last_seen, now)
        },
        if all > 0.0 {
            format!("{} of {}", faded(peer.dials_ok), faded(all))
        } else {
            "–".into()
        },
        peer.addresses
            .first()
            .map_or_else(|| "–".into(), |address| format!("{address}{more}")),
    ]
}

/// Counts fade, so they are whole numbers only while they are fresh.
fn faded(count: f64) -> String {
    let text = format!("{count:.1}");
    text.strip_suffix(".0").map_or(text.clone(), Into::into)
}

fn rtt(ms: f32) -> String {
    if ms < 10.0 {
        format!("{ms:.1} ms")
    } else {
        format!("{ms:.0} ms")
    }
}

fn state(peer: &PeerRow, now: u64) -> String {
    let mut words = Vec::new();
    words.push(match (peer.connected, peer.pool) {
        (true, _) => "connected",
        (false, Pool::Proven) => "met",
        (false, Pool::Hearsay) => "heard of",
    });
    if peer.blocked_until.is_some_and(|until| until > now) {
        words.push("blocked");
    }
    if peer.pinned {
        words.push("pinned");
    }
    if peer.bootstrap {
        words.push("bootstrap");
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_counts_look_whole() {
        assert_eq!(faded(0.99998), "1");
        assert_eq!(faded(1.26), "1.3");
        assert_eq!(faded(10.0), "10");
    }

    #[test]
    fn an_empty_memory_says_what_to_do() {
        let nobody = || PeersAnswer {
            total: 0,
            peers: Vec::new(),
            next: None,
        };
        assert!(words(nobody(), false, "SCORE", 0).contains("rejoin up"));
        assert!(words(nobody(), true, "WORTH", 0).contains("rejoin peers"));
    }
}
