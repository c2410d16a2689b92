//! The data folder: who may use it, and files in it that only its owner may read. What is in those
//! files is decided elsewhere.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::failure::Failure;

/// A node's data folder.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

/// Held by the one node that runs on a folder; goes with the process, however it ends.
#[derive(Debug)]
pub struct Claim(#[expect(dead_code, reason = "closing it is what unlocks")] File);

impl Folder {
    /// The folder at this path, whether it exists or not.
    pub fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Creates the folder if need be, for its owner alone.
    ///
    /// # Errors
    /// If that is not possible.
    pub fn create(&self) -> Result<(), Failure> {
        create_private(&self.0).map_err(Failure::file("create the folder", &self.0))
    }

    /// Creates the folder if need be, for its owner alone, and claims it for this process.
    ///
    /// # Errors
    /// If another process has claimed it, or it cannot be written.
    pub fn claim(&self) -> Result<Claim, Failure> {
        self.create()?;
        let path = self.file("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(Failure::file("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Claim(file)),
            Err(TryLockError::WouldBlock) => Err(Failure::AlreadyRunning {
                folder: self.0.clone(),
            }),
            Err(TryLockError::Error(error)) => Err(Failure::file("lock", path)(error)),
        }
    }

    /// Puts a file there that only its owner may read: after a crash at any moment either the old
    /// one is there, or all of the new one.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_private(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.file(name);
        replace(&path, bytes).map_err(Failure::file("write", path))
    }

    /// A file's content; `None` if there is no such file.
    ///
    /// # Errors
    /// If it is there and cannot be read, or is larger than any file of ours.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.read_at_most(name, FILE_BYTES_MAX)
    }

    /// Like [`Folder::read`], for a file that may have as many bytes as that.
    ///
    /// # Errors
    /// As there.
    pub fn read_at_most(&self, name: &str, bytes_max: u64) -> Result<Option<Vec<u8>>, Failure> {
        let path = self.file(name);
        match fs::metadata(&path) {
            Ok(found) if found.len() > bytes_max => {
                let error = io::Error::from(io::ErrorKind::FileTooLarge);
                return Err(Failure::file("read", path)(error));
            }
            _ => {}
        }
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::file("read", path)(error)),
        }
    }

    /// Removes a file; one that is not there is no error.
    pub fn remove(&self, name: &str) {
        let path = self.file(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "cannot remove {}", path.display());
            }
            _ => {}
        }
    }
}

/// Most of ours have some hundred bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    // One that a crash left behind may have other rights.
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?; // the bytes, before the name points at them
    fs::rename(&fresh, path)?;
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?; // the name itself
    }
    Ok(())
}

fn create_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_can_be_claimed_once() {
        let (_home, folder) = folder();
        let claim = folder.claim().unwrap();
        assert!(matches!(
            folder.claim(),
            Err(Failure::AlreadyRunning { .. })
        ));
        drop(claim);
        folder.claim().unwrap();
    }

    #[test]
    fn a_file_is_replaced_whole_and_read_back() {
        let (_home, folder) = folder();
        let _claim = folder.claim().unwrap();
        assert_eq!(folder.read("note").unwrap(), None);
        folder.write_private("note", b"first").unwrap();
        folder.write_private("note", b"second").unwrap();
        assert_eq!(folder.read("note").unwrap().unwrap(), b"second");
        assert!(!folder.file("note.new").exists());
        folder.remove("note");
        folder.remove("note");
        assert_eq!(folder.read("note").unwrap(), None);
    }

    #[test]
    fn a_file_larger_than_any_of_ours_is_not_read() {
        let (_home, folder) = folder();
        let _claim = folder.claim().unwrap();
        fs::write(folder.file("note"), vec![0; 65 * 1024]).unwrap();
        assert!(folder.read("note").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_our_files() {
        use std::os::unix::fs::PermissionsExt;
        let (_home, folder) = folder();
        let _claim = folder.claim().unwrap();
        // What a crash left behind must not lend its rights.
        fs::write(folder.file("secret.new"), b"").unwrap();
        folder.write_private("secret", b"s").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder.file("secret")), 0o600);
        assert_eq!(mode(folder.path()), 0o700);
    }

    fn folder() -> (tempfile::TempDir, Folder) {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::at(home.path().join("a").join("b"));
        (home, folder)
    }
}
