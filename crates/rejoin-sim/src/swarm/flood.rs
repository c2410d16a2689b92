//! Whether a memory can be flooded: half an hour of lies about peers, then a restart. One node runs the
//! engine; everybody else is a prop. What it was told is then told to two simpler memories of the same
//! size, which come back in their own way.

mod simple;

use std::{
    collections::BTreeSet,
    fmt::{self, Write},
    str::FromStr,
    time::Duration,
};

use rejoin_core::{Config, Pool};
use serde::{Serialize, Serializer};

use super::{NodeId, Role, Swarm};
use crate::chance::{self, Subject};
use simple::{Rule, SimpleMemory};

/// Who attacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attack {
    /// One peer, with a hundred accomplices at its own address range.
    Peer,
    /// Ten peers of one /16, with a hundred accomplices there.
    Prefix,
    /// Three in ten of the peers in the network, with three accomplices beside each.
    Liars,
    /// All of these at once.
    All,
}

impl Attack {
    /// Each of them.
    pub const EVERY: [Self; 4] = [Self::Peer, Self::Prefix, Self::Liars, Self::All];
}

impl fmt::Display for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Peer => "peer",
            Self::Prefix => "prefix",
            Self::Liars => "liars",
            Self::All => "all",
        })
    }
}

impl FromStr for Attack {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut known = Self::EVERY.into_iter();
        let fits = |attack: &Self| attack.to_string() == text;
        let unknown = || format!("nobody attacks as {text:?}; try peer, prefix, liars or all");
        known.find(fits).ok_or_else(unknown)
    }
}

impl Serialize for Attack {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Real peers of the network, liars among them, each in a /16 of its own.
const PEERS: usize = 200;

/// Peers that have gone before the node came: only slanderers speak of them.
const DEAD: usize = 50;

/// Three in ten lie.
const LIARS: usize = PEERS * 3 / 10;
const ACCOMPLICES_OF_A_LIAR: usize = 3;

/// Who floods from one address range, and how many others are there.
const FLOODERS: usize = 10;
const ACCOMPLICES: usize = 100;

/// How long the node has known its network when the attack begins.
const BEFORE: Duration = Duration::from_secs(2 * 3_600);

/// How long the attack lasts. Whoever attacks dials the node again every minute, should it have been
/// thrown out.
const LASTS_MIN: u32 = 30;
const MINUTE: Duration = Duration::from_secs(60);

/// Then the node is away for so long, and half of everybody has gone by lot when it is back.
const AWAY: Duration = Duration::from_secs(600);

/// Connections are counted after this.
const BACK: Duration = Duration::from_secs(120);

/// What came of one flood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Outcome {
    /// Proven peers before it, and how many of them were not proven after it.
    proven: usize,
    proven_lost: usize,
    netgroups: Part,
    hearsay: Part,
    dials: Part,
    connections: Part,
    fifo: Simple,
    lru: Simple,
}

/// What came of it for one of the simpler memories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Simple {
    proven_lost: usize,
    connections: Part,
}

/// How many of some are hostile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Part {
    hostile: usize,
    all: usize,
}

impl Part {
    fn add(&mut self, other: Self) {
        self.hostile += other.hostile;
        self.all += other.all;
    }

    fn share(self) -> f64 {
        self.hostile as f64 / self.all.max(1) as f64
    }
}

/// What came of many floods. Shares are from 0 to 1, over all runs together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Who attacked.
    pub attack: Attack,
    /// How many runs.
    pub seeds: usize,
    /// Proven peers when the attacks began, in all runs together.
    pub proven: usize,
    /// How many of them were forgotten or proven no more afterwards.
    pub proven_lost: usize,
    /// The attackers' share of the networks with somebody in them.
    pub hostile_netgroup_share: f64,
    /// Their share of the hearsay when the attack ended: of them, of their accomplices, or made up.
    pub hostile_hearsay_share: f64,
    /// The same of the dials from the attack's beginning on.
    pub hostile_dial_share: f64,
    /// The same of the connections two minutes after the restart, all of them of the node's choice.
    pub hostile_connection_share: f64,
    /// Told the same, a memory that drops whoever came first.
    pub fifo: SimpleFigures,
    /// Told the same, a memory that drops whoever has not been met or heard of for longest.
    pub lru: SimpleFigures,
}

/// What came of the same floods for a simpler memory.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SimpleFigures {
    /// Peers it had met and forgot.
    pub proven_lost: usize,
    /// The attackers' share of its connections after the restart.
    pub hostile_connection_share: f64,
}

impl Figures {
    /// Runs an attack over the seeds 0 to `seeds`. `tell` is told of each that is done.
    pub fn of(attack: Attack, seeds: u64, tell: impl Fn() + Sync) -> Self {
        let outcomes = crate::parallel::map(0..seeds, |seed| {
            let outcome = Flood::new(seed, attack).run();
            tell();
            outcome
        });
        let mut sum = Outcome::default();
        for it in &outcomes {
            sum.proven += it.proven;
            sum.proven_lost += it.proven_lost;
            sum.netgroups.add(it.netgroups);
            sum.hearsay.add(it.hearsay);
            sum.dials.add(it.dials);
            sum.connections.add(it.connections);
            for (sum, it) in [(&mut sum.fifo, it.fifo), (&mut sum.lru, it.lru)] {
                sum.proven_lost += it.proven_lost;
                sum.connections.add(it.connections);
            }
        }
        Self {
            attack,
            seeds: outcomes.len(),
            proven: sum.proven,
            proven_lost: sum.proven_lost,
            hostile_netgroup_share: sum.netgroups.share(),
            hostile_hearsay_share: sum.hearsay.share(),
            hostile_dial_share: sum.dials.share(),
            hostile_connection_share: sum.connections.share(),
            fifo: sum.fifo.figures(),
            lru: sum.lru.figures(),
        }
    }
}

/// Figures as a table for people.
pub fn table(all: &[Figures]) -> String {
    let mut text = String::from(
        "The attackers' share of ..., and how many proven peers were lost, by the engine and by two\n\
         simpler memories told the same.\n\n\
         attack  networks  hearsay   dials  connections (fifo, lru)       proven  lost (fifo, lru)\n",
    );
    for it in all {
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        let (fifo, lru) = (it.fifo, it.lru);
        let connections = format!(
            "{} ({}, {})",
            percent(it.hostile_connection_share),
            percent(fifo.hostile_connection_share),
            percent(lru.hostile_connection_share),
        );
        let lost = format!(
            "{} ({}, {})",
            it.proven_lost, fifo.proven_lost, lru.proven_lost
        );
        let _ = writeln!(
            text,
            "{:<6}  {:>8}  {:>7}  {:>6}  {connections:<25}  {:>9}  {lost}",
            it.attack.to_string(),
            percent(it.hostile_netgroup_share),
            percent(it.hostile_hearsay_share),
            percent(it.hostile_dial_share),
            it.proven,
        );
    }
    text
}

impl Simple {
    fn figures(self) -> SimpleFigures {
        SimpleFigures {
            proven_lost: self.proven_lost,
            hostile_connection_share: self.connections.share(),
        }
    }
}

/// One run.
struct Flood {
    swarm: Swarm,
    seed: u64,
    alice: NodeId,
    /// Who dials her.
    flooders: Vec<NodeId>,
    /// Whom she dials as she does any other.
    liars: Vec<NodeId>,
}

impl Flood {
    /// Alice has lived among her peers for a while. Liars are among them and have kept quiet; who floods
    /// comes only now.
    fn new(seed: u64, attack: Attack) -> Self {
        let mut swarm = Swarm::new(seed);
        let peers = settle(&mut swarm, PEERS, Role::Bystander, None, NOW);
        let dead = settle(&mut swarm, DEAD, Role::Bystander, None, NOW);
        let mut flooders = Vec::new();
        for (one, count, home) in [
            (Attack::Peer, 1, [5, 4]),
            (Attack::Prefix, FLOODERS, [5, 5]),
        ] {
            if attack == one || attack == Attack::All {
                flooders.extend(settle(
                    &mut swarm,
                    count,
                    Role::Slanderer,
                    Some(home),
                    BEFORE,
                ));
                settle(&mut swarm, ACCOMPLICES, Role::Intruder, Some(home), BEFORE);
            }
        }
        let mut liars = Vec::new();
        if attack == Attack::Liars || attack == Attack::All {
            liars.extend_from_slice(&peers[..LIARS]);
            for liar in &liars {
                let home = swarm.prefix(*liar);
                let role = Role::Intruder;
                settle(&mut swarm, ACCOMPLICES_OF_A_LIAR, role, Some(home), NOW);
            }
        }
        for gone in dead {
            swarm.leave(Duration::from_millis(1), gone);
        }
        let alice = swarm.join(Duration::from_secs(1), peers.last().copied());
        swarm.tape(alice);
        swarm.run_for(BEFORE);
        Self {
            swarm,
            seed,
            alice,
            flooders,
            liars,
        }
    }

    fn run(mut self) -> Outcome {
        let proven = self.known(Pool::Proven);
        let began = self.swarm.taped().len();
        self.attack();
        let kept = self.known(Pool::Proven);
        let hearsay = self.known(Pool::Hearsay);
        let hearsay = self.hostile(&hearsay);
        let told = self.swarm.taped().to_vec();
        self.restart();
        let dialled = self.swarm.taped()[began..].iter();
        let dialled: Vec<_> = dialled.filter_map(|noted| noted.dialled()).collect();
        let config = Config::default();
        let simple = |rule| {
            let memory = SimpleMemory::after(rule, config.peers_max, &told);
            let alive = |peer: &NodeId| self.swarm.runs(*peer) && *peer != self.alice;
            let found = memory.in_order().filter(alive);
            let connected: Vec<_> = found.take(config.target).collect();
            Simple {
                proven_lost: proven.iter().filter(|peer| !memory.knows(**peer)).count(),
                connections: self.hostile(&connected),
            }
        };
        Outcome {
            proven: proven.len(),
            proven_lost: proven.iter().filter(|peer| !kept.contains(peer)).count(),
            netgroups: self.netgroups(),
            hearsay,
            dials: self.hostile(&dialled),
            connections: self.hostile(&self.swarm.linked(self.alice)),
            fifo: simple(Rule::Fifo),
            lru: simple(Rule::Lru),
        }
    }

    fn attack(&mut self) {
        for liar in &self.liars {
            self.swarm.turn(*liar, Role::Slanderer);
        }
        for minute in 0..LASTS_MIN {
            for flooder in &self.flooders {
                self.swarm.intrude(MINUTE * minute, *flooder, self.alice);
            }
        }
        self.swarm.run_for(MINUTE * LASTS_MIN);
    }

    fn restart(&mut self) {
        let mut fate = chance::rng(self.seed, Subject::Fate, u64::MAX, 1);
        let others = self.swarm.running().filter(|id| *id != self.alice);
        for other in others.collect::<Vec<_>>() {
            if fate.bool() {
                self.swarm.leave(MINUTE, other);
            }
        }
        self.swarm.restart(self.alice, AWAY);
        self.swarm.run_for(AWAY + BACK);
    }

    /// Whom she remembers of a pool.
    fn known(&self, pool: Pool) -> Vec<NodeId> {
        let peers = self.swarm.engine(self.alice).peers();
        let known = peers.filter(|record| record.pool() == pool);
        known.filter_map(|record| NodeId::of(&record.key)).collect()
    }

    /// How many of some are attackers or their accomplices, or known from attackers only.
    fn hostile(&self, peers: &[NodeId]) -> Part {
        let honest = |peer: &&NodeId| {
            let place = peer.index();
            place < PEERS && !self.liars.contains(peer)
        };
        Part {
            hostile: peers.len() - peers.iter().filter(honest).count(),
            all: peers.len(),
        }
    }

    /// How many of the networks with real peers in them are the attackers'.
    fn netgroups(&self) -> Part {
        let of = |peers: &[NodeId]| -> BTreeSet<_> {
            peers.iter().map(|peer| self.swarm.prefix(*peer)).collect()
        };
        let peers: Vec<_> = (0..PEERS as u32).map(NodeId).collect();
        let hostile = &of(&self.flooders) | &of(&self.liars);
        Part {
            hostile: hostile.len(),
            all: (&of(&peers) | &hostile).len(),
        }
    }
}

const NOW: Duration = Duration::ZERO;

/// So many of a kind, who start after a while.
fn settle(
    swarm: &mut Swarm,
    count: usize,
    role: Role,
    home: Option<[u8; 2]>,
    wait: Duration,
) -> Vec<NodeId> {
    let one = |_| swarm.settle(role, home, wait, None);
    (0..count).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_alone_with_its_lies_is_hostile() {
        let flood = Flood::new(1, Attack::All);
        let honest = NodeId(PEERS as u32 - 1);
        let dead = NodeId(PEERS as u32);
        let hostile = [flood.liars[0], flood.flooders[0], dead, NodeId::stranger(3)];
        let all = [&[honest][..], &hostile].concat();
        assert_eq!(flood.hostile(&all), Part { hostile: 4, all: 5 });
        let networks = flood.netgroups();
        let others = PEERS - LIARS;
        assert_eq!(
            (networks.hostile, networks.all),
            (LIARS + 2, others + LIARS + 2)
        );
    }
}
