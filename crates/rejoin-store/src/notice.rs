//! What was found on opening, in words for whoever runs the node.

use std::{fmt, path::PathBuf};

/// Something the user should know, though the store works.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// There was nothing; a new memory has been begun.
    Created {
        /// The new file.
        path: PathBuf,
    },
    /// The file had no content; a new memory has been begun in it.
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file was damaged. It has been kept, and what still checks out was carried over.
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the damaged one lies now.
        kept: PathBuf,
        /// What is wrong with it.
        why: String,
        /// Peers read from it.
        salvaged: usize,
        /// Peers it no longer gave, taken from the last good copy.
        restored: usize,
        /// Peers seen to be lost; there may have been more behind a tear.
        lost: usize,
    },
    /// The file was not ours. It has been kept, and a new memory has been begun.
    Foreign {
        /// The file.
        path: PathBuf,
        /// Where the foreign one lies now.
        kept: PathBuf,
        /// What it seems to be.
        why: String,
    },
    /// The file was missing or empty, but its last good copy was there.
    Restored {
        /// The file.
        path: PathBuf,
        /// Where its content came from.
        from: PathBuf,
        /// How many peers came back.
        peers: usize,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created { path } => write!(f, "a new memory begins in {}", path.display()),
            Self::Empty { path } => {
                write!(f, "{} was empty; a new memory begins in it", path.display())
            }
            Self::Damaged {
                path,
                kept,
                why,
                salvaged,
                restored,
                lost,
            } => {
                write!(
                    f,
                    "{} was damaged ({why}); {salvaged} peers were salvaged, {restored} restored \
                     from the last good copy, {lost} lost; the damaged file is kept as {}",
                    path.display(),
                    kept.display()
                )
            }
            Self::Foreign { path, kept, why } => write!(
                f,
                "{} is not a memory of peers ({why}); it is kept as {}, and a new memory begins",
                path.display(),
                kept.display()
            ),
            Self::Restored { path, from, peers } => write!(
                f,
                "{} was gone; {peers} peers were restored from {}",
                path.display(),
                from.display()
            ),
        }
    }
}

/// What had to be mended in what was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repairs {
    /// Values set right: times ahead of now, impossible numbers, lists over their limits.
    pub values: usize,
    /// Records left out because they could not be read, each time they were met.
    pub unreadable: usize,
}
