//! Neighbours on the local network find each other by themselves, where there is a network to be
//! neighbours on.

mod common;

use std::{
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    time::Duration,
};

use common::{Start, home, json, name_in};
use rejoin_core::{Address, Scope};

/// Where mDNS speaks; we try it on a port nobody else uses.
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);

#[test]
fn neighbours_find_each_other_and_only_if_they_want_to() {
    if !multicast_works() {
        println!("skipped: needs a network with multicast, at an address one would dial");
        return;
    }
    let home = home();
    let at = |name: &str| home.path().join(name);
    // A network of our own, for there may be other nodes around.
    let network = format!("neighbours-{}", std::process::id());
    let start = |name: &str| {
        Start::listening_on(at(name), "/ip4/0.0.0.0/tcp/0").with("--network", &network)
    };
    let (hermit, at_hermit) = start("hermit").flag("--no-mdns").up();
    let (alice, at_alice) = start("alice").up();
    let (bob, _) = start("bob").up();
    bob.wait_for_peer(name_in(&at_alice));
    let peers = json(&at("bob"), &["peers"]);
    let names = peers["peers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["peer"]);
    assert!(names.clone().all(|it| it != name_in(&at_hermit)), "{peers}");
    drop((hermit, alice));
}

/// Whether what we send to the group comes back to us, from an address anybody would dial: some
/// containers have one that is reserved for documentation.
fn multicast_works() -> bool {
    let hear = || -> std::io::Result<bool> {
        let ears = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        ears.join_multicast_v4(&GROUP, &Ipv4Addr::UNSPECIFIED)?;
        ears.set_read_timeout(Some(Duration::from_millis(500)))?;
        let port = ears.local_addr()?.port();
        let mouth = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        mouth.send_to(b"anybody?", SocketAddrV4::new(GROUP, port))?;
        let (_, from) = ears.recv_from(&mut [0; 16])?;
        Ok(Scope::of(&Address::from(from)) != Scope::Nowhere)
    };
    hear().unwrap_or(false)
}
