//! A list of peers: those in memory, and, where memory has no room for all, those in the store beside
//! them. The store is gone through page by page, which may take a while; memory only takes a moment, and
//! comes last.

use std::{borrow::Cow, collections::HashSet};

use rejoin::{PeerKey, PeerRecord, Pool, Time, query::Search};
use rejoin_core::Ranked;
use rejoin_store::{PeerStore, StoreError};

use crate::{
    answer::{PeerRow, PeersAnswer},
    mind::{self, Mind},
    question::{LIMIT_MAX, Query},
    refusal::Refusal,
};

/// A list that has been begun.
#[derive(Clone, Debug)]
pub struct Listing {
    query: Query,
    now: Time,
    after: After,
    /// Who was in memory when it began. What the store says of them is older.
    in_memory: HashSet<PeerKey>,
}

/// Behind whom it begins.
#[derive(Clone, Debug)]
enum After {
    Nobody,
    Known(Box<PeerRecord>),
    InStore(PeerKey),
}

/// What a search holds: records of memory, and its own.
type Found<'a> = Search<Cow<'a, PeerRecord>>;

/// Peers read at once.
const PAGE: usize = 1_000;

impl Listing {
    /// Begins one.
    ///
    /// # Errors
    /// If it is to begin behind somebody nobody knows.
    pub fn begin(mind: &impl Mind, query: &Query, now: Time) -> Result<Self, Refusal> {
        let after = match query.page.after.as_deref() {
            None => After::Nobody,
            Some(name) => match mind::find(mind, name) {
                Ok(record) => After::Known(Box::new(record.clone())),
                Err(refusal) => After::InStore(mind::in_store(mind, name).ok_or(refusal)?),
            },
        };
        Ok(Self {
            query: query.clone(),
            now,
            after,
            in_memory: HashSet::new(),
        })
    }

    /// The whole list, where all are in memory.
    ///
    /// # Errors
    /// If it is to begin behind somebody who is not.
    pub fn of_memory(self, mind: &impl Mind) -> Result<PeersAnswer, Refusal> {
        let mut found = self.search()?;
        mind.peers().for_each(|it| found.offer(Cow::Borrowed(it)));
        Ok(answer(found, mind, self.now))
    }

    /// As it is before it goes through the store.
    #[must_use]
    pub fn beside(self, mind: &impl Mind) -> Self {
        let in_memory = mind.peers().map(|record| record.key.clone()).collect();
        Self { in_memory, ..self }
    }

    /// Goes through the store as long as there is `time`.
    ///
    /// # Errors
    /// If the time does not suffice, the store cannot be read, or the list is to begin behind somebody who
    /// is not there.
    pub fn go_through(
        mut self,
        store: &mut dyn PeerStore,
        time: impl Fn() -> bool,
    ) -> Result<Halfway, Refusal> {
        if let After::InStore(key) = &self.after
            && let Some(record) = store.get(key)?
        {
            self.after = After::Known(Box::new(record));
        }
        let mut found = self.search()?;
        match found.is_by_rank() {
            true => self.by_rank(store, &mut found)?,
            false => self.all(store, &mut found, time)?,
        }
        let Self { in_memory, now, .. } = self;
        Ok(Halfway {
            found,
            in_memory,
            now,
        })
    }

    /// Looks at everybody.
    fn all(
        &self,
        store: &mut dyn PeerStore,
        found: &mut Found<'static>,
        time: impl Fn() -> bool,
    ) -> Result<(), Refusal> {
        let mut from = Some(0);
        while let Some(begin) = from {
            if !time() {
                return Err(Refusal::TooLong);
            }
            let (page, next) = store.browse(begin, PAGE)?;
            for record in page {
                if !self.in_memory.contains(&record.key) {
                    found.offer(Cow::Owned(record));
                }
            }
            from = next;
        }
        Ok(())
    }

    /// Looks at the page that is asked for, where the store has it in order, and counts the others.
    fn by_rank(
        &self,
        store: &mut dyn PeerStore,
        found: &mut Found<'static>,
    ) -> Result<(), StoreError> {
        let beside = store.count()?.saturating_sub(self.in_memory.len());
        let mut offered = 0;
        for pool in [Pool::Proven, Pool::Hearsay] {
            let mut after = match &self.after {
                After::Known(record) => Some(Ranked::of(record)),
                After::Nobody | After::InStore(_) => None,
            };
            let mut left = self.limit() + 1; // one more tells whether there are more
            while left > 0 {
                let page = store.ranked(pool, after.as_ref(), PAGE)?;
                let beside = |record: &PeerRecord| !self.in_memory.contains(&record.key);
                for record in page.peers.into_iter().filter(beside).take(left) {
                    found.offer(Cow::Owned(record));
                    offered += 1;
                    left -= 1;
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        found.pass_over(beside.saturating_sub(offered));
        Ok(())
    }

    fn limit(&self) -> usize {
        self.query.page.limit.unwrap_or(LIMIT_MAX).min(LIMIT_MAX)
    }

    fn search<'a>(&self) -> Result<Found<'a>, Refusal> {
        let after = match &self.after {
            After::Nobody => None,
            After::Known(record) => Some(&**record),
            After::InStore(key) => {
                let given = key.to_string();
                return Err(Refusal::NoSuchPeer { given });
            }
        };
        let Query { filter, page } = &self.query;
        let filter = filter.clone();
        Ok(Search::new(
            filter,
            page.sort,
            after,
            self.limit(),
            self.now,
        ))
    }
}

/// A list that has gone through the store.
#[derive(Debug)]
pub struct Halfway {
    found: Found<'static>,
    in_memory: HashSet<PeerKey>,
    now: Time,
}

impl Halfway {
    /// Ends it with those who were in memory and still are.
    pub fn and_memory(self, mind: &impl Mind) -> PeersAnswer {
        let mut found: Found<'_> = self.found;
        let were = |record: &&PeerRecord| self.in_memory.contains(&record.key);
        let held = mind.peers().filter(were);
        held.for_each(|it| found.offer(Cow::Borrowed(it)));
        answer(found, mind, self.now)
    }
}

fn answer(found: Found<'_>, mind: &impl Mind, now: Time) -> PeersAnswer {
    let found = found.found();
    let rows = found.page.iter();
    let peers: Vec<PeerRow> = rows.map(|record| mind::row(mind, record, now)).collect();
    let last = peers.last().filter(|_| found.more);
    PeersAnswer {
        total: found.total,
        next: last.map(|row| row.peer.clone()),
        peers,
    }
}
