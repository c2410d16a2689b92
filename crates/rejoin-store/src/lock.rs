//! One writer at a time: a lock on a file beside the store's own. The lock goes with the process
//! that holds it, so a crash leaves nothing to clear away; the empty file itself stays.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::Path,
    thread,
    time::Duration,
};

use crate::{StoreError, durable};

/// How long we wait for another process: a commit of a large JSON file on a slow disk takes a
/// second or two.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(5);

/// Between two looks: a look costs a microsecond, and whoever looks rarely seldom gets a turn.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Held until dropped.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "closing it is what unlocks")] File);

impl Lock {
    /// Waits for its turn, at most [`WAIT_MAX`].
    #[expect(
        clippy::disallowed_methods,
        reason = "no system lets one wait for a file lock with a limit; so we look again and again"
    )]
    pub(crate) fn take(path: &Path) -> Result<Self, StoreError> {
        let beside = durable::beside(path, ".lock");
        let open = || {
            OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&beside)
                .map_err(StoreError::file("open the lock", &beside))
        };
        let mut file = open()?;
        let mut waited = Duration::ZERO;
        loop {
            match file.try_lock() {
                // Somebody may have removed the file, and others have made a new one.
                Ok(()) if !is_still_at(&file, &beside)? => file = open()?,
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::WouldBlock) if waited >= WAIT_MAX => {
                    let path = path.to_owned();
                    return Err(StoreError::Busy { path, waited });
                }
                Err(TryLockError::WouldBlock) => {
                    thread::sleep(LOOK_EVERY);
                    waited += LOOK_EVERY;
                }
                Err(TryLockError::Error(error)) => {
                    return Err(StoreError::file("lock", &beside)(error));
                }
            }
        }
    }
}

fn is_still_at(file: &File, path: &Path) -> Result<bool, StoreError> {
    let ours = file.metadata().map_err(StoreError::file("look at", path))?;
    Ok(durable::identity(path)? == Some(durable::number_of(&ours)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn who_waited_for_a_lock_that_is_gone_takes_the_one_that_counts() {
        let folder = tempfile::tempdir().unwrap();
        let (path, beside) = (folder.path().join("a"), folder.path().join("a.lock"));
        let removed = Lock::take(&path).unwrap();
        std::fs::remove_file(&beside).unwrap();
        let _held = Lock::take(&path).unwrap();
        drop(removed);
        assert!(matches!(Lock::take(&path), Err(StoreError::Busy { .. })));
    }
}
