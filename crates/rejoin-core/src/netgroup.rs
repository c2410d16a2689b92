//! Which addresses are likely in one hand: the unit of diversity.

use std::{fmt, net::IpAddr};

use multiaddr::Protocol;

use crate::{address::Address, reach::Scope};

/// IPv4 /16, IPv6 /32, one group per relay, one per DNS name; loopback and LAN are groups of their
/// own.
///
/// The /16 and /32 are Bitcoin Core's (`src/netgroup.cpp`): renting addresses across many of them
/// costs an attacker far more than renting many addresses in one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Netgroup {
    /// The first two bytes of a public IPv4 address.
    V4([u8; 2]),
    /// The first four bytes of a public IPv6 address.
    V6([u8; 4]),
    /// Everybody behind one relay, by the relay's peer id in bytes.
    Relay(Vec<u8>),
    /// Everybody behind one DNS name.
    Dns(String),
    /// This machine.
    Loopback,
    /// The local network.
    Lan,
    /// In-process addresses and transports the core does not know.
    Other,
}

impl Netgroup {
    /// The group an address belongs to.
    pub fn of(address: &Address) -> Self {
        if let Some(relay) = address.relay() {
            return Self::Relay(relay.to_bytes());
        }
        match (Scope::of(address), address.ip()) {
            (Scope::Loopback, _) => Self::Loopback,
            (Scope::Private | Scope::LinkLocal, _) => Self::Lan,
            (_, Some(IpAddr::V4(ip))) => {
                let [a, b, ..] = ip.octets();
                Self::V4([a, b])
            }
            (_, Some(IpAddr::V6(ip))) => {
                let [a, b, c, d, ..] = ip.octets();
                Self::V6([a, b, c, d])
            }
            (_, None) => match address.parts().next() {
                Some(
                    Protocol::Dns(name)
                    | Protocol::Dns4(name)
                    | Protocol::Dns6(name)
                    | Protocol::Dnsaddr(name),
                ) => Self::Dns(name.to_ascii_lowercase()),
                _ => Self::Other,
            },
        }
    }

    /// Whether crowding in this group says anything about who owns its members. On one machine or
    /// one LAN it does not.
    pub fn is_public(&self) -> bool {
        match self {
            Self::V4(_) | Self::V6(_) | Self::Relay(_) | Self::Dns(_) => true,
            Self::Loopback | Self::Lan | Self::Other => false,
        }
    }
}

impl fmt::Display for Netgroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4([a, b]) => write!(f, "{a}.{b}.0.0/16"),
            Self::V6([a, b, c, d]) => write!(f, "{a:02x}{b:02x}:{c:02x}{d:02x}::/32"),
            Self::Relay(id) => match multiaddr::PeerId::from_bytes(id) {
                Ok(id) => write!(f, "relay {id}"),
                Err(_) => f.write_str("relay"),
            },
            Self::Dns(name) => write!(f, "dns {name}"),
            Self::Loopback => f.write_str("loopback"),
            Self::Lan => f.write_str("lan"),
            Self::Other => f.write_str("other"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_belongs_to_its_prefix() {
        check("/ip4/203.5.113.7/tcp/1", "203.5.0.0/16");
        check("/ip6/2600:1f18::1/tcp/1", "2600:1f18::/32");
        check("/ip6/::ffff:203.5.113.7/tcp/1", "203.5.0.0/16");
        check("/ip4/127.0.0.1/tcp/1", "loopback");
        check("/ip4/192.168.1.5/tcp/1", "lan");
        check("/dns/Example.ORG/tcp/1", "dns example.org");
        check("/memory/5", "loopback");
    }

    #[test]
    fn everybody_behind_one_relay_is_one_group() {
        let relay = "12D3KooWNvSZnPi3RrhrTwEY4LuuBeB6K6facKUCJcyWG1aoDd2p";
        let behind = |host: &str| {
            let text = format!("/ip4/{host}/tcp/80/p2p/{relay}/p2p-circuit");
            Netgroup::of(&text.parse().unwrap())
        };
        assert_eq!(behind("1.2.3.4"), behind("5.6.7.8"));
        assert!(behind("1.2.3.4").is_public());
    }

    #[track_caller]
    fn check(address: &str, group: &str) {
        assert_eq!(Netgroup::of(&address.parse().unwrap()).to_string(), group);
    }
}
