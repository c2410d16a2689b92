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
    /// The file was gone or empty. What it held was still known, from its last good copy or to this
    /// process, and has been written back.
    Restored {
        /// The file.
        path: PathBuf,
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
                let path = path.display();
                write!(
                    f,
                    "{path} was damaged ({why}); {salvaged} peers were salvaged, "
                )?;
                if *restored > 0 {
                    write!(f, "{restored} restored from the last good copy, ")?;
                }
                let kept = kept.display();
                write!(f, "{lost} lost; the damaged file is kept as {kept}")
            }
            Self::Foreign { path, kept, why } => write!(
                f,
                "{} is not a memory of peers ({why}); it is kept as {}, and a new memory begins",
                path.display(),
                kept.display()
            ),
            Self::Restored { path, peers } => write!(
                f,
                "{} was gone; {peers} peers that were still known have been written back",
                path.display()
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
