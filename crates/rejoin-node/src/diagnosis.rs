//! What the facts of a checkup mean: findings, each with a level, and whether we can be reached.
//! Pure. How a finding reads, and what to do about it, is in `finding`.

use libp2p::Multiaddr;
use rejoin_core::{Address, Scope, Time, Transport};
use rejoin_store::Notice;

use crate::{
    checkup::{Checkup, NodeState, Router, Running},
    finding::Finding,
};

/// Clocks are set by radio or network to far better than this; less says nothing.
const CLOCK_SLACK_MS: u64 = 60_000;
/// A memory of ten thousand peers takes some 10 MB, and while it is rebuilt twice that.
const FREE_BYTES_MIN: u64 = 64 * 1024 * 1024;

/// An answer that may not be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    Yes,
    No,
    NotYet,
}

/// Everything the facts tell, what matters most first within each subject.
pub fn diagnose(checkup: &Checkup) -> Vec<Finding> {
    let mut found = Vec::new();
    match &checkup.node {
        NodeState::Stopped => found.push(Finding::NotRunning),
        NodeState::Silent { why } => found.push(Finding::NodeSilent { why: why.clone() }),
        NodeState::Runs(node) => {
            reach(node, &mut found);
            company(node, checkup.now, &mut found);
        }
    }
    clock(checkup, &mut found);
    store(checkup, &mut found);
    found
}

/// Whether others on the internet can come straight to us.
pub fn from_internet(node: &Running) -> Known {
    let reach = &node.status.reach;
    let public = |address: &Address| Scope::of(address) == Scope::Public;
    let mut tests = reach.tests.iter().filter(|test| public(&test.address));
    if reach.visited_from == Some(Scope::Public) || tests.clone().any(|test| test.reached) {
        Known::Yes
    } else if tests.next().is_some() || !listens_beyond(node, Scope::Loopback) {
        Known::No
    } else {
        Known::NotYet
    }
}

/// Whether others on our LAN can.
pub fn from_lan(node: &Running) -> Known {
    let reach = &node.status.reach;
    let near = |scope: Scope| match scope {
        Scope::LinkLocal | Scope::Private => true,
        Scope::Loopback | Scope::CarrierNat | Scope::Public | Scope::Nowhere => false,
    };
    let tests = reach.tests.iter();
    let mut tests = tests.filter(|test| near(Scope::of(&test.address)));
    if reach.visited_from.is_some_and(near) || tests.clone().any(|test| test.reached) {
        Known::Yes
    } else if tests.next().is_some() || !listens_beyond(node, Scope::Loopback) {
        Known::No
    } else {
        Known::NotYet
    }
}

/// The relays that keep a slot for us.
pub fn relays(node: &Running) -> Vec<String> {
    let relays = node.status.reach.relays.iter();
    let keep = relays.filter(|relay| relay.since.is_some());
    keep.map(|relay| relay.peer.to_string()).collect()
}

/// One transport we listen with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    pub transport: Transport,
    pub addresses: Vec<Multiaddr>,
    /// Whether somebody who tried came through.
    pub reached: Known,
}

/// The transports we listen with, each with its addresses.
pub fn transports(node: &Running) -> Vec<Listening> {
    let mut all: Vec<Listening> = Vec::new();
    for address in &node.listening {
        let Some(split) = split(address) else {
            continue;
        };
        let transport = split.transport();
        match all.iter_mut().find(|it| it.transport == transport) {
            Some(known) => known.addresses.push(address.clone()),
            None => all.push(Listening {
                transport,
                addresses: vec![address.clone()],
                reached: reached_by(node, transport),
            }),
        }
    }
    all
}

fn reached_by(node: &Running, transport: Transport) -> Known {
    if transport == Transport::Relay {
        return Known::Yes; // a circuit has an address once the relay has granted it
    }
    let tests = node.status.reach.tests.iter();
    let mut tests = tests.filter(|test| test.address.transport() == transport);
    match (tests.clone().any(|test| test.reached), tests.next()) {
        (true, _) => Known::Yes,
        (false, Some(_)) => Known::No,
        (false, None) => Known::NotYet,
    }
}

fn reach(node: &Running, found: &mut Vec<Finding>) {
    let (internet, lan, relays) = (from_internet(node), from_lan(node), relays(node));
    let listens = straight(&node.listening).next().is_some();
    if !listens && relays.is_empty() {
        found.push(Finding::NoListener);
        return;
    }
    match (internet, lan) {
        (Known::Yes, _) => found.push(Finding::ReachedFromInternet),
        (Known::No | Known::NotYet, Known::Yes) => found.push(Finding::ReachedOnLan),
        (Known::No | Known::NotYet, Known::No | Known::NotYet) => {}
    }
    let by_relay = !relays.is_empty();
    if by_relay {
        found.push(Finding::ReachedByRelay { relays });
    }
    if internet == Known::Yes || !listens {
        return;
    }
    let beyond = listens_beyond(node, Scope::Loopback);
    if !beyond {
        found.push(Finding::OnlyThisMachine);
        return;
    }
    if internet == Known::No {
        found.push(match by_relay {
            true => Finding::NotReachedStraight,
            false => Finding::NotReached,
        });
        if !by_relay && node.status.reach.relays_known == 0 {
            found.push(Finding::NoRelayKnown);
        }
    } else if lan != Known::Yes && !by_relay {
        let testers = node.testers;
        found.push(Finding::ReachNotKnown { testers });
    }
    in_the_way(node, found);
}

/// What may keep the internet out.
fn in_the_way(node: &Running, found: &mut Vec<Finding>) {
    let ours = || straight(&node.listening).chain(straight(&node.external));
    let carrier = ours().find(|address| scope(address) == Scope::CarrierNat);
    if let Some(address) = carrier {
        let address = address.to_string();
        found.push(Finding::CarrierNat { address });
    }
    if !ours().any(|address| scope(address) == Scope::Public) {
        found.push(Finding::OnlyPrivate);
    }
    match node.router {
        Router::Absent => found.push(Finding::RouterSilent),
        Router::Shadowed => found.push(Finding::RouterShadowed),
        Router::Forbidden => found.push(Finding::RouterNotAsked),
        Router::Opened => found.push(Finding::RouterOpened),
        Router::NotAsked | Router::Asked => {}
    }
}

fn company(node: &Running, now: Time, found: &mut Vec<Finding>) {
    let status = &node.status;
    let known = status.proven + status.hearsay + status.sources.len();
    if let Some(since) = status.outage_since {
        let since_ms = ms(now, since);
        found.push(Finding::OwnOutage { since_ms });
    } else if status.connections > 0 {
        let (connections, target) = (status.connections, status.target);
        found.push(Finding::Connected {
            connections,
            target,
        });
    } else if known == 0 {
        found.push(Finding::KnowsNobody);
    } else {
        let dials = status.numbers.dials;
        found.push(Finding::NobodyAnswers { known, dials });
    }
    let open = status.sources.iter().filter(|it| it.breaker != "closed");
    let (open, of) = (open.count(), status.sources.len());
    if open > 0 {
        found.push(Finding::SourcesSilent {
            open,
            of,
            connected: status.connections > 0,
        });
    }
}

fn clock(checkup: &Checkup, found: &mut Vec<Finding>) {
    let now = checkup.now;
    let ahead_of_now = |then: Option<Time>| {
        let ahead_ms = then.map_or(0, |then| ms(then, now));
        (ahead_ms > CLOCK_SLACK_MS).then_some(ahead_ms)
    };
    let memory = &checkup.memory;
    let before = found.len();
    if let Some(behind_ms) = ahead_of_now(checkup.program_from) {
        found.push(Finding::ClockBeforeProgram { behind_ms });
    }
    // On reading, times ahead of now are put right; one that came later tells of a clock set back.
    let mended = memory.notices.iter().filter_map(mended);
    let ahead_ms = mended
        .clone()
        .map(|(_, ahead_ms)| ahead_ms)
        .filter(|ahead_ms| *ahead_ms > CLOCK_SLACK_MS)
        .chain(ahead_of_now(memory.newest));
    if let Some(ahead_ms) = ahead_ms.max() {
        found.push(Finding::MemoryAheadOfClock { ahead_ms });
    }
    if found.len() == before {
        found.push(Finding::ClockPlausible);
    }
    let values = mended.map(|(values, _)| values).sum::<usize>() + memory.repaired;
    if values > 0 {
        found.push(Finding::ValuesRepaired { values });
    }
}

fn store(checkup: &Checkup, found: &mut Vec<Finding>) {
    let Checkup { memory, disk, .. } = checkup;
    let before = found.len();
    for (path, why) in &disk.unwritable {
        let path = path.display().to_string();
        let why = why.clone();
        found.push(Finding::NotWritable { path, why });
    }
    if let Some(why) = &memory.problem {
        let why = why.clone();
        found.push(Finding::StoreClosed { why });
    }
    for notice in &memory.notices {
        let text = notice.to_string();
        match notice {
            // The former is usual, the latter the clock's business.
            Notice::Created { .. } | Notice::Mended { .. } => {}
            Notice::Damaged { .. } => found.push(Finding::StoreDamaged { notice: text }),
            // `Notice` is non-exhaustive; what is put right is worth a word.
            _ => found.push(Finding::StoreReplaced { notice: text }),
        }
    }
    if memory.failures > 0 {
        let (failures, unsaved) = (memory.failures, memory.unsaved);
        found.push(Finding::NotSaved { failures, unsaved });
    }
    if let Some(free_bytes) = disk.free_bytes.filter(|free| *free < FREE_BYTES_MIN) {
        found.push(Finding::DiskFull { free_bytes });
    }
    if found.len() > before {
        return;
    }
    found.push(if disk.forgets {
        Finding::StoreForgets
    } else if disk.empty {
        Finding::NothingKept
    } else {
        let store = disk.store.clone();
        let saved_ms = memory.saved.map(|saved| ms(checkup.now, saved));
        Finding::StoreWell { store, saved_ms }
    });
}

/// How many values were put right on opening, and how far ahead of the clock the furthest lay.
fn mended(notice: &Notice) -> Option<(usize, u64)> {
    let Notice::Mended { values, ahead } = notice else {
        return None;
    };
    Some((
        *values,
        u64::try_from(ahead.as_millis()).unwrap_or(u64::MAX),
    ))
}

/// Those that lead to us without a relay.
fn straight(addresses: &[Multiaddr]) -> impl Iterator<Item = &Multiaddr> {
    let straight = |it: &&Multiaddr| split(it).is_some_and(|it| it.transport() != Transport::Relay);
    addresses.iter().filter(straight)
}

fn listens_beyond(node: &Running, nearest: Scope) -> bool {
    straight(&node.listening).any(|address| scope(address) > nearest)
}

fn split(address: &Multiaddr) -> Option<Address> {
    let (address, _) = Address::split(address.clone()).ok()?;
    Some(address)
}

fn scope(address: &Multiaddr) -> Scope {
    split(address).map_or(Scope::Nowhere, |address| Scope::of(&address))
}

/// From `earlier` to `later`, or nothing if that is not their order.
fn ms(later: Time, earlier: Time) -> u64 {
    u64::try_from(later.since(earlier).as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "diagnosis_tests.rs"]
mod tests;
