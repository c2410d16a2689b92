//! Peers find peers: who knows one living peer, and nobody else, ends up among all of them. No
//! bootstrap server, no Kademlia, only real swarms that ask each other.

mod common;

use std::collections::BTreeSet;

use common::{Running, listen, node, until};
use libp2p::{
    Swarm, gossipsub,
    identity::Keypair,
    swarm::{NetworkBehaviour, SwarmEvent},
};
use rejoin::{Behaviour, Event, Pool, Setup, Source, gossip_topic};

#[tokio::test(flavor = "multi_thread")]
async fn who_knows_one_finds_the_others_by_asking() {
    let alice = Running::start().await;
    // Bob and Carol know Alice only; Alice has met both when Carol asks her.
    let mut bob = node(&Keypair::generate_ed25519(), "memory:");
    listen(&mut bob, "/ip4/127.0.0.1/tcp/0").await;
    bob.behaviour_mut()
        .connect(None, [alice.address.clone()])
        .unwrap();
    until(&mut bob, vouched_by(alice.peer)).await;
    let bob = Running::of(bob);

    let mut carol = node(&Keypair::generate_ed25519(), "memory:");
    listen(&mut carol, "/ip4/127.0.0.1/tcp/0").await;
    carol
        .behaviour_mut()
        .connect(None, [alice.address.clone()])
        .unwrap();
    until(&mut carol, |_, event| match event {
        SwarmEvent::Behaviour(Event::Connected { peer, .. }) => (*peer == bob.peer).then_some(()),
        _ => None,
    })
    .await;
    let record = carol.behaviour().peer(bob.peer).unwrap();
    assert_eq!(record.pool(), Pool::Proven, "met, and not only heard of");
    let told = Source::Pex(alice.peer.into());
    assert!(record.addresses.iter().any(|known| known.source == told));
}

/// Until a peer has told us, signed, where it lives.
fn vouched_by(
    peer: libp2p::PeerId,
) -> impl FnMut(&mut Swarm<Behaviour>, &SwarmEvent<Event>) -> Option<()> {
    move |swarm, _| {
        let record = swarm.behaviour().peer(peer)?;
        record.credentials.signed_seq.map(drop)
    }
}

/// A program with a gossipsub of its own.
#[derive(NetworkBehaviour)]
struct Gossiping {
    gossip: gossipsub::Behaviour,
    memory: Behaviour,
}

fn gossiping(key: &Keypair) -> Swarm<Gossiping> {
    let config = gossipsub::ConfigBuilder::default()
        .validate_messages()
        .build()
        .unwrap();
    let signed = gossipsub::MessageAuthenticity::Signed(key.clone());
    let mut gossip = gossipsub::Behaviour::new(signed, config).unwrap();
    gossip.subscribe(&topic()).unwrap();
    let mut setup = Setup::new(key);
    setup.pex = None; // what is learned here is learned by gossip
    setup.config.exchange.gossip_first = std::time::Duration::from_secs(1);
    let memory = rejoin::open_with("memory:", setup).unwrap();
    common::swarm_of(key, Gossiping { gossip, memory })
}

fn topic() -> gossipsub::IdentTopic {
    gossipsub::IdentTopic::new(gossip_topic("test"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_neighbour_gossips_is_heard_and_not_believed_before_it_is_met() {
    let mut alice = gossiping(&Keypair::generate_ed25519());
    let home = listen(&mut alice, "/ip4/127.0.0.1/tcp/0").await;
    let name = *alice.local_peer_id();
    let mut bob = gossiping(&Keypair::generate_ed25519());
    bob.behaviour_mut().memory.connect(None, [home]).unwrap();

    // Alice tells of herself in her first round; Bob hears it.
    let mut heard = BTreeSet::new();
    let hearing = async {
        while heard.is_empty() {
            tokio::select! {
                event = next(&mut alice) => publish(&mut alice, event),
                event = next(&mut bob) => {
                    if let SwarmEvent::Behaviour(GossipingEvent::Gossip(gossipsub::Event::Message {
                        propagation_source, message, ..
                    })) = event {
                        bob.behaviour_mut().memory.on_gossip(propagation_source, &message.data);
                        heard.insert(propagation_source);
                    }
                }
            }
        }
    };
    tokio::time::timeout(common::DEADLINE, hearing)
        .await
        .unwrap();
    assert_eq!(heard, BTreeSet::from([name]));
    let record = bob.behaviour().memory.peer(name).unwrap();
    assert!(
        record.credentials.signed_seq.is_some(),
        "her own word, signed"
    );
}

async fn next(swarm: &mut Swarm<Gossiping>) -> SwarmEvent<GossipingEvent> {
    libp2p::futures::StreamExt::select_next_some(swarm).await
}

/// What a program does with a round of gossip.
fn publish(swarm: &mut Swarm<Gossiping>, event: SwarmEvent<GossipingEvent>) {
    if let SwarmEvent::Behaviour(GossipingEvent::Memory(Event::Gossip { message })) = event {
        // Nobody may have subscribed yet; the next round will find somebody.
        let _ = swarm.behaviour_mut().gossip.publish(topic(), message);
    }
}
