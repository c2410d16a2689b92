//! How the peers of three measured networks come and go: sessions, breaks between them, the day they
//! leave for good, the day their address is somebody else's.
//!
//! Every network is a mixture of two kinds of peers. What stands beside a number as measured is
//! measured; the rest is a guess, and says so. Sessions follow a Weibull distribution of shape 0.5:
//! the shapes measured in BitTorrent lie between 0.34 and 0.59, and for IPFS one of 0.52 fits what is
//! published (see [`IPFS`]).
//!
//! Sources:
//! * Stutzbach and Rejaie, "Understanding Churn in Peer-to-Peer Networks", IMC 2006: BitTorrent, Gnutella
//!   and Kad.
//! * Trautwein and others, "Design and Evaluation of IPFS", SIGCOMM 2022, and Trautwein's talk on it at
//!   IETF 118, 2023.
//! * Imtiaz, Starobinski, Trachtenberg and Younis, "Churn in the Bitcoin Network", IEEE Transactions on
//!   Network and Service Management, 2021.
//! * Steiner, En-Najjary and Biersack, "Long Term Study of Peer Behavior in the KAD DHT", IEEE/ACM
//!   Transactions on Networking, 2009: sessions are Weibull distributed, and peers come back for months.

use std::time::Duration;

use fastrand::Rng;
use rejoin_core::Time;

use crate::{chance::exponential, churn::Lifetimes, presence::Presence, world::HostState};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// A measured network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Network {
    /// What it is called.
    pub name: &'static str,
    /// The kinds of its peers.
    pub kinds: [Kind; 2],
}

/// Peers of one kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kind {
    /// Their share of those that are up at any moment, from 0 to 1.
    pub share: f64,
    /// How long their sessions are.
    pub sessions: Lifetimes,
    /// Mean of the break between two sessions.
    pub gap: Duration,
    /// Mean time from when one is met until it never comes back.
    pub stays: Duration,
    /// Mean time until its address is not its own any more.
    pub keeps_address: Duration,
    /// How many of those that are down have their machine off, or behind a router that says nothing;
    /// the others refuse.
    pub silent: f64,
}

/// Servers of volunteers and firms: up for weeks, down for an update. What is not measured is guessed.
const SERVER: Kind = Kind {
    share: 0.0,
    sessions: Lifetimes {
        scale: DAY.saturating_mul(10),
    },
    gap: MINUTE.saturating_mul(10),
    stays: DAY.saturating_mul(45),
    keeps_address: DAY.saturating_mul(180),
    silent: 0.3,
};

/// Machines of people: up in the evening. What is not measured is guessed.
const DESKTOP: Kind = Kind {
    share: 0.0,
    sessions: Lifetimes { scale: HOUR },
    gap: HOUR.saturating_mul(12),
    stays: DAY.saturating_mul(21),
    keeps_address: DAY.saturating_mul(7), // many lines get a new address each day, many keep theirs for months
    silent: 0.8,
};

/// Of the peers in a crawl of 2021 55 to 60 % were stable (talk of 2023). 87.6 % of all sessions were
/// shorter than 8 hours, 2.5 % longer than 24 (paper): a Weibull distribution with shape 0.52 and scale
/// 116 minutes.
pub const IPFS: Network = Network {
    name: "ipfs",
    kinds: [
        Kind {
            share: 0.55,
            ..SERVER
        },
        Kind {
            share: 0.45,
            sessions: Lifetimes {
                scale: MINUTE.saturating_mul(116),
            },
            ..DESKTOP
        },
    ],
};

/// 97 % of all nodes come and go (paper); those who stay are more of those that are up at a time: a
/// third, we guess. Their sessions are longer than elsewhere, since a node has to catch up first: 16
/// hours on average, we guess.
pub const BITCOIN: Network = Network {
    name: "bitcoin",
    kinds: [
        Kind {
            share: 0.33,
            ..SERVER
        },
        Kind {
            share: 0.67,
            sessions: Lifetimes {
                scale: HOUR.saturating_mul(8),
            },
            ..DESKTOP
        },
    ],
};

/// Downloads of a Linux distribution and of a game: scales of 21 to 42 minutes with shapes of 0.34 to
/// 0.59 (paper). Few stay to seed: one in twenty, we guess.
pub const BITTORRENT: Network = Network {
    name: "bittorrent",
    kinds: [
        Kind {
            share: 0.05,
            ..SERVER
        },
        Kind {
            share: 0.95,
            sessions: Lifetimes {
                scale: MINUTE.saturating_mul(42),
            },
            gap: DAY,
            ..DESKTOP
        },
    ],
};

/// All of them; a restart takes one in turn.
pub const NETWORKS: [Network; 3] = [IPFS, BITCOIN, BITTORRENT];

impl Network {
    /// The network that the restart with this seed takes place in.
    pub fn of(seed: u64) -> Self {
        NETWORKS[(seed % NETWORKS.len() as u64) as usize]
    }

    /// Somebody who is up.
    pub(crate) fn somebody(&self, rng: &mut Rng) -> Kind {
        let [one, other] = self.kinds;
        match rng.f64() < one.share {
            true => one,
            false => other,
        }
    }
}

impl Kind {
    /// Whether and until when one is there that is up at this moment, as far as `end`.
    pub(crate) fn presence(&self, met: Time, end: Time, rng: &mut Rng) -> Presence {
        let leaves = met + self.stays.mul_f64(exponential(rng));
        let moves = met + self.keeps_address.mul_f64(exponential(rng));
        let mut turns = vec![met + self.sessions.met(rng).1];
        while let Some(&down) = turns.last()
            && down < end
        {
            let up = down + self.gap.mul_f64(exponential(rng));
            turns.extend([up, up + self.sessions.newborn(rng)]);
        }
        Presence::new(turns, leaves.min(moves))
    }

    /// How one that is not there looks from outside.
    pub(crate) fn absent(&self, rng: &mut Rng) -> HostState {
        match rng.f64() {
            // Whoever has the address now speaks the same protocol in a network of millions, seldom.
            lot if lot < STRANGER => HostState::WrongPeer,
            lot if lot < STRANGER + (1.0 - STRANGER) * self.silent => HostState::Silent,
            _ => HostState::Refused,
        }
    }
}

/// How often another peer lives at the address of one that is not there: a guess.
const STRANGER: f64 = 0.02;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::EPOCH;

    /// The share of those met within the two weeks before that are there so long after.
    fn there(network: &Network, after: Duration) -> f64 {
        let mut rng = Rng::with_seed(5);
        let left = EPOCH + DAY * 14;
        let end = left + after;
        let n = 3_000;
        let there = (0..n).filter(|_| {
            let met = left - (DAY * 14).mul_f64(rng.f64());
            let kind = network.somebody(&mut rng);
            kind.presence(met, end, &mut rng).is_up(end)
        });
        there.count() as f64 / f64::from(n)
    }

    #[test]
    fn the_longer_one_is_away_the_fewer_are_there() {
        for network in NETWORKS {
            let absences = [HOUR, DAY, DAY * 7, DAY * 30];
            let there = absences.map(|after| there(&network, after));
            assert!(
                there.is_sorted_by(|a, b| a > b),
                "{}: {there:?}",
                network.name
            );
        }
    }

    #[test]
    fn sessions_are_as_long_as_those_measured_in_ipfs() {
        let mut rng = Rng::with_seed(6);
        let [_, passing] = IPFS.kinds;
        let lengths: Vec<_> = (0..20_000)
            .map(|_| passing.sessions.newborn(&mut rng))
            .collect();
        let share = |limit: Duration| {
            let shorter = lengths.iter().filter(|length| **length < limit).count();
            shorter as f64 / lengths.len() as f64
        };
        assert!(
            (share(HOUR * 8) - 0.876).abs() < 0.02,
            "{}",
            share(HOUR * 8)
        );
        assert!((share(DAY) - 0.975).abs() < 0.01, "{}", share(DAY));
    }
}
