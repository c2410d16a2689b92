//! What a swarm is grown for: how soon everybody is in it, what that costs each of them, and what is
//! left of it when half of them are replaced. Here are the run and its figures; `report` prints them.

use std::time::Duration;

use serde::Serialize;

use super::{
    Effort, NodeId, Swarm,
    company::Watched,
    load::{Row, Spread},
    report,
};
use crate::{
    chance::{self, Subject},
    sim::EPOCH,
};

/// One run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Story {
    /// How many nodes there are.
    pub nodes: usize,
    /// What the run can be repeated with.
    pub seed: u64,
    /// Whether half of them are replaced afterwards.
    pub churn: bool,
}

/// A swarm that is not well connected by then will never be: whose one introducer was late twice asks it a
/// third time after two minutes.
const LIMIT: Duration = Duration::from_secs(180);

/// How long a swarm is left alone before and while its load is measured.
const SETTLING: Duration = Duration::from_secs(300);
const MEASURED: Duration = Duration::from_secs(600);

/// How long the replacement of half of the nodes takes.
const HOUR: Duration = Duration::from_secs(3_600);

/// How often the pieces are counted meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// After the last has gone: a link's end is noticed after 35 s at most.
const AFTERWARDS: Duration = Duration::from_secs(120);

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// How many nodes there were at any moment.
    pub nodes: usize,
    /// What the run can be repeated with.
    pub seed: u64,
    /// How everybody got in.
    pub joining: Joining,
    /// What a node sent and received in a minute until everybody was in and five minutes on.
    pub load_joining: Vec<Row>,
    /// The same in the ten minutes after that.
    pub load_settled: Vec<Row>,
    /// Connections of a node at the end of those.
    pub connections: Spread,
    /// How far it then is from the first node to the others.
    pub hops: Hops,
    /// What half of them being replaced did, if they were.
    pub churn: Option<Churning>,
}

/// How everybody got into the swarm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Joining {
    /// When there was one piece with everybody in it; `None` if never.
    pub one_piece_ms: Option<u64>,
    /// When everybody had had five connections once; `None` if somebody never had.
    pub wanted_ms: Option<u64>,
    /// How long a node took from its start to five connections.
    pub took_ms: Spread,
    /// How many peers it had asked for others by then.
    pub questions: Spread,
    /// How many rounds of gossip it had told by then.
    pub rounds: Spread,
    /// Nodes outside the largest piece at the end of this phase.
    pub isolated: usize,
    /// How far it then is from the first node to the others.
    pub hops: Hops,
}

/// How many connections away the others are: so many rounds a word needs from one node to the others
/// if everybody tells all it is connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Hops {
    /// To 9 of 10 nodes; `None` if fewer can be reached.
    pub to_90pct: Option<usize>,
    /// To the farthest that can be reached.
    pub max: usize,
}

/// What it did that half of the nodes were replaced.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Churning {
    /// How many were replaced within the hour.
    pub replaced: usize,
    /// Nodes outside the largest piece at the end.
    pub isolated: usize,
    /// The same whenever looked, once a minute, at most; without nodes in their first minute.
    pub apart_max: usize,
    /// The share of all time that nodes spent with fewer than five working connections.
    pub few_share: f64,
    /// The same without the first minute of each node.
    pub few_share_grown: f64,
    /// The longest that any node was without any working connection.
    pub alone_max_ms: u64,
    /// The fewest working connections of a node that is a minute old or older, at the end.
    pub company_min: usize,
    /// What a node sent and received in a minute.
    pub load: Vec<Row>,
}

impl Story {
    /// Plays only how everybody gets into the swarm: what a machine bears with very many of them. `tell` is
    /// told now and then how far the clock has come.
    pub fn begin(self, tell: impl Fn(Duration)) -> Joining {
        let mut swarm = Swarm::new(self.seed);
        swarm.plant(self.nodes);
        join(&mut swarm, self.nodes, &tell)
    }

    /// Plays it. `tell` is told now and then how far the clock has come.
    pub fn run(self, tell: impl Fn(Duration)) -> Figures {
        let mut swarm = Swarm::new(self.seed);
        swarm.plant(self.nodes);
        let joining = join(&mut swarm, self.nodes, &tell);
        swarm.run_for_telling(SETTLING, &tell);
        let load_joining = swarm.take_loads();
        swarm.run_for_telling(MEASURED, &tell);
        let load_settled = swarm.take_loads();
        let connections = swarm.honest().map(|id| swarm.links(id) as u32).collect();
        let connections = Spread::of(connections);
        let hops = Hops::of(&swarm, self.nodes);
        let churn = self.churn.then(|| churn(&mut swarm, self, &tell));
        Figures {
            nodes: self.nodes,
            seed: self.seed,
            joining,
            load_joining,
            load_settled,
            connections,
            hops,
            churn,
        }
    }

    /// How far the clock comes at most, if only the beginning is played or all of it.
    pub fn span(self, only_begin: bool) -> Duration {
        match (only_begin, self.churn) {
            (true, _) => LIMIT,
            (false, false) => LIMIT + SETTLING + MEASURED,
            (false, true) => LIMIT + SETTLING + MEASURED + HOUR + AFTERWARDS,
        }
    }
}

pub(super) fn join(swarm: &mut Swarm, nodes: usize, tell: impl Fn(Duration)) -> Joining {
    let here = |swarm: &Swarm| swarm.honest().count() == nodes;
    let whole = |swarm: &Swarm| here(swarm) && swarm.pieces().len() == 1;
    let one_piece = swarm.run_until(LIMIT, |swarm| {
        tell(swarm.now().since(EPOCH));
        whole(swarm)
    });
    let all = |swarm: &Swarm| swarm.honest().all(|id| swarm.effort(id).is_some());
    let left = LIMIT.saturating_sub(one_piece.unwrap_or(LIMIT));
    let everybody = swarm.run_until(left, |swarm| {
        tell(swarm.now().since(EPOCH));
        here(swarm) && all(swarm)
    });
    let efforts: Vec<_> = swarm.honest().filter_map(|id| swarm.effort(id)).collect();
    let last = efforts.iter().map(|effort| effort.at).max();
    let wanted = everybody.and(last).map(|last| last.since(EPOCH));
    let spread = |of: fn(&Effort) -> u32| Spread::of(efforts.iter().map(of).collect());
    Joining {
        one_piece_ms: one_piece.map(millis),
        wanted_ms: wanted.map(millis),
        took_ms: spread(|effort| u32::try_from(millis(effort.took)).unwrap_or(u32::MAX)),
        questions: spread(|effort| effort.questions),
        rounds: spread(|effort| effort.rounds),
        isolated: swarm.pieces().iter().skip(1).map(Vec::len).sum(),
        hops: Hops::of(swarm, nodes),
    }
}

impl Joining {
    /// As a sentence for people.
    pub fn sentence(&self, nodes: usize) -> String {
        let seconds = |ms: Option<u64>| {
            ms.map_or("never".into(), |ms| {
                format!("after {:.1} s", ms as f64 / 1_000.0)
            })
        };
        format!(
            "{nodes} nodes that know one other each: in one piece {}, {} apart at the end.\n\
             All have five connections {}; a node takes {:.1} s for that, one in twenty {:.1} s or more.\n",
            seconds(self.one_piece_ms),
            self.isolated,
            seconds(self.wanted_ms),
            f64::from(self.took_ms.p50) / 1_000.0,
            f64::from(self.took_ms.p95) / 1_000.0,
        )
    }
}

impl Hops {
    fn of(swarm: &Swarm, nodes: usize) -> Self {
        Self::count(&swarm.hops(NodeId(0)), nodes)
    }

    /// From how many there are at each distance, the first node among them.
    fn count(at_distance: &[usize], nodes: usize) -> Self {
        let mut reached = 0;
        let enough = at_distance.iter().position(|count| {
            reached += count;
            reached >= (nodes * 9).div_ceil(10)
        });
        Self {
            to_90pct: enough,
            max: at_distance.len().saturating_sub(1),
        }
    }
}

/// A random half goes, each at a random moment of the hour, and for each somebody new comes at
/// another, who knows one of those alive then.
pub(super) fn churn(swarm: &mut Swarm, story: Story, tell: impl Fn(Duration)) -> Churning {
    let mut rng = chance::rng(story.seed, Subject::Fate, u64::MAX, 0);
    let mut old: Vec<_> = swarm.honest().collect();
    rng.shuffle(&mut old);
    old.truncate(story.nodes / 2);
    for id in &old {
        swarm.leave(HOUR.mul_f64(rng.f64()), *id);
    }
    let mut births: Vec<_> = old.iter().map(|_| HOUR.mul_f64(rng.f64())).collect();
    births.sort_unstable();
    swarm.watch();
    swarm.take_loads();
    let began = swarm.now();
    let mut apart_max = 0;
    let mut look_at = began + LOOK_EVERY;
    for born in births {
        while look_at <= began + born {
            swarm.run_for(look_at.since(swarm.now()));
            tell(look_at.since(EPOCH));
            look_at = look_at + LOOK_EVERY;
            apart_max = apart_max.max(swarm.apart().len());
        }
        swarm.run_for((began + born).since(swarm.now()));
        let living: Vec<_> = swarm.honest().collect();
        let introducer = rng.choice(living);
        swarm.join(Duration::ZERO, introducer);
    }
    swarm.run_for((began + HOUR + AFTERWARDS).since(swarm.now()));
    let load = swarm.take_loads();
    let isolated = swarm.apart().len();
    let mut sum = Watched::default();
    for id in swarm.honest() {
        let one = swarm.watched(id);
        sum.whole += one.whole;
        sum.few += one.few;
        sum.whole_grown += one.whole_grown;
        sum.few_grown += one.few_grown;
        sum.alone_longest = sum.alone_longest.max(one.alone_longest);
    }
    Churning {
        replaced: old.len(),
        isolated,
        apart_max: apart_max.max(isolated),
        few_share: share(sum.few, sum.whole),
        few_share_grown: share(sum.few_grown, sum.whole_grown),
        alone_max_ms: millis(sum.alone_longest),
        company_min: swarm
            .honest()
            .map(|id| swarm.company(id))
            .min()
            .unwrap_or(0),
        load,
    }
}

fn share(part: Duration, whole: Duration) -> f64 {
    part.as_secs_f64() / whole.as_secs_f64().max(f64::MIN_POSITIVE)
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

impl Figures {
    /// As a table for people.
    pub fn table(&self) -> String {
        report::table(self)
    }

    /// In short: how one introducer each sufficed.
    pub fn introducer(&self) -> Introducer {
        let all = self.load_settled.iter().find(|row| row.kind.is_none());
        let mean = |of: fn(&Row) -> Spread| all.map_or(0.0, |row| of(row).mean);
        Introducer {
            nodes: self.nodes,
            rounds_to_90pct: self.joining.hops.to_90pct,
            isolated: self.joining.isolated,
            messages_per_node_min: mean(|row| row.messages),
            bytes_per_node_min: mean(|row| row.bytes),
        }
    }
}

/// How it suffices that each node knows one other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Introducer {
    /// How many nodes there were.
    pub nodes: usize,
    /// Rounds a word needed from the first node to 9 of 10 nodes, once everybody had five connections,
    /// if all tell all they are connected to; `None` if fewer could be reached.
    pub rounds_to_90pct: Option<usize>,
    /// Nodes outside the largest piece by then.
    pub isolated: usize,
    /// What a node sends and receives in a minute afterwards, on average.
    pub messages_per_node_min: f64,
    /// The same in bytes.
    pub bytes_per_node_min: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hops_are_counted_until_enough_are_reached() {
        check(&[1, 3, 6], 1, Some(0), 2);
        check(&[1, 3, 6], 4, Some(1), 2);
        check(&[1, 3, 6], 10, Some(2), 2);
        check(&[1, 3, 6], 12, None, 2);
    }

    #[track_caller]
    fn check(at_distance: &[usize], nodes: usize, to_90pct: Option<usize>, max: usize) {
        assert_eq!(Hops::count(at_distance, nodes), Hops { to_90pct, max });
    }
}
