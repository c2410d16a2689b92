//! Asking sources: when they join the race, and what becomes of what they say. Which of them is next
//! stands in `sources`; how one is asked, only the program knows.

use super::{Engine, Verdict};
use crate::{
    address::Address,
    directory::Directory,
    input::Failure,
    key::PeerKey,
    output::{AskId, Lane, Output, Timeout},
    reach::Scope,
    source::Source,
    sources::{Around, Kind, Sources, Turn},
    time::Time,
};

impl Engine {
    pub(super) fn add_directory(&mut self, now: Time, directory: Directory) {
        // A rendezvous server is a server: there to be asked, not to be kept.
        if let Directory::Rendezvous { peer, address } = &directory {
            let source = Source::Bootstrap;
            self.book.introduce(now, peer, address.clone(), &source);
        }
        let breakers = &self.book.memory().sources;
        let breaker = breakers.get(&directory.name()).copied();
        self.sources.add_directory(directory, breaker, &self.config);
    }

    /// Asks whoever's turn it is, as long as connections are few.
    pub(super) fn ask_sources(&mut self, now: Time, missing: usize) {
        if self.schedule.naming || self.links.peers() >= self.config.low_water {
            return;
        }
        let nobody_left =
            self.links.is_empty() && self.dialer.is_empty() && self.next_is_news(now).is_none();
        let unaided = self.links.is_empty() && (nobody_left || self.dialer.memory_failed(now));
        let urgent = unaided && self.schedule.head_start.is_unaided(now);
        let from = match self.is_outrun(now, missing) {
            true => now,
            false => self.sources_from(),
        };
        if now < from {
            return;
        }
        let open = self.with_sources(now, |sources, around, config| {
            sources.open(now, from, around.is_busy, config)
        });
        let most = missing.min(self.config.bootstrap_dials_max);
        let due = urgent || self.schedule.head_start.is_over(now);
        loop {
            let air = self.dialer.len() < self.config.dials_max;
            let dials = air && self.dialer.fresh_bootstrap(now) < most;
            // Of servers one per kind is enough until it is overdue for more.
            let may = |kind: &&Kind| {
                !kind.is_dialled() || dials && (due || self.sources.had_no_turn(**kind))
            };
            let kinds: Vec<_> = open.iter().filter(may).copied().collect();
            if !self.ask_one(now, &kinds, false) {
                return;
            }
        }
    }

    /// Whether sources join before their time, since too few of those we remember will answer. After a start
    /// only: what makes a race begin anew may have struck others too.
    fn is_outrun(&self, now: Time, missing: usize) -> bool {
        let room = self.room(now, false);
        self.schedule.head_start.may_be_cut() && self.dialer.is_outrun(now, missing, room)
    }

    /// When the first sources join the race.
    fn sources_from(&self) -> Time {
        self.schedule.head_start.ends(self.links.is_empty())
    }

    /// Asks the next source of these kinds, if there is one; `anyway` even if it rests.
    pub(super) fn ask_one(&mut self, now: Time, kinds: &[Kind], anyway: bool) -> bool {
        let turn = self.with_sources(now, |sources, around, config| {
            sources.turn(now, kinds, anyway, around, config)
        });
        match turn {
            None => false,
            Some(Turn::Dial { peer, address }) => {
                let (dialer, scene, _) = self.survey(now);
                let dial = dialer.dial_address(scene, peer, address.clone(), Lane::Bootstrap);
                self.sources.dialled(&address, dial.id);
                self.send(now, dial, false);
                true
            }
            Some(Turn::Consult { ask, directory }) => {
                self.tally.consulted();
                self.outputs.push_back(Output::Consult {
                    ask,
                    directory,
                    within: self.config.consult_timeout,
                });
                true
            }
        }
    }

    fn with_sources<T>(
        &mut self,
        now: Time,
        work: impl FnOnce(&mut Sources, Around<'_>, &crate::Config) -> T,
    ) -> T {
        let Self {
            sources,
            links,
            dialer,
            reach,
            book,
            config,
            ..
        } = self;
        let busy = |peer: &PeerKey| {
            links.contains(peer)
                || dialer.is_dialling(peer)
                || reach.is_me(peer)
                || book.get(peer).is_some_and(|it| it.is_blocked(now))
        };
        let around = Around {
            is_busy: &busy,
            dial_ms: &|peer| {
                let known = book.get(peer)?.addresses.iter();
                known
                    .filter_map(|known| known.dial_ms)
                    .min_by(f32::total_cmp)
            },
        };
        work(sources, around, config)
    }

    /// A directory named peers, or why it did not.
    pub(super) fn consulted(
        &mut self,
        now: Time,
        ask: AskId,
        found: Result<Vec<(PeerKey, Vec<Address>)>, Failure>,
    ) {
        let Some((directory, began)) = self.sources.landed(ask) else {
            return; // it comes too late
        };
        match found {
            Ok(peers) => self.told_by(now, &directory, began, peers),
            Err(failure) => self.not_told(now, directory, began, failure),
        }
    }

    fn told_by(
        &mut self,
        now: Time,
        directory: &Directory,
        began: Time,
        mut peers: Vec<(PeerKey, Vec<Address>)>,
    ) {
        if let Some((name, breaker)) = self.sources.told(directory, now, &self.config) {
            self.book.set_breaker(now, name, breaker);
        }
        if directory.proves_line() {
            self.answered(now, Some(began));
        }
        // Everybody has the same list, so everybody takes another part of it.
        let most = self.config.heard_max.min(peers.len());
        if peers.len() > most {
            for place in 0..most {
                let other = self.rng.usize(place..peers.len());
                peers.swap(place, other);
            }
            peers.truncate(most);
        }
        let named: Vec<_> = peers.iter().map(|(peer, _)| peer.clone()).collect();
        self.heard(now, &directory.source(), directory.scope(), peers);
        let mut helped = false;
        for peer in named {
            if self.links.contains(&peer) || self.book.get(&peer).is_none() {
                continue;
            }
            helped = true;
            self.dialer.named(peer, &self.config);
        }
        if helped {
            // Those it named have their chance before the next source is asked.
            let chance = now + self.config.source_head_start;
            self.schedule.head_start.named(chance);
        }
    }

    fn not_told(&mut self, now: Time, directory: Directory, began: Time, failure: Failure) {
        self.sources.kept_silent(&directory, now, &self.config);
        let near = directory.scope() == Some(Scope::Loopback);
        let answered = match failure {
            Failure::WrongPeer | Failure::Handshake => true,
            // Our own machine refuses for itself, even without a line.
            Failure::Refused => !near,
            Failure::Silent | Failure::Unreachable | Failure::Unsupported | Failure::Other => false,
        };
        let proves_line = answered && directory.proves_line();
        let verdict = Verdict::Directory(directory);
        if proves_line {
            self.line_works(now, Some(began));
        }
        if answered || failure == Failure::Unsupported {
            self.pass(now, verdict);
        } else if failure == Failure::Unreachable {
            self.guard.unreachable();
        } else if let Some(verdict) = self.guard.silent(began, now, verdict, &self.config) {
            self.pass(now, verdict);
        }
        self.declare_outage(now);
    }

    /// The fault was the directory's own.
    pub(super) fn let_down_by(&mut self, now: Time, directory: &Directory) {
        let failed = self.sources.let_down(directory, now, &self.config);
        if let Some((name, breaker)) = failed {
            self.book.set_breaker(now, name, breaker);
        }
    }

    pub(super) fn give_up_questions(&mut self, now: Time) {
        for ask in self.sources.expired(now, &self.config) {
            self.consulted(now, ask, Err(Failure::Silent));
        }
    }

    /// When sources join, or may be asked again.
    pub(super) fn sources_timeout(&self) -> Option<Timeout> {
        if self.links.peers() >= self.config.low_water {
            return None;
        }
        let now = self.schedule.now;
        let busy = |peer: &PeerKey| self.links.contains(peer) || self.dialer.is_dialling(peer);
        // What is due already waits for a free place, and that comes with another timeout.
        let at = self
            .sources
            .next_turn_at(now, self.sources_from(), busy, &self.config)?;
        let reason = "sources to join the race";
        Some(Timeout { at, reason })
    }

    /// When a question has been under way for too long.
    pub(super) fn question_timeout(&self) -> Option<Timeout> {
        let at = self.sources.expires_at(&self.config)?;
        let reason = "a source to answer";
        Some(Timeout { at, reason })
    }
}
