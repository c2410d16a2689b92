//! What a running node tells: one line for people, or one JSON object per line for programs. The
//! JSON is documented in docs/json.md.

use std::{io::Write, time::Duration};

use rejoin::Time;
use serde::Serialize;

use crate::{
    discretion::Discretion,
    naming::short,
    print::{BAD, DIM, GOOD, NAME, in_words},
};

/// What comes up within this belongs to the way back.
const RETURN_MAX: Duration = Duration::from_secs(60);

/// Something that happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum News {
    /// The node runs.
    Started(Box<Started>),
    /// Something was found wrong with the memory, and put right.
    Notice { text: String },
    /// Others can reach us here.
    Listening {
        address: String,
        /// Of use on this machine or this link only, and not asked for.
        #[serde(skip)]
        local: bool,
    },
    /// A peer is connected.
    Connected {
        peer: String,
        connections: usize,
        target: usize,
        remembered: bool,
        since_ms: u64,
    },
    /// A peer is gone.
    Disconnected {
        peer: String,
        connections: usize,
        target: usize,
    },
    /// As many connections as wanted.
    TargetReached { connections: usize, took_ms: u64 },
    /// Nothing answers; the fault must be ours.
    OutageBegan,
    /// Something answers again.
    OutageEnded { lasted_ms: u64 },
    /// Peers were forgotten or demoted by the rules.
    Pruned { forgotten: usize, demoted: usize },
    /// A peer did more than is tolerated.
    Misbehaved {
        peer: String,
        consequence: &'static str,
        out_for_ms: Option<u64>,
    },
    /// Values in the memory made no sense and were put right.
    Repaired { values: usize },
    /// A peer of another network, sent away.
    OtherNetwork { peer: String, network: String },
    /// The node is asked to leave.
    Leaving,
    /// The node has left.
    Stopped { connections: usize, saved: bool },
}

/// A node that runs.
#[derive(Clone, Debug, Serialize)]
pub struct Started {
    pub version: String,
    pub peer_id: String,
    pub network: String,
    pub data: String,
    pub store: String,
    pub store_problem: Option<String>,
    pub api: String,
    pub proven: usize,
    pub hearsay: usize,
    pub target: usize,
}

/// Where news goes.
#[derive(Clone, Copy, Debug)]
pub enum Printer {
    /// Lines for people.
    Lines,
    /// A JSON object per line.
    Json,
}

#[derive(Serialize)]
struct Dated<'a> {
    at: u64,
    #[serde(flatten)]
    news: &'a News,
}

impl Printer {
    /// Tells. Nobody listening is no reason for a node to stop.
    pub fn tell(self, news: &News, now: Time) {
        let text = match self {
            Self::Lines if matches!(news, News::Listening { local: true, .. }) => return,
            Self::Lines => Discretion::of_this_user().at_home(&line(news)).into_owned(),
            Self::Json => {
                let at = now.as_millis();
                serde_json::to_string(&Dated { at, news }).unwrap_or_default()
            }
        };
        let mut out = anstream::stdout().lock();
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    }
}

fn line(news: &News) -> String {
    match news {
        News::Started(started) => opening(started),
        News::Notice { text } => format!("{NAME}memory{NAME:#}      {text}"),
        News::Listening { address, .. } => format!("{DIM}listening{DIM:#}   {address}"),
        News::Connected {
            peer,
            connections,
            target,
            remembered,
            since_ms,
        } => {
            let from = if *remembered { "  from memory" } else { "" };
            // Later on it only says how long the node has been up.
            let after = match Duration::from_millis(*since_ms) {
                span if span <= RETURN_MAX => format!("  {DIM}after {}{DIM:#}", in_words(span)),
                _ => String::new(),
            };
            let peer = short(peer);
            format!("{GOOD}connected{GOOD:#}   {connections}/{target}  {peer}{from}{after}")
        }
        News::Disconnected {
            peer,
            connections,
            target,
        } => format!(
            "{DIM}lost{DIM:#}        {connections}/{target}  {}",
            short(peer)
        ),
        News::TargetReached {
            connections,
            took_ms,
        } => format!(
            "{GOOD}complete{GOOD:#}    {connections} connections within {}",
            in_words(Duration::from_millis(*took_ms))
        ),
        News::OutageBegan => format!(
            "{BAD}offline{BAD:#}     nothing answers at all, so the fault is likely ours; nobody's \
             record suffers, and dialling slows down until something answers"
        ),
        News::OutageEnded { lasted_ms } => format!(
            "{GOOD}online{GOOD:#}      something answers again, after {}",
            in_words(Duration::from_millis(*lasted_ms))
        ),
        News::Pruned { forgotten, demoted } => {
            format!("{DIM}pruned{DIM:#}      {forgotten} forgotten, {demoted} demoted to hearsay")
        }
        News::Misbehaved {
            peer,
            out_for_ms: Some(ms),
            ..
        } => format!(
            "{BAD}sent away{BAD:#}   {} for {}; it misbehaves, `rejoin why` tells more",
            short(peer),
            in_words(Duration::from_millis(*ms))
        ),
        News::Misbehaved {
            peer,
            out_for_ms: None,
            ..
        } => format!(
            "{BAD}spared{BAD:#}      {}, which misbehaves but is pinned; `rejoin block` keeps it out",
            short(peer)
        ),
        News::Repaired { values } => format!(
            "{NAME}memory{NAME:#}      {values} values made no sense, such as times ahead of now; \
             they were put right"
        ),
        News::OtherNetwork { peer, network } => format!(
            "{DIM}sent away{DIM:#}   {}, which lives in another network ({network})",
            short(peer)
        ),
        News::Leaving => format!("{DIM}leaving{DIM:#}     saving; again to leave at once"),
        News::Stopped { saved: true, .. } => {
            format!("{DIM}left{DIM:#}        everything is saved")
        }
        News::Stopped { saved: false, .. } => format!(
            "{BAD}left{BAD:#}        the disk did not take the last changes; what was saved before is \
             still there"
        ),
    }
}

fn opening(started: &Started) -> String {
    let Started {
        version,
        peer_id,
        network,
        store,
        store_problem,
        api,
        proven,
        hearsay,
        ..
    } = started;
    let memory = match proven + hearsay {
        0 => "nobody yet".into(),
        _ => format!("{proven} met, {hearsay} heard of"),
    };
    let mut text = format!(
        "{NAME}rejoin {version}{NAME:#} on network {NAME}{network}{NAME:#}\n\
         {DIM}name{DIM:#}        {peer_id}\n\
         {DIM}memory{DIM:#}      {memory}, in {store}\n\
         {DIM}control{DIM:#}     {api}"
    );
    if let Some(problem) = store_problem {
        text.push_str(&format!(
            "\n{BAD}unsaved{BAD:#}     {problem}\n            \
             the node runs all the same, but what it learns now is gone when it stops"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_one_json_object_with_its_name_and_its_moment() {
        let news = News::Connected {
            peer: "alice".into(),
            connections: 1,
            target: 8,
            remembered: true,
            since_ms: 35,
        };
        let dated = serde_json::to_value(Dated { at: 7, news: &news });
        let expected = json!({
            "at": 7, "event": "connected", "peer": "alice", "connections": 1, "target": 8,
            "remembered": true, "since_ms": 35,
        });
        assert_eq!(dated.unwrap(), expected);
    }

    #[test]
    fn a_memory_that_cannot_be_used_is_hard_to_overlook() {
        let started = Started {
            version: "1".into(),
            peer_id: "me".into(),
            network: "main".into(),
            data: "d".into(),
            store: "sqlite:x".into(),
            store_problem: Some("no right".into()),
            api: "a".into(),
            proven: 0,
            hearsay: 0,
            target: 8,
        };
        let text = opening(&started);
        assert!(text.contains("no right") && text.contains("is gone when it stops"));
    }
}
