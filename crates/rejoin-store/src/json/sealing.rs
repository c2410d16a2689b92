//! The seal of a file: found whatever has become of it, and changed for another.

use std::{io, path::Path};

use super::{
    JsonStore, LAST_GOOD,
    document::{self, Flaw},
    read,
};
use crate::{
    Mode, Notice, SealKey, StoreError, carve, durable,
    lock::Lock,
    seal::header::{Header, VERSION},
};

/// The seals that the file at `path` has or, if it is damaged or gone, may have had; none if it is
/// not sealed.
pub(super) fn headers(path: &Path) -> Result<Vec<Header>, StoreError> {
    let bytes = read_all(path)?;
    let mut found = Vec::new();
    if document::names_itself(&bytes) {
        if !document::mentions_seal(&bytes) {
            return Ok(found);
        }
        match document::header(&bytes) {
            Ok(header) => return Ok(header.into_iter().collect()),
            Err(Flaw::TooNew(version)) => {
                return Err(StoreError::TooNew {
                    path: path.to_owned(),
                    found: version,
                    known: document::VERSION.max(VERSION),
                });
            }
            Err(Flaw::Damaged(_) | Flaw::Foreign | Flaw::OtherSeal) => {}
        }
    }
    carve::headers(&bytes, &mut found);
    let copy = durable::beside(path, LAST_GOOD);
    carve::headers(&read_all(&copy)?, &mut found);
    Ok(found)
}

/// What of the store at `path` is sealed.
pub(crate) fn mode_of(path: &Path) -> Result<Mode, StoreError> {
    Ok(crate::seal::mode_of(&headers(path)?))
}

fn read_all(path: &Path) -> Result<Vec<u8>, StoreError> {
    match read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        result => result.map_err(StoreError::file("read", path)),
    }
}

impl JsonStore {
    /// What is sealed.
    pub(crate) fn mode(&self) -> Mode {
        self.seal.mode()
    }

    pub(super) fn resealed(&self) -> StoreError {
        let path = self.path.clone();
        StoreError::Resealed { path }
    }

    /// Makes sure that what is damaged is not of another seal than ours, or it would be taken for lost.
    pub(super) fn check_seal(&self) -> Result<(), StoreError> {
        match self.seal.may_be_among(&headers(&self.path)?) {
            true => Ok(()),
            false => Err(self.resealed()),
        }
    }

    /// Seals the file in this way and with this key, whatever it was sealed with before.
    pub(crate) fn reseal(&mut self, mode: Mode, key: &SealKey) -> Result<(), StoreError> {
        let new = self.seal.made_anew(mode, key, &self.path)?;
        let lock = Lock::take(&self.path)?;
        self.load(&lock)?;
        let mut document = self.document.clone();
        document.edition = document.edition.next();
        let from = self.seal.mode();
        if mode != from {
            document.unseal();
        }
        let old = std::mem::replace(&mut self.seal, new);
        self.stamp = None;
        if let Err(error) = self.write_over(&mut document) {
            self.seal = old;
            return Err(error);
        }
        let (path, peers) = (self.path.clone(), document.shelf.peers.len());
        self.document = document;
        self.stamp = super::stamp(&self.path);
        if mode != from && peers > 0 {
            self.notices.push(Notice::Sealed {
                path,
                from,
                to: mode,
                peers,
                lost: 0,
            });
        }
        // Sealed with the old key is not sealed any more; and of secrets there were none in the open.
        if mode == Mode::All || mode == from {
            let paths = durable::set_aside(&self.path)?;
            if !paths.is_empty() {
                self.notices.push(Notice::InTheOpen { paths });
            }
        }
        Ok(())
    }
}
