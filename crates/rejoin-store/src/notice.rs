//! What was found on opening, in words for whoever runs the node.

use std::{fmt, path::PathBuf, time::Duration};

use rejoin_core::{PeerRecord, Time};

use crate::Mode;

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
    /// The file was gone, empty or an older copy. What it should hold was still known, from its last
    /// good copy or to this process, and has been written back.
    Restored {
        /// The file.
        path: PathBuf,
        /// How many peers came back.
        peers: usize,
    },
    /// What was saved is in the file, but the disk does not confirm it: until the next commit that it
    /// does confirm, a power cut may undo the last ones.
    Unflushed {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// What was forgotten is still in a copy that could be neither rewritten nor removed.
    Remains {
        /// The copy.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// The store is sealed in another way than before.
    Sealed {
        /// The file.
        path: PathBuf,
        /// How it was sealed.
        from: Mode,
        /// How it is sealed now.
        to: Mode,
        /// How many peers are in it.
        peers: usize,
        /// How many could not be read, and were left out.
        lost: usize,
    },
    /// What is sealed now is still to be found in these files as it was before.
    InTheOpen {
        /// The files.
        paths: Vec<PathBuf>,
    },
    /// The secrets of peers end with this run: the store, this file, is not sealed, or was opened
    /// without its key.
    SecretsNotKept(PathBuf),
    /// Values that made no sense were put right.
    Mended {
        /// How many.
        values: usize,
        /// How far the furthest time ahead of now lay ahead.
        ahead: Duration,
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
                "{} was gone or old; {peers} peers that were still known have been written back",
                path.display()
            ),
            Self::Unflushed { path, why } => write!(
                f,
                "{} was saved, but a power cut may still undo that: {why}",
                path.display()
            ),
            Self::Remains { path, why } => write!(
                f,
                "what was forgotten is still in {}, remove that file: {why}",
                path.display()
            ),
            Self::Sealed {
                path,
                from,
                to,
                peers,
                lost,
            } => {
                let path = path.display();
                write!(f, "{path} was {from} and is now {to}, with {peers} peers")?;
                match lost {
                    0 => Ok(()),
                    lost => write!(f, "; {lost} that could not be read are not in it any more"),
                }
            }
            Self::InTheOpen { paths } => {
                f.write_str("as it was before, the memory is still to be found in")?;
                for path in paths {
                    write!(f, " {}", path.display())?;
                }
                f.write_str("; close other programs that use it, and remove damaged ones you no longer need")
            }
            Self::SecretsNotKept(path) => write!(
                f,
                "the secrets of peers are forgotten when this run ends: {} is not sealed, or was \
                 opened without its key",
                path.display()
            ),
            Self::Mended { values, ahead } if ahead.is_zero() => {
                write!(f, "{values} values made no sense and were put right")
            }
            Self::Mended { values, ahead } => write!(
                f,
                "{values} values made no sense and were put right; some lay {} s ahead of the clock",
                ahead.as_secs()
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
    /// How far the furthest of the times ahead of now lay ahead: the clock is behind, or was ahead
    /// when they were written.
    pub ahead: Duration,
}

impl Repairs {
    /// Takes note of a record just read, before it is put right.
    pub(crate) fn note(&mut self, record: &PeerRecord, now: Time) {
        self.ahead = self.ahead.max(record.last_touched().since(now));
    }

    /// A record just read, put right; `None` if it did not read. Either way it is counted.
    pub(crate) fn usable(&mut self, read: Option<PeerRecord>, now: Time) -> Option<PeerRecord> {
        let Some(mut record) = read else {
            self.unreadable += 1;
            return None;
        };
        self.note(&record, now);
        self.values += record.sanitise(now);
        Some(record)
    }

    /// What the user should know of it, if anything.
    pub fn notice(self) -> Option<Notice> {
        let Self { values, ahead, .. } = self;
        (values > 0).then_some(Notice::Mended { values, ahead })
    }
}
