//! What every store promises, asked of each of them in the same words.

mod fixtures;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rejoin_core::{
    Changes, Counts, PeerDelta, PeerKey, PeerRecord, Pool, Time, decay::Decayed, score, text::Text,
};
use rejoin_store::{Mode, Opened, PeerStore, Repairs, SealKey, Sealing};
use tempfile::TempDir;

use fixtures::{NOW, all, forgetting, hearsay, key, peer, remembering, saving};

/// Runs each check below against each kind of store.
macro_rules! every_store {
    ($($check:ident),* $(,)?) => {
        mod in_memory { $(#[test] fn $check() { super::$check(&super::Shelf::new("memory")); })* }
        mod in_json { $(#[test] fn $check() { super::$check(&super::Shelf::new("json")); })* }
        mod in_sqlite { $(#[test] fn $check() { super::$check(&super::Shelf::new("sqlite")); })* }
        mod in_sealed_json { $(#[test] fn $check() { super::$check(&super::Shelf::sealed("json")); })* }
        mod in_sealed_sqlite { $(#[test] fn $check() { super::$check(&super::Shelf::sealed("sqlite")); })* }
    };
}

every_store![
    a_new_store_is_empty,
    what_is_committed_is_read_back,
    unknown_fields_are_handed_back,
    a_scan_goes_through_every_peer_in_order_of_keys,
    the_best_are_anchors_then_proven_then_hearsay_by_rank,
    whoever_browses_meets_everybody_once,
    a_clock_set_back_hides_nobody,
    a_pool_comes_page_by_page_in_order_of_rank_and_its_worst_backwards,
    counts_add_up_instead_of_overwriting,
    the_forgotten_are_gone,
    the_secret_of_the_first_is_kept_and_survival_adds_up,
    times_ahead_of_now_are_clamped_and_do_not_win,
    numbers_no_file_can_hold_are_mended_before_they_are_written,
    nothing_is_not_saved,
    random_commits_match_the_model,
];

/// A place for one store, gone with the test.
struct Shelf {
    scheme: &'static str,
    sealing: Option<Sealing>,
    folder: TempDir,
}

impl Shelf {
    fn new(scheme: &'static str) -> Self {
        Self {
            scheme,
            sealing: None,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn sealed(scheme: &'static str) -> Self {
        let (mode, key) = (Mode::All, SealKey::raw([7; 32]));
        Self {
            sealing: Some(Sealing { mode, key }),
            ..Self::new(scheme)
        }
    }

    /// Another one of the same kind.
    fn another(&self) -> Self {
        match self.sealing {
            Some(_) => Self::sealed(self.scheme),
            None => Self::new(self.scheme),
        }
    }

    fn open(&self) -> Box<dyn PeerStore + Send> {
        self.opened(NOW).store
    }

    fn opened(&self, now: Time) -> Opened {
        let url = self.url("peers");
        match &self.sealing {
            Some(sealing) => rejoin_store::open_sealed(&url, sealing, now),
            None => rejoin_store::open(&url, now),
        }
        .unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    /// Records in the order of their keys, which a sealed database does not know.
    fn all(&self, store: &mut dyn PeerStore) -> Vec<PeerRecord> {
        let mut all = all(store);
        if self.sealing.is_some() {
            all.sort_by(|a, b| a.key.cmp(&b.key));
        }
        all
    }

    fn url(&self, name: &str) -> String {
        match self.scheme {
            "memory" => "memory:".into(),
            scheme => format!("{scheme}:{}", self.folder.path().join(name).display()),
        }
    }

    /// The same store, through its file if it has one.
    fn reopen(&self, store: Box<dyn PeerStore + Send>) -> Box<dyn PeerStore + Send> {
        if self.scheme == "memory" {
            return store;
        }
        store.close().unwrap();
        let opened = self.opened(NOW);
        assert_eq!(opened.notice, [], "a sound file was complained about");
        opened.store
    }
}

fn a_new_store_is_empty(shelf: &Shelf) {
    let mut store = shelf.open();
    assert_eq!(store.memory().unwrap(), None);
    assert_eq!(store.best(5).unwrap(), []);
    assert_eq!(store.get(&key(1)).unwrap(), None);
    assert_eq!(store.scan(None, 5).unwrap(), []);
    assert_eq!(store.count().unwrap(), 0);
}

fn what_is_committed_is_read_back(shelf: &Shelf) {
    let mut store = shelf.open();
    let mut changes = saving([peer(1), hearsay(2)]);
    changes.memory = remembering(9).memory;
    store.commit(&changes, NOW).unwrap();
    for _ in 0..2 {
        assert_eq!(store.get(&key(1)).unwrap(), Some(peer(1)));
        assert_eq!(store.get(&key(2)).unwrap(), Some(hearsay(2)));
        assert_eq!(store.get(&key(3)).unwrap(), None);
        assert_eq!(store.count().unwrap(), 2);
        assert_eq!(store.memory().unwrap().unwrap().secret, [9; 16]);
        assert_eq!(store.repairs(), Repairs::default());
        store = shelf.reopen(store);
    }
}

fn unknown_fields_are_handed_back(shelf: &Shelf) {
    let mut store = shelf.open();
    let mut record = peer(1);
    record.unknown.insert("mood".into(), "fine".into());
    record.addresses[0].unknown.insert("hue".into(), 7.into());
    store.commit(&saving([record.clone()]), NOW).unwrap();
    store = shelf.reopen(store);
    // An older version, which knows nothing of moods, saves the same peer.
    store.commit(&saving([peer(1)]), NOW).unwrap();
    store = shelf.reopen(store);
    let back = store.get(&key(1)).unwrap().unwrap();
    assert_eq!(back.unknown, record.unknown);
    assert_eq!(back.addresses[0].unknown, record.addresses[0].unknown);
}

fn a_scan_goes_through_every_peer_in_order_of_keys(shelf: &Shelf) {
    let mut store = shelf.open();
    store.commit(&saving((0..30).map(peer)), NOW).unwrap();
    let scanned = all(&mut *store);
    let last = scanned.last().map(|record| record.key.clone());
    assert_eq!(store.scan(last.as_ref(), 5).unwrap(), []);
    let keys: Vec<_> = shelf
        .all(&mut *store)
        .into_iter()
        .map(|record| record.key)
        .collect();
    let expected: Vec<_> = (0..30)
        .map(key)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    assert_eq!(keys, expected);
    assert_eq!(store.scan(None, 0).unwrap(), []);
}

fn the_best_are_anchors_then_proven_then_hearsay_by_rank(shelf: &Shelf) {
    let mut store = shelf.open();
    let mut records: Vec<_> = (0..20).map(peer).chain((20..30).map(hearsay)).collect();
    for n in [7, 19, 25] {
        records[n].control.anchor = true;
    }
    store.commit(&saving(records.clone()), NOW).unwrap();
    store = shelf.reopen(store);
    let class = |record: &PeerRecord| match (record.control.anchor, record.pool()) {
        (true, _) => 0,
        (false, Pool::Proven) => 1,
        (false, Pool::Hearsay) => 2,
    };
    records.sort_by(|a, b| {
        (class(a).cmp(&class(b)))
            .then(score::rank(b).total_cmp(&score::rank(a)))
            .then(a.key.cmp(&b.key))
    });
    for k in [0, 2, 3, 5, 20, 25, 30, 99] {
        let expected = &records[..k.min(30)];
        assert_eq!(store.best(k).unwrap(), expected, "the best {k}");
    }
}

fn whoever_browses_meets_everybody_once(shelf: &Shelf) {
    let mut store = shelf.open();
    assert_eq!(store.browse(0, 5).unwrap(), (Vec::new(), None));
    store.commit(&saving((0..30).map(peer)), NOW).unwrap();
    store.commit(&forgetting([key(3), key(17)]), NOW).unwrap();
    store.commit(&saving((30..33).map(peer)), NOW).unwrap();
    store = shelf.reopen(store);
    let everybody: BTreeSet<_> = all(&mut *store).into_iter().map(|it| it.key).collect();
    for limit in [1, 7, 31, 99] {
        let (mut met, mut from) = (Vec::new(), Some(0));
        while let Some(begin) = from {
            let (page, next) = store.browse(begin, limit).unwrap();
            assert!(page.len() <= limit);
            met.extend(page.into_iter().map(|it| it.key));
            from = next;
        }
        assert_eq!(met.len(), 31, "{limit} at a time");
        assert_eq!(met.into_iter().collect::<BTreeSet<_>>(), everybody);
    }
}

// Times ahead of the clock are put right as they are read, and then a peer ranks otherwise than the store has it.
fn a_clock_set_back_hides_nobody(shelf: &Shelf) {
    let mut store = shelf.open();
    store.commit(&saving((0..30).map(peer)), NOW).unwrap();
    if shelf.scheme != "memory" {
        store.close().unwrap();
        store = shelf
            .opened(NOW - std::time::Duration::from_secs(9_000))
            .store;
    }
    let (mut met, mut after) = (BTreeSet::new(), None);
    loop {
        let page = store.ranked(Pool::Proven, after.as_ref(), 7).unwrap();
        met.extend(page.peers.into_iter().map(|it| it.key));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(met.len(), 30);
}

fn a_pool_comes_page_by_page_in_order_of_rank_and_its_worst_backwards(shelf: &Shelf) {
    let mut store = shelf.open();
    // Three of each rank.
    let equals = |n: u64| {
        let rank_of = peer(n / 3);
        let key = key(n);
        PeerRecord { key, ..rank_of }
    };
    let heard = (40..43).map(hearsay);
    let all = (0..30).map(equals).chain(heard);
    store.commit(&saving(all), NOW).unwrap();
    store = shelf.reopen(store);
    for (pool, count) in [(Pool::Proven, 30), (Pool::Hearsay, 3)] {
        let in_order = store.ranked(pool, None, 99).unwrap().peers;
        assert_eq!(in_order.len(), count);
        assert!(in_order.iter().all(|record| record.pool() == pool));
        let ranks: Vec<_> = in_order.iter().map(score::rank).collect();
        assert!(ranks.windows(2).all(|two| two[0] >= two[1]), "{ranks:?}");
        for limit in [1, 2, 7] {
            let (mut told, mut after) = (Vec::new(), None);
            loop {
                let page = store.ranked(pool, after.as_ref(), limit).unwrap();
                assert!(page.peers.len() <= limit);
                told.extend(page.peers);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(told, in_order, "{limit} at a time");
        }
        if pool == Pool::Proven {
            let mut backwards = store.worst(7).unwrap();
            backwards.reverse();
            assert_eq!(backwards, in_order[23..]);
        }
    }
}

fn counts_add_up_instead_of_overwriting(shelf: &Shelf) {
    let mut store = shelf.open();
    store.commit(&saving([peer(1)]), NOW).unwrap();
    // Two processes that both began with what is saved now.
    for more in [2.0, 5.0] {
        let mut record = peer(1);
        let unsaved = Counts {
            dials_ok: Decayed::new(more, NOW - std::time::Duration::from_secs(1)),
            bytes_in: 10,
            ..Counts::default()
        };
        Counts::of(&record.evidence)
            .plus(&unsaved)
            .put_into(&mut record.evidence);
        let changes = Changes {
            peers: vec![PeerDelta { record, unsaved }],
            ..Changes::default()
        };
        store.commit(&changes, NOW).unwrap();
    }
    let evidence = store.get(&key(1)).unwrap().unwrap().evidence;
    assert_eq!(evidence.dials_ok.latest(), 10.3);
    assert_eq!(evidence.dealings.bytes_in, 20);
}

fn the_forgotten_are_gone(shelf: &Shelf) {
    let mut store = shelf.open();
    store.commit(&saving((0..5).map(peer)), NOW).unwrap();
    store.commit(&forgetting([key(3), key(77)]), NOW).unwrap();
    store = shelf.reopen(store);
    assert_eq!(store.get(&key(3)).unwrap(), None);
    assert_eq!(store.count().unwrap(), 4);
}

fn the_secret_of_the_first_is_kept_and_survival_adds_up(shelf: &Shelf) {
    let mut store = shelf.open();
    store.commit(&remembering(1), NOW).unwrap();
    store.commit(&remembering(2), NOW).unwrap();
    let memory = store.memory().unwrap().unwrap();
    assert_eq!(memory.secret, [1; 16]);
    let answered: f64 = memory
        .survival
        .lengths()
        .map(|(_, seen)| seen.answered)
        .sum();
    assert_eq!(answered, 2.0);
}

fn times_ahead_of_now_are_clamped_and_do_not_win(shelf: &Shelf) {
    let ahead = Time::from_millis(NOW.as_millis() * 2);
    let named = |name: &str| {
        let mut record = peer(0);
        record.notes.display_name = Some(Text::new(name));
        record
    };
    let mut store = shelf.open();
    let mut record = named("old");
    record.last_seen = Some(ahead);
    store.commit(&saving([record]), ahead).unwrap();
    store = shelf.reopen(store);
    if shelf.scheme == "memory" {
        return; // its clock has never been set back
    }
    assert_eq!(store.get(&key(0)).unwrap().unwrap().last_seen, Some(NOW));
    assert!(store.repairs().values > 0);
    store.commit(&saving([named("new")]), NOW).unwrap();
    store = shelf.reopen(store);
    let back = store.get(&key(0)).unwrap().unwrap();
    assert_eq!(back.last_seen, Some(NOW));
    assert_eq!(back.notes.display_name.as_deref(), Some("new"));
    assert_eq!(store.repairs().values, 0, "the mended value was not saved");
}

fn numbers_no_file_can_hold_are_mended_before_they_are_written(shelf: &Shelf) {
    let mut store = shelf.open();
    let mut record = peer(1);
    record.evidence.dials_ok = Decayed::new(f64::NAN, NOW);
    record.evidence.latency_ms = Some(f32::INFINITY);
    store.commit(&saving([record]), NOW).unwrap();
    store = shelf.reopen(store);
    let evidence = store.get(&key(1)).unwrap().unwrap().evidence;
    assert_eq!(evidence.dials_ok.latest(), 0.0);
}

fn nothing_is_not_saved(shelf: &Shelf) {
    let mut store = shelf.open();
    store.commit(&saving((0..9).map(peer)), NOW).unwrap();
    let known: Vec<_> = (0..9)
        .map(|n| PeerDelta {
            record: peer(n),
            unsaved: Counts::default(),
        })
        .collect();
    let again = Changes {
        peers: known,
        ..forgetting([key(50)])
    };
    let before = written(shelf);
    for changes in [Changes::default(), again] {
        store.commit(&changes, NOW).unwrap();
        assert_eq!(written(shelf), before);
    }
    store.commit(&saving([peer(9)]), NOW).unwrap();
    assert!(shelf.scheme == "memory" || written(shelf) != before);
}

/// Everything in the files of a store but the lock and SQLite's index of its log.
fn written(shelf: &Shelf) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(shelf.folder.path()).unwrap();
    files
        .map(|file| file.unwrap())
        .map(|file| (file.file_name().into_string().unwrap(), file.path()))
        .filter(|(name, _)| !name.ends_with("-shm"))
        .map(|(name, path)| (name, std::fs::read(path).unwrap()))
        .collect()
}

/// One step of a random history: seconds after [`NOW`], and what is done to which peer.
#[derive(Clone, Debug)]
enum Deed {
    Meet { peer: u64, dials: u32 },
    Hear { peer: u64 },
    Forget { peer: u64 },
    Remember { secret: u8 },
    Reopen,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let one = prop_oneof![
        4 => (0..12u64, 0..5u32).prop_map(|(peer, dials)| Deed::Meet { peer, dials }),
        3 => (0..12u64).prop_map(|peer| Deed::Hear { peer }),
        2 => (0..12u64).prop_map(|peer| Deed::Forget { peer }),
        1 => any::<u8>().prop_map(|secret| Deed::Remember { secret }),
        1 => Just(Deed::Reopen),
    ];
    prop::collection::vec(one, 1..25)
}

/// Random histories leave a store with what a plain map and the core's own rules for joining give.
fn random_commits_match_the_model(shelf: &Shelf) {
    let config = ProptestConfig {
        cases: 40, // each is a file of its own
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(deeds in deeds())| {
        let shelf = shelf.another();
        let mut store = shelf.open();
        let mut model: BTreeMap<PeerKey, PeerRecord> = BTreeMap::new();
        let mut memory = None;
        let mut now = NOW;
        for deed in deeds {
            now = now + std::time::Duration::from_secs(1);
            let changes = match deed {
                Deed::Meet { peer: n, dials } => {
                    let mut record = peer(n);
                    record.last_seen = Some(now);
                    record.control.anchor = dials % 2 == 0;
                    let unsaved = Counts {
                        dials_ok: Decayed::new(f64::from(dials) / 3.0, now),
                        ..Counts::default()
                    };
                    Changes { peers: vec![PeerDelta { record, unsaved }], ..Changes::default() }
                }
                Deed::Hear { peer } => saving([hearsay(peer)]),
                Deed::Forget { peer } => forgetting([key(peer)]),
                Deed::Remember { secret } => remembering(secret),
                Deed::Reopen if shelf.scheme == "memory" => continue,
                Deed::Reopen => {
                    store.close().unwrap();
                    store = shelf.opened(now).store;
                    continue;
                }
            };
            store.commit(&changes, now).unwrap();
            for delta in &changes.peers {
                let joined = delta.onto(model.get(&delta.record.key).cloned());
                model.insert(joined.key.clone(), joined);
            }
            for key in &changes.forgotten {
                model.remove(key);
            }
            if let Some(delta) = &changes.memory {
                memory = Some(delta.onto(memory.take()));
            }
        }
        prop_assert_eq!(shelf.all(&mut *store), model.values().cloned().collect::<Vec<_>>());
        prop_assert_eq!(store.memory().unwrap(), memory);
        prop_assert_eq!(store.count().unwrap(), model.len());
    });
}
