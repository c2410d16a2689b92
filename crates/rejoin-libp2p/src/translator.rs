//! The dictionary: what the swarm tells becomes an [`Input`], the engine's dials become
//! [`DialOpts`]. It remembers only what is needed to find the word: which connection is whose, and
//! which dial of the swarm is which of the engine's. It decides nothing.

use std::{collections::BTreeMap, num::NonZeroU8};

use libp2p::{
    PeerId,
    core::{ConnectedPoint, transport::PortUse},
    identify, ping,
    swarm::{
        AddressChange, ConnectionClosed, ConnectionId, DialError, DialFailure, FromSwarm,
        NewExternalAddrOfPeer,
        behaviour::ConnectionEstablished,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use rejoin_core::{
    Address, AddressFailure, Connected, ConnectionKind, Dial, DialId, Direction, Failure,
    Identified, Input, PeerKey, Rerouted, Scope, Source,
};

use crate::{failure::failure_of, way};

/// An identify message holds 4 KiB, some 100 addresses; the engine keeps eight.
const ADDRESSES_MAX: usize = 32;

/// A full libp2p node speaks some twenty protocols; the engine keeps 32.
const PROTOCOLS_MAX: usize = 64;

/// The state of the dictionary. As many entries as there are connections and dials of ours, which
/// the swarm's own limits and the engine bound.
#[derive(Debug, Default)]
pub(crate) struct Translator {
    connections: BTreeMap<PeerId, BTreeMap<ConnectionId, Line>>,
    flights: BTreeMap<ConnectionId, Flight>,
}

/// One open connection.
#[derive(Clone, Copy, Debug)]
struct Line {
    scope: Scope,
    relayed: bool,
}

/// A dial of the engine's that the swarm is at.
#[derive(Debug)]
struct Flight {
    dial: DialId,
    peer: Option<PeerId>,
    cancelled: bool,
}

impl Translator {
    /// What the swarm is to do for this dial, or what to answer if it cannot even try.
    pub(crate) fn dial(&mut self, dial: Dial) -> Result<DialOpts, Input> {
        let peer = match &dial.peer {
            None => None,
            Some(key) => match key.peer_id() {
                Some(peer) => Some(peer),
                None => return Err(undiallable(dial)),
            },
        };
        let addresses: Vec<_> = dial.addresses.iter().map(Address::to_multiaddr).collect();
        let Some(first) = addresses.first().cloned() else {
            return Err(Input::DialNotMade { dial: dial.id });
        };
        let opts = match peer {
            Some(peer) => {
                let at_once = u8::try_from(addresses.len()).unwrap_or(u8::MAX);
                DialOpts::peer_id(peer)
                    .condition(PeerCondition::DisconnectedAndNotDialing)
                    .override_dial_concurrency_factor(
                        NonZeroU8::new(at_once).unwrap_or(NonZeroU8::MIN),
                    )
                    .addresses(addresses)
                    .build()
            }
            // libp2p takes a single address for a peer without a name.
            None => DialOpts::unknown_peer_id().address(first).build(),
        };
        let flight = Flight {
            dial: dial.id,
            peer,
            cancelled: false,
        };
        self.flights.insert(opts.connection_id(), flight);
        Ok(opts)
    }

    /// Keeps the end of a dial to ourselves. Returns whom to disconnect in order to stop it: libp2p
    /// aborts the pending dials of a peer along with its connections, so a peer that is connected
    /// is left alone, and a dial to a peer without a name runs out by itself.
    pub(crate) fn cancel(&mut self, dial: DialId) -> Option<PeerId> {
        let flight = self.flights.values_mut().find(|it| it.dial == dial)?;
        flight.cancelled = true;
        flight
            .peer
            .filter(|peer| !self.connections.contains_key(peer))
    }

    /// Whether a connection is the outcome of a dial of the engine's.
    pub(crate) fn is_ours(&self, connection: ConnectionId) -> bool {
        self.flights.contains_key(&connection)
    }

    /// Which dial of the engine's ends with this event; to be asked before it is passed on.
    pub(crate) fn ends(&self, event: &FromSwarm<'_>) -> Option<DialId> {
        let connection = match event {
            FromSwarm::ConnectionEstablished(event) => event.connection_id,
            FromSwarm::DialFailure(event) => event.connection_id,
            // `FromSwarm` is non-exhaustive; no other one ends a dial.
            _ => return None,
        };
        self.flights.get(&connection).map(|flight| flight.dial)
    }

    /// Whether a peer is connected.
    pub(crate) fn is_connected(&self, peer: &PeerId) -> bool {
        self.connections.contains_key(peer)
    }

    /// How near a connected peer is, by its nearest connection.
    pub(crate) fn nearest(&self, peer: &PeerId) -> Option<Scope> {
        let open = self.connections.get(peer)?;
        open.values().map(|line| line.scope).min()
    }

    /// What the swarm's news mean to the engine, if anything.
    pub(crate) fn on_swarm_event(&mut self, event: &FromSwarm<'_>) -> Option<Input> {
        match event {
            FromSwarm::ConnectionEstablished(event) => self.on_established(event),
            FromSwarm::ConnectionClosed(event) => self.on_closed(event),
            FromSwarm::DialFailure(event) => self.on_dial_failure(event),
            FromSwarm::AddressChange(event) => {
                self.on_address_change(event);
                None
            }
            FromSwarm::NewExternalAddrOfPeer(event) => self.on_address_of_peer(event),
            // `FromSwarm` is non-exhaustive; the rest does not concern us.
            _ => None,
        }
    }

    fn on_established(&mut self, event: &ConnectionEstablished<'_>) -> Option<Input> {
        let address = way::address_of(event.endpoint);
        let open = self.connections.entry(event.peer_id).or_default();
        let only_relayed = open.values().all(|line| line.relayed);
        open.insert(event.connection_id, Line::of(event.endpoint));
        let flight = self.flights.remove(&event.connection_id);
        if event.other_established > 0 {
            return match flight {
                // The dial has ended, but the peer was here before it did.
                Some(Flight {
                    dial, cancelled, ..
                }) => (!cancelled).then_some(Input::DialNotMade { dial }),
                None if only_relayed => rerouted(event, address),
                None => None,
            };
        }
        let direction = if event.endpoint.is_dialer() {
            Direction::Outbound(flight.map(|flight| flight.dial))
        } else {
            Direction::Inbound
        };
        // Behaviours are told which addresses failed, but not how.
        let failures = event
            .failed_addresses
            .iter()
            .filter_map(way::stripped)
            .map(|address| AddressFailure {
                address,
                failure: Failure::Other,
            })
            .collect();
        Some(Input::Connected(Connected {
            peer: event.peer_id.into(),
            address,
            direction,
            kind: way::kind_of(event.endpoint),
            failures,
        }))
    }

    fn on_closed(&mut self, event: &ConnectionClosed<'_>) -> Option<Input> {
        if let Some(open) = self.connections.get_mut(&event.peer_id) {
            open.remove(&event.connection_id);
        }
        if event.remaining_established > 0 {
            return None;
        }
        self.connections.remove(&event.peer_id);
        Some(Input::Disconnected {
            peer: event.peer_id.into(),
        })
    }

    fn on_dial_failure(&mut self, event: &DialFailure<'_>) -> Option<Input> {
        // Dials of other behaviours have no name the engine knows.
        let flight = self.flights.remove(&event.connection_id)?;
        if flight.cancelled {
            return None;
        }
        let dial = flight.dial;
        let failures = match event.error {
            DialError::Transport(errors) => errors
                .iter()
                .filter_map(|(address, error)| {
                    Some(AddressFailure {
                        address: way::stripped(address)?,
                        failure: failure_of(error),
                    })
                })
                .collect(),
            // Whoever answers first ends the dial: of the other addresses nothing is known.
            DialError::WrongPeerId { address, .. } | DialError::LocalPeerId { address } => {
                way::stripped(address)
                    .into_iter()
                    .map(|address| AddressFailure {
                        address,
                        failure: Failure::WrongPeer,
                    })
                    .collect()
            }
            DialError::NoAddresses
            | DialError::DialPeerConditionFalse(_)
            | DialError::Aborted
            | DialError::Denied { .. } => return Some(Input::DialNotMade { dial }),
        };
        Some(Input::DialFailed { dial, failures })
    }

    fn on_address_change(&mut self, event: &AddressChange<'_>) {
        if let Some(open) = self.connections.get_mut(&event.peer_id) {
            open.insert(event.connection_id, Line::of(event.new));
        }
    }

    /// Some behaviour found a peer: mDNS on the LAN, Kademlia, identify.
    fn on_address_of_peer(&mut self, event: &NewExternalAddrOfPeer<'_>) -> Option<Input> {
        let peer = PeerKey::from(event.peer_id);
        let address = way::stripped_of(&peer, event.addr.clone())?;
        // Behaviours do not say who told them; for a connected peer it may be the peer itself.
        let teller = self
            .connections
            .get(&event.peer_id)
            .and_then(|open| open.values().map(|line| line.scope).max());
        Some(Input::Heard {
            source: Source::Swarm,
            teller,
            peers: vec![(peer, vec![address])],
        })
    }

    /// What an identify event means to the engine, if anything.
    pub(crate) fn on_identify(&self, event: &identify::Event) -> Option<Input> {
        let identify::Event::Received {
            connection_id,
            peer_id,
            info,
        } = event
        else {
            return None;
        };
        let scope = self.connections.get(peer_id)?.get(connection_id)?.scope;
        let peer = PeerKey::from(*peer_id);
        Some(Input::Identified(Identified {
            addresses: info
                .listen_addrs
                .iter()
                .filter_map(|address| way::stripped_of(&peer, address.clone()))
                .take(ADDRESSES_MAX)
                .collect(),
            agent: info.agent_version.clone(),
            protocols: info
                .protocols
                .iter()
                .take(PROTOCOLS_MAX)
                .map(ToString::to_string)
                .collect(),
            public_key: info.public_key.encode_protobuf(),
            scope,
            peer,
        }))
    }

    /// What a ping event means to the engine: an answer is a sign of life. Our asking is none, and
    /// neither is its failure.
    pub(crate) fn on_ping(&self, event: &ping::Event) -> Option<Input> {
        let rtt = *event.result.as_ref().ok()?;
        self.is_connected(&event.peer).then(|| Input::Latency {
            peer: event.peer.into(),
            rtt,
        })
    }
}

impl Line {
    fn of(endpoint: &ConnectedPoint) -> Self {
        Self {
            scope: way::scope_of(endpoint),
            relayed: endpoint.is_relayed(),
        }
    }
}

/// Beside relayed connections a straight one came up that the engine did not ask for: a hole was
/// punched. Only an AutoNAT test comes from a port of its own, and it does not stay.
fn rerouted(event: &ConnectionEstablished<'_>, address: Address) -> Option<Input> {
    let dialled = match event.endpoint {
        endpoint if endpoint.is_relayed() => return None,
        ConnectedPoint::Dialer {
            port_use: PortUse::New,
            ..
        } => return None,
        ConnectedPoint::Dialer { .. } => Some(address),
        ConnectedPoint::Listener { .. } => None,
    };
    Some(Input::Rerouted(Rerouted {
        peer: event.peer_id.into(),
        dialled,
        kind: ConnectionKind::HolePunched,
    }))
}

/// A name that is no libp2p name cannot be dialled by libp2p, wherever it lives.
fn undiallable(dial: Dial) -> Input {
    let unsupported = |address: Address| AddressFailure {
        address,
        failure: Failure::Unsupported,
    };
    Input::DialFailed {
        dial: dial.id,
        failures: dial.addresses.into_iter().map(unsupported).collect(),
    }
}

#[cfg(test)]
#[path = "translator_tests.rs"]
mod tests;
