//! Files that survive a crash: written beside, flushed, and only then given their name. Knows
//! nothing of what is in them.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use rejoin_core::Time;

use crate::StoreError;

/// The path with something appended to its file name.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Makes sure that the folder of `path` exists, and returns where the file really is: behind a link,
/// so that replacing the file does not replace the link.
pub(crate) fn settle(path: PathBuf) -> Result<PathBuf, StoreError> {
    if path.is_dir() {
        let error = io::ErrorKind::IsADirectory.into();
        return Err(StoreError::file("open", &path)(error));
    }
    // Wherever the process goes later, the place stays where it is.
    let path = std::path::absolute(&path).map_err(StoreError::file("find", &path))?;
    let folder = folder(&path);
    fs::create_dir_all(folder).map_err(StoreError::file("create the folder", folder))?;
    if path.is_symlink() {
        return Ok(fs::canonicalize(&path).unwrap_or(path));
    }
    Ok(path)
}

/// An empty file only this user can read: addresses tell where people are.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Replaces `path` with `bytes`: after a crash at any point, either all old or all new. What it held
/// before is kept under the name `old`, if one is given. The new name is not safe from a power cut
/// before [`sync_folder`]; an error means that nothing was replaced.
pub(crate) fn replace(path: &Path, bytes: &[u8], old: Option<&Path>) -> Result<(), StoreError> {
    let fresh = beside(path, ".new");
    let write = || {
        let mut file = create_private(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all() // the bytes, before the name points at them
    };
    write().map_err(|error| {
        // What was begun is of no use to anybody, and the disk may be full.
        let _ = fs::remove_file(&fresh);
        StoreError::file("write", &fresh)(error)
    })?;
    // Not before the new bytes are safe: until they are, the old ones need two copies, not two names.
    if let Some(old) = old {
        second_name(path, old)?;
    }
    fs::rename(&fresh, path).map_err(StoreError::file("replace", path))
}

/// Makes the names in the folder of `path` durable.
pub(crate) fn sync_folder(path: &Path) -> Result<(), StoreError> {
    // Windows gives no handle to a folder that could be flushed; it journals names itself.
    #[cfg(unix)]
    {
        let folder = folder(path);
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(StoreError::file("flush the folder", folder))?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Gives the content of `path` a second name that outlives the first: a link where the file system
/// has links, a copy elsewhere. A file already under that name is replaced, once the new one stands.
pub(crate) fn second_name(path: &Path, name: &Path) -> Result<(), StoreError> {
    let fresh = beside(name, ".new");
    remove(&fresh)?;
    fs::hard_link(path, &fresh)
        .or_else(|_| copy(path, &fresh))
        .and_then(|()| fs::rename(&fresh, name))
        .map_err(StoreError::file("keep a copy as", name))?;
    // A rename onto another name of the same file does nothing.
    remove(&fresh)
}

/// A copy of `from`, on the disk when this returns.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut from = File::open(from)?;
    let mut to = create_private(to)?;
    io::copy(&mut from, &mut to)?;
    to.sync_all()
}

/// A free name for a file that is set aside at `now`.
pub(crate) fn damaged_name(path: &Path, now: Time) -> Result<PathBuf, StoreError> {
    let mut millis = now.as_millis();
    loop {
        let name = beside(path, &format!(".damaged-{millis}"));
        if !exists(&name)? {
            return Ok(name);
        }
        millis += 1;
    }
}

/// Whether another process, or we, have set this very file aside.
pub(crate) fn is_set_aside(path: &Path, file: Identity) -> Result<bool, StoreError> {
    for name in set_aside(path)? {
        if identity(&name)? == Some(file) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Every file of this store that was set aside.
pub(crate) fn set_aside(path: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let folder = folder(path);
    let failed = |error| StoreError::file("look into", folder)(error);
    let begins = beside(path, ".damaged-");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.path();
        let ours = name
            .to_string_lossy()
            .starts_with(&*begins.to_string_lossy());
        if ours {
            found.push(name);
        }
    }
    found.sort();
    Ok(found)
}

/// What tells one file from another under the same name: device and number.
pub(crate) type Identity = (u64, u64);

/// Which file lies at `path`, if any.
pub(crate) fn identity(path: &Path) -> Result<Option<Identity>, StoreError> {
    Ok(look_at(path)?.map(|file| number_of(&file)))
}

/// As [`identity`], of a file with something in it.
pub(crate) fn identity_unless_empty(path: &Path) -> Result<Option<Identity>, StoreError> {
    let file = look_at(path)?.filter(|file| file.len() > 0);
    Ok(file.map(|file| number_of(&file)))
}

/// Not being able to tell whether there is a file is an error: what is taken for missing is made anew.
fn look_at(path: &Path) -> Result<Option<fs::Metadata>, StoreError> {
    match fs::metadata(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::file("look at", path)(error)),
    }
}

#[cfg(unix)]
pub(crate) fn number_of(file: &fs::Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    (file.dev(), file.ino())
}

/// Elsewhere a file that is open cannot be replaced, so any file is the one we know.
#[cfg(not(unix))]
pub(crate) fn number_of(_file: &fs::Metadata) -> Identity {
    (0, 0)
}

/// Whether there is anything at this path.
pub(crate) fn exists(path: &Path) -> Result<bool, StoreError> {
    Ok(look_at(path)?.is_some())
}

/// Whether there is nothing at this path, or nothing in it.
pub(crate) fn is_empty(path: &Path) -> Result<bool, StoreError> {
    Ok(look_at(path)?.is_none_or(|file| file.len() == 0))
}

/// Removes a file that may not be there.
pub(crate) fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::file("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// The folder a file is in.
pub(crate) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_set_aside_never_takes_the_name_of_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("peers.json");
        let first = damaged_name(&path, Time::from_millis(7)).unwrap();
        assert_eq!(first, folder.path().join("peers.json.damaged-7"));
        fs::write(&first, "evidence").unwrap();
        let second = damaged_name(&path, Time::from_millis(7)).unwrap();
        assert_eq!(second, folder.path().join("peers.json.damaged-8"));
    }

    #[test]
    fn what_a_file_held_before_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (path, kept) = (folder.path().join("a"), folder.path().join("b"));
        replace(&path, b"old", None).unwrap();
        replace(&path, b"new", Some(&kept)).unwrap();
        assert_eq!(fs::read(&kept).unwrap(), b"old");
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert!(!beside(&path, ".new").exists());
    }

    #[test]
    fn a_copy_is_only_replaced_by_one_that_stands() {
        let folder = tempfile::tempdir().unwrap();
        let (path, kept) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&kept, "older").unwrap();
        assert!(second_name(&path, &kept).is_err());
        assert_eq!(fs::read(&kept).unwrap(), b"older");
        fs::write(&path, "old").unwrap();
        for _ in 0..2 {
            second_name(&path, &kept).unwrap();
            assert_eq!(fs::read(&kept).unwrap(), b"old");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        }
    }

    #[test]
    fn what_cannot_be_looked_at_is_not_taken_for_missing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        fs::write(&file, "no folder").unwrap();
        let (missing, unknown) = (folder.path().join("b"), file.join("b"));
        assert!(!exists(&missing).unwrap() && is_empty(&missing).unwrap());
        assert!(identity(&missing).unwrap().is_none());
        assert!(exists(&unknown).is_err() && is_empty(&unknown).is_err());
        assert!(identity(&unknown).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        replace(&path, b"x", None).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
