//! The protocols by which we notice what peers are: identify (who they are, where they listen) and
//! ping (they answer, and how fast). Both may be left out where the program has its own.

use std::convert::Infallible;

use libp2p::{
    identify, ping,
    swarm::{NetworkBehaviour, behaviour::toggle::Toggle},
};

use crate::keep_alive::KeepAlive;

/// One behaviour of several, so that one connection handler serves them all. Public only because its
/// handler is the handler of a public behaviour; nobody outside can name it.
#[derive(NetworkBehaviour)]
#[behaviour(to_swarm = "Sensed", prelude = "libp2p::swarm::derive_prelude")]
pub struct Senses {
    keep_alive: KeepAlive,
    identify: Toggle<identify::Behaviour>,
    ping: Toggle<ping::Behaviour>,
}

impl Senses {
    pub(crate) fn new(identify: Option<identify::Config>, ping: Option<ping::Config>) -> Self {
        Self {
            keep_alive: KeepAlive,
            identify: identify.map(identify::Behaviour::new).into(),
            ping: ping.map(ping::Behaviour::new).into(),
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

impl From<Infallible> for Sensed {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
