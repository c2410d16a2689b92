//! libp2p's names for peers, addresses and connections in the engine's words.

use std::collections::BTreeMap;

use libp2p::{
    Multiaddr,
    core::{ConnectedPoint, Endpoint},
    multiaddr::Protocol,
};
use rejoin_core::{Address, ConnectionKind, PeerKey, Scope, record::ADDRESSES_MAX};

/// The address at the other end, without the peer's own name. A connection is never passed over
/// because its address is too long or has no words: it then comes from nowhere, and the engine does
/// not remember nowhere.
pub(crate) fn address_of(endpoint: &ConnectedPoint) -> Address {
    stripped(endpoint.get_remote_address()).unwrap_or_else(nowhere)
}

/// How far away the other end is; behind a relay it is as far as the relay.
pub(crate) fn scope_of(endpoint: &ConnectedPoint) -> Scope {
    let way = match endpoint {
        // Who comes through a relay has no address but a name.
        ConnectedPoint::Listener { local_addr, .. } if endpoint.is_relayed() => local_addr,
        ConnectedPoint::Dialer { .. } | ConnectedPoint::Listener { .. } => {
            endpoint.get_remote_address()
        }
    };
    let to_host = |part: &Protocol<'_>| !matches!(part, Protocol::P2p(_) | Protocol::P2pCircuit);
    let host = way.iter().take_while(to_host).collect();
    stripped(&host).map_or(Scope::Nowhere, |host| Scope::of(&host))
}

/// An address without the peer's own name; `None` if nothing is left or it is too long.
pub(crate) fn stripped(address: &Multiaddr) -> Option<Address> {
    let mut address = address.clone();
    if let Some(Protocol::P2p(_)) = address.iter().last() {
        address.pop();
    }
    Address::split(address).ok().map(|(address, _)| address)
}

/// An address that may be this peer's: one that names somebody else is not.
pub(crate) fn stripped_of(peer: &PeerKey, address: Multiaddr) -> Option<Address> {
    let (address, named) = Address::split(address).ok()?;
    named.is_none_or(|named| named == *peer).then_some(address)
}

/// Addresses that end in their peer's name, peer by peer in the order of their first mention. Those
/// without a name, and those beyond what a record holds, are left out.
pub(crate) fn by_peer(
    addresses: impl IntoIterator<Item = Multiaddr>,
) -> Vec<(PeerKey, Vec<Address>)> {
    let mut places = BTreeMap::new();
    let mut peers: Vec<(PeerKey, Vec<Address>)> = Vec::new();
    for address in addresses {
        let Ok((address, Some(peer))) = Address::split(address) else {
            continue;
        };
        let place = *places.entry(peer.clone()).or_insert_with(|| {
            peers.push((peer, Vec::new()));
            peers.len() - 1
        });
        let known = &mut peers[place].1;
        if known.len() < ADDRESSES_MAX && !known.contains(&address) {
            known.push(address);
        }
    }
    peers
}

/// How the connection reaches the peer.
pub(crate) fn kind_of(endpoint: &ConnectedPoint) -> ConnectionKind {
    match endpoint {
        _ if endpoint.is_relayed() => ConnectionKind::Relayed,
        // Only a hole punch makes a dialler act as the listener.
        ConnectedPoint::Dialer {
            role_override: Endpoint::Listener,
            ..
        } => ConnectionKind::HolePunched,
        ConnectedPoint::Dialer { .. } | ConnectedPoint::Listener { .. } => ConnectionKind::Direct,
    }
}

fn nowhere() -> Address {
    Address::from(std::net::SocketAddr::from(([0, 0, 0, 0], 0)))
}

#[cfg(test)]
mod tests {
    use libp2p::{PeerId, core::transport::PortUse};

    use super::*;

    #[test]
    fn the_peers_name_is_taken_off_and_the_relays_stays() {
        let (alice, relay) = (PeerId::random(), PeerId::random());
        check(
            &format!("/ip4/1.2.3.4/tcp/80/p2p/{alice}"),
            "/ip4/1.2.3.4/tcp/80",
            ConnectionKind::Direct,
        );
        let circuit = format!("/ip4/1.2.3.4/tcp/80/p2p/{relay}/p2p-circuit");
        check(
            &format!("{circuit}/p2p/{alice}"),
            &circuit,
            ConnectionKind::Relayed,
        );
    }

    #[test]
    fn a_connection_without_a_usable_address_comes_from_nowhere() {
        let endless = format!("/dns/{}/tcp/1", "a".repeat(600));
        let address = address_of(&dialled(&endless, Endpoint::Dialer));
        assert_eq!(Scope::of(&address), Scope::Nowhere);
    }

    #[test]
    fn the_peers_name_does_not_count_towards_the_limit() {
        let host = "a".repeat(500);
        let long = format!("/dns/{host}/tcp/1/p2p/{}", PeerId::random());
        assert!(stripped(&long.parse().unwrap()).is_some());
    }

    #[test]
    fn a_dialler_that_listens_has_punched_a_hole() {
        let endpoint = dialled("/ip4/1.2.3.4/tcp/80", Endpoint::Listener);
        assert_eq!(kind_of(&endpoint), ConnectionKind::HolePunched);
    }

    #[test]
    fn behind_a_relay_a_peer_is_as_far_as_the_relay() {
        let (alice, relay) = (PeerId::random(), PeerId::random());
        let circuit = format!("/ip4/10.0.0.1/tcp/80/p2p/{relay}/p2p-circuit");
        let there = dialled(&circuit, Endpoint::Dialer);
        assert_eq!(scope_of(&there), Scope::Private);
        let came = ConnectedPoint::Listener {
            local_addr: circuit.parse().unwrap(),
            send_back_addr: format!("/p2p/{alice}").parse().unwrap(),
        };
        assert_eq!(scope_of(&came), Scope::Private);
        let straight = dialled("/ip4/1.2.3.4/tcp/80", Endpoint::Dialer);
        assert_eq!(scope_of(&straight), Scope::Public);
    }

    #[test]
    fn an_address_that_names_somebody_else_is_not_this_peers() {
        let (alice, eve) = (PeerId::random(), PeerId::random());
        let at = |peer| format!("/ip4/1.2.3.4/tcp/80/p2p/{peer}").parse().unwrap();
        assert!(stripped_of(&alice.into(), at(alice)).is_some());
        assert!(stripped_of(&alice.into(), at(eve)).is_none());
    }

    #[test]
    fn a_list_is_sorted_by_peer_and_bounded() {
        let (alice, bob) = (PeerId::random(), PeerId::random());
        let at = |port: u16, peer| format!("/ip4/1.2.3.4/tcp/{port}/p2p/{peer}");
        let mut list = vec![at(1, alice), at(2, bob), "/ip4/1.2.3.4/tcp/3".into()];
        list.extend((1..20).map(|port| at(port, alice)));
        let peers = by_peer(list.iter().map(|text| text.parse().unwrap()));
        let counts: Vec<_> = peers
            .iter()
            .map(|(key, at)| (key.peer_id(), at.len()))
            .collect();
        assert_eq!(counts, [(Some(alice), ADDRESSES_MAX), (Some(bob), 1)]);
    }

    #[track_caller]
    fn check(address: &str, shown: &str, kind: ConnectionKind) {
        let endpoint = dialled(address, Endpoint::Dialer);
        assert_eq!(address_of(&endpoint).to_string(), shown);
        assert_eq!(kind_of(&endpoint), kind);
    }

    fn dialled(address: &str, role_override: Endpoint) -> ConnectedPoint {
        ConnectedPoint::Dialer {
            address: address.parse().unwrap(),
            role_override,
            port_use: PortUse::Reuse,
        }
    }
}
