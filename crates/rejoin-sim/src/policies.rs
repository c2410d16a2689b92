//! How other programs come back, told by the rules they publish: facts in a few numbers, not their
//! code. The [`racer`](crate::racer) acts on them, on the same network and with the same delays as the
//! engine.
//!
//! Where a rule says nothing, the program gets the benefit of the doubt: whoever is told of peers by a
//! server dials them before its own, which are older; nobody waits for a disk.

use std::time::Duration;

use rejoin_core::Config;

/// How a program comes back.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What it is called in the table.
    pub name: &'static str,
    /// Whom it dials first.
    pub order: Order,
    /// How many of those it remembers it tries at most.
    pub candidates: usize,
    /// How many dials it has in the air at most.
    pub width: usize,
    /// Whether all of those must have ended before the next ones begin.
    pub in_batches: bool,
    /// When it gives a dial up.
    pub timeout: Duration,
    /// How long it waits after a dial before the next.
    pub pause: Duration,
    /// How long it tries over a relay whom it could not reach.
    pub relay: Option<Duration>,
    /// When it asks bootstrap servers.
    pub servers: Servers,
}

/// Whom a program dials first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Whoever comes.
    Random,
    /// Those it was connected to before those it heard of, each by lot.
    ProvenByLot,
    /// One of these and one of those in turn, each by lot.
    ProvenAndHearsayInTurn,
    /// Seen last first.
    SeenLast,
    /// Only those it was connected to when it left.
    Anchors,
}

/// When a program asks bootstrap servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Servers {
    /// At once, beside everything else.
    AtOnce,
    /// Before anything else; it dials others only if it has fewer connections than this when all of
    /// them have answered or failed. Connections to servers count.
    First {
        /// So many are enough.
        enough: usize,
    },
    /// Later, if it has fewer connections than this by then.
    After {
        /// How much later.
        wait: Duration,
        /// So many are enough.
        enough: usize,
    },
    /// When it has nobody else to dial.
    AtLast,
}

/// libp2p's time-out for TCP.
const TRANSPORT: Duration = Duration::from_secs(10);

const EVERYBODY: usize = usize::MAX;

/// What most programs begin with.
const PLAIN: Plan = Plan {
    name: "plain",
    order: Order::Random,
    candidates: EVERYBODY,
    width: 1,
    in_batches: false,
    timeout: TRANSPORT,
    pause: Duration::ZERO,
    relay: None,
    servers: Servers::AtLast,
};

/// A sound program without a memory worth the name: as many dials in the air as the engine may have
/// ([`Config::dials_max`]), given up when the engine's dialler would give up a peer it knows nothing
/// of ([`Config::dial_timeout_min`]), servers after the same head start; in an order that knows no more
/// than who was ever met.
pub fn blind(config: &Config) -> Plan {
    Plan {
        name: "blind",
        order: Order::ProvenByLot,
        width: config.dials_max,
        timeout: config.dial_timeout_min,
        servers: Servers::After {
            wait: config.bootstrap_head_start,
            enough: config.low_water,
        },
        ..PLAIN
    }
}

/// The programs of others.
pub const OTHERS: [Plan; 8] = [
    // The loop that everybody writes first.
    Plan {
        name: "sequential",
        order: Order::SeenLast,
        ..PLAIN
    },
    // Chiral Network: the 20 seen last, four at a time, three seconds for each four.
    Plan {
        name: "batches",
        order: Order::SeenLast,
        candidates: 20,
        width: 4,
        in_batches: true,
        timeout: Duration::from_secs(3),
        ..PLAIN
    },
    // Hegemon: 16 of the cache and all seeds at once.
    Plan {
        name: "burst",
        width: 16,
        servers: Servers::AtOnce,
        ..PLAIN
    },
    // ant-bootstrap (Autonomi): ten dials in the air, any order, until five peers are known; contacts are
    // fetched when the cache is empty.
    Plan {
        name: "ten-random",
        width: 10,
        ..PLAIN
    },
    // Kubo (boxo/bootstrap): all bootstrap servers; 20 saved peers, all at once, only if fewer than four
    // connections came of it; ten seconds for all of them.
    Plan {
        name: "servers-first",
        candidates: 20,
        width: 20,
        servers: Servers::First { enough: 4 },
        ..PLAIN
    },
    // Bitcoin Core: one after the other, half a second apart, five seconds for each, a coin between tried
    // and new; DNS seeds after eleven seconds with fewer than two connections.
    Plan {
        name: "one-by-one",
        order: Order::ProvenAndHearsayInTurn,
        timeout: Duration::from_secs(5),
        pause: Duration::from_millis(500),
        servers: Servers::After {
            wait: Duration::from_secs(11),
            enough: 2,
        },
        ..PLAIN
    },
    // serverless-chat: one after the other, two seconds for each, and then 20 over a relay.
    Plan {
        name: "relay-fallback",
        order: Order::SeenLast,
        timeout: Duration::from_secs(2),
        relay: Some(Duration::from_secs(20)),
        ..PLAIN
    },
    // js-libp2p: all peers tagged to be kept alive at once when it starts, bootstrap peers a second later
    // whatever came of it.
    Plan {
        name: "reconnect-queue",
        order: Order::Anchors,
        width: 100,
        servers: Servers::After {
            wait: Duration::from_secs(1),
            enough: usize::MAX,
        },
        ..PLAIN
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_plan_has_a_name_of_its_own_and_dials_somebody() {
        let blind = blind(&Config::default());
        let names: BTreeSet<_> = OTHERS
            .iter()
            .chain([&blind])
            .map(|plan| plan.name)
            .collect();
        assert_eq!(names.len(), OTHERS.len() + 1);
        assert!(
            OTHERS
                .iter()
                .all(|plan| plan.width > 0 && plan.candidates > 0)
        );
    }
}
