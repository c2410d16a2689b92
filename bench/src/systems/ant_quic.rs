//! The bootstrap cache of `ant-quic`: everything in memory, and one JSON file.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use ant_quic::{
    PeerId,
    bootstrap_cache::{BootstrapCache, BootstrapCacheConfig, CachedPeer, PeerSource},
};
use tokio::runtime::{Builder, Runtime};

use super::System;
use crate::peers::Peer;

pub struct Cache {
    runtime: Runtime,
    cache: BootstrapCache,
    folder: PathBuf,
}

impl Cache {
    pub fn open(folder: &Path, n: usize) -> Self {
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let config = BootstrapCacheConfig::builder()
            .cache_dir(folder)
            .max_peers(n * 2 + 100) // above that it throws out a twentieth
            .min_peers_to_save(1)
            .epsilon(0.0) // the best, and nobody by lot
            .build();
        let cache = runtime.block_on(BootstrapCache::open(config));
        Self {
            cache: cache.expect("a cache"),
            runtime,
            folder: folder.to_owned(),
        }
    }
}

impl System for Cache {
    fn insert(&mut self, peers: &[Peer]) -> Option<()> {
        self.runtime.block_on(async {
            for peer in peers {
                let addresses = peer.addresses.to_vec();
                let peer = CachedPeer::new(PeerId(peer.id), addresses, PeerSource::Seed);
                self.cache.upsert(peer).await;
            }
        });
        Some(())
    }

    fn update(&mut self, peer: &Peer) -> Option<()> {
        let id = PeerId(peer.id);
        self.runtime.block_on(self.cache.record_success(&id, 40));
        Some(())
    }

    fn best(&mut self, k: usize) -> Option<usize> {
        Some(self.runtime.block_on(self.cache.select_peers(k)).len())
    }

    fn save(&mut self) -> Option<()> {
        self.runtime.block_on(self.cache.save()).expect("room");
        // It leaves that out.
        for path in [
            self.folder.join("bootstrap_cache.json"),
            self.folder.clone(),
        ] {
            let flushed = File::open(path).and_then(|file| file.sync_all());
            flushed.expect("it was just written");
        }
        Some(())
    }

    fn load(&mut self) -> Option<()> {
        Some(()) // all of it is there
    }
}
