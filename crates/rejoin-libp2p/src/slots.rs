//! Slots at relays in libp2p's words: to ask for one is to listen on the relay's circuit, to give
//! it back is to stop. Which relay and when, the engine says.

use std::collections::BTreeMap;

use libp2p::{
    core::transport::ListenerId,
    multiaddr::Protocol,
    swarm::{FromSwarm, ListenOpts},
};
use rejoin_core::{Input, PeerKey, Reserve};

/// Which listener is which relay's; as many as the engine wants slots.
#[derive(Debug, Default)]
pub(crate) struct Slots(BTreeMap<PeerKey, ListenerId>);

impl Slots {
    /// How the swarm asks for a slot, or what to answer if it cannot.
    pub(crate) fn ask(&mut self, reserve: Reserve) -> Result<ListenOpts, Input> {
        let Reserve { relay, address } = reserve;
        let Some(name) = relay.peer_id() else {
            return Err(Input::NotReserved { relay });
        };
        let circuit = address.to_multiaddr().with(Protocol::P2p(name));
        let opts = ListenOpts::new(circuit.with(Protocol::P2pCircuit));
        self.0.insert(relay, opts.listener_id());
        Ok(opts)
    }

    /// The listener to be closed; of its end nothing is told.
    pub(crate) fn release(&mut self, relay: &PeerKey) -> Option<ListenerId> {
        self.0.remove(relay)
    }

    /// What the swarm's news mean to the engine, if anything.
    pub(crate) fn on_swarm_event(&mut self, event: &FromSwarm<'_>) -> Option<Input> {
        match event {
            // A circuit has an address once the relay has granted it.
            FromSwarm::NewListenAddr(event) => {
                let relay = self.whose(event.listener_id)?;
                Some(Input::Reserved { relay })
            }
            FromSwarm::ListenerClosed(event) => self.ended(event.listener_id),
            FromSwarm::ListenerError(event) => self.ended(event.listener_id),
            // `FromSwarm` is non-exhaustive; the rest does not concern us.
            _ => None,
        }
    }

    fn ended(&mut self, listener: ListenerId) -> Option<Input> {
        let relay = self.whose(listener)?;
        self.0.remove(&relay);
        Some(Input::NotReserved { relay })
    }

    fn whose(&self, listener: ListenerId) -> Option<PeerKey> {
        let mut all = self.0.iter();
        all.find_map(|(relay, its)| (*its == listener).then(|| relay.clone()))
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use libp2p::{
        Multiaddr, PeerId, TransportError,
        swarm::{ListenerClosed, ListenerError, NewListenAddr},
    };

    use super::*;

    #[test]
    fn a_slot_is_asked_for_on_the_relays_circuit() {
        let (mut slots, relay) = (Slots::default(), PeerId::random());
        let opts = slots.ask(reserve(relay)).unwrap();
        let circuit = format!("/ip4/1.2.3.4/tcp/80/p2p/{relay}/p2p-circuit");
        assert_eq!(opts.address().to_string(), circuit);
    }

    #[test]
    fn a_slot_is_kept_once_there_is_an_address_and_ends_once() {
        let (mut slots, relay) = (Slots::default(), PeerId::random());
        let listener = slots.ask(reserve(relay)).unwrap().listener_id();
        let relay = PeerKey::from(relay);
        let kept = Input::Reserved {
            relay: relay.clone(),
        };
        assert_eq!(address(&mut slots, listener), Some(kept));
        let ended = Input::NotReserved { relay };
        assert_eq!(close(&mut slots, listener), Some(ended));
        assert_eq!(close(&mut slots, listener), None);
    }

    #[test]
    fn a_circuit_that_cannot_be_listened_on_is_no_slot() {
        let (mut slots, relay) = (Slots::default(), PeerId::random());
        let listener_id = slots.ask(reserve(relay)).unwrap().listener_id();
        let err: TransportError<io::Error> =
            TransportError::MultiaddrNotSupported("/memory/1".parse().unwrap());
        let input = slots.on_swarm_event(&FromSwarm::ListenerError(ListenerError {
            listener_id,
            err: &err,
        }));
        let relay = relay.into();
        assert_eq!(input, Some(Input::NotReserved { relay }));
    }

    #[test]
    fn the_end_of_a_released_slot_is_kept_quiet() {
        let (mut slots, relay) = (Slots::default(), PeerId::random());
        let listener = slots.ask(reserve(relay)).unwrap().listener_id();
        assert_eq!(slots.release(&relay.into()), Some(listener));
        assert_eq!(close(&mut slots, listener), None);
        assert_eq!(slots.release(&relay.into()), None);
    }

    #[test]
    fn other_listeners_are_nobodys_slot() {
        let mut slots = Slots::default();
        slots.ask(reserve(PeerId::random())).unwrap();
        assert_eq!(address(&mut slots, ListenerId::next()), None);
        assert_eq!(close(&mut slots, ListenerId::next()), None);
    }

    #[test]
    fn a_name_that_is_no_libp2p_name_keeps_no_slot() {
        let relay: PeerKey = "alice".parse().unwrap();
        let asked = Slots::default().ask(Reserve {
            relay: relay.clone(),
            address: "/ip4/1.2.3.4/tcp/80".parse().unwrap(),
        });
        assert_eq!(asked.err(), Some(Input::NotReserved { relay }));
    }

    fn reserve(relay: PeerId) -> Reserve {
        Reserve {
            relay: relay.into(),
            address: "/ip4/1.2.3.4/tcp/80".parse().unwrap(),
        }
    }

    fn address(slots: &mut Slots, listener_id: ListenerId) -> Option<Input> {
        let addr: Multiaddr = "/memory/1".parse().unwrap();
        slots.on_swarm_event(&FromSwarm::NewListenAddr(NewListenAddr {
            listener_id,
            addr: &addr,
        }))
    }

    fn close(slots: &mut Slots, listener_id: ListenerId) -> Option<Input> {
        slots.on_swarm_event(&FromSwarm::ListenerClosed(ListenerClosed {
            listener_id,
            reason: Ok(()),
        }))
    }
}
