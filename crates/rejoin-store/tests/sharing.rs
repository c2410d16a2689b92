//! Several processes with one store: nothing anybody was told is saved is ever lost, whether the
//! others write at the same time or the process is killed in the middle.
//!
//! The other processes are this very test binary, started again with a task in its environment.

mod fixtures;

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};

use rejoin_core::{Changes, Counts, PeerDelta, decay::Decayed};
use rejoin_store::{Notice, StoreError};

use fixtures::{NOW, PAGE, all, key, open, peer, saving};

const WRITERS: u64 = 16;
const PEERS_EACH: u64 = 20;

/// What a started copy of this binary does; nothing if it was not started by a test here.
#[test]
fn task() {
    let (Ok(task), Ok(url)) = (env::var("TASK"), env::var("STORE")) else {
        return;
    };
    let number = |name: &str| env::var(name).unwrap().parse::<u64>().unwrap();
    match task.as_str() {
        "write" => write(&url, number("WRITER")),
        "write for ever" => write_for_ever(&url, number("FROM")),
        "fill up" => fill_up(&url),
        other => panic!("{other}"),
    }
}

fn start(task: &str, url: &str, more: &[(&str, u64)]) -> Child {
    let mut copy = Command::new(env::current_exe().unwrap());
    copy.args(["--exact", "task", "--nocapture", "--test-threads=1"])
        .env("TASK", task)
        .env("STORE", url)
        .stdout(Stdio::piped());
    for (name, value) in more {
        copy.env(name, value.to_string());
    }
    copy.spawn().unwrap()
}

fn url(scheme: &str, folder: &Path) -> String {
    format!("{scheme}:{}", folder.join("peers").display())
}

/// Commits one peer of its own and one more dial of a peer all share, many times.
fn write(url: &str, writer: u64) {
    let mut store = patiently(|| rejoin_store::open(url, NOW)).store;
    for n in 0..PEERS_EACH {
        let mut changes = saving([peer(writer * PEERS_EACH + n)]);
        changes.peers.push(one_more_dial());
        patiently(|| store.commit(&changes, NOW));
    }
    store.close().unwrap();
}

/// Tries again for as long as others are in the way, as the error says one may: on a busy machine
/// sixteen writers without a pause keep each other waiting.
fn patiently<T>(mut attempt: impl FnMut() -> Result<T, StoreError>) -> T {
    loop {
        match attempt() {
            Ok(done) => return done,
            Err(StoreError::Busy { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn one_more_dial() -> PeerDelta {
    let unsaved = Counts {
        dials_failed: Decayed::new(1.0, NOW),
        ..Counts::default()
    };
    let mut record = peer(SHARED);
    unsaved.put_into(&mut record.evidence);
    PeerDelta { record, unsaved }
}

const SHARED: u64 = 1_000_000;

#[test]
fn mistake_09_sixteen_processes_keep_all_they_write() {
    for scheme in ["json", "sqlite"] {
        let folder = tempfile::tempdir().unwrap();
        let url = url(scheme, folder.path());
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| start("write", &url, &[("WRITER", writer)]))
            .collect();
        for writer in writers {
            let output = writer.wait_with_output().unwrap();
            assert!(output.status.success(), "{output:?}");
        }
        check_all_kept(&url);
    }
}

#[test]
fn mistake_09_sixteen_threads_keep_all_they_write() {
    for scheme in ["json", "sqlite"] {
        let folder = tempfile::tempdir().unwrap();
        let url = url(scheme, folder.path());
        thread::scope(|scope| {
            for writer in 0..WRITERS {
                let url = &url;
                scope.spawn(move || write(url, writer));
            }
        });
        check_all_kept(&url);
    }
}

#[track_caller]
fn check_all_kept(url: &str) {
    let opened = open(url);
    assert_eq!(opened.notice, []);
    let mut store = opened.store;
    let shared = store.get(&key(SHARED)).unwrap().unwrap();
    let dials = shared.evidence.dials_failed.latest();
    assert_eq!(dials, (WRITERS * PEERS_EACH) as f64, "{url}");
    for n in 0..WRITERS * PEERS_EACH {
        assert_eq!(
            store.get(&key(n)).unwrap(),
            Some(peer(n)),
            "{url}: peer {n}"
        );
    }
    assert_eq!(store.count().unwrap() as u64, WRITERS * PEERS_EACH + 1);
}

#[test]
fn one_store_sees_what_another_has_written() {
    for scheme in ["json", "sqlite"] {
        let folder = tempfile::tempdir().unwrap();
        let url = url(scheme, folder.path());
        let (mut ours, mut theirs) = (open(&url).store, open(&url).store);
        theirs.commit(&saving([peer(1)]), NOW).unwrap();
        assert_eq!(ours.get(&key(1)).unwrap(), Some(peer(1)), "{scheme}");
        ours.commit(&saving([peer(2)]), NOW).unwrap();
        assert_eq!(theirs.count().unwrap(), 2, "{scheme}");
    }
}

/// Commits peer after peer and says so after each, until it is killed.
fn write_for_ever(url: &str, from: u64) {
    let mut store = open(url).store;
    for n in from.. {
        let mut changes = saving([peer(n)]);
        changes.peers.push(one_more_dial());
        store.commit(&changes, NOW).unwrap();
        println!("saved {n}");
        std::io::stdout().flush().unwrap();
    }
}

#[test]
fn a_killed_process_loses_nothing_it_was_told_is_saved() {
    const KILLS: u64 = 30;
    for scheme in ["json", "sqlite"] {
        let folder = tempfile::tempdir().unwrap();
        let url = url(scheme, folder.path());
        let mut next = 0;
        for kill in 0..KILLS {
            let mut child = start("write for ever", &url, &[("FROM", next)]);
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let acknowledged = |line: String| line.strip_prefix("saved ")?.parse::<u64>().ok();
            // Kill it at another point of its work each time: after some answers and a few
            // microseconds more.
            let mut last = None;
            for line in lines.by_ref().map_while(Result::ok) {
                last = acknowledged(line).or(last);
                if last.is_some_and(|last| last >= next + kill % 5) {
                    break;
                }
            }
            for _ in 0..kill * 5_000 {
                std::hint::spin_loop();
            }
            child.kill().unwrap();
            child.wait().unwrap();
            last = lines
                .map_while(Result::ok)
                .filter_map(acknowledged)
                .last()
                .or(last);
            let last = last.expect("the child never got to save anything");

            let opened = open(&url);
            assert_eq!(opened.notice, [], "kill {kill}: a kill is no damage");
            let mut store = opened.store;
            let saved = all(&mut *store).len() as u64 - 1;
            // One more than acknowledged may have been on its way.
            assert!(
                saved == last + 1 || saved == last + 2,
                "kill {kill}: {saved}, told {last}"
            );
            for n in 0..=last {
                assert!(
                    store.get(&key(n)).unwrap().is_some(),
                    "kill {kill}: peer {n} lost"
                );
            }
            let shared = store.get(&key(SHARED)).unwrap().unwrap();
            assert_eq!(
                shared.evidence.dials_failed.latest(),
                saved as f64,
                "kill {kill}"
            );
            next = saved;
        }
    }
}

/// Commits until the disk says no, then proves that what was there is still there.
fn fill_up(url: &str) {
    let mut store = open(url).store;
    store.commit(&saving([peer(0)]), NOW).unwrap();
    for n in 0..1_000 {
        let batch = n * 20 + 1..n * 20 + 21;
        match store.commit(&saving(batch.clone().map(peer)), NOW) {
            Ok(()) => {}
            Err(error) => {
                assert!(
                    matches!(error, StoreError::File { .. } | StoreError::Sqlite { .. }),
                    "{error}"
                );
                assert_eq!(store.count().unwrap() as u64, batch.start);
                assert_eq!(
                    store.get(&key(batch.start - 1)).unwrap(),
                    Some(peer(batch.start - 1))
                );
                println!("full at {}", batch.start);
                return;
            }
        }
    }
    panic!("the disk was never full");
}

/// A limit on the size of files stands for a full disk: nobody's disk has to be filled.
#[cfg(unix)]
#[test]
fn a_full_disk_is_an_error_and_leaves_the_old_content_readable() {
    for scheme in ["json", "sqlite"] {
        let folder = tempfile::tempdir().unwrap();
        let url = url(scheme, folder.path());
        let output = Command::new("sh")
            .args([
                "-c",
                "trap '' XFSZ; ulimit -f 400; exec \"$0\" --exact task --nocapture",
            ])
            .arg(env::current_exe().unwrap())
            .env("TASK", "fill up")
            .env("STORE", &url)
            .output()
            .unwrap();
        assert!(output.status.success(), "{scheme}: {output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let full = text
            .split("full at ")
            .nth(1)
            .and_then(|text| text.lines().next());
        let saved: usize = full.unwrap().parse().unwrap();
        let opened = open(&url);
        assert_eq!(opened.notice, [], "{scheme}");
        let mut store = opened.store;
        assert_eq!(store.count().unwrap(), saved, "{scheme}");
        // With room again it goes on.
        store.commit(&saving([peer(1_000_000)]), NOW).unwrap();
    }
}

/// How many bytes one small commit adds to SQLite's log when this many peers are remembered.
fn bytes_of_a_commit(peers: u64) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let url = url("sqlite", folder.path());
    let mut store = open(&url).store;
    store.commit(&saving((0..peers).map(peer)), NOW).unwrap();
    store.close().unwrap(); // which empties the log
    let mut store = open(&url).store;
    let log = || {
        let path: PathBuf = folder.path().join("peers-wal");
        path.metadata().map_or(0, |log| log.len())
    };
    let before = log();
    store.commit(&saving([peer(peers + 1)]), NOW).unwrap();
    log() - before
}

#[test]
fn mistake_15_a_commit_costs_as_much_as_it_changes() {
    let (small, large) = (bytes_of_a_commit(20), bytes_of_a_commit(10_000));
    assert!(small > 0);
    // Each of the four trees may be one page deeper, and split one page at each level.
    let page_and_header = PAGE as u64 + 24;
    assert!(
        large <= small + 12 * page_and_header,
        "{small} bytes at 20 peers, {large} at 10,000"
    );
}

#[test]
fn mistake_8_the_file_is_the_one_that_was_named() {
    for scheme in ["json", "sqlite"] {
        let folder = tempfile::tempdir().unwrap();
        // Neither the version nor the network nor anything else becomes part of the name.
        let path = folder.path().join("my peers.v0");
        let url = format!("{scheme}:{}", path.display());
        let opened = open(&url);
        assert_eq!(opened.notice, [Notice::Created { path: path.clone() }]);
        drop(opened);
        let named = |name: String| name.starts_with("my peers.v0");
        let files = std::fs::read_dir(folder.path()).unwrap();
        let mut names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        assert!(names.all(named));
        assert!(path.is_file());
        let changes = Changes::default();
        open(&url).store.commit(&changes, NOW).unwrap();
    }
}
