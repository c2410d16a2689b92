//! The limit: an **oracle** that knows who is alive and how far away. It dials everybody remembered and
//! all bootstrap servers at once, dials whomever they name as they name them, and pays for nothing.
//! Nobody who starts from the same memory and the same servers can be faster.

use std::time::Duration;

use rejoin_core::{Address, PeerKey};

use crate::{past::Scene, world::World};

/// When it has `wanted` connections, servers not counted; `None` if there are not so many peers.
pub fn oracle(scene: &Scene, wanted: usize) -> Option<Duration> {
    let world = &scene.world;
    let remembered = scene.shelf.peers.values().filter_map(|record| {
        let addresses = record.addresses.iter();
        let addresses: Vec<_> = addresses.map(|known| known.address.clone()).collect();
        connects_after(world, &record.key, &addresses)
    });
    let named = world.bootstrap().flat_map(|(id, server)| {
        let named = connects_after(world, &server.key, &server.addresses)
            .map(|connected| (connected + server.rtt, world.walk(id, 0)));
        named.into_iter().flat_map(|(told, peers)| {
            peers.into_iter().filter_map(move |(peer, addresses)| {
                Some(told + connects_after(world, &peer, &addresses)?)
            })
        })
    });
    let mut times: Vec<Duration> = remembered.chain(named).collect();
    times.sort_unstable();
    times.get(wanted.checked_sub(1)?).copied()
}

fn connects_after(world: &World, peer: &PeerKey, addresses: &[Address]) -> Option<Duration> {
    let attempt = world.dial(Some(peer), addresses, 0);
    attempt.answer.map(|_| attempt.after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{past::Past, world::HANDSHAKE_RTTS};

    fn scene(dead: f64) -> Scene {
        let past = Past {
            dead,
            ..Past::default()
        };
        Scene::new(2, &past)
    }

    #[test]
    fn the_oracle_takes_as_long_as_its_fifth_nearest_peer() {
        let scene = scene(0.5);
        let living = scene.shelf.peers.values();
        let mut rtts: Vec<_> = living
            .filter_map(|record| scene.world.find(&record.key))
            .filter(|id| scene.world.is_alive(&scene.world.host(*id).key))
            .map(|id| scene.world.rtt_of_dial(id, 0))
            .collect();
        rtts.sort_unstable();
        assert_eq!(oracle(&scene, 5), Some(rtts[4] * HANDSHAKE_RTTS));
    }

    #[test]
    fn with_nobody_left_it_goes_by_servers() {
        let scene = scene(1.0);
        let servers = scene.world.bootstrap();
        let told = servers.filter_map(|(_, server)| {
            let connected = connects_after(&scene.world, &server.key, &server.addresses)?;
            Some(connected + server.rtt)
        });
        assert!(oracle(&scene, 5) > told.min());
        assert_eq!(oracle(&scene, 1_000), None);
    }
}
