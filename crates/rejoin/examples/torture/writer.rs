//! A process that does nothing but save, and says so each time.

use std::{
    io::{self, Write, stdout},
    process::exit,
};

use rejoin_store::StoreError;

use crate::{
    increments::{NOW, one_more},
    process::{ACKNOWLEDGED, REFUSED},
};

/// How a copy of this program is told to write; where, as which writer, and how often follow.
pub const TASK: &str = "write";

/// Commits so often, and closes the store. Writes a line once it has been told that a commit is saved.
pub fn run(words: &[String]) -> ! {
    let [url, number, times] = words else {
        panic!("a writer is given a place, a number and how often: {words:?}");
    };
    let number = number.parse().expect("the number of a writer");
    let times: u64 = times.parse().expect("how often");
    let mut store = patiently(|| rejoin_store::open(url, NOW)).store;
    let changes = one_more(number);
    for _ in 0..times {
        patiently(|| store.commit(&changes, NOW));
        tell(ACKNOWLEDGED);
    }
    if let Err(error) = store.close() {
        eprintln!("writer {number}: {error}");
    }
    exit(0);
}

/// Tries again, for as long as others are in the way or somebody makes the disk fail.
fn patiently<T>(mut attempt: impl FnMut() -> Result<T, StoreError>) -> T {
    loop {
        match attempt() {
            Ok(done) => return done,
            Err(StoreError::Busy { .. }) => {}
            Err(error) => tell(&format!("{REFUSED}{error}")),
        }
    }
}

fn tell(line: &str) {
    let mut out = stdout().lock();
    let told: io::Result<()> = writeln!(out, "{line}").and_then(|()| out.flush());
    if told.is_err() {
        exit(0); // whoever started us is gone, and then so are we
    }
}
