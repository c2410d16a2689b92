//! Rejoin beside other behaviours in one swarm, and over another transport.

mod common;

use std::{collections::BTreeSet, time::Duration};

use common::{Running, connected, state, swarm_of, until};
use libp2p::{
    Swarm, SwarmBuilder, Transport,
    core::{transport::MemoryTransport, upgrade},
    identify,
    identity::Keypair,
    noise, ping,
    swarm::{NetworkBehaviour, SwarmEvent},
    yamux,
};
use rejoin::{Behaviour, Event, Setup};

/// A program that has had its own identify and ping all along.
#[derive(NetworkBehaviour)]
struct Program {
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    memory: Behaviour,
}

#[tokio::test(flavor = "multi_thread")]
async fn two_identifies_and_two_pings_get_along() {
    let key = Keypair::generate_ed25519();
    let mut bob = program(&key, Setup::new(&key));
    let heard = everything(&mut bob, |_, _| {}).await;
    assert_eq!(heard, BTreeSet::from(["connected", "identify", "ping"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_programs_own_identify_and_ping_are_evidence_enough() {
    let key = Keypair::generate_ed25519();
    let setup = Setup {
        identify: None,
        ping: None,
        ..Setup::new(&key)
    };
    let mut bob = program(&key, setup);
    everything(&mut bob, |memory, event| match event {
        SwarmEvent::Behaviour(ProgramEvent::Identify(event)) => memory.on_identify(event),
        SwarmEvent::Behaviour(ProgramEvent::Ping(event)) => memory.on_ping(event),
        _ => {}
    })
    .await;
}

/// Meets a peer, and hears from every behaviour until the memory knows who it is and how far.
async fn everything(
    bob: &mut Swarm<Program>,
    pass_on: impl Fn(&mut Behaviour, &SwarmEvent<ProgramEvent>),
) -> BTreeSet<&'static str> {
    let alice = Running::start().await;
    let memory = &mut bob.behaviour_mut().memory;
    memory.connect(None, [alice.address.clone()]).unwrap();
    let mut heard = BTreeSet::new();
    until(bob, |bob, event| {
        pass_on(&mut bob.behaviour_mut().memory, event);
        heard.extend(match event {
            SwarmEvent::Behaviour(ProgramEvent::Identify(identify::Event::Received { .. })) => {
                Some("identify")
            }
            SwarmEvent::Behaviour(ProgramEvent::Ping(ping::Event { result: Ok(_), .. })) => {
                Some("ping")
            }
            SwarmEvent::Behaviour(ProgramEvent::Memory(Event::Connected { .. })) => {
                Some("connected")
            }
            _ => None,
        });
        let known = bob.behaviour().memory.peer(alice.peer)?;
        let told = known.role.agent.is_some() && known.evidence.latency_ms.is_some();
        (told && heard.len() == 3).then_some(())
    })
    .await;
    heard
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_stays_when_nobody_uses_it() {
    let alice = Running::start().await;
    let key = Keypair::generate_ed25519();
    let behaviour = rejoin::open("memory:", &key).unwrap();
    let mut bob = swarm_of(&key, behaviour);
    bob.behaviour_mut()
        .connect(None, [alice.address.clone()])
        .unwrap();
    connected(&mut bob, alice.peer).await;
    // Identify and the first ping are over then, and no stream is left.
    state(&mut bob, |memory| {
        let known = memory.peer(alice.peer)?;
        (known.role.agent.is_some() && known.evidence.latency_ms.is_some()).then_some(())
    })
    .await;
    assert!(bob.is_connected(&alice.peer));
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_in_one_process_meet_over_the_memory_transport() {
    let mut alice = in_process();
    let peer = *alice.local_peer_id();
    let address = common::listen(&mut alice, "/memory/0").await;
    let running = tokio::spawn(async move { state(&mut alice, |_| None::<()>).await });
    let mut bob = in_process();
    bob.behaviour_mut().connect(None, [address]).unwrap();
    connected(&mut bob, peer).await;
    running.abort();
}

fn program(key: &Keypair, setup: Setup) -> Swarm<Program> {
    swarm_of(
        key,
        Program {
            identify: identify::Behaviour::new(identify::Config::new(
                "program/1".into(),
                key.public(),
            )),
            // Often, so that there is always a next event to look at the memory by.
            ping: ping::Behaviour::new(
                ping::Config::new().with_interval(Duration::from_millis(100)),
            ),
            memory: rejoin::open_with("memory:", setup).unwrap(),
        },
    )
}

fn in_process() -> Swarm<Behaviour> {
    SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_other_transport(|key| {
            MemoryTransport::default()
                .upgrade(upgrade::Version::V1)
                .authenticate(noise::Config::new(key).unwrap())
                .multiplex(yamux::Config::default())
        })
        .unwrap()
        .with_behaviour(|key| rejoin::open("memory:", key).unwrap())
        .unwrap()
        .build()
}
