//! Every version ever released can still be read: `testdata/` holds one file of each, written by
//! that version and never changed again.

mod fixtures;

use std::{fs, path::Path};

use rejoin_core::{PeerKey, PeerRecord, Pool, Time};
use rejoin_store::{Mode, Repairs, SealKey, Sealing};

use fixtures::{NOW, all, open, peer, saving};

const ALICE: &str = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";

#[test]
fn every_released_version_is_read_whole() {
    for sample in SAMPLES {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("peers");
        fs::copy(testdata().join(sample), &path).unwrap();
        let url = url(sample, &path);
        let open = || match sample.contains("sealed") {
            true => rejoin_store::open_sealed(&url, &sealing(), NOW).unwrap(),
            false => open(&url),
        };
        let opened = open();
        assert_eq!(opened.notice, [], "{sample}");
        let mut store = opened.store;
        check_alice(&store.get(&alice()).unwrap().unwrap());

        let bob = store
            .get(&"8.8.8.8:30333".parse().unwrap())
            .unwrap()
            .unwrap();
        assert_eq!(bob.pool(), Pool::Hearsay);
        assert_eq!(store.count().unwrap(), 2, "{sample}");
        assert_eq!(store.best(1).unwrap()[0].key, alice());

        let memory = store.memory().unwrap().unwrap();
        assert_eq!(memory.secret[..3], [1, 2, 3]);
        assert_eq!(memory.survival.lengths().last().unwrap().1.expected, 0.25);
        assert_eq!(memory.sources.values().next().unwrap().failures, 5);
        assert_eq!(memory.hosts[&"8.8.4.4".parse().unwrap()].failures, 2);
        assert_eq!(memory.unknown["tide"], "high");
        assert_eq!(store.repairs(), Repairs::default(), "{sample}");

        // What this version does not know goes back into the file.
        store.commit(&saving([peer(1)]), NOW).unwrap();
        store.close().unwrap();
        check_alice(&open().store.get(&alice()).unwrap().unwrap());
        if sample.ends_with("json") {
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.contains("weather"), "{text}");
        }
    }
}

#[test]
fn people_find_names_and_times_in_a_database_of_any_version_unless_it_is_sealed() {
    for (sample, expected) in [
        ("v1.db", Some((ALICE.to_owned(), 1_719_999_000_000))),
        ("v2.db", Some((ALICE.to_owned(), 1_719_999_000_000))),
        ("v3.db", Some((ALICE.to_owned(), 1_719_999_000_000))),
        ("v3-sealed.db", None),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("peers");
        fs::copy(testdata().join(sample), &path).unwrap();
        let url = url(sample, &path);
        match sample.contains("sealed") {
            true => rejoin_store::open_sealed(&url, &sealing(), NOW).map(drop),
            false => rejoin_store::open(&url, NOW).map(drop),
        }
        .unwrap();
        let conn = rusqlite::Connection::open(&path).unwrap();
        let told: Vec<(Option<String>, Option<i64>)> = conn
            .prepare("SELECT name, last_seen FROM people WHERE pool = 0")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let (name, seen) = expected.unzip();
        assert_eq!(told, [(name, seen)], "{sample}");
    }
}

#[test]
fn both_samples_of_a_version_say_the_same() {
    let read = |sample: &str| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("peers");
        fs::copy(testdata().join(sample), &path).unwrap();
        let mut store = open(&url(sample, &path)).store;
        (store.memory().unwrap(), all(&mut *store))
    };
    assert_eq!(read("v1.json"), read("v1.db"));
    assert_eq!(read("v2.json"), read("v2.db"));
    assert_eq!(read("v2.json"), read("v3.db"));
}

/// Run by hand, once per release that changes a version; see `docs/formats.md`.
#[test]
#[ignore = "makes the samples of a new version"]
fn make_the_samples() {
    let folder = tempfile::tempdir().unwrap();
    let place = |sample: &str| folder.path().join(sample);

    fs::copy(testdata().join("v2.json"), place("v2.json")).unwrap();
    let mut from = open(&url("v2.json", &place("v2.json"))).store;
    let mut changes = saving(all(&mut *from));
    let memory = from.memory().unwrap();
    changes.memory = memory.map(|memory| rejoin_core::MemoryDelta {
        unsaved_survival: memory.survival,
        memory,
    });
    let mut to = open(&url("v3.db", &place("v3.db"))).store;
    to.commit(&changes, NOW).unwrap();
    to.close().unwrap();

    let (plain, sealed) = ("v3.db", "v3-sealed.db");
    fs::copy(place(plain), place(sealed)).unwrap();
    let url = url(sealed, &place(sealed));
    let opened = rejoin_store::open_sealed(&url, &sealing(), NOW).unwrap();
    opened.store.close().unwrap();
    for sample in [plain, sealed] {
        fs::copy(place(sample), testdata().join(sample)).unwrap();
    }
}

const SAMPLES: [&str; 8] = [
    "v1.json",
    "v1.db",
    "v2.json",
    "v2.db",
    "v2-sealed.json",
    "v2-sealed.db",
    "v3.db",
    "v3-sealed.db",
];

/// What the sealed samples are sealed with.
fn sealing() -> Sealing {
    let (mode, key) = (Mode::All, SealKey::raw([7; 32]));
    Sealing { mode, key }
}

fn url(sample: &str, path: &Path) -> String {
    let scheme = match sample.ends_with("json") {
        true => "json",
        false => "sqlite",
    };
    format!("{scheme}:{}", path.display())
}

#[track_caller]
fn check_alice(alice: &PeerRecord) {
    assert_eq!(alice.notes.display_name.as_deref(), Some("Alice"));
    assert_eq!(alice.notes.user_id.as_deref(), Some("alice@example.org"));
    assert_eq!(
        alice.credentials.signed_record.as_ref().unwrap().as_bytes(),
        [0, 1, 2]
    );
    assert_eq!(alice.pool(), Pool::Proven);
    assert_eq!(alice.last_seen, Some(Time::from_millis(1_719_999_000_000)));
    let [tcp, quic] = &alice.addresses[..] else {
        panic!("{alice:?}");
    };
    assert_eq!(tcp.address.to_string(), "/ip4/8.8.4.4/tcp/4001");
    assert_eq!(
        (tcp.dial_ms, tcp.rtt_ms, tcp.failures_in_row),
        (Some(31.7), Some(12.5), 1)
    );
    assert_eq!(tcp.places[0].0, 77);
    assert_eq!(tcp.unknown["hue"], 7);
    assert_eq!(quic.source.to_string(), "mdns");
    assert_eq!(alice.evidence.dials_ok.latest(), 3.3);
    assert_eq!(alice.evidence.session_s.latest(), 1_000.5);
    assert_eq!(alice.evidence.dealings.bytes_out, 987_654_321);
    assert_eq!(alice.evidence.latency_ms, Some(21.25));
    assert!(alice.role.bootstrap && alice.role.relay);
    assert_eq!(alice.role.protocols.len(), 2);
    assert!(alice.control.pinned && alice.control.trusted && alice.control.anchor);
    assert_eq!(alice.control.reconnect_attempts, 3);
    assert_eq!(
        alice.notes.metadata.values().next().map(|note| &**note),
        Some("met in Ulm")
    );
    assert_eq!(alice.unknown["mood"], "fine");
}

fn alice() -> PeerKey {
    ALICE.parse().unwrap()
}

fn testdata() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata"))
}
