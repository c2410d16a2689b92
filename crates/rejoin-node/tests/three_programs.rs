//! Two `rejoin up` and the program of fifteen lines: whichever is killed, it finds the others again.

mod common;

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use common::{Start, home, name_in};

/// Longer than anything here takes, even on a busy machine.
const LONG: Duration = Duration::from_secs(60);

#[test]
fn each_is_killed_in_turn_and_finds_the_others_again() {
    let Some(example) = example() else {
        println!("skipped: needs the example; run `cargo build -p rejoin --examples` first");
        return;
    };
    let home = home();
    let at = |name: &str| home.path().join(name);
    let (alice, at_alice) = Start::at(at("alice")).up();
    let (bob, _) = Start::at(at("bob")).knowing(&at_alice).up();
    let carols = at("carol");
    std::fs::create_dir(&carols).unwrap();
    let carol = Fifteen::start(&example, &carols, &[&at_alice]);
    bob.wait_for_peer(name_in(&at_alice));
    carol.wait_for_peer(name_in(&at_alice));
    bob.wait_until_all_saved();
    carol.wait_until_saved(&carols);

    bob.kill();
    let (bob, _) = Start::at(at("bob")).up();
    bob.wait_for_peer(name_in(&at_alice));
    bob.wait_until_all_saved();

    drop(carol); // killed, as everybody here
    let carol = Fifteen::start(&example, &carols, &[]);
    carol.wait_for_peer(name_in(&at_alice));

    alice.kill();
    let (_alice, at_alice_again) = Start::at(at("alice")).up();
    assert_eq!(at_alice, at_alice_again, "same name, same port");
    bob.wait_for_peer(name_in(&at_alice));
    carol.wait_for_peer(name_in(&at_alice));
}

/// The example of the library, built beside this test.
fn example() -> Option<PathBuf> {
    let program = Path::new(env!("CARGO_BIN_EXE_rejoin"));
    let name = format!("fifteen_lines{}", std::env::consts::EXE_SUFFIX);
    let example = program.parent()?.join("examples").join(name);
    example.exists().then_some(example)
}

/// The program of fifteen lines, running until it is dropped.
struct Fifteen {
    child: Child,
    lines: Receiver<String>,
}

impl Fifteen {
    fn start(example: &Path, folder: &Path, addresses: &[&str]) -> Self {
        let mut child = Command::new(example)
            .current_dir(folder)
            .args(addresses)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// It tells of a connection in the words of `Event::Connected`.
    #[track_caller]
    fn wait_for_peer(&self, peer: &str) {
        loop {
            let line = self.lines.recv_timeout(LONG).expect("a connection in time");
            if line.contains("Behaviour(Connected") && line.contains(peer) {
                return;
            }
        }
    }

    /// Until its memory is on the disk; it says nothing about that itself.
    #[track_caller]
    fn wait_until_saved(&self, folder: &Path) {
        for _ in 0..600 {
            let url = format!("sqlite:{}", folder.join("peers.db").display());
            let output = common::program()
                .args(["peers", "--json", "--store", &url, "--data"])
                .arg(folder)
                .output()
                .unwrap();
            let peers: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            let peers = peers["peers"].as_array().unwrap();
            if peers.iter().any(|peer| peer["pool"] == "proven") {
                return;
            }
            let _ = self.lines.recv_timeout(Duration::from_millis(100));
        }
        panic!("it saves nothing");
    }
}

impl Drop for Fifteen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
