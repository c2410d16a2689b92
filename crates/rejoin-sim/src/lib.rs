//! The wind tunnel: a real [`rejoin_core::Engine`] on a simulated network, where a week takes a
//! second and one seed always gives the same trace, byte for byte. Nothing here is shipped.
//!
//! # What is simulated
//!
//! * **Hosts** ([`World`]): each has a name, a public IPv4 address in a /16 of its own and a
//!   distance from us (log-normal around 80 ms of round trip, or by continent). It is alive, refuses, is silent,
//!   has a stranger at its address, hangs, or is cut off from us alone; it may be a page in a
//!   browser, which dials and cannot be dialled. A bootstrap server is a host
//!   which, one round trip after we connect, names 20 random live peers.
//! * **Dials**: several addresses race; an authenticated handshake takes two round trips, a
//!   refusal one, silence ten seconds unless the engine gives up before. Each dial is a little
//!   faster or slower than the host's distance says. What the n-th dial of a host meets depends
//!   on the seed, the host and n alone, so contestants are compared on equal terms
//!   (`chance.rs`).
//! * **Directories** ([`Answering`]): DNS names, rendezvous servers and URLs that name live peers,
//!   make them up, fail or keep silent.
//! * **The node** ([`Sim`]): its shell does what the real one does. It races addresses, carries out
//!   cancellations, reads the best 200 records before the first dial and the rest a moment later,
//!   wakes the engine when it asked for it and every 30 s, pings, saves through
//!   [`PeerDelta::onto`](rejoin_core::PeerDelta::onto).
//! * **What goes wrong**: kill, crash and restart, shutdown with a disk that is full or hangs, sleep,
//!   a pulled cable (dials fail at once), a cut uplink (dials hang), a clock set between two runs,
//!   partition, churn with heavy-tailed lifetimes ([`churn`]).
//! * **The past** ([`past`], [`absence`]): memories as after two weeks of running, made in a
//!   millisecond, and peers that are dead by lot, or come and go as measured ([`population`]).
//! * **References** ([`reference`](mod@reference), [`policies`]): an oracle and the rules of other
//!   programs on the same network.
//! * **Swarms** ([`Swarm`]): up to a hundred thousand nodes that all run the engine and learn of each
//!   other by peer exchange and gossip, with liars and attackers among them, half of them replaced
//!   within an hour. What that leaves out stands in [`swarm`].
//!
//! # What is not
//!
//! Outside a swarm there is one engine; all other hosts are fixtures that answer, or do not. No
//! packet is lost on its own and no line is ever full: a dial's time is its round trips and some jitter. Nobody is
//! behind a firewall, no relay, no hole punching, no IPv6, no local network. A peer that goes does
//! not come back unless the scenario says so. A dial called off is gone at that instant, while in
//! reality its answer may already be on the way. Where one of several addresses leads to the wrong
//! peer the others race on, while a libp2p swarm may end the dial there. Bootstrap servers are
//! never overloaded. So the figures compare strategies; they do not predict the time of day.
//!
//! # Seeds
//!
//! Whatever goes wrong is told with its seed. `SEED=42 cargo test -p rejoin-sim` replays one, and
//! `cargo run -p rejoin-sim -- trace --seed 42` prints what happened.

pub mod absence;
mod chance;
mod diary;

pub mod churn;
pub mod dead;
pub mod directories;
pub mod distances;
mod parallel;
pub mod past;
pub mod plot;
pub mod policies;
pub mod population;
mod presence;
pub mod racer;
pub mod reference;
pub mod report;
pub mod restart;
pub mod shelf;
pub mod shell;
pub mod sim;
pub mod spread;
pub mod swarm;
pub mod trace;
pub mod tune;
pub mod world;

pub use absence::{Absence, Crowd};
pub use churn::Lifetimes;
pub use dead::{Contestant, Figures, Restart, Setting};
pub use directories::Answering;
pub use past::{Deaths, Past, Scene};
pub use shelf::{Disk, Shelf};
pub use sim::{EPOCH, Sim, SimConfig};
pub use swarm::Swarm;
pub use trace::Trace;
pub use world::{Host, HostId, HostState, Terrain, World};
