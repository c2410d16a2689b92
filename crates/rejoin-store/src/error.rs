//! What can go wrong for good, and what to do about it.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::ErrorCode;

use crate::KeyError;

/// Why the store could not do what was asked. Whatever it is, what was saved before is still there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The name of the place has none of the known forms.
    #[error(
        "{given:?} names no place to remember peers in; write sqlite:PATH, json:PATH, or memory: \
         to keep nothing"
    )]
    Url {
        /// The first characters of what was given.
        given: String,
    },
    /// A newer version wrote this file. It has been left as it was.
    #[error(
        "{} is of version {found}, this program reads up to {known}; upgrade the program, or name \
         another place",
        path.display()
    )]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// Another process has kept the store to itself for too long.
    #[error(
        "{} has been in use by another process for {} s; it is tried again, and if that goes on, \
         look for a program that hangs",
        path.display(),
        waited.as_secs()
    )]
    Busy {
        /// The file.
        path: PathBuf,
        /// How long we waited.
        waited: Duration,
    },
    /// One file cannot take that much.
    #[error(
        "{} would grow to {bytes} bytes, at most {limit} are read back; move to a sqlite: store, or \
         keep fewer peers",
        path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// How large it would have become.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// It is sealed as a whole, and there is no key. It has been left as it was.
    #[error(
        "{} is sealed, and no key was given; give the passphrase or key it was sealed with, or name \
         another place",
        path.display()
    )]
    Sealed {
        /// The file.
        path: PathBuf,
    },
    /// The key is not the one it was sealed with. It has been left as it was.
    #[error(
        "this is not the key to {}, which takes {takes}; give the right one, or name another place: \
         without it nobody can read what is in there",
        path.display()
    )]
    WrongKey {
        /// The file.
        path: PathBuf,
        /// What kind of key it was sealed with.
        takes: &'static str,
    },
    /// Another process has sealed it anew, or unsealed it.
    #[error("{} was sealed anew by another process; open it again", path.display())]
    Resealed {
        /// The file.
        path: PathBuf,
    },
    /// There is no seal whose key could be changed.
    #[error("{} is not sealed; seal it first", path.display())]
    NotSealed {
        /// What was named.
        path: PathBuf,
    },
    /// A sealed text that travelled is not what was sealed.
    #[error(
        "{} was damaged or changed since it was sealed, or is nothing that was; get it again",
        path.display()
    )]
    DamagedParcel {
        /// The file.
        path: PathBuf,
    },
    /// The key is of no use.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The system gives us no random bytes, without which nothing can be sealed.
    #[error("the system gives no random bytes: {0}; nothing was written, and it is tried again")]
    NoChance(#[from] getrandom::Error),
    /// The operating system refused.
    #[error("cannot {doing} {}: {source}; {}", path.display(), remedy(source.kind()))]
    File {
        /// What was being done.
        doing: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// Its answer.
        source: io::Error,
    },
    /// SQLite refused.
    #[error("cannot {doing} {}: {source}; {}", path.display(), sqlite_remedy(source))]
    Sqlite {
        /// What was being done.
        doing: &'static str,
        /// In which database.
        path: PathBuf,
        /// Its answer.
        source: rusqlite::Error,
    },
}

/// Whether waiting helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The same call may succeed later without anybody's help.
    Later,
    /// Something has to be changed first: the place, the rights or the program.
    Never,
}

impl StoreError {
    /// Whether the same call is worth making again.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Busy { .. } | Self::NoChance(_) => Retry::Later,
            Self::Url { .. }
            | Self::TooNew { .. }
            | Self::TooLarge { .. }
            | Self::Sealed { .. }
            | Self::WrongKey { .. }
            | Self::Resealed { .. }
            | Self::NotSealed { .. }
            | Self::DamagedParcel { .. }
            | Self::Key(_) => Retry::Never,
            Self::File { source, .. } => match source.kind() {
                io::ErrorKind::NotADirectory
                | io::ErrorKind::AlreadyExists
                | io::ErrorKind::IsADirectory
                | io::ErrorKind::InvalidFilename
                | io::ErrorKind::PermissionDenied
                | io::ErrorKind::ReadOnlyFilesystem
                | io::ErrorKind::Unsupported => Retry::Never,
                _ => Retry::Later,
            },
            Self::Sqlite { source, .. } => match source.sqlite_error_code() {
                Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                    Retry::Never
                }
                _ => Retry::Later,
            },
        }
    }

    /// Whether the key is missing, wrong or of no use: nothing is amiss with the store, and whoever has
    /// the key has to be asked.
    pub fn is_about_the_key(&self) -> bool {
        matches!(
            self,
            Self::Sealed { .. } | Self::WrongKey { .. } | Self::NotSealed { .. } | Self::Key(_)
        )
    }

    /// For `map_err`: says what was being done to which file.
    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File {
            doing,
            path,
            source,
        }
    }

    /// For `map_err`: says what was being done in which database.
    pub(crate) fn sqlite(doing: &'static str, path: &Path) -> impl FnOnce(rusqlite::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy {
                path,
                waited: crate::lock::WAIT_MAX,
            },
            _ => match source {
                // The only value of ours that may not be there to be saved is a random one.
                rusqlite::Error::ToSqlConversionFailure(inner) => match inner.downcast() {
                    Ok(error) => Self::NoChance(*error),
                    Err(inner) => Self::Sqlite {
                        doing,
                        path,
                        source: rusqlite::Error::ToSqlConversionFailure(inner),
                    },
                },
                source => Self::Sqlite {
                    doing,
                    path,
                    source,
                },
            },
        }
    }
}

fn remedy(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::PermissionDenied => {
            "give this user the right to read and write there, or name another place"
        }
        io::ErrorKind::ReadOnlyFilesystem => "make it writable, or name another place",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "free some space; it is tried again"
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "a file stands where a folder is needed; name another place"
        }
        io::ErrorKind::IsADirectory => "a folder stands there; name a file in it",
        io::ErrorKind::Unsupported => "this file system cannot do that; name another place",
        _ => "check the disk, or name another place",
    }
}

fn sqlite_remedy(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => remedy(io::ErrorKind::StorageFull),
        Some(ErrorCode::ReadOnly) => remedy(io::ErrorKind::ReadOnlyFilesystem),
        Some(ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            remedy(io::ErrorKind::PermissionDenied)
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            "it is damaged; open it again, and what can be saved is saved"
        }
        _ => remedy(io::ErrorKind::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_to_do_and_whether_waiting_helps() {
        check(io::ErrorKind::PermissionDenied, "right", Retry::Never);
        check(io::ErrorKind::StorageFull, "free some space", Retry::Later);
        check(io::ErrorKind::NotADirectory, "another place", Retry::Never);
        check(io::ErrorKind::Other, "check the disk", Retry::Later);
    }

    #[track_caller]
    fn check(kind: io::ErrorKind, words: &str, retry: Retry) {
        let error = StoreError::file("write", Path::new("peers.json"))(kind.into());
        let text = error.to_string();
        assert!(text.contains("cannot write peers.json"), "{text}");
        assert!(text.contains(words), "{text}");
        assert_eq!(error.retry(), retry);
    }
}
