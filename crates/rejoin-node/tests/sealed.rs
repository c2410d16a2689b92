//! A sealed memory as a user has it: real nodes, real files, keys from where the user says.

mod common;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use common::{Start, files_with, home, name_in, program};
use serde_json::Value;
use tempfile::TempDir;

/// Runs a command and gives it this on its standard input.
fn run_with(data: &Path, input: &str, arguments: &[&str]) -> Output {
    let mut child = program()
        .args(arguments)
        .arg("--data")
        .arg(data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that needs no key does not read it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

#[track_caller]
fn json_with(data: &Path, input: &str, arguments: &[&str]) -> Value {
    let output = run_with(data, input, &[arguments, &["--json"]].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[track_caller]
fn refused(output: &Output, reason: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(reason), "{said}");
}

/// Alice's folder, all of it sealed with a key file, after she has met bob at this address.
struct Met {
    home: TempDir,
    data: PathBuf,
    key: String,
    bob: String,
    at_bob: String,
}

fn met(scheme: &str) -> Met {
    let home = home();
    let data = home.path().join("alice");
    let key = home.path().join("alice.key").display().to_string();
    let (bob, at_bob) = Start::at(home.path().join("bob")).up();
    let store = format!("{scheme}:{}", data.join("peers").display());
    let (node, _) = Start::at(&data)
        .with("--store", &store)
        .with("--seal", "all")
        .with("--key-file", &key)
        .knowing(&at_bob)
        .up();
    node.wait_for_peer(name_in(&at_bob));
    node.wait_until_all_saved();
    assert_eq!(files_that_name(&data, &at_bob), [""; 0], "while it runs");
    assert!(node.stop().success());
    bob.stop();
    Met {
        home,
        data,
        key,
        bob: name_in(&at_bob).into(),
        at_bob,
    }
}

#[test]
fn with_all_of_it_sealed_no_byte_on_the_disk_names_a_peer() {
    for scheme in ["json", "sqlite"] {
        let met = met(scheme);
        assert_eq!(files_that_name(&met.data, &met.at_bob), [""; 0], "{scheme}");
        // The search finds what is there: unsealed, it is full of names.
        let store = format!("{scheme}:{}", met.data.join("peers").display());
        let open = ["--store", &store, "--seal", "off", "--key-file", &met.key];
        json_with(&met.data, "", &[&["peers"][..], &open].concat());
        assert!(!files_that_name(&met.data, &met.at_bob).is_empty());
    }
}

#[test]
fn a_sealed_memory_is_read_with_its_key_and_with_no_other() {
    let met = met("sqlite");
    let store = format!("sqlite:{}", met.data.join("peers").display());
    let peers = ["peers", "--store", &store];
    let with = |key: &str| [&peers[..], &["--key-file", key]].concat().join("\n");
    let ask = |line: &str| run_with(&met.data, "", &line.split('\n').collect::<Vec<_>>());
    let found = ask(&[&with(&met.key), "--json"].join("\n"));
    assert!(String::from_utf8_lossy(&found.stdout).contains(&met.bob));
    refused(&run_with(&met.data, "", &peers), "--passphrase-fd");
    let other = met.home.path().join("other.key");
    fs::write(&other, [7; 32]).unwrap();
    #[cfg(unix)]
    {
        let owner = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&other, owner).unwrap();
    }
    refused(&ask(&with(&other.display().to_string())), "not the key");
    // A node does not go around a memory it only lacks the key to.
    for more in [&[][..], &["--passphrase-fd", "0"]] {
        let up = ["up", "--listen", "/ip4/127.0.0.1/tcp/0", "--store", &store];
        let output = run_with(&met.data, "a guess\n", &[&up, more].concat());
        assert_eq!(output.status.code(), Some(1));
    }
    assert!(
        String::from_utf8_lossy(&ask(&[&with(&met.key), "--json"].join("\n")).stdout)
            .contains(&met.bob)
    );
}

#[test]
fn a_passphrase_can_be_changed_and_the_old_one_opens_nothing_any_more() {
    let met = met("json");
    let store = format!("json:{}", met.data.join("peers").display());
    let at = ["--store", &store];
    let fd = ["--passphrase-fd", "0"];
    let rekey = ["rekey", "--key-file", &met.key, "--new-passphrase-fd", "0"];
    json_with(&met.data, "swordfish\n", &[&rekey[..], &at].concat());
    let peers = [&["peers"][..], &at, &fd].concat();
    let found = json_with(&met.data, "swordfish\n", &peers);
    assert_eq!(found["peers"][0]["peer"], met.bob.as_str());
    refused(&run_with(&met.data, "sawfish\n", &peers), "not the key");
    let old = [&["peers"][..], &at, &["--key-file", &met.key]].concat();
    refused(&run_with(&met.data, "", &old), "not the key");
    assert_eq!(files_that_name(&met.data, &met.at_bob), [""; 0]);
}

#[cfg(target_os = "linux")]
#[test]
fn at_a_terminal_a_passphrase_is_asked_for_and_not_shown() {
    if !at_a_terminal::is_there() {
        eprintln!("needs util-linux's `script`, which makes a terminal: skipped");
        return;
    }
    let met = met("sqlite");
    let store = format!("sqlite:{}", met.data.join("peers").display());
    let at = format!("--data {} --store {store}", met.data.display());
    let rekey = format!("rekey --key-file {} {at}", met.key);
    let two = [
        ("new passphrase: ", "swordfish"),
        ("once more: ", "sawfish"),
    ];
    let (code, said) = at_a_terminal::run(&rekey, &two);
    assert_eq!(code, Some(1));
    assert!(said.contains("not the same"), "{said}");
    let twice = two.map(|(prompt, _)| (prompt, "swordfish"));
    let (code, said) = at_a_terminal::run(&rekey, &twice);
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("swordfish"), "{said}");
    let peers = format!("peers --passphrase {at}");
    let (code, said) = at_a_terminal::run(&peers, &[("passphrase: ", "swordfish")]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(&met.bob[met.bob.len() - 6..]), "{said}");
}

/// Somebody at a terminal.
#[cfg(target_os = "linux")]
mod at_a_terminal {
    use std::{
        io::{Read, Write},
        process::{Command, Stdio},
    };

    pub fn is_there() -> bool {
        Command::new("script").arg("--version").output().is_ok()
    }

    /// Types each answer once its question stands there. Returns how the command ended and what was on
    /// the screen.
    pub fn run(command: &str, answers: &[(&str, &str)]) -> (Option<i32>, String) {
        let program = env!("CARGO_BIN_EXE_rejoin");
        let mut terminal = Command::new("script")
            .args(["-qec", &format!("{program} {command}"), "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut keyboard = terminal.stdin.take().unwrap();
        let mut screen = terminal.stdout.take().unwrap();
        let mut said = Vec::new();
        for (question, answer) in answers {
            while !said.ends_with(question.as_bytes()) {
                let mut byte = [0];
                let asked = screen.read_exact(&mut byte);
                asked.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&said)));
                said.extend(byte);
            }
            writeln!(keyboard, "{answer}").unwrap();
        }
        screen.read_to_end(&mut said).unwrap();
        let code = terminal.wait().unwrap().code();
        (code, String::from_utf8_lossy(&said).into_owned())
    }
}

#[test]
fn a_sealed_export_is_taken_in_with_its_passphrase_alone() {
    let met = met("sqlite");
    let store = format!("sqlite:{}", met.data.join("peers").display());
    let out = met.home.path().join("export.json").display().to_string();
    let export = ["export", &out, "--store", &store, "--key-file", &met.key];
    let fd = ["--file-passphrase-fd", "0"];
    json_with(&met.data, "swordfish\n", &[&export[..], &fd].concat());
    let text = fs::read_to_string(&out).unwrap();
    assert!(
        !text.contains(&met.bob) && !text.contains("export"),
        "{text}"
    );
    let carol = met.home.path().join("carol");
    let import = [&["import", &out][..], &fd].concat();
    refused(&run_with(&carol, "sawfish\n", &import), "not the key");
    assert_eq!(json_with(&carol, "swordfish\n", &import)["new"], 1);
}

#[test]
fn mistake_23_the_encryption_key_beside_the_ciphertext() {
    let home = home();
    let data = home.path().join("alice");
    let key = data.join("key").display().to_string();
    fs::create_dir(&data).unwrap();
    let output = run_with(
        &data,
        "",
        &["up", "--listen", "/ip4/127.0.0.1/tcp/0", "--key-file", &key],
    );
    refused(&output, "same folder");
    // Nor is a passphrase taken where other programs see it.
    let output = run_with(&data, "", &["status", "--passphrase", "swordfish"]);
    assert_eq!(output.status.code(), Some(2));
}

/// Files below a folder with a peer's name, as text or as its bytes, or its address.
fn files_that_name(folder: &Path, address: &str) -> Vec<String> {
    let peer: libp2p::PeerId = name_in(address).parse().unwrap();
    let place = address.split("/p2p/").next().unwrap();
    let name = peer.to_string();
    files_with(
        folder,
        &[name.as_bytes(), &peer.to_bytes(), place.as_bytes()],
    )
}
