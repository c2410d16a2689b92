//! Sealing: what of a store only who has the key can read. Here is who may open it and what becomes
//! of that; how a seal looks is in `header`, where the user's key comes from in `key`, what is
//! written under a seal in `text`. Touches no disk but to read a key file.
//!
//! A store has one key of its own, drawn once. The user's key only wraps that one, so another
//! passphrase means another wrapping and not another store.

mod bytes;
pub(crate) mod header;
mod key;
mod parcel;
mod text;

use std::{borrow::Cow, fmt, path::Path};

use rejoin_core::{Changes, PeerDelta, PeerSecret};
use serde::{Deserialize, Serialize};

pub(crate) use self::text::{is_envelope, json};
use self::{
    bytes::KeyBytes,
    header::{COST, Chance, Header},
    text::Keys,
};
pub use self::{
    key::{KeyError, SealKey},
    parcel::{is_sealed_text, open_text, seal_text},
};
use crate::StoreError;

/// How a store is to be sealed, and with what.
#[derive(Clone, Debug)]
pub struct Sealing {
    /// What is sealed.
    pub mode: Mode,
    /// What opens it.
    pub key: SealKey,
}

/// What of a store is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Nothing. A secret is then not written at all.
    Off,
    /// The secrets of peers, so that everything else stays readable with any tool.
    Secrets,
    /// Everything but how many peers there are, of which rank, and how large their records are.
    All,
}

/// What a store with one of these seals has sealed; a damaged one may show older ones.
pub(crate) fn mode_of(headers: &[Header]) -> Mode {
    let modes = headers.iter().map(|header| header.mode);
    match modes.clone().any(|mode| mode == Mode::All) {
        true => Mode::All,
        false => modes.into_iter().next().unwrap_or(Mode::Off),
    }
}

/// The seal of one store, as far as we can open it.
pub(crate) struct Seal {
    header: Option<Header>,
    /// `None` if there is no seal, or we have no key to it.
    keys: Option<Keys>,
}

impl Seal {
    /// No seal at all.
    pub(crate) fn none() -> Self {
        Self {
            header: None,
            keys: None,
        }
    }

    /// Opens the store at `path` that has one of these seals; a sound store has at most one, a damaged
    /// one may show older ones.
    pub(crate) fn open(
        headers: Vec<Header>,
        key: Option<&SealKey>,
        path: &Path,
    ) -> Result<Self, StoreError> {
        let Some(key) = key else {
            if mode_of(&headers) == Mode::All {
                return Err(StoreError::Sealed { path: path.into() });
            }
            return Ok(Self {
                header: headers.into_iter().next(),
                keys: None,
            });
        };
        let material = key.material(Some(path))?;
        let Some(first) = headers.first() else {
            return Ok(Self::none());
        };
        let takes = first.takes();
        let opened = headers.into_iter().find_map(|header| {
            let data_key = header.unwrap(&material)?;
            Some(Self {
                keys: Some(Keys::of(data_key)),
                header: Some(header),
            })
        });
        opened.ok_or_else(|| StoreError::WrongKey {
            path: path.into(),
            takes,
        })
    }

    /// Another seal for the same store: with a new key of the store's own where there was none, and with
    /// the same one where there was.
    pub(crate) fn made_anew(
        &self,
        mode: Mode,
        key: &SealKey,
        path: &Path,
    ) -> Result<Self, StoreError> {
        if mode == Mode::Off {
            return Ok(Self::none());
        }
        let data_key = match &self.keys {
            Some(keys) => keys.data_key(),
            None => bytes::random_key()?,
        };
        let material = key.material(Some(path))?;
        let chance = Chance {
            salt: bytes::random()?,
            nonce: bytes::random()?,
        };
        Ok(Self {
            header: Some(Header::wrap(mode, &material, COST, &data_key, chance)),
            keys: Some(Keys::of(data_key)),
        })
    }

    /// Whether a store that shows these seals can be one of ours: a damaged one may show none any more.
    pub(crate) fn may_be_among(&self, found: &[Header]) -> bool {
        match &self.header {
            Some(ours) => found.is_empty() || found.contains(ours),
            None => found.is_empty(),
        }
    }

    pub(crate) fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    pub(crate) fn mode(&self) -> Mode {
        self.header.as_ref().map_or(Mode::Off, |header| header.mode)
    }

    /// Whether everything is sealed.
    pub(crate) fn is_whole(&self) -> bool {
        self.mode() == Mode::All
    }

    /// These changes without the secrets that could not be sealed; borrowed if there are none.
    pub(crate) fn writable<'a>(&self, changes: &'a Changes) -> Cow<'a, Changes> {
        let is_open =
            |delta: &PeerDelta| matches!(delta.record.notes.secret, Some(PeerSecret::Open(_)));
        if self.keys.is_some() || !changes.peers.iter().any(is_open) {
            return Cow::Borrowed(changes);
        }
        let mut writable = changes.clone();
        for delta in writable.peers.iter_mut().filter(|delta| is_open(delta)) {
            delta.record.notes.secret = None;
        }
        Cow::Owned(writable)
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let opened = if self.keys.is_some() { ", opened" } else { "" };
        write!(f, "Seal({:?}{opened})", self.mode())
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "unsealed",
            Self::Secrets => "sealed in its secrets",
            Self::All => "sealed as a whole",
        })
    }
}
