//! What the behaviour makes of dials that other behaviours of the swarm begin. No socket.

use libp2p::{
    Multiaddr, PeerId,
    core::{ConnectedPoint, Endpoint, transport::PortUse},
    identity::Keypair,
    swarm::{
        ConnectionHandler, ConnectionId, FromSwarm, NetworkBehaviour,
        behaviour::ConnectionEstablished,
    },
};
use rejoin_libp2p::{Behaviour, Setup};

const HERE: &str = "/ip4/127.0.0.1/tcp/22";
const LAN: &str = "/ip4/192.168.1.1/tcp/80";
const INTERNET: &str = "/ip4/1.2.3.4/tcp/80";

// AutoNAT dials where its client says; without this, anybody could have our LAN searched.
#[test]
fn nobody_far_away_has_our_machine_or_lan_tried() {
    may_be_dialled(INTERNET, &[INTERNET], true);
    may_be_dialled(INTERNET, &[HERE], false);
    may_be_dialled(INTERNET, &[LAN], false);
    may_be_dialled(INTERNET, &[LAN, INTERNET], true);
    may_be_dialled(LAN, &[LAN], true);
    may_be_dialled(LAN, &[HERE], false);
    may_be_dialled(HERE, &[HERE], true);
}

#[test]
fn who_is_not_connected_asked_for_nothing() {
    let alice = PeerId::random();
    assert!(dial(&mut memory(), alice, &[LAN]));
    assert!(dial(&mut memory(), alice, &[]));
}

#[test]
fn a_connection_made_for_a_test_is_left_to_end() {
    assert!(is_kept(PortUse::Reuse));
    assert!(!is_kept(PortUse::New));
}

/// Whether somebody connected from there may have these addresses dialled.
#[track_caller]
fn may_be_dialled(from: &str, addresses: &[&str], expected: bool) {
    let (mut memory, eve) = (memory(), PeerId::random());
    let endpoint = ConnectedPoint::Listener {
        local_addr: "/ip4/192.168.1.7/tcp/1".parse().unwrap(),
        send_back_addr: from.parse().unwrap(),
    };
    memory.on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
        peer_id: eve,
        connection_id: ConnectionId::new_unchecked(1),
        endpoint: &endpoint,
        failed_addresses: &[],
        other_established: 0,
    }));
    assert_eq!(dial(&mut memory, eve, addresses), expected, "{from}");
}

fn dial(memory: &mut Behaviour, peer: PeerId, addresses: &[&str]) -> bool {
    let addresses: Vec<Multiaddr> = addresses.iter().map(|it| it.parse().unwrap()).collect();
    let dialled = memory.handle_pending_outbound_connection(
        ConnectionId::new_unchecked(2),
        Some(peer),
        &addresses,
        Endpoint::Dialer,
    );
    dialled.is_ok()
}

fn is_kept(port_use: PortUse) -> bool {
    let handler = memory().handle_established_outbound_connection(
        ConnectionId::new_unchecked(1),
        PeerId::random(),
        &INTERNET.parse().unwrap(),
        Endpoint::Dialer,
        port_use,
    );
    handler.unwrap().connection_keep_alive()
}

fn memory() -> Behaviour {
    Behaviour::new(Setup {
        identify: None,
        ping: None,
        seed: 1,
        ..Setup::new(&Keypair::generate_ed25519())
    })
}
