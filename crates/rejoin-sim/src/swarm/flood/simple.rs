//! Memories as others have them: one list, a limit, and one rule for whom to drop.

use std::collections::BTreeMap;

use crate::swarm::{NodeId, Noted};

/// Whom to drop when the list is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Whoever came first. Those who came first are dialled first.
    Fifo,
    /// Whoever has neither been met nor been heard of for longest. The last are dialled first.
    Lru,
}

/// Everybody on the list.
#[derive(Clone, Debug)]
pub(super) struct SimpleMemory {
    rule: Rule,
    places: usize,
    now: u64,
    by_age: BTreeMap<u64, NodeId>,
    since: BTreeMap<NodeId, u64>,
}

impl SimpleMemory {
    /// What is left of all that happened.
    pub(super) fn after(rule: Rule, places: usize, noted: &[Noted]) -> Self {
        let mut memory = Self {
            rule,
            places,
            now: 0,
            by_age: BTreeMap::new(),
            since: BTreeMap::new(),
        };
        for noted in noted {
            match noted {
                Noted::Told(peer) | Noted::Met(peer) => memory.note(*peer),
                Noted::Dialled(_) => {}
            }
        }
        memory
    }

    pub(super) fn knows(&self, peer: NodeId) -> bool {
        self.since.contains_key(&peer)
    }

    /// Everybody, in the order in which they are dialled.
    pub(super) fn in_order(&self) -> impl Iterator<Item = NodeId> {
        let mut order: Vec<_> = self.by_age.values().copied().collect();
        if self.rule == Rule::Lru {
            order.reverse();
        }
        order.into_iter()
    }

    fn note(&mut self, peer: NodeId) {
        if self.rule == Rule::Fifo && self.knows(peer) {
            return;
        }
        if let Some(since) = self.since.insert(peer, self.now) {
            self.by_age.remove(&since);
        }
        self.by_age.insert(self.now, peer);
        self.now += 1;
        if self.by_age.len() > self.places
            && let Some((_, dropped)) = self.by_age.pop_first()
        {
            self.since.remove(&dropped);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_drops_by_its_rule() {
        check(Rule::Fifo, &[0, 1, 2, 0, 3], &[1, 2, 3]);
        check(Rule::Lru, &[0, 1, 2, 0, 3], &[3, 0, 2]);
    }

    #[track_caller]
    fn check(rule: Rule, told: &[u32], order: &[u32]) {
        let told: Vec<_> = told.iter().map(|id| Noted::Told(NodeId(*id))).collect();
        let memory = SimpleMemory::after(rule, 3, &told);
        let left: Vec<_> = memory.in_order().map(|id| id.0).collect();
        assert_eq!(left, order);
        assert!(memory.knows(NodeId(3)) && !memory.knows(NodeId(told.len() as u32)));
    }
}
