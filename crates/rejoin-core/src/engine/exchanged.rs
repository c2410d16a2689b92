//! What peers tell each other: whom we ask, what we answer, what we believe.

use super::Engine;
use crate::{
    exchange::Manners,
    input::{Deed, QuestionId, Word},
    key::PeerKey,
    output::Output,
    record::Pool,
    signed::SignedPeer,
    source::Source,
    time::Time,
};

impl Engine {
    /// Tells and asks whatever is due.
    pub(super) fn keep_company(&mut self, now: Time) {
        if let Some(addresses) = self.exchange.to_sign(now, self.reach.own(), &self.config) {
            self.outputs.push_back(Output::Sign(addresses));
        }
        if self.links.is_empty() {
            return;
        }
        let missing = self.missing() > 0;
        let (exchange, scene) = self.company(now);
        let hungry = || missing || scene.book.count(Pool::Hearsay) < scene.config.exchange.enough;
        if let Some(peer) = exchange.whom_to_ask(scene, hungry) {
            let scope = self.links.get(&peer).map(|link| link.scope);
            let own = scope.and_then(|scope| self.exchange.own(scope)).cloned();
            self.outputs.push_back(Output::AskPeers { peer, own });
        }
        let (exchange, scene) = self.company(now);
        if let Some(rumours) = exchange.round(scene) {
            self.outputs.push_back(Output::Gossip(rumours));
        }
    }

    pub(super) fn peers_asked(
        &mut self,
        now: Time,
        peer: &PeerKey,
        question: QuestionId,
        own: Option<SignedPeer>,
    ) {
        self.heard_from(now, peer, None);
        let mut envelopes = Vec::new();
        if let Some(link) = self.links.get(peer) {
            let (since, scope) = (link.since, link.scope);
            match self.exchange.manners(now, peer, since, &self.config) {
                Manners::Fine => {
                    let (exchange, scene) = self.company(now);
                    envelopes = exchange.answer(scene, peer, scope);
                }
                Manners::TooSoon => {}
                Manners::Pushing => self.overstepped(now, peer),
            }
        }
        self.outputs.push_back(Output::TellPeers {
            question,
            envelopes,
        });
        // Who asks for others may speak for itself only.
        if let Some(own) = own.filter(|own| own.peer == *peer) {
            self.believe(now, peer, &own, &Source::Own);
        }
    }

    pub(super) fn peers_told(&mut self, now: Time, peer: &PeerKey, words: Vec<Word>) {
        self.heard_from(now, peer, None);
        let asked = self.exchange.was_asked(peer);
        let Some(signed) = whole(words, self.config.exchange.answer_max).filter(|_| asked) else {
            self.overstepped(now, peer);
            self.exchange.was_barren(now, peer, &self.config);
            return;
        };
        let source = Source::Pex(peer.clone());
        let mut learned = false;
        for signed in self.trusted_part(signed, &source) {
            learned |= self.believe(now, peer, &signed, &source);
        }
        if learned {
            self.exchange.was_useful(now, peer, &self.config);
        } else {
            self.exchange.was_barren(now, peer, &self.config);
        }
    }

    pub(super) fn gossiped(&mut self, now: Time, peer: &PeerKey, words: Vec<(Word, u8)>) {
        self.heard_from(now, peer, None);
        let limits = &self.config.exchange;
        let (words, hops): (Vec<_>, Vec<_>) = words.into_iter().unzip();
        let too_far = hops.iter().any(|hops| *hops > limits.hops_max);
        let whole = whole(words, limits.gossip_max).filter(|_| !too_far);
        let may_tell = self.exchange.rumours().may_tell(now, peer, &self.config);
        let Some(signed) = whole.filter(|_| may_tell && self.links.contains(peer)) else {
            self.overstepped(now, peer);
            return;
        };
        let source = Source::Gossip(peer.clone());
        for (signed, hops) in self.trusted_part(signed, &source).zip(hops) {
            if self.believe(now, peer, &signed, &source) {
                let config = &self.config;
                self.exchange.rumours().pass_on(&signed, hops, config);
            }
        }
    }

    /// As much of what a source tells as its words weigh.
    pub(super) fn trusted_part<T>(
        &self,
        told: Vec<T>,
        source: &Source,
    ) -> impl Iterator<Item = T> + use<T> {
        let most = (told.len() as f64 * self.book.trust(source)).ceil() as usize;
        told.into_iter().take(most)
    }

    /// Takes in what a peer says of itself, brought by `teller`. Returns whether anything new was
    /// learned.
    fn believe(
        &mut self,
        now: Time,
        teller: &PeerKey,
        signed: &SignedPeer,
        source: &Source,
    ) -> bool {
        if self.reach.is_me(&signed.peer) {
            return false;
        }
        let from = self.links.get(teller).map(|link| link.scope);
        let own_word = signed.peer == *teller;
        let source = if own_word { &Source::Own } else { source };
        let believable = signed
            .addresses
            .iter()
            .filter(|address| self.reach.is_believable(address, from))
            .cloned();
        let learned = self
            .book
            .vouched(now, signed, believable, source, &self.config);
        if learned {
            self.dialer.reorder();
        }
        learned
    }

    /// A peer broke a limit of the exchange: what it sent is dropped, and counts against it.
    fn overstepped(&mut self, now: Time, peer: &PeerKey) {
        self.judged(now, peer.clone(), Deed::Overstepped);
    }
}

/// All of the words, if none is broken and there are no more than allowed.
fn whole(words: Vec<Word>, max: usize) -> Option<Vec<SignedPeer>> {
    if words.len() > max {
        return None;
    }
    let signed = words.into_iter().map(|word| match word {
        Word::Signed(signed) => Some(signed),
        Word::Broken => None,
    });
    signed.collect()
}
