//! What came of it all: sums for machines, tables for people, and a verdict.

use std::{collections::BTreeMap, fmt::Display, process::ExitCode};

/// Grows from stage to stage.
#[derive(Debug, Default)]
pub struct Outcome {
    json: bool,
    pub sigkills: BTreeMap<&'static str, u64>,
    /// Times a store would not open, though nothing stood in its way any more.
    pub unopenable: u64,
    /// Commits that somebody was told are saved, and that are gone.
    pub acknowledged_lost: u64,
    pub faults: u64,
    /// Nodes whose network stood still for longer than promised.
    pub network_stopped: u64,
    /// Nodes that did not end in the time promised.
    pub shutdown_blocked: u64,
    pub salvaged: BTreeMap<&'static str, Salvaged>,
    pub panics: u64,
    /// Expected and found in the shared store of each kind.
    pub increments: BTreeMap<&'static str, (u64, u64)>,
    broken: Vec<String>,
}

/// Records found again after damage, of those whose bytes it had not touched.
#[derive(Clone, Copy, Debug, Default)]
pub struct Salvaged {
    pub found: u64,
    pub untouched: u64,
}

impl Salvaged {
    /// How many were not found of those that came in between.
    pub fn missing_until(self, later: Self) -> u64 {
        (later.untouched - self.untouched) - (later.found - self.found)
    }

    pub fn share(self) -> f64 {
        match self.untouched {
            0 => 1.0,
            untouched => self.found as f64 / untouched as f64,
        }
    }
}

impl Outcome {
    pub fn new(json: bool) -> Self {
        Self {
            json,
            ..Self::default()
        }
    }

    /// A line for people.
    pub fn say(&self, line: impl Display) {
        if !self.json {
            println!("{line}");
        }
    }

    /// Something is not as promised.
    pub fn broken(&mut self, what: impl Display) {
        eprintln!("NOT AS PROMISED: {what}");
        self.broken.push(what.to_string());
    }

    /// Says what `count` things were if there were any.
    pub fn broken_if(&mut self, count: u64, what: impl Display) {
        if count > 0 {
            self.broken(format_args!("{what}: {count}"));
        }
    }

    /// The last word.
    pub fn conclude(self) -> ExitCode {
        if self.json {
            println!("{}", self.in_json());
        }
        if self.broken.is_empty() {
            self.say("\neverything as promised");
            return ExitCode::SUCCESS;
        }
        self.say(format_args!(
            "\nnot as promised, {} times:",
            self.broken.len()
        ));
        for what in &self.broken {
            self.say(format_args!("  {what}"));
        }
        ExitCode::FAILURE
    }

    fn in_json(&self) -> serde_json::Value {
        // Of the stores the one that is furthest off.
        let off = |(expected, found): &&(u64, u64)| expected.abs_diff(*found);
        let (expected, found) = self
            .increments
            .values()
            .max_by_key(off)
            .copied()
            .unwrap_or_default();
        let salvaged: BTreeMap<_, _> = self
            .salvaged
            .iter()
            .map(|(scheme, salvaged)| (scheme, salvaged.share()))
            .collect();
        serde_json::json!({
            "sigkills": self.sigkills,
            "unopenable": self.unopenable,
            "acknowledged_lost": self.acknowledged_lost,
            "faults": self.faults,
            "network_stopped": self.network_stopped,
            "shutdown_blocked": self.shutdown_blocked,
            "salvaged_share": salvaged,
            "panics": self.panics,
            "increments": {
                "expected": expected,
                "found": found,
            },
        })
    }
}
