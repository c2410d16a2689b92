//! The protocols by which we notice what peers are: identify (who they are, where they listen), ping
//! (they answer, and how fast) and peer exchange (whom they know). Each may be left out; of the first
//! two a program may have its own.

use std::convert::Infallible;

use libp2p::{
    PeerId, identify, ping, request_response,
    request_response::ResponseChannel,
    swarm::{NetworkBehaviour, behaviour::toggle::Toggle},
};

use crate::{
    keep_alive::KeepAlive,
    pex::{self, Answer, Pex, PexEvent, Question},
};

/// One behaviour of several, so that one connection handler serves them all. Public only because its
/// handler is the handler of a public behaviour; nobody outside can name it.
#[derive(NetworkBehaviour)]
#[behaviour(to_swarm = "Sensed", prelude = "libp2p::swarm::derive_prelude")]
pub struct Senses {
    keep_alive: KeepAlive,
    identify: Toggle<identify::Behaviour>,
    ping: Toggle<ping::Behaviour>,
    pex: Toggle<Pex>,
}

impl Senses {
    pub(crate) fn new(
        identify: Option<identify::Config>,
        ping: Option<ping::Config>,
        pex: Option<request_response::Config>,
    ) -> Self {
        Self {
            keep_alive: KeepAlive,
            identify: identify.map(identify::Behaviour::new).into(),
            ping: ping.map(ping::Behaviour::new).into(),
            pex: pex.map(pex::behaviour).into(),
        }
    }

    /// Asks a connected peer for others. Says whether we speak the protocol at all.
    pub(crate) fn ask(&mut self, peer: &PeerId, question: Question) -> bool {
        let pex = self.pex.as_mut();
        pex.map(|pex| pex.send_request(peer, question)).is_some()
    }

    /// Answers a peer. One that has left meanwhile needs no answer.
    pub(crate) fn answer(&mut self, channel: ResponseChannel<Answer>, answer: Answer) {
        if let Some(pex) = self.pex.as_mut() {
            let _ = pex.send_response(channel, answer);
        }
    }

    /// Whether peers tell us about themselves through our own identify.
    pub(crate) fn identifies(&self) -> bool {
        self.identify.is_enabled()
    }
}

/// What was noticed.
#[derive(Debug)]
pub enum Sensed {
    /// By identify.
    Identify(Box<identify::Event>),
    /// By ping.
    Ping(ping::Event),
    /// By peer exchange.
    Pex(PexEvent),
}

impl From<identify::Event> for Sensed {
    fn from(event: identify::Event) -> Self {
        Self::Identify(Box::new(event))
    }
}

impl From<ping::Event> for Sensed {
    fn from(event: ping::Event) -> Self {
        Self::Ping(event)
    }
}

impl From<PexEvent> for Sensed {
    fn from(event: PexEvent) -> Self {
        Self::Pex(event)
    }
}

impl From<Infallible> for Sensed {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
