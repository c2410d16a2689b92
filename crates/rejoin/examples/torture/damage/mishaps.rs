//! What happens to the files: each series from nothing but its number and the seed.

use fastrand::Rng;

use super::{Series, Store};
use crate::options::Options;

/// The stores that are damaged.
pub(super) struct Stores {
    json: Store,
    sqlite: Store,
}

impl Stores {
    pub(super) fn fill(options: &Options) -> Self {
        Self {
            json: Store::fill("json", 100),
            sqlite: Store::fill("sqlite", options.full_or_quick(2_000, 500)),
        }
    }

    pub(super) fn series(&self, options: &Options) -> Vec<Series<'_>> {
        let seed = options.seed;
        let lot = move |case: u64| Rng::with_seed(seed.wrapping_mul(LOTS).wrapping_add(case));
        let bytes = self.json.file.len() as u64;
        let step = options.full_or_quick(1, STEP_QUICK);
        let cases = options.full_or_quick(2_000, 40);
        let in_json = |name, cases, damage| Series {
            name,
            store: &self.json,
            cases,
            damage,
        };
        let in_sqlite = |name, damage| Series {
            name,
            store: &self.sqlite,
            cases,
            damage,
        };
        vec![
            in_json(
                "cut",
                bytes.div_ceil(step),
                Box::new(move |case, file| file[..(case * step) as usize].to_vec()),
            ),
            in_json(
                "a bit flipped",
                HEAD + (bytes - HEAD).div_ceil(step),
                Box::new(move |case, file| {
                    let at = match case.checked_sub(HEAD) {
                        None => case, // where the file says what it is
                        Some(case) => HEAD + case * step,
                    };
                    let mut file = file.to_vec();
                    file[at as usize] ^= 1 << lot(case).u8(..8);
                    file
                }),
            ),
            in_sqlite(
                "pages zeroed",
                Box::new(move |case, file| {
                    let (mut lot, mut file) = (lot(case), file.to_vec());
                    for _ in 0..lot.usize(1..=4) {
                        let at = lot.usize(..file.len() / PAGE) * PAGE;
                        file[at..at + PAGE].fill(0);
                    }
                    file
                }),
            ),
            in_sqlite(
                "bits flipped",
                Box::new(move |case, file| {
                    let (mut lot, mut file) = (lot(case), file.to_vec());
                    for _ in 0..lot.usize(1..=32) {
                        let at = lot.usize(..file.len());
                        file[at] ^= 1 << lot.u8(..8);
                    }
                    file
                }),
            ),
            in_sqlite(
                "cut",
                Box::new(move |case, file| file[..lot(case).usize(..file.len())].to_vec()),
            ),
            in_sqlite(
                "in the first page",
                Box::new(move |case, file| {
                    let (mut lot, mut file) = (lot(case), file.to_vec());
                    for _ in 0..lot.usize(1..=3) {
                        file[lot.usize(..100)] ^= 1 << lot.u8(..8);
                    }
                    file
                }),
            ),
        ]
    }
}

/// No two series share a lot.
const LOTS: u64 = 1 << 32;

/// The first bytes of a JSON file are all tried, also in the short form.
const HEAD: u64 = 100;

/// A prime: it meets every place within a line of the file.
const STEP_QUICK: u64 = 199;

/// SQLite's default.
const PAGE: usize = 4096;
