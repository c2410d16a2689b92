//! The figures of a swarm as tables for people.

use std::fmt::Write;

use super::{
    experiment::{Churning, Figures, Hops, Joining},
    load::{Kind, Row, Spread},
};

/// Everything about one run.
pub(super) fn table(figures: &Figures) -> String {
    let mut text = format!(
        "{} nodes, each told of one other; seed {}. Spreads are p50/p95/max.\n\n",
        figures.nodes, figures.seed
    );
    joining(&mut text, &figures.joining);
    line(&mut text, "  fifteen minutes later", hops(figures.hops));
    line(
        &mut text,
        "connections by then",
        spread(figures.connections),
    );
    load(&mut text, "while everybody gets in", &figures.load_joining);
    load(&mut text, "afterwards", &figures.load_settled);
    if let Some(churn) = &figures.churn {
        churning(&mut text, churn);
        load(&mut text, "meanwhile", &churn.load);
    }
    text
}

fn joining(text: &mut String, it: &Joining) {
    let seconds = |ms: Option<u64>| ms.map_or("never".into(), |ms| format!("{} s", secs(ms)));
    line(text, "one piece after", seconds(it.one_piece_ms));
    line(text, "5 connections, everybody", seconds(it.wanted_ms));
    let ms = |ms: u32| secs(u64::from(ms));
    let took = [it.took_ms.p50, it.took_ms.p95, it.took_ms.max].map(ms);
    line(
        text,
        "5 connections, a node",
        format!("{} s", took.join("/")),
    );
    line(text, "  peers asked by then", spread(it.questions));
    line(text, "  gossip told by then", spread(it.rounds));
    line(text, "isolated", it.isolated.to_string());
    line(text, "hops from the first node", hops(it.hops));
}

fn churning(text: &mut String, it: &Churning) {
    let _ = writeln!(text, "\n{} nodes replaced within an hour", it.replaced);
    let percent = |share: f64| format!("{:.3} %", share * 100.0);
    line(text, "isolated at the end", it.isolated.to_string());
    line(text, "isolated at worst", it.apart_max.to_string());
    line(text, "time below 5 connections", percent(it.few_share));
    line(
        text,
        "  after a node's first minute",
        percent(it.few_share_grown),
    );
    line(
        text,
        "longest without any",
        format!("{} s", secs(it.alone_max_ms)),
    );
    line(text, "fewest at the end", it.company_min.to_string());
}

fn load(text: &mut String, when: &str, rows: &[Row]) {
    let _ = writeln!(
        text,
        "\na node's minute {when:<24}  messages          bytes"
    );
    for row in rows {
        let kind = row.kind.map_or("all", Kind::name);
        let (messages, bytes) = (spread(row.messages), spread(row.bytes));
        let _ = writeln!(text, "  {kind:<38}  {messages:<16}  {bytes}");
    }
}

fn hops(hops: Hops) -> String {
    let most = hops
        .to_90pct
        .map_or("never".into(), |hops| hops.to_string());
    format!("{most} to 9 of 10, {} to all", hops.max)
}

fn line(text: &mut String, what: &str, value: String) {
    let _ = writeln!(text, "{what:<40}  {value}");
}

fn spread(spread: Spread) -> String {
    format!("{}/{}/{}", spread.p50, spread.p95, spread.max)
}

fn secs(ms: u64) -> String {
    format!("{:.1}", ms as f64 / 1_000.0)
}
