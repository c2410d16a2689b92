//! What the user opens a sealed store with: a passphrase, a file, or a key the program holds. None of
//! them seals anything itself; each only wraps the store's own key.

use std::{
    fmt,
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::bytes::{KEY_BYTES, KeyBytes, random_key};
use crate::durable;

/// The key to a sealed store. Overwritten in memory when dropped, and shown nowhere.
#[derive(Clone)]
pub struct SealKey(Kind);

#[derive(Clone)]
enum Kind {
    Passphrase(Zeroizing<String>),
    File(PathBuf),
    Raw(KeyBytes),
}

/// A key as the wrapping needs it.
pub(crate) enum KeyMaterial<'a> {
    /// Guessable, so every guess is made costly.
    Passphrase(&'a [u8]),
    /// Nobody guesses it.
    Random(KeyBytes),
}

/// Why a key is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Anybody would guess it.
    #[error("the passphrase is empty; choose one, or keep the store unsealed")]
    EmptyPassphrase,
    /// The file cannot be read or made.
    #[error(
        "cannot {doing} the key file {}: {source}; what an old key sealed no new one opens, so look \
         for the old one first",
        path.display()
    )]
    File {
        /// What was being done.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It is no key.
    #[error(
        "{} holds no key: a key file is {KEY_BYTES} random bytes; name the right file",
        path.display()
    )]
    NoKey {
        /// Which file.
        path: PathBuf,
    },
    /// Whoever else has an account here has the key.
    #[error(
        "the key file {} can be read by others (mode {mode:o}); take that right from them, and if \
         somebody may have used it, seal the store with a new key",
        path.display()
    )]
    Public {
        /// Which file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Whoever copies the folder has both.
    #[error(
        "the key file {} lies in the same folder as the store it opens, so whoever gets the one \
         gets the other; move it elsewhere",
        path.display()
    )]
    BesideStore {
        /// Which file.
        path: PathBuf,
    },
}

impl SealKey {
    /// A passphrase. Every try to open the store with it costs 64 MiB and some tenths of a second.
    pub fn passphrase(text: impl Into<String>) -> Self {
        Self(Kind::Passphrase(Zeroizing::new(text.into())))
    }

    /// A file of 32 random bytes, readable by its owner only and not in the folder of the store. See
    /// [`Self::create_file`].
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Kind::File(path.into()))
    }

    /// A key the program keeps somewhere safe, such as the system's keyring: 32 random bytes.
    pub fn raw(key: [u8; KEY_BYTES]) -> Self {
        Self(Kind::Raw(Zeroizing::new(key)))
    }

    /// Makes a new key file. Never replaces one.
    ///
    /// # Errors
    /// If something is there already, or it cannot be written.
    pub fn create_file(path: &Path) -> Result<(), KeyError> {
        let create = || {
            let key = random_key().map_err(io::Error::from)?;
            let mut file = private().create_new(true).open(path)?;
            file.write_all(&*key)?;
            file.sync_all()
        };
        create().map_err(file_error("create", path))?;
        // A key the next power cut takes away would take the whole memory with it.
        durable::sync_folder(path)
            .map_err(|error| file_error("make durable", path)(io::Error::other(error.to_string())))
    }

    /// The key itself, to be used for the store at `store`, if it has a place.
    pub(super) fn material(&self, store: Option<&Path>) -> Result<KeyMaterial<'_>, KeyError> {
        Ok(match &self.0 {
            Kind::Passphrase(text) if text.is_empty() => return Err(KeyError::EmptyPassphrase),
            Kind::Passphrase(text) => KeyMaterial::Passphrase(text.as_bytes()),
            Kind::File(path) => KeyMaterial::Random(read(path, store)?),
            Kind::Raw(key) => KeyMaterial::Random(key.clone()),
        })
    }
}

fn read(path: &Path, store: Option<&Path>) -> Result<KeyBytes, KeyError> {
    // Where the file really is, whatever links lead there.
    let real = path.canonicalize().map_err(file_error("find", path))?;
    let folder = store.and_then(|store| store.parent()?.canonicalize().ok());
    if folder.is_some() && real.parent() == folder.as_deref() {
        return Err(KeyError::BesideStore { path: path.into() });
    }
    let mut file = File::open(&real).map_err(file_error("open", path))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let held = file.metadata().map_err(file_error("read", path))?;
        let mode = held.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let path = path.into();
            return Err(KeyError::Public { path, mode });
        }
    }
    let mut key = KeyBytes::default();
    let no_key = || KeyError::NoKey { path: path.into() };
    match file.read_exact(&mut *key) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(no_key()),
        result => result.map_err(file_error("read", path))?,
    }
    match file.read(&mut [0]) {
        Ok(0) => Ok(key),
        Ok(_) => Err(no_key()),
        Err(error) => Err(file_error("read", path)(error)),
    }
}

fn private() -> std::fs::OpenOptions {
    let mut options = File::options();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn file_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeyError {
    let path = path.to_owned();
    move |source| KeyError::File {
        doing,
        path,
        source,
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Passphrase(_) => f.write_str("a passphrase"),
            Kind::File(path) => write!(f, "the key file {}", path.display()),
            Kind::Raw(_) => f.write_str("a key in memory"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A folder for keys and one for stores.
    fn places() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let (keys, stores) = (folder.path().join("keys"), folder.path().join("stores"));
        fs::create_dir(&keys).unwrap();
        fs::create_dir(&stores).unwrap();
        (folder, keys.join("key"), stores.join("peers.db"))
    }

    #[track_caller]
    fn refused(path: &Path, store: &Path, words: &str) {
        let key = SealKey::file(path);
        let Err(error) = key.material(Some(store)) else {
            panic!("{} was taken", path.display());
        };
        assert!(error.to_string().contains(words), "{error}");
    }

    #[test]
    fn a_new_key_file_is_private_random_and_never_replaced() {
        let (_folder, path, store) = places();
        SealKey::create_file(&path).unwrap();
        let bytes = fs::read(&path).unwrap();
        assert_eq!(bytes.len(), KEY_BYTES);
        assert_ne!(bytes, [0; KEY_BYTES]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert!(SealKey::create_file(&path).is_err());
        assert_eq!(fs::read(&path).unwrap(), bytes);
        let key = SealKey::file(&path);
        let Ok(KeyMaterial::Random(read)) = key.material(Some(&store)) else {
            panic!("not read");
        };
        assert_eq!(read[..], bytes);
    }

    #[test]
    fn mistake_23_the_encryption_key_beside_the_ciphertext() {
        let (_folder, path, store) = places();
        SealKey::create_file(&path).unwrap();
        let beside = store.with_file_name("key");
        fs::copy(&path, &beside).unwrap();
        refused(&beside, &store, "same folder");
        // Not by a detour either.
        let detour = path.parent().unwrap().join("../stores/key");
        refused(&detour, &store, "same folder");
        #[cfg(unix)]
        {
            let link = path.with_file_name("link");
            std::os::unix::fs::symlink(&beside, &link).unwrap();
            refused(&link, &store, "same folder");
        }
        assert!(SealKey::file(&path).material(Some(&store)).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn a_key_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let (_folder, path, store) = places();
        SealKey::create_file(&path).unwrap();
        for mode in [0o640, 0o604, 0o666] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            refused(&path, &store, &format!("mode {mode:o}"));
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let (_folder, path, store) = places();
        refused(&path, &store, "look for the old one first");
        let mut file = private().create(true).open(&path).unwrap();
        refused(&path, &store, "32 random bytes");
        file.write_all(&[1; KEY_BYTES + 1]).unwrap();
        refused(&path, &store, "32 random bytes");
        let empty = SealKey::passphrase("").material(None).err().unwrap();
        assert!(empty.to_string().contains("choose one"));
    }

    #[test]
    fn no_key_is_shown() {
        for key in [SealKey::passphrase("AAAA"), SealKey::raw([65; KEY_BYTES])] {
            let shown = format!("{key:?}{key:#?}");
            assert!(!shown.contains("AA") && !shown.contains("65"), "{shown}");
        }
    }
}
