//! Whom memory has no room for. They lie in the store alone, and are asked for when somebody of their
//! name turns up, or when memory has room again. Whom to let go, the book says; this only keeps count,
//! and decides what to ask the store for next.

use std::collections::BTreeSet;

use crate::{
    config::Config,
    key::PeerKey,
    output::{Ranked, Recall},
};

/// What is in the store and not in memory, as far as we know.
#[derive(Clone, Debug, Default)]
pub struct Hot {
    /// About how many proven peers: other processes write there too.
    shelved: usize,
    /// Who has turned up and may be among them.
    wanted: BTreeSet<PeerKey>,
    /// While memory is being filled up again, how far that has come.
    refill: Option<Option<Ranked>>,
    asked: Option<Recall>,
    /// Somebody was saved or loaded, and may be let go.
    may_go: bool,
}

/// Peers asked for at a time: some ten milliseconds of the store's thread, and half a MiB.
const RECALL_MAX: usize = 1_000;

/// Who turns up while so many wait is met as a stranger; what is in the store joins at the next commit.
const WANTED_MAX: usize = 4 * RECALL_MAX;

impl Hot {
    /// About how many proven peers are in the store alone.
    pub fn shelved(&self) -> usize {
        self.shelved
    }

    /// The store says how many there are.
    pub fn count(&mut self, shelved: usize) {
        self.shelved = shelved;
    }

    /// Somebody is in the store as it is in memory.
    pub fn one_may_go(&mut self) {
        self.may_go = true;
    }

    /// Whether it is worth a look at everybody who may be let go: until somebody was saved or loaded
    /// since the last one, it would find the same.
    pub fn take_look(&mut self) -> bool {
        std::mem::take(&mut self.may_go)
    }

    /// So many are no longer in memory, but in the store.
    pub fn let_go(&mut self, count: usize) {
        self.shelved = self.shelved.saturating_add(count);
    }

    /// One is no longer in the store alone.
    pub fn one_less(&mut self) {
        self.shelved = self.shelved.saturating_sub(1);
    }

    /// Somebody unknown is there: the store may know it.
    pub fn turned_up(&mut self, key: &PeerKey) {
        if self.shelved > 0 && self.wanted.len() < WANTED_MAX {
            self.wanted.insert(key.clone());
        }
    }

    /// What to ask the store for, if anything. There are so many proven in memory, and of all together
    /// `cap` are to be kept.
    pub fn ask(
        &mut self,
        proven: usize,
        cap: usize,
        store_keeps_up: bool,
        config: &Config,
    ) -> Option<Recall> {
        if self.asked.is_some() || self.shelved == 0 {
            return None;
        }
        let surplus = proven.saturating_add(self.shelved).saturating_sub(cap);
        let recall = if !self.wanted.is_empty() {
            let more = self.wanted.iter().nth(RECALL_MAX).cloned();
            let later = more.map_or_else(BTreeSet::new, |key| self.wanted.split_off(&key));
            let now = std::mem::replace(&mut self.wanted, later);
            Recall::Peers(now.into_iter().collect())
        } else if surplus > cap / SLACK && store_keeps_up {
            Recall::Worst(surplus.min(RECALL_MAX))
        } else {
            // Not for every single one that is lost, and not as soon as somebody was let go.
            if proven < config.hot_max - config.hot_max / (SLACK / 2) {
                self.refill.get_or_insert(None);
            }
            let after = self.refill.clone()?;
            let count = RECALL_MAX;
            Recall::Best { after, count }
        };
        self.asked = Some(recall.clone());
        Some(recall)
    }

    /// The store has answered, and goes on there if it was asked for the best; with them memory is `full`,
    /// or not. Returns what it was asked for.
    pub fn answered(&mut self, next: Option<Ranked>, full: bool) -> Option<Recall> {
        let asked = self.asked.take();
        if let Some(Recall::Best { .. }) = &asked {
            if next.is_none() && !full {
                self.shelved = 0; // that was everybody
            }
            self.refill = next.filter(|_| !full).map(Some);
        }
        asked
    }
}

/// Before one in so many is too many, nothing is done about it; nor before twice as many are missing.
pub const SLACK: usize = 16;
