//! What each system goes through, in a process and a folder of its own.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::{
    peers::{self, Peer, peer},
    systems::System,
};

/// What it took. What a system cannot do is `None`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Which system.
    pub system: String,
    /// How many peers it held.
    pub n: usize,
    /// One peer more, on average over all.
    pub insert_us: Option<f64>,
    /// One dial more of a peer it knows.
    pub update_us: Option<f64>,
    /// The best five.
    pub best5_us: Option<f64>,
    /// The best twenty.
    pub best20_us: Option<f64>,
    /// One dial more, and safe on the disk.
    pub save_one_ms: Option<f64>,
    /// All of them safe on the disk for the first time.
    pub save_all_ms: Option<f64>,
    /// From nothing in memory to the best twenty.
    pub reopen_first_ms: Option<f64>,
    /// From nothing in memory to all of them.
    pub load_all_ms: Option<f64>,
    /// All its files.
    pub disk_bytes_per_peer: Option<f64>,
    /// What a process has grown by that has loaded all of them; of what is not loaded, or not saved, one
    /// that has taken them in.
    pub memory_bytes_per_peer: Option<f64>,
}

/// Peers handed over at a time.
pub const BATCH: usize = 1_000;

/// Dials that count, unless so many take too long.
pub const UPDATES: u64 = 10_000;
pub const UPDATE_FOR: Duration = Duration::from_secs(10);

/// The same is done again for so long, and so often at least and at most; the median counts.
pub const AGAIN_FOR: Duration = Duration::from_millis(300);
pub const AGAIN_MIN: usize = 5;
pub const AGAIN_MAX: usize = 1_000;

impl Row {
    /// Sends a system along it that opens what lies in a folder, with room for so many peers.
    pub fn of(
        name: &str,
        open: fn(&Path, usize) -> Box<dyn System>,
        n: usize,
        folder: &Path,
    ) -> Self {
        let before = resident_bytes();
        let mut system = open(folder, n);
        let insert = insert(&mut *system, n);
        let memory = resident_bytes().zip(before);
        let memory = memory.map(|(after, before)| after.saturating_sub(before));

        let save_all = timed(|| system.save());
        let known: Vec<_> = peers::some(UPDATES, n as u64).collect();
        let update = update(&mut *system, &known);
        system.save();
        let mut best = |k| {
            let named =
                |system: &mut dyn System| system.best(k).map(|got| assert_eq!(got, k.min(n)));
            again(|| named(&mut *system))
        };
        let (best5, best20) = (best(5), best(20));
        let mut dialled = known.iter().cycle();
        let save_one = again(|| {
            system.update(dialled.next()?)?;
            system.save()
        });
        drop(system);
        let saved = save_all.is_some();
        let disk = saved.then(|| bytes_of(folder));
        let reopen = saved.then(|| {
            again(|| {
                let mut system = open(folder, n);
                system.best(20).map(|got| assert_eq!(got, 20.min(n)))?;
                Some(system) // closing it is no part of it
            })
        });
        let per_peer = |bytes: Option<u64>| bytes.map(|bytes| bytes as f64 / n as f64);
        let us = |span: Option<Duration>| span.map(|span| span.as_secs_f64() * 1e6);
        let ms = |span: Option<Duration>| span.map(|span| span.as_secs_f64() * 1e3);
        Self {
            system: name.into(),
            n,
            insert_us: us(insert),
            update_us: us(update),
            best5_us: us(best5),
            best20_us: us(best20),
            save_one_ms: ms(save_one),
            save_all_ms: ms(save_all),
            reopen_first_ms: ms(reopen.flatten()),
            load_all_ms: None,
            disk_bytes_per_peer: per_peer(disk),
            memory_bytes_per_peer: per_peer(memory),
        }
    }

    /// With what another process found that loaded what this one saved.
    pub fn and(self, loaded: Option<&Loaded>) -> Self {
        let Some(Loaded { ms, bytes }) = loaded else {
            return self;
        };
        Self {
            load_all_ms: Some(*ms),
            memory_bytes_per_peer: Some(*bytes as f64 / self.n as f64),
            ..self
        }
    }

    /// Of a system that is not measured with so many.
    pub fn blank(name: &str, n: usize) -> Self {
        Self {
            system: name.into(),
            n,
            insert_us: None,
            update_us: None,
            best5_us: None,
            best20_us: None,
            save_one_ms: None,
            save_all_ms: None,
            reopen_first_ms: None,
            load_all_ms: None,
            disk_bytes_per_peer: None,
            memory_bytes_per_peer: None,
        }
    }

    /// The medians of several runs of the same, figure by figure.
    pub fn median(runs: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> Option<f64>| {
            let mut all: Vec<f64> = runs.iter().filter_map(figure).collect();
            all.sort_by(f64::total_cmp);
            all.get(all.len() / 2).copied()
        };
        Self {
            system: runs[0].system.clone(),
            n: runs[0].n,
            insert_us: of(|row| row.insert_us),
            update_us: of(|row| row.update_us),
            best5_us: of(|row| row.best5_us),
            best20_us: of(|row| row.best20_us),
            save_one_ms: of(|row| row.save_one_ms),
            save_all_ms: of(|row| row.save_all_ms),
            reopen_first_ms: of(|row| row.reopen_first_ms),
            load_all_ms: of(|row| row.load_all_ms),
            disk_bytes_per_peer: of(|row| row.disk_bytes_per_peer),
            memory_bytes_per_peer: of(|row| row.memory_bytes_per_peer),
        }
    }
}

/// What it takes to have all in memory.
#[derive(Serialize, Deserialize)]
pub struct Loaded {
    ms: f64,
    bytes: u64,
}

impl Loaded {
    /// Loads into this process, where nothing else was before, what a system has saved in a folder.
    /// `None` if it has no use for that.
    pub fn of(open: fn(&Path, usize) -> Box<dyn System>, n: usize, folder: &Path) -> Option<Self> {
        let (before, began) = (resident_bytes()?, Instant::now());
        let mut system = open(folder, n);
        system.load()?;
        let ms = began.elapsed().as_secs_f64() * 1e3;
        let bytes = resident_bytes()?.saturating_sub(before);
        Some(Self { ms, bytes })
    }
}

/// Only what the system does counts, not the making of the peers.
fn insert(system: &mut dyn System, n: usize) -> Option<Duration> {
    let mut took = Some(Duration::ZERO);
    for first in (0..n).step_by(BATCH) {
        let batch: Vec<Peer> = (first..n.min(first + BATCH))
            .map(|n| peer(n as u64))
            .collect();
        let more = timed(|| system.insert(&batch));
        took = took.zip(more).map(|(took, more)| took + more);
    }
    took.map(|took| took / n as u32)
}

fn update(system: &mut dyn System, known: &[Peer]) -> Option<Duration> {
    let began = Instant::now();
    let mut done = 0;
    for some in known.chunks(100) {
        for peer in some {
            system.update(peer)?;
        }
        done += some.len();
        if began.elapsed() > UPDATE_FOR {
            break;
        }
    }
    Some(began.elapsed() / done as u32)
}

/// How long it takes to come to something, and not how long to part with it.
fn timed<T>(work: impl FnOnce() -> Option<T>) -> Option<Duration> {
    let began = Instant::now();
    let done = work()?;
    let took = began.elapsed();
    drop(done);
    Some(took)
}

/// The median of doing it again and again.
fn again<T>(mut work: impl FnMut() -> Option<T>) -> Option<Duration> {
    let began = Instant::now();
    let mut took = Vec::new();
    while took.len() < AGAIN_MIN || (began.elapsed() < AGAIN_FOR && took.len() < AGAIN_MAX) {
        took.push(timed(&mut work)?);
    }
    took.sort();
    took.get(took.len() / 2).copied()
}

fn bytes_of(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).expect("our own folder");
    let bytes = entries.map(|entry| {
        let entry = entry.expect("our own folder");
        match entry.metadata() {
            Ok(it) if it.is_dir() => bytes_of(&entry.path()),
            it => it.map_or(0, |it| it.len()),
        }
    });
    bytes.sum()
}

/// What of this process lies in memory, where the system says so.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib * 1024)
}
