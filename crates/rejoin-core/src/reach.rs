//! Which addresses make sense to dial from here, and to believe from there.
//!
//! [`Scope`] says how far an address reaches; [`Reach`] knows where we are: our own addresses, the
//! local networks we are on and the place we remember them by. Nothing here dials or decides.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use multiaddr::Protocol;
use serde::{Deserialize, Serialize};

use crate::{address::Address, key::PeerKey, record::Place};

/// How far an address reaches (IANA special-purpose registries; RFC 6890).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// This machine only.
    Loopback,
    /// The link only: 169.254/16, fe80::/10.
    LinkLocal,
    /// A private network: RFC 1918, fc00::/7.
    Private,
    /// Behind a carrier's address translation: 100.64/10 (RFC 6598).
    CarrierNat,
    /// The whole internet, as far as the address tells; names and relays too.
    Public,
    /// Nobody can ever be reached there: documentation, benchmarking, multicast, reserved,
    /// unspecified, port 0, or a circuit without a named relay.
    Nowhere,
}

impl Scope {
    /// Reads the scope off an address.
    pub fn of(address: &Address) -> Self {
        let (mut host, mut named) = (None, false);
        for part in address.parts() {
            match part {
                Protocol::Tcp(0) | Protocol::Udp(0) => return Self::Nowhere,
                Protocol::P2p(_) => named = true,
                Protocol::P2pCircuit if !named => return Self::Nowhere,
                _ => {}
            }
            host.get_or_insert(part);
        }
        match host {
            Some(Protocol::Ip4(ip)) => Self::of_v4(ip),
            Some(Protocol::Ip6(ip)) => match ip.to_canonical() {
                IpAddr::V4(ip) => Self::of_v4(ip),
                IpAddr::V6(ip) => Self::of_v6(ip),
            },
            Some(Protocol::Memory(_) | Protocol::Unix(_)) => Self::Loopback,
            _ => Self::Public,
        }
    }

    /// Whether what reaches so far means anything to somebody that far away: nobody on the internet
    /// can reach, or know, what is on our machine or our LAN.
    pub fn may_be_told(self, other: Self) -> bool {
        match self {
            Self::Loopback => other == Self::Loopback,
            Self::Private | Self::LinkLocal => match other {
                Self::Loopback | Self::Private | Self::LinkLocal => true,
                Self::CarrierNat | Self::Public | Self::Nowhere => false,
            },
            Self::CarrierNat | Self::Public => true,
            Self::Nowhere => false,
        }
    }

    fn of_v4(ip: Ipv4Addr) -> Self {
        match ip.octets() {
            [127, ..] => Self::Loopback,
            [169, 254, ..] => Self::LinkLocal,
            [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Self::Private,
            [100, 64..=127, ..] => Self::CarrierNat,
            // "This network", protocol assignments, 6to4 relays.
            [0, ..] | [192, 0, 0, _] | [192, 88, 99, _] => Self::Nowhere,
            // Documentation and benchmarking.
            [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [198, 18..=19, ..] => {
                Self::Nowhere
            }
            // Multicast, reserved, broadcast.
            [224..=255, ..] => Self::Nowhere,
            _ => Self::Public,
        }
    }

    fn of_v6(ip: Ipv6Addr) -> Self {
        match ip.segments() {
            [0, 0, 0, 0, 0, 0, 0, 1] => Self::Loopback,
            [0xfe80..=0xfebf, ..] => Self::LinkLocal,
            [0xfc00..=0xfdff, ..] => Self::Private,
            // Documentation (RFC 3849, RFC 9637), benchmarking (RFC 5180), ORCHID (RFC 7343).
            [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] | [0x2001, 2, 0, ..] => Self::Nowhere,
            [0x2001, 0x20..=0x2f, ..] => Self::Nowhere,
            // NAT64 (RFC 6052) leads to the public internet.
            [0x64, 0xff9b, 0, 0, 0, 0, ..] => Self::Public,
            // Only 2000::/3 is global unicast.
            [0x2000..=0x3fff, ..] => Self::Public,
            _ => Self::Nowhere,
        }
    }
}

/// A network one of our interfaces is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalNetwork {
    ip: IpAddr,
    prefix: u8,
}

impl LocalNetwork {
    /// Our address on it, and how many leading bits all its members share (0–32 or 0–128; more is
    /// cut to that).
    pub fn new(ip: IpAddr, prefix: u8) -> Self {
        let bits = if ip.is_ipv4() { 32 } else { 128 };
        Self {
            ip,
            prefix: prefix.min(bits),
        }
    }

    /// Whether `other` is on this network too.
    pub fn contains(&self, other: IpAddr) -> bool {
        let bits = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => u128::from(ip.to_bits()) << 96,
            IpAddr::V6(ip) => ip.to_bits(),
        };
        let differing = (bits(self.ip) ^ bits(other)).leading_zeros();
        self.ip.is_ipv4() == other.is_ipv4() && differing >= u32::from(self.prefix)
    }
}

/// Where we are.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    me: Option<PeerKey>,
    own: BTreeSet<Address>,
    networks: Vec<LocalNetwork>,
    place: Option<Place>,
}

impl Reach {
    /// Knows our own name, so that we never dial ourselves.
    pub fn new(me: Option<PeerKey>) -> Self {
        Self {
            me,
            ..Self::default()
        }
    }

    /// Replaces what we know of our own addresses and networks (both cut to `max`).
    pub fn set_local(
        &mut self,
        own: impl IntoIterator<Item = Address>,
        networks: impl IntoIterator<Item = LocalNetwork>,
        max: usize,
    ) {
        self.own = own.into_iter().take(max).collect();
        self.networks = networks.into_iter().take(max).collect();
    }

    /// Moves to another place, or to an unknown one.
    pub fn set_place(&mut self, place: Option<Place>) {
        self.place = place;
    }

    /// The place we are at, if it has a name.
    pub fn place(&self) -> Option<Place> {
        self.place
    }

    /// Our own addresses, in order.
    pub fn own(&self) -> impl Iterator<Item = &Address> + Clone {
        self.own.iter()
    }

    /// Whether this is an address of our own.
    pub fn is_own(&self, address: &Address) -> bool {
        self.own.contains(address)
    }

    /// Whether this is our own name.
    pub fn is_me(&self, key: &PeerKey) -> bool {
        self.me.as_ref() == Some(key)
    }

    /// Whether dialling `address` from here could lead to somebody else.
    pub fn makes_sense(&self, address: &Address) -> bool {
        if self.is_own(address) {
            return false;
        }
        match Scope::of(address) {
            Scope::Nowhere => false,
            Scope::Public | Scope::Loopback => true,
            // Some carriers let their customers reach each other; only a try can tell.
            Scope::CarrierNat => true,
            Scope::Private | Scope::LinkLocal => match address.ip() {
                // Until the shell has told us our networks, trying beats guessing.
                Some(ip) => {
                    self.networks.is_empty() || self.networks.iter().any(|net| net.contains(ip))
                }
                None => true,
            },
        }
    }

    /// Whether `address` makes sense when somebody reached at `teller` names it.
    pub fn is_believable(&self, address: &Address, teller: Option<Scope>) -> bool {
        // Without a teller it is our own machine that says so.
        let teller = teller.unwrap_or(Scope::Loopback);
        Scope::of(address).may_be_told(teller) && !self.is_own(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scope_of_an_address_follows_the_registries() {
        scope("/ip4/8.8.4.4/tcp/1", Scope::Public);
        scope("/ip4/127.0.0.1/tcp/1", Scope::Loopback);
        scope("/ip4/10.1.2.3/tcp/1", Scope::Private);
        scope("/ip4/172.31.2.3/tcp/1", Scope::Private);
        scope("/ip4/172.32.2.3/tcp/1", Scope::Public);
        scope("/ip4/169.254.0.1/tcp/1", Scope::LinkLocal);
        scope("/ip4/100.64.0.1/tcp/1", Scope::CarrierNat);
        scope("/ip4/192.0.2.1/tcp/1", Scope::Nowhere);
        scope("/ip4/198.18.0.1/tcp/1", Scope::Nowhere);
        scope("/ip4/255.255.255.255/tcp/1", Scope::Nowhere);
        scope("/ip4/8.8.4.4/tcp/0", Scope::Nowhere);
        scope("/ip6/::1/tcp/1", Scope::Loopback);
        scope("/ip6/::ffff:10.0.0.1/tcp/1", Scope::Private);
        scope("/ip6/2001:db8::1/tcp/1", Scope::Nowhere);
        scope("/ip6/2600::1/tcp/1", Scope::Public);
        scope("/ip6/fd00::1/tcp/1", Scope::Private);
        scope("/ip6/ff02::1/tcp/1", Scope::Nowhere);
        scope("/dns/example.org/tcp/1", Scope::Public);
        scope("/ip4/8.8.4.4/tcp/1/p2p-circuit", Scope::Nowhere);
    }

    #[test]
    fn a_lan_address_makes_sense_only_on_that_lan() {
        let mut reach = Reach::new(None);
        let printer = "/ip4/192.168.7.9/tcp/1".parse().unwrap();
        assert!(reach.makes_sense(&printer), "networks unknown: try it");
        let here = LocalNetwork::new("192.168.7.2".parse().unwrap(), 24);
        reach.set_local([], [here], 8);
        assert!(reach.makes_sense(&printer));
        let cafe = LocalNetwork::new("192.168.1.2".parse().unwrap(), 24);
        reach.set_local([], [cafe], 8);
        assert!(!reach.makes_sense(&printer));
    }

    #[test]
    fn our_own_address_is_nowhere_to_go() {
        let mut reach = Reach::new(None);
        let own: Address = "/ip4/8.8.4.4/tcp/1".parse().unwrap();
        assert!(reach.makes_sense(&own));
        reach.set_local([own.clone()], [], 8);
        assert!(!reach.makes_sense(&own));
    }

    #[test]
    fn nobody_far_away_can_tell_what_is_near() {
        let reach = Reach::new(None);
        let near: Address = "/ip4/127.0.0.1/tcp/1".parse().unwrap();
        assert!(reach.is_believable(&near, None));
        assert!(reach.is_believable(&near, Some(Scope::Loopback)));
        assert!(!reach.is_believable(&near, Some(Scope::Private)));
        let lan: Address = "/ip4/10.0.0.1/tcp/1".parse().unwrap();
        assert!(reach.is_believable(&lan, Some(Scope::Private)));
        assert!(!reach.is_believable(&lan, Some(Scope::Public)));
    }

    #[test]
    fn networks_compare_by_prefix() {
        let v6 = LocalNetwork::new("fd00:1::1".parse().unwrap(), 64);
        assert!(v6.contains("fd00:1::99".parse().unwrap()));
        assert!(!v6.contains("fd00:2::99".parse().unwrap()));
        assert!(!v6.contains("10.0.0.1".parse().unwrap()));
        let all = LocalNetwork::new("10.0.0.1".parse().unwrap(), 0);
        assert!(all.contains("11.0.0.1".parse().unwrap()));
    }

    #[track_caller]
    fn scope(address: &str, scope: Scope) {
        assert_eq!(Scope::of(&address.parse().unwrap()), scope, "{address}");
    }
}
