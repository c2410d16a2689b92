//! What the machine itself can do: no store is faster than that.

use std::{
    fs::File,
    hint::black_box,
    io::{Seek, Write},
    path::Path,
    time::Instant,
};

use serde::Serialize;

/// What it can do.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Limits {
    /// Four KiB written over and flushed, the median.
    pub fsync_ms: f64,
    /// Written one after the other and flushed at the end.
    pub write_mb_per_s: f64,
    /// Copied in memory.
    pub memcpy_mb_per_s: f64,
}

const BLOCK: usize = 4_096;
const LARGE: usize = 256 << 20;
const TIMES: usize = 51;

impl Limits {
    /// Tries it out in a folder.
    pub fn of(folder: &Path) -> Self {
        let mut file = File::create(folder.join("limits")).expect("room");
        let large = vec![1_u8; LARGE];
        let began = Instant::now();
        file.write_all(&large).expect("room");
        file.sync_all().expect("room");
        let write = LARGE as f64 / began.elapsed().as_secs_f64();
        let mut flushes: Vec<f64> = (0..TIMES)
            .map(|_| {
                let began = Instant::now();
                file.rewind().expect("a file");
                file.write_all(&large[..BLOCK]).expect("room");
                file.sync_data().expect("room");
                began.elapsed().as_secs_f64()
            })
            .collect();
        flushes.sort_by(f64::total_cmp);
        let mut copy = vec![0_u8; LARGE];
        let began = Instant::now();
        copy.copy_from_slice(black_box(&large));
        let memcpy = LARGE as f64 / began.elapsed().as_secs_f64();
        black_box(copy);
        Self {
            fsync_ms: flushes[TIMES / 2] * 1e3,
            write_mb_per_s: write / 1e6,
            memcpy_mb_per_s: memcpy / 1e6,
        }
    }
}
