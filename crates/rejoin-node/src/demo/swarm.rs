//! The others: a network of libp2p nodes on this machine, and what becomes of it. They are plain
//! libp2p (identify, ping, Kademlia) and know nothing of Rejoin: the network that a node wants to
//! get back into is rarely made of nodes like itself.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use fastrand::Rng;
use libp2p::{
    Multiaddr, PeerId, Swarm, SwarmBuilder, Transport as _,
    core::upgrade::Version,
    futures::{StreamExt, future::Either},
    identify,
    identity::Keypair,
    kad,
    multiaddr::Protocol,
    noise, ping,
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use tokio::task::JoinHandle;

use super::{distance::Far, error::DemoError, silence::Silence};
use crate::network;

/// A network of others, of which many can die.
#[derive(Debug)]
pub struct Others {
    servers: Vec<Node>,
    living: Vec<Node>,
    refusing: usize,
    silent: Vec<Silence>,
    /// Connections made so far by anybody; while it grows, the network is busy.
    made: Arc<AtomicU64>,
    place: Whereabouts,
    /// How far away those will live who have not joined yet.
    distances: Vec<Duration>,
    rng: Rng,
}

/// Where the others live.
#[derive(Clone, Copy, Debug)]
pub struct Whereabouts {
    /// The network's name.
    pub network: &'static str,
    /// How far away a node is: for the servers just that, for the others in the middle.
    pub round_trip: Duration,
}

/// How far distances spread around the middle, as in the simulator: a tenth of the nodes at half of
/// it or less, a tenth at twice as much or more. To know who is near is part of what a memory is
/// worth.
const DISTANCE_SPREAD: f64 = 0.5;

/// Between two starts. A node that joins costs some 40 handshakes; all at once they would only wait
/// for the processor.
const BETWEEN_STARTS: Duration = Duration::from_millis(60);

/// The network is quiet when nobody has connected to anybody for so long. Kademlia waits half a
/// second before it looks around.
const QUIET: Duration = Duration::from_millis(800);

/// A network that is not quiet by then is measured as it is.
const QUIET_AT_THE_LATEST: Duration = Duration::from_secs(20);

impl Others {
    /// Bootstrap servers, with nobody to serve yet; so many others will join.
    pub async fn start(
        servers: usize,
        others: usize,
        place: Whereabouts,
        seed: u64,
    ) -> Result<Self, DemoError> {
        let mut rng = Rng::with_seed(seed);
        let distances = distances(others, place.round_trip, &mut rng);
        let mut others = Self {
            servers: Vec::with_capacity(servers),
            living: Vec::new(),
            refusing: 0,
            silent: Vec::new(),
            made: Arc::default(),
            place,
            distances,
            rng,
        };
        for _ in 0..servers {
            let node = others.node(&[], place).await?;
            others.servers.push(node);
        }
        Ok(others)
    }

    /// One more node joins through the bootstrap servers.
    pub async fn join(&mut self) -> Result<(), DemoError> {
        let round_trip = self.distances.pop().unwrap_or(self.place.round_trip);
        let place = Whereabouts {
            round_trip,
            ..self.place
        };
        let node = self.node(&self.bootstrap(), place).await?;
        self.living.push(node);
        tokio::time::sleep(BETWEEN_STARTS).await;
        Ok(())
    }

    async fn node(&mut self, friends: &[Multiaddr], place: Whereabouts) -> Result<Node, DemoError> {
        let mut secret = [0; 32];
        self.rng.fill(&mut secret);
        let key = Keypair::ed25519_from_bytes(secret).map_err(DemoError::network)?;
        Node::start(&key, friends, place, Arc::clone(&self.made)).await
    }

    /// Where the bootstrap servers are.
    pub fn bootstrap(&self) -> Vec<Multiaddr> {
        self.servers.iter().map(Node::address).collect()
    }

    /// Where everybody is who is alive, the bootstrap servers aside.
    pub fn living(&self) -> Vec<Multiaddr> {
        self.living.iter().map(Node::address).collect()
    }

    /// How many joined, whatever became of them.
    pub fn size(&self) -> usize {
        self.living.len() + self.refusing + self.silent.len()
    }

    /// Whether this peer is alive.
    pub fn lives(&self, peer: &PeerId) -> bool {
        let mut all = self.servers.iter().chain(&self.living);
        all.any(|node| node.peer == *peer)
    }

    /// How many have died so that their port is closed, and so that somebody silent sits there.
    pub fn dead(&self) -> (usize, usize) {
        (self.refusing, self.silent.len())
    }

    /// How many others the node that knows the fewest has in its routing table.
    pub fn known_by_the_loneliest(&self) -> usize {
        let known = self
            .living
            .iter()
            .map(|node| node.known.load(Ordering::Relaxed));
        known.min().unwrap_or(0)
    }

    /// So many of the nodes die, chosen by chance: of these that share, from 0 to 1, accept from now on and
    /// stay silent, the others refuse.
    pub async fn many_die(&mut self, dying: usize, silent: f64) -> Result<(), DemoError> {
        self.rng.shuffle(&mut self.living);
        let nodes = self.living.len();
        let refusing = (dying as f64 * (1.0 - silent)).ceil() as usize;
        for (nth, node) in self.living.split_off(nodes - dying).into_iter().enumerate() {
            let address = node.socket;
            node.die().await;
            if nth < refusing {
                self.refusing += 1;
            } else {
                let silence = Silence::at(address).await;
                self.silent.push(silence.map_err(DemoError::network)?);
            }
        }
        Ok(())
    }

    /// Waits until nobody has connected to anybody for a while, so that the next measurement has
    /// the machine to itself.
    pub async fn quiet(&self) {
        let settling = async {
            loop {
                let before = self.made.load(Ordering::Relaxed);
                tokio::time::sleep(QUIET).await;
                if before == self.made.load(Ordering::Relaxed) {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(QUIET_AT_THE_LATEST, settling).await;
    }
}

/// How far away each of so many nodes lives, in any order. Every seed gives the same distances to
/// other nodes: which of them die and who meets whom is chance enough, and a network of neighbours
/// would say nothing of one that is spread out.
fn distances(nodes: usize, middle: Duration, rng: &mut Rng) -> Vec<Duration> {
    let mut drawn: Vec<f64> = (0..nodes * DRAWN_PER_NODE).map(|_| normal(rng)).collect();
    drawn.sort_by(f64::total_cmp);
    let even = drawn
        .iter()
        .skip(DRAWN_PER_NODE / 2)
        .step_by(DRAWN_PER_NODE);
    let mut distances: Vec<_> = even
        .map(|normal| middle.mul_f64((DISTANCE_SPREAD * normal).exp()))
        .collect();
    rng.shuffle(&mut distances);
    distances
}

/// So many draws leave next to nothing to chance but the order.
const DRAWN_PER_NODE: usize = 101;

/// Two even draws make a normal one (Box and Muller, 1958).
fn normal(rng: &mut Rng) -> f64 {
    let (radius, angle) = (1.0 - rng.f64(), rng.f64());
    (-2.0 * radius.ln()).sqrt() * (angle * std::f64::consts::TAU).cos()
}

/// One node of the network, running until it is dropped.
#[derive(Debug)]
struct Node {
    peer: PeerId,
    socket: SocketAddr,
    known: Arc<AtomicUsize>,
    running: JoinHandle<()>,
}

impl Node {
    async fn start(
        key: &Keypair,
        friends: &[Multiaddr],
        place: Whereabouts,
        made: Arc<AtomicU64>,
    ) -> Result<Self, DemoError> {
        let mut swarm = swarm(key, place)?;
        swarm
            .listen_on(Multiaddr::from(std::net::Ipv4Addr::LOCALHOST).with(Protocol::Tcp(0)))
            .map_err(DemoError::network)?;
        let socket = loop {
            match swarm.select_next_some().await {
                SwarmEvent::NewListenAddr { address, .. } => {
                    break socket_of(&address).ok_or_else(|| {
                        DemoError::network(io::Error::other("listening on something else"))
                    })?;
                }
                SwarmEvent::ListenerClosed {
                    reason: Err(error), ..
                } => return Err(DemoError::network(error)),
                _ => {}
            }
        };
        for friend in friends {
            swarm.dial(friend.clone()).map_err(DemoError::network)?;
        }
        let known = Arc::new(AtomicUsize::new(0));
        Ok(Self {
            peer: *swarm.local_peer_id(),
            socket,
            known: Arc::clone(&known),
            running: tokio::spawn(live(swarm, known, made)),
        })
    }

    fn address(&self) -> Multiaddr {
        Multiaddr::from(self.socket.ip())
            .with(Protocol::Tcp(self.socket.port()))
            .with(Protocol::P2p(self.peer))
    }

    /// As if the process were killed: nobody is told.
    async fn die(mut self) {
        self.running.abort();
        let _ = (&mut self.running).await; // it was cancelled, as we know
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn live(mut swarm: Swarm<Stranger>, known: Arc<AtomicUsize>, made: Arc<AtomicU64>) {
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::ConnectionEstablished { .. } => {
                made.fetch_add(1, Ordering::Relaxed);
            }
            // Kademlia knows the addresses of those it dialled; of those who dialled us, identify
            // tells where they listen.
            SwarmEvent::Behaviour(StrangerEvent::Identify(event)) => {
                if let identify::Event::Received { peer_id, info, .. } = *event {
                    for address in info.listen_addrs {
                        swarm.behaviour_mut().kad.add_address(&peer_id, address);
                    }
                }
            }
            SwarmEvent::Behaviour(StrangerEvent::Kad(event)) => {
                if let kad::Event::RoutingUpdated {
                    is_new_peer: true, ..
                } = *event
                {
                    known.fetch_add(1, Ordering::Relaxed);
                }
            }
            _ => {}
        }
    }
}

/// What a plain libp2p node speaks.
#[derive(NetworkBehaviour)]
#[behaviour(to_swarm = "StrangerEvent")]
struct Stranger {
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    kad: kad::Behaviour<kad::store::MemoryStore>,
}

enum StrangerEvent {
    Identify(Box<identify::Event>),
    Ping,
    Kad(Box<kad::Event>),
}

impl From<identify::Event> for StrangerEvent {
    fn from(event: identify::Event) -> Self {
        Self::Identify(Box::new(event))
    }
}

impl From<ping::Event> for StrangerEvent {
    fn from(_: ping::Event) -> Self {
        Self::Ping
    }
}

impl From<kad::Event> for StrangerEvent {
    fn from(event: kad::Event) -> Self {
        Self::Kad(Box::new(event))
    }
}

fn swarm(key: &Keypair, place: Whereabouts) -> Result<Swarm<Stranger>, DemoError> {
    let Whereabouts {
        network,
        round_trip,
    } = place;
    let me = key.public().to_peer_id();
    let encryption = noise::Config::new(key).map_err(DemoError::network)?;
    let transport = tcp::tokio::Transport::new(tcp::Config::default())
        .map(move |stream, end| {
            if end.is_listener() && !round_trip.is_zero() {
                Either::Left(Far::away(stream, round_trip))
            } else {
                Either::Right(stream)
            }
        })
        .upgrade(Version::V1Lazy)
        .authenticate(encryption)
        .multiplex(yamux::Config::default());
    let mut kad = kad::Behaviour::with_config(
        me,
        kad::store::MemoryStore::new(me),
        kad::Config::new(network::kad_protocol(network)),
    );
    kad.set_mode(Some(kad::Mode::Server)); // else loopback counts as unreachable
    let identify = identify::Config::new(network::protocol_version(network), key.public());
    let swarm = SwarmBuilder::with_existing_identity(key.clone())
        .with_tokio()
        .with_other_transport(|_| transport)
        .map_err(DemoError::network)?
        .with_behaviour(|_| Stranger {
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::default(),
            kad,
        })
        .map_err(DemoError::network)?
        .build();
    Ok(swarm)
}

fn socket_of(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    match (parts.next()?, parts.next()?) {
        (Protocol::Ip4(ip), Protocol::Tcp(port)) => Some(SocketAddr::from((ip, port))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_spread_alike_whatever_the_seed() {
        let middle = Duration::from_millis(80);
        for seed in 0..20 {
            let mut spread = distances(60, middle, &mut Rng::with_seed(seed));
            spread.sort_unstable();
            let near = |at: usize, ms: u64| {
                let (found, wanted) = (spread[at].as_secs_f64() * 1e3, ms as f64);
                assert!((found / wanted - 1.0).abs() < 0.1, "seed {seed}: {found}");
            };
            near(6, 43);
            near(30, 80);
            near(54, 153);
        }
    }
}
