//! How results look on a terminal: colours, spans, tables. Colours vanish by themselves where nobody
//! would see them. What is printed is decided by the commands.

use std::{
    io::{self, Write},
    time::Duration,
};

use anstyle::{AnsiColor, Style};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::Value;

use crate::{discretion::Discretion, failure::Failure};

/// What stands out.
pub const NAME: Style = Style::new().bold();
/// What matters less.
pub const DIM: Style = Style::new().dimmed();
/// What is well.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// What is not.
pub const BAD: Style = AnsiColor::Red.on_default().bold();

/// Prints a result. Whoever stops reading has seen enough: that is no failure.
///
/// # Errors
/// If it cannot be written for another reason.
pub fn result(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    match writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::system("print the result")(error))
        }
        _ => Ok(()),
    }
}

/// Prints lines as they are; false once nobody reads them any more.
///
/// # Errors
/// As [`result`].
pub fn lines(text: &str) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::system("print the result")(error)),
        Ok(()) => Ok(true),
    }
}

/// Prints a result as JSON.
///
/// # Errors
/// As [`result`].
pub fn json(value: &Value) -> Result<(), Failure> {
    result(&format!("{value:#}"))
}

/// Tells the user something beside the result.
pub fn aside(text: &str) {
    let discretion = Discretion::of_this_user();
    let _ = writeln!(anstream::stderr().lock(), "{}", discretion.at_home(text));
}

/// A table without lines, as wide as its content. Columns in `right` are numbers.
pub fn table<const N: usize>(
    head: [&str; N],
    right: &[usize],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(head.map(String::from))
        .add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for index in right {
        if let Some(column) = table.column_mut(*index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines: Vec<_> = table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    match lines.split_first() {
        Some((head, rest)) => format!("{DIM}{head}{DIM:#}\n{}", rest.join("\n")),
        None => String::new(),
    }
}

/// A span as people say it.
pub fn in_words(span: Duration) -> String {
    match (span.as_millis(), span.as_secs()) {
        (ms @ 0..1_000, _) => format!("{ms} ms"),
        (ms @ 1_000..10_000, _) => format!("{:.1} s", ms as f64 / 1_000.0),
        (_, s @ 0..120) => format!("{s} s"),
        (_, s @ 120..7_200) => format!("{} min", s / 60),
        (_, s @ 7_200..172_800) => format!("{} h", s / 3_600),
        (_, s) => format!("{} days", s / 86_400),
    }
}

/// How long ago something was, in milliseconds since the epoch both; "never" if it was not.
pub fn ago(then: Option<u64>, now: u64) -> String {
    match then {
        None => "never".into(),
        Some(then) => match now.saturating_sub(then) {
            0..1_000 => "just now".into(),
            ms => format!("{} ago", in_words(Duration::from_millis(ms))),
        },
    }
}

/// `1 peer`, `2 peers`.
pub fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_people_say_them() {
        check(0, "0 ms");
        check(999, "999 ms");
        check(1_500, "1.5 s");
        check(59_000, "59 s");
        check(600_000, "10 min");
        check(7_200_000, "2 h");
        check(172_800_000, "2 days");
    }

    #[test]
    fn what_never_happened_is_not_long_ago() {
        assert_eq!(ago(None, 5), "never");
        assert_eq!(ago(Some(5_000), 4_000), "just now");
        assert_eq!(ago(Some(1_000), 31_000), "30 s ago");
    }

    #[test]
    fn a_table_has_aligned_columns_and_no_lines() {
        let rows = [
            ["alice".to_owned(), "1".into()],
            ["bob".into(), "20".into()],
        ];
        let text = table(["who", "how many"], &[1], rows);
        let plain = anstream::adapter::strip_str(&text).to_string();
        assert_eq!(plain, "who    how many\nalice         1\nbob          20");
    }

    #[track_caller]
    fn check(ms: u64, words: &str) {
        assert_eq!(in_words(Duration::from_millis(ms)), words);
    }
}
