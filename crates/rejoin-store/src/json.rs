//! The `json:` store: one file a person can read, replaced as a whole. Every commit reads, joins and
//! writes under one lock, so its cost grows with the memory; past some thousand peers `sqlite:` is
//! the better place.

mod document;
mod edition;
pub(crate) mod sealing;

use std::{
    borrow::Cow,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    time::SystemTime,
};

use rejoin_core::{Changes, Memory, PeerKey, PeerRecord, Pool, Ranked, Recalled, Time};

use self::{
    document::{Document, Flaw, VERSION},
    edition::Edition,
};
use crate::{
    Notice, PeerStore, Repairs, SealKey, StoreError,
    carve::{Carved, carve},
    durable::{self, Identity},
    lock::Lock,
    seal::Seal,
    shelf::Shelf,
};

/// How large a JSON file may be, in bytes: some 200,000 peers. It is read into memory as a whole.
pub const JSON_BYTES_MAX: usize = 256 << 20;

#[derive(Debug)]
pub(crate) struct JsonStore {
    path: PathBuf,
    /// What the file held when it last looked like `stamp`.
    document: Document,
    stamp: Option<Stamp>,
    /// What we have last saved, and what that made of the file.
    last: Option<(Edition, Changes)>,
    seal: Seal,
    /// The file was replaced, but its folder could not be flushed.
    unflushed: bool,
    now: Time,
    repairs: Repairs,
    notices: Vec<Notice>,
    /// That secrets are not kept has been said once.
    told_of_secrets: bool,
}

/// By what a file that has been replaced is recognised. Good enough for reads; a commit always reads
/// the file again.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stamp {
    file: Identity,
    bytes: u64,
    modified: Option<SystemTime>,
}

/// What lies at the path.
enum Found {
    Nothing { existed: bool },
    Sound(Document),
    OtherSeal,
    Foreign { why: &'static str },
    Damaged { why: String, carved: Carved },
}

impl JsonStore {
    pub(crate) fn open(
        path: PathBuf,
        key: Option<&SealKey>,
        now: Time,
    ) -> Result<Self, StoreError> {
        let path = durable::settle(path)?;
        let headers = {
            let _lock = Lock::take(&path)?;
            sealing::headers(&path)?
        };
        let mut store = Self {
            // Without the lock: a passphrase takes its time, and others wait only so long.
            seal: Seal::open(headers, key, &path)?,
            path,
            document: Document::default(),
            stamp: None,
            last: None,
            unflushed: false,
            now,
            repairs: Repairs::default(),
            notices: Vec::new(),
            told_of_secrets: false,
        };
        let lock = Lock::take(&store.path)?;
        store.load(&lock)?;
        Ok(store)
    }

    /// Takes in what the file holds, under the lock; if it is not a sound one, puts a sound one in its place.
    fn load(&mut self, _held: &Lock) -> Result<(), StoreError> {
        match examine(&self.path, &self.seal)? {
            Found::OtherSeal => return Err(self.resealed()),
            Found::Sound(document) => self.follow(document)?,
            Found::Nothing { existed } => self.begin(existed)?,
            Found::Foreign { why } => {
                let (path, kept) = (self.path.clone(), self.set_aside()?);
                self.notices.push(Notice::Foreign {
                    path,
                    kept,
                    why: why.into(),
                });
                self.begin(true)?;
            }
            Found::Damaged { why, carved } => self.salvage(why, carved)?,
        }
        self.stamp = stamp(&self.path);
        Ok(())
    }

    /// Nothing is there: begins anew, unless something is left of what was.
    fn begin(&mut self, existed: bool) -> Result<(), StoreError> {
        let copy = last_good(&self.path, &self.seal)?.unwrap_or_default();
        let from = copy.head(&self.document);
        let peers = copy.shelf.peers.len();
        let (document, peers) = self.joined(&copy).unwrap_or((copy, peers));
        self.put(document, from)?;
        let path = self.path.clone();
        if !self.document.is_empty() {
            self.notices.push(Notice::Restored { path, peers });
        } else if self.notices.is_empty() {
            self.notices.push(match existed {
                true => Notice::Empty { path },
                false => Notice::Created { path },
            });
        }
        Ok(())
    }

    /// Takes in what the file holds, and writes back what it lacks.
    fn follow(&mut self, document: Document) -> Result<(), StoreError> {
        let Some((joined, peers)) = self.joined(&document) else {
            self.take_in(document);
            return Ok(());
        };
        self.put(joined, document.head(&self.document))?;
        let path = self.path.clone();
        self.notices.push(Notice::Restored { path, peers });
        Ok(())
    }

    /// A document together with what we know beside it, and how many peers that brought; `None` if that
    /// is nothing. If it does not follow from what we know, somebody has put an older copy in its
    /// place, or begun it anew without us.
    fn joined(&self, document: &Document) -> Option<(Document, usize)> {
        let held = &self.document;
        if held.is_empty() || document.follows(held.edition) {
            return None;
        }
        let mut joined = document.clone();
        let peers = match &self.last {
            // Added, where the larger of two counts would hide what others have counted since.
            Some((edition, changes))
                if *edition == held.edition && document.lacks_only(*edition) =>
            {
                joined.shelf.apply(changes, self.now);
                changes.peers.len()
            }
            _ => joined.complete(held.clone()),
        };
        (!joined.has_the_same(document)).then_some((joined, peers))
    }

    fn salvage(&mut self, why: String, carved: Carved) -> Result<(), StoreError> {
        self.check_seal()?;
        let lost = carved.lost;
        let mut document = Document::of(carved.shelf);
        let salvaged = document.shelf.peers.len();
        document.complete(last_good(&self.path, &self.seal)?.unwrap_or_default());
        document.complete(self.document.clone());
        let restored = document.shelf.peers.len() - salvaged;
        let kept = self.set_aside()?;
        // Of no whole state: whose last changes are in it, nobody can tell.
        self.put(document, None)?;
        self.notices.push(Notice::Damaged {
            path: self.path.clone(),
            kept,
            why,
            salvaged,
            restored,
            lost: lost.saturating_sub(restored),
        });
        Ok(())
    }

    /// Begins the file anew with this in it.
    fn put(&mut self, mut document: Document, from: Option<Edition>) -> Result<(), StoreError> {
        document.begun_from = from;
        document.edition = Edition {
            branch: getrandom::u32()?,
            generation: 1,
        };
        self.write(&mut document, None)?;
        self.take_in(document);
        Ok(())
    }

    fn take_in(&mut self, mut document: Document) {
        for record in document.shelf.peers.values() {
            self.repairs.note(record, self.now);
        }
        self.repairs.values += document.shelf.sanitise(self.now);
        self.document = document;
    }

    /// Keeps the file under another name; its own name stays until it is replaced.
    fn set_aside(&self) -> Result<PathBuf, StoreError> {
        let kept = durable::damaged_name(&self.path, self.now)?;
        durable::second_name(&self.path, &kept)?;
        Ok(kept)
    }

    fn text(&self, document: &mut Document) -> Result<Vec<u8>, StoreError> {
        let text = document.text(&self.seal)?;
        if text.len() > JSON_BYTES_MAX {
            return Err(StoreError::TooLarge {
                path: self.path.clone(),
                bytes: text.len(),
                limit: JSON_BYTES_MAX,
            });
        }
        Ok(text)
    }

    /// Once the file has its new content the change stands, so nothing that fails after that is an
    /// error: whoever is told of one commits the same counts again.
    fn write(&mut self, document: &mut Document, old: Option<&Path>) -> Result<(), StoreError> {
        durable::replace(&self.path, &self.text(document)?, old)?;
        self.flush();
        Ok(())
    }

    /// As [`Self::write`], and none of it is left in the last good copy.
    fn write_over(&mut self, document: &mut Document) -> Result<(), StoreError> {
        let text = self.text(document)?;
        durable::replace(&self.path, &text, None)?;
        self.flush();
        let copy = durable::beside(&self.path, LAST_GOOD);
        let replaced = durable::replace(&copy, &text, None).or_else(|_| durable::remove(&copy));
        if let Err(error) = replaced {
            let why = error.to_string();
            self.notices.push(Notice::Remains { path: copy, why });
        }
        Ok(())
    }

    fn flush(&mut self) {
        match durable::sync_folder(&self.path) {
            Ok(()) => self.unflushed = false,
            Err(_) if self.unflushed => {} // said before
            Err(error) => {
                self.unflushed = true;
                self.notices.push(Notice::Unflushed {
                    path: self.path.clone(),
                    why: error.to_string(),
                });
            }
        }
    }

    /// Looks again if another process has replaced the file.
    fn refresh(&mut self) -> Result<&Shelf, StoreError> {
        if stamp(&self.path) != self.stamp {
            let lock = Lock::take(&self.path)?;
            self.load(&lock)?;
        }
        Ok(&self.document.shelf)
    }
}

impl PeerStore for JsonStore {
    fn memory(&mut self) -> Result<Option<Memory>, StoreError> {
        Ok(self.refresh()?.memory.clone())
    }

    fn best(&mut self, k: usize) -> Result<Vec<PeerRecord>, StoreError> {
        Ok(self.refresh()?.best(k))
    }

    fn ranked(
        &mut self,
        pool: Pool,
        after: Option<&Ranked>,
        limit: usize,
    ) -> Result<Recalled, StoreError> {
        Ok(self.refresh()?.ranked(pool, after, limit))
    }

    fn worst(&mut self, limit: usize) -> Result<Vec<PeerRecord>, StoreError> {
        Ok(self.refresh()?.worst(limit))
    }

    fn find(&mut self, keys: &[PeerKey]) -> Result<Vec<PeerRecord>, StoreError> {
        Ok(self.refresh()?.find(keys))
    }

    fn scan(
        &mut self,
        after: Option<&PeerKey>,
        limit: usize,
    ) -> Result<Vec<PeerRecord>, StoreError> {
        Ok(self.refresh()?.scan(after, limit))
    }

    fn browse(
        &mut self,
        from: u64,
        limit: usize,
    ) -> Result<(Vec<PeerRecord>, Option<u64>), StoreError> {
        Ok(self.refresh()?.browse(from, limit))
    }

    fn count(&mut self) -> Result<usize, StoreError> {
        Ok(self.refresh()?.peers.len())
    }

    fn commit(&mut self, changes: &Changes, now: Time) -> Result<(), StoreError> {
        self.now = self.now.max(now);
        if changes.is_empty() {
            return Ok(());
        }
        let writable = self.seal.writable(changes);
        if matches!(writable, Cow::Owned(_)) && !self.told_of_secrets {
            self.told_of_secrets = true;
            self.notices.push(Notice::SecretsNotKept(self.path.clone()));
        }
        let lock = Lock::take(&self.path)?;
        self.load(&lock)?;
        // A copy: what could not be written is not what is known.
        let mut document = self.document.clone();
        if document.shelf.apply(&writable, self.now) {
            document.edition = document.edition.next();
            // Until this is written, what we hold is not what the file holds.
            self.stamp = None;
            if changes.forgotten.is_empty() {
                let old = durable::beside(&self.path, LAST_GOOD);
                self.write(&mut document, Some(&old))?;
            } else {
                self.write_over(&mut document)?;
            }
            self.last = Some((document.edition, writable.into_owned()));
        } else if self.unflushed {
            self.flush();
        }
        self.document = document;
        self.stamp = stamp(&self.path);
        Ok(())
    }

    fn repairs(&self) -> Repairs {
        self.repairs
    }

    fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}

fn examine(path: &Path, seal: &Seal) -> Result<Found, StoreError> {
    let bytes = match read(path) {
        Ok(bytes) if bytes.is_empty() => return Ok(Found::Nothing { existed: true }),
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Found::Nothing { existed: false });
        }
        Err(error) => return Err(StoreError::file("read", path)(error)),
    };
    let damaged = |why| {
        let carved = carve(&bytes, seal);
        let nothing = carved.shelf.is_empty() && carved.lost == 0;
        Ok(match nothing && !document::names_itself(&bytes) {
            true => Found::Foreign { why: "no JSON" },
            false => Found::Damaged { why, carved },
        })
    };
    if bytes.len() > JSON_BYTES_MAX {
        return damaged(format!("longer than {JSON_BYTES_MAX} bytes"));
    }
    match Document::parse(&bytes, seal) {
        Ok(document) => Ok(Found::Sound(document)),
        Err(Flaw::Foreign) => Ok(Found::Foreign {
            why: "JSON of another kind",
        }),
        Err(Flaw::OtherSeal) => Ok(Found::OtherSeal),
        Err(Flaw::Damaged(why)) => damaged(why),
        Err(Flaw::TooNew(found)) => Err(StoreError::TooNew {
            path: path.to_owned(),
            found,
            known: VERSION,
        }),
    }
}

/// What the copy beside the file gives, if there is one. One that cannot be read just now may be the only
/// one there is, so that is an error.
fn last_good(path: &Path, seal: &Seal) -> Result<Option<Document>, StoreError> {
    Ok(match examine(&durable::beside(path, LAST_GOOD), seal)? {
        Found::Sound(document) => Some(document),
        Found::Damaged { carved, .. } => Some(Document::of(carved.shelf)),
        Found::Nothing { .. } | Found::Foreign { .. } | Found::OtherSeal => None,
    })
}

/// At most one byte more than allowed, so that a longer file is noticed.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = JSON_BYTES_MAX as u64 + 1;
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some(Stamp {
        file: durable::number_of(&metadata),
        bytes: metadata.len(),
        modified: metadata.modified().ok(),
    })
}

/// What the file held before the last commit.
const LAST_GOOD: &str = ".last-good";
