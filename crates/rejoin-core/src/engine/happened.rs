//! What each input changes, machine by machine.

use std::{collections::BTreeMap, time::Duration};

use super::{Engine, Standing, Verdict};
use crate::{
    address::Address,
    book::{self, Meeting},
    dialer::Flight,
    head_start::HeadStart,
    input::{AddressFailure, Connected, Deed, Direction, Failure},
    key::PeerKey,
    links::Link,
    outage::Answer,
    output::{DialId, DisconnectReason, Event, Lane, Output},
    reach::Scope,
    record::{AddressRecord, PeerRecord},
    reputation::Consequence,
    source::Source,
    sources::{Kind, Sources},
    time::Time,
};

impl Engine {
    pub(super) fn load(&mut self, now: Time, peers: Vec<PeerRecord>, repaired: usize) {
        let mut values = repaired;
        for record in peers {
            let key = record.key.clone();
            let server = record.role.bootstrap;
            values += self.book.load(now, record, &self.config);
            if server {
                self.remember_server(&key);
            }
            self.send_blocked_away(now, &key);
        }
        self.dialer.reorder();
        if values > 0 {
            self.tell(Event::Repaired { values });
        }
    }

    /// Who was a bootstrap server once may be asked again, named anew or not.
    fn remember_server(&mut self, server: &PeerKey) {
        let Some(record) = self.book.get(server) else {
            return;
        };
        // Those the user names need room beside those we remember.
        let room = self.config.sources_max / 2;
        let named = |known: &&AddressRecord| known.observed || known.source == Source::Bootstrap;
        for known in record.addresses.iter().filter(named) {
            if self.sources.len() >= room {
                return;
            }
            let breaker = &self.book.memory().sources;
            let breaker = breaker.get(&Sources::server_name(&known.address)).copied();
            let (peer, address) = (Some(server.clone()), known.address.clone());
            self.sources
                .add_server(Kind::Cached, peer, address, breaker, &self.config);
        }
    }

    pub(super) fn connected(&mut self, now: Time, connected: Connected) {
        let Connected {
            peer,
            address,
            direction,
            kind,
            failures,
        } = connected;
        if let Some(reason) = self.turns_away(now, &peer, &address, direction) {
            if let Direction::Outbound(Some(dial)) = direction {
                self.not_made(now, dial);
                self.book.rest(now, &peer, &[], &self.config, &mut self.rng);
            }
            self.outputs.push_back(Output::Disconnect { peer, reason });
            return;
        }
        let ours = match direction {
            Direction::Outbound(Some(dial)) => self.dialer.land(dial).map(|flight| (dial, flight)),
            Direction::Outbound(None) | Direction::Inbound => None,
        };
        // Whichever way it came about, nobody else needs to dial it any more.
        if let Some(dial) = self.dialer.dial_of(&peer) {
            self.cancel(now, dial);
        }
        let began = ours.as_ref().map_or(now, |(_, flight)| flight.began);
        let remembered = ours
            .as_ref()
            .is_some_and(|(_, flight)| counts_as_remembered(flight));
        self.book.met(
            now,
            &peer,
            Meeting {
                dialled: (direction != Direction::Inbound).then_some(&address),
                took: ours.as_ref().map(|(_, flight)| now.since(flight.began)),
                kind,
                place: self.reach.place(),
            },
            &self.config,
        );
        self.book.bypassed(now, &peer, &failures);
        let met = self.book.get(&peer).filter(|record| book::was_met(record));
        let known_server = met.expect("whoever connects is met").role.bootstrap;
        let lane = ours.as_ref().map(|(_, flight)| flight.lane);
        let link = Link {
            server: lane == Some(Lane::Bootstrap) || known_server,
            ..Link::new(now, &address, direction)
        };
        if let Some((dial, flight)) = ours {
            self.landed_well(now, &peer, dial, &flight);
        }
        self.links.came_up(&peer, link, &self.config);
        self.answered(now, Some(began));
        let connections = self.links.len();
        self.count_connections(now);
        let event = Event::Connected {
            peer: peer.clone(),
            connections,
            remembered,
        };
        self.tell(event);
        if connections == 1 {
            self.schedule.discover_at = now;
        }
        if lane == Some(Lane::Feeler) {
            self.relieve_scout(peer);
        }
    }

    /// A feeler that got through stays until the next one does: so everybody has a connection that
    /// leads to nobody in particular, and no circle of friends loses touch with the rest.
    fn relieve_scout(&mut self, next: PeerKey) {
        let before = self.links.relieve_scout(next);
        // It stays on if it is needed.
        let spare = self.links.outbound() > self.config.reserve();
        if let Some(peer) = before.filter(|_| spare && self.links.peers() > self.config.target) {
            let reason = DisconnectReason::FeelerDone;
            self.outputs.push_back(Output::Disconnect { peer, reason });
        }
    }

    /// Why we do not want this connection, if we do not.
    fn turns_away(
        &self,
        now: Time,
        peer: &PeerKey,
        address: &Address,
        direction: Direction,
    ) -> Option<DisconnectReason> {
        let blocked = self.book.get(peer).is_some_and(|it| it.is_blocked(now));
        if blocked {
            return Some(DisconnectReason::Blocked);
        }
        let room = self.links.has_room(peer, address, direction, &self.config);
        (!room).then_some(DisconnectReason::Surplus)
    }

    fn landed_well(&mut self, now: Time, peer: &PeerKey, dial: DialId, flight: &Flight) {
        self.dialer.judge(flight, true);
        let remembered = counts_as_remembered(flight);
        self.tally
            .ended(now, dial, remembered, flight.lane, "connected");
        if let Some((age, absence)) = flight.absent.filter(|(_, absence)| was_away(*absence)) {
            self.book.learn_survival(now, age, absence, true);
        }
        if flight.lane == Lane::Bootstrap {
            for address in &flight.addresses {
                self.book
                    .introduce(now, peer, address.clone(), &Source::Bootstrap);
            }
            if let Some((source, breaker)) = self.sources.answered(dial, peer) {
                self.book.set_breaker(now, source, breaker);
            }
            // One server is enough until it has had its chance to help.
            let chance = now + self.config.bootstrap_head_start;
            self.schedule.head_start.answered(chance);
        }
    }

    pub(super) fn disconnected(&mut self, now: Time, peer: &PeerKey) {
        let before = self.links.peers();
        let Some(session) = self.links.went_down(peer, now) else {
            return;
        };
        self.fewer_count(now, before);
        self.book.parted(now, peer, session);
        // Who stayed for a while is welcome back at once, who did not only after a pause.
        if session < self.config.check_every {
            self.book.rest(now, peer, &[], &self.config, &mut self.rng);
            self.sources.hung_up(peer, now, &self.config);
        } else if self.links.live() > 0 {
            // Who leaves alone may have left others too, and they must not all be back at once.
            let pause = self.config.reconnect_jitter.mul_f64(self.rng.f64());
            self.book.pause(now, peer, now + pause);
        }
        self.exchange.left(peer);
        self.dialer.reorder();
        let connections = self.links.len();
        self.tell(Event::Disconnected {
            peer: peer.clone(),
            connections,
        });
        if connections == 0 {
            self.begin_return(now);
        }
    }

    /// Fewer peers may count than `before`.
    pub(super) fn fewer_count(&mut self, now: Time, before: usize) {
        let low = self.config.low_water;
        if before >= low && self.links.peers() < low {
            self.hold_back_servers(now);
        }
    }

    /// From here on the way back is timed and raced anew.
    fn begin_return(&mut self, now: Time) {
        self.tally.restart(now);
        self.schedule.standing = Standing::Missing;
        self.race_anew(now);
    }

    /// The race begins anew, and memory has its head start over bootstrap servers anew.
    pub(super) fn race_anew(&mut self, now: Time) {
        self.dialer.restart(now);
        self.hold_back_servers(now);
    }

    /// Memory has its chance first.
    fn hold_back_servers(&mut self, now: Time) {
        self.schedule.head_start = HeadStart::after_loss(now, &self.config, &mut self.rng);
        self.sources.race_anew();
    }

    pub(super) fn dial_failed(&mut self, now: Time, dial: DialId, failures: Vec<AddressFailure>) {
        let Some(flight) = self.dialer.land(dial) else {
            return;
        };
        self.ended_badly(now, dial, flight, failures);
    }

    pub(super) fn ended_badly(
        &mut self,
        now: Time,
        dial: DialId,
        flight: Flight,
        failures: Vec<AddressFailure>,
    ) {
        let remembered = counts_as_remembered(&flight);
        self.tally
            .ended(now, dial, remembered, flight.lane, outcome(&failures));
        self.dialer.judge(&flight, false);
        self.sources.rest(dial, now, &self.config);
        if let Some(peer) = &flight.peer {
            self.book
                .rest(now, peer, &failures, &self.config, &mut self.rng);
            if let Some(record) = self.book.get(peer) {
                self.dialer.rests(record);
            }
        }
        let began = flight.began;
        let kinds = |of: fn(&AddressFailure) -> bool| failures.iter().all(of);
        let (no_way, no_means) = (kinds(is_unreachable), kinds(is_unsupported));
        let answered = failures.iter().any(is_answer);
        let verdict = Verdict::Dial(flight, failures);
        if answered {
            self.line_works(now, Some(began));
            self.pass(now, verdict);
        } else if no_means {
            self.pass(now, verdict);
        } else if no_way {
            self.guard.unreachable();
        } else if let Some(verdict) = self.guard.silent(began, now, verdict, &self.config) {
            self.pass(now, verdict);
        }
        self.declare_outage(now);
    }

    /// Says so if by now the fault must be our own line's.
    pub(super) fn declare_outage(&mut self, now: Time) {
        let (live, known) = (self.links.live(), self.book.len() + self.sources.len());
        if self.guard.declare(now, live, known, &self.config) {
            self.tell(Event::OutageBegan);
        }
    }

    /// The fault was not ours.
    pub(super) fn pass(&mut self, now: Time, verdict: Verdict) {
        let (flight, failures) = match verdict {
            Verdict::Dial(flight, failures) => (flight, failures),
            Verdict::Directory(directory) => return self.let_down_by(now, &directory),
        };
        if flight.lane == Lane::Bootstrap {
            for address in &flight.addresses {
                let failed = self.sources.failed(address, now, &self.config);
                if let Some((source, breaker)) = failed {
                    self.book.set_breaker(now, source, breaker);
                }
            }
        }
        let Some(peer) = flight.peer else {
            return;
        };
        self.book
            .failed(now, &peer, &failures, &self.config, &mut self.rng);
        if let Some((age, absence)) = flight.absent.filter(|(_, absence)| was_away(*absence))
            && failures
                .iter()
                .any(|failed| book::blames_peer(failed.failure))
        {
            self.book.learn_survival(now, age, absence, false);
        }
        let plan = self.book.prune_plan_of(now, &peer, &self.config);
        self.prune(now, plan);
    }

    /// A peer answered what began at `began`, or showed life of itself. If that ends an outage,
    /// everybody may be dialled at once again.
    pub(super) fn answered(&mut self, now: Time, began: Option<Time>) {
        if self.line_works(now, began) {
            self.book.clear_backoff(now);
            self.sources.clear();
            self.race_anew(now);
        }
    }

    /// Something came in from the network, be it a refusal. Says whether that ends an outage.
    pub(super) fn line_works(&mut self, now: Time, began: Option<Time>) -> bool {
        let Answer { guilty, outage } = self.guard.answered(began, now, &self.config);
        for verdict in guilty {
            self.pass(now, verdict);
        }
        if let Some(lasted) = outage {
            self.tell(Event::OutageEnded { lasted });
        }
        outage.is_some()
    }

    pub(super) fn heard_from(&mut self, now: Time, peer: &PeerKey, began: Option<Time>) {
        if self.links.heard(peer, now) {
            self.answered(now, began);
            self.count_connections(now);
        }
    }

    /// What was connected before a sleep counts once it has shown life.
    fn count_connections(&mut self, now: Time) {
        let live = self.links.live();
        self.tally.connected(now, live);
    }

    pub(super) fn latency(&mut self, now: Time, peer: &PeerKey, rtt: Duration) {
        self.heard_from(now, peer, None);
        let dialled = self.links.get(peer).and_then(|link| link.dialled.clone());
        let measured = Some((rtt, dialled.as_ref()));
        self.book.seen(now, peer, measured, &self.config);
    }

    pub(super) fn judged(&mut self, now: Time, peer: PeerKey, deed: Deed) {
        let Some(judgement) = self.book.judged(now, &peer, deed, &self.config) else {
            return;
        };
        let Some(consequence) = judgement.consequence else {
            return;
        };
        if judgement.is_news {
            self.tell(Event::Misbehaved {
                peer: peer.clone(),
                consequence,
            });
        }
        match consequence {
            Consequence::Spared => {}
            Consequence::SentAway | Consequence::Banned => {
                self.send_away(now, peer, DisconnectReason::Misbehaved);
                self.dialer.reorder();
            }
        }
    }

    pub(super) fn heard(
        &mut self,
        now: Time,
        source: &Source,
        teller: Option<Scope>,
        peers: Vec<(PeerKey, Vec<Address>)>,
    ) {
        let told: Vec<_> = peers.into_iter().take(self.config.heard_max).collect();
        for (peer, addresses) in self.trusted_part(told, source) {
            if self.reach.is_me(&peer) {
                continue;
            }
            let believable: Vec<_> = addresses
                .into_iter()
                .filter(|address| self.reach.is_believable(address, teller))
                .collect();
            if self.book.hear(now, &peer, believable, source, &self.config) {
                self.dialer.reorder();
            }
        }
    }

    /// The machine slept, or is somewhere else: old failures mean little, old connections too.
    pub(super) fn woke(&mut self, now: Time) {
        self.guard.reset();
        self.links.woke(now, &self.config);
        self.book.clear_backoff(now);
        self.sources.clear();
        self.relays.clear();
        for dial in
            self.dialer
                .in_lanes(&[Lane::Memory, Lane::Explore, Lane::Bootstrap, Lane::Feeler])
        {
            self.cancel(now, dial);
        }
        self.begin_return(now);
    }
}

/// An absence worth learning from: shorter ones are reconnects.
fn was_away(absence: Duration) -> bool {
    absence >= Duration::from_secs(60)
}

pub(super) fn counts_as_remembered(flight: &Flight) -> bool {
    flight.absent.is_some() && matches!(flight.lane, Lane::Memory | Lane::Explore)
}

/// Whether this failure came from somebody: then our own line works.
fn is_answer(failed: &AddressFailure) -> bool {
    match failed.failure {
        Failure::WrongPeer | Failure::Handshake => true,
        // Our own machine refuses for itself, even without a line.
        Failure::Refused => Scope::of(&failed.address) != Scope::Loopback,
        Failure::Silent | Failure::Unreachable | Failure::Unsupported | Failure::Other => false,
    }
}

fn is_unreachable(failed: &AddressFailure) -> bool {
    failed.failure == Failure::Unreachable
}

fn is_unsupported(failed: &AddressFailure) -> bool {
    failed.failure == Failure::Unsupported
}

/// One word for the timeline.
fn outcome(failures: &[AddressFailure]) -> &'static str {
    let mut by_kind: BTreeMap<Failure, usize> = BTreeMap::new();
    for failed in failures {
        *by_kind.entry(failed.failure).or_default() += 1;
    }
    match by_kind
        .into_iter()
        .max_by_key(|(_, count)| *count)
        .map(|(kind, _)| kind)
    {
        Some(Failure::Refused) => "refused",
        Some(Failure::Silent) => "silent",
        Some(Failure::Unreachable) => "unreachable",
        Some(Failure::WrongPeer) => "wrong-peer",
        Some(Failure::Handshake | Failure::Unsupported | Failure::Other) | None => "failed",
    }
}
