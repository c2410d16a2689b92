//! The scenes, one per kind of trouble.

use super::{node::Habit, shim::Kinds};

/// One kind of trouble.
#[derive(Debug)]
pub(super) struct Scene {
    pub name: &'static str,
    pub what: What,
    pub habit: Habit,
    /// A healthy process commits to the same store; what it was told is saved must not be lost either.
    pub neighbour: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum What {
    /// System calls of these kinds fail, so many of a thousand.
    Calls { kinds: Kinds, per_mille: u64 },
    /// Another process locks the store and does not let go.
    Locked,
    /// The store's file is deleted.
    Deleted,
    /// Every file of the store is deleted.
    AllDeleted,
    /// The log of a database is deleted.
    LogDeleted,
    /// The store's file is emptied.
    Emptied,
    /// An older copy of the file is put in its place.
    Older,
    /// A file of something else is put in its place.
    Foreign,
    /// No file may grow beyond a limit.
    Limited,
    /// Nobody may write in the folder.
    NoRights,
}

impl Scene {
    /// Which system calls fail, and how many of a thousand.
    pub fn calls(&self) -> Option<(Kinds, u64)> {
        match self.what {
            What::Calls { kinds, per_mille } => Some((kinds, per_mille)),
            _ => None,
        }
    }
}

const fn calls(name: &'static str, kinds: Kinds, per_mille: u64) -> Scene {
    Scene {
        name,
        what: What::Calls { kinds, per_mille },
        habit: Habit::Steady,
        neighbour: true,
    }
}

const fn alone(name: &'static str, what: What) -> Scene {
    Scene {
        name,
        what,
        habit: Habit::Steady,
        neighbour: false,
    }
}

/// The last one makes up for those in which fewer calls could fail than were asked for.
pub(super) const SCENES: &[Scene] = &[
    calls("short writes", Kinds::SHORT_WRITE, 300),
    calls("failed writes", Kinds::WRITE, 200),
    calls("no space left", Kinds::NO_SPACE, 200),
    calls("failed flushes", Kinds::FLUSH, 300),
    Scene {
        habit: Habit::Reopening,
        ..calls("failed renames, links", Kinds::NAME, 200)
    },
    Scene {
        habit: Habit::Reopening,
        ..calls("failed reads", Kinds::READ, 100)
    },
    Scene {
        habit: Habit::Reopening,
        ..calls("failed opens", Kinds::OPEN, 100)
    },
    Scene {
        habit: Habit::Reopening,
        ..calls("failed looks", Kinds::LOOK, 100)
    },
    Scene {
        habit: Habit::Reopening,
        ..calls("read-only", Kinds::READ_ONLY, 1_000)
    },
    calls("nothing works", Kinds::ALL, 1_000),
    alone("a lock held", What::Locked),
    alone("the file deleted", What::Deleted),
    Scene {
        neighbour: true,
        ..alone("deleted under two", What::Deleted)
    },
    alone("all files deleted", What::AllDeleted),
    alone("the log deleted", What::LogDeleted),
    alone("the file emptied", What::Emptied),
    alone("an older copy", What::Older),
    alone("a foreign file", What::Foreign),
    Scene {
        habit: Habit::Growing,
        ..alone("a limit on file size", What::Limited)
    },
    alone("no rights", What::NoRights),
    calls("all at once", Kinds::ALL, 30),
    Scene {
        habit: Habit::Reopening,
        ..calls("all, and reopened", Kinds::ALL, 30)
    },
];
