//! The figures as a table for people.

use std::fmt::Write;

use crate::restart::{Figures, Ratio, Spread};

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

/// The figures, one setting a line.
pub fn table(all: &[Figures]) -> String {
    let mut rows = vec![HEAD.map(String::from)];
    rows.extend(all.iter().map(row));
    let mut widths = [0; HEAD.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = format!(
        "Time to 5 connections in ms, p50/p95/p99 of {} seeds; ratios at p50/p95.\n\
         Late: later than a cold start plus the head start. Dials until then, mean.\n\n",
        all.first().map_or(0, |figures| figures.seeds),
    );
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            // Words to the left, numbers to the right.
            let _ = if column == 0 {
                write!(line, "{cell:<width$}")
            } else {
                write!(line, "  {cell:>width$}")
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    for figures in all.iter().filter(|figures| !figures.late_seeds.is_empty()) {
        let seeds = &figures.late_seeds;
        let _ = writeln!(text, "late seeds at {}: {seeds:?}", figures.setting);
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
    let show = |ms: Option<u64>| ms.map_or("never".into(), |ms| ms.to_string());
    let all = [spread.p50_ms, spread.p95_ms, spread.p99_ms];
    all.map(show).join("/")
}

fn ratio(ratio: Ratio) -> String {
    let show = |ratio: Option<f64>| ratio.map_or("–".into(), |ratio| format!("{ratio:.2}"));
    [ratio.p50, ratio.p95].map(show).join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restart::{NEVER, Restart, Setting};

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
        let text = table(&[figures]);
        for part in ["90 % dead churn", "never/never/never", "100.0 %", "[17]"] {
            assert!(text.contains(part), "{part} is missing:\n{text}");
        }
    }
}
