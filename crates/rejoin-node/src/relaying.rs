//! Relaying for others: how much of it, and by which of our addresses. Which relays we ourselves
//! ask is decided in the engine.

use std::time::Duration;

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol, relay};
use rejoin_core::{Address, Scope};

/// Peers that may be reached through us. Each costs a connection, of which we have 768 at most.
const RESERVATIONS_MAX: usize = 256;
/// Connections through us at once. With [`CIRCUIT_BYTES_MAX`] that is 1 GiB at the very most.
const CIRCUITS_MAX: usize = 64;
/// One peer must not take them all; it may have as many as it has neighbours.
const CIRCUITS_PER_PEER_MAX: usize = 8;
/// Long enough to find a way past the relay, and to talk where there is none; then the place is
/// somebody else's. libp2p's two minutes break off what DCUtR cannot replace.
const CIRCUIT_MAX: Duration = Duration::from_secs(30 * 60);
/// Names, addresses and words, but no films. libp2p's 128 KiB are gone in one gossip.
const CIRCUIT_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A relay that offers itself once others can reach it. How often anybody may ask is limited as
/// libp2p does by default, per peer and per IP address.
pub fn server(me: PeerId) -> relay::Behaviour {
    let config = relay::Config {
        max_reservations: RESERVATIONS_MAX,
        max_circuits: CIRCUITS_MAX,
        max_circuits_per_peer: CIRCUITS_PER_PEER_MAX,
        max_circuit_duration: CIRCUIT_MAX,
        max_circuit_bytes: CIRCUIT_BYTES_MAX,
        ..relay::Config::default()
    };
    relay::Behaviour::new(me, config)
}

/// The relay of a circuit, and where it is; `None` if the address is no circuit, or names none.
pub fn relay_in(circuit: &Multiaddr) -> Option<(PeerId, Multiaddr)> {
    let (address, _) = Address::split(circuit.clone()).ok()?;
    let relay = address.relay()?;
    let to_host = |part: &Protocol<'_>| *part != Protocol::P2p(relay);
    Some((relay, address.parts().take_while(to_host).collect()))
}

/// Those of our addresses by which others reach us, when all we know is that they do: the user says
/// so by making us a relay. Of an address on the internet nobody needs to be told another on the LAN.
pub fn reached_by(listening: &[Multiaddr]) -> Vec<Multiaddr> {
    let scope = |address: &Multiaddr| {
        let split = Address::split(address.clone()).ok();
        split.map_or(Scope::Nowhere, |(address, _)| Scope::of(&address))
    };
    let straight = || {
        let straight = |it: &&Multiaddr| it.iter().all(|part| part != Protocol::P2pCircuit);
        listening.iter().filter(straight)
    };
    let known = straight().map(scope).filter(|it| *it != Scope::Nowhere);
    let farthest = known.max();
    let there = straight().filter(|address| Some(scope(address)) == farthest);
    there.cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "/ip4/127.0.0.1/tcp/1";
    const LAN: &str = "/ip4/192.168.1.7/udp/1/quic-v1";
    const INTERNET: &str = "/ip4/8.8.4.4/tcp/1";

    #[test]
    fn the_farthest_addresses_count() {
        check(&[], &[]);
        check(&[HERE], &[HERE]);
        check(&[HERE, LAN], &[LAN]);
        check(&[HERE, INTERNET, LAN], &[INTERNET]);
    }

    #[test]
    fn the_relay_is_read_off_a_circuit() {
        let relay = PeerId::random();
        let circuit = format!("{INTERNET}/p2p/{relay}/p2p-circuit");
        let found = Some((relay, INTERNET.parse().unwrap()));
        assert_eq!(relay_in(&circuit.parse().unwrap()), found);
        assert_eq!(relay_in(&INTERNET.parse().unwrap()), None);
        let nameless = format!("{INTERNET}/p2p-circuit");
        assert_eq!(relay_in(&nameless.parse().unwrap()), None);
    }

    #[test]
    fn a_relay_behind_a_relay_is_none() {
        let relay = PeerId::random();
        let circuit = format!("{INTERNET}/p2p/{relay}/p2p-circuit");
        check(&[&circuit, LAN], &[LAN]);
    }

    #[track_caller]
    fn check(listening: &[&str], expected: &[&str]) {
        let read = |list: &[&str]| -> Vec<Multiaddr> {
            list.iter().map(|it| it.parse().unwrap()).collect()
        };
        assert_eq!(reached_by(&read(listening)), read(expected));
    }
}
