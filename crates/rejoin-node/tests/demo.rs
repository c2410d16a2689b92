//! A small `rejoin demo` on real sockets: what it prints, and what it leaves behind.

use std::process::{Command, Stdio};

use serde_json::Value;

fn demo(flags: &[&str]) -> Command {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_rejoin"));
    demo.args(["demo", "--nodes", "16"])
        .args(flags)
        .stdin(Stdio::null());
    demo
}

#[test]
fn memory_finds_the_living() {
    let ended = demo(&["--rounds", "1", "--json"]).output().unwrap();
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{told}");
    assert!(told.contains("killed (SIGKILL)"), "{told}");

    let report: Value = serde_json::from_slice(&ended.stdout).unwrap();
    let number = |pointer: &str| {
        let value = report.pointer(pointer).and_then(Value::as_f64);
        value.unwrap_or_else(|| panic!("no number at {pointer}: {report}"))
    };
    assert_eq!(number("/rounds"), 1.0);
    assert_eq!(
        [number("/living"), number("/refusing"), number("/silent")],
        [8.0, 4.0, 4.0]
    );
    assert!(number("/cold/bootstrap_dials") >= 1.0);
    // None where there is time; on a machine too busy to answer, one round of servers joins the race.
    assert!(number("/warm/bootstrap_dials") <= 2.0);
    assert!(number("/warm/cached_connected") >= 5.0);
    assert!(number("/warm/cached_dialled") >= number("/warm/cached_connected"));
    assert!(number("/warm/hit_rate") >= 0.95);
    for kind in ["/cold", "/warm"] {
        let (first, fifth) = (
            number(&format!("{kind}/first_ms")),
            number(&format!("{kind}/fifth_ms")),
        );
        assert!(0.0 < first && first <= fifth, "{report}");
    }
    let ratio = number("/cold/fifth_ms") / number("/warm/fifth_ms");
    assert!((number("/cold_over_warm") - ratio).abs() < 0.01);
    let handshakes = number("/warm/fifth_ms") / number("/handshake_ms");
    assert!((number("/warm_over_handshake") - handshakes).abs() < 0.01);
}

#[test]
fn as_many_die_as_was_asked_for() {
    let flags = ["--dead", "0.25", "--silent", "1", "--rounds", "1", "--json"];
    let ended = demo(&flags).output().unwrap();
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(told.contains("25 % of the network is dead"), "{told}");
    let report: Value = serde_json::from_slice(&ended.stdout).unwrap();
    let numbers = ["living", "refusing", "silent"].map(|name| report[name].as_u64());
    assert_eq!(numbers, [Some(12), Some(0), Some(4)]);
    assert!(report["proven"].as_u64() >= Some(8), "{report}");

    for (dead, code, why) in [("1", 2, "from 0 to 0.8"), ("0.8", 1, "more --nodes")] {
        let refused = demo(&["--dead", dead]).output().unwrap();
        assert_eq!(refused.status.code(), Some(code));
        let told = String::from_utf8_lossy(&refused.stderr);
        assert!(told.contains(why), "{told}");
    }
}

#[cfg(unix)]
#[test]
fn whoever_interrupts_it_finds_nothing_left_behind() {
    use std::{
        fs,
        io::{BufRead, BufReader},
    };

    let stage = tempfile::tempdir().unwrap();
    let mut running = demo(&["--rounds", "100"])
        .env("TMPDIR", stage.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(running.stderr.take().unwrap()).lines();
    // From here on a node is under test most of the time.
    let handshakes = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("handshake")));
    assert!(handshakes.is_some(), "it ended before that");
    let folder = fs::read_dir(stage.path()).unwrap().next().unwrap().unwrap();
    let note = folder.path().join("node").join("node.json");
    let node = loop {
        // It may be in the middle of being replaced, or that of a node killed before.
        let pid = fs::read(&note)
            .ok()
            .and_then(|note| serde_json::from_slice::<Value>(&note).ok())
            .and_then(|note| u32::try_from(note["pid"].as_u64()?).ok());
        match pid {
            Some(pid) if send("-0", pid) => break pid,
            _ => assert_eq!(running.try_wait().unwrap(), None, "it ended before that"),
        }
    };

    send("-INT", running.id());
    assert_eq!(running.wait().unwrap().code(), Some(130));
    assert!(!send("-0", node), "the node under test still runs");
    assert_eq!(fs::read_dir(stage.path()).unwrap().count(), 0, "files");
}

/// Whether there is somebody to be sent a signal.
#[cfg(unix)]
fn send(signal: &str, to: u32) -> bool {
    let sent = Command::new("kill")
        .args([signal, &to.to_string()])
        .stderr(Stdio::null())
        .status();
    sent.unwrap().success()
}
