//! Two namespaces of this machine, joined by a line.

use std::{net::Ipv4Addr, path::Path, process::Command, sync::Arc, time::Duration};

use super::{common::lacks_namespaces, delay};

/// Where the node under test is, and where everybody else is.
#[derive(Clone, Copy)]
pub enum Side {
    Near,
    Far,
}

/// What is missing here, if anything.
pub fn lacks() -> Option<&'static str> {
    let tun = Path::new("/dev/net/tun").exists();
    lacks_namespaces().or((!tun).then_some("/dev/net/tun"))
}

/// Two namespaces and the line between them. Gone when this is dropped.
pub struct Ground;

/// Where the near side lives.
const HERE: &str = "91.10.20.30";

impl Side {
    /// Of the namespace, and of the end of the line in it.
    fn name(self) -> &'static str {
        match self {
            Self::Near => "rejoin-near",
            Self::Far => "rejoin-far",
        }
    }
}

impl Ground {
    /// Lays a line to so many far homes, each a round trip away.
    pub fn lay(round_trips: &[Duration]) -> Self {
        remove(); // what an earlier run was killed over
        let ground = Self;
        let sides = [Side::Near, Side::Far].map(Side::name);
        for side in sides {
            ip(&format!("netns add {side}"));
        }
        let homes = round_trips.iter().enumerate();
        let distances = homes.map(|(nth, trip)| (Self::address(nth), *trip / 2));
        delay::lay(sides, &Arc::new(distances.collect()));
        for side in sides {
            ip(&format!("link set {side} netns {side}"));
            ip(&format!("-n {side} link set lo up"));
            ip(&format!("-n {side} link set {side} mtu 1400 up"));
        }
        let [near, far] = sides;
        ip(&format!("-n {near} addr add {HERE}/32 dev {near}"));
        for side in sides {
            ip(&format!("-n {side} route add default dev {side}"));
        }
        for nth in 0..round_trips.len() {
            let address = Self::address(nth);
            ip(&format!("-n {far} route add local {address} dev lo"));
        }
        ground
    }

    /// One of the far homes: each is in a network of its own.
    pub fn address(nth: usize) -> Ipv4Addr {
        let nth = u8::try_from(nth).expect("no more than 256 homes");
        Ipv4Addr::new(20 + nth % 60, nth, 7, 9)
    }

    /// What runs a program on that side.
    pub fn shell(side: Side) -> Vec<String> {
        let words = ["ip", "netns", "exec", side.name()];
        words.map(str::to_owned).to_vec()
    }

    /// Nobody has that far address any more, and nobody says so.
    pub fn swallow(&self, address: Ipv4Addr) {
        let far = Side::Far.name();
        ip(&format!("-n {far} route del local {address} dev lo"));
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        remove();
    }
}

fn remove() {
    for side in [Side::Near, Side::Far] {
        let _ = Command::new("ip")
            .args(["netns", "del", side.name()])
            .output();
    }
}

#[track_caller]
fn ip(arguments: &str) {
    let done = Command::new("ip").args(arguments.split(' ')).output();
    let done = done.expect("`ip` starts");
    assert!(done.status.success(), "ip {arguments}: {done:?}");
}
