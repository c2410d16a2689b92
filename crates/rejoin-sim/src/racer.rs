//! Comes back as a [`Plan`] says: no engine, no records that change, only dials, answers and time.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use rejoin_core::{Address, PeerKey, PeerRecord, Pool};

use crate::{
    chance::{self, Subject},
    past::Scene,
    policies::{Order, Plan, Servers},
    world::{Candidate, HANDSHAKE_RTTS},
};

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// When there were enough connections, if ever.
    pub after: Option<Duration>,
    /// Dials made by then.
    pub dials: u64,
    /// How many of them went to bootstrap servers.
    pub bootstrap_dials: u64,
}

/// Round trips until a connection over a relay stands: those of a direct one, and one to the relay on
/// either side.
const RELAYED_RTTS: u32 = HANDSHAKE_RTTS + 2;

/// Lets a program come back until it has so many connections, servers not counted, or the time is up.
pub fn run(plan: &Plan, scene: &Scene, wanted: usize, limit: Duration) -> Outcome {
    let racer = Racer {
        plan,
        scene,
        now: Duration::ZERO,
        remembered: in_order(plan, scene),
        named: VecDeque::new(),
        happenings: BTreeMap::new(),
        happened: 0,
        busy: 0,
        dialled: BTreeSet::new(),
        connected: BTreeSet::new(),
        servers: Asked::default(),
    };
    racer.run(wanted, limit)
}

enum Happening {
    /// A dial has ended, with a connection or without.
    Ended(PeerKey, bool),
    /// And so has the pause after it.
    Rested,
    /// A server has answered and names these, or has failed.
    Answered(Option<Vec<Candidate>>),
    /// The time has come for servers, if there are fewer connections than this.
    Late { enough: usize },
}

/// How far the servers have been asked.
#[derive(Default)]
struct Asked {
    dials: u64,
    open: usize,
    connected: usize,
}

struct Racer<'a> {
    plan: &'a Plan,
    scene: &'a Scene,
    now: Duration,
    /// Those of the memory still to be dialled.
    remembered: VecDeque<Candidate>,
    /// Those whom servers have named.
    named: VecDeque<Candidate>,
    /// By time, and by number where several happen at one.
    happenings: BTreeMap<(Duration, u64), Happening>,
    happened: u64,
    /// Dials in the air, or just after.
    busy: usize,
    dialled: BTreeSet<PeerKey>,
    connected: BTreeSet<PeerKey>,
    servers: Asked,
}

impl Racer<'_> {
    fn run(mut self, wanted: usize, limit: Duration) -> Outcome {
        match self.plan.servers {
            Servers::AtOnce | Servers::First { .. } => self.ask_servers(),
            Servers::After { wait, enough } => self.after(wait, Happening::Late { enough }),
            Servers::AtLast => {}
        }
        self.fill();
        while self.connected.len() < wanted {
            match self.happenings.pop_first() {
                Some(((now, _), happening)) if now <= limit => {
                    self.now = now;
                    self.happens(happening);
                    self.fill();
                }
                _ => return self.outcome(None),
            }
        }
        let after = self.now;
        self.outcome(Some(after))
    }

    fn outcome(self, after: Option<Duration>) -> Outcome {
        Outcome {
            after,
            dials: self.dialled.len() as u64 + self.servers.dials,
            bootstrap_dials: self.servers.dials,
        }
    }

    fn happens(&mut self, happening: Happening) {
        match happening {
            Happening::Ended(peer, connected) => {
                if connected {
                    self.connected.insert(peer);
                }
                self.after(self.plan.pause, Happening::Rested);
            }
            Happening::Rested => self.busy -= 1,
            Happening::Answered(peers) => {
                self.servers.open -= 1;
                self.servers.connected += usize::from(peers.is_some());
                self.named.extend(peers.unwrap_or_default());
            }
            Happening::Late { enough } if self.connected.len() < enough => self.ask_servers(),
            Happening::Late { .. } => {}
        }
    }

    /// Begins as many dials as may be.
    fn fill(&mut self) {
        if self.plan.in_batches && self.busy > 0 {
            return;
        }
        while self.busy < self.plan.width {
            match self.next() {
                Some((peer, addresses)) => self.dial(peer, &addresses),
                None => break,
            }
        }
        if self.busy == 0 && self.plan.servers == Servers::AtLast {
            self.ask_servers();
        }
    }

    /// The next to be dialled, each once.
    fn next(&mut self) -> Option<Candidate> {
        loop {
            let next = match self.named.pop_front() {
                None if self.may_use_memory() => self.remembered.pop_front(),
                named => named,
            };
            match next {
                Some((peer, _)) if self.dialled.contains(&peer) => {}
                next => return next,
            }
        }
    }

    fn may_use_memory(&self) -> bool {
        match self.plan.servers {
            Servers::First { enough } => {
                self.servers.open == 0 && self.servers.connected + self.connected.len() < enough
            }
            _ => true,
        }
    }

    fn dial(&mut self, peer: PeerKey, addresses: &[Address]) {
        let attempt = self.scene.world.dial(Some(&peer), addresses, 0);
        let tried = attempt.after.min(self.plan.timeout);
        let answers = attempt.answer.is_some() && attempt.after <= self.plan.timeout;
        let (after, connected) = match self.plan.relay {
            Some(patience) if !answers => self.over_a_relay(&peer, tried, patience),
            _ => (tried, answers),
        };
        self.busy += 1;
        self.dialled.insert(peer.clone());
        self.after(after, Happening::Ended(peer, connected));
    }

    /// Tries over a relay whom a direct dial did not reach; a relay reaches whoever is alive.
    fn over_a_relay(
        &self,
        peer: &PeerKey,
        tried: Duration,
        patience: Duration,
    ) -> (Duration, bool) {
        let world = &self.scene.world;
        match world.find(peer).filter(|_| world.is_alive(peer)) {
            Some(id) => (tried + world.host(id).rtt * RELAYED_RTTS, true),
            None => (tried + patience, false),
        }
    }

    /// Dials all servers at once, the first time.
    fn ask_servers(&mut self) {
        if self.servers.dials > 0 {
            return;
        }
        for (id, _) in self.scene.world.bootstrap() {
            let (after, named) = self.scene.world.ask(id);
            self.servers.dials += 1;
            self.servers.open += 1;
            self.after(after, Happening::Answered(named));
        }
    }

    fn after(&mut self, wait: Duration, happening: Happening) {
        self.happened += 1;
        self.happenings
            .insert((self.now + wait, self.happened), happening);
    }
}

/// Those of the memory whom a program dials, in its order.
fn in_order(plan: &Plan, scene: &Scene) -> VecDeque<Candidate> {
    let mut order: Vec<&PeerRecord> = scene.shelf.friends().collect();
    chance::rng(scene.world.seed(), Subject::Order, 0, 0).shuffle(&mut order);
    // Sorts are stable: where they do not decide, the lot does.
    let is_hearsay = |record: &PeerRecord| record.pool() != Pool::Proven;
    match plan.order {
        Order::Random => {}
        Order::ProvenByLot => order.sort_by_key(|record| is_hearsay(record)),
        Order::SeenLast => order.sort_by_key(|record| Reverse(record.last_seen)),
        Order::Anchors => order.retain(|record| record.control.anchor),
        Order::ProvenAndHearsayInTurn => {
            let mut turns = [0, 0];
            order.sort_by_cached_key(|record| {
                let turn = &mut turns[usize::from(is_hearsay(record))];
                *turn += 1;
                *turn
            });
        }
    }
    order.truncate(plan.candidates);
    order.into_iter().map(candidate).collect()
}

/// A remembered peer, and where it is said to live.
pub(crate) fn candidate(record: &PeerRecord) -> Candidate {
    let addresses = record.addresses.iter();
    let addresses = addresses.map(|known| known.address.clone()).collect();
    (record.key.clone(), addresses)
}

#[cfg(test)]
mod tests {
    use rejoin_core::Config;

    use super::*;
    use crate::{
        absence::{Absence, Crowd},
        past::Past,
        policies::{OTHERS, blind},
        reference::oracle,
        world::HostState,
    };

    const LIMIT: Duration = Duration::from_secs(120);

    fn plan(name: &str) -> Plan {
        let plan = OTHERS.iter().find(|plan| plan.name == name);
        plan.expect("a plan of that name").clone()
    }

    fn scene(dead: f64) -> Scene {
        let past = Past {
            dead,
            ..Past::default()
        };
        Scene::new(1, &past)
    }

    #[test]
    fn nobody_beats_the_oracle_and_the_dead_slow_the_blind_down() {
        let mut sums = [Duration::ZERO; 3];
        for seed in 0..50 {
            for (sum, dead) in sums.iter_mut().zip([0.0, 0.5, 0.9]) {
                let past = Past {
                    dead,
                    ..Past::default()
                };
                let scene = Scene::new(seed, &past);
                let oracle = oracle(&scene, 5).unwrap();
                let blind = run(&blind(&Config::default()), &scene, 5, LIMIT);
                assert!(oracle <= blind.after.unwrap(), "seed {seed}");
                *sum += blind.after.unwrap();
            }
        }
        assert!(sums[0] < sums[1] && sums[1] < sums[2], "{sums:?}");
    }

    #[test]
    fn with_nobody_alive_servers_help_out() {
        for (plan, patience) in [
            (blind(&Config::default()), LIMIT),
            (plan("ten-random"), LIMIT * 100),
        ] {
            let outcome = run(&plan, &scene(1.0), 5, patience);
            assert!(outcome.after > Some(Duration::from_secs(1)), "{outcome:?}");
            assert_eq!(outcome.bootstrap_dials, 4);
        }
    }

    #[test]
    fn one_by_one_waits_after_each_dial_and_asks_late() {
        let scene = scene(0.0);
        let outcome = run(&plan("one-by-one"), &scene, 5, LIMIT);
        assert_eq!((outcome.dials, outcome.bootstrap_dials), (5, 0));
        let order = in_order(&plan("one-by-one"), &scene);
        let dials = order.iter().take(5).map(|(peer, addresses)| {
            let attempt = scene.world.dial(Some(peer), addresses, 0);
            attempt.after
        });
        let pauses = Duration::from_millis(500) * 4;
        assert_eq!(outcome.after, Some(dials.sum::<Duration>() + pauses));
    }

    #[test]
    fn a_batch_waits_for_its_slowest() {
        let mut scene = scene(0.0);
        let order = in_order(&plan("batches"), &scene);
        for (peer, _) in order.iter().take(1) {
            let id = scene.world.find(peer).unwrap();
            scene.world.turn(id, HostState::Silent);
        }
        let outcome = run(&plan("batches"), &scene, 5, LIMIT);
        assert!(outcome.after > Some(Duration::from_secs(3)), "{outcome:?}");
        assert_eq!(outcome.dials, 8, "two batches");
    }

    #[test]
    fn who_asks_servers_first_needs_its_memory_only_without_them() {
        let mut scene = scene(0.0);
        let first = plan("servers-first");
        let mut without = scene.clone();
        without.shelf.peers.clear();
        let outcomes = [&scene, &without].map(|scene| run(&first, scene, 5, LIMIT));
        assert_eq!(outcomes[0], outcomes[1]);
        let servers: Vec<_> = scene.world.bootstrap().map(|(id, _)| id).collect();
        for server in servers {
            scene.world.turn(server, HostState::Silent);
        }
        let outcome = run(&first, &scene, 5, LIMIT);
        assert!(outcome.after > Some(Duration::from_secs(10)), "{outcome:?}");
        assert_eq!((outcome.dials, outcome.bootstrap_dials), (24, 4));
    }

    #[test]
    fn a_relay_reaches_who_cannot_be_dialled_and_not_who_is_gone() {
        let mut scene = scene(0.0);
        let fallback = plan("relay-fallback");
        let order = in_order(&fallback, &scene);
        let ids = [0, 1].map(|at: usize| scene.world.find(&order[at].0).unwrap());
        scene.world.open_page(ids[0]);
        scene.world.turn(ids[1], HostState::Silent);
        let outcome = run(&fallback, &scene, 2, LIMIT);
        assert_eq!(outcome.dials, 3);
        assert!(outcome.after > Some(Duration::from_secs(2 + 2 + 20)));
    }

    #[test]
    fn every_program_comes_back_to_every_network_or_runs_out_of_time() {
        for absence in Absence::ALL {
            for seed in 0..6 {
                let scene = Scene::after(absence, seed, Crowd::default());
                for plan in &OTHERS {
                    let outcome = run(plan, &scene, 5, LIMIT);
                    assert!(outcome.after.is_none_or(|after| after <= LIMIT));
                    assert_eq!(outcome, run(plan, &scene, 5, LIMIT), "the same again");
                }
            }
        }
    }
}
