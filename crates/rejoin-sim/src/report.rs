//! The figures as tables for people.

use std::fmt::Write;

use crate::{
    absence::Absence,
    dead::{Figures, Ratio},
    restart::{LIMIT, Row, Table},
    spread::Spread,
};

const HEAD: [&str; 9] = [
    "setting",
    "rejoin",
    "oracle",
    "blind",
    "cold",
    "÷ oracle",
    "÷ blind",
    "late",
    "dials (bootstrap)",
];

/// The figures by share of dead peers, one setting a line.
pub fn by_dead(all: &[Figures]) -> String {
    let mut text = format!(
        "Time to 5 connections in ms, p50/p95/p99 of {} seeds; ratios at p50/p95.\n\
         Late: later than a cold start plus the head start. Dials until then, mean.\n\n",
        all.first().map_or(0, |figures| figures.seeds),
    );
    let head = HEAD.map(String::from);
    let rows: Vec<_> = [head].into_iter().chain(all.iter().map(row)).collect();
    text.push_str(&aligned(&rows));
    for figures in all.iter().filter(|figures| !figures.late_seeds.is_empty()) {
        let seeds = &figures.late_seeds;
        let _ = writeln!(text, "late seeds at {}: {seeds:?}", figures.setting);
    }
    text
}

/// The figures by absence, one policy a line.
pub fn by_absence(table: &Table) -> String {
    let mut text = format!(
        "Time to 5 connections in ms, p50 and p95 of {} seeds, and over the oracle's. Servers: bootstrap\n\
         servers dialled, mean. Never: took longer than {} s.\n",
        table.seeds,
        LIMIT.as_secs(),
    );
    for absence in Absence::ALL {
        let rows = table.rows.iter().filter(|row| row.absence == absence);
        let dead = rows.clone().next().map_or(0.0, |row| row.dead_share);
        let title = format!("{absence}, {:.0} % dead", dead * 100.0);
        let head = [&title, "p50", "p95", "÷ oracle", "servers", "never"].map(String::from);
        let oracle = table.row(absence, "oracle");
        let rows = rows.map(|row| policy(row, oracle));
        let rows: Vec<_> = [head].into_iter().chain(rows).collect();
        let _ = write!(text, "\n{}", aligned(&rows));
    }
    text
}

fn policy(row: &Row, oracle: Option<&Row>) -> [String; 6] {
    let oracle = oracle.map_or([None; 2], |row| [row.p50_ms, row.p95_ms]);
    let ratio = |ms: Option<u64>, oracle: Option<u64>| Some(ms? as f64 / oracle? as f64);
    [
        row.policy.to_string(),
        show_ms(row.p50_ms),
        show_ms(row.p95_ms),
        format!(
            "{}/{}",
            show_ratio(ratio(row.p50_ms, oracle[0])),
            show_ratio(ratio(row.p95_ms, oracle[1]))
        ),
        format!("{:.2}", row.bootstrap_dials),
        format!("{:.1} %", row.failed_share * 100.0),
    ]
}

/// Words to the left, numbers to the right.
fn aligned<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let mut widths = [0; COLUMNS];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let _ = if column == 0 {
                write!(line, "{cell:<width$}")
            } else {
                write!(line, "  {cell:>width$}")
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn row(figures: &Figures) -> [String; HEAD.len()] {
    [
        figures.setting.to_string(),
        spread(figures.rejoin),
        spread(figures.oracle),
        spread(figures.blind),
        spread(figures.cold),
        ratio(figures.over_oracle),
        ratio(figures.over_blind),
        format!("{:.1} %", figures.late * 100.0),
        format!(
            "{:.1} ({:.2}, {:.0} % of starts)",
            figures.dials,
            figures.bootstrap_dials,
            figures.bootstrapped * 100.0
        ),
    ]
}

fn spread(spread: Spread) -> String {
    [spread.p50_ms, spread.p95_ms, spread.p99_ms]
        .map(show_ms)
        .join("/")
}

fn ratio(ratio: Ratio) -> String {
    [ratio.p50, ratio.p95].map(show_ratio).join("/")
}

fn show_ms(ms: Option<u64>) -> String {
    ms.map_or("never".into(), |ms| ms.to_string())
}

fn show_ratio(ratio: Option<f64>) -> String {
    ratio.map_or("–".into(), |ratio| format!("{ratio:.2}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dead::{Restart, Setting},
        spread::NEVER,
    };

    #[test]
    fn never_and_late_seeds_are_shown_as_such() {
        let restart = Restart {
            seed: 17,
            rejoin_ms: NEVER,
            oracle_ms: 100,
            blind_ms: 200,
            cold_ms: 300,
            dials: 4,
            bootstrap_dials: 1,
        };
        let figures = Figures::sum_up(Setting::churn(0.9), &[restart]);
        let text = by_dead(&[figures]);
        for part in ["90 % dead churn", "never/never/never", "100.0 %", "[17]"] {
            assert!(text.contains(part), "{part} is missing:\n{text}");
        }
    }
}
