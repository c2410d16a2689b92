//! What becomes of dials, on real sockets: the silent, the refusing and the impostor.

mod common;

use std::time::Duration;

use common::{
    Running, closed_port, connected, hung_up, listen, node, node_with, outcomes, remember,
    silent_listener, state, until, url,
};
use libp2p::{
    Multiaddr, PeerId,
    identity::Keypair,
    swarm::{DialError, SwarmEvent},
};
use rejoin::{Config, Consequence, Event, Pool, Source};

// Mistake 17: one dead peer holding up a batch.
#[tokio::test(flavor = "multi_thread")]
async fn the_silent_hold_up_nobody_and_are_hung_up_on_in_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let url = url("json", folder.path());
    let alice = Running::start().await;
    let (mut past, mut listeners) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let (address, listener) = silent_listener().await;
        past.push((PeerId::random(), vec![address]));
        listeners.push(listener);
    }
    past.push((alice.peer, vec![alice.address.clone()]));
    remember(&url, &past);

    let mut bob = node_with(&Keypair::generate_ed25519(), &url, |config| {
        config.target = 1;
        never_give_up(config);
    });
    until(&mut bob, |_, event| {
        matches!(event, SwarmEvent::Behaviour(Event::TargetReached { .. })).then_some(())
    })
    .await;
    state(&mut bob, |memory| {
        (memory.status().dials == 0).then_some(())
    })
    .await;

    // Not only the books: the sockets are closed too. Whom bob never dialled has nothing to show.
    let driving = tokio::spawn(async move {
        state(&mut bob, |_| None::<()>).await;
    });
    let mut dialled = 0;
    for listener in listeners {
        let listener = listener.into_std().unwrap();
        match listener.accept() {
            Ok((stream, _)) => {
                dialled += 1;
                stream.set_nonblocking(true).unwrap();
                hung_up(tokio::net::TcpStream::from_std(stream).unwrap()).await;
            }
            Err(nobody) => assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock),
        }
    }
    assert!(dialled > 0, "the better ones were tried first");
    driving.abort();
}

// Mistake 1: counting "dial queued" as success.
#[tokio::test(flavor = "multi_thread")]
async fn a_dial_is_no_success_before_the_peer_is_authenticated() {
    let peer = PeerId::random();
    let mut bob = node(&Keypair::generate_ed25519(), "memory:");
    bob.behaviour_mut()
        .connect(peer, [closed_port().await])
        .unwrap();
    state(&mut bob, |memory| {
        outcomes(memory).contains(&"refused").then_some(())
    })
    .await;
    let memory = bob.behaviour();
    assert_eq!(memory.status().connections, 0);
    assert_eq!(memory.status().proven, 0);
    assert!(memory.peer(peer).is_none_or(|it| it.last_seen.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_identity_is_the_fault_of_the_address_not_of_the_peer() {
    let folder = tempfile::tempdir().unwrap();
    let url = url("json", folder.path());
    let eve = Running::start().await;
    let alice = PeerId::random();
    remember(&url, &[(alice, vec![nameless(&eve.address)])]);

    let mut bob = node(&Keypair::generate_ed25519(), &url);
    state(&mut bob, |memory| {
        outcomes(memory).contains(&"wrong-peer").then_some(())
    })
    .await;
    let record = bob.behaviour().peer(alice).expect("she is not forgotten");
    assert_eq!(record.pool(), Pool::Proven);
    assert!(record.evidence.dials_failed.is_zero());
    assert!(
        record.addresses.is_empty() || record.addresses[0].failures_in_row > 0,
        "the address is blamed"
    );
}

// Mistake 7: keeping only one address, the alphabetically first.
#[tokio::test(flavor = "multi_thread")]
async fn all_addresses_a_peer_listens_on_are_kept() {
    let mut alice = node(&Keypair::generate_ed25519(), "memory:");
    listen(&mut alice, "/ip4/127.0.0.1/tcp/0").await;
    let alice = Running::drive(alice).await;
    let mut bob = node(&Keypair::generate_ed25519(), "memory:");
    bob.behaviour_mut()
        .connect(None, [alice.address.clone()])
        .unwrap();
    state(&mut bob, |memory| {
        (memory.peer(alice.peer)?.addresses.len() >= 2).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_dead_address_does_not_hide_the_living_one() {
    let folder = tempfile::tempdir().unwrap();
    let url = url("sqlite", folder.path());
    let alice = Running::start().await;
    let (silent, _listener) = silent_listener().await;
    let ways = vec![closed_port().await, silent, alice.address.clone()];
    remember(&url, &[(alice.peer, ways)]);
    let mut bob = node_with(&Keypair::generate_ed25519(), &url, never_give_up);
    assert!(connected(&mut bob, alice.peer).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_peer_is_not_let_in() {
    let alice = Keypair::generate_ed25519();
    let peer = alice.public().to_peer_id();
    let mut bob = node(&Keypair::generate_ed25519(), "memory:");
    let memory = bob.behaviour_mut();
    memory.heard(Source::Manual, peer, [closed_port().await]);
    memory.block(peer, Duration::from_secs(3_600));
    let address = listen(&mut bob, "/ip4/127.0.0.1/tcp/0").await;

    let mut alice = node(&alice, "memory:");
    alice.behaviour_mut().connect(None, [address]).unwrap();
    let _alice = Running::drive(alice).await;
    until(&mut bob, |_, event| match event {
        SwarmEvent::IncomingConnectionError { peer_id, .. } => {
            (*peer_id == Some(peer)).then_some(())
        }
        SwarmEvent::ConnectionEstablished { .. } => panic!("let in"),
        _ => None,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_oversteps_is_disconnected_and_stays_out() {
    let alice = Running::start().await;
    let mut bob = node(&Keypair::generate_ed25519(), "memory:");
    let memory = bob.behaviour_mut();
    memory.connect(None, [alice.address.clone()]).unwrap();
    connected(&mut bob, alice.peer).await;
    assert!(bob.behaviour().standing(alice.peer) > 0.0);
    for _ in 0..4 {
        bob.behaviour_mut().overstepped(alice.peer);
    }
    let mut told = None;
    until(&mut bob, |_, event| match event {
        SwarmEvent::Behaviour(Event::Misbehaved { consequence, .. }) => {
            told = Some(*consequence);
            None
        }
        SwarmEvent::Behaviour(Event::Disconnected { .. }) => Some(()),
        _ => None,
    })
    .await;
    assert_eq!(told, Some(Consequence::SentAway));
    assert_eq!(bob.behaviour().standing(alice.peer), -100.0);
    let dialled = bob.dial(alice.peer);
    assert!(
        matches!(dialled, Err(DialError::Denied { .. })),
        "{dialled:?}"
    );
}

/// What the stagger does not overtake, nothing else will.
fn never_give_up(config: &mut Config) {
    config.dial_timeout_min = Duration::from_secs(86_400);
    config.dial_timeout_max = Duration::from_secs(86_400);
}

fn nameless(address: &Multiaddr) -> Multiaddr {
    let mut address = address.clone();
    address.pop();
    address
}
