//! The defaults that decide about a network rather than about one restart, each moved up and down while all
//! others stay. Half of a swarm is replaced within an hour; then one in five goes, and is back after a
//! minute. `rejoin-sim tune --swarm` prints what came of it; beside the defaults in [`Config`] stands what
//! that says of them.

use std::{ops::Range, time::Duration};

use rejoin_core::Config;
use serde::Serialize;

use super::{NodeId, Story, Swarm, experiment};
use crate::{
    spread::{Spread, millis},
    tune::{self, Knob, Row, ms},
};

/// All that are tried. Spans are in milliseconds.
pub const KNOBS: &[Knob] = &[
    Knob {
        name: "low_water",
        turn: |config, value| config.low_water = value as usize,
        values: &[3, 5, 7],
    },
    Knob {
        name: "check_every",
        turn: |config, value| config.check_every = ms(value),
        values: &[15_000, 30_000, 60_000],
    },
    Knob {
        name: "discover_every",
        turn: |config, value| config.discover_every = ms(value),
        values: &[60_000, 120_000, 240_000],
    },
    Knob {
        name: "feeler_every",
        turn: |config, value| config.feeler_every = ms(value),
        values: &[30_000, 60_000, 120_000, 240_000],
    },
    Knob {
        name: "reconnect_jitter",
        turn: |config, value| config.reconnect_jitter = ms(value),
        values: &[500, 2_000, 8_000],
    },
    Knob {
        name: "hearsay_buckets",
        turn: |config, value| config.hearsay_buckets = value as usize,
        values: &[16, 64, 256],
    },
    Knob {
        name: "answer_max",
        turn: |config, value| config.exchange.answer_max = value as usize,
        values: &[20, 50, 100],
    },
    Knob {
        name: "ask_pace",
        turn: |config, value| config.exchange.ask_pace = ms(value),
        values: &[1_000, 2_000, 5_000],
    },
    Knob {
        name: "ask_every",
        turn: |config, value| config.exchange.ask_every = ms(value),
        values: &[60_000, 90_000, 300_000],
    },
    Knob {
        name: "ask_every_max",
        turn: |config, value| config.exchange.ask_every_max = ms(value),
        values: &[600_000, 3_600_000],
    },
    Knob {
        name: "refresh",
        turn: |config, value| config.exchange.refresh = ms(value),
        values: &[300_000, 600_000, 1_800_000],
    },
    Knob {
        name: "enough",
        turn: |config, value| config.exchange.enough = value as usize,
        values: &[64, 128, 256, 512],
    },
    Knob {
        name: "gossip_every",
        turn: |config, value| config.exchange.gossip_every = ms(value),
        values: &[30_000, 60_000, 120_000, 300_000],
    },
    Knob {
        name: "gossip_first",
        turn: |config, value| config.exchange.gossip_first = ms(value),
        values: &[1_000, 3_000, 10_000],
    },
    Knob {
        name: "gossip_max",
        turn: |config, value| config.exchange.gossip_max = value as usize,
        values: &[5, 10, 20, 40],
    },
    Knob {
        name: "hops_max",
        turn: |config, value| config.exchange.hops_max = value as u8,
        values: &[1, 2, 3, 4],
    },
];

/// One node in so many goes and comes back.
const ONE_IN: usize = 5;

/// For so long; and it is watched for so long afterwards.
const AWAY: Duration = Duration::from_secs(60);

/// How some swarms went.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// How long who came new within the hour took to five connections.
    pub newcomers: Spread,
    /// The same of who came back after it.
    pub back: Spread,
    /// The share of all time that nodes older than a minute spent with fewer than five connections.
    pub few_share: f64,
    /// The share of the peers remembered when the hour was over that were there.
    pub alive_share: f64,
    /// What a node sent and received in a minute of that hour, in bytes.
    pub bytes_per_node_min: f64,
}

/// What one swarm came to.
struct Lived {
    newcomers_ms: Vec<u64>,
    back_ms: Vec<u64>,
    few_share: f64,
    alive_share: f64,
    bytes_per_node_min: f64,
}

/// Turns every knob, in swarms of so many nodes. `tell` is told of each measurement that is done.
pub fn rows(seeds: &Range<u64>, nodes: usize, tell: impl Fn() + Sync) -> Vec<Row<Measured>> {
    tune::turn_all(KNOBS, |config| {
        let lived = seeds.clone().map(|seed| live(config.clone(), nodes, seed));
        let measured = Measured::of(&lived.collect::<Vec<_>>());
        tell();
        measured
    })
}

fn live(config: Config, nodes: usize, seed: u64) -> Lived {
    let story = Story {
        nodes,
        seed,
        churn: true,
    };
    let silent = |_| ();
    let mut swarm = Swarm::new(seed).with_config(config);
    swarm.plant(nodes);
    experiment::join(&mut swarm, nodes, silent);
    let churning = experiment::churn(&mut swarm, story, silent);
    let took = |swarm: &Swarm, id: NodeId| millis(swarm.effort(id).map(|effort| effort.took));
    let new = swarm.honest().filter(|id| id.index() >= nodes);
    let newcomers_ms = new.map(|id| took(&swarm, id)).collect();
    let alive_share = alive_share(&swarm);
    let guests: Vec<_> = swarm.honest().step_by(ONE_IN).collect();
    for id in &guests {
        swarm.restart(*id, AWAY);
    }
    swarm.run_for(AWAY * 2);
    let all = churning.load.iter().find(|row| row.kind.is_none());
    Lived {
        newcomers_ms,
        back_ms: guests.iter().map(|id| took(&swarm, *id)).collect(),
        few_share: churning.few_share_grown,
        alive_share,
        bytes_per_node_min: all.map_or(0.0, |row| row.bytes.mean),
    }
}

/// How many of all that everybody remembers are there.
fn alive_share(swarm: &Swarm) -> f64 {
    let remembered = swarm.honest().flat_map(|id| swarm.engine(id).peers());
    let (mut alive, mut all) = (0_u32, 0_u32);
    for record in remembered {
        all += 1;
        alive += u32::from(NodeId::of(&record.key).is_some_and(|id| swarm.runs(id)));
    }
    f64::from(alive) / f64::from(all.max(1))
}

impl Measured {
    fn of(lived: &[Lived]) -> Self {
        let mean =
            |of: fn(&Lived) -> f64| lived.iter().map(of).sum::<f64>() / lived.len().max(1) as f64;
        let all =
            |of: fn(&Lived) -> &Vec<u64>| Spread::of(lived.iter().flat_map(of).copied().collect());
        Self {
            newcomers: all(|it| &it.newcomers_ms),
            back: all(|it| &it.back_ms),
            few_share: mean(|it| it.few_share),
            alive_share: mean(|it| it.alive_share),
            bytes_per_node_min: mean(|it| it.bytes_per_node_min),
        }
    }
}

/// As a table for people.
pub fn table(rows: &[Row<Measured>], seeds: usize, nodes: usize) -> String {
    let heads = format!(
        "{:>12}{:>12}{:>10}{:>8}{:>9}",
        "new", "back", "few", "alive", "bytes"
    );
    let cells = |it: &Measured| {
        format!(
            "{:>12}{:>12}{:>8.3} %{:>6.1} %{:>9.0}",
            it.newcomers.in_short(),
            it.back.in_short(),
            it.few_share * 100.0,
            it.alive_share * 100.0,
            it.bytes_per_node_min
        )
    };
    format!(
        "{seeds} swarms of {nodes} nodes, of which half are replaced within an hour. Time to five connections\n\
         in ms, p50/p95, of who came new and of who was away for a minute; the share of time with fewer; the\n\
         share of the remembered that live; bytes of a node in a minute. The default is marked.\n{}",
        tune::below_their_knobs(rows, &heads, cells)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_knob_one_value_is_the_default() {
        tune::check_defaults(KNOBS);
    }

    #[test]
    fn a_swarm_with_other_defaults_goes_another_way() {
        let lived = |config| Measured::of(&[live(config, 20, 1)]);
        let usual = lived(Config::default());
        assert_eq!(usual, lived(Config::default()), "the same seed");
        assert!(usual.newcomers.p95_ms.is_some() && usual.back.p95_ms.is_some());
        assert!((0.0..=1.0).contains(&usual.alive_share));
        let mut chatty = Config::default();
        chatty.exchange.gossip_every = ms(10_000);
        assert!(lived(chatty).bytes_per_node_min > usual.bytes_per_node_min * 1.2);
    }
}
