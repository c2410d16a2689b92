//! What each event from the swarm means to the node.

use std::time::Duration;

use libp2p::{
    Multiaddr, PeerId, autonat, core::transport::ListenerId, gossipsub, identify, kad, mdns,
    swarm::SwarmEvent, upnp,
};
use rejoin::{Consequence, Event, Source};
use rejoin_core::{
    Tested,
    record::ADDRESSES_MAX,
    retention::{Fate, PruneReport},
};
use rejoin_libp2p::now;

use super::{Daemon, is_local};
use crate::{
    checkup::Router,
    esteem,
    mind::Mind,
    network::{self, NetworkEvent},
    news::News,
    relaying,
};

/// Addresses of our own kept for `status`: a machine with many interfaces.
const LISTENING_MAX: usize = 64;

/// Addresses of neighbours taken in at once: an office of them.
const NEIGHBOURS_MAX: usize = 200;

/// A peer of another network is not dealt with for so long; then it may have moved to ours.
const OTHER_NETWORK: Duration = Duration::from_secs(600);

impl Daemon {
    pub(super) fn on_event(&mut self, event: SwarmEvent<NetworkEvent>) {
        match event {
            SwarmEvent::Behaviour(NetworkEvent::Memory(event)) => self.on_memory(event),
            SwarmEvent::Behaviour(NetworkEvent::Identify(event)) => self.on_identify(&event),
            SwarmEvent::Behaviour(NetworkEvent::Kad(event)) => self.on_kad(event),
            SwarmEvent::Behaviour(NetworkEvent::Autonat(event)) => self.on_autonat(event),
            SwarmEvent::Behaviour(NetworkEvent::Upnp(event)) => self.on_upnp(&event),
            SwarmEvent::Behaviour(NetworkEvent::Gossip(event)) => self.on_gossip(event),
            SwarmEvent::Behaviour(NetworkEvent::Rendezvous(event)) => {
                self.questions.rendezvous.on_event(event, now());
            }
            SwarmEvent::Behaviour(NetworkEvent::Mdns(event)) => self.on_mdns(event),
            SwarmEvent::NewListenAddr {
                listener_id,
                address,
            } => self.listening(listener_id, address),
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                let gone = self.with_my_name(address);
                self.facts.listening.retain(|known| *known != gone);
                self.show_relay();
                self.lookout.look_again();
            }
            SwarmEvent::ConnectionEstablished {
                peer_id, endpoint, ..
            } => {
                self.connects.connected(peer_id, &endpoint, now());
                esteem::tell(self.swarm.behaviour_mut(), peer_id);
                let rendezvous = &mut self.questions.rendezvous;
                rendezvous.connected(&mut self.swarm, peer_id);
            }
            SwarmEvent::OutgoingConnectionError { peer_id, error, .. } => {
                self.connects.failed(peer_id, &error);
                self.questions.rendezvous.not_connected(peer_id, &error);
            }
            _ => {} // `SwarmEvent` is non-exhaustive; the rest does not concern us
        }
    }

    fn on_memory(&mut self, event: Event) {
        let target = self.settings.target;
        match event {
            Event::Connected {
                peer,
                connections,
                remembered,
            } => {
                let since = self.status().numbers.since;
                self.tell(News::Connected {
                    peer: peer.to_string(),
                    connections,
                    target,
                    remembered,
                    since_ms: millis(now().since(since)),
                });
            }
            Event::Disconnected { peer, connections } => self.tell(News::Disconnected {
                peer: peer.to_string(),
                connections,
                target,
            }),
            Event::TargetReached { took } => {
                let connections = self.status().connections;
                self.tell(News::TargetReached {
                    connections,
                    took_ms: millis(took),
                });
            }
            Event::OutageBegan => self.tell(News::OutageBegan),
            Event::OutageEnded { lasted } => self.tell(News::OutageEnded {
                lasted_ms: millis(lasted),
            }),
            Event::Pruned(report) => self.tell(pruned(&report)),
            Event::Misbehaved { peer, consequence } => {
                esteem::tell(self.swarm.behaviour_mut(), peer);
                let record = self.swarm.behaviour().memory.peer(peer);
                let until = record.and_then(|record| record.blocked_until(now()));
                self.tell(News::Misbehaved {
                    peer: peer.to_string(),
                    consequence: match consequence {
                        Consequence::Spared => "spared",
                        Consequence::SentAway => "sent_away",
                        Consequence::Banned => "banned",
                    },
                    out_for_ms: until.map(|until| millis(until.since(now()))),
                });
            }
            Event::Repaired { values } => {
                let repaired = &mut self.trouble.repaired;
                *repaired = repaired.saturating_add(values);
                self.tell(News::Repaired { values });
            }
            Event::Gossip { message } => self.gossip(message),
            Event::Consult {
                ask,
                directory,
                within,
            } => self
                .questions
                .begin(&mut self.swarm, ask, directory, within),
            Event::Discover => self.discover(),
            _ => {} // `Event` is non-exhaustive
        }
    }

    /// Looks for strangers in the neighbourhood of our own name, and somewhere else.
    fn discover(&mut self) {
        let kad = &mut self.swarm.behaviour_mut().kad;
        // It fails when nobody is known yet; whoever says first where it listens will be asked.
        self.searching = kad.bootstrap().is_err();
        if !self.searching {
            kad.get_closest_peers(PeerId::random());
        }
    }

    fn on_identify(&mut self, event: &identify::Event) {
        let identify::Event::Received { peer_id, info, .. } = event else {
            return;
        };
        // Who names no network at all, as foreign programs do, may be a neighbour of ours.
        let theirs = network::named_in(&info.protocol_version);
        if theirs.is_some_and(|theirs| theirs != self.settings.network) {
            self.memory().block(*peer_id, OTHER_NETWORK);
            self.tell(News::OtherNetwork {
                peer: peer_id.to_string(),
                network: info
                    .protocol_version
                    .chars()
                    .filter(|c| !c.is_control())
                    .take(64)
                    .collect(),
            });
            return;
        }
        self.memory().on_identify(event);
        if info
            .protocols
            .contains(&network::kad_protocol(&self.settings.network))
        {
            for address in info.listen_addrs.iter().take(ADDRESSES_MAX) {
                let kad = &mut self.swarm.behaviour_mut().kad;
                kad.add_address(peer_id, address.clone());
            }
            if self.searching {
                self.discover();
            }
        }
    }

    fn on_kad(&mut self, event: kad::Event) {
        let kad::Event::OutboundQueryProgressed {
            result: kad::QueryResult::GetClosestPeers(Ok(found)),
            ..
        } = event
        else {
            return;
        };
        for peer in found.peers {
            self.memory().heard(Source::Swarm, peer.peer_id, peer.addrs);
        }
    }

    /// Somebody tried to reach us at an address of ours.
    fn on_autonat(&mut self, event: autonat::v2::client::Event) {
        let outcome = match event.result {
            Ok(()) => Tested::Reached,
            Err(_) => Tested::Failed,
        };
        self.memory()
            .tested(event.tested_addr, event.server, outcome);
    }

    fn on_upnp(&mut self, event: &upnp::Event) {
        self.router = match event {
            upnp::Event::NewExternalAddr { .. } => Router::Opened,
            upnp::Event::ExpiredExternalAddr { .. } => Router::Asked,
            upnp::Event::GatewayNotFound => Router::Absent,
            upnp::Event::NonRoutableGateway => Router::Shadowed,
        };
    }

    /// A relay offers itself once it has addresses at which others reach it. Whoever made us one
    /// says that they do, so nobody has to try first.
    fn show_relay(&mut self) {
        // Where the user says by which, that is all there is to say.
        if !self.settings.relay_server || !self.settings.external.is_empty() {
            return;
        }
        let listening: Vec<Multiaddr> = self.swarm.listeners().cloned().collect();
        let shown = relaying::reached_by(&listening);
        let external: Vec<Multiaddr> = self.swarm.external_addresses().cloned().collect();
        for gone in listening.iter().filter(|it| !shown.contains(it)) {
            if external.contains(gone) {
                self.swarm.remove_external_address(gone);
            }
        }
        for address in shown {
            if !external.contains(&address) {
                self.swarm.add_external_address(address);
            }
        }
    }

    /// Tells our neighbours. Where there are none yet, the next round finds some.
    fn gossip(&mut self, message: Vec<u8>) {
        let topic = network::gossip_topic(&self.settings.network);
        if let Err(error) = self.swarm.behaviour_mut().gossip.publish(topic, message) {
            tracing::debug!(%error, "a round of gossip reaches nobody");
        }
    }

    fn on_gossip(&mut self, event: gossipsub::Event) {
        let gossipsub::Event::Message {
            propagation_source,
            message_id,
            message,
        } = event
        else {
            return;
        };
        let network = self.swarm.behaviour_mut();
        // Read, and not forwarded: what is worth passing on is told in a round of our own.
        network.gossip.report_message_validation_result(
            &message_id,
            &propagation_source,
            gossipsub::MessageAcceptance::Ignore,
        );
        // Nobody forwards, so whoever brings a message has written it.
        if message.source == Some(propagation_source) {
            network.memory.on_gossip(propagation_source, &message.data);
            esteem::tell(network, propagation_source);
        }
    }

    /// Neighbours announce themselves; nobody has to ask.
    fn on_mdns(&mut self, event: mdns::Event) {
        let mdns::Event::Discovered(found) = event else {
            return; // the engine forgets by itself
        };
        for (peer, address) in found.into_iter().take(NEIGHBOURS_MAX) {
            self.memory().heard(Source::Mdns, peer, [address]);
        }
    }

    fn listening(&mut self, listener: ListenerId, address: Multiaddr) {
        if let Some(wanted) = self.listeners.get(&listener)
            && self.ports.note(wanted, &address)
            && let Err(error) = self.ports.save(&self.settings.place.folder)
        {
            tracing::warn!(%error, "the next start may get other ports");
        }
        let local = !self.settings.listen_chosen && is_local(&address);
        let address = self.with_my_name(address);
        if self.facts.listening.contains(&address) {
            return; // a relay has renewed its slot
        }
        if self.facts.listening.len() < LISTENING_MAX {
            self.facts.listening.push(address.clone());
        }
        self.show_relay();
        self.tell(News::Listening { address, local });
        self.lookout.look_again();
    }

    fn with_my_name(&self, address: Multiaddr) -> String {
        // A circuit comes with it.
        let named = address.with_p2p(self.me());
        named.unwrap_or_else(|address| address).to_string()
    }
}

fn pruned(report: &PruneReport) -> News {
    let count = |fate| {
        report
            .fates
            .iter()
            .filter(|sentence| sentence.fate == fate)
            .count()
    };
    News::Pruned {
        forgotten: count(Fate::Forget),
        demoted: count(Fate::Demote),
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
