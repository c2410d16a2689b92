//! What the demo says while it runs: on a terminal a moving line and a list of what is done, in a
//! log the list alone. Always on stderr, so that stdout holds the result and nothing else.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// The line that moves.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Nothing is shown yet.
    pub fn new() -> Self {
        Self {
            bar: ProgressBar::new_spinner(),
        }
    }

    /// Something begins that takes so many steps; 0 if nobody knows.
    pub fn begin(&self, what: &str, steps: usize) {
        let template = if steps == 0 {
            "  {spinner} {msg}"
        } else {
            "  {spinner} {msg} {wide_bar:.green} {pos}/{len}"
        };
        // Our own template; a plain spinner would do as well.
        if let Ok(look) = ProgressStyle::with_template(template) {
            self.bar.set_style(look);
        }
        self.bar.set_length(steps as u64);
        self.bar.set_position(0);
        self.bar.set_message(what.to_owned());
        self.bar.enable_steady_tick(Duration::from_millis(100));
    }

    /// One of the steps is done.
    pub fn step(&self) {
        self.bar.inc(1);
    }

    /// It is done, and this came of it.
    pub fn done(&self, what: &str) {
        self.say(&format!("  ✓ {what}"));
    }

    /// A line that stays.
    pub fn say(&self, line: &str) {
        if self.bar.is_hidden() {
            eprintln!("{line}");
        } else {
            self.bar.println(line);
        }
    }

    /// Nothing moves any more.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}
