//! How we stand to our neighbours, told to gossipsub: whom the engine holds something against has no
//! place in the mesh, and whoever did enough to be sent away is not listened to, even where it stays
//! because the user pinned it. What is held against whom, the engine decides.

use std::time::Duration;

use libp2p::{
    PeerId, Swarm,
    gossipsub::{PeerScoreParams, PeerScoreThresholds},
};
use rejoin_core::reputation::SEND_AWAY_AT;

use crate::network::Network;

/// How often everybody's standing is told anew. Points come in by other ways than gossip too, such as
/// peer exchange, and fade; a neighbour speaks every two minutes, and a look at one costs a microsecond.
pub const TELL_EVERY: Duration = Duration::from_secs(5);

/// Below this nothing of theirs is even read. A standing is a score of at most 1 less the points, so
/// whoever has the points to be sent away is always below, and whoever has one less never is.
const IGNORED_BELOW: f64 = 1.0 - SEND_AWAY_AT;

/// Below this they are told nothing more: half of what sends them away, so that a slip or two cost the
/// place in the mesh only: gossipsub takes it from whoever is below zero.
const TOLD_NOTHING_BELOW: f64 = -SEND_AWAY_AT / 2.0;

/// Above every standing, so that strangers whom gossipsub's own exchange names, unsigned, are never
/// dialled.
const NOBODY: f64 = 2.0;

/// Gossipsub's score of a peer is our standing to it and nothing else: our messages are never
/// forwarded, so who delivers them first means nothing; a household behind one address is none of its
/// business; and what a peer was like is remembered, and fades, in the engine.
pub fn params() -> PeerScoreParams {
    PeerScoreParams {
        app_specific_weight: 1.0,
        ip_colocation_factor_weight: 0.0,
        behaviour_penalty_weight: 0.0,
        slow_peer_weight: 0.0,
        retain_score: Duration::ZERO,
        ..PeerScoreParams::default()
    }
}

/// What gossipsub does at which standing.
pub fn thresholds() -> PeerScoreThresholds {
    PeerScoreThresholds {
        gossip_threshold: TOLD_NOTHING_BELOW,
        publish_threshold: TOLD_NOTHING_BELOW,
        graylist_threshold: IGNORED_BELOW,
        accept_px_threshold: NOBODY,
        // Nobody below zero is in the mesh anyway, so it is never shuffled for the sake of a score.
        opportunistic_graft_threshold: 0.0,
    }
}

/// Tells how we stand to one peer.
pub fn tell(network: &mut Network, peer: PeerId) {
    let standing = network.memory.standing(peer);
    network.gossip.set_application_score(&peer, standing);
}

/// Tells how we stand to everybody connected.
pub fn tell_of_all(swarm: &mut Swarm<Network>) {
    let connected: Vec<_> = swarm.connected_peers().copied().collect();
    for peer in connected {
        tell(swarm.behaviour_mut(), peer);
    }
}

#[cfg(test)]
mod tests {
    use libp2p::{
        futures::StreamExt,
        gossipsub::{Event, IdentTopic},
        identity::Keypair,
        swarm::SwarmEvent,
    };
    use rejoin::Setup;

    use super::*;
    use crate::network::{self, Extras, NetworkEvent};

    /// Far longer than anything here takes on a busy machine.
    const DEADLINE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_neighbour_that_misbehaves_is_not_listened_to_even_where_it_may_stay() {
        let (mut alice, mut eve) = (node(), node());
        let name = *eve.local_peer_id();
        let home = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
        alice.listen_on(home).unwrap();
        let home = seen(&mut alice, &mut eve, |event| match event {
            SwarmEvent::NewListenAddr { address, .. } => Some(address),
            _ => None,
        });
        let home = home.await;
        eve.behaviour_mut().memory.connect(None, [home]).unwrap();
        let hello = |event| matches!(event, Event::Subscribed { .. }).then_some(());
        gossiped(&mut eve, &mut alice, hello).await;

        say(&mut eve, "listen");
        let words = |event| match event {
            Event::Message { message, .. } => Some(message.data),
            _ => None,
        };
        assert_eq!(gossiped(&mut alice, &mut eve, words).await, b"listen");

        let memory = &mut alice.behaviour_mut().memory;
        memory.pin(name);
        for _ in 0..4 {
            memory.overstepped(name);
        }
        tell(alice.behaviour_mut(), name);
        for n in 0..5 {
            say(&mut eve, "listen again");
            // What a neighbour subscribes to is read whatever it did. When the news of it is here, so
            // is what was said before, if not this time then the next.
            let sign = IdentTopic::new(format!("sign {n}"));
            eve.behaviour_mut().gossip.subscribe(&sign).unwrap();
            let sign = |event| match event {
                Event::Subscribed { topic, .. } => (topic == sign.hash()).then_some(()),
                Event::Message { .. } => panic!("it was listened to"),
                _ => None,
            };
            gossiped(&mut alice, &mut eve, sign).await;
        }
        assert!(alice.is_connected(&name), "it is pinned");
    }

    #[test]
    fn who_is_sent_away_is_below_every_threshold_and_one_slip_below_none() {
        let thresholds = thresholds();
        let (worst_of_the_good, slip) = (1.0 - (SEND_AWAY_AT - 1.0), -1.0);
        assert!(0.99 - SEND_AWAY_AT < thresholds.graylist_threshold);
        assert!(worst_of_the_good > thresholds.graylist_threshold);
        assert!(slip > thresholds.publish_threshold && slip > thresholds.gossip_threshold);
    }

    fn node() -> Swarm<Network> {
        let key = Keypair::generate_ed25519();
        let setup = Setup {
            identify: None,
            ..Setup::new(&key)
        };
        let memory = rejoin::open_with("memory:", setup).unwrap();
        network::swarm(key, "test", memory, Extras::default()).unwrap()
    }

    fn say(swarm: &mut Swarm<Network>, words: &str) {
        let topic = network::gossip_topic("test");
        let gossip = &mut swarm.behaviour_mut().gossip;
        gossip.publish(topic, words).expect("somebody listens");
    }

    /// Drives both until the one has gossiped about it.
    async fn gossiped<T>(
        one: &mut Swarm<Network>,
        other: &mut Swarm<Network>,
        mut wanted: impl FnMut(Event) -> Option<T>,
    ) -> T {
        let wanted = |event| match event {
            SwarmEvent::Behaviour(NetworkEvent::Gossip(event)) => wanted(event),
            _ => None,
        };
        seen(one, other, wanted).await
    }

    /// Drives both until the one has seen it.
    async fn seen<T>(
        one: &mut Swarm<Network>,
        other: &mut Swarm<Network>,
        mut wanted: impl FnMut(SwarmEvent<NetworkEvent>) -> Option<T>,
    ) -> T {
        let search = async {
            loop {
                tokio::select! {
                    event = one.select_next_some() => if let Some(found) = wanted(event) {
                        return found;
                    },
                    event = other.select_next_some() => drop(event),
                }
            }
        };
        tokio::time::timeout(DEADLINE, search)
            .await
            .expect("what was waited for")
    }
}
