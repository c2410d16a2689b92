//! The limit: an **oracle** that knows who is alive and how far away. It dials everybody remembered and
//! all bootstrap servers at once, dials whomever they name as they name them, and pays for nothing.
//! Nobody who starts from the same memory and the same servers can be faster.

use std::time::Duration;

use crate::{
    past::Scene,
    racer::candidate,
    world::{Candidate, World},
};

/// When it has `wanted` connections, servers not counted; `None` if there are not so many peers.
pub fn oracle(scene: &Scene, wanted: usize) -> Option<Duration> {
    let world = &scene.world;
    let remembered = scene.shelf.friends().map(candidate);
    let remembered = remembered.filter_map(|peer| connects_after(world, &peer));
    let told = world.bootstrap().map(|(id, _)| world.ask(id));
    let named = told.flat_map(|(told, peers)| {
        let peers = peers.unwrap_or_default().into_iter();
        peers.filter_map(move |peer| Some(told + connects_after(world, &peer)?))
    });
    let mut times: Vec<Duration> = remembered.chain(named).collect();
    times.sort_unstable();
    times.get(wanted.checked_sub(1)?).copied()
}

fn connects_after(world: &World, (peer, addresses): &Candidate) -> Option<Duration> {
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
        let living = scene.shelf.friends();
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
        let told = servers.map(|(id, _)| scene.world.ask(id).0);
        assert!(oracle(&scene, 5) > told.min());
        assert_eq!(oracle(&scene, 1_000), None);
    }
}
