//! How far away hosts are.

use std::time::Duration;

use fastrand::Rng;

use crate::chance;

/// How long a round trip to a host is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distances {
    /// Log-normal around a median, with this deviation of the logarithm.
    Around {
        /// Half of the hosts are nearer than this.
        median: Duration,
        /// The deviation.
        spread: f64,
    },
    /// Hosts live in regions, each of which is some way off, with this deviation of the logarithm within.
    Regions {
        /// The regions.
        regions: [Region; 4],
        /// The deviation.
        spread: f64,
    },
}

/// A part of the world, as seen from the node under test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region {
    /// How many of the hosts live there, from 0 to 1.
    pub share: f64,
    /// A round trip to the middle of it.
    pub rtt: Duration,
}

impl Distances {
    /// A tenth below 42 ms, a tenth above 152 ms: from one town to the antipodes, with one hump.
    pub const HALF_A_CONTINENT: Self = Self::Around {
        median: Duration::from_millis(80),
        spread: 0.5,
    };

    /// As seen from Western Europe. Shares as in IPFS, rounded: United States 28.5 %, China 24.2 %, France
    /// 8.3 %, Taiwan 7.2 %, South Korea 6.7 % (Trautwein and others, "Design and Evaluation of IPFS",
    /// SIGCOMM 2022), the rest by continent. Round trips between regions as cloud providers publish them,
    /// rounded; the last mile makes the spread within, a guess.
    pub const WORLD: Self = Self::Regions {
        regions: [
            Region::new(0.30, 25),  // Europe
            Region::new(0.31, 110), // North America
            Region::new(0.33, 230), // East Asia
            Region::new(0.06, 190), // elsewhere
        ],
        spread: 0.4,
    };

    /// How far away somebody is.
    pub fn draw(self, rng: &mut Rng) -> Duration {
        let (middle, spread) = match self {
            Self::Around { median, spread } => (median, spread),
            Self::Regions { regions, spread } => {
                let mut lot = rng.f64();
                let at = regions.iter().find(|region| {
                    lot -= region.share;
                    lot < 0.0
                });
                (at.unwrap_or(&regions[0]).rtt, spread)
            }
        };
        middle.mul_f64((spread * chance::normal(rng)).exp())
    }
}

impl Region {
    const fn new(share: f64, rtt_ms: u64) -> Self {
        Self {
            share,
            rtt: Duration::from_millis(rtt_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_world_has_its_near_and_its_far_half() {
        let mut rng = Rng::with_seed(8);
        let draws: Vec<_> = (0..4_000)
            .map(|_| Distances::WORLD.draw(&mut rng))
            .collect();
        let within = |ms| {
            let near = draws.iter().filter(|rtt| **rtt < Duration::from_millis(ms));
            near.count() as f64 / draws.len() as f64
        };
        assert!((within(60) - 0.33).abs() < 0.05, "{}", within(60));
        assert!((within(160) - 0.64).abs() < 0.07, "{}", within(160));
        assert!(within(600) > 0.98, "{}", within(600));
    }
}
