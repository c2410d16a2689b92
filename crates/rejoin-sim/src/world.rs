//! The network: who lives where, how far away, in which state, and what becomes of one attempt to
//! reach an address. It has no clock and no events; [`Sim`](crate::Sim) moves time and changes
//! states, the references in [`reference`](crate::reference) only look.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use rejoin_core::{Address, AddressFailure, Failure, PeerKey, Scope};

use crate::{
    chance::{self, Subject},
    distances::Distances,
};

/// Round trips until the other end of a dial is authenticated: one for TCP, one for the handshake of Noise.
/// rust-libp2p proposes the only protocol it has together with the first words of it, and does not wait
/// for the answer, nor for that about the muxer (`Version::V1Lazy`). Over a real line of 50 ms a dial takes
/// 104 ms.
pub const HANDSHAKE_RTTS: u32 = 2;

/// Round trips until somebody else's identity is seen: the same.
pub const WRONG_PEER_RTTS: u32 = 2;

/// Round trips from a connection to a bootstrap server until it has named peers: identify, by which one learns
/// that it speaks Kademlia, and the query. Real nodes took as long (`cargo bench -p rejoin-node --bench
/// reality`).
pub const ASK_RTTS: u32 = 2;

/// When the transport itself gives up an address that does not answer; libp2p's default.
pub const TRANSPORT_TIMEOUT: Duration = Duration::from_secs(10);

/// Names one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub usize);

/// One machine of the network.
#[derive(Clone, Debug, PartialEq)]
pub struct Host {
    /// Its name.
    pub key: PeerKey,
    /// Where it lives, best first.
    pub addresses: Vec<Address>,
    /// A round trip between it and the node under test.
    pub rtt: Duration,
    /// How it is.
    pub state: HostState,
    /// Whether it names random live peers to whoever connects.
    pub bootstrap: bool,
    /// Whether it is a page in a browser: it dials, and nobody can dial it.
    pub page: bool,
}

/// How a host is, as seen from the node under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostState {
    /// It answers.
    Alive,
    /// The machine is there, the program is not: a reset after one round trip.
    Refused,
    /// The machine is gone: nothing ever comes back.
    Silent,
    /// Somebody else has its address now.
    WrongPeer,
    /// Alive for others, cut off from us.
    Partitioned,
    /// Its program hangs, or its browser has stopped the page: connections stay open, and nothing
    /// comes over them.
    Hung,
}

/// How large the network is, and how far away its hosts are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terrain {
    /// Ordinary peers.
    pub hosts: usize,
    /// Bootstrap servers beside them.
    pub bootstrap: usize,
    /// How far away they are.
    pub distances: Distances,
    /// Spread of one dial around the host's distance, likewise.
    pub jitter: f64,
    /// How many peers a bootstrap server names.
    pub walk: usize,
}

impl Default for Terrain {
    fn default() -> Self {
        Self {
            hosts: 600,
            bootstrap: 4, // libp2p networks ship with about as many
            distances: Distances::HALF_A_CONTINENT,
            jitter: 0.1, // guess: a good line; a bad one only blurs all contestants alike
            walk: 20,    // Kademlia's k
        }
    }
}

/// What becomes of one dial.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// When it ends, counted from its start.
    pub after: Duration,
    /// Who answered and where, if anybody did.
    pub answer: Option<(PeerKey, Address)>,
    /// The addresses that had failed by then.
    pub failures: Vec<AddressFailure>,
}

/// A peer, and where it is said to live.
pub type Candidate = (PeerKey, Vec<Address>);

/// Everybody but the node under test.
#[derive(Clone, Debug)]
pub struct World {
    seed: u64,
    terrain: Terrain,
    hosts: Vec<Host>,
    homes: BTreeMap<Address, HostId>,
    names: BTreeMap<PeerKey, HostId>,
}

impl World {
    /// A network in which everybody is alive; bootstrap servers come last.
    pub fn new(seed: u64, terrain: Terrain) -> Self {
        let mut world = Self {
            seed,
            terrain,
            hosts: Vec::new(),
            homes: BTreeMap::new(),
            names: BTreeMap::new(),
        };
        let mut prefixes = BTreeSet::new();
        for index in 0..terrain.hosts + terrain.bootstrap {
            let host = world.settle(index, &mut prefixes);
            let id = HostId(index);
            world.names.insert(host.key.clone(), id);
            for address in &host.addresses {
                world.homes.insert(address.clone(), id);
            }
            world.hosts.push(host);
        }
        world
    }

    /// Draws one host. Each lives in a /16 of its own as long as there are any left.
    fn settle(&self, index: usize, prefixes: &mut BTreeSet<[u8; 2]>) -> Host {
        let mut rng = chance::rng(self.seed, Subject::Host, index as u64, 0);
        let rtt = self.terrain.distances.draw(&mut rng);
        let address = loop {
            let ip = Ipv4Addr::from_bits(rng.u32(..));
            let [a, b, _, _] = ip.octets();
            let address = Address::from(SocketAddr::from((ip, rng.u16(1_024..))));
            // There are some 50,000 public /16s; past half of them neighbours are allowed.
            let free = prefixes.len() > 25_000 || !prefixes.contains(&[a, b]);
            if free && Scope::of(&address) == Scope::Public && !self.homes.contains_key(&address) {
                prefixes.insert([a, b]);
                break address;
            }
        };
        let bootstrap = index >= self.terrain.hosts;
        Host {
            key: name(if bootstrap { "boot" } else { "peer" }, index),
            addresses: vec![address],
            rtt: rtt.max(Duration::from_millis(1)),
            state: HostState::Alive,
            bootstrap,
            page: false,
        }
    }

    /// The seed all of it follows from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// One host.
    ///
    /// # Panics
    /// If there is no such host.
    pub fn host(&self, id: HostId) -> &Host {
        &self.hosts[id.0]
    }

    /// Every host and its name, bootstrap servers last.
    pub fn hosts(&self) -> impl Iterator<Item = (HostId, &Host)> {
        self.hosts
            .iter()
            .enumerate()
            .map(|(index, host)| (HostId(index), host))
    }

    /// The bootstrap servers.
    pub fn bootstrap(&self) -> impl Iterator<Item = (HostId, &Host)> {
        self.hosts().filter(|(_, host)| host.bootstrap)
    }

    /// The host of that name.
    pub fn find(&self, key: &PeerKey) -> Option<HostId> {
        self.names.get(key).copied()
    }

    /// Puts a host into another state.
    ///
    /// # Panics
    /// If there is no such host.
    pub fn turn(&mut self, id: HostId, state: HostState) {
        self.hosts[id.0].state = state;
    }

    /// Keeps all bootstrap servers so far away.
    pub fn keep_servers_at(&mut self, rtt: Duration) {
        for host in self.hosts.iter_mut().filter(|host| host.bootstrap) {
            host.rtt = rtt;
        }
    }

    /// Gives a host one more address, its best from now on.
    ///
    /// # Panics
    /// If there is no such host, or somebody lives there already.
    pub fn give_address(&mut self, id: HostId, address: Address) {
        let before = self.homes.insert(address.clone(), id);
        assert_eq!(before, None, "{address} is taken");
        self.hosts[id.0].addresses.insert(0, address);
    }

    /// Makes a host a page in a browser.
    ///
    /// # Panics
    /// If there is no such host.
    pub fn open_page(&mut self, id: HostId) {
        self.hosts[id.0].page = true;
    }

    /// Whether that peer answers us.
    pub fn is_alive(&self, key: &PeerKey) -> bool {
        self.find(key)
            .is_some_and(|id| self.host(id).state == HostState::Alive)
    }

    /// What becomes of a dial that tries several addresses at once: the first to answer wins, and
    /// without any the last to fail ends it. `nth` tells apart the dials of one dialler.
    pub fn dial(&self, expected: Option<&PeerKey>, addresses: &[Address], nth: u64) -> Attempt {
        let mut tries: Vec<_> = addresses
            .iter()
            .map(|address| (self.reach(expected, address, nth), address))
            .collect();
        tries.sort_by_key(|((after, _), _)| *after);
        let mut attempt = Attempt {
            after: Duration::ZERO,
            answer: None,
            failures: Vec::new(),
        };
        for ((after, outcome), address) in tries {
            attempt.after = after;
            match outcome {
                Ok(key) => {
                    attempt.answer = Some((key, address.clone()));
                    break;
                }
                Err(failure) => attempt.failures.push(AddressFailure {
                    address: address.clone(),
                    failure,
                }),
            }
        }
        attempt
    }

    /// What becomes of one address, and when.
    fn reach(
        &self,
        expected: Option<&PeerKey>,
        address: &Address,
        nth: u64,
    ) -> (Duration, Result<PeerKey, Failure>) {
        let Some(&id) = self.homes.get(address) else {
            return (TRANSPORT_TIMEOUT, Err(Failure::Silent)); // an empty house
        };
        let host = self.host(id);
        let rtt = self.rtt_of_dial(id, nth);
        let mistaken = expected.is_some_and(|expected| *expected != host.key);
        let (after, outcome) = match host.state {
            _ if host.page => (TRANSPORT_TIMEOUT, Err(Failure::Silent)),
            HostState::Silent | HostState::Partitioned | HostState::Hung => {
                (TRANSPORT_TIMEOUT, Err(Failure::Silent))
            }
            HostState::Refused => (rtt, Err(Failure::Refused)),
            HostState::Alive if mistaken => (rtt * WRONG_PEER_RTTS, Err(Failure::WrongPeer)),
            HostState::Alive => (rtt * HANDSHAKE_RTTS, Ok(host.key.clone())),
            HostState::WrongPeer if expected.is_some() => {
                (rtt * WRONG_PEER_RTTS, Err(Failure::WrongPeer))
            }
            HostState::WrongPeer => (rtt * HANDSHAKE_RTTS, Ok(name("stranger", id.0))),
        };
        if after > TRANSPORT_TIMEOUT {
            return (TRANSPORT_TIMEOUT, Err(Failure::Silent));
        }
        (after, outcome)
    }

    /// How long the round trips of one dial are.
    pub(crate) fn rtt_of_dial(&self, id: HostId, nth: u64) -> Duration {
        let mut rng = chance::rng(self.seed, Subject::Dial, id.0 as u64, nth);
        let jitter = self.terrain.jitter * chance::normal(&mut rng);
        self.host(id).rtt.mul_f64(jitter.exp())
    }

    /// Whom a server names that is asked for the first time, and when it has named them, or failed.
    pub fn ask(&self, server: HostId) -> (Duration, Option<Vec<Candidate>>) {
        let host = self.host(server);
        let attempt = self.dial(Some(&host.key), &host.addresses, 0);
        let named = attempt.answer.map(|_| self.walk(server, 0));
        (attempt.after + host.rtt * ASK_RTTS, named)
    }

    /// The peers a server names at the `nth` asking: live ones, at random. Those cut off from us
    /// alone are among them, for it does not know that.
    pub fn walk(&self, server: HostId, nth: u64) -> Vec<Candidate> {
        let mut rng = chance::rng(self.seed, Subject::Walk, server.0 as u64, nth);
        let mut live: Vec<_> = self
            .hosts()
            .filter(|(_, host)| !host.bootstrap && !host.page)
            .filter(|(_, host)| matches!(host.state, HostState::Alive | HostState::Partitioned))
            .map(|(id, _)| id)
            .collect();
        let count = self.terrain.walk.min(live.len());
        for place in 0..count {
            let other = rng.usize(place..live.len());
            live.swap(place, other);
        }
        live[..count]
            .iter()
            .map(|id| self.host(*id))
            .map(|host| (host.key.clone(), host.addresses.clone()))
            .collect()
    }
}

fn name(kind: &str, index: usize) -> PeerKey {
    PeerKey::new(format!("{kind}-{index:04}").as_bytes()).expect("a short name is a valid key")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: HostId = HostId(0);

    fn world() -> World {
        World::new(7, Terrain::default())
    }

    #[test]
    fn every_host_lives_in_a_prefix_of_its_own() {
        let world = world();
        let groups: BTreeSet<_> = world
            .hosts()
            .map(|(_, host)| rejoin_core::Netgroup::of(&host.addresses[0]))
            .collect();
        assert_eq!(groups.len(), world.hosts().count());
    }

    #[test]
    fn half_of_the_hosts_are_nearer_than_the_median() {
        let world = world();
        let near = world
            .hosts()
            .filter(|(_, host)| host.rtt < Duration::from_millis(80));
        let share = near.count() as f64 / world.hosts().count() as f64;
        assert!((0.42..0.58).contains(&share), "{share}");
    }

    #[test]
    fn a_dial_ends_as_the_host_is() {
        check(HostState::Alive, HANDSHAKE_RTTS, None);
        check(HostState::Refused, 1, Some(Failure::Refused));
        check(
            HostState::WrongPeer,
            WRONG_PEER_RTTS,
            Some(Failure::WrongPeer),
        );
        check(HostState::Silent, 0, Some(Failure::Silent));
        check(HostState::Partitioned, 0, Some(Failure::Silent));
        check(HostState::Hung, 0, Some(Failure::Silent));
    }

    /// `rtts` of 0 means that nothing comes back.
    #[track_caller]
    fn check(state: HostState, rtts: u32, failure: Option<Failure>) {
        let mut world = world();
        world.turn(ALICE, state);
        let host = world.host(ALICE).clone();
        let attempt = world.dial(Some(&host.key), &host.addresses, 0);
        let after = match rtts {
            0 => TRANSPORT_TIMEOUT,
            rtts => world.rtt_of_dial(ALICE, 0) * rtts,
        };
        assert_eq!(attempt.after, after);
        assert_eq!(attempt.answer.is_some(), failure.is_none());
        assert_eq!(attempt.failures.first().map(|f| f.failure), failure);
    }

    #[test]
    fn several_addresses_race_and_one_dead_address_does_not_delay_the_other() {
        let world = world();
        let host = world.host(ALICE);
        let dead: Address = "/ip4/8.8.4.4/tcp/1".parse().unwrap();
        let both = [dead.clone(), host.addresses[0].clone()];
        let attempt = world.dial(Some(&host.key), &both, 0);
        assert!(attempt.after < TRANSPORT_TIMEOUT);
        assert_eq!(
            attempt.answer,
            Some((host.key.clone(), host.addresses[0].clone()))
        );
        assert_eq!(attempt.failures, vec![]);
        let attempt = world.dial(Some(&host.key), &[dead], 0);
        assert_eq!(attempt.after, TRANSPORT_TIMEOUT);
    }

    #[test]
    fn a_peer_dialled_at_anothers_address_is_the_wrong_peer() {
        let world = world();
        let (alice, bob) = (world.host(ALICE), world.host(HostId(1)));
        let attempt = world.dial(Some(&alice.key), &bob.addresses, 0);
        assert_eq!(attempt.failures[0].failure, Failure::WrongPeer);
        let unnamed = world.dial(None, &bob.addresses, 0);
        assert_eq!(unnamed.answer.unwrap().0, bob.key);
    }

    #[test]
    fn two_dials_of_one_host_differ_a_little_and_the_same_dial_not_at_all() {
        let world = world();
        let rtt = |nth| world.rtt_of_dial(ALICE, nth);
        assert_eq!(rtt(0), rtt(0));
        assert_ne!(rtt(0), rtt(1));
        let ratio = rtt(0).as_secs_f64() / world.host(ALICE).rtt.as_secs_f64();
        assert!((0.6..1.7).contains(&ratio));
    }

    #[test]
    fn a_bootstrap_server_names_live_peers_each_once() {
        let mut world = world();
        for index in 0..500 {
            world.turn(HostId(index), HostState::Silent);
        }
        let (server, _) = world.bootstrap().next().unwrap();
        let named = world.walk(server, 0);
        assert_eq!(named.len(), 20);
        assert!(named.iter().all(|(key, _)| world.is_alive(key)));
        let keys: BTreeSet<_> = named.iter().map(|(key, _)| key).collect();
        assert_eq!(keys.len(), 20);
        assert_ne!(named, world.walk(server, 1));
    }
}
