//! Files written where the user says. Whoever reads one meanwhile sees all of the old or all of the new
//! one.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::failure::Failure;

/// Who may read a file.
#[derive(Clone, Copy, Debug)]
pub enum Readers {
    /// The user alone.
    Owner,
    /// Everybody on this machine, such as a web server.
    Everybody,
}

/// Writes a file, in the place of one that is there.
///
/// # Errors
/// If it cannot be written.
pub fn write(path: &Path, bytes: &[u8], readers: Readers) -> Result<(), Failure> {
    replace(path, bytes, readers).map_err(Failure::file("write", path))
}

fn replace(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    #[cfg(unix)]
    {
        let mode = match readers {
            Readers::Owner => 0o600,
            Readers::Everybody => 0o644,
        };
        let rights = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(file.path(), rights)?;
    }
    #[cfg(not(unix))]
    let _ = readers;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn a_file_is_replaced_and_read_by_whom_it_is_for() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("peers.json");
        for (readers, mode) in [(Readers::Everybody, 0o644), (Readers::Owner, 0o600)] {
            write(&path, b"first", readers).unwrap();
            write(&path, b"second", readers).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"second");
            let found = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(found, mode);
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/b");
        let error = write(&path, b"", Readers::Owner).unwrap_err();
        assert!(error.to_string().contains("a/b"), "{error}");
    }
}
