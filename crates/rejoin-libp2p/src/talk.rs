//! What is said between peers: the engine's questions and answers on the wire, and what comes back in
//! the engine's words. It keeps only what is needed to answer the right question.

use std::collections::BTreeMap;

use libp2p::{
    identity::Keypair,
    request_response::{
        Event as Happened, InboundFailure, Message, OutboundFailure, ResponseChannel,
    },
};
use rejoin_core::{Address, Deed, Envelope, Input, QuestionId, Word};
use serde_bytes::ByteBuf;

use crate::{
    pex::{Answer, PexEvent, Question, is_nonsense},
    word,
};

/// The questions others wait to be answered. The engine answers each at once.
#[derive(Debug, Default)]
pub(crate) struct Talk {
    key: Option<Keypair>,
    questions: BTreeMap<QuestionId, ResponseChannel<Answer>>,
    asked: u64,
}

impl Talk {
    pub(crate) fn new(key: Option<Keypair>) -> Self {
        Self {
            key,
            ..Self::default()
        }
    }

    /// Signs where we live; nothing without a key.
    pub(crate) fn sign(&self, addresses: &[Address]) -> Option<Input> {
        let key = self.key.as_ref()?;
        word::sign(key, addresses).map(Input::Signed)
    }

    /// Who waits for this answer, and the answer.
    pub(crate) fn answer(
        &mut self,
        question: QuestionId,
        envelopes: &[Envelope],
    ) -> Option<(ResponseChannel<Answer>, Answer)> {
        let channel = self.questions.remove(&question)?;
        let peers = envelopes.iter().map(bytes).collect();
        Some((channel, Answer { peers }))
    }

    /// What an event of the exchange means to the engine, which takes at most so many records in one
    /// answer.
    pub(crate) fn on_pex(&mut self, event: PexEvent, answer_max: usize) -> Option<Input> {
        match event {
            Happened::Message {
                peer,
                message:
                    Message::Request {
                        request, channel, ..
                    },
                ..
            } => {
                let question = QuestionId(self.asked);
                self.asked += 1;
                self.questions.insert(question, channel);
                let own = request.own.map(|own| word::read(&own));
                Some(Input::PeersAsked {
                    peer: peer.into(),
                    question,
                    own: own.and_then(|own| match own {
                        Word::Signed(own) => Some(own),
                        Word::Broken => None,
                    }),
                })
            }
            Happened::Message {
                peer,
                message: Message::Response { response, .. },
                ..
            } => {
                // One too many shows that there are too many; nobody makes us check thousands.
                let peers = response.peers.iter().take(answer_max + 1);
                Some(Input::PeersTold {
                    peer: peer.into(),
                    words: peers.map(|record| word::read(record)).collect(),
                })
            }
            Happened::OutboundFailure { peer, error, .. } => {
                let peer = peer.into();
                Some(match error {
                    OutboundFailure::Io(error) if is_nonsense(&error) => Input::PeersTold {
                        peer,
                        words: vec![Word::Broken],
                    },
                    OutboundFailure::DialFailure
                    | OutboundFailure::Timeout
                    | OutboundFailure::ConnectionClosed
                    | OutboundFailure::UnsupportedProtocols
                    | OutboundFailure::Io(_) => Input::PeersNotTold { peer },
                })
            }
            Happened::InboundFailure {
                peer,
                error: InboundFailure::Io(error),
                ..
            } if is_nonsense(&error) => Some(Input::Judged {
                peer: peer.into(),
                deed: Deed::Overstepped,
            }),
            Happened::InboundFailure { .. } | Happened::ResponseSent { .. } => None,
        }
    }
}

/// A question, and what we say of ourselves in it.
pub(crate) fn question(own: Option<&Envelope>) -> Question {
    Question {
        own: own.map(bytes),
    }
}

fn bytes(envelope: &Envelope) -> ByteBuf {
    ByteBuf::from(envelope.as_bytes())
}
