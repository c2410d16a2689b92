//! Nodes on real sockets for the tests beside: how to start one, wait for it, and write its past.
//! Nothing is waited for by the clock; the deadline only ends a test that would hang.

#![allow(dead_code, reason = "every test uses its own part")]

use std::{path::Path, time::Duration};

use libp2p::{
    Multiaddr, PeerId, Swarm, SwarmBuilder,
    futures::StreamExt,
    identity::Keypair,
    noise,
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use rejoin::{Behaviour, Config, Event, PeerRecord, Setup};
use rejoin_core::{AddressRecord, Changes, Counts, PeerDelta, Source, Time, decay::Decayed};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Far longer than anything here takes on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// No time-out of the swarm's may help a test to pass.
const NEVER: Duration = Duration::from_secs(86_400);

/// A swarm over TCP with some behaviour.
pub fn swarm_of<B: NetworkBehaviour>(key: &Keypair, behaviour: B) -> Swarm<B> {
    SwarmBuilder::with_existing_identity(key.clone())
        .with_tokio()
        .with_tcp(
            tcp::Config::default(),
            noise::Config::new,
            yamux::Config::default,
        )
        .unwrap()
        .with_behaviour(|_| behaviour)
        .unwrap()
        // Stricter than the default of ten seconds: what nobody keeps open closes at once.
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::ZERO))
        .with_connection_timeout(NEVER)
        .build()
}

/// A node with its memory at `url`.
pub fn node(key: &Keypair, url: &str) -> Swarm<Behaviour> {
    node_with(key, url, |_| {})
}

/// A node that is configured in some other way.
pub fn node_with(key: &Keypair, url: &str, change: impl FnOnce(&mut Config)) -> Swarm<Behaviour> {
    let mut setup = Setup::new(key);
    setup.seed = 1;
    change(&mut setup.config);
    swarm_of(key, rejoin::open_with(url, setup).unwrap())
}

/// A node that remembers nothing, listens on loopback and runs until it is dropped.
pub struct Running {
    pub peer: PeerId,
    /// With the peer's name at its end.
    pub address: Multiaddr,
    task: JoinHandle<()>,
}

impl Running {
    pub async fn start() -> Self {
        let key = Keypair::generate_ed25519();
        Self::drive(node(&key, "memory:")).await
    }

    pub async fn drive<B: NetworkBehaviour + Send>(mut swarm: Swarm<B>) -> Self
    where
        B::ToSwarm: std::fmt::Debug,
        libp2p::swarm::THandler<B>: Send,
    {
        let address = listen(&mut swarm, "/ip4/127.0.0.1/tcp/0").await;
        Self::listening(swarm, address)
    }

    /// A swarm that listens already goes on by itself.
    pub fn of<B: NetworkBehaviour + Send>(swarm: Swarm<B>) -> Self
    where
        B::ToSwarm: std::fmt::Debug,
        libp2p::swarm::THandler<B>: Send,
    {
        let address = swarm.listeners().next().expect("it listens").clone();
        Self::listening(swarm, address)
    }

    fn listening<B: NetworkBehaviour + Send>(mut swarm: Swarm<B>, address: Multiaddr) -> Self
    where
        B::ToSwarm: std::fmt::Debug,
        libp2p::swarm::THandler<B>: Send,
    {
        let peer = *swarm.local_peer_id();
        let task = tokio::spawn(async move {
            loop {
                swarm.select_next_some().await;
            }
        });
        Self {
            peer,
            address,
            task,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Listens, and returns where, with the peer's name at the end.
pub async fn listen<B: NetworkBehaviour>(swarm: &mut Swarm<B>, at: &str) -> Multiaddr {
    swarm.listen_on(at.parse().unwrap()).unwrap();
    let peer = *swarm.local_peer_id();
    until(swarm, |_, event| match event {
        SwarmEvent::NewListenAddr { address, .. } => address.clone().with_p2p(peer).ok(),
        _ => None,
    })
    .await
}

/// Drives a swarm until something has happened.
#[track_caller]
pub fn until<'a, B: NetworkBehaviour, T>(
    swarm: &'a mut Swarm<B>,
    mut found: impl FnMut(&mut Swarm<B>, &SwarmEvent<B::ToSwarm>) -> Option<T> + 'a,
) -> impl Future<Output = T> + 'a {
    let waiting_at = std::panic::Location::caller();
    async move {
        let search = async {
            loop {
                let event = swarm.select_next_some().await;
                if let Some(found) = found(swarm, &event) {
                    return found;
                }
            }
        };
        match tokio::time::timeout(DEADLINE, search).await {
            Ok(found) => found,
            Err(_) => panic!("never came: {waiting_at}"),
        }
    }
}

/// Drives a node until it is connected with `peer`; returns whether out of memory.
#[track_caller]
pub fn connected(swarm: &mut Swarm<Behaviour>, peer: PeerId) -> impl Future<Output = bool> + '_ {
    until(swarm, move |_, event| match event {
        SwarmEvent::Behaviour(Event::Connected {
            peer: up,
            remembered,
            ..
        }) if *up == peer => Some(*remembered),
        _ => None,
    })
}

/// Drives a node, whatever happens to it, until its state is as wanted.
pub async fn state<T>(swarm: &mut Swarm<Behaviour>, wanted: impl Fn(&Behaviour) -> Option<T>) -> T {
    let search = async {
        loop {
            if let Some(found) = wanted(swarm.behaviour()) {
                return found;
            }
            // Not every change of state is an event, so look again after a while as well.
            let _ = tokio::time::timeout(Duration::from_millis(20), swarm.select_next_some()).await;
        }
    };
    tokio::time::timeout(DEADLINE, search)
        .await
        .expect("the state that was waited for")
}

/// The outcomes of the dials so far, as on the restart timeline.
pub fn outcomes(memory: &Behaviour) -> Vec<&'static str> {
    memory.timeline().map(|dial| dial.outcome).collect()
}

/// A place for a memory, `json` or `sqlite`.
pub fn url(kind: &str, folder: &Path) -> String {
    format!("{kind}:{}", folder.join("peers").display())
}

/// Writes a past in which each of these was a good peer; the first is the best.
pub fn remember(url: &str, peers: &[(PeerId, Vec<Multiaddr>)]) {
    let now = rejoin_libp2p::now();
    let changes = Changes {
        peers: peers
            .iter()
            .enumerate()
            .map(|(place, (peer, addresses))| {
                let met = now - Duration::from_secs(60 * (place as u64 + 1));
                PeerDelta {
                    record: good_peer(*peer, addresses, met),
                    unsaved: Counts::default(),
                }
            })
            .collect(),
        ..Changes::default()
    };
    let mut opened = rejoin_store::open(url, now).unwrap();
    opened.store.commit(&changes, now).unwrap();
    opened.store.close().unwrap();
}

fn good_peer(peer: PeerId, addresses: &[Multiaddr], met: Time) -> PeerRecord {
    let mut record = PeerRecord::new(peer.into(), met);
    record.last_seen = Some(met);
    record.last_connected = Some(met);
    record.evidence.dials_ok = Decayed::new(20.0, met);
    record.addresses = addresses
        .iter()
        .map(|address| {
            let (address, _) = rejoin::Address::split(address.clone()).unwrap();
            let mut known = AddressRecord::new(address, Source::Own, met);
            known.last_success = Some(met);
            known.observed = true;
            known
        })
        .collect();
    record
}

/// Accepts and says nothing: for a dialler the worst there is. Hands over what it accepted.
pub async fn silent_listener() -> (Multiaddr, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let address = format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap();
    (address, listener)
}

/// Waits until whoever dialled hangs up, reading what they say.
pub async fn hung_up(mut stream: TcpStream) {
    use tokio::io::AsyncReadExt;
    let read = async {
        let mut ignored = [0; 1024];
        while stream.read(&mut ignored).await.is_ok_and(|bytes| bytes > 0) {}
    };
    tokio::time::timeout(DEADLINE, read)
        .await
        .expect("the dialler hangs up");
}

/// An address where nobody listens.
pub async fn closed_port() -> Multiaddr {
    silent_listener().await.0
}
