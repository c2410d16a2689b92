//! What a node is made of: transports and behaviours, put together. What they do with each other is
//! in `daemon`, the limits of a relay in `relaying`.

use std::{num::NonZeroUsize, time::Duration};

use gossipsub::IdentTopic;
use libp2p::{
    PeerId, StreamProtocol, Swarm, SwarmBuilder, Transport as _, autonat,
    connection_limits::{self, ConnectionLimits},
    core::{muxing::StreamMuxerBox, transport::Boxed, upgrade::Version},
    dcutr, dns, gossipsub, identify,
    identity::Keypair,
    kad::{self, BucketInserts, store::MemoryStore},
    mdns, noise, quic, relay,
    rendezvous::{client, server},
    swarm::{NetworkBehaviour, behaviour::toggle::Toggle},
    tcp, upnp, websocket, yamux,
};

use crate::{esteem, relaying, sources::rendezvous};

/// Everything this node speaks.
#[derive(NetworkBehaviour)]
pub struct Network {
    limits: connection_limits::Behaviour,
    /// Who peers are, and which network they belong to.
    pub identify: identify::Behaviour,
    /// Finds strangers. It knows nobody but whom Rejoin has connected us to.
    pub kad: kad::Behaviour<MemoryStore>,
    /// Carries to our neighbours what Rejoin tells them of peers, and back.
    pub gossip: gossipsub::Behaviour,
    /// Asks rendezvous servers.
    pub rendezvous: Toggle<client::Behaviour>,
    /// Is one.
    rendezvous_server: Toggle<server::Behaviour>,
    /// Finds neighbours on the local network, and is found by them.
    mdns: Toggle<mdns::tokio::Behaviour>,
    /// Has our addresses tried by others, and tries theirs.
    pub autonat: autonat::v2::client::Behaviour,
    pub autonat_server: autonat::v2::server::Behaviour,
    /// Asks the router to let others in.
    pub upnp: Toggle<upnp::tokio::Behaviour>,
    /// Is reached, and reaches others, through relays.
    pub relay_client: relay::client::Behaviour,
    /// Relays for others.
    pub relay_server: Toggle<relay::Behaviour>,
    /// Opens the way straight to whom a relay has led.
    pub dcutr: dcutr::Behaviour,
    /// Remembers, and dials.
    pub memory: rejoin::Behaviour,
}

/// What not every node does.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extras {
    /// Ask rendezvous servers.
    pub rendezvous: bool,
    /// Be one.
    pub rendezvous_server: bool,
    /// Find neighbours.
    pub mdns: bool,
    /// Ask the router, by multicast on the LAN.
    pub upnp: bool,
    /// Relay for others.
    pub relay_server: bool,
}

/// Connections at most: ten times what a node of the largest `--target` usually has, and well below
/// the 1,024 open files most systems allow.
const CONNECTIONS_MAX: u32 = 768;
/// Handshakes of others at once; each costs a few milliseconds of processor time.
const PENDING_INCOMING_MAX: u32 = 64;
/// One per transport, and one each for both sides dialling at once.
const CONNECTIONS_PER_PEER_MAX: u32 = 4;

/// How long a TCP or QUIC handshake may take before the transport gives up; the engine does earlier.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// Peers a search asks at once. Kademlia's usual three are easily all dead after an outage of many,
/// and then a search stands still until the transport gives up on them.
const PARALLELISM: NonZeroUsize = NonZeroUsize::new(8).expect("it is not zero");

/// By this protocol a peer says that it tries the addresses of others (AutoNAT v2).
pub const TESTS_ADDRESSES: &str = "/libp2p/autonat/2/dial-request";

/// Why a swarm cannot be put together. All of it is a fault of this program, not of its user.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The encryption.
    #[error("the encryption cannot be set up: {0}")]
    Noise(#[from] noise::Error),
    /// How gossip travels.
    #[error("the gossip cannot be set up: {0}")]
    Gossip(gossipsub::ConfigBuilderError),
    /// How gossip is signed.
    #[error("the gossip cannot be signed: {0}")]
    Signing(Box<str>),
    /// What gossipsub makes of how we stand to others.
    #[error("the gossip's scores are refused: {0}")]
    Scoring(String),
    /// What the gossip is about.
    #[error("the gossip's topic is refused: {0}")]
    Topic(gossipsub::SubscriptionError),
}

/// A swarm on this network, that listens nowhere yet.
///
/// # Errors
/// If the encryption or the gossip cannot be set up.
pub fn swarm(
    keypair: Keypair,
    network: &str,
    memory: rejoin::Behaviour,
    extras: Extras,
) -> Result<Swarm<Network>, NetworkError> {
    let me = keypair.public().to_peer_id();
    let (over_relays, relay_client) = relay::client::new(me);
    let transport = transport(&keypair, over_relays)?;
    let behaviour = Network {
        limits: connection_limits::Behaviour::new(
            ConnectionLimits::default()
                .with_max_established(Some(CONNECTIONS_MAX))
                .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX))
                .with_max_pending_incoming(Some(PENDING_INCOMING_MAX)),
        ),
        identify: identify::Behaviour::new(
            identify::Config::new(protocol_version(network), keypair.public())
                .with_agent_version(concat!("rejoin/", env!("CARGO_PKG_VERSION")).into())
                .with_push_listen_addr_updates(true)
                .with_cache_size(0), // whom to remember is not its business
        ),
        kad: kademlia(me, network),
        gossip: gossip(&keypair, network)?,
        rendezvous: rendezvous::client_of(&keypair, extras.rendezvous),
        rendezvous_server: rendezvous::server_of(extras.rendezvous_server),
        mdns: neighbours(me, extras.mdns),
        autonat: autonat::v2::client::Behaviour::default(),
        autonat_server: autonat::v2::server::Behaviour::default(),
        upnp: extras.upnp.then(upnp::tokio::Behaviour::default).into(),
        relay_client,
        relay_server: extras.relay_server.then(|| relaying::server(me)).into(),
        dcutr: dcutr::Behaviour::new(me),
        memory,
    };
    let built = SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_other_transport(|_| transport)
        .map(|builder| builder.with_behaviour(|_| behaviour));
    let Ok(Ok(builder)) = built;
    Ok(builder.build())
}

/// By which peers of one network know each other; identify carries it.
pub fn protocol_version(network: &str) -> String {
    format!("/rejoin/{network}/1.0.0")
}

/// The network a peer says it belongs to; `None` if it names none in our manner.
pub fn named_in(protocol_version: &str) -> Option<&str> {
    protocol_version
        .strip_prefix("/rejoin/")?
        .strip_suffix("/1.0.0")
}

/// The name under which Kademlia runs on this network.
pub fn kad_protocol(network: &str) -> StreamProtocol {
    StreamProtocol::try_from_owned(format!("/rejoin/{network}/kad/1.0.0"))
        .expect("it begins with a slash")
}

/// Where neighbours gossip of peers.
pub fn gossip_topic(network: &str) -> IdentTopic {
    IdentTopic::new(rejoin::gossip_topic(network))
}

/// What is published goes to a handful of neighbours and no further: see [`rejoin::gossip_topic`].
fn gossip(keypair: &Keypair, network: &str) -> Result<gossipsub::Behaviour, NetworkError> {
    let config = gossipsub::ConfigBuilder::default()
        .max_transmit_size(rejoin::GOSSIP_BYTES_MAX + GOSSIP_ENVELOPE_BYTES)
        .flood_publish(false)
        .validate_messages()
        .build()
        .map_err(NetworkError::Gossip)?;
    let signed = gossipsub::MessageAuthenticity::Signed(keypair.clone());
    let mut gossip = gossipsub::Behaviour::new(signed, config)
        .map_err(|wrong| NetworkError::Signing(wrong.into()))?;
    gossip
        .with_peer_score(esteem::params(), esteem::thresholds())
        .map_err(NetworkError::Scoring)?;
    gossip
        .subscribe(&gossip_topic(network))
        .map_err(NetworkError::Topic)?;
    Ok(gossip)
}

/// Signature, key and names that gossipsub puts around a message.
const GOSSIP_ENVELOPE_BYTES: usize = 1_024;

/// Without multicast a node does without neighbours.
fn neighbours(me: PeerId, wanted: bool) -> Toggle<mdns::tokio::Behaviour> {
    let behaviour = wanted.then(|| mdns::tokio::Behaviour::new(mdns::Config::default(), me));
    match behaviour.transpose() {
        Ok(behaviour) => behaviour.into(),
        Err(error) => {
            tracing::warn!(%error, "neighbours on the local network will not be found");
            None.into()
        }
    }
}

fn kademlia(me: PeerId, network: &str) -> kad::Behaviour<MemoryStore> {
    let mut config = kad::Config::new(kad_protocol(network));
    config
        // Only who is connected and has said where it listens; see `daemon`.
        .set_kbucket_inserts(BucketInserts::Manual)
        .set_parallelism(PARALLELISM)
        // When to look for more, Rejoin says.
        .set_periodic_bootstrap_interval(None)
        .set_replication_interval(None)
        .set_publication_interval(None)
        .set_provider_publication_interval(None);
    let mut kad = kad::Behaviour::with_config(me, MemoryStore::new(me), config);
    // Everybody answers: a network in which nobody knows its outside address must work too.
    kad.set_mode(Some(kad::Mode::Server));
    kad
}

fn transport(
    keypair: &Keypair,
    over_relays: relay::client::Transport,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, NetworkError> {
    let names = Names::of_this_system();
    let noise = noise::Config::new(keypair)?;
    let tcp = || tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
    let over_tcp = tcp()
        .upgrade(Version::V1Lazy)
        .authenticate(noise.clone())
        .multiplex(yamux::Config::default())
        .timeout(HANDSHAKE_MAX)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let over_quic = quic::tokio::Transport::new(quic::Config::new(keypair))
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let over_relays = over_relays
        .upgrade(Version::V1Lazy)
        .authenticate(noise.clone())
        .multiplex(yamux::Config::default())
        .timeout(HANDSHAKE_MAX)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let over_websocket = websocket::Config::new(names.resolve(tcp()))
        .upgrade(Version::V1Lazy)
        .authenticate(noise)
        .multiplex(yamux::Config::default())
        .timeout(HANDSHAKE_MAX)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    // Whatever resolves names takes every address for its own, so it stands last.
    let by_name = names.resolve(
        over_tcp
            .or_transport(over_quic)
            .map(|either, _| either.into_inner()),
    );
    // The way to a relay may be any of the others, so circuits stand first.
    Ok(over_relays
        .or_transport(over_websocket)
        .map(|either, _| either.into_inner())
        .or_transport(by_name)
        .map(|either, _| either.into_inner())
        .boxed())
}

/// Whether this system can turn host names into addresses. Without a resolver the node still runs;
/// it only cannot dial `/dns/…`.
enum Names {
    System,
    Nobody,
}

impl Names {
    fn of_this_system() -> Self {
        match dns::tokio::Transport::system(tcp::tokio::Transport::default()) {
            Ok(_) => Self::System,
            Err(error) => {
                tracing::warn!(%error, "host names cannot be resolved; /dns addresses will fail");
                Self::Nobody
            }
        }
    }

    fn resolve<T>(&self, inner: T) -> dns::tokio::Transport<T> {
        let nobody = |inner| {
            dns::tokio::Transport::custom(
                inner,
                dns::ResolverConfig::from_parts(None, Vec::new(), Vec::new()),
                dns::ResolverOpts::default(),
            )
        };
        match self {
            Self::System => match dns::tokio::Transport::system(inner) {
                Ok(transport) => transport,
                Err(error) => unreachable!("it worked a moment ago: {error}"),
            },
            Self::Nobody => nobody(inner),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_read_off_where_one_is_named() {
        assert_eq!(named_in(&protocol_version("ours")), Some("ours"));
        for foreign in ["ipfs/0.1.0", "/rejoin/1.0.0", ""] {
            assert_eq!(named_in(foreign), None, "{foreign}");
        }
    }
}
