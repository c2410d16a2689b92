//! Files are torn, cut, zeroed and flipped, and the store is opened: it must open, keep the damaged file,
//! and give back every record whose bytes nobody touched.

mod mishaps;

use std::{
    fs,
    ops::Range,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    thread,
};

use fastrand::Rng;
use rejoin_core::{
    AddressRecord, Changes, Counts, PeerDelta, PeerKey, PeerRecord, Source, decay::Decayed,
};
use rejoin_store::{Notice, StoreError};
use tempfile::TempDir;

use crate::{
    increments::NOW,
    options::Options,
    outcome::{Outcome, Salvaged},
};

/// A sound store, and where in its file each record stands.
struct Store {
    scheme: &'static str,
    file: Vec<u8>,
    /// What else lies in its folder.
    beside: Vec<(PathBuf, Vec<u8>)>,
    records: Vec<(Range<usize>, PeerRecord)>,
}

/// What came of some damaged files.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    cases: u64,
    salvaged: Salvaged,
    /// Records that came back though their bytes were hit.
    restored: u64,
    hit: u64,
    refused: u64,
    /// Files that say they are of a newer version: those are to be left as they are.
    left_alone: u64,
    not_kept: u64,
    panics: u64,
}

pub fn run(options: &Options, outcome: &mut Outcome) {
    outcome.say("\ndamaged files");
    outcome.say(
        "store    damage             files  untouched records  salvaged  hit, restored  refused  \
         as newer  not kept  panics",
    );
    let stores = mishaps::Stores::fill(options);
    for series in stores.series(options) {
        eprintln!(
            "{}, {}: {} files",
            series.store.scheme, series.name, series.cases
        );
        let found = series.run();
        let Found {
            cases,
            salvaged,
            restored,
            hit,
            refused,
            left_alone,
            not_kept,
            panics,
        } = found;
        let scheme = series.store.scheme;
        outcome.say(format_args!(
            "{scheme:<7}  {:<15}  {cases:>7}  {:>17}  {:>7.3}%  {:>6} of {:<6}  {refused:>5}  \
             {left_alone:>8}  {not_kept:>8}  {panics:>6}",
            series.name,
            salvaged.untouched,
            salvaged.share() * 100.0,
            restored,
            hit,
        ));
        let sum = outcome.salvaged.entry(scheme).or_default();
        sum.found += salvaged.found;
        sum.untouched += salvaged.untouched;
        outcome.unopenable += refused;
        outcome.panics += panics;
        let name = series.name;
        outcome.broken_if(refused, format_args!("{scheme}, {name}: refused to open"));
        outcome.broken_if(
            not_kept,
            format_args!("{scheme}, {name}: damaged, not kept"),
        );
        outcome.broken_if(panics, format_args!("{scheme}, {name}: panics"));
    }
    for (scheme, promised) in [("json", 1.0), ("sqlite", 0.99)] {
        let share = outcome.salvaged.entry(scheme).or_default().share();
        if share < promised {
            outcome.broken(format_args!(
                "{scheme}: {share} of the untouched records salvaged, {promised} promised"
            ));
        }
    }
}

impl Store {
    /// Fills a store with so many peers.
    fn fill(scheme: &'static str, peers: u64) -> Self {
        let folder = folder();
        let path = folder.path().join(NAME);
        let url = format!("{scheme}:{}", path.display());
        let mut store = rejoin_store::open(&url, NOW).expect("a new store").store;
        let numbers: Vec<_> = (0..peers).collect();
        for some in numbers.chunks(100) {
            let changes = Changes {
                peers: some.iter().map(|number| met(*number)).collect(),
                ..Changes::default()
            };
            store.commit(&changes, NOW).expect("a sound disk");
        }
        store.close().expect("a sound disk");
        let file = fs::read(&path).expect("what was written");
        let records = records_in(&file);
        assert_eq!(records.len() as u64, peers, "every record in one piece");
        let mut beside = files_in(folder.path());
        beside.retain(|(name, _)| name != Path::new(NAME));
        if scheme == "json" {
            beside.clear(); // it must do without any copy
        }
        Self {
            scheme,
            file,
            beside,
            records,
        }
    }

    /// Opens this file in the place of the sound one, and takes stock.
    /// Returns how many untouched records are missing.
    fn open_damaged(&self, damaged: &[u8], folder: &Path, found: &mut Found) -> u64 {
        found.cases += 1;
        for (name, _) in files_in(folder) {
            fs::remove_file(folder.join(name)).expect("our own file");
        }
        let path = folder.join(NAME);
        fs::write(&path, damaged).expect("room");
        for (name, bytes) in &self.beside {
            fs::write(folder.join(name), bytes).expect("room");
        }
        let url = format!("{}:{}", self.scheme, path.display());
        let read = panic::catch_unwind(AssertUnwindSafe(|| read_all(&url)));
        let (notices, records) = match read {
            Ok(Ok(read)) => read,
            Ok(Err(StoreError::TooNew { .. })) if fs::read(&path).is_ok_and(|it| it == damaged) => {
                found.left_alone += 1;
                return 0;
            }
            Ok(Err(error)) => {
                eprintln!("{}: {error}", self.scheme);
                found.refused += 1;
                return 0;
            }
            Err(_) => {
                found.panics += 1;
                return 0;
            }
        };
        for notice in notices {
            let (Notice::Damaged { kept, .. } | Notice::Foreign { kept, .. }) = notice else {
                continue;
            };
            let is_kept = fs::read(kept).is_ok_and(|kept| kept == damaged);
            found.not_kept += u64::from(!is_kept);
        }
        let before = found.salvaged;
        for (range, record) in &self.records {
            let came_back = u64::from(records.contains(record));
            if damaged.get(range.clone()) == Some(&self.file[range.clone()]) {
                found.salvaged.untouched += 1;
                found.salvaged.found += came_back;
            } else {
                found.hit += 1;
                found.restored += came_back;
            }
        }
        before.missing_until(found.salvaged)
    }
}

/// What stands in a store, by key.
struct Records(Vec<PeerRecord>);

impl Records {
    fn contains(&self, record: &PeerRecord) -> bool {
        let at = self.0.binary_search_by(|it| it.key.cmp(&record.key));
        at.is_ok_and(|at| self.0[at] == *record)
    }
}

fn read_all(url: &str) -> Result<(Vec<Notice>, Records), StoreError> {
    let opened = rejoin_store::open(url, NOW)?;
    let mut store = opened.store;
    let mut records = store.scan(None, usize::MAX)?;
    let notices = [opened.notice, store.take_notices()].concat();
    store.close()?;
    records.sort_by(|a, b| a.key.cmp(&b.key));
    Ok((notices, Records(records)))
}

/// Files damaged in one way, each by its number.
struct Series<'a> {
    name: &'static str,
    store: &'a Store,
    cases: u64,
    damage: Box<Damage<'a>>,
}

/// Makes a damaged file of a sound one.
type Damage<'a> = dyn Fn(u64, &[u8]) -> Vec<u8> + Sync + 'a;

impl Series<'_> {
    fn run(&self) -> Found {
        let hands = thread::available_parallelism().map_or(1, |it| it.get() as u64);
        let work = |hand: u64| {
            let folder = folder();
            let mut found = Found::default();
            for case in (hand..self.cases).step_by(hands as usize) {
                let damaged = (self.damage)(case, &self.store.file);
                let missing = self.store.open_damaged(&damaged, folder.path(), &mut found);
                if missing > 0 {
                    let (scheme, name) = (self.store.scheme, self.name);
                    eprintln!("{scheme}, {name}, file {case}: {missing} untouched records gone");
                }
            }
            found
        };
        thread::scope(|scope| {
            let hands: Vec<_> = (0..hands)
                .map(|hand| scope.spawn(move || work(hand)))
                .collect();
            let found = hands.into_iter().map(|hand| hand.join().expect("no panic"));
            found.fold(Found::default(), Found::and)
        })
    }
}

impl Found {
    fn and(self, other: Self) -> Self {
        Self {
            cases: self.cases + other.cases,
            salvaged: Salvaged {
                found: self.salvaged.found + other.salvaged.found,
                untouched: self.salvaged.untouched + other.salvaged.untouched,
            },
            restored: self.restored + other.restored,
            hit: self.hit + other.hit,
            refused: self.refused + other.refused,
            left_alone: self.left_alone + other.left_alone,
            not_kept: self.not_kept + other.not_kept,
            panics: self.panics + other.panics,
        }
    }
}

/// A peer as a node remembers it that was met once.
fn met(number: u64) -> PeerDelta {
    let mut name = [0; 38];
    Rng::with_seed(number).fill(&mut name); // keys that no flipped bit turns into each other
    let mut record = PeerRecord::new(PeerKey::new(&name).expect("38 bytes are a key"), NOW);
    let address = format!("/ip4/8.8.{}.{}/tcp/4001", number >> 8 & 255, number & 255);
    let address = address.parse().expect("an address");
    record
        .addresses
        .push(AddressRecord::new(address, Source::Swarm, NOW));
    record.last_seen = Some(NOW);
    record.last_connected = Some(NOW);
    let unsaved = Counts {
        dials_ok: Decayed::new(3.0, NOW),
        ..Counts::default()
    };
    unsaved.put_into(&mut record.evidence);
    PeerDelta { record, unsaved }
}

/// Every record that stands in these bytes in one piece.
fn records_in(bytes: &[u8]) -> Vec<(Range<usize>, PeerRecord)> {
    let mut records = Vec::new();
    let mut at = 0;
    while let Some(found) = bytes[at..].iter().position(|byte| *byte == b'{') {
        at += found;
        let mut value = serde_json::Deserializer::from_slice(&bytes[at..]).into_iter();
        let begins = bytes[at + 1..].trim_ascii_start().starts_with(b"\"key\"");
        match value.next() {
            Some(Ok(record)) if begins => {
                let end = at + value.byte_offset();
                records.push((at..end, record));
                at = end;
            }
            _ => at += 1,
        }
    }
    records
}

fn files_in(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = fs::read_dir(folder).expect("our own folder");
    files
        .map(|file| {
            let file = file.expect("our own folder");
            (
                file.file_name().into(),
                fs::read(file.path()).expect("our own file"),
            )
        })
        .collect()
}

/// What becomes of damage does not depend on the disk, so take the fastest there is.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("a folder to work in")
}

const NAME: &str = "peers";
