//! A `sqlite:` store whose file holds anything: by the first byte, bytes as they are, a sound database
//! with some of its bytes changed, or a sound database with a log beside it that says anything.

#![no_main]

use std::{fs, sync::LazyLock};

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use rejoin_fuzz::{
    fixtures::{NOW, hearsay, peer, remembering, saving},
    shelf::{Found, survives},
};
use rejoin_store::open;

/// One change of a sound database.
#[derive(Arbitrary, Debug)]
enum Edit {
    /// These bytes stand there now.
    Write { page: u8, at: u16, bytes: Vec<u8> },
    /// One page looks like another.
    Copy { from: u8, to: u8 },
    /// The end is missing.
    Cut { page: u8, at: u16 },
    /// Something hangs on.
    Append(Vec<u8>),
}

fuzz_target!(|bytes: &[u8]| {
    let Some((how, rest)) = bytes.split_first() else {
        return;
    };
    match how % 3 {
        0 => survives(&Found {
            scheme: "sqlite",
            file: rest,
            log: None,
            sealing: None,
        }),
        1 => survives(&Found {
            scheme: "sqlite",
            file: &edited(rest),
            log: None,
            sealing: None,
        }),
        _ => survives(&Found {
            scheme: "sqlite",
            file: &SOUND,
            log: Some(rest),
            sealing: None,
        }),
    }
});

const PAGE: usize = 4_096;

fn edited(bytes: &[u8]) -> Vec<u8> {
    let mut file = SOUND.clone();
    let mut plan = Unstructured::new(bytes);
    while !plan.is_empty()
        && let Ok(edit) = Edit::arbitrary(&mut plan)
    {
        edit.apply(&mut file);
    }
    file
}

impl Edit {
    fn apply(self, file: &mut Vec<u8>) {
        let pages = file.len().div_ceil(PAGE).max(1);
        let begin = |page: u8| usize::from(page) % pages * PAGE;
        let place = |page: u8, at: u16| begin(page) + usize::from(at) % PAGE;
        match self {
            Self::Write { page, at, bytes } => {
                let place = place(page, at).min(file.len());
                let room = file.len() - place;
                let bytes = &bytes[..bytes.len().min(room)];
                file[place..place + bytes.len()].copy_from_slice(bytes);
            }
            Self::Copy { from, to } => {
                let (from, to) = (begin(from), begin(to));
                if from.max(to) + PAGE <= file.len() {
                    file.copy_within(from..from + PAGE, to);
                }
            }
            Self::Cut { page, at } => file.truncate(place(page, at)),
            Self::Append(bytes) => file.extend(&bytes[..bytes.len().min(2 * PAGE)]),
        }
    }
}

/// A few peers of both pools, and a memory beside them.
static SOUND: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let path = folder.path().join("peers");
    let mut store = open(&format!("sqlite:{}", path.display()), NOW)
        .expect("a new store")
        .store;
    let mut changes = saving((0..6).map(peer).chain((6..9).map(hearsay)));
    changes.memory = remembering(9).memory;
    store.commit(&changes, NOW).expect("room on the disk");
    store.close().expect("nothing is left to do");
    fs::read(path).expect("the file that was written")
});
