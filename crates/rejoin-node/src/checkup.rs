//! What the doctor looks at: plain facts, and how those are gathered that lie on the disk. What they
//! mean is told in `diagnosis`.

use std::{
    fs::OpenOptions,
    path::{Path, PathBuf},
    time::SystemTime,
};

use libp2p::Multiaddr;
use rejoin::{PeerRecord, Status, Time};
use rejoin_store::Notice;

use crate::settings;

/// Everything that was seen.
#[derive(Clone, Debug, Default)]
pub struct Checkup {
    /// What the clock of this machine says.
    pub now: Time,
    /// When this program was built or installed: it cannot run before.
    pub program_from: Option<Time>,
    pub node: NodeState,
    pub memory: Memory,
    pub disk: Disk,
}

/// Whether a node runs.
#[derive(Clone, Debug, Default)]
pub enum NodeState {
    #[default]
    Stopped,
    /// It is there and does not answer.
    Silent {
        why: String,
    },
    Runs(Box<Running>),
}

/// What a running node knows of itself.
#[derive(Clone, Debug, Default)]
pub struct Running {
    pub status: Status,
    /// Where it listens, circuits among them.
    pub listening: Vec<Multiaddr>,
    /// Addresses at which it is known to be reached.
    pub external: Vec<Multiaddr>,
    pub router: Router,
    /// Connected peers that can try our addresses.
    pub testers: usize,
}

/// What the router said when it was asked, by UPnP, to let others in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Router {
    /// It is not to be asked, or there is nothing to be let in.
    #[default]
    NotAsked,
    /// The user forbade it.
    Forbidden,
    /// It has not answered yet.
    Asked,
    /// It lets others in.
    Opened,
    /// Nobody answers.
    Absent,
    /// It has no address on the internet itself: there is another router behind it.
    Shadowed,
}

/// The state of the memory.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Why it cannot be used, if it cannot.
    pub problem: Option<String>,
    /// What was found when it was opened.
    pub notices: Vec<Notice>,
    /// Peers with changes that are not saved.
    pub unsaved: usize,
    /// When something was last saved.
    pub saved: Option<Time>,
    /// Failed attempts to save in a row.
    pub failures: u32,
    /// The last moment it knows of.
    pub newest: Option<Time>,
    /// Values that made no sense and were put right.
    pub repaired: usize,
}

/// The state of the places where node and memory keep their files.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    /// The store's name.
    pub store: String,
    /// Nothing was ever kept here.
    pub empty: bool,
    /// The store keeps nothing beyond a run.
    pub forgets: bool,
    /// What cannot be written, and why.
    pub unwritable: Vec<(PathBuf, String)>,
    /// Bytes free for us where the store lies, if the system tells.
    pub free_bytes: Option<u64>,
}

/// The last moment any of these records knows of, its own waits aside.
pub fn newest<'a>(peers: impl IntoIterator<Item = &'a PeerRecord>) -> Option<Time> {
    let last = |record: &PeerRecord| {
        Some(record.first_seen)
            .max(record.last_seen)
            .max(record.last_connected)
    };
    peers.into_iter().filter_map(last).max()
}

/// When this program's file was last written; `None` if the system does not tell.
pub fn program_from() -> Option<Time> {
    let file = std::env::current_exe().ok()?;
    let since = file.metadata().ok()?.modified().ok()?;
    let since = since.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(Time::from_millis(u64::try_from(since.as_millis()).ok()?))
}

impl Disk {
    /// Looks, by writing a file and removing it. Creates no folder.
    pub fn look(place: &settings::Place) -> Self {
        let folder = place.folder.path();
        let store = match place.store.parse() {
            Ok(rejoin_store::Place::Sqlite(path) | rejoin_store::Place::Json(path)) => Some(path),
            Ok(rejoin_store::Place::Memory) | Err(_) => None,
        };
        let mut unwritable = Vec::new();
        let mut note = |path: &Path, written: std::io::Result<()>| {
            let known = |(known, _): &(PathBuf, String)| known == path;
            if let Err(error) = written
                && !unwritable.iter().any(known)
            {
                unwritable.push((path.into(), error.to_string()));
            }
        };
        note(folder, write_into(folder));
        let mut place_of_store = folder;
        if let Some(path) = &store {
            place_of_store = path.parent().unwrap_or(folder);
            let beside = write_into(place_of_store);
            // Where nothing can be written, the file is no trouble of its own.
            let file = if beside.is_ok() {
                write_to(path)
            } else {
                Ok(())
            };
            note(place_of_store, beside);
            note(path, file);
        }
        Self {
            store: place.store.clone(),
            empty: !exists(folder) && !store.as_deref().is_some_and(exists),
            forgets: store.is_none(),
            free_bytes: free_bytes(place_of_store),
            unwritable,
        }
    }
}

/// What is hidden from us is not missing.
fn exists(path: &Path) -> bool {
    path.try_exists().unwrap_or(true)
}

/// One that does not exist yet can be created when it is needed, or its parent is to blame.
fn write_into(folder: &Path) -> std::io::Result<()> {
    match folder.metadata() {
        Ok(found) if found.is_dir() => {
            let mut probe = tempfile::Builder::new();
            probe.prefix(".rejoin-doctor-").tempfile_in(folder)?.close()
        }
        Ok(_) => Err(std::io::ErrorKind::NotADirectory.into()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn write_to(file: &Path) -> std::io::Result<()> {
    match OpenOptions::new().append(true).open(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        opened => opened.map(drop),
    }
}

#[cfg(unix)]
fn free_bytes(folder: &Path) -> Option<u64> {
    let there = folder.ancestors().find(|it| it.exists())?;
    let disk = rustix::fs::statvfs(there).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
fn free_bytes(_: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::Folder;

    #[test]
    fn a_place_where_nothing_was_kept_is_empty_and_stays_so() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("alice");
        let disk = look(&folder, &folder.join("peers.db"));
        assert!(disk.empty && disk.unwritable.is_empty(), "{disk:?}");
        assert!(!folder.exists());
    }

    #[test]
    fn looking_leaves_nothing_behind() {
        let home = tempfile::tempdir().unwrap();
        let disk = look(home.path(), &home.path().join("peers.db"));
        assert!(!disk.empty && disk.unwritable.is_empty(), "{disk:?}");
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_in_the_place_of_a_folder_cannot_be_written_into() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        std::fs::write(&file, b"").unwrap();
        let disk = look(&file, &file.join("peers.db"));
        assert!(!disk.empty);
        let paths: Vec<_> = disk.unwritable.iter().map(|(path, _)| path).collect();
        assert_eq!(paths, [&file]);
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_without_the_right_to_write_is_noticed() {
        use std::os::unix::fs::PermissionsExt;
        let home = tempfile::tempdir().unwrap();
        let rights = |mode| std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(home.path(), rights(0o500)).unwrap();
        let disk = look(home.path(), &home.path().join("peers.db"));
        std::fs::set_permissions(home.path(), rights(0o700)).unwrap();
        if rustix::process::geteuid().is_root() {
            println!("skipped: root may write anywhere");
            return;
        }
        assert_eq!(disk.unwritable.len(), 1, "{disk:?}");
    }

    #[test]
    fn the_last_moment_is_the_last_of_all() {
        let record = |name: &str, seen| {
            let mut record = PeerRecord::new(name.parse().unwrap(), Time::from_millis(5));
            record.last_seen = Some(Time::from_millis(seen));
            record
        };
        let peers = [record("alice", 3), record("bob", 9)];
        assert_eq!(newest(&peers), Some(Time::from_millis(9)));
        assert_eq!(newest(&peers[..1]), Some(Time::from_millis(5)));
        assert_eq!(newest([]), None);
    }

    fn look(folder: &Path, store: &Path) -> Disk {
        Disk::look(&settings::Place {
            folder: Folder::at(folder.into()),
            store: format!("sqlite:{}", store.display()),
            seal: crate::sealing::SealWish::default(),
        })
    }
}
