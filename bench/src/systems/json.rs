//! A map, written whole into one JSON file that takes the old one's place: what most programs do.

use std::{
    cmp::Reverse,
    collections::HashMap,
    fs,
    io::{self, BufWriter, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::System;
use crate::peers::Peer;

pub struct Map {
    folder: PathBuf,
    peers: HashMap<String, Known>,
}

#[derive(Serialize, Deserialize)]
struct Known {
    addresses: Vec<SocketAddr>,
    dials: u32,
}

const FILE: &str = "peers.json";

impl Map {
    pub fn open(folder: &Path) -> Self {
        let peers = match fs::read(folder.join(FILE)) {
            Ok(bytes) => serde_json::from_slice(&bytes).expect("our own file"),
            Err(_) => HashMap::new(),
        };
        Self {
            folder: folder.to_owned(),
            peers,
        }
    }
}

fn name(peer: &Peer) -> String {
    let hex = |byte: &u8| format!("{byte:02x}");
    peer.id.iter().map(hex).collect()
}

impl System for Map {
    fn insert(&mut self, peers: &[Peer]) -> Option<()> {
        for peer in peers {
            let known = Known {
                addresses: peer.addresses.to_vec(),
                dials: 0,
            };
            self.peers.insert(name(peer), known);
        }
        Some(())
    }

    fn update(&mut self, peer: &Peer) -> Option<()> {
        self.peers.get_mut(&name(peer))?.dials += 1;
        Some(())
    }

    fn best(&mut self, k: usize) -> Option<usize> {
        let mut all: Vec<_> = self.peers.iter().collect();
        if all.len() > k {
            all.select_nth_unstable_by(k, |a, b| b.1.dials.cmp(&a.1.dials));
            all.truncate(k);
        }
        all.sort_unstable_by_key(|(_, known)| Reverse(known.dials));
        Some(all.len())
    }

    fn save(&mut self) -> Option<()> {
        super::replace(&self.folder.join(FILE), |file| -> io::Result<()> {
            let mut file = BufWriter::with_capacity(1 << 20, file);
            serde_json::to_writer(&mut file, &self.peers)?;
            file.flush()
        });
        Some(())
    }

    fn load(&mut self) -> Option<()> {
        Some(()) // all of it is there
    }
}
