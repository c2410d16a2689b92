//! Peers in the store for whom memory has no room: they are let go of, and recalled.

use super::Engine;
use crate::{
    key::PeerKey,
    output::{DisconnectReason, Output, Recall, Recalled},
    record::{PeerRecord, Pool},
    retention::{self, Rule},
    time::Time,
};

impl Engine {
    /// The store has so many proven peers beside those it has given us. Who came to us meanwhile may be
    /// one of them.
    pub(super) fn shelved(&mut self, count: usize) {
        let hot = self.book.hot();
        hot.count(count);
        for (peer, _) in self.links.iter() {
            hot.turned_up(peer);
        }
    }

    /// Lets go of whom memory has no room for, and asks for who is needed.
    pub(super) fn keep_hot(&mut self, now: Time) {
        let (links, dialer) = (&self.links, &self.dialer);
        self.book.let_go(&self.config, now, |peer| {
            links.contains(peer) || dialer.is_dialling(peer)
        });
        let (proven, cap) = (self.book.count(Pool::Proven), self.config.proven_cap());
        let store_keeps_up = self.book.unsaved().status().unsaved < self.config.commit_max;
        let hot = self.book.hot();
        if let Some(recall) = hot.ask(proven, cap, store_keeps_up, &self.config) {
            self.outputs.push_back(Output::Recall(recall));
        }
    }

    /// Takes in what the store was asked for.
    pub(super) fn recalled(&mut self, now: Time, found: Recalled) {
        let Recalled { mut peers, next } = found;
        let proven = self.book.count(Pool::Proven) + peers.len();
        let full = proven >= self.config.hot_max;
        match self.book.hot().answered(next, full) {
            Some(Recall::Peers(_)) => {}
            Some(Recall::Best { .. }) => peers.retain(|record| self.peer(&record.key).is_none()),
            Some(Recall::Worst(_)) => return self.forget_worst(now, &peers),
            None => return,
        }
        for _ in peers.iter().filter(|record| record.pool() == Pool::Proven) {
            self.book.hot().one_less();
        }
        self.load(now, peers, 0);
    }

    /// Forgets as many of the worst as there are proven peers too many.
    fn forget_worst(&mut self, now: Time, worst: &[PeerRecord]) {
        let cap = self.config.proven_cap();
        let all = self.book.count(Pool::Proven);
        let surplus = all.saturating_add(self.book.shelved()).saturating_sub(cap);
        let staying = worst.len().saturating_sub(surplus);
        // What we know is newer.
        let as_known = worst
            .iter()
            .map(|saved| self.peer(&saved.key).unwrap_or(saved));
        let needed = |record: &PeerRecord| self.links.contains(&record.key);
        let rule = Rule::ProvenCap(staying);
        let mut plan = retention::plan(&[rule], as_known, needed, now);
        for sentence in &mut plan.fates {
            sentence.rule = Rule::ProvenCap(cap);
        }
        self.prune(now, plan);
    }

    /// Closes the connection of somebody who was loaded if we must not deal with it, as we know only now.
    pub(super) fn send_blocked_away(&mut self, now: Time, peer: &PeerKey) {
        let blocked = |record: &PeerRecord| record.is_blocked(now);
        if self.links.contains(peer) && self.peer(peer).is_some_and(blocked) {
            self.send_away(now, peer.clone(), DisconnectReason::Blocked);
        }
    }
}
