//! Asks rendezvous servers who else is there, and has them tell others of us. A question comes from
//! the engine; being registered is upkeep of our own, for whoever wants to be found is not looking.
//!
//! libp2p-rendezvous 0.18 signs registrations in Rust's own domain, which go and js do not accept:
//! rendezvous works among Rust programs.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use libp2p::{
    Multiaddr, PeerId, Swarm,
    multiaddr::Protocol,
    rendezvous::{Namespace, client, server},
    swarm::{DialError, behaviour::toggle::Toggle, dial_opts::DialOpts},
};
use rejoin::{AskId, Failure, Time};
use rejoin_libp2p::failure_of_dial;

use super::Found;
use crate::network::Network;

/// Peers asked for: as many as the engine takes from one answer.
const PEERS_MAX: u64 = 100;

/// Addresses of one peer that are looked at; the engine keeps eight.
const ADDRESSES_MAX: usize = 16;

/// A registration that failed is tried again after this: the engine's patience has nothing to do
/// with it, and nobody waits.
const TRY_AGAIN: Duration = Duration::from_secs(600);

/// A server that promises less than it takes to ask it again is not believed.
const RENEW_MIN: Duration = Duration::from_secs(60);

/// The servers, and what we want of each.
#[derive(Debug)]
pub struct Rendezvous {
    namespace: Namespace,
    servers: BTreeMap<PeerId, Server>,
    answers: VecDeque<(AskId, Found)>,
    /// Others can reach us, as far as we know.
    reachable: bool,
}

#[derive(Debug)]
struct Server {
    address: Multiaddr,
    /// Questions it has not answered; the engine bounds how many there are.
    asks: Vec<AskId>,
    /// When to register with it; `None` while we have no address to tell.
    register_at: Option<Time>,
}

impl Rendezvous {
    /// Of one network; nobody is known yet.
    pub fn new(network: &str) -> Self {
        let namespace = Namespace::new(format!("rejoin/{network}"));
        Self {
            namespace: namespace.expect("a network's name is short"),
            servers: BTreeMap::new(),
            answers: VecDeque::new(),
            reachable: false,
        }
    }

    /// A server there is.
    pub fn add(&mut self, peer: PeerId, address: Multiaddr) {
        let server = Server {
            address,
            asks: Vec::new(),
            register_at: None,
        };
        self.servers.entry(peer).or_insert(server);
    }

    /// Begins to ask one of them.
    pub fn ask(&mut self, swarm: &mut Swarm<Network>, ask: AskId, peer: PeerId) {
        match self.servers.get_mut(&peer) {
            Some(server) => server.asks.push(ask),
            None => return self.answers.push_back((ask, Err(Failure::Unsupported))),
        }
        self.approach(swarm, peer);
    }

    /// What was answered.
    pub fn next_answer(&mut self) -> Option<(AskId, Found)> {
        self.answers.pop_front()
    }

    /// Looks whether others can reach us by now: then every server is to be told. What changes after
    /// that libp2p tells them itself.
    pub fn look(&mut self, swarm: &Swarm<Network>, now: Time) {
        let reachable = swarm.external_addresses().next().is_some();
        if std::mem::replace(&mut self.reachable, reachable) != reachable {
            for server in self.servers.values_mut() {
                server.register_at = reachable.then_some(now);
            }
        }
    }

    /// When we have to register again.
    pub fn next_deadline(&self) -> Option<Time> {
        let due = self
            .servers
            .values()
            .filter_map(|server| server.register_at);
        due.min()
    }

    /// Registers where that is due.
    pub fn keep_registered(&mut self, swarm: &mut Swarm<Network>, now: Time) {
        let mut due = Vec::new();
        for (peer, server) in &mut self.servers {
            if server.register_at.is_some_and(|at| at <= now) {
                server.register_at = Some(now + TRY_AGAIN);
                due.push(*peer);
            }
        }
        for peer in due {
            self.approach(swarm, peer);
        }
    }

    fn approach(&mut self, swarm: &mut Swarm<Network>, peer: PeerId) {
        if swarm.is_connected(&peer) {
            return self.connected(swarm, peer);
        }
        let Some(server) = self.servers.get(&peer) else {
            return;
        };
        let address = server.address.clone();
        let dial = DialOpts::peer_id(peer).addresses(vec![address]).build();
        match swarm.dial(dial) {
            Ok(()) | Err(DialError::DialPeerConditionFalse(_)) => {}
            Err(error) => self.not_connected(Some(peer), &error),
        }
    }

    /// A peer is connected. If it is one of the servers, it is told and asked what there is.
    pub fn connected(&mut self, swarm: &mut Swarm<Network>, peer: PeerId) {
        let Some(server) = self.servers.get(&peer) else {
            return;
        };
        let Some(client) = swarm.behaviour_mut().rendezvous.as_mut() else {
            return;
        };
        if self.reachable
            && let Err(error) = client.register(self.namespace.clone(), peer, None)
        {
            tracing::warn!(%error, "cannot register with {peer}");
        }
        if !server.asks.is_empty() {
            let namespace = Some(self.namespace.clone());
            client.discover(namespace, None, Some(PEERS_MAX), peer);
        }
    }

    /// A dial came to nothing.
    pub fn not_connected(&mut self, peer: Option<PeerId>, error: &DialError) {
        if let Some(peer) = peer {
            self.answered(peer, &Err(failure_of_dial(error)));
        }
    }

    /// A server said something.
    pub fn on_event(&mut self, event: client::Event, now: Time) {
        match event {
            client::Event::Discovered {
                rendezvous_node,
                registrations,
                ..
            } => {
                let peers = usize::try_from(PEERS_MAX).unwrap_or(usize::MAX);
                let records = registrations.iter().take(peers).map(|it| &it.record);
                let addresses = records.flat_map(|record| {
                    let peer = record.peer_id();
                    let known = record.addresses().iter().take(ADDRESSES_MAX);
                    known.filter_map(move |address| of_peer(address, peer))
                });
                self.answered(rendezvous_node, &Ok(addresses.collect()));
            }
            client::Event::DiscoverFailed {
                rendezvous_node,
                error,
                ..
            } => {
                tracing::warn!(?error, "{rendezvous_node} tells nothing of who is there");
                self.answered(rendezvous_node, &Err(Failure::Handshake));
            }
            client::Event::Registered {
                rendezvous_node,
                ttl,
                ..
            } => {
                let half = Duration::from_secs(ttl / 2).max(RENEW_MIN);
                if let Some(server) = self.servers.get_mut(&rendezvous_node) {
                    server.register_at = Some(now + half);
                }
            }
            client::Event::RegisterFailed {
                rendezvous_node,
                error,
                ..
            } => tracing::warn!(?error, "{rendezvous_node} does not tell others of us"),
            client::Event::Expired { .. } => {} // what we heard of a peer the engine forgets by itself
        }
    }

    fn answered(&mut self, peer: PeerId, found: &Found) {
        if let Some(server) = self.servers.get_mut(&peer) {
            let asks = std::mem::take(&mut server.asks).into_iter();
            self.answers.extend(asks.map(|ask| (ask, found.clone())));
        }
    }
}

/// Our side of asking servers, if there are any.
pub fn client_of(keypair: &libp2p::identity::Keypair, wanted: bool) -> Toggle<client::Behaviour> {
    wanted
        .then(|| client::Behaviour::new(keypair.clone()))
        .into()
}

/// Being such a server, with libp2p's limits: 10,000 registrations, of one peer 32 at most.
pub fn server_of(wanted: bool) -> Toggle<server::Behaviour> {
    wanted
        .then(|| server::Behaviour::new(server::Config::default()))
        .into()
}

/// An address with its peer's name at the end.
fn of_peer(address: &Multiaddr, peer: PeerId) -> Option<Multiaddr> {
    match address.iter().last() {
        Some(Protocol::P2p(named)) => (named == peer).then(|| address.clone()),
        _ => Some(address.clone().with(Protocol::P2p(peer))),
    }
}

#[cfg(test)]
#[path = "rendezvous_tests.rs"]
mod tests;
