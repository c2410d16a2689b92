//! The doctor, as a user calls it: with a node and without, in health and in sickness.

mod common;

use std::{fs, path::Path};

use common::{Start, home, name_in, run};
use serde_json::Value;

const WELL: i32 = 0;
const TROUBLE: i32 = 5;

#[test]
fn where_nothing_was_ever_kept_nothing_is_wrong_and_nothing_is_created() {
    let home = home();
    let data = home.path().join("alice");
    let answer = check(
        &data,
        WELL,
        &["not-running", "clock-plausible", "nothing-kept"],
    );
    assert_eq!(
        (&answer["running"], &answer["reach"]),
        (&false.into(), &Value::Null)
    );
    assert!(!data.exists());
}

#[test]
fn without_a_node_the_store_is_looked_at() {
    let home = home();
    let data = home.path().join("alice");
    let (alice, _) = Start::at(&data).up();
    assert!(alice.stop().success());
    check(
        &data,
        WELL,
        &["not-running", "clock-plausible", "store-well"],
    );
}

#[test]
fn a_node_that_knows_nobody_is_in_trouble() {
    let home = home();
    let data = home.path().join("alice");
    let (_alice, at_alice) = Start::at(&data).up();
    let codes = [
        "only-this-machine",
        "knows-nobody",
        "clock-plausible",
        "store-well",
    ];
    let answer = check(&data, TROUBLE, &codes);
    assert_fields(
        &answer,
        &["well", "running", "reach", "transports", "findings"],
    );
    assert_fields(&answer["reach"], &["internet", "lan", "relays"]);
    assert_eq!(answer["reach"]["internet"], "no");
    let tcp = &answer["transports"][0];
    assert_fields(tcp, &["transport", "addresses", "reached"]);
    let (place, _) = at_alice.rsplit_once("/p2p/").unwrap();
    assert_eq!(tcp["addresses"][0], place);
    for finding in answer["findings"].as_array().unwrap() {
        for field in ["code", "subject", "level", "what", "remedy"] {
            assert!(finding.get(field).is_some(), "{field} of {finding}");
        }
    }
    let said = words(&data);
    assert!(
        said.contains("rejoin connect") && said.contains("wrong: 1 thing"),
        "{said}"
    );
}

#[test]
fn a_connected_node_is_well() {
    let home = home();
    let at = |name: &str| home.path().join(name);
    let (_bob, at_bob) = Start::at(at("bob")).up();
    let (alice, _) = Start::at(at("alice")).knowing(&at_bob).up();
    alice.wait_for_peer(name_in(&at_bob));
    let codes = [
        "only-this-machine",
        "connected",
        "clock-plausible",
        "store-well",
    ];
    check(&at("alice"), WELL, &codes);
    assert!(words(&at("alice")).contains("nothing is wrong"));
}

#[test]
fn a_damaged_store_is_told_of_and_put_right() {
    let home = home();
    let data = home.path().join("alice");
    let (alice, _) = Start::at(&data).up();
    assert!(alice.stop().success());
    let path = data.join("peers.db");
    let mut bytes = fs::read(&path).unwrap();
    bytes.truncate(bytes.len() / 2);
    fs::write(&path, bytes).unwrap();
    let codes = ["not-running", "clock-plausible", "store-damaged"];
    check(&data, TROUBLE, &codes);
    check(
        &data,
        WELL,
        &["not-running", "clock-plausible", "store-well"],
    );
}

#[test]
fn a_store_that_cannot_be_used_is_told_of_with_and_without_a_node() {
    let home = home();
    let data = home.path().join("alice");
    let file = home.path().join("file");
    fs::write(&file, b"").unwrap();
    let store = format!("sqlite:{}", file.join("peers.db").display());
    let (_alice, _) = Start::at(&data).with("--store", &store).up();
    let answer = check(
        &data,
        TROUBLE,
        &[
            "only-this-machine",
            "knows-nobody",
            "clock-plausible",
            "not-writable",
            "store-closed",
        ],
    );
    let last = answer["findings"].as_array().unwrap().last().unwrap();
    assert!(last["why"].is_string(), "{last}");
}

#[test]
fn a_folder_that_cannot_be_written_is_told_of() {
    let home = home();
    let data = home.path().join("alice");
    fs::write(&data, b"in the way").unwrap();
    let answer = doctor(&data, TROUBLE);
    let codes = codes(&answer);
    assert!(codes.contains(&"not-writable".to_owned()), "{codes:?}");
}

#[cfg(unix)]
#[test]
fn a_folder_without_the_right_to_write_is_told_of() {
    use std::os::unix::fs::PermissionsExt;
    let home = home();
    let data = home.path().join("alice");
    fs::create_dir(&data).unwrap();
    let rights = |mode| fs::set_permissions(&data, fs::Permissions::from_mode(mode)).unwrap();
    rights(0o500);
    if fs::write(data.join("probe"), b"").is_ok() {
        println!("skipped: needs a user who may not write everywhere, not root");
        return;
    }
    check(
        &data,
        TROUBLE,
        &["not-running", "clock-plausible", "not-writable"],
    );
    rights(0o700);
}

#[test]
fn moments_ahead_of_the_clock_are_noticed() {
    let home = home();
    let data = home.path().join("alice");
    fs::create_dir(&data).unwrap();
    let path = data.join("peers.json");
    let ahead = 4_000_000_000_000u64; // the year 2096
    let peer = format!(r#"{{"key":"alice","first_seen":{ahead},"last_seen":{ahead}}}"#);
    fs::write(
        &path,
        format!(r#"{{"rejoin":"peers","version":1,"peers":[{peer}]}}"#),
    )
    .unwrap();
    let store = format!("json:{}", path.display());
    let output = run(&data, &["doctor", "--json", "--store", &store]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let expected = [
        "not-running",
        "memory-ahead-of-clock",
        "values-repaired",
        "store-well",
    ];
    assert_eq!(codes(&answer), expected, "{answer}");
    assert_eq!(output.status.code(), Some(TROUBLE));
}

#[test]
fn a_store_of_an_unknown_kind_is_a_slip_and_no_disease() {
    let home = home();
    let output = run(home.path(), &["doctor", "--store", "redis:x"]);
    assert_eq!(output.status.code(), Some(1));
}

#[track_caller]
fn check(data: &Path, code: i32, expected: &[&str]) -> Value {
    let answer = doctor(data, code);
    assert_eq!(codes(&answer), expected, "{answer:#}");
    assert_eq!(answer["well"], code == WELL);
    answer
}

#[track_caller]
fn doctor(data: &Path, code: i32) -> Value {
    let output = run(data, &["doctor", "--json"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn codes(answer: &Value) -> Vec<String> {
    let findings = answer["findings"].as_array().unwrap().iter();
    findings
        .map(|finding| finding["code"].as_str().unwrap().to_owned())
        .collect()
}

fn words(data: &Path) -> String {
    String::from_utf8(run(data, &["doctor"]).stdout).unwrap()
}

#[track_caller]
fn assert_fields(object: &Value, fields: &[&str]) {
    let mut found: Vec<_> = object.as_object().unwrap().keys().collect();
    let mut expected = fields.to_vec();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}
