//! The figures as a table for people, each beside ours.

use crate::{course::Row, limits::Limits, systems::KINDS};

/// A column: its heading and its figure.
pub type Column = (&'static str, fn(&Row) -> Option<f64>);

/// All figures.
pub const COLUMNS: [Column; 10] = [
    ("insert µs", |row| row.insert_us),
    ("update µs", |row| row.update_us),
    ("best 5 µs", |row| row.best5_us),
    ("best 20 µs", |row| row.best20_us),
    ("save one ms", |row| row.save_one_ms),
    ("save all ms", |row| row.save_all_ms),
    ("reopen ms", |row| row.reopen_first_ms),
    ("load all ms", |row| row.load_all_ms),
    ("disk B/peer", |row| row.disk_bytes_per_peer),
    ("memory B/peer", |row| row.memory_bytes_per_peer),
];

/// In Markdown. In brackets how many times ours that is.
pub fn table(limits: &Limits, rows: &[Row]) -> String {
    let mut text = format!(
        "One flush {:.2} ms, writing {:.0} MB/s, copying {:.0} MB/s.\n\n| peers | |",
        limits.fsync_ms, limits.write_mb_per_s, limits.memcpy_mb_per_s
    );
    for (heading, _) in COLUMNS {
        text += &format!(" {heading} |");
    }
    text += &format!("\n|---|---|{}\n", "---|".repeat(COLUMNS.len()));
    for row in rows {
        let ours = rows
            .iter()
            .find(|other| other.n == row.n && other.system == "rejoin");
        text += &format!("| {} | {} |", row.n, row.system);
        for (_, figure) in COLUMNS {
            let ratio = ours.and_then(figure).filter(|_| row.system != "rejoin");
            text += &match (figure(row), ratio) {
                (None, _) => " – |".into(),
                (Some(it), Some(ours)) => format!(" {} ({}) |", short(it), short(it / ours)),
                (Some(it), None) => format!(" {} |", short(it)),
            };
        }
        text += "\n";
    }
    for kind in KINDS {
        let shown = rows.iter().any(|row| row.system == kind.name);
        if let Some(note) = kind.note.filter(|_| shown) {
            text += &format!("\n{}: {note}.\n", kind.name);
        }
    }
    text
}

/// Three digits that count.
fn short(number: f64) -> String {
    match number {
        it if it >= 100.0 => format!("{it:.0}"),
        it if it >= 10.0 => format!("{it:.1}"),
        it if it >= 1.0 => format!("{it:.2}"),
        it => format!("{it:.3}"),
    }
}
