use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::decay::Decayed;

const T: Time = Time::from_millis(1_000_000);

fn one_dial() -> Counts {
    Counts {
        dials_ok: Decayed::new(1.0, T),
        ..Counts::default()
    }
}

/// A ledger, and everybody in memory with their tickets, as the book keeps them.
#[derive(Default)]
struct Books {
    ledger: Unsaved,
    known: BTreeMap<PeerKey, (PeerRecord, Ticket)>,
    config: Config,
}

impl Books {
    fn with_commits_of(peers: usize) -> Self {
        let config = Config {
            commit_max: peers,
            ..Config::default()
        };
        Self {
            config,
            ..Self::default()
        }
    }

    /// The ledger, and what is in memory of a peer.
    fn open(&mut self, key: &PeerKey) -> (&mut Unsaved, &mut (PeerRecord, Ticket)) {
        let fresh = || (PeerRecord::new(key.clone(), T), Ticket::default());
        let known = self.known.entry(key.clone()).or_insert_with(fresh);
        (&mut self.ledger, known)
    }

    fn touch(&mut self, key: &PeerKey) {
        let (ledger, (_, ticket)) = self.open(key);
        ledger.touch(T, key, ticket);
    }

    fn dial(&mut self, key: &PeerKey) {
        let (ledger, (record, ticket)) = self.open(key);
        ledger.count(T, key, ticket, &one_dial());
        record.evidence.dials_ok.add(1.0, T);
    }

    fn forget(&mut self, key: &PeerKey) {
        let ticket = self.known.remove(key).map(|(_, ticket)| ticket);
        self.ledger.forget(T, key, ticket);
    }

    fn dials_unsaved(&self, key: &PeerKey) -> f64 {
        let ticket = self.known.get(key).map(|(_, ticket)| *ticket);
        let counts = self.ledger.counts(key, ticket.unwrap_or_default());
        counts.dials_ok.latest()
    }

    fn begin(&mut self, now: Time, hurry: bool) -> Option<Changes> {
        let known = |key: &PeerKey| self.known.get(key).map(|(record, it)| (record, *it));
        let memory = Memory::default();
        self.ledger.begin(now, hurry, &self.config, &memory, known)
    }

    fn end(&mut self, now: Time, ok: bool) {
        let ticket = |key: &PeerKey| self.known.get(key).map(|(_, ticket)| *ticket);
        self.ledger.end(now, ok, ticket);
    }

    /// One commit, and whether it works; says who is in it.
    fn save(&mut self, ok: bool) -> Option<Vec<u8>> {
        let changes = self.begin(T, true)?;
        self.end(T, ok);
        let peers = changes.peers.iter();
        let named = peers.map(|delta| delta.record.key.as_bytes()[0]).collect();
        (!changes.peers.is_empty()).then_some(named)
    }
}

fn alice() -> PeerKey {
    "alice".parse().unwrap()
}

fn key(n: u8) -> PeerKey {
    PeerKey::new(&[n]).unwrap()
}

#[test]
fn mistake_15_changes_gather_and_go_out_at_most_every_five_seconds() {
    let mut books = Books::default();
    books.touch(&alice());
    let at_once = books.begin(T, false).unwrap();
    assert_eq!(at_once.len(), 1, "the first at once");
    books.end(T, true);
    books.touch(&alice());
    books.touch(&alice());
    assert_eq!(books.begin(T, false), None);
    let due = books.ledger.timeout(&books.config).unwrap().at;
    assert_eq!(due, T + books.config.save_every);
    assert_eq!(books.begin(due, false).unwrap().len(), 1);
}

#[test]
fn mistake_06_a_failed_commit_is_handed_out_again_with_all_its_counts() {
    let mut books = Books::default();
    books.dial(&alice());
    books.begin(T, true).unwrap();
    books.dial(&alice());
    books.end(T, false);
    assert_eq!(books.ledger.status().failures, 1);
    let again = books.begin(T, true).unwrap();
    assert_eq!(again.peers[0].unsaved.dials_ok.latest(), 2.0);
    books.end(T, true);
    assert!(books.ledger.is_settled());
}

#[test]
fn mistake_06_a_failed_commit_goes_out_again_whole_though_nothing_else_changes() {
    let mut books = Books::default();
    let mut learned = SurvivalCounts::default();
    learned.learn(Duration::ZERO, Duration::from_secs(60), true);
    books.dial(&alice());
    books.ledger.learn(T, &learned);
    let first = books.begin(T, false).unwrap();
    books.end(T, false);
    let again = books.ledger.timeout(&books.config);
    let again = again.expect("it is tried again").at;
    assert_eq!(again, T + books.config.save_every);
    assert_eq!(books.begin(again, false), Some(first));
}

#[test]
fn what_no_store_has_yet_includes_what_is_under_way() {
    let mut books = Books::default();
    books.dial(&alice());
    books.begin(T, true).unwrap();
    books.dial(&alice());
    assert_eq!(books.dials_unsaved(&alice()), 2.0);
    books.end(T, true);
    assert_eq!(books.dials_unsaved(&alice()), 1.0);
}

#[test]
fn a_past_that_was_forgotten_does_not_come_back_with_the_peer() {
    for under_way in [false, true] {
        let mut books = Books::default();
        books.dial(&alice());
        if under_way {
            books.begin(T, true).unwrap();
        }
        books.forget(&alice());
        books.end(T, false);
        books.touch(&alice());
        assert_eq!(books.dials_unsaved(&alice()), 0.0, "{under_way}");
    }
}

#[test]
fn a_store_that_answers_too_late_is_not_taken_for_the_next_answer() {
    let mut books = Books::default();
    books.dial(&alice());
    books.begin(T, true).unwrap();
    assert_eq!(books.begin(T, true), None, "one at a time");
    let later = T + books.config.save_timeout;
    let again = books.begin(later, true).unwrap();
    assert_eq!(again.peers[0].unsaved.dials_ok.latest(), 1.0);
    assert_eq!(books.ledger.status().failures, 1);
    books.end(later, true);
    assert!(
        !books.ledger.is_settled(),
        "that was the answer to the first"
    );
    books.end(later, true);
    assert!(books.ledger.is_settled());
}

#[test]
fn forgetting_overtakes_saving() {
    let mut books = Books::default();
    books.dial(&alice());
    books.forget(&alice());
    let changes = books.begin(T, true).unwrap();
    assert!(changes.peers.is_empty());
    assert_eq!(changes.forgotten, [alice()]);
    assert!(books.ledger.is_forgotten(&alice()));
    books.touch(&alice());
    books.end(T, false);
    // It was met again meanwhile, but the store still holds its past.
    let again = books.begin(T, true).unwrap();
    assert_eq!(again.forgotten, [alice()]);
    assert!(again.peers.is_empty());
    books.end(T, true);
    let anew = books.begin(T, true).unwrap();
    assert!(anew.forgotten.is_empty());
    assert_eq!(anew.peers.len(), 1);
}

/// Peers that change one after another, in no order of key.
fn backlog_of_250() -> (Books, Vec<u8>) {
    let (mut books, mut changed) = (Books::with_commits_of(10), Vec::from_iter(0..250));
    fastrand::Rng::with_seed(7).shuffle(&mut changed);
    for n in &changed {
        books.dial(&key(*n));
    }
    (books, changed)
}

#[test]
fn a_large_backlog_goes_out_in_pieces_each_next_to_the_one_before() {
    let (mut books, changed) = backlog_of_250();
    let sizes = |pieces: &[Vec<u8>]| pieces.iter().map(Vec::len).collect::<Vec<_>>();
    let pieces: Vec<_> = std::iter::from_fn(|| books.save(true)).collect();
    assert_eq!(sizes(&pieces), [10; 25]);
    for wave in pieces.chunks(ORDERED_COMMITS) {
        assert!(wave.concat().is_sorted(), "{wave:?}");
    }
    // What had changed first went first.
    let first = pieces[..ORDERED_COMMITS].concat();
    assert!(first.iter().all(|n| changed[..100].contains(n)));
}

#[test]
fn of_a_large_backlog_nothing_is_lost_or_saved_twice() {
    let (mut books, changed) = backlog_of_250();
    let first = books.save(false).unwrap();
    let gone = books.save(true).unwrap();
    assert_eq!(gone, first, "it failed, so it goes out again");
    let (waiting, last) = (first[9] + 1, changed[249]);
    for n in [waiting, last, gone[0]] {
        books.dial(&key(n));
    }
    assert_eq!(books.dials_unsaved(&key(waiting)), 2.0);
    assert_eq!(books.dials_unsaved(&key(last)), 2.0);
    assert_eq!(books.dials_unsaved(&key(gone[0])), 1.0);
    books.forget(&key(last));
    let mut saved: Vec<_> = std::iter::from_fn(|| books.save(true)).flatten().collect();
    saved.extend(&gone);
    saved.sort_unstable();
    let mut expected: Vec<_> = (0..250).filter(|n| *n != last).chain([gone[0]]).collect();
    expected.sort_unstable();
    assert_eq!(saved, expected);
    assert!(books.ledger.is_settled());
}

#[test]
fn who_comes_and_is_forgotten_while_a_store_fails_does_not_pile_up() {
    let mut books = Books::with_commits_of(10);
    let (staying, passing) = (0..20, 20..250);
    for n in staying {
        books.dial(&key(n));
    }
    for _ in 0..100 {
        books.save(false);
        for n in passing.clone() {
            books.dial(&key(n));
        }
        for n in passing.clone() {
            books.forget(&key(n));
        }
    }
    let line = &books.ledger.pending.queue.line;
    assert!(line.len() <= 500, "{} in line", line.len());
    assert_eq!(books.dials_unsaved(&key(19)), 1.0);
}

#[derive(Clone, Debug)]
enum Step {
    Dial(u8),
    Touch(u8),
    Forget(u8),
    Begin,
    End(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0u8..40).prop_map(Step::Dial),
        2 => (0u8..40).prop_map(Step::Touch),
        2 => (0u8..40).prop_map(Step::Forget),
        2 => Just(Step::Begin),
        2 => any::<bool>().prop_map(Step::End),
    ];
    prop::collection::vec(step, 0..600)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whatever_happens_a_store_ends_up_with_every_dial_once(steps in steps(), began_at: u32) {
        let mut books = Books::with_commits_of(7);
        // Numbers may begin anew in the middle of it.
        books.ledger.pending.queue.number = u32::MAX - began_at % 200;
        let (mut dialled, mut saved) = (BTreeMap::<u8, f64>::new(), BTreeMap::<u8, f64>::new());
        let mut flying: Option<Changes> = None;
        let settle = |saved: &mut BTreeMap<u8, f64>, changes: Changes| {
            let name = |key: &PeerKey| key.as_bytes()[0];
            for key in &changes.forgotten {
                saved.remove(&name(key));
            }
            for PeerDelta { record, unsaved } in changes.peers {
                *saved.entry(name(&record.key)).or_default() += unsaved.dials_ok.latest();
            }
        };
        for step in steps {
            match step {
                Step::Dial(n) => {
                    books.dial(&key(n));
                    *dialled.entry(n).or_default() += 1.0;
                }
                Step::Touch(n) => {
                    books.touch(&key(n));
                    dialled.entry(n).or_default();
                }
                Step::Forget(n) => {
                    books.forget(&key(n));
                    dialled.remove(&n);
                }
                Step::Begin if flying.is_none() => flying = books.begin(T, true),
                Step::Begin => prop_assert_eq!(books.begin(T, true), None),
                Step::End(ok) => if let Some(changes) = flying.take() {
                    books.end(T, ok);
                    if ok {
                        settle(&mut saved, changes);
                    }
                },
            }
            // Of who is being forgotten nothing is loaded, so nobody asks.
            let asked_for = |n: &u8| !books.ledger.is_forgotten(&key(*n));
            for (n, all) in dialled.iter().filter(|(n, _)| asked_for(n)) {
                let before = saved.get(n).copied().unwrap_or_default();
                prop_assert_eq!(before + books.dials_unsaved(&key(*n)), *all, "{}", n);
            }
        }
        if let Some(changes) = flying.take() {
            books.end(T, true);
            settle(&mut saved, changes);
        }
        while let Some(changes) = books.begin(T, true) {
            prop_assert!(changes.peers.len() <= 7);
            books.end(T, true);
            settle(&mut saved, changes);
        }
        prop_assert!(books.ledger.is_settled());
        prop_assert_eq!(saved, dialled);
    }
}
