//! What the swarm goes through, and the inputs it becomes.

use std::{io, time::Duration};

use libp2p::{
    Multiaddr,
    core::{ConnectedPoint, Endpoint, transport::PortUse, transport::TransportError},
    identity::Keypair,
    swarm::StreamProtocol,
};
use rejoin_core::{ConnectionKind, Lane};

use super::*;

const HERE: &str = "/ip4/192.168.1.1/tcp/1";
const THERE: &str = "/ip4/1.2.3.4/tcp/80";
const ELSEWHERE: &str = "/ip4/5.6.7.8/tcp/80";

#[test]
fn a_dial_goes_to_every_address_at_once() {
    let (mut tongue, alice) = (Translator::default(), PeerId::random());
    let opts = tongue
        .dial(dial(1, Some(alice), &[THERE, ELSEWHERE]))
        .unwrap();
    assert_eq!(opts.get_peer_id(), Some(alice));
    let shown = format!("{opts:?}");
    assert!(
        shown.contains("dial_concurrency_factor_override: Some(2)"),
        "{shown}"
    );
    assert!(
        shown.contains("extend_addresses_through_behaviour: false"),
        "{shown}"
    );
    assert!(tongue.is_ours(opts.connection_id()));
}

// Mistake 1: a queued dial is no success.
#[test]
fn a_dial_tells_the_engine_nothing_before_it_ends() {
    let (mut tongue, alice) = (Translator::default(), PeerId::random());
    let id = fly(&mut tongue, 1, Some(alice));
    assert!(tongue.is_ours(id) && !tongue.is_connected(&alice));
}

#[test]
fn a_name_that_is_no_peer_id_cannot_be_dialled() {
    let mut unnamed = dial(3, None, &[THERE]);
    unnamed.peer = Some("8.8.4.4:1".parse().unwrap());
    let Err(answer) = Translator::default().dial(unnamed) else {
        panic!("dialled a socket address");
    };
    assert_eq!(answer, failed(3, &[(THERE, Failure::Unsupported)]));
}

#[test]
fn a_dial_without_an_address_is_not_made() {
    let answer = Translator::default().dial(dial(4, Some(PeerId::random()), &[]));
    assert_eq!(answer.err(), Some(Input::DialNotMade { dial: DialId(4) }));
}

#[test]
fn the_first_connection_of_a_dial_answers_it() {
    let (mut tongue, alice) = (Translator::default(), PeerId::random());
    let id = fly(&mut tongue, 1, Some(alice));
    let failed_before: Multiaddr = ELSEWHERE.parse().unwrap();
    let endpoint = outbound(alice);
    let input = tongue.on_swarm_event(&FromSwarm::ConnectionEstablished(ConnectionEstablished {
        peer_id: alice,
        connection_id: id,
        endpoint: &endpoint,
        failed_addresses: &[failed_before],
        other_established: 0,
    }));
    let expected = Connected {
        peer: alice.into(),
        address: THERE.parse().unwrap(),
        direction: Direction::Outbound(Some(DialId(1))),
        kind: ConnectionKind::Direct,
        failures: failures(&[(ELSEWHERE, Failure::Other)]),
    };
    assert_eq!(input, Some(Input::Connected(expected)));
    assert!(!tongue.is_ours(id), "a dial ends once");
}

#[test]
fn only_the_first_connection_and_the_last_end_count() {
    let (mut tongue, alice) = (Translator::default(), PeerId::random());
    let (first, second) = (outbound(alice), inbound());
    assert!(establish(&mut tongue, alice, 1, &first, 0).is_some());
    assert_eq!(establish(&mut tongue, alice, 2, &second, 1), None);
    assert_eq!(close(&mut tongue, alice, 1, &first, 1), None);
    let gone = close(&mut tongue, alice, 2, &second, 0);
    assert_eq!(gone, Some(Input::Disconnected { peer: alice.into() }));
    assert!(!tongue.is_connected(&alice));
}

#[test]
fn a_straight_connection_beside_a_relayed_one_has_punched_a_hole() {
    let (mut tongue, alice) = (Translator::default(), PeerId::random());
    let punched = |dialled: Option<&str>| {
        Some(Input::Rerouted(Rerouted {
            peer: alice.into(),
            dialled: dialled.map(|it| it.parse().unwrap()),
            kind: ConnectionKind::HolePunched,
        }))
    };
    let circuit = dialled_at(&format!("{ELSEWHERE}/p2p/{}/p2p-circuit", PeerId::random()));
    let Some(Input::Connected(up)) = establish(&mut tongue, alice, 1, &circuit, 0) else {
        panic!("not told");
    };
    assert_eq!(up.kind, ConnectionKind::Relayed);
    assert_eq!(
        establish(&mut tongue, alice, 2, &circuit, 1),
        None,
        "no better"
    );
    let test = ConnectedPoint::Dialer {
        address: THERE.parse().unwrap(),
        role_override: Endpoint::Dialer,
        port_use: PortUse::New,
    };
    assert_eq!(establish(&mut tongue, alice, 3, &test, 2), None, "it ends");
    close(&mut tongue, alice, 3, &test, 2);
    let straight = outbound(alice);
    assert_eq!(
        establish(&mut tongue, alice, 4, &straight, 2),
        punched(Some(THERE))
    );
    assert_eq!(establish(&mut tongue, alice, 5, &inbound(), 3), None);
    close(&mut tongue, alice, 4, &straight, 3);
    close(&mut tongue, alice, 5, &inbound(), 2);
    assert_eq!(
        establish(&mut tongue, alice, 6, &inbound(), 2),
        punched(None)
    );
}

#[test]
fn how_near_a_peer_is_its_nearest_connection_tells() {
    let (mut tongue, alice) = (Translator::default(), PeerId::random());
    assert_eq!(tongue.nearest(&alice), None);
    establish(&mut tongue, alice, 1, &outbound(alice), 0);
    assert_eq!(tongue.nearest(&alice), Some(Scope::Public));
    establish(&mut tongue, alice, 2, &dialled_at(HERE), 1);
    assert_eq!(tongue.nearest(&alice), Some(Scope::Private));
}

#[test]
fn a_dial_overtaken_by_the_peers_own_is_not_made() {
    let (mut tongue, alice) = (Translator::default(), PeerId::random());
    let id = fly(&mut tongue, 7, Some(alice));
    let endpoint = outbound(alice);
    establish(&mut tongue, alice, 900, &inbound(), 0);
    let input = tongue.on_swarm_event(&FromSwarm::ConnectionEstablished(ConnectionEstablished {
        peer_id: alice,
        connection_id: id,
        endpoint: &endpoint,
        failed_addresses: &[],
        other_established: 1,
    }));
    assert_eq!(input, Some(Input::DialNotMade { dial: DialId(7) }));
}

#[test]
fn a_connection_somebody_else_dialled_belongs_to_no_dial() {
    let (mut tongue, alice) = (Translator::default(), PeerId::random());
    let Some(Input::Connected(up)) = establish(&mut tongue, alice, 900, &outbound(alice), 0) else {
        panic!("not told");
    };
    assert_eq!(up.direction, Direction::Outbound(None));
    let bob = PeerId::random();
    let Some(Input::Connected(up)) = establish(&mut tongue, bob, 901, &inbound(), 0) else {
        panic!("not told");
    };
    assert_eq!(up.direction, Direction::Inbound);
}

#[test]
fn every_address_of_a_failed_dial_has_its_own_reason() {
    let refused = TransportError::Other(io::ErrorKind::ConnectionRefused.into());
    let silent = TransportError::Other(io::ErrorKind::TimedOut.into());
    check_failure(
        DialError::Transport(vec![
            (THERE.parse().unwrap(), refused),
            (ELSEWHERE.parse().unwrap(), silent),
        ]),
        failed(
            1,
            &[(THERE, Failure::Refused), (ELSEWHERE, Failure::Silent)],
        ),
    );
}

#[test]
fn a_wrong_identity_is_a_failure_of_the_address_alone() {
    let eve = PeerId::random();
    check_failure(
        DialError::WrongPeerId {
            obtained: eve,
            address: format!("{THERE}/p2p/{eve}").parse().unwrap(),
        },
        failed(1, &[(THERE, Failure::WrongPeer)]),
    );
}

#[test]
fn a_dial_the_swarm_refuses_is_nobodys_fault() {
    let not_made = Input::DialNotMade { dial: DialId(1) };
    check_failure(DialError::NoAddresses, not_made.clone());
    check_failure(DialError::Aborted, not_made.clone());
    check_failure(
        DialError::DialPeerConditionFalse(PeerCondition::DisconnectedAndNotDialing),
        not_made,
    );
}

#[test]
fn the_end_of_a_cancelled_dial_is_kept_quiet() {
    let (mut tongue, alice) = (Translator::default(), PeerId::random());
    let id = fly(&mut tongue, 1, Some(alice));
    assert_eq!(tongue.cancel(DialId(1)), Some(alice));
    assert_eq!(fail(&mut tongue, id, &DialError::Aborted), None);
    assert_eq!(tongue.cancel(DialId(1)), None, "it has ended");
}

#[test]
fn cancelling_a_dial_never_costs_a_connection() {
    let (mut tongue, alice) = (Translator::default(), PeerId::random());
    fly(&mut tongue, 1, Some(alice));
    establish(&mut tongue, alice, 900, &inbound(), 0);
    assert_eq!(tongue.cancel(DialId(1)), None);
}

#[test]
fn a_connection_of_a_cancelled_dial_is_told_all_the_same() {
    let (mut tongue, alice) = (Translator::default(), PeerId::random());
    let opts = tongue.dial(dial(1, None, &[THERE])).unwrap();
    assert_eq!(tongue.cancel(DialId(1)), None, "nobody to disconnect");
    let endpoint = outbound(alice);
    let input = tongue.on_swarm_event(&FromSwarm::ConnectionEstablished(ConnectionEstablished {
        peer_id: alice,
        connection_id: opts.connection_id(),
        endpoint: &endpoint,
        failed_addresses: &[],
        other_established: 0,
    }));
    assert!(matches!(input, Some(Input::Connected(_))));
}

#[test]
fn a_failed_dial_of_somebody_else_is_not_ours() {
    let id = ConnectionId::new_unchecked(77);
    assert_eq!(
        fail(&mut Translator::default(), id, &DialError::Aborted),
        None
    );
}

// Mistake 7: one address, the alphabetically first, is not enough.
#[test]
fn all_addresses_a_peer_names_are_passed_on_but_not_those_of_others() {
    let mut tongue = Translator::default();
    let key = Keypair::generate_ed25519();
    let alice = key.public().to_peer_id();
    establish(&mut tongue, alice, 1, &outbound(alice), 0);
    let listen_addrs = vec![
        "/ip4/127.0.0.1/tcp/80".parse().unwrap(),
        format!("{THERE}/p2p/{alice}").parse().unwrap(),
        format!("{ELSEWHERE}/p2p/{}", PeerId::random())
            .parse()
            .unwrap(),
    ];
    let Some(Input::Identified(told)) = tongue.on_identify(&identified(&key, listen_addrs)) else {
        panic!("not told");
    };
    let shown: Vec<_> = told.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["/ip4/127.0.0.1/tcp/80", THERE]);
    assert_eq!(told.scope, Scope::Public);
    assert_eq!(told.agent, "alice/1");
    assert_eq!(told.protocols, ["/x/1"]);
    assert_eq!(told.public_key, key.public().encode_protobuf());
}

// Mistake 19: lists from the network end somewhere.
#[test]
fn what_a_peer_says_of_itself_is_bounded() {
    let mut tongue = Translator::default();
    let key = Keypair::generate_ed25519();
    let alice = key.public().to_peer_id();
    establish(&mut tongue, alice, 1, &outbound(alice), 0);
    let many = (1..=500)
        .map(|port| format!("/ip4/1.2.3.4/tcp/{port}").parse().unwrap())
        .collect();
    let Some(Input::Identified(told)) = tongue.on_identify(&identified(&key, many)) else {
        panic!("not told");
    };
    assert_eq!(told.addresses.len(), ADDRESSES_MAX);
}

#[test]
fn nobody_speaks_over_a_connection_that_is_gone() {
    let key = Keypair::generate_ed25519();
    let event = identified(&key, vec![]);
    assert_eq!(Translator::default().on_identify(&event), None);
}

// Mistake 22: the pings we send are no sign of life; only answers are.
#[test]
fn only_an_answered_ping_is_a_sign_of_life() {
    let (mut tongue, alice) = (Translator::default(), PeerId::random());
    establish(&mut tongue, alice, 1, &outbound(alice), 0);
    let event = |result| ping::Event {
        peer: alice,
        connection: ConnectionId::new_unchecked(1),
        result,
    };
    assert_eq!(tongue.on_ping(&event(Err(ping::Failure::Timeout))), None);
    let rtt = Duration::from_millis(12);
    let peer = alice.into();
    let answered = tongue.on_ping(&event(Ok(rtt)));
    assert_eq!(answered, Some(Input::Latency { peer, rtt }));
}

#[test]
fn what_other_behaviours_find_is_hearsay() {
    let (mut tongue, alice) = (Translator::default(), PeerId::random());
    let addr: Multiaddr = format!("{THERE}/p2p/{alice}").parse().unwrap();
    let found = |peer_id| {
        FromSwarm::NewExternalAddrOfPeer(NewExternalAddrOfPeer {
            peer_id,
            addr: &addr,
        })
    };
    let heard = Input::Heard {
        source: Source::Swarm,
        teller: None,
        peers: vec![(alice.into(), vec![THERE.parse().unwrap()])],
    };
    assert_eq!(tongue.on_swarm_event(&found(alice)), Some(heard));
    let eve = PeerId::random();
    assert_eq!(tongue.on_swarm_event(&found(eve)), None, "it is Alice's");
}

#[track_caller]
fn check_failure(error: DialError, expected: Input) {
    let mut tongue = Translator::default();
    let id = fly(&mut tongue, 1, Some(PeerId::random()));
    assert_eq!(fail(&mut tongue, id, &error), Some(expected));
    assert!(!tongue.is_ours(id), "a dial ends once");
}

fn dial(id: u64, peer: Option<PeerId>, addresses: &[&str]) -> Dial {
    Dial {
        id: DialId(id),
        peer: peer.map(PeerKey::from),
        addresses: addresses.iter().map(|it| it.parse().unwrap()).collect(),
        lane: Lane::Memory,
    }
}

fn fly(tongue: &mut Translator, id: u64, peer: Option<PeerId>) -> ConnectionId {
    tongue
        .dial(dial(id, peer, &[THERE]))
        .unwrap()
        .connection_id()
}

fn fail(tongue: &mut Translator, connection_id: ConnectionId, error: &DialError) -> Option<Input> {
    tongue.on_swarm_event(&FromSwarm::DialFailure(DialFailure {
        peer_id: None,
        error,
        connection_id,
    }))
}

fn establish(
    tongue: &mut Translator,
    peer_id: PeerId,
    id: usize,
    endpoint: &ConnectedPoint,
    other_established: usize,
) -> Option<Input> {
    tongue.on_swarm_event(&FromSwarm::ConnectionEstablished(ConnectionEstablished {
        peer_id,
        connection_id: ConnectionId::new_unchecked(id),
        endpoint,
        failed_addresses: &[],
        other_established,
    }))
}

fn close(
    tongue: &mut Translator,
    peer_id: PeerId,
    id: usize,
    endpoint: &ConnectedPoint,
    remaining_established: usize,
) -> Option<Input> {
    tongue.on_swarm_event(&FromSwarm::ConnectionClosed(ConnectionClosed {
        peer_id,
        connection_id: ConnectionId::new_unchecked(id),
        endpoint,
        cause: None,
        remaining_established,
    }))
}

fn outbound(peer: PeerId) -> ConnectedPoint {
    dialled_at(&format!("{THERE}/p2p/{peer}"))
}

fn dialled_at(address: &str) -> ConnectedPoint {
    ConnectedPoint::Dialer {
        address: address.parse().unwrap(),
        role_override: Endpoint::Dialer,
        port_use: PortUse::Reuse,
    }
}

fn inbound() -> ConnectedPoint {
    ConnectedPoint::Listener {
        local_addr: HERE.parse().unwrap(),
        send_back_addr: ELSEWHERE.parse().unwrap(),
    }
}

fn identified(key: &Keypair, listen_addrs: Vec<Multiaddr>) -> identify::Event {
    identify::Event::Received {
        connection_id: ConnectionId::new_unchecked(1),
        peer_id: key.public().to_peer_id(),
        info: identify::Info {
            public_key: key.public(),
            protocol_version: "x/1".into(),
            agent_version: "alice/1".into(),
            listen_addrs,
            protocols: vec![StreamProtocol::new("/x/1")],
            observed_addr: HERE.parse().unwrap(),
            signed_peer_record: None,
        },
    }
}

fn failed(dial: u64, addresses: &[(&str, Failure)]) -> Input {
    Input::DialFailed {
        dial: DialId(dial),
        failures: failures(addresses),
    }
}

fn failures(addresses: &[(&str, Failure)]) -> Vec<AddressFailure> {
    addresses
        .iter()
        .map(|(address, failure)| AddressFailure {
            address: address.parse().unwrap(),
            failure: *failure,
        })
        .collect()
}
