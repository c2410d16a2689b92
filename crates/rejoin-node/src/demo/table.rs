//! How the report looks on a terminal.

use std::fmt::{self, Display};

use anstyle::{AnsiColor, Style};

use super::report::Report;

/// The report for people, in colours; whoever prints it takes them out where they do not belong.
#[derive(Debug)]
pub struct Table<'a>(pub &'a Report);

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();

/// Width of the words before the numbers, and of one column of numbers.
const LABEL: usize = 44;
const COLUMN: usize = 16;

/// The longest bar.
const BAR: usize = 56;

impl Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { cold, warm, .. } = self.0;
        let (slow, fast) = (cold.fifth_ms, warm.fifth_ms);
        writeln!(f, "  Back among five peers")?;
        for (label, ms) in [("without memory", slow), ("with memory", fast)] {
            writeln!(
                f,
                "    {label:<16}{} {}",
                bar(ms, slow.max(fast)),
                in_ms(ms)
            )?;
        }
        writeln!(f)?;
        writeln!(
            f,
            "  {:LABEL$}{BOLD}{:>COLUMN$}{:>COLUMN$}{BOLD:#}",
            "", "without memory", "with memory"
        )?;
        row(
            f,
            "until the node is up",
            in_ms(cold.up_ms),
            in_ms(warm.up_ms),
        )?;
        row(
            f,
            "then to the first connection",
            in_ms(cold.first_ms),
            in_ms(warm.first_ms),
        )?;
        row(
            f,
            "then to the fifth connection",
            in_ms(cold.fifth_ms),
            in_ms(warm.fifth_ms),
        )?;
        row(
            f,
            "  of it, waiting for dead peers",
            NONE,
            in_ms(warm.stagger_ms),
        )?;
        row(
            f,
            "from nothing to the fifth connection",
            in_ms(cold.fifth_since_process_ms),
            in_ms(warm.fifth_since_process_ms),
        )?;
        row(f, "dials", cold.dials, warm.dials)?;
        row(
            f,
            "  to bootstrap servers",
            cold.bootstrap_dials,
            warm.bootstrap_dials,
        )?;
        row(f, "  to remembered peers", NONE, warm.cached_dialled)?;
        row(f, "  that connected", NONE, warm.cached_connected)?;
        writeln!(f)?;
        self.caption(f)?;
        writeln!(f)?;
        for goal in self.0.goals() {
            let (mark, color) = if goal.met {
                ("✓", GOOD)
            } else {
                ("✗", BAD)
            };
            let (found, hoped) = (goal.found, goal.hoped);
            writeln!(
                f,
                "  {color}{mark}{color:#} {found} {DIM}(hoped for: {hoped}){DIM:#}"
            )?;
        }
        Ok(())
    }
}

impl Table<'_> {
    fn caption(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.0;
        for line in [
            format!(
                "Medians of {} each: {} nodes alive, {} that refuse, {} that stay silent.",
                rounds(report.rounds),
                report.setting.living,
                report.setting.refusing,
                report.setting.silent
            ),
            match report.setting.rtt_ms {
                0 => "Everybody is on this machine, so the processor is what takes time.".into(),
                ms => format!(
                    "Half of them are kept a round trip of less than {ms} ms away, half more; the servers {ms} ms (--rtt)."
                ),
            },
            "A node is up when its process runs and its memory is open, or made; connections count"
                .into(),
            "when they are authenticated.".into(),
            format!(
                "One bare libp2p handshake takes {}, five at once take {}.",
                in_ms(report.handshake_ms),
                in_ms(report.five_handshakes_ms)
            ),
        ] {
            writeln!(f, "  {DIM}{line}{DIM:#}")?;
        }
        Ok(())
    }
}

const NONE: &str = "–";

fn rounds(number: usize) -> String {
    match number {
        1 => "one round".into(),
        number => format!("{number} rounds"),
    }
}

fn row(
    f: &mut fmt::Formatter<'_>,
    label: &str,
    cold: impl Display,
    warm: impl Display,
) -> fmt::Result {
    let (cold, warm) = (cold.to_string(), warm.to_string());
    writeln!(f, "  {label:LABEL$}{cold:>COLUMN$}{warm:>COLUMN$}")
}

/// Two digits that mean something, and a unit.
fn in_ms(ms: f64) -> String {
    match ms {
        ms if ms >= 1_000.0 => format!("{:.2} s", ms / 1_000.0),
        ms if ms >= 100.0 => format!("{ms:.0} ms"),
        ms if ms >= 10.0 => format!("{ms:.1} ms"),
        ms if ms > 0.0 => format!("{ms:.2} ms"),
        _ => "0 ms".into(),
    }
}

/// A bar as long as its share of the longest; what is there at all is seen.
fn bar(ms: f64, longest: f64) -> String {
    let cells = (ms / longest * BAR as f64).round();
    "█".repeat((cells as usize).clamp(1, BAR))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::report::{Bare, Round, Setting};

    #[test]
    fn numbers_have_as_many_places_as_mean_something() {
        check(0.0, "0 ms");
        check(0.456, "0.46 ms");
        check(12.34, "12.3 ms");
        check(456.7, "457 ms");
        check(1_234.0, "1.23 s");
    }

    #[test]
    fn bars_are_in_proportion_and_never_vanish() {
        assert_eq!(bar(10.0, 10.0).chars().count(), BAR);
        assert_eq!(bar(5.0, 10.0).chars().count(), BAR / 2);
        assert_eq!(bar(0.001, 10.0).chars().count(), 1);
        assert_eq!(bar(f64::NAN, f64::NAN).chars().count(), 1);
    }

    #[test]
    fn columns_are_aligned() {
        let round = Round {
            fifth_ms: 12.0,
            ..Round::default()
        };
        let report = Report::of(
            std::slice::from_ref(&round),
            std::slice::from_ref(&round),
            Bare::default(),
            Setting::default(),
        );
        let text = Table(&report).to_string();
        let rows: Vec<_> = text
            .lines()
            .skip_while(|line| !line.contains("until the node"))
            .collect();
        for row in rows.iter().take(9) {
            let width = row.chars().count();
            assert_eq!(width, 2 + LABEL + 2 * COLUMN, "{row}");
        }
    }

    #[track_caller]
    fn check(ms: f64, text: &str) {
        assert_eq!(in_ms(ms), text);
    }
}
