//! What people and other programs do to the files of a store that is in use.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::scenes::What;

/// A store that is meddled with.
#[derive(Debug)]
pub(super) struct Meddler<'a> {
    /// The store's file.
    path: &'a Path,
    /// Where a copy of it lies that gets older.
    copy: PathBuf,
}

impl<'a> Meddler<'a> {
    /// `aside` is a folder of the same file system that the store does not know.
    pub fn new(scheme: &str, path: &'a Path, aside: &Path) -> Self {
        let copy = aside.join("copy");
        if scheme == "sqlite" {
            let conn = rusqlite::Connection::open(path).expect("the database");
            let copied = conn.execute("VACUUM INTO ?1", [copy.to_string_lossy()]);
            copied.expect("a copy");
        } else {
            fs::copy(path, &copy).expect("a copy");
        }
        Self { path, copy }
    }

    /// Does it once.
    pub fn meddle(&self, what: What) {
        match what {
            What::Deleted => remove(self.path),
            What::AllDeleted => {
                // The file itself last: a new one must not lose what is written beside it.
                let files = self.files();
                let beside = files.iter().filter(|file| *file != self.path);
                beside.for_each(|file| remove(file));
                remove(self.path);
            }
            What::LogDeleted => {
                let mut log = self.path.as_os_str().to_owned();
                log.push("-wal");
                remove(Path::new(&log));
            }
            What::Emptied => {
                let file = fs::File::options().write(true).open(self.path);
                // Nothing there is as empty as can be.
                let _ = file.and_then(|file| file.set_len(0));
            }
            What::Older => {
                let fresh = self.copy.with_extension("again");
                fs::copy(&self.copy, &fresh).expect("room");
                fs::rename(&fresh, self.path).expect("the same file system");
            }
            What::Foreign => {
                let fresh = self.copy.with_extension("foreign");
                fs::write(&fresh, "Dear diary, today I met alice.").expect("room");
                fs::rename(&fresh, self.path).expect("the same file system");
            }
            What::NoRights => self.rights(0o500),
            What::Calls { .. } | What::Locked | What::Limited => {
                unreachable!("done by others than the meddler")
            }
        }
    }

    /// Takes back what can be taken back.
    pub fn mend(&self, what: What) {
        if what == What::NoRights {
            self.rights(0o700);
        }
    }

    fn rights(&self, mode: u32) {
        let folder = self.path.parent().expect("it lies in a folder");
        fs::set_permissions(folder, Permissions::from_mode(mode)).expect("our own folder");
    }

    fn files(&self) -> Vec<PathBuf> {
        let folder = self.path.parent().expect("it lies in a folder");
        let name = self.path.file_name().expect("a name").as_encoded_bytes();
        let files = fs::read_dir(folder).expect("our own folder");
        files
            .filter_map(|file| Some(file.ok()?.path()))
            .filter(|file| {
                file.file_name()
                    .is_some_and(|it| it.as_encoded_bytes().starts_with(name))
            })
            .collect()
    }
}

/// Whether a folder without rights keeps this user from writing; the superuser is kept from nothing.
pub(super) fn rights_matter() -> bool {
    let folder = tempfile::tempdir().expect("a folder to work in");
    let closed = Permissions::from_mode(0o500);
    fs::set_permissions(folder.path(), closed).expect("our own folder");
    let written = fs::write(folder.path().join("a"), "").is_ok();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).expect("our own folder");
    !written
}

fn remove(file: &Path) {
    let _ = fs::remove_file(file); // somebody else may have been faster
}
