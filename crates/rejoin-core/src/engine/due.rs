//! What is due now: dials, servers, probes, feelers, house-keeping, saving.

use super::{Engine, Standing, happened::counts_as_remembered};
use crate::{
    address::Address,
    input::{AddressFailure, Failure},
    key::PeerKey,
    output::{Dial, DialId, Event, Lane, Output},
    queue,
    record::Pool,
    retention::PruneReport,
    sources::Kind,
    tally::Begun,
    time::Time,
};

impl Engine {
    /// Does whatever is due.
    pub(super) fn drive(&mut self, now: Time) {
        if self.schedule.stopping.is_none() {
            self.give_up_expired(now);
            self.notice_silence(now);
            self.trim(now);
            self.give_up_questions(now);
            self.fill_up(now);
            self.keep_slots(now);
            self.keep_house(now);
            self.keep_hot(now);
            self.keep_company(now);
        }
        let hurry = self.schedule.stopping.is_some() && self.is_worth_saving();
        if let Some(changes) = self.book.begin_commit(now, hurry, &self.config) {
            self.outputs.push_back(Output::Commit(changes));
        }
    }

    /// While stopping, a commit that fails is the last one: a broken disk must not hold us up.
    pub(super) fn is_worth_saving(&self) -> bool {
        let failures = self.book.unsaved().status().failures;
        self.schedule
            .stopping
            .is_none_or(|before| failures <= before)
    }

    fn give_up_expired(&mut self, now: Time) {
        for dial in self.dialer.expired(now) {
            self.give_up(now, dial);
        }
    }

    /// Ends a dial that stayed silent.
    fn give_up(&mut self, now: Time, dial: DialId) {
        let Some(flight) = self.dialer.land(dial) else {
            return;
        };
        self.outputs.push_back(Output::CancelDial(dial));
        let silent = |address: &Address| AddressFailure {
            address: address.clone(),
            failure: Failure::Silent,
        };
        let failures = flight.addresses.iter().map(silent).collect();
        self.ended_badly(now, dial, flight, failures);
    }

    fn fill_up(&mut self, now: Time) {
        let (missing, short) = (self.missing(), self.short());
        if missing == 0 {
            self.rest_content(now, short);
            return;
        }
        if self.schedule.standing != Standing::Missing {
            self.schedule.standing = Standing::Missing;
            self.race_anew(now);
        }
        if let Some(probe_at) = self.guard.probe_at() {
            if now >= probe_at {
                self.probe(now);
            }
            return;
        }
        self.race(now, missing.max(short));
        self.ask_sources(now, missing);
    }

    /// There are as many connections as wanted. What is in the air may still land if too few of them
    /// are of our own choice; only once there are enough of those too are the anchors decided, for
    /// whoever comes to us first must not make us forget them.
    fn rest_content(&mut self, now: Time, short: usize) {
        if short == 0 {
            let racing = [Lane::Memory, Lane::Explore, Lane::Bootstrap];
            for dial in self.dialer.in_lanes(&racing) {
                self.cancel(now, dial);
            }
        }
        let before = self.schedule.standing;
        if before == Standing::Missing {
            self.dialer.restart(now);
            let took = self.tally.target_reached(now);
            self.tell(Event::TargetReached { took });
        }
        if short > 0 {
            self.schedule.standing = Standing::Reached;
            if before != Standing::Reached {
                self.schedule.second_opinion_at = now + self.config.discover_every;
            }
            self.fill_reserve(now);
            return;
        }
        self.schedule.standing = Standing::Settled;
        if before != Standing::Settled {
            self.book.settle_anchors(now, &self.links);
        }
    }

    fn race(&mut self, now: Time, missing: usize) {
        while let Some(news) = self.next_is_news(now) {
            let room = self.room(now, news);
            if self.dialer.wants_more(now, missing, room) {
                let (dialer, scene, rng) = self.survey(now);
                let Some((peer, lane)) = dialer.next(scene, false, rng) else {
                    return;
                };
                self.dial(now, &peer, lane, false);
            } else if !self.dialer.wants_room(now, missing, room) {
                return;
            } else if let Some(patient) = self.dialer.give_way(now) {
                self.give_up(now, patient);
            } else if let Some(overdue) = self.dialer.give_way_to_news(now).filter(|_| news) {
                self.put_off(now, overdue);
            } else {
                return;
            }
        }
    }

    /// Calls off a dial in favour of another. Whoever it went to rests like one who failed: otherwise
    /// two who are news to us, and both too far away to answer in time, would make room for each
    /// other for ever.
    fn put_off(&mut self, now: Time, dial: DialId) {
        let peer = self.dialer.peer_of(dial);
        self.cancel(now, dial);
        if let Some(peer) = peer {
            self.book.rest(now, &peer, &[], &self.config, &mut self.rng);
            if let Some(record) = self.book.get(&peer) {
                self.dialer.rests(record);
            }
        }
    }

    /// Whether the next to be dialled was only heard of since the race began; `None` if nobody is.
    pub(super) fn next_is_news(&mut self, now: Time) -> Option<bool> {
        let (dialer, scene, _) = self.survey(now);
        dialer.next_is_news(scene)
    }

    /// How many dials the race may have in the air. Bootstrap servers must not have to wait for a
    /// place, and once they are asked, neither must those they will name.
    pub(super) fn room(&self, now: Time, news: bool) -> usize {
        let servers = self.sources.servers().min(self.config.bootstrap_dials_max);
        let others = [Lane::Bootstrap, Lane::Feeler, Lane::Manual];
        let others = self.dialer.in_lanes(&others).len();
        let asked = !self.sources.is_empty() && self.schedule.head_start.is_over(now);
        let reserved = if asked && !news {
            self.config.news_reserve
        } else {
            0
        };
        self.config
            .dials_max
            .saturating_sub(servers.max(others) + reserved)
    }

    /// One peer or two, whatever their backoff: enough to see whether the line is back.
    fn probe(&mut self, now: Time) {
        let probes = self.guard.probed(now, &self.config);
        if self.dialer.len() + 2 > self.config.dials_max {
            return; // enough is in the air to notice
        }
        self.dialer.reorder();
        let (dialer, scene, rng) = self.survey(now);
        let next = dialer.next(scene, true, rng);
        if let Some((peer, lane)) = &next {
            self.dial(now, peer, *lane, true);
        }
        // Sources would hear from everybody whose line fails, so they are asked half as often.
        if next.is_none() || probes.is_multiple_of(2) {
            self.ask_one(now, &Kind::ALL, true);
        }
    }

    pub(super) fn dial(&mut self, now: Time, peer: &PeerKey, lane: Lane, anyway: bool) {
        let (dialer, scene, _) = self.survey(now);
        let record = scene.book.get(peer);
        let proven = record.is_some_and(|record| record.pool() == Pool::Proven);
        if let Some(dial) = dialer.dial(scene, peer, lane, anyway) {
            self.send(now, dial, proven);
        }
    }

    pub(super) fn send(&mut self, now: Time, dial: Dial, proven: bool) {
        let begun = Begun {
            id: dial.id,
            peer: dial.peer.as_ref(),
            lane: dial.lane,
            proven,
        };
        self.tally.begun(now, &begun, &self.config);
        self.outputs.push_back(Output::Dial(dial));
    }

    /// Calls a dial off; it counts neither for nor against anybody.
    pub(super) fn cancel(&mut self, now: Time, dial: DialId) {
        self.called_off(now, dial, "cancelled");
        self.outputs.push_back(Output::CancelDial(dial));
    }

    /// A dial the swarm would not make, or whose peer was there already.
    pub(super) fn not_made(&mut self, now: Time, dial: DialId) {
        self.sources.rest(dial, now, &self.config);
        self.called_off(now, dial, "not-made");
    }

    fn called_off(&mut self, now: Time, dial: DialId, outcome: &'static str) {
        self.sources.called_off(dial);
        if let Some(flight) = self.dialer.land(dial) {
            let remembered = counts_as_remembered(&flight);
            self.tally
                .ended(now, dial, remembered, flight.lane, outcome);
        }
    }

    fn keep_house(&mut self, now: Time) {
        let wanted = self.missing() > 0 || self.short() > 0;
        for peer in self.links.no_longer_anchors(now, &self.config) {
            self.book.control(now, &peer, |record| {
                std::mem::take(&mut record.control.anchor)
            });
        }
        if now >= self.schedule.check_at {
            self.schedule.check_at = now + self.config.check_every;
            if wanted {
                self.dialer.reorder();
            }
            self.seek(now);
        }
        if now >= self.schedule.discover_at && wanted && !self.links.is_empty() {
            self.schedule.discover_at = now + self.config.discover_every;
            self.outputs.push_back(Output::Discover);
        }
        if now >= self.schedule.feeler_at {
            self.schedule.feeler_at = now + self.config.feeler_every;
            self.feel(now);
        }
        if self.book.len() > self.config.peers_max {
            // At most a few times a minute, since some may be exempt.
            let soonest = self.schedule.pruned + self.config.save_every;
            self.schedule.prune_at = self.schedule.prune_at.min(soonest);
        }
        if now >= self.schedule.prune_at {
            self.schedule.pruned = now;
            self.schedule.prune_at = now + self.config.prune_every;
            let plan = self.prune_dry_run(now);
            self.prune(now, plan);
        }
    }

    /// Whom the user named is dialled until it is met, however many others have come meanwhile: it may
    /// be the only way from a small circle that is content with itself to the rest of the network.
    fn seek(&mut self, now: Time) {
        let full = self.dialer.len() >= self.config.dials_max;
        if full || self.guard.probe_at().is_some() {
            return;
        }
        let (dialer, scene, _) = self.survey(now);
        let sought = queue::next_sought(scene, |peer| dialer.is_dialling(peer));
        if let Some(peer) = sought {
            self.dial(now, &peer, Lane::Manual, false);
        }
    }

    fn feel(&mut self, now: Time) {
        if self.missing() > 0 || self.dialer.len() >= self.config.dials_max {
            return;
        }
        let (dialer, scene, rng) = self.survey(now);
        let drawn = queue::draw_hearsay(scene, |peer| dialer.is_dialling(peer), rng);
        if let Some(peer) = drawn {
            self.dial(now, &peer, Lane::Feeler, false);
        }
    }

    pub(super) fn prune(&mut self, now: Time, plan: PruneReport) {
        if !plan.is_empty() {
            self.book.prune(now, &plan);
            self.dialer.reorder();
            self.tell(Event::Pruned(plan));
        }
    }
}
