//! Who lives where, how far apart, and under which name. What a node signs of itself is here too: a
//! stand-in for a signed envelope that names its owner, since the engine never looks inside.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use fastrand::Rng;
use rejoin_core::{Address, Envelope, Netgroup, PeerKey, Scope, SignedPeer};

use crate::{
    chance::{self, Subject},
    world::Terrain,
};

/// Names one node of a swarm. Those of [`Self::is_stranger`] do not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

/// From here on names belong to nobody.
const STRANGERS: u32 = 1 << 31;

/// From here on they belong to nobody, and claim a home that is somebody else's: its number is in the
/// last bits.
const IMPOSTORS: u32 = 3 << 30;
const HOME_BITS: u32 = 12;

impl NodeId {
    /// Somebody who does not exist, the `nth` of them.
    pub(crate) fn stranger(nth: u32) -> Self {
        Self(STRANGERS + nth % (IMPOSTORS - STRANGERS))
    }

    /// Somebody who does not exist and is said to live where another does; of homes the first 4,096
    /// can be claimed.
    pub(crate) fn impostor(nth: u32, home: Self) -> Self {
        let claim = home.0 % (1 << HOME_BITS);
        Self(IMPOSTORS + (nth << HOME_BITS) % (1 << 30) + claim)
    }

    /// Whose home an impostor claims.
    fn claims(self) -> Option<Self> {
        (self.0 >= IMPOSTORS).then_some(Self(self.0 % (1 << HOME_BITS)))
    }

    /// Whether nobody of that name ever lived.
    pub fn is_stranger(self) -> bool {
        self.0 >= STRANGERS
    }

    /// The name the engines know it by. The order of names has nothing to do with that of arrival.
    pub fn key(self) -> PeerKey {
        let parts = [self.0.wrapping_mul(0x9e37_79b1), self.0].map(u32::to_be_bytes);
        PeerKey::new(&parts.concat()).expect("eight bytes are a valid key")
    }

    /// Who is meant by a name; `None` if it is of another making.
    pub fn of(key: &PeerKey) -> Option<Self> {
        let (_, plain) = key.as_bytes().split_last_chunk()?;
        let id = Self(u32::from_be_bytes(*plain));
        (id.key() == *key).then_some(id)
    }

    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node-{}", self.0)
    }
}

/// Where everybody lives.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    seed: u64,
    homes: Vec<Home>,
    owners: BTreeMap<Address, NodeId>,
    prefixes: BTreeSet<[u8; 2]>,
}

#[derive(Clone, Debug)]
struct Home {
    address: Address,
    /// A round trip to somebody as far away.
    rtt: Duration,
}

impl Places {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            homes: Vec::new(),
            owners: BTreeMap::new(),
            prefixes: BTreeSet::new(),
        }
    }

    /// A home for one more, in a /16 of its own as long as there are any left, or in a given one.
    pub(crate) fn settle(&mut self, prefix: Option<[u8; 2]>) -> NodeId {
        let id = NodeId(u32::try_from(self.homes.len()).expect("a swarm fits into 31 bits"));
        let terrain = Terrain::default();
        let mut rng = chance::rng(self.seed, Subject::Host, u64::from(id.0), 0);
        let rtt = terrain.distances.draw(&mut rng);
        let address = loop {
            let (address, [a, b]) = draw(&mut rng, prefix);
            let crowded = prefix.is_none() && self.prefixes.contains(&[a, b]);
            // There are some 50,000 public /16s; past half of them neighbours are allowed.
            let allowed = !crowded || self.prefixes.len() > 25_000;
            if allowed && !self.owners.contains_key(&address) {
                self.prefixes.insert([a, b]);
                break address;
            }
        };
        self.owners.insert(address.clone(), id);
        self.homes.push(Home {
            address,
            rtt: rtt.max(Duration::from_millis(2)),
        });
        id
    }

    /// The /16 a node lives in.
    pub(crate) fn prefix(&self, id: NodeId) -> [u8; 2] {
        match Netgroup::of(&self.address(id)) {
            Netgroup::V4(prefix) => prefix,
            other => panic!("{id} lives in {other}"),
        }
    }

    /// Where a node lives, or a stranger is said to.
    pub(crate) fn address(&self, id: NodeId) -> Address {
        match self.homes.get(id.claims().unwrap_or(id).index()) {
            Some(home) => home.address.clone(),
            None => {
                let mut rng = chance::rng(self.seed, Subject::Host, u64::from(id.0), 0);
                let mut drawn = std::iter::repeat_with(|| draw(&mut rng, None).0);
                let empty = drawn.find(|address| !self.owners.contains_key(address));
                empty.expect("most of the internet is empty")
            }
        }
    }

    /// Who lives at an address.
    pub(crate) fn owner(&self, address: &Address) -> Option<NodeId> {
        self.owners.get(address).copied()
    }

    /// How long a round trip between two nodes takes: half of it is due to each.
    pub(crate) fn rtt(&self, one: NodeId, other: NodeId) -> Duration {
        (self.homes[one.index()].rtt + self.homes[other.index()].rtt) / 2
    }

    /// What a node says of itself, signed.
    pub(crate) fn signed(&self, id: NodeId, seq: u64) -> SignedPeer {
        SignedPeer {
            peer: id.key(),
            addresses: vec![self.address(id)],
            seq,
            envelope: envelope(id, seq),
        }
    }

    /// Reads what a node says of itself.
    ///
    /// # Panics
    /// If it is no envelope of ours.
    pub(crate) fn read(&self, envelope: &Envelope) -> SignedPeer {
        let (id, seq) = envelope
            .as_bytes()
            .split_first_chunk()
            .expect("only our own envelopes travel here");
        let id = NodeId(u32::from_be_bytes(*id));
        let seq = u64::from_be_bytes(seq.try_into().expect("a number of eight bytes follows"));
        self.signed(id, seq)
    }
}

/// Stands in for what a node signs of itself.
pub(crate) fn envelope(id: NodeId, seq: u64) -> Envelope {
    let bytes = [&id.0.to_be_bytes()[..], &seq.to_be_bytes()].concat();
    Envelope::new(bytes).expect("twelve bytes are few enough")
}

/// A public address, anywhere or in a given /16.
fn draw(rng: &mut Rng, prefix: Option<[u8; 2]>) -> (Address, [u8; 2]) {
    loop {
        let [a, b, c, d] = Ipv4Addr::from_bits(rng.u32(..)).octets();
        let [a, b] = prefix.unwrap_or([a, b]);
        let socket = SocketAddr::from(([a, b, c, d], rng.u16(1_024..)));
        let address = Address::from(socket);
        if Scope::of(&address) == Scope::Public {
            return (address, [a, b]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_back_to_its_node_and_no_other_name_does() {
        for id in [NodeId(0), NodeId(7), NodeId::stranger(7)] {
            assert_eq!(NodeId::of(&id.key()), Some(id));
        }
        assert_eq!(NodeId::of(&"alice".parse().unwrap()), None);
        assert_eq!(NodeId::of(&"somebody".parse().unwrap()), None);
        assert!(NodeId::stranger(0).is_stranger() && !NodeId(0).is_stranger());
    }

    #[test]
    fn everybody_lives_alone_in_a_prefix_unless_told_where() {
        let mut places = Places::new(7);
        let group = |places: &Places, id| Netgroup::of(&places.address(id));
        let ids: Vec<_> = (0..500).map(|_| places.settle(None)).collect();
        let groups: BTreeSet<_> = ids.iter().map(|id| group(&places, *id)).collect();
        assert_eq!(groups.len(), ids.len());
        let (one, other) = (places.settle(Some([9, 9])), places.settle(Some([9, 9])));
        assert_eq!(group(&places, one), Netgroup::V4([9, 9]));
        assert_ne!(places.address(one), places.address(other));
    }

    #[test]
    fn a_stranger_has_an_address_where_nobody_lives() {
        let mut places = Places::new(7);
        let alice = places.settle(None);
        let address = places.address(NodeId::stranger(3));
        assert_eq!(address, places.address(NodeId::stranger(3)));
        assert_eq!(places.owner(&address), None);
        assert_eq!(places.owner(&places.address(alice)), Some(alice));
    }

    #[test]
    fn an_impostor_claims_the_home_of_another() {
        let mut places = Places::new(7);
        let alice = (0..4).map(|_| places.settle(None)).last().unwrap();
        let eve = NodeId::impostor(5, alice);
        assert_eq!(NodeId::of(&eve.key()), Some(eve));
        assert!(eve.is_stranger() && eve != NodeId::impostor(6, alice));
        assert_eq!(places.address(eve), places.address(alice));
    }

    #[test]
    fn what_is_signed_can_be_read() {
        let mut places = Places::new(7);
        let alice = places.settle(None);
        let signed = places.signed(alice, 3);
        assert_eq!(places.read(&signed.envelope), signed);
        assert_eq!((signed.peer, signed.seq), (alice.key(), 3));
    }

    #[test]
    fn a_way_is_as_long_in_both_directions() {
        let mut places = Places::new(7);
        let (alice, bob) = (places.settle(None), places.settle(None));
        assert_eq!(places.rtt(alice, bob), places.rtt(bob, alice));
        assert!(places.rtt(alice, bob) >= Duration::from_millis(2));
    }
}
