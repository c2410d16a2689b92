//! Real nodes on a real line: thirty `rejoin up` in one namespace of this machine, each at a public address
//! of its own and its own distance away, and the one that comes back in another. Who is dead refuses, or is
//! gone with its address, so that nothing ever comes back. Needs Linux, root, `ip` and `/dev/net/tun`.

#[path = "../../../tests/common/mod.rs"]
mod common;
mod delay;
mod ground;

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::mpsc,
    time::Duration,
};

use fastrand::Rng;
use serde_json::Value;

pub use self::ground::lacks;
use self::{
    common::{Node, name_in, run_by},
    ground::{Ground, Side},
};
use crate::{ROUNDS, Real, SERVERS, Scenario, Start};

/// How many peers the node is to meet before it is killed, as in the demo, and how long that may take.
const MET_MIN: u64 = 24;
const PATIENCE: Duration = Duration::from_secs(120);

/// A network in which nobody has connected to anybody for so long is quiet; one that never is is measured
/// as it is.
const QUIET: Duration = Duration::from_secs(1);
const LOOKS_MAX: usize = 20;

/// Who lives where, and who dies.
const SEED: u64 = 1;

/// So that it mixes with no other.
const NETWORK: &str = "line";

/// Plays a scenario.
pub fn play(scenario: Scenario, nodes: usize) -> Real {
    let mut rng = Rng::with_seed(SEED);
    let servers = [scenario.rtt(); SERVERS].into_iter();
    let others = (0..nodes).map(|_| scenario.distances().draw(&mut rng));
    let round_trips: Vec<_> = servers.chain(others).collect();
    let ground = Ground::lay(&round_trips);
    let home = common::home();
    let mut network = Network::start(&ground, home.path(), nodes);
    let met = network.meet(home.path());
    network.many_die(scenario, &mut rng);
    let (mut warm, mut cold) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let nothing = folder(home.path(), &format!("cold-{round}"));
        cold.push(network.time_return(home.path(), &nothing));
        let memory = folder(home.path(), &format!("warm-{round}"));
        for file in fs::read_dir(&met.memory).expect("the memory") {
            let file = file.expect("a file").path();
            fs::copy(&file, memory.join(file.file_name().expect("a name"))).expect("a copy");
        }
        warm.push(network.time_return(home.path(), &memory));
    }
    let [warm, cold] = [warm, cold].map(|mut times| {
        times.sort_by(f64::total_cmp);
        let fifth_ms = times[times.len() / 2];
        Start { fifth_ms }
    });
    Real {
        warm,
        cold,
        proven: met.proven,
        hearsay: met.hearsay,
    }
}

/// What is left of the node's first life.
struct Met {
    memory: PathBuf,
    proven: usize,
    hearsay: usize,
}

/// All but the node under test.
struct Network<'a> {
    ground: &'a Ground,
    /// Where the servers are, which stay.
    servers: Vec<String>,
    nodes: Vec<(Node, Ipv4Addr)>,
}

impl<'a> Network<'a> {
    fn start(ground: &'a Ground, home: &Path, nodes: usize) -> Self {
        let mut network = Self {
            ground,
            servers: Vec::new(),
            nodes: Vec::new(),
        };
        for nth in 0..SERVERS + nodes {
            let at = Ground::address(nth);
            // A port of its own: at the same one, two in one namespace would take each other for themselves.
            let listen = format!("/ip4/{at}/tcp/{}", 4_001 + nth);
            let start = common::Start::listening_on(home.join(at.to_string()), &listen)
                .with("--store", "memory:");
            let (node, address) = network.among_us(start, Side::Far).up();
            if nth < SERVERS {
                network.servers.push(address);
            } else {
                node.wait_for_peer(name_in(&network.servers[0]));
            }
            network.nodes.push((node, at));
        }
        network
    }

    fn among_us(&self, start: common::Start, side: Side) -> common::Start {
        let start = start
            .through(Ground::shell(side))
            .with("--network", NETWORK)
            .flag("--no-mdns")
            .flag("--no-upnp");
        let servers = self.servers.iter();
        servers.fold(start, |start, server| start.knowing(server))
    }

    /// The node under test. Nobody can dial it where it listens: who did would shorten what is measured.
    fn newcomer(&self, home: &Path, memory: &Path) -> Node {
        let store = format!("sqlite:{}", memory.join("peers.db").display());
        let start = common::Start::at(home.join("newcomer")).with("--store", &store);
        self.among_us(start, Side::Near).spawn()
    }

    /// It joins for the first time, meets others, and is killed.
    fn meet(&self, home: &Path) -> Met {
        let memory = folder(home, "met");
        let node = self.newcomer(home, &memory);
        node.wait_for("started");
        let began = rejoin_libp2p::now();
        let status = loop {
            let status = self.status(&node);
            if status["storage"]["unsaved"] == 0 && status["proven"].as_u64() >= Some(MET_MIN) {
                break status;
            }
            let waited = rejoin_libp2p::now().since(began);
            assert!(waited < PATIENCE, "it has met too few: {status}");
            pause(QUIET);
        };
        node.kill();
        let number = |name: &str| status[name].as_u64().expect("a number") as usize;
        Met {
            memory,
            proven: number("proven"),
            hearsay: number("hearsay"),
        }
    }

    fn status(&self, node: &Node) -> Value {
        let asked = run_by(
            &Ground::shell(Side::Near),
            &node.data,
            &["status", "--json"],
        );
        serde_json::from_slice(&asked.stdout).unwrap_or_else(|_| panic!("{asked:?}"))
    }

    fn many_die(&mut self, scenario: Scenario, rng: &mut Rng) {
        let mut mortal = self.nodes.split_off(SERVERS);
        rng.shuffle(&mut mortal);
        let dying = (mortal.len() as f64 * scenario.dead).floor() as usize;
        let refusing = (dying as f64 * (1.0 - scenario.silent)).ceil() as usize;
        for (nth, (node, at)) in mortal.drain(..dying).enumerate() {
            if nth >= refusing {
                self.ground.swallow(at);
            }
            node.kill();
        }
        self.nodes.extend(mortal);
    }

    /// How long the node takes from its start to its fifth connection, in milliseconds.
    fn time_return(&self, home: &Path, memory: &Path) -> f64 {
        self.until_quiet();
        let node = self.newcomer(home, memory);
        node.wait_for("started");
        let started = rejoin_libp2p::now();
        node.wait_until(|event| event["event"] == "connected" && event["connections"] == 5);
        let took = rejoin_libp2p::now().since(started);
        node.kill();
        took.as_secs_f64() * 1_000.0
    }

    fn until_quiet(&self) {
        for _ in 0..LOOKS_MAX {
            pause(QUIET);
            let connected = |event: &Value| event["event"] == "connected";
            let news = self
                .nodes
                .iter()
                .map(|(node, _)| node.news_within(Duration::ZERO));
            if news.filter(|news| news.iter().any(connected)).count() == 0 {
                return;
            }
        }
    }
}

fn folder(home: &Path, name: &str) -> PathBuf {
    let folder = home.join(name);
    fs::create_dir(&folder).expect("a folder");
    folder
}

fn pause(span: Duration) {
    let (_held, never) = mpsc::channel::<()>();
    assert!(never.recv_timeout(span).is_err());
}
