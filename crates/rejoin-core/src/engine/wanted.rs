//! What the user wants, and how we stop.

use super::Engine;
use crate::{
    address::Address,
    input::Command,
    key::PeerKey,
    output::{DisconnectReason, Lane, Output},
    source::Source,
    sources::{Kind, Sources},
    time::Time,
};

impl Engine {
    pub(super) fn command(&mut self, now: Time, command: Command) {
        match command {
            Command::Connect { peer, addresses } => self.connect(now, peer, addresses),
            Command::AddBootstrap { peer, address } => {
                let breaker = self
                    .book
                    .memory()
                    .sources
                    .get(&Sources::server_name(&address))
                    .copied();
                if let Some(peer) = &peer {
                    let source = Source::Bootstrap;
                    self.book.introduce(now, peer, address.clone(), &source);
                }
                self.sources
                    .add_server(Kind::Manual, peer, address, breaker, &self.config);
            }
            Command::AddDirectory(directory) => self.add_directory(now, directory),
            Command::AddRelay { relay, address } => {
                self.book
                    .introduce(now, &relay, address.clone(), &Source::Manual);
                self.relays.name(relay, address);
            }
            Command::Pin(peer) => self
                .book
                .decide(now, &peer, |control| control.pinned = true),
            Command::Unpin(peer) => self
                .book
                .decide(now, &peer, |control| control.pinned = false),
            Command::Block { peer, span } => {
                self.book.decide(now, &peer, |control| {
                    control.blocked_until = Some(now + span)
                });
                self.send_away(now, peer, DisconnectReason::Blocked);
            }
            Command::Unblock(peer) => {
                self.book
                    .decide(now, &peer, |control| control.blocked_until = None);
                self.book.forgive(now, &peer);
            }
            Command::Note { peer, note } => self.book.note(now, &peer, note),
            Command::Forget(peer) => {
                self.send_away(now, peer.clone(), DisconnectReason::Forgotten);
                // Its connection may outlive the order to close it; it is nobody's from here on.
                self.disconnected(now, &peer);
                self.sources.forget(&peer);
                self.book.forget(now, &peer);
            }
            Command::Prune => self.schedule.prune_at = now,
            Command::ClearHost(ip) => self.book.clear_host(now, ip),
            Command::SetTarget(target) => self.config.target = target,
        }
        self.dialer.reorder();
    }

    pub(super) fn send_away(&mut self, now: Time, peer: PeerKey, reason: DisconnectReason) {
        if let Some(dial) = self.dialer.dial_of(&peer) {
            self.cancel(now, dial);
        }
        if self.links.contains(&peer) {
            self.outputs.push_back(Output::Disconnect { peer, reason });
        }
    }

    fn connect(&mut self, now: Time, peer: Option<PeerKey>, addresses: Vec<Address>) {
        if self.schedule.stopping.is_some() {
            return;
        }
        let Some(peer) = peer else {
            for address in addresses
                .into_iter()
                .take(self.config.addresses_per_dial.max(1))
            {
                self.make_room(now);
                let (dialer, scene, _) = self.survey(now);
                let dial = dialer.dial_address(scene, None, address, Lane::Manual);
                self.send(now, dial, false);
            }
            return;
        };
        for address in addresses {
            self.book.introduce(now, &peer, address, &Source::Manual);
        }
        if self.links.contains(&peer) || self.reach.is_me(&peer) {
            return;
        }
        if let Some(dial) = self.dialer.dial_of(&peer) {
            self.cancel(now, dial);
        }
        self.make_room(now);
        self.dial(now, &peer, Lane::Manual, true);
    }

    /// What the user wants does not wait for a free place in the air.
    fn make_room(&mut self, now: Time) {
        if self.dialer.len() >= self.config.dials_max
            && let Some(oldest) = self.dialer.oldest()
        {
            self.cancel(now, oldest);
        }
    }

    pub(super) fn shutdown(&mut self, now: Time) {
        let failures = self.book.unsaved().status().failures;
        self.schedule.stopping.get_or_insert(failures);
        for relay in self.relays.release_all() {
            self.outputs.push_back(Output::Release { relay });
        }
        for dial in self.dialer.in_lanes(&Lane::ALL) {
            self.cancel(now, dial);
        }
    }
}
