//! What the engine is measured against, on the same network with the same delays.
//!
//! * The **oracle** knows who is alive and how far away: it dials everybody remembered at once and
//!   pays for nothing. Nobody who has to start from the same memory can be faster.
//! * The **blind racer** is a sound program without a memory worth the name. It dials the peers of
//!   its cache in random order, those it has been connected to before those it only heard of; it
//!   keeps as many dials in the air as the engine may ([`Config::dials_max`]) and starts the next
//!   the moment one fails; it gives a dial up when the engine's dialler would give up a peer it
//!   knows nothing of ([`Config::dial_timeout_min`]). It knows no bootstrap servers: in every
//!   setting measured here its cache suffices.

use std::{collections::BTreeMap, time::Duration};

use rejoin_core::{Address, Config, PeerRecord, Pool};

use crate::{
    chance::{self, Subject},
    world::World,
};

/// When the oracle has `wanted` connections; `None` if fewer remembered peers are alive.
pub fn oracle<'a>(
    world: &World,
    remembered: impl IntoIterator<Item = &'a PeerRecord>,
    wanted: usize,
) -> Option<Duration> {
    let mut times: Vec<Duration> = remembered
        .into_iter()
        .filter_map(|record| connects_after(world, record))
        .collect();
    times.sort_unstable();
    times.get(wanted.checked_sub(1)?).copied()
}

/// When the blind racer has `wanted` connections; `None` if its cache runs out before.
pub fn blind<'a>(
    world: &World,
    remembered: impl IntoIterator<Item = &'a PeerRecord>,
    wanted: usize,
    config: &Config,
) -> Option<Duration> {
    let mut rng = chance::rng(world.seed(), Subject::Order, 0, 0);
    let mut order: Vec<&PeerRecord> = remembered.into_iter().collect();
    rng.shuffle(&mut order);
    order.sort_by_key(|record| record.pool() != Pool::Proven); // stable: the lot decides the rest
    let mut next = order.into_iter().enumerate();
    let mut in_the_air = BTreeMap::new();
    let (mut now, mut connected) = (Duration::ZERO, 0);
    loop {
        while in_the_air.len() < config.dials_max {
            let Some((number, record)) = next.next() else {
                break;
            };
            let attempt = world.dial(Some(&record.key), &addresses(record), 0);
            let answers = attempt.answer.is_some() && attempt.after <= config.dial_timeout_min;
            let ends = now + attempt.after.min(config.dial_timeout_min);
            in_the_air.insert((ends, number), answers);
        }
        let ((ends, _), answers) = in_the_air.pop_first()?;
        now = ends;
        connected += usize::from(answers);
        if connected >= wanted {
            return Some(now);
        }
    }
}

fn connects_after(world: &World, record: &PeerRecord) -> Option<Duration> {
    let attempt = world.dial(Some(&record.key), &addresses(record), 0);
    attempt.answer.map(|_| attempt.after)
}

fn addresses(record: &PeerRecord) -> Vec<Address> {
    let addresses = record.addresses.iter();
    addresses.map(|known| known.address.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        past::{Past, Scene},
        world::HANDSHAKE_RTTS,
    };

    fn race(seed: u64, dead: f64) -> (Option<Duration>, Option<Duration>) {
        let past = Past {
            dead,
            ..Past::default()
        };
        let scene = Scene::new(seed, &past);
        let peers = || scene.shelf.peers.values();
        let config = Config::default();
        (
            oracle(&scene.world, peers(), 5),
            blind(&scene.world, peers(), 5, &config),
        )
    }

    #[test]
    fn nobody_beats_the_oracle_and_the_dead_slow_the_blind_down() {
        let mut sums = [Duration::ZERO; 3];
        for seed in 0..50 {
            for (sum, dead) in sums.iter_mut().zip([0.0, 0.5, 0.9]) {
                let (oracle, blind) = race(seed, dead);
                assert!(oracle.unwrap() <= blind.unwrap(), "seed {seed}");
                *sum += blind.unwrap();
            }
        }
        assert!(sums[0] < sums[1] && sums[1] < sums[2], "{sums:?}");
    }

    #[test]
    fn with_nobody_alive_neither_connects() {
        assert_eq!(race(0, 1.0), (None, None));
    }

    #[test]
    fn the_oracle_takes_as_long_as_its_fifth_nearest_peer() {
        let scene = Scene::new(2, &Past::default());
        let living = scene.shelf.peers.values();
        let mut rtts: Vec<_> = living
            .filter_map(|record| scene.world.find(&record.key))
            .filter(|id| scene.world.is_alive(&scene.world.host(*id).key))
            .map(|id| scene.world.rtt_of_dial(id, 0))
            .collect();
        rtts.sort_unstable();
        let (oracle, _) = race(2, 0.5);
        assert_eq!(oracle, Some(rtts[4] * HANDSHAKE_RTTS));
    }
}
