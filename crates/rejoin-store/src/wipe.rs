//! All of a store removed: the file, its copies and logs, and the damaged ones that were kept.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{Place, StoreError, durable, lock::Lock};

/// Removes every file of the store that `url` names, also those set aside as damaged, and says which.
///
/// What was in them is gone for whoever reads files; what a disk keeps of removed ones is beyond a
/// program's reach, so keep memories that must not be found sealed from the beginning. No program may
/// have the store open: one that has would write back what it knows.
///
/// # Errors
/// If `url` names no place, another process uses the store, or a file cannot be removed. The others
/// are removed all the same.
pub fn wipe(url: &str) -> Result<Vec<PathBuf>, StoreError> {
    let path = match url.parse()? {
        Place::Memory => return Ok(Vec::new()),
        Place::Sqlite(path) | Place::Json(path) => path,
    };
    let path = std::path::absolute(&path).map_err(StoreError::file("find", &path))?;
    let mut removed = Vec::new();
    if !durable::exists(durable::folder(&path))? {
        return Ok(removed);
    }
    let path = durable::settle(path)?;
    let lock = Lock::take(&path)?;
    let mut first_error = None;
    for file in files_of(&path)? {
        match durable::remove(&file) {
            Ok(()) => removed.push(file),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    durable::remove(&durable::beside(&path, ".lock"))?;
    drop(lock);
    durable::sync_folder(&path)?;
    first_error.map_or(Ok(removed), Err)
}

fn files_of(path: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let folder = durable::folder(path);
    let failed = |error| StoreError::file("look into", folder)(error);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        if is_of(path, &file) {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn is_of(path: &Path, file: &Path) -> bool {
    let (Some(name), Some(file)) = (path.file_name(), file.file_name()) else {
        return false;
    };
    let rest = file
        .as_encoded_bytes()
        .strip_prefix(name.as_encoded_bytes());
    rest.is_some_and(|rest| {
        rest.is_empty()
            || EXACTLY.iter().any(|suffix| rest == suffix.as_bytes())
            || BEGINNINGS
                .iter()
                .any(|suffix| rest.starts_with(suffix.as_bytes()))
    })
}

/// What a store puts behind its name.
const EXACTLY: [&str; 4] = ["-wal", "-shm", "-journal", ".new"];

/// The same where more may follow.
const BEGINNINGS: [&str; 5] = [
    ".last-good",
    ".damaged-",
    ".salvage",
    ".rebuilding",
    ".rebuilt",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_belongs_to_a_store_is_taken_for_its_own() {
        for (file, expected) in [
            ("peers.db", true),
            ("peers.db-wal", true),
            ("peers.db-shm", true),
            ("peers.db-journal", true),
            ("peers.db.new", true),
            ("peers.db.last-good", true),
            ("peers.db.last-good.new", true),
            ("peers.db.last-good.salvage-wal", true),
            ("peers.db.damaged-1720000000000-wal", true),
            ("peers.db.rebuilding-journal", true),
            ("peers.db.lock", false), // held, and removed last
            ("peers.db.news", false),
            ("peers.db.bak", false),
            ("peers.db2", false),
            ("peers", false),
            ("other", false),
        ] {
            let is_ours = is_of(Path::new("/a/peers.db"), &Path::new("/a").join(file));
            assert_eq!(is_ours, expected, "{file}");
        }
    }
}
