//! The shelf: peer records in, peer records out, on SQLite, in one JSON file or in memory. What is
//! worth keeping, and how two views of one peer join, is decided in `rejoin-core`; here it is only
//! kept safe: written whole or not at all, shared by several processes, and saved from damage.

mod carve;
mod durable;
mod error;
mod json;
mod lock;
mod memory;
mod notice;
mod place;
mod seal;
mod shelf;
mod sqlite;
mod wipe;
pub mod writer;

use std::{fmt, slice};

use rejoin_core::{Changes, Memory, PeerKey, PeerRecord, Pool, Ranked, Recall, Recalled, Time};

use self::sqlite::Look;

pub use error::{Retry, StoreError};
pub use json::JSON_BYTES_MAX;
pub use notice::{Notice, Repairs};
pub use place::Place;
pub use seal::{KeyError, Mode, SealKey, Sealing, is_sealed_text, open_text, seal_text};
pub use wipe::wipe;

/// Where the memory lies between two runs.
///
/// All methods block on the disk, so they belong on a thread that may wait. A store that fails is
/// not broken: what it held is still there, and the same call may be made again (see
/// [`StoreError::retry`]).
pub trait PeerStore: fmt::Debug {
    /// What is remembered beside the peers; `None` before it was first saved.
    ///
    /// # Errors
    /// If the place cannot be read.
    fn memory(&mut self) -> Result<Option<Memory>, StoreError>;

    /// At most `k` peers to begin with: anchors first, then the proven, then hearsay, each by
    /// falling rank and equals by key. Costs O(k) on SQLite.
    ///
    /// # Errors
    /// If the place cannot be read.
    fn best(&mut self, k: usize) -> Result<Vec<PeerRecord>, StoreError>;

    /// The next peers of a pool by falling rank, equals in order of key, beginning behind `after`, and
    /// where they go on. Costs O(limit) on SQLite.
    ///
    /// # Errors
    /// If the place cannot be read.
    fn ranked(
        &mut self,
        pool: Pool,
        after: Option<&Ranked>,
        limit: usize,
    ) -> Result<Recalled, StoreError>;

    /// The last of the proven in that order, the very last first. Costs O(limit) on SQLite.
    ///
    /// # Errors
    /// If the place cannot be read.
    fn worst(&mut self, limit: usize) -> Result<Vec<PeerRecord>, StoreError>;

    /// These peers, as far as they are there.
    ///
    /// # Errors
    /// If the place cannot be read.
    fn find(&mut self, keys: &[PeerKey]) -> Result<Vec<PeerRecord>, StoreError>;

    /// Whom the engine asks for.
    ///
    /// # Errors
    /// If the place cannot be read.
    fn recall(&mut self, whom: &Recall) -> Result<Recalled, StoreError> {
        match whom {
            Recall::Peers(keys) => self.find(keys).map(Recalled::from),
            Recall::Best { after, count } => self.ranked(Pool::Proven, after.as_ref(), *count),
            Recall::Worst(count) => self.worst(*count).map(Recalled::from),
        }
    }

    /// One peer.
    ///
    /// # Errors
    /// If the place cannot be read.
    fn get(&mut self, key: &PeerKey) -> Result<Option<PeerRecord>, StoreError> {
        Ok(self.find(slice::from_ref(key))?.pop())
    }

    /// The next peers in the order of their keys, beginning behind `after`. Fewer than `limit` means
    /// that there are no more.
    ///
    /// # Errors
    /// If the place cannot be read.
    fn scan(
        &mut self,
        after: Option<&PeerKey>,
        limit: usize,
    ) -> Result<Vec<PeerRecord>, StoreError>;

    /// Goes through all peers in the order in which they lie there, the fastest way through: at most `limit`
    /// at a time, from 0 on and then from where the last page says, until one says `None`. Of a place
    /// that changes meanwhile a few may be missed or come twice.
    ///
    /// # Errors
    /// If the place cannot be read.
    fn browse(
        &mut self,
        from: u64,
        limit: usize,
    ) -> Result<(Vec<PeerRecord>, Option<u64>), StoreError>;

    /// How many peers there are; those whose record cannot be read are among them. Costs O(n) on SQLite.
    ///
    /// # Errors
    /// If the place cannot be read.
    fn count(&mut self) -> Result<usize, StoreError>;

    /// A number that there are no more peers than, often the right one, found without counting them.
    ///
    /// # Errors
    /// If the place cannot be read.
    fn count_at_most(&mut self) -> Result<usize, StoreError> {
        self.count()
    }

    /// Joins `changes` with what is saved, whoever saved it: all of them or none. Once this returns
    /// they survive a crash and a power cut. Changes that change nothing write nothing.
    ///
    /// `now` is the time of the changes; saved times ahead of it are set to it, here and in later
    /// reads.
    ///
    /// # Errors
    /// If the place is full, locked for too long, or cannot be written. Then nothing has changed,
    /// and the same changes may be committed again.
    fn commit(&mut self, changes: &Changes, now: Time) -> Result<(), StoreError>;

    /// Looks for the damage that [`open_for_start`] has left for later, and mends it. Finds nothing
    /// otherwise, and costs nothing then.
    ///
    /// # Errors
    /// If the place cannot be read, or not be mended.
    fn check(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// What had to be mended in the values read so far.
    fn repairs(&self) -> Repairs;

    /// What has been found wrong since opening, or since last asked.
    fn take_notices(&mut self) -> Vec<Notice>;

    /// Lets go of the place. Everything committed is already safe.
    ///
    /// # Errors
    /// If the last tidying up failed; nothing is lost by that.
    fn close(self: Box<Self>) -> Result<(), StoreError>;
}

/// A store ready for use, and what was found on the way.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Box<dyn PeerStore + Send>,
    /// What the user should know: a new file, a damaged one, what could be saved from it.
    pub notice: Vec<Notice>,
}

/// Opens the store that `url` names: `sqlite:PATH`, `json:PATH` or `memory:`.
///
/// A missing, empty, damaged or foreign file is no reason to stop: the old one is kept beside under
/// a name that ends in `.damaged-` and `now` in milliseconds, every record that still checks out is
/// carried over, and the notices tell so.
///
/// # Errors
/// If `url` has another form, the place cannot be read or written at all, the file was written by a
/// newer version, or all of it is sealed. The file is then left as it was.
pub fn open(url: &str, now: Time) -> Result<Opened, StoreError> {
    open_with(url, None, Look::Close, now)
}

/// As [`open`], with the key to a sealed store, which is then sealed as `sealing` has it: a store that
/// was not is, and one that was sealed in another way is converted. Where a copy in the open is left
/// behind, a notice tells of it.
///
/// # Errors
/// As [`open`], or if the key is of no use or not the one the store was sealed with.
pub fn open_sealed(url: &str, sealing: &Sealing, now: Time) -> Result<Opened, StoreError> {
    open_with(url, Some(sealing), Look::Close, now)
}

/// As [`open`] and [`open_sealed`], for a program that has to be among its peers again at once: the look
/// over all of a small database, some fifteen milliseconds with ten thousand peers, is left to
/// [`PeerStore::check`]. A [`Writer`](writer::Writer) begins with that.
///
/// # Errors
/// As [`open_sealed`].
pub fn open_for_start(
    url: &str,
    sealing: Option<&Sealing>,
    now: Time,
) -> Result<Opened, StoreError> {
    open_with(url, sealing, Look::Glance, now)
}

/// What of the store at `url` is sealed. Takes no key; a store that is not there is not sealed.
///
/// # Errors
/// If `url` has another form, or the place cannot be read.
pub fn mode(url: &str) -> Result<Mode, StoreError> {
    match url.parse()? {
        Place::Memory => Ok(Mode::Off),
        Place::Json(path) => json::sealing::mode_of(&path),
        Place::Sqlite(path) => sqlite::sealing::mode_of(&path),
    }
}

/// Has another key open a sealed store. What is in it stays as it is: only the store's own key is
/// wrapped anew. A process that has the store open must open it again. Files set aside as damaged
/// still open with the old key, which the notices tell.
///
/// # Errors
/// As [`open_sealed`], or if the store is not sealed.
pub fn rekey(
    url: &str,
    old: &SealKey,
    new: &SealKey,
    now: Time,
) -> Result<Vec<Notice>, StoreError> {
    match url.parse()? {
        Place::Memory => Err(StoreError::NotSealed { path: url.into() }),
        Place::Json(path) => {
            let mut store = json::JsonStore::open(path.clone(), Some(old), now)?;
            if store.mode() == Mode::Off {
                return Err(StoreError::NotSealed { path });
            }
            store.reseal(store.mode(), new)?;
            Ok(store.take_notices())
        }
        Place::Sqlite(path) => {
            let mut store = sqlite::SqliteStore::open(path.clone(), Some(old), Look::Close, now)?;
            if store.mode() == Mode::Off {
                return Err(StoreError::NotSealed { path });
            }
            store.reseal(store.mode(), new)?;
            let notices = store.take_notices();
            Box::new(store).close()?;
            Ok(notices)
        }
    }
}

fn open_with(
    url: &str,
    sealing: Option<&Sealing>,
    look: Look,
    now: Time,
) -> Result<Opened, StoreError> {
    let key = sealing.map(|sealing| &sealing.key);
    Ok(match url.parse()? {
        Place::Memory => Opened::of(memory::MemoryStore::new(now)),
        Place::Json(path) => {
            let mut store = json::JsonStore::open(path, key, now)?;
            if let Some((mode, key)) = differing(sealing, store.mode()) {
                store.reseal(mode, key)?;
            }
            Opened::of(store)
        }
        Place::Sqlite(path) => {
            let mut store = sqlite::SqliteStore::open(path, key, look, now)?;
            if let Some((mode, key)) = differing(sealing, store.mode()) {
                store.check()?;
                store.reseal(mode, key)?;
            }
            Opened::of(store)
        }
    })
}

/// How a store is to be sealed, if not as it is.
fn differing(sealing: Option<&Sealing>, is: Mode) -> Option<(Mode, &SealKey)> {
    let sealing = sealing.filter(|sealing| sealing.mode != is)?;
    Some((sealing.mode, &sealing.key))
}

impl Opened {
    fn of(mut store: impl PeerStore + Send + 'static) -> Self {
        Self {
            notice: store.take_notices(),
            store: Box::new(store),
        }
    }
}
