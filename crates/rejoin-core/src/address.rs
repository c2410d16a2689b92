//! Where a peer may be reached: a bounded multiaddr, and what can be read off it.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use multiaddr::{Multiaddr, PeerId, Protocol};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smallvec::SmallVec;

use crate::{as_text, key::PeerKey};

/// A multiaddr without the peer's own `/p2p/…` at its end, so that one place has one spelling.
///
/// The `/p2p/…` of a relay stays: it is part of the way. A bare `ip:port` reads as `/ip4/…/tcp/…`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(
    /// Its bytes, which are those of a multiaddr. There are millions: QUIC over IPv6 takes 23, and needs
    /// no room but this.
    SmallVec<[u8; 24]>,
);

/// Why some text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Neither a multiaddr nor `ip:port`.
    #[error(
        "{text:?} is no address; write it like /ip4/203.0.113.7/tcp/4001/p2p/12D3KooW… \
         or 203.0.113.7:4001"
    )]
    Unreadable {
        /// The first characters of what was given.
        text: String,
    },
    /// Nothing is left once the peer id is taken off.
    #[error(
        "an address without a host is no place to dial; put /ip4/…, /ip6/… or /dns/… before it"
    )]
    Empty,
    /// More than [`Address::BYTES_MAX`].
    #[error(
        "an address has {bytes} bytes, at most {} are kept",
        Address::BYTES_MAX
    )]
    TooLong {
        /// How many there were.
        bytes: usize,
    },
    /// Written down, as every memory writes it, it would read as another one or as none.
    #[error(
        "{text:?} reads otherwise than it was meant; write hosts' names in ASCII, without spaces and \
         slashes, and one /p2p/… at the end at most"
    )]
    Garbled {
        /// The first characters of it.
        text: String,
    },
}

/// What carries a connection to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// Plain TCP.
    Tcp,
    /// QUIC over UDP.
    Quic,
    /// WebSocket, plain or over TLS.
    WebSocket,
    /// WebTransport over QUIC.
    WebTransport,
    /// WebRTC, direct or through a browser.
    WebRtc,
    /// Through a relay, whatever carries the way there.
    Relay,
    /// In-process, for tests.
    Memory,
    /// None of the above.
    Other,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Quic => "quic",
            Self::WebSocket => "websocket",
            Self::WebTransport => "webtransport",
            Self::WebRtc => "webrtc",
            Self::Relay => "relay",
            Self::Memory => "memory",
            Self::Other => "other",
        })
    }
}

impl Address {
    /// A webrtc-direct address through a relay, with two certificate hashes, stays below 350 bytes.
    pub const BYTES_MAX: usize = 512;

    /// Takes a multiaddr and returns it without the peer id at its end, and that peer id.
    ///
    /// # Errors
    /// If nothing is left, it is longer than [`Self::BYTES_MAX`], or its text would read otherwise: in
    /// bytes a host's name may hold a slash, and what cannot be written down cannot be remembered. Nor
    /// is anything but ASCII let in, lest a stranger's address moves the cursor of whoever lists it.
    pub fn split(address: Multiaddr) -> Result<(Self, Option<PeerKey>), AddressError> {
        let (address, peer) = Self::split_text(address)?;
        let meant = address.to_multiaddr();
        let text = meant.to_string();
        match text.parse::<Multiaddr>() {
            Ok(read) if read == meant && is_plain(&text) => Ok((address, peer)),
            Ok(_) | Err(_) => Err(garbled(&meant)),
        }
    }

    /// The same for one that was read from text.
    fn split_text(mut address: Multiaddr) -> Result<(Self, Option<PeerKey>), AddressError> {
        let bytes = address.len();
        if bytes > Self::BYTES_MAX {
            return Err(AddressError::TooLong { bytes });
        }
        let (mut parts, mut before, mut last) = (0, None, None);
        for part in address.iter() {
            parts += 1;
            before = last;
            last = match part {
                Protocol::P2p(peer) => Some(peer),
                _ => None,
            };
        }
        if last.is_some() {
            address.pop();
            parts -= 1;
        }
        match (last, before) {
            _ if parts == 0 => Err(AddressError::Empty),
            // The next one to read it would take that name off as well.
            (Some(_), Some(_)) => Err(garbled(&address)),
            (peer, _) => Ok((Self::of(&address), peer.map(Into::into))),
        }
    }

    fn of(address: &Multiaddr) -> Self {
        Self(SmallVec::from_slice(address.as_ref()))
    }

    /// Reads a multiaddr or a bare `ip:port`, and the peer id at its end if it has one.
    ///
    /// # Errors
    /// If it is neither, empty, longer than [`Self::BYTES_MAX`], or ends in two peer ids.
    pub fn parse(text: &str) -> Result<(Self, Option<PeerKey>), AddressError> {
        let text = text.trim();
        if let Ok(socket) = text.parse::<SocketAddr>() {
            return Ok((socket.into(), None));
        }
        if let Some(plain) = Self::of_socket(text) {
            return Ok((plain, None));
        }
        match text.parse::<Multiaddr>() {
            Ok(address) if is_plain(text) => Self::split_text(address),
            Ok(_) | Err(_) => Err(AddressError::Unreadable {
                text: first_of(text),
            }),
        }
    }

    /// An IP address and a port of TCP or QUIC, as most are. It reads as it does by way of a multiaddr, whose
    /// table of names and buffers take a while where a million are loaded.
    fn of_socket(text: &str) -> Option<Self> {
        let (ip, way) = if let Some(rest) = text.strip_prefix("/ip4/") {
            let (ip, way) = rest.split_once('/')?;
            (Protocol::Ip4(ip.parse().ok()?), way)
        } else {
            let (ip, way) = text.strip_prefix("/ip6/")?.split_once('/')?;
            (Protocol::Ip6(ip.parse().ok()?), way)
        };
        if let Some(port) = way.strip_prefix("tcp/") {
            let port = Protocol::Tcp(port.parse().ok()?);
            return Some(Self::made_of([ip, port]));
        }
        let port = way.strip_prefix("udp/")?.strip_suffix("/quic-v1")?;
        let port = Protocol::Udp(port.parse().ok()?);
        Some(Self::made_of([ip, port, Protocol::QuicV1]))
    }

    fn made_of<const N: usize>(parts: [Protocol<'_>; N]) -> Self {
        let mut bytes = SmallVec::new();
        for part in parts {
            part.write_bytes(&mut bytes).expect("memory has room");
        }
        Self(bytes)
    }

    /// The multiaddr itself.
    pub fn to_multiaddr(&self) -> Multiaddr {
        Multiaddr::try_from(self.0.to_vec()).expect("it was made of one")
    }

    /// What the multiaddr is made of, from the outside in.
    pub fn parts(&self) -> impl Iterator<Item = Protocol<'_>> {
        let mut rest = &self.0[..];
        std::iter::from_fn(move || {
            let (part, after) = Protocol::from_bytes(rest).ok()?;
            rest = after;
            Some(part)
        })
    }

    /// The IP address it begins with, if any; an IPv4 address mapped into IPv6 comes out as IPv4.
    pub fn ip(&self) -> Option<IpAddr> {
        match self.parts().next()? {
            Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
            Protocol::Ip6(ip) => Some(IpAddr::V6(ip).to_canonical()),
            _ => None,
        }
    }

    /// The relay whose circuit it uses, if it uses one. A circuit without a named relay gives the
    /// outer `None` too: nobody can dial it.
    pub fn relay(&self) -> Option<PeerId> {
        let mut last = None;
        for part in self.parts() {
            match part {
                Protocol::P2p(peer) => last = Some(peer),
                Protocol::P2pCircuit => return last,
                _ => {}
            }
        }
        None
    }

    /// What carries a connection to it.
    pub fn transport(&self) -> Transport {
        let mut found = Transport::Other;
        for part in self.parts() {
            found = match part {
                Protocol::P2pCircuit => return Transport::Relay,
                Protocol::Tcp(_) => Transport::Tcp,
                Protocol::Quic | Protocol::QuicV1 => Transport::Quic,
                Protocol::Ws(_) | Protocol::Wss(_) => Transport::WebSocket,
                Protocol::WebTransport => Transport::WebTransport,
                Protocol::WebRTCDirect | Protocol::WebRTC => Transport::WebRtc,
                Protocol::Memory(_) => Transport::Memory,
                _ => found,
            };
        }
        found
    }
}

/// What every terminal shows as it is.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn garbled(address: &Multiaddr) -> AddressError {
    AddressError::Garbled {
        text: first_of(&address.to_string()),
    }
}

/// As much as a message has room for.
fn first_of(text: &str) -> String {
    text.chars().take(80).collect()
}

impl From<SocketAddr> for Address {
    fn from(socket: SocketAddr) -> Self {
        Self::made_of([socket.ip().into(), Protocol::Tcp(socket.port())])
    }
}

impl FromStr for Address {
    type Err = AddressError;

    /// Reads an address and drops the peer id at its end.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text).map(|(address, _)| address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts().try_for_each(|part| part.fmt(f))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        as_text::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        as_text::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALICE: &str = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
    const RELAY: &str = "12D3KooWNvSZnPi3RrhrTwEY4LuuBeB6K6facKUCJcyWG1aoDd2p";

    #[test]
    fn the_peer_id_at_the_end_is_taken_off() {
        let (address, peer) = Address::parse(&format!("/ip4/1.2.3.4/tcp/80/p2p/{ALICE}")).unwrap();
        assert_eq!(address.to_string(), "/ip4/1.2.3.4/tcp/80");
        assert_eq!(peer.unwrap().to_string(), ALICE);
    }

    #[test]
    fn a_bare_socket_address_reads_as_tcp() {
        check("1.2.3.4:80", "/ip4/1.2.3.4/tcp/80", Transport::Tcp);
        check("[::1]:80", "/ip6/::1/tcp/80", Transport::Tcp);
    }

    proptest! {
        #[test]
        fn what_is_read_the_short_way_is_what_a_multiaddr_makes_of_it(
            text in "/ip[46]/(1\\.2\\.3\\.(4|04|256)|::1|::ffff:1\\.2\\.3\\.4|fe80::1%2|1::2::3|)/(tcp|udp)/(\\+?0?[0-9]{1,5}|)(/quic-v1|/quic|/ws|/)?(/tcp/1)?"
        ) {
            let short = Address::of_socket(&text);
            let read = text.parse::<Multiaddr>().ok().map(|address| Address::of(&address));
            if let Some(short) = short {
                prop_assert_eq!(Some(short), read);
            }
        }
    }

    #[test]
    fn tcp_and_quic_are_read_the_short_way() {
        for text in ["/ip4/1.2.3.4/tcp/80", "/ip6/::1/udp/80/quic-v1"] {
            let address = Address::of_socket(text).unwrap();
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn the_transport_is_read_off_the_whole_path() {
        check(
            "/ip4/1.2.3.4/udp/1/quic-v1",
            "/ip4/1.2.3.4/udp/1/quic-v1",
            Transport::Quic,
        );
        check(
            "/dns/a.b/tcp/443/wss",
            "/dns/a.b/tcp/443/wss",
            Transport::WebSocket,
        );
        check("/memory/7", "/memory/7", Transport::Memory);
        let circuit = format!("/ip4/1.2.3.4/tcp/80/p2p/{RELAY}/p2p-circuit");
        check(
            &format!("{circuit}/p2p/{ALICE}"),
            &circuit,
            Transport::Relay,
        );
        let relay = circuit.parse::<Address>().unwrap().relay().unwrap();
        assert_eq!(relay.to_string(), RELAY);
    }

    #[test]
    fn a_mapped_ipv4_address_is_an_ipv4_address() {
        let mapped: Address = "/ip6/::ffff:10.0.0.1/tcp/1".parse().unwrap();
        assert_eq!(mapped.ip(), Some("10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn what_cannot_be_dialled_is_refused_with_a_remedy() {
        for bad in [
            "",
            "unknown",
            "/ip4/999.0.0.1/tcp/1",
            "1.2.3.4",
            "/dns/a\u{1b}[2J/tcp/1",
        ] {
            let error = bad.parse::<Address>().unwrap_err();
            assert!(!error.to_string().is_empty(), "{bad}: {error}");
        }
        let only_a_name = format!("/p2p/{ALICE}");
        assert_eq!(only_a_name.parse::<Address>(), Err(AddressError::Empty));
        let long = format!("/dns/{}/tcp/1", "a".repeat(600));
        assert!(matches!(
            long.parse::<Address>(),
            Err(AddressError::TooLong { .. })
        ));
    }

    #[test]
    fn what_reads_otherwise_once_it_is_written_down_is_refused() {
        let named = |name: &str| Multiaddr::empty().with(Protocol::Dns(name.to_owned().into()));
        for name in ["a/b", "a/tcp/1", "a/p2p-circuit", "a\n", "\u{1b}[2J", "bób"] {
            let error = Address::split(named(name).with(Protocol::Tcp(1)));
            assert!(
                matches!(error, Err(AddressError::Garbled { .. })),
                "{name}: {error:?}"
            );
        }
        assert!(Address::split(named("a.b").with(Protocol::Tcp(1))).is_ok());
        let two_names = format!("/ip4/1.2.3.4/tcp/80/p2p/{RELAY}/p2p/{ALICE}");
        let error = Address::parse(&two_names).unwrap_err();
        assert!(matches!(error, AddressError::Garbled { .. }), "{error}");
    }

    #[track_caller]
    fn check(text: &str, shown: &str, transport: Transport) {
        let address: Address = text.parse().unwrap();
        assert_eq!(address.to_string(), shown);
        assert_eq!(address.transport(), transport);
    }
}
