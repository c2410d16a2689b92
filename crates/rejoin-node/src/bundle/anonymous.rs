//! A bundle without people: it still shows how large a network is, how it is spread and how long its
//! members stay, and leads to none of them.

use std::net::{Ipv4Addr, Ipv6Addr};

use libp2p::{Multiaddr, multiaddr::Protocol};
use rejoin::PeerKey;

use super::{Bundle, BundledAddress, BundledPeer};

/// The same without names: peers are numbered, in an order drawn by `lots`, and of their addresses only
/// the network is left, /24 of IPv4 and /48 of IPv6, and the protocols without ports.
pub fn anonymous(bundle: Bundle, lots: &mut fastrand::Rng) -> Bundle {
    let mut peers: Vec<_> = bundle.peers.into_iter().map(without_names).collect();
    // How well we think of them would otherwise show in their order.
    lots.shuffle(&mut peers);
    for (number, peer) in peers.iter_mut().enumerate() {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        peer.key = PeerKey::new(&number.to_be_bytes()).expect("four bytes are a key");
    }
    Bundle {
        anonymous: true,
        peers,
        ..bundle
    }
}

fn without_names(peer: BundledPeer) -> BundledPeer {
    let addresses = peer.addresses.into_iter().filter_map(cut_short);
    BundledPeer {
        user_id: None,
        display_name: None,
        signed_record: None,
        addresses: addresses.collect(),
        ..peer
    }
}

/// A name in the DNS and a way through a relay have no network that could be left of them.
fn cut_short(known: BundledAddress) -> Option<BundledAddress> {
    let address: Multiaddr = known.address.to_string().parse().ok()?;
    let mut cut = Multiaddr::empty();
    for (nth, protocol) in address.iter().enumerate() {
        cut.push(match protocol {
            Protocol::Ip4(ip) if nth == 0 => {
                let [a, b, c, _] = ip.octets();
                Protocol::Ip4(Ipv4Addr::new(a, b, c, 0))
            }
            Protocol::Ip6(ip) if nth == 0 => {
                let [a, b, c, ..] = ip.segments();
                Protocol::Ip6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
            }
            _ if nth == 0 => return None,
            Protocol::Tcp(_) => Protocol::Tcp(0),
            Protocol::Udp(_) => Protocol::Udp(0),
            plain @ (Protocol::Quic
            | Protocol::QuicV1
            | Protocol::Tls
            | Protocol::WebTransport
            | Protocol::WebRTCDirect) => plain,
            Protocol::Ws(_) => Protocol::Ws("/".into()),
            Protocol::Wss(_) => Protocol::Wss("/".into()),
            // A hash of a certificate, a host name or a peer.
            _ => return None,
        });
    }
    Some(BundledAddress {
        address: cut.to_string().parse().ok()?,
        ..known
    })
}

#[cfg(test)]
mod tests {
    use libp2p::identity::Keypair;
    use rejoin::Time;

    use super::*;
    use crate::bundle::tests::alice;

    #[test]
    fn nothing_is_left_that_leads_to_anybody() {
        let alice = alice();
        let named = Bundle::of([&alice].into_iter(), Time::from_millis(1));
        let bundle = anonymous(named, &mut fastrand::Rng::with_seed(1));
        let addresses: Vec<_> = bundle.peers[0].addresses.iter().collect();
        let addresses: Vec<_> = addresses.iter().map(|it| it.address.to_string()).collect();
        assert_eq!(
            addresses,
            ["/ip4/8.8.4.0/tcp/0", "/ip6/2001:db8:1::/udp/0/quic-v1"]
        );
        let text = bundle.sign(&Keypair::generate_ed25519());
        let key = alice.key.to_string();
        for name in [&key[..], "8.8.4.4", "4001", "Alice", "alice", "1:2::3"] {
            assert!(!text.contains(name), "{name} in {text}");
        }
    }

    #[test]
    fn of_an_address_only_its_network_and_protocols_stay() {
        check("/ip4/1.2.3.4/udp/5/quic-v1", "/ip4/1.2.3.0/udp/0/quic-v1");
        check("/ip4/1.2.3.4/tcp/5/ws", "/ip4/1.2.3.0/tcp/0/ws");
        check("/ip4/1.2.3.4/tcp/5/tls/sni/alice.example/ws", "");
        check("/dns/alice.example/tcp/5", "");
        let relay = libp2p::PeerId::random();
        check(&format!("/ip4/1.2.3.4/tcp/5/p2p/{relay}/p2p-circuit"), "");
    }

    #[track_caller]
    fn check(address: &str, expected: &str) {
        let known = BundledAddress {
            address: address.parse().unwrap(),
            last_success: None,
        };
        let cut = cut_short(known).map(|known| known.address.to_string());
        assert_eq!(cut.unwrap_or_default(), expected);
    }
}
