//! A server and two clients, each a whole node's swarm on loopback, without anything that would find
//! them by other means.

use libp2p::{
    core::transport::ListenerId, futures::StreamExt, identity::Keypair, swarm::SwarmEvent,
};
use rejoin::Setup;
use rejoin_libp2p::now;

use super::*;
use crate::network::{self, Extras, NetworkEvent};

const ASK: AskId = AskId(7);

#[tokio::test]
async fn who_registered_is_found_and_who_has_no_address_is_not() {
    let mut server = Peer::new(true);
    let at_server = server.listen().await;
    tokio::spawn(async move { while server.swarm.next().await.is_some() {} });

    let mut alice = Peer::new(false);
    let at_alice = alice.listen().await;
    alice.knows(&at_server);
    alice.swarm.add_external_address(split(&at_alice).0);
    alice.look();
    alice.until(|it| it.registered).await;
    let again = alice.rendezvous.next_deadline().expect("to be renewed");
    assert!(again > now() + Duration::from_secs(1_800), "not at once");

    let mut bob = Peer::new(false);
    bob.knows(&at_server);
    let found = bob.asks(&at_server).await;
    assert_eq!(found, Ok(vec![at_alice]));
    assert_eq!(
        bob.rendezvous.next_deadline(),
        None,
        "nobody could reach bob"
    );
}

#[tokio::test]
async fn a_server_that_is_none_or_is_not_there_fails() {
    let mut other = Peer::new(false);
    let address = other.listen().await;
    tokio::spawn(async move { while other.swarm.next().await.is_some() {} });
    let mut bob = Peer::new(false);
    bob.knows(&address);
    assert_eq!(bob.asks(&address).await, Err(Failure::Handshake));

    let (nowhere, _) = split(&address);
    let somebody = nowhere.with(Protocol::P2p(PeerId::random()));
    bob.knows(&somebody);
    assert_eq!(bob.asks(&somebody).await, Err(Failure::WrongPeer));
}

#[tokio::test]
async fn a_registration_that_fails_is_tried_again_later() {
    let mut alice = Peer::new(false);
    let dead: Multiaddr = format!("/ip4/127.0.0.1/tcp/9/p2p/{}", PeerId::random())
        .parse()
        .unwrap();
    alice.knows(&dead);
    alice.look();
    assert_eq!(
        alice.rendezvous.next_deadline(),
        None,
        "there is nothing to tell"
    );
    alice
        .swarm
        .add_external_address("/ip4/127.0.0.1/tcp/1".parse().unwrap());
    alice.look();
    let at = alice.rendezvous.next_deadline().unwrap();
    assert!(at > now() + TRY_AGAIN / 2);
}

struct Peer {
    swarm: Swarm<Network>,
    rendezvous: Rendezvous,
    registered: bool,
}

impl Peer {
    fn new(server: bool) -> Self {
        let keypair = Keypair::generate_ed25519();
        let extras = Extras {
            rendezvous: !server,
            rendezvous_server: server,
            ..Extras::default()
        };
        let mut setup = Setup::new(&keypair);
        setup.config.target = 0; // nobody dials by itself
        let memory = rejoin::open_with("memory:", setup).unwrap();
        Self {
            swarm: network::swarm(keypair, "test", memory, extras).unwrap(),
            rendezvous: Rendezvous::new("test"),
            registered: false,
        }
    }

    async fn listen(&mut self) -> Multiaddr {
        let any = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
        let _: ListenerId = self.swarm.listen_on(any).unwrap();
        loop {
            if let SwarmEvent::NewListenAddr { address, .. } = self.swarm.select_next_some().await {
                return address.with(Protocol::P2p(*self.swarm.local_peer_id()));
            }
        }
    }

    fn knows(&mut self, server: &Multiaddr) {
        let (address, peer) = split(server);
        self.rendezvous.add(peer, address);
    }

    fn look(&mut self) {
        self.rendezvous.look(&self.swarm, now());
        self.rendezvous.keep_registered(&mut self.swarm, now());
    }

    async fn asks(&mut self, server: &Multiaddr) -> Found {
        self.rendezvous.ask(&mut self.swarm, ASK, split(server).1);
        let mut answer = None;
        self.until(|it| {
            answer = it.rendezvous.next_answer();
            answer.is_some()
        })
        .await;
        let (ask, found) = answer.unwrap();
        assert_eq!(ask, ASK);
        found
    }

    /// Lives as the daemon does until the wish comes true.
    async fn until(&mut self, mut wish: impl FnMut(&mut Self) -> bool) {
        let live = async {
            while !wish(self) {
                match self.swarm.select_next_some().await {
                    SwarmEvent::Behaviour(NetworkEvent::Rendezvous(event)) => {
                        self.registered |= matches!(event, client::Event::Registered { .. });
                        self.rendezvous.on_event(event, now());
                    }
                    SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                        self.rendezvous.connected(&mut self.swarm, peer_id);
                    }
                    SwarmEvent::OutgoingConnectionError { peer_id, error, .. } => {
                        self.rendezvous.not_connected(peer_id, &error);
                    }
                    _ => {}
                }
            }
        };
        let long = Duration::from_secs(30);
        tokio::time::timeout(long, live)
            .await
            .expect("it never came");
    }
}

fn split(address: &Multiaddr) -> (Multiaddr, PeerId) {
    let mut address = address.clone();
    match address.pop() {
        Some(Protocol::P2p(peer)) => (address, peer),
        other => panic!("{other:?}"),
    }
}
