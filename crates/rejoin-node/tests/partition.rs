//! Three networks of nodes in namespaces of this machine, of which one is cut off for two minutes: both
//! sides live on, and find each other again when the line returns. Needs Linux, root, `ip` and `bash`; skips
//! itself with a line where one is missing.
//!
//!     cargo test --release -p rejoin-node --test partition -- --nocapture

#![cfg(target_os = "linux")]

mod common;

use std::{
    fs,
    process::{Command, Output},
    sync::mpsc,
    time::Duration,
};

use common::{Node, Start, home, lacks_namespaces, name_in, run_by};

/// Namespaces, and nodes in each.
const NETWORKS: usize = 3;
const NODES_EACH: usize = if cfg!(debug_assertions) { 3 } else { 6 };

/// How long the third is cut off: longer than any connection over it counts.
const CUT_FOR: Duration = Duration::from_secs(120);

/// Within this they are to have found each other again; more than that only fails the test.
const HEALED_WITHIN: Duration = Duration::from_secs(30);

#[test]
fn both_sides_of_a_partition_live_on_and_find_each_other_again() {
    if let Some(lacks) = lacks_namespaces() {
        println!("skipped: needs {lacks}");
        return;
    }
    let ground = Ground::lay();
    let home = home();
    let mut networks: Vec<Vec<(Node, String)>> = Vec::new();
    let mut first: Option<String> = None;
    for network in 0..NETWORKS {
        let mut here = Vec::new();
        for n in 0..NODES_EACH {
            let data = home.path().join(format!("{network}-{n}"));
            let at = format!("/ip4/{}/tcp/0", ground.address(network));
            let shell = ground.shell(network);
            let start = Start::listening_on(&data, &at).through(shell.clone());
            let (node, address) = start.up();
            match &first {
                None => first = Some(address.clone()),
                Some(first) => {
                    ground.await_way(network, first);
                    let told = run_by(&shell, &data, &["connect", first]);
                    assert!(told.status.success(), "{told:?}");
                }
            }
            here.push((node, name_in(&address).to_owned()));
        }
        networks.push(here);
    }
    let first = first.expect("somebody is first");
    let cut_off = networks.pop().expect("three networks");
    for (node, _) in &cut_off {
        node.wait_for_peer(name_in(&first));
    }

    assert!(ground.reaches(NETWORKS - 1, &first));
    ground.cut(NETWORKS - 1);
    assert!(!ground.reaches(NETWORKS - 1, &first), "the cut is real");
    let (_held, never) = mpsc::channel::<()>();
    assert!(never.recv_timeout(CUT_FOR).is_err());
    for (node, _) in &cut_off {
        node.news_within(Duration::from_millis(1)); // that was before
    }
    ground.mend(NETWORKS - 1);
    let mended = rejoin_libp2p::now();
    for (node, _) in &cut_off {
        // A new connection to somebody beyond: whatever else is up may be a memory of the kernel's.
        node.wait_until(|event| {
            let insider = cut_off.iter().any(|(_, name)| event["peer"] == **name);
            event["event"] == "connected" && !insider
        });
    }
    let took = rejoin_libp2p::now().since(mended);
    println!("healed {:.1} s after the line's return", took.as_secs_f64());
    assert!(took <= HEALED_WITHIN * 2, "it took {took:?}");
}

/// Namespaces joined by a router in one of their own.
struct Ground {
    name: String,
}

impl Ground {
    fn lay() -> Self {
        let ground = Self {
            name: format!("rejoin-{}", std::process::id()),
        };
        ground.ip(&["netns", "add", &ground.hub()]);
        for network in 0..NETWORKS {
            let (inside, hub) = (ground.namespace(network), ground.hub());
            let port = format!("p{network}");
            ground.ip(&["netns", "add", &inside]);
            ground.ip(&[
                "link", "add", &port, "netns", &hub, "type", "veth", "peer", "name", "eth0",
                "netns", &inside,
            ]);
            let router = format!("10.77.{network}.1/24");
            ground.ip(&["-n", &hub, "addr", "add", &router, "dev", &port]);
            ground.ip(&["-n", &hub, "link", "set", &port, "up"]);
            // One network to those who live in it, so that everybody counts as a neighbour.
            let address = format!("{}/16", ground.address(network));
            ground.ip(&["-n", &inside, "addr", "add", &address, "dev", "eth0"]);
            for device in ["eth0", "lo"] {
                ground.ip(&["-n", &inside, "link", "set", device, "up"]);
            }
            let file = format!("/sys/class/net/{port}/address");
            let router = ground.in_hub(&["cat", &file]);
            let router = String::from_utf8(router.stdout).unwrap();
            // Everybody else is behind the router, whether or not it answers.
            for other in (0..NETWORKS).filter(|other| *other != network) {
                ground.ip(&[
                    "-n",
                    &inside,
                    "neigh",
                    "add",
                    &ground.address(other),
                    "lladdr",
                    router.trim(),
                    "dev",
                    "eth0",
                    "nud",
                    "permanent",
                ]);
            }
        }
        ground.in_hub(&["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]);
        ground
    }

    /// From here on the router drops what comes from that network, without a word.
    fn cut(&self, network: usize) {
        self.forward(network, 0);
    }

    fn mend(&self, network: usize) {
        self.forward(network, 1);
    }

    fn forward(&self, network: usize, on: u8) {
        let set = format!("echo {on} > /proc/sys/net/ipv4/conf/p{network}/forwarding");
        self.in_hub(&["sh", "-c", &set]);
    }

    /// Interfaces just put up may need a moment.
    fn await_way(&self, from: usize, multiaddr: &str) {
        let reached = (0..10).any(|_| self.reaches(from, multiaddr));
        assert!(reached, "no way from network {from} to {multiaddr}");
    }

    /// Whether anybody at all answers there within two seconds, asked from that network.
    fn reaches(&self, from: usize, multiaddr: &str) -> bool {
        let parts: Vec<_> = multiaddr.split('/').collect();
        let [_, "ip4", ip, "tcp", port, ..] = parts[..] else {
            panic!("{multiaddr} is no TCP address");
        };
        let knock = format!("timeout 2 bash -c '</dev/tcp/{ip}/{port}'");
        let [ip, rest @ ..] = &self.shell(from)[..] else {
            panic!("a shell has a program");
        };
        let knocked = Command::new(ip)
            .args(rest)
            .args(["sh", "-c", &knock])
            .output();
        knocked.unwrap().status.success()
    }

    fn address(&self, network: usize) -> String {
        format!("10.77.{network}.2")
    }

    fn hub(&self) -> String {
        format!("{}-hub", self.name)
    }

    fn namespace(&self, network: usize) -> String {
        format!("{}-{network}", self.name)
    }

    /// What runs a program in that network.
    fn shell(&self, network: usize) -> Vec<String> {
        let words = ["ip", "netns", "exec", &self.namespace(network)];
        words.map(str::to_owned).to_vec()
    }

    fn in_hub(&self, command: &[&str]) -> Output {
        self.ip(&[&["netns", "exec", &self.hub()], command].concat())
    }

    #[track_caller]
    fn ip(&self, arguments: &[&str]) -> Output {
        let done = Command::new("ip").args(arguments).output().unwrap();
        assert!(done.status.success(), "ip {arguments:?}: {done:?}");
        done
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let networks = (0..NETWORKS).map(|network| self.namespace(network));
        for namespace in networks.chain([self.hub()]) {
            let _ = Command::new("ip")
                .args(["netns", "del", &namespace])
                .output();
            let _ = fs::remove_file(format!("/run/netns/{namespace}")); // if it was half made
        }
    }
}
