//! A port of Bitcoin's address manager: one table of slots, in memory, and a file of all of it.

use std::{
    fs::File,
    net::IpAddr,
    path::{Path, PathBuf},
    thread,
};

use bitcoin::p2p::{ServiceFlags, address::AddrV2};
use bitcoin_address_book::{Record, io::FileExt};

use super::System;
use crate::peers::Peer;

/// For below the table.
pub const NOTE: &str = "not Bitcoin's own code; it knows addresses, not peers, and one per host; who \
    hashes to a slot that is taken is lost, 8 % of 10,000, 5 % of 100,000, 11 % of a million; it \
    ranks nobody, so its best are drawn by lot";

/// Its own size as long as that has room, and else as many more buckets.
pub fn open(folder: &Path, n: usize) -> Box<dyn System> {
    match n {
        0..=10_000 => Box::new(Table::<1_024, 64, 64>::open(folder)),
        10_001..=100_000 => Box::new(Table::<16_384, 64, 128>::open(folder)),
        _ => Box::new(Table::<65_536, 64, 256>::open(folder)),
    }
}

const FILE: &str = "peers.dat";

type Slots<const B: usize, const S: usize, const W: usize> = bitcoin_address_book::Table<B, S, W>;

pub struct Table<const B: usize, const S: usize, const W: usize> {
    slots: Box<Slots<B, S, W>>,
    folder: PathBuf,
}

impl<const B: usize, const S: usize, const W: usize> Table<B, S, W> {
    /// A table passes over the stack, whole and several times.
    const STACK: usize = 8 * size_of::<Slots<B, S, W>>() + (8 << 20);

    pub fn open(folder: &Path) -> Self {
        let path = folder.join(FILE);
        let read = move || match File::open(path) {
            Ok(mut file) => Box::new(file.read_table().expect("our own file")),
            Err(_) => Box::new(Slots::new()),
        };
        let reader = thread::Builder::new().stack_size(Self::STACK).spawn(read);
        let slots = reader.expect("a thread").join();
        Self {
            slots: slots.expect("a large stack"),
            folder: folder.to_owned(),
        }
    }
}

impl<const B: usize, const S: usize, const W: usize> System for Table<B, S, W> {
    fn insert(&mut self, peers: &[Peer]) -> Option<()> {
        for peer in peers {
            self.slots.add(&record(peer));
        }
        Some(())
    }

    fn update(&mut self, peer: &Peer) -> Option<()> {
        self.slots.successful_connection(&record(peer));
        Some(())
    }

    fn best(&mut self, k: usize) -> Option<usize> {
        let mut drawn: Vec<Record> = Vec::with_capacity(k);
        for _ in 0..k * 100 {
            let record = self.slots.select()?;
            let address = record.network_addr();
            if drawn.iter().all(|it| it.network_addr() != address) {
                drawn.push(record);
            }
            if drawn.len() == k {
                break;
            }
        }
        Some(drawn.len())
    }

    /// Its own way writes over the old file, which a crash would leave in pieces.
    fn save(&mut self) -> Option<()> {
        super::replace(&self.folder.join(FILE), |file| {
            file.write_table(&*self.slots)
        });
        Some(())
    }

    fn load(&mut self) -> Option<()> {
        Some(()) // all of it is there
    }
}

/// The first address, of which the peer itself has told.
fn record(peer: &Peer) -> Record {
    let [address, _] = peer.addresses;
    let ip = match address.ip() {
        IpAddr::V4(ip) => AddrV2::Ipv4(ip),
        IpAddr::V6(ip) => AddrV2::Ipv6(ip),
    };
    Record::new(ip, address.port(), ServiceFlags::NETWORK, &address.ip())
}
