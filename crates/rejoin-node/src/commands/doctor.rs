//! `rejoin doctor`: whether we can be reached, what is wrong, and what to do about it. Asks the
//! running node; without one it looks at what lies on the disk.

use std::process::ExitCode;

use rejoin_libp2p::now;
use serde_json::Value;

use crate::{
    answer::{DoctorAnswer, FindingAnswer, TransportAnswer},
    checkup::{self, Checkup, Disk, Memory, NodeState},
    failure::Failure,
    finding::{Level, Subject},
    node,
    offline::Offline,
    print::{BAD, DIM, GOOD, NAME, count},
    question::Question,
    settings::Place,
};

/// The exit code when something is wrong; see `settings`.
const TROUBLE: u8 = 5;

pub fn run(place: &Place, json: bool) -> Result<ExitCode, Failure> {
    let answer = match node::running(place).and_then(|client| {
        client
            .map(|client| client.ask(&Question::Doctor))
            .transpose()
    }) {
        Ok(Some(answer)) => answer,
        Ok(None) => without_node(place, NodeState::Stopped)?,
        Err(failure) => {
            let why = failure.to_string();
            without_node(place, NodeState::Silent { why })?
        }
    };
    let well = answer["well"] == true;
    node::show(answer, json, |answer| words(&answer))?;
    Ok(match well {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(TROUBLE),
    })
}

/// What can be told from the disk alone.
fn without_node(place: &Place, node: NodeState) -> Result<Value, Failure> {
    // A name that is none is a slip to be corrected, not a disease.
    place.store.parse::<rejoin_store::Place>()?;
    let now = now();
    let memory = match &node {
        NodeState::Stopped => match Offline::open(place, now) {
            Ok((offline, notices)) => offline.health(notices),
            Err(failure) => Memory {
                problem: Some(failure.to_string()),
                ..Memory::default()
            },
        },
        // Whoever holds it is still at work.
        NodeState::Silent { .. } | NodeState::Runs(_) => Memory::default(),
    };
    let answer = DoctorAnswer::new(&Checkup {
        now,
        program_from: checkup::program_from(),
        node,
        memory,
        disk: Disk::look(place),
    });
    Ok(serde_json::to_value(answer).unwrap_or_default())
}

fn words(answer: &DoctorAnswer) -> String {
    let subjects = [
        ("node", Subject::Node),
        ("reach", Subject::Reach),
        ("peers", Subject::Peers),
        ("clock", Subject::Clock),
        ("store", Subject::Store),
    ];
    let mut lines = Vec::new();
    for (name, subject) in subjects {
        let mut name = name;
        for finding in answer.findings.iter().filter(|it| it.subject == subject) {
            lines.push(format!("{DIM}{name:<7}{DIM:#}{}", line(finding)));
            if let Some(remedy) = &finding.remedy {
                lines.push(format!("{DIM}         → {remedy}{DIM:#}"));
            }
            name = "";
        }
        if subject == Subject::Reach {
            lines.extend(answer.transports.iter().map(transport));
        }
    }
    let bad = answer
        .findings
        .iter()
        .filter(|it| it.level == Level::Trouble);
    lines.push(match bad.count() {
        0 => format!("{GOOD}nothing is wrong{GOOD:#}"),
        bad => format!("{BAD}wrong: {}{BAD:#}", count(bad, "thing")),
    });
    lines.join("\n")
}

fn line(finding: &FindingAnswer) -> String {
    let what = &finding.what;
    match finding.level {
        Level::Well => format!("{GOOD}✓{GOOD:#} {what}"),
        Level::Note => format!("{NAME}•{NAME:#} {what}"),
        Level::Trouble => format!("{BAD}✗{BAD:#} {what}"),
    }
}

fn transport(transport: &TransportAnswer) -> String {
    let TransportAnswer {
        transport,
        addresses,
        reached,
    } = transport;
    let reached = match reached.as_str() {
        "yes" => "reached",
        "no" => "tried in vain",
        _ => "not tried yet",
    };
    let addresses = addresses.join("\n           ");
    format!("{DIM}       {transport}, {reached}:{DIM:#}\n           {addresses}")
}
