//! `libp2p-peer-store`: it lives in memory only, and ranks nobody.

use std::{
    cmp::Reverse,
    net::SocketAddr,
    num::NonZeroUsize,
    task::{Context, Waker},
};

use libp2p_core::{Multiaddr, PeerId, multiaddr::Protocol};
use libp2p_peer_store::{
    Store,
    memory_store::{Config, MemoryStore},
};

use super::System;
use crate::peers::Peer;

/// With our own counter in the place it has for such things.
pub struct MemoryOnly(MemoryStore<u32>);

impl MemoryOnly {
    pub fn new(n: usize) -> Self {
        let capacity = NonZeroUsize::new(n + 1).expect("more than none");
        Self(MemoryStore::new(
            Config::default().set_peer_capacity(capacity),
        ))
    }
}

impl System for MemoryOnly {
    fn insert(&mut self, peers: &[Peer]) -> Option<()> {
        for peer in peers {
            let id = name(peer);
            for address in peer.addresses {
                self.0.add_address(&id, &multiaddr(address));
            }
        }
        // What it tells of each is kept until somebody listens.
        let mut context = Context::from_waker(Waker::noop());
        while self.0.poll(&mut context).is_ready() {}
        Some(())
    }

    fn update(&mut self, peer: &Peer) -> Option<()> {
        let id = name(peer);
        match self.0.get_custom_data_mut(&id) {
            Some(dials) => *dials += 1,
            None => self.0.insert_custom_data(&id, 1),
        }
        Some(())
    }

    /// It has no order; whoever wants the best goes through all.
    fn best(&mut self, k: usize) -> Option<usize> {
        let dials = |data: Option<&u32>| data.copied().unwrap_or(0);
        let peers = self.0.record_iter();
        let mut all: Vec<_> = peers
            .map(|(id, record)| (dials(record.get_custom_data()), *id))
            .collect();
        if all.len() > k {
            all.select_nth_unstable_by(k, |a, b| b.0.cmp(&a.0));
            all.truncate(k);
        }
        all.sort_unstable_by_key(|(dials, _)| Reverse(*dials));
        Some(all.len())
    }

    fn save(&mut self) -> Option<()> {
        None
    }

    fn load(&mut self) -> Option<()> {
        None
    }
}

fn name(peer: &Peer) -> PeerId {
    PeerId::from_bytes(&peer.libp2p_id()).expect("a peer id")
}

fn multiaddr(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip()).with(Protocol::Tcp(address.port()))
}
