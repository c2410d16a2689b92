//! A store that forgets everything with the process: for tests, and for a node whose disk fails.

use rejoin_core::{Changes, Memory, PeerKey, PeerRecord, Pool, Ranked, Recalled, Time};

use crate::{Notice, PeerStore, Repairs, StoreError, shelf::Shelf};

#[derive(Debug)]
pub(crate) struct MemoryStore {
    shelf: Shelf,
    now: Time,
}

impl MemoryStore {
    pub(crate) fn new(now: Time) -> Self {
        Self {
            shelf: Shelf::default(),
            now,
        }
    }
}

impl PeerStore for MemoryStore {
    fn memory(&mut self) -> Result<Option<Memory>, StoreError> {
        Ok(self.shelf.memory.clone())
    }

    fn best(&mut self, k: usize) -> Result<Vec<PeerRecord>, StoreError> {
        Ok(self.shelf.best(k))
    }

    fn ranked(
        &mut self,
        pool: Pool,
        after: Option<&Ranked>,
        limit: usize,
    ) -> Result<Recalled, StoreError> {
        Ok(self.shelf.ranked(pool, after, limit))
    }

    fn worst(&mut self, limit: usize) -> Result<Vec<PeerRecord>, StoreError> {
        Ok(self.shelf.worst(limit))
    }

    fn find(&mut self, keys: &[PeerKey]) -> Result<Vec<PeerRecord>, StoreError> {
        Ok(self.shelf.find(keys))
    }

    fn scan(
        &mut self,
        after: Option<&PeerKey>,
        limit: usize,
    ) -> Result<Vec<PeerRecord>, StoreError> {
        Ok(self.shelf.scan(after, limit))
    }

    fn browse(
        &mut self,
        from: u64,
        limit: usize,
    ) -> Result<(Vec<PeerRecord>, Option<u64>), StoreError> {
        Ok(self.shelf.browse(from, limit))
    }

    fn count(&mut self) -> Result<usize, StoreError> {
        Ok(self.shelf.peers.len())
    }

    fn commit(&mut self, changes: &Changes, now: Time) -> Result<(), StoreError> {
        self.now = self.now.max(now);
        self.shelf.apply(changes, self.now);
        Ok(())
    }

    fn repairs(&self) -> Repairs {
        Repairs::default()
    }

    fn take_notices(&mut self) -> Vec<Notice> {
        Vec::new()
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}
