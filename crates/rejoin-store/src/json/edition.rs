//! Which state of a file follows from which. Time tells nothing here: clocks differ, and are set.

use serde::{Deserialize, Serialize};

/// Which of all states of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Edition {
    /// Drawn whenever the file is begun anew: generations of two branches say nothing of each other.
    pub(crate) branch: u32,
    /// How often this branch had been written: tells an older copy from a newer state.
    pub(crate) generation: u64,
}

impl Edition {
    /// What is written next.
    pub(crate) fn next(self) -> Self {
        Self {
            generation: self.generation.saturating_add(1),
            ..self
        }
    }

    /// Whether this holds all that `other` held, and perhaps more.
    pub(crate) fn follows(self, other: Self) -> bool {
        self.branch == other.branch && self.generation >= other.generation
    }
}
