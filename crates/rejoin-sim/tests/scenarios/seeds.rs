//! Seeds, and the places most scenarios begin at. No scenario lives here.

use std::time::Duration;

use rejoin_core::Directory;
use rejoin_sim::{Past, Scene, Sim, SimConfig};

/// An unoptimised engine is some ten times slower: there a fifth of the seeds has to do.
pub const fn affordable(seeds: u64) -> u64 {
    if cfg!(debug_assertions) {
        seeds.div_ceil(5)
    } else {
        seeds
    }
}

/// Tells a story once per seed, or once for the seed named by `SEED`.
pub fn each_seed(count: u64, story: impl Fn(u64)) {
    let only = std::env::var("SEED")
        .ok()
        .map(|text| text.parse().expect("SEED is a whole number"));
    let range = only.map_or(0..affordable(count), |seed: u64| seed..seed + 1);
    for seed in range {
        let _teller = TellOnPanic(seed);
        story(seed);
    }
}

struct TellOnPanic(u64);

impl Drop for TellOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("SEED={} replays this", self.0);
        }
    }
}

/// A node about to come back, that share of its memory dead by lot.
pub fn coming_back(seed: u64, dead: f64) -> Sim {
    scene(seed, dead).sim(SimConfig::default())
}

/// The network and the memory of such a node.
pub fn scene(seed: u64, dead: f64) -> Scene {
    let past = Past {
        dead,
        ..Past::default()
    };
    Scene::new(seed, &past)
}

/// A node that came back a while ago, found everybody alive and has all the connections it wants.
pub fn at_home(seed: u64) -> Sim {
    let mut sim = coming_back(seed, 0.0);
    sim.start();
    settle(&mut sim);
    sim.run_for(secs(60));
    sim
}

/// Lets a node run until it has all the connections it wants, and returns how long that took.
#[track_caller]
pub fn settle(sim: &mut Sim) -> Duration {
    sim.run_until(|sim| {
        let status = sim.status();
        status.connections >= status.target
    })
}

pub const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A name in the DNS.
pub fn dns() -> Directory {
    Directory::dnsaddr("example.org", None).expect("a name")
}

/// A list behind a URL.
pub fn url(n: usize) -> Directory {
    Directory::url(&format!("https://example.org/{n}")).expect("a URL")
}

/// A rendezvous server.
pub fn rendezvous() -> Directory {
    Directory::Rendezvous {
        peer: "rendezvous".parse().expect("a name"),
        address: "/ip4/8.8.4.4/tcp/1".parse().expect("an address"),
    }
}
