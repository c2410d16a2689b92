//! How long peers live: heavy-tailed, so that who has been around for long stays for long.
//!
//! Session lengths measured in Gnutella, Kad and BitTorrent fit a Weibull distribution with a shape
//! between 0.34 and 0.59 (Stutzbach and Rejaie, "Understanding Churn in Peer-to-Peer Networks", IMC
//! 2006). We take 0.5, which is deliberately not the curve the engine starts from, and for which
//! both draws have a closed form.

use std::time::Duration;

use fastrand::Rng;

use crate::{
    chance::{self, Subject},
    sim::Sim,
    world::{HostId, HostState},
};

/// A Weibull distribution of lifetimes with shape 0.5.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lifetimes {
    /// Its scale; the mean is twice, the median half of it.
    pub scale: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            scale: Duration::from_secs(12 * 3_600), // mean one day, as of desktop peers in those measurements
        }
    }
}

impl Lifetimes {
    /// The whole life of a newborn peer.
    pub(crate) fn newborn(self, rng: &mut Rng) -> Duration {
        self.scale.mul_f64(chance::exponential(rng).powi(2))
    }

    /// Age and rest of life of a peer met at a random moment. Such a peer is likely one of the
    /// long-lived: lives are drawn in proportion to their length, which for this shape means the
    /// square of a sum of three exponentials; the moment is anywhere in that life.
    pub(crate) fn met(self, rng: &mut Rng) -> (Duration, Duration) {
        let sum: f64 = (0..3).map(|_| chance::exponential(rng)).sum();
        let life = self.scale.mul_f64(sum.powi(2));
        let age = life.mul_f64(rng.f64());
        (age, life - age)
    }
}

/// How a dead host looks from outside: half of the machines are still there.
pub(crate) fn dead(rng: &mut Rng) -> HostState {
    if rng.bool() {
        HostState::Refused
    } else {
        HostState::Silent
    }
}

impl Sim {
    /// Lets the hosts live and die for `span`: of four, three are there and one is yet to come.
    pub fn churn(&mut self, lifetimes: Lifetimes, span: Duration) {
        let seed = self.seed();
        let hosts = self.world().hosts().filter(|(_, host)| !host.bootstrap);
        let hosts: Vec<HostId> = hosts.map(|(id, _)| id).collect();
        for host in hosts {
            let mut rng = chance::rng(seed, Subject::Fate, host.0 as u64, 0);
            let dies_after = if host.0.is_multiple_of(4) {
                self.turn(host, HostState::Silent);
                let born = span.mul_f64(rng.f64());
                self.turn_after(born, host, HostState::Alive);
                born + lifetimes.newborn(&mut rng)
            } else {
                lifetimes.met(&mut rng).1
            };
            if dies_after < span {
                self.turn_after(dies_after, host, dead(&mut rng));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: u32 = 20_000;

    fn mean_scales(draw: impl Fn(&mut Rng) -> Duration) -> f64 {
        let lifetimes = Lifetimes::default();
        let mut rng = Rng::with_seed(3);
        let sum: f64 = (0..N).map(|_| draw(&mut rng).as_secs_f64()).sum();
        sum / f64::from(N) / lifetimes.scale.as_secs_f64()
    }

    #[test]
    fn lives_have_the_mean_of_their_distribution() {
        let newborn = mean_scales(|rng| Lifetimes::default().newborn(rng));
        assert!((newborn - 2.0).abs() < 0.2, "{newborn}");
        let met = mean_scales(|rng| {
            let (age, rest) = Lifetimes::default().met(rng);
            age + rest
        });
        assert!((met - 12.0).abs() < 0.6, "{met}");
    }

    #[test]
    fn the_old_live_on_longer_than_the_young() {
        let mut rng = Rng::with_seed(4);
        let met: Vec<_> = (0..N).map(|_| Lifetimes::default().met(&mut rng)).collect();
        let day = Duration::from_secs(86_400);
        let survivors = |fits: &dyn Fn(Duration) -> bool| {
            let fitting: Vec<_> = met.iter().filter(|(age, _)| fits(*age)).collect();
            let living = fitting.iter().filter(|(_, rest)| *rest > day).count();
            living as f64 / fitting.len() as f64
        };
        let young = survivors(&|age| age < day / 24);
        let old = survivors(&|age| age > day * 5);
        assert!(young < 0.75 * old, "{young} {old}");
    }
}
