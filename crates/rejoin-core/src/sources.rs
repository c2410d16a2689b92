//! Where to ask when memory does not suffice: which source next, and how each has fared.
//!
//! Sources are of several kinds, and the kinds join a race one after the other: each gives the one
//! before it a short head start, unless that has nothing to ask. So a source that works is asked
//! early enough however many dead ones stand before it. Each sits behind its circuit breaker
//! (`breaker`). When memory has had its chance is the engine's business, and so is what an answer
//! means.

mod breaker;
mod kind;
mod known;

use fastrand::Rng;

use self::known::{Asking, Known, What, directory_of, land, server_at};
use crate::{
    address::Address,
    backoff::Backoff,
    config::Config,
    directory::Directory,
    key::PeerKey,
    output::{AskId, DialId},
    status::SourceStatus,
    text::Text,
    time::Time,
};

pub use kind::Kind;

/// Everything that can be asked.
#[derive(Clone, Debug)]
pub struct Sources {
    list: Vec<Known>,
    /// By kind, how it has taken part in the race so far.
    parts: [Part; Kind::ALL.len()],
    next_ask: u64,
    /// Of its own, so that who is asked does not hang on what else was drawn before.
    rng: Rng,
}

#[derive(Clone, Copy, Debug, Default)]
struct Part {
    began: Option<Time>,
    turns: u32,
}

/// What is known of those who may be asked.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// Whether a peer is connected, or must not be asked for another reason.
    pub is_busy: &'a dyn Fn(&PeerKey) -> bool,
    /// How long dialling it takes, in milliseconds, if that was ever seen.
    pub dial_ms: &'a dyn Fn(&PeerKey) -> Option<f32>,
}

/// Whom to ask now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Dial this server, and say so by [`Sources::dialled`].
    Dial {
        /// Who answers there, if that is known.
        peer: Option<PeerKey>,
        /// Where.
        address: Address,
    },
    /// Have this asked; it counts as being asked from now on.
    Consult {
        /// The question's name.
        ask: AskId,
        /// What.
        directory: Directory,
    },
}

/// A breaker to be remembered, and under which name.
pub type Remembered = (Text<640>, Backoff);

impl Sources {
    /// No source yet.
    pub fn new(rng: Rng) -> Self {
        Self {
            list: Vec::new(),
            parts: Default::default(),
            next_ask: 0,
            rng,
        }
    }

    /// Adds a server, with the breaker it had when we last stopped.
    pub fn add_server(
        &mut self,
        kind: Kind,
        peer: Option<PeerKey>,
        address: Address,
        breaker: Option<Backoff>,
        config: &Config,
    ) {
        if let Some(known) = server_at(&mut self.list, &address) {
            known.kind = known.kind.min(kind); // what is remembered may be named as well
            if let What::Server { peer: before, .. } = &mut known.what {
                *before = peer.or(before.take());
            }
            return;
        }
        self.add(kind, What::Server { peer, address }, breaker, config);
    }

    /// Adds a directory, with the breaker it had when we last stopped.
    pub fn add_directory(
        &mut self,
        directory: Directory,
        breaker: Option<Backoff>,
        config: &Config,
    ) {
        let (kind, what) = (directory.kind(), What::Directory(directory));
        if self.list.iter().all(|known| known.what != what) {
            self.add(kind, what, breaker, config);
        }
    }

    fn add(&mut self, kind: Kind, what: What, breaker: Option<Backoff>, config: &Config) {
        if self.list.len() < config.sources_max {
            self.list.push(Known {
                kind,
                what,
                breaker: breaker.unwrap_or_default(),
                again_at: Time::default(),
                asking: Asking::Nothing,
            });
        }
    }

    /// A peer is to be forgotten, and with it that it could be asked.
    pub fn forget(&mut self, peer: &PeerKey) {
        self.list.retain(|known| known.peer() != Some(peer));
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// How many of them are dialled.
    pub fn servers(&self) -> usize {
        let dialled = self.list.iter().filter(|known| known.kind.is_dialled());
        dialled.count()
    }

    /// A race begins anew, and with it every head start.
    pub fn race_anew(&mut self) {
        self.parts = Default::default();
    }

    /// Whether nobody of this kind has been asked in this race.
    pub fn had_no_turn(&self, kind: Kind) -> bool {
        self.parts[kind as usize].turns == 0
    }

    /// The kinds that may be asked now, given from when on the first may be. A kind of which
    /// everybody rests, or is connected, is passed over.
    pub fn open(
        &mut self,
        now: Time,
        from: Time,
        busy: impl Fn(&PeerKey) -> bool,
        config: &Config,
    ) -> Vec<Kind> {
        let mut open = self.openings(now, from, busy, config);
        open.retain(|(_, at)| *at <= now);
        for (kind, _) in &open {
            self.parts[*kind as usize].began.get_or_insert(now);
        }
        open.into_iter().map(|(kind, _)| kind).collect()
    }

    /// When each kind that has anything to ask joins.
    fn openings(
        &self,
        now: Time,
        from: Time,
        busy: impl Fn(&PeerKey) -> bool,
        config: &Config,
    ) -> Vec<(Kind, Time)> {
        let mut openings = Vec::new();
        let mut free_at = from;
        for kind in Kind::ALL {
            let mut of_kind = self.list.iter().filter(|known| known.kind == kind);
            if !of_kind.any(|known| known.may_help(now, &busy)) {
                continue;
            }
            let began = self.parts[kind as usize].began;
            let opens = free_at.max(began.unwrap_or(now));
            openings.push((kind, opens));
            free_at = free_at.max(began.unwrap_or(opens) + config.source_head_start);
        }
        openings
    }

    /// Who of these kinds is asked next. The kind that had the fewest turns goes first, so that many
    /// dead sources of one kind do not hold up another. `anyway` ignores rest and pace.
    pub fn turn(
        &mut self,
        now: Time,
        kinds: &[Kind],
        anyway: bool,
        around: Around<'_>,
        config: &Config,
    ) -> Option<Turn> {
        let mut kinds = kinds.to_vec();
        kinds.sort_by_key(|kind| (self.parts[*kind as usize].turns, *kind));
        let (kind, drawn) = kinds.into_iter().find_map(|kind| {
            if !kind.is_dialled() && !self.keeps_pace(now, kind, anyway, config) {
                return None;
            }
            Some((kind, self.draw(now, kind, anyway, around)?))
        })?;
        let part = &mut self.parts[kind as usize];
        part.turns = part.turns.saturating_add(1);
        let known = &mut self.list[drawn];
        Some(match known.what.clone() {
            What::Server { peer, address } => Turn::Dial { peer, address },
            What::Directory(directory) => {
                let ask = AskId(self.next_ask);
                self.next_ask += 1;
                known.asking = Asking::Consult(ask, now);
                Turn::Consult { ask, directory }
            }
        })
    }

    /// Draws two among those of a kind that rest no longer and are not busy, and takes the nearer, so that a
    /// thousand nodes with one list ask neither all its first entry nor all the best. Those that work go
    /// first. (Two lots are nearly as good as a look at everybody: Mitzenmacher, "The power of two choices
    /// in randomized load balancing", 2001.)
    fn draw(&mut self, now: Time, kind: Kind, anyway: bool, around: Around<'_>) -> Option<usize> {
        let busy = &around.is_busy;
        let ready = |known: &Known| known.kind == kind && known.is_ready(now, anyway, busy);
        let ready: Vec<_> = (0..self.list.len())
            .filter(|index| ready(&self.list[*index]))
            .collect();
        let failures = |index: &usize| self.list[*index].breaker.failures;
        let fewest = ready.iter().map(failures).min()?;
        let ready: Vec<_> = ready
            .iter()
            .copied()
            .filter(|index| failures(index) == fewest)
            .collect();
        let far_ms = |index: &usize| {
            let dial_ms = self.list[*index].peer().and_then(around.dial_ms);
            dial_ms.unwrap_or(f32::INFINITY)
        };
        let lots = [(); 2].map(|()| ready[self.rng.usize(..ready.len())]);
        lots.into_iter()
            .min_by(|a, b| far_ms(a).total_cmp(&far_ms(b)))
    }

    /// Of one kind another is asked when the last one failed, or has had its head start.
    fn keeps_pace(&self, now: Time, kind: Kind, anyway: bool, config: &Config) -> bool {
        let of_kind = self.list.iter().filter(|known| known.kind == kind);
        let began: Vec<_> = of_kind.filter_map(Known::consulted_since).collect();
        let fresh = |began: &Time| now < *began + config.source_head_start;
        began.len() < config.consults_max && (anyway || !began.iter().any(fresh))
    }

    /// When the next kind joins, or the next source may be asked: only moments ahead of `now`.
    pub fn next_turn_at(
        &self,
        now: Time,
        from: Time,
        busy: impl Fn(&PeerKey) -> bool,
        config: &Config,
    ) -> Option<Time> {
        let openings = self.openings(now, from, &busy, config).into_iter();
        let openings = openings.map(|(_, at)| at);
        let idle = |known: &&Known| {
            known.asking == Asking::Nothing
                && !known.peer().is_some_and(|it| known.waits_for(it, &busy))
        };
        let ready = self.list.iter().filter(idle);
        let ready = ready.map(|known| known.breaker.until.max(known.again_at).max(from));
        let pace = self.list.iter().filter_map(Known::consulted_since);
        let pace = pace.map(|began| began + config.source_head_start);
        let ahead = openings.chain(ready).chain(pace).filter(|at| *at > now);
        ahead.min()
    }

    /// The questions that have been under way for too long.
    pub fn expired(&self, now: Time, config: &Config) -> Vec<AskId> {
        let asks = self.list.iter().filter_map(|known| match known.asking {
            Asking::Consult(ask, began) => Some((ask, began)),
            Asking::Dial(_) | Asking::Nothing => None,
        });
        asks.filter(|(_, began)| now >= patience_ends(*began, config))
            .map(|(ask, _)| ask)
            .collect()
    }

    /// When the next of them has been.
    pub fn expires_at(&self, config: &Config) -> Option<Time> {
        let began = self.list.iter().filter_map(Known::consulted_since);
        began.map(|began| patience_ends(began, config)).min()
    }

    /// Notes that a server is being dialled.
    pub fn dialled(&mut self, address: &Address, dial: DialId) {
        if let Some(known) = server_at(&mut self.list, address) {
            known.asking = Asking::Dial(dial);
        }
    }

    /// A dial ended badly, and it is not clear yet whose fault that was: the server rests.
    pub fn rest(&mut self, dial: DialId, now: Time, config: &Config) {
        if let Some(known) = land(&mut self.list, |asking| asking == Asking::Dial(dial)) {
            breaker::rest(&mut known.breaker, now, config, &mut self.rng);
        }
    }

    /// A peer left soon after it came. If it is a server, asking it again at once would go in
    /// circles: it rests.
    pub fn hung_up(&mut self, who: &PeerKey, now: Time, config: &Config) {
        let is_it =
            |what: &What| matches!(what, What::Server { peer: Some(peer), .. } if peer == who);
        for known in self.list.iter_mut().filter(|known| is_it(&known.what)) {
            breaker::rest(&mut known.breaker, now, config, &mut self.rng);
        }
    }

    /// A dial ended without saying anything about the server.
    pub fn called_off(&mut self, dial: DialId) {
        land(&mut self.list, |asking| asking == Asking::Dial(dial));
    }

    /// A server answered, and this is who it is.
    pub fn answered(&mut self, dial: DialId, who: &PeerKey) -> Option<Remembered> {
        let known = land(&mut self.list, |asking| asking == Asking::Dial(dial))?;
        if let What::Server { peer, .. } = &mut known.what {
            *peer = Some(who.clone());
        }
        known.breaker = Backoff::default();
        Some((known.name(), known.breaker))
    }

    /// A server failed, and the fault was its own.
    pub fn failed(&mut self, address: &Address, now: Time, config: &Config) -> Option<Remembered> {
        let known = server_at(&mut self.list, address)?;
        breaker::fail(&mut known.breaker, now, config, &mut self.rng);
        Some((known.name(), known.breaker))
    }

    /// A question was answered, well or badly: what was asked, and when. `None` if it is not under
    /// way any more.
    pub fn landed(&mut self, ask: AskId) -> Option<(Directory, Time)> {
        let asked = |asking| matches!(asking, Asking::Consult(known, _) if known == ask);
        let known = self.list.iter_mut().find(|known| asked(known.asking))?;
        let began = known.consulted_since()?;
        known.asking = Asking::Nothing;
        match &known.what {
            What::Directory(directory) => Some((directory.clone(), began)),
            What::Server { .. } => None,
        }
    }

    /// A directory said what it knows.
    pub fn told(
        &mut self,
        directory: &Directory,
        now: Time,
        config: &Config,
    ) -> Option<Remembered> {
        let known = directory_of(&mut self.list, directory)?;
        known.breaker = Backoff::default();
        known.again_at = now + config.consult_every;
        Some((known.name(), known.breaker))
    }

    /// A directory did not, and it is not clear yet whose fault that was: it rests.
    pub fn kept_silent(&mut self, directory: &Directory, now: Time, config: &Config) {
        if let Some(known) = directory_of(&mut self.list, directory) {
            breaker::rest(&mut known.breaker, now, config, &mut self.rng);
        }
    }

    /// A directory failed, and the fault was its own.
    pub fn let_down(
        &mut self,
        directory: &Directory,
        now: Time,
        config: &Config,
    ) -> Option<Remembered> {
        let known = directory_of(&mut self.list, directory)?;
        breaker::fail(&mut known.breaker, now, config, &mut self.rng);
        Some((known.name(), known.breaker))
    }

    /// Lets every source be asked at once again.
    pub fn clear(&mut self) {
        for known in &mut self.list {
            known.breaker.until = Time::default();
            known.again_at = Time::default();
        }
    }

    /// The name of a server, under which its breaker is remembered.
    pub fn server_name(address: &Address) -> Text<640> {
        known::server_name(address)
    }

    /// Each source and its breaker, in the order in which they join a race.
    pub fn status(&self, now: Time, config: &Config) -> Vec<SourceStatus> {
        let mut known: Vec<_> = self.list.iter().collect();
        known.sort_by_key(|known| known.kind);
        known
            .into_iter()
            .map(|known| SourceStatus {
                name: known.name().to_string(),
                kind: known.kind.word(),
                breaker: breaker::state(&known.breaker, now, config),
                failures: known.breaker.failures,
                until: (!known.breaker.is_over(now)).then_some(known.breaker.until),
            })
            .collect()
    }
}

/// The program has its own limit, and knows better what happened; ours is for one that forgot.
fn patience_ends(began: Time, config: &Config) -> Time {
    began + config.consult_timeout + GRACE
}

/// A busy program's delay.
const GRACE: std::time::Duration = std::time::Duration::from_secs(1);

#[cfg(test)]
#[path = "sources/tests.rs"]
mod tests;
