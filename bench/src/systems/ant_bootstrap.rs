//! The cache of `ant-bootstrap`: a list, newest first, and one JSON file.

use std::{collections::VecDeque, net::SocketAddr, path::Path};

use ant_bootstrap::{BootstrapCacheStore, BootstrapConfig, cache_store::cache_data_v1::CacheData};
use multiaddr::{Multiaddr, PeerId, Protocol};
use tokio::runtime::{Builder, Runtime};

use super::System;
use crate::peers::Peer;

/// For below the table.
pub const NOTE: &str = "it goes through its list for every address it is told, so a million were put \
    into the list straight; it keeps no count of dials: its best are the last to come";

/// With more peers, each would take longer than a millisecond.
const BY_ITSELF: usize = 100_000;

pub struct Cache {
    config: BootstrapConfig,
    runtime: Runtime,
    list: List,
    straight: bool,
}

enum List {
    /// What a node adds to.
    Store(BootstrapCacheStore),
    /// What it reads back, which no store takes in.
    Data(CacheData),
}

impl Cache {
    pub fn open(folder: &Path, n: usize) -> Self {
        let config = BootstrapConfig::new(true)
            .with_cache_dir(folder)
            .with_max_cached_peers(usize::MAX)
            .with_disable_env_peers(true);
        let straight = n > BY_ITSELF;
        let list = match BootstrapCacheStore::load_cache_data(&config) {
            Ok(data) => List::Data(data),
            Err(_) if straight => List::Data(CacheData::default()),
            Err(_) => {
                let store = BootstrapCacheStore::new(config.clone());
                List::Store(store.expect("our own folder"))
            }
        };
        Self {
            config,
            runtime: Builder::new_current_thread().build().expect("a runtime"),
            list,
            straight,
        }
    }
}

impl System for Cache {
    fn insert(&mut self, peers: &[Peer]) -> Option<()> {
        for peer in peers {
            let addresses = peer.addresses.map(|address| multiaddr(peer, address));
            match &mut self.list {
                List::Store(store) => self.runtime.block_on(async {
                    for address in addresses {
                        store.add_addr(address).await;
                    }
                }),
                List::Data(data) => data
                    .peers
                    .push_front((name(peer), VecDeque::from(addresses))),
            }
        }
        (!self.straight).then_some(())
    }

    fn update(&mut self, peer: &Peer) -> Option<()> {
        let address = multiaddr(peer, peer.addresses[0]);
        match &mut self.list {
            List::Store(store) => self.runtime.block_on(store.add_addr(address)),
            List::Data(data) => {
                let (addresses, peers) = (
                    self.config.max_addrs_per_cached_peer,
                    self.config.max_cached_peers,
                );
                data.add_peer(name(peer), [address].iter(), addresses, peers);
            }
        }
        Some(())
    }

    /// It hands out all, by one address each.
    fn best(&mut self, k: usize) -> Option<usize> {
        let mut all: Vec<Multiaddr> = match &self.list {
            List::Store(store) => self.runtime.block_on(store.get_all_addrs()),
            List::Data(data) => data.get_all_addrs().cloned().collect(),
        };
        all.truncate(k);
        Some(all.len())
    }

    fn save(&mut self) -> Option<()> {
        match &self.list {
            List::Store(store) => self.runtime.block_on(store.write()),
            List::Data(data) => {
                let file = BootstrapCacheStore::cache_file_name(self.config.local);
                data.write_to_file(&self.config.cache_dir, &file)
            }
        }
        .expect("room");
        Some(())
    }

    fn load(&mut self) -> Option<()> {
        Some(()) // all of it is there
    }
}

fn name(peer: &Peer) -> PeerId {
    PeerId::from_bytes(&peer.libp2p_id()).expect("a peer id")
}

/// It takes QUIC over IPv4.
fn multiaddr(peer: &Peer, address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip())
        .with(Protocol::Udp(address.port()))
        .with(Protocol::QuicV1)
        .with(Protocol::P2p(name(peer)))
}
