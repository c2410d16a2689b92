//! What the behaviour asks of its shelf, above all at the end. No socket, no disk.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use libp2p::{PeerId, futures::task::noop_waker_ref, identity::Keypair, swarm::NetworkBehaviour};
use rejoin_core::{Changes, PeerRecord, Recall, Source, Time};
use rejoin_libp2p::{Answer, Behaviour, Setup, Shelf};

#[test]
fn dropping_the_behaviour_saves_what_is_unsaved() {
    let (mut memory, shelf) = behaviour(Conduct::Saves);
    let peer = hear_of_somebody(&mut memory);
    drop(memory);
    assert!(shelf.holds(peer));
}

// Mistake 6: a failed save blocking shutdown.
#[test]
fn a_shelf_that_fails_does_not_hold_up_the_end() {
    let (mut memory, shelf) = behaviour(Conduct::Fails);
    hear_of_somebody(&mut memory);
    drop(memory);
    assert_eq!(shelf.commits().len(), 1, "it is not tried for ever");
}

#[test]
fn a_shelf_that_says_nothing_is_waited_for_but_not_for_ever() {
    let (mut memory, shelf) = behaviour(Conduct::Hangs);
    hear_of_somebody(&mut memory);
    drop(memory);
    let waited = shelf.waited();
    assert!(!waited.is_empty());
    assert!(
        waited.iter().all(|it| *it <= Duration::from_secs(2)),
        "{waited:?}"
    );
}

#[test]
fn shutting_down_twice_saves_once() {
    let (mut memory, shelf) = behaviour(Conduct::Saves);
    hear_of_somebody(&mut memory);
    memory.shutdown();
    memory.shutdown();
    assert_eq!(shelf.commits().len(), 1);
    assert!(shelf.waited().is_empty(), "only dropping waits");
}

#[test]
fn what_the_shelf_loads_is_remembered() {
    let (mut memory, shelf) = behaviour(Conduct::Saves);
    let peer = PeerId::random();
    let record = PeerRecord::new(peer.into(), rejoin_libp2p::now());
    shelf.say(Answer::Loaded(vec![record]));
    poll(&mut memory);
    assert!(memory.peer(peer).is_some());
}

#[test]
fn whoever_is_in_the_store_alone_is_asked_for_there_and_remembered() {
    let (mut memory, shelf) = behaviour(Conduct::Saves);
    let peer = PeerId::random();
    let record = PeerRecord::new(peer.into(), rejoin_libp2p::now());
    shelf.say(Answer::Shelved(7)); // and there is room
    poll(&mut memory);
    assert_eq!(shelf.seen.lock().unwrap().recalls.len(), 1);
    shelf.say(Answer::Recalled(vec![record].into()));
    poll(&mut memory);
    assert!(memory.peer(peer).is_some());
}

#[test]
fn a_behaviour_without_a_shelf_ends_at_once() {
    let mut memory = Behaviour::new(Setup::new(&Keypair::generate_ed25519()));
    hear_of_somebody(&mut memory);
    drop(memory);
}

fn behaviour(conduct: Conduct) -> (Behaviour, Fake) {
    let fake = Fake {
        conduct,
        seen: Arc::default(),
    };
    let memory = Behaviour::new(Setup {
        shelf: Some(Box::new(fake.clone())),
        seed: 1,
        ..Setup::new(&Keypair::generate_ed25519())
    });
    (memory, fake)
}

fn poll(memory: &mut Behaviour) {
    let mut cx = Context::from_waker(noop_waker_ref());
    while memory.poll(&mut cx).is_ready() {}
}

fn hear_of_somebody(memory: &mut Behaviour) -> PeerId {
    let peer = PeerId::random();
    memory.heard(
        Source::Manual,
        peer,
        ["/ip4/9.9.9.9/tcp/1".parse().unwrap()],
    );
    peer
}

/// How a shelf answers.
#[derive(Clone, Copy)]
enum Conduct {
    Saves,
    Fails,
    Hangs,
}

/// A shelf that can be asked what was asked of it.
#[derive(Clone)]
struct Fake {
    conduct: Conduct,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    commits: Vec<Changes>,
    answers: VecDeque<Answer>,
    waited: Vec<Duration>,
    recalls: Vec<Recall>,
}

impl Fake {
    fn say(&self, answer: Answer) {
        self.seen.lock().unwrap().answers.push_back(answer);
    }

    fn commits(&self) -> Vec<Changes> {
        self.seen.lock().unwrap().commits.clone()
    }

    fn waited(&self) -> Vec<Duration> {
        self.seen.lock().unwrap().waited.clone()
    }

    fn holds(&self, peer: PeerId) -> bool {
        let commits = self.commits();
        let mut saved = commits.iter().flat_map(|changes| &changes.peers);
        saved.any(|delta| delta.record.key == peer.into())
    }
}

impl Shelf for Fake {
    fn commit(&mut self, number: u64, changes: Changes, _: Time) {
        let ok = match self.conduct {
            Conduct::Saves => Some(true),
            Conduct::Fails => Some(false),
            Conduct::Hangs => None,
        };
        let mut seen = self.seen.lock().unwrap();
        seen.commits.push(changes);
        seen.answers
            .extend(ok.map(|ok| Answer::Committed { number, ok }));
    }

    fn recall(&mut self, whom: Recall) {
        self.seen.lock().unwrap().recalls.push(whom);
    }

    fn poll_answer(&mut self, _: &mut Context<'_>) -> Poll<Answer> {
        match self.seen.lock().unwrap().answers.pop_front() {
            Some(answer) => Poll::Ready(answer),
            None => Poll::Pending,
        }
    }

    fn wait_answer(&mut self, at_most: Duration) -> Option<Answer> {
        let mut seen = self.seen.lock().unwrap();
        seen.waited.push(at_most);
        seen.answers.pop_front()
    }
}
