//! Which connections to let go when there are too many: gossipsub, Kademlia and whoever dials us
//! keep them open for ever, so somebody has to choose.
//!
//! The sleeping go first, since they count for nothing. Then the most crowded network loses its
//! least valuable member, again and again: a flood from one address range drains before anybody
//! else is touched, as when Bitcoin Core makes room for an inbound connection. Value is what a peer
//! has been to us and how long it has stayed, half and half: a flooder can be fast, but it cannot
//! have been here yesterday.
//!
//! Everything here is pure. When to trim, and who is beyond it, is decided in the engine.

use std::{cmp::Ordering, collections::BTreeMap, time::Duration};

use crate::{config::Config, key::PeerKey, netgroup::Netgroup};

/// One connection, as far as its worth goes.
#[derive(Clone, Debug)]
pub struct Held<'a> {
    /// To whom.
    pub peer: &'a PeerKey,
    /// Where it leads.
    pub group: &'a Netgroup,
    /// How freely it may be closed.
    pub hold: Hold,
    /// Its worth among its equals; see [`value`].
    pub value: f64,
}

/// How freely a connection may be closed, the least freely first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hold {
    /// Not at all.
    Kept,
    /// If there are too many.
    Loose,
    /// Before all others: it sleeps.
    Asleep,
}

/// What a connection is worth, from 0 to 1, by its peer's score and how long it has been up.
pub fn value(score: f64, up: Duration) -> f64 {
    let stay = up.as_secs_f64() / (up.as_secs_f64() + STAY_HALF_S);
    f64::midpoint(score, stay)
}

/// Above how many connections to trim, and down to how many: never to less than twice the target,
/// for what the race overshoots by is no surplus.
pub fn marks(config: &Config) -> (usize, usize) {
    let low = config.connections_low.max(config.target.saturating_mul(2));
    (config.connections_high.max(low), low)
}

/// Whom to let go so that `low` are left, as far as that can be, the first to go first.
pub fn surplus(held: &[Held<'_>], low: usize) -> Vec<PeerKey> {
    let mut best_first: Vec<_> = held.iter().collect();
    best_first.sort_by(|a, b| a.hold.cmp(&b.hold).then_with(|| more_valuable(a, b)));
    let mut seats: BTreeMap<&Netgroup, usize> = BTreeMap::new();
    let mut goers: Vec<_> = best_first
        .into_iter()
        .map(|held| (seat(&mut seats, held.group), held))
        .filter(|(_, held)| held.hold > Hold::Kept)
        .collect();
    // Who has more of its own network before it goes sooner.
    goers.sort_by(|(seat_a, a), (seat_b, b)| {
        let crowded = seat_b.cmp(seat_a);
        let loose = b.hold.cmp(&a.hold);
        loose.then(crowded).then_with(|| more_valuable(b, a))
    });
    goers.truncate(held.len().saturating_sub(low));
    goers.into_iter().map(|(_, it)| it.peer.clone()).collect()
}

/// How many of its own network come before it. On one machine or one LAN a crowd says nothing.
fn seat<'a>(seats: &mut BTreeMap<&'a Netgroup, usize>, group: &'a Netgroup) -> usize {
    if !group.is_public() {
        return 0;
    }
    let taken = seats.entry(group).or_default();
    *taken += 1;
    *taken - 1
}

fn more_valuable(a: &Held<'_>, b: &Held<'_>) -> Ordering {
    let by_value = b.value.total_cmp(&a.value);
    by_value.then_with(|| a.peer.cmp(b.peer))
}

/// A stay that is worth half: as long as a session the score gives half for.
const STAY_HALF_S: f64 = 3_600.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sleeping_go_first_then_the_crowd_and_its_least_valuable_first() {
        let held = [
            ("alice", "8.8.4.4", Hold::Loose, 0.9),
            ("bob", "9.9.9.9", Hold::Loose, 0.1),
            ("carol", "7.7.7.7", Hold::Asleep, 0.8),
            ("eve1", "5.5.0.1", Hold::Loose, 0.6),
            ("eve2", "5.5.0.2", Hold::Loose, 0.5),
            ("eve3", "5.5.0.3", Hold::Loose, 0.7),
        ];
        check(&held, 6, &[]);
        check(&held, 5, &["carol"]);
        check(&held, 3, &["carol", "eve2", "eve1"]);
        check(&held, 1, &["carol", "eve2", "eve1", "bob", "eve3"]);
    }

    #[test]
    fn the_larger_crowd_shrinks_to_the_size_of_the_smaller_first() {
        let held = [
            ("a1", "8.8.0.1", Hold::Loose, 0.1),
            ("a2", "8.8.0.2", Hold::Loose, 0.1),
            ("b1", "9.9.0.1", Hold::Loose, 0.9),
            ("b2", "9.9.0.2", Hold::Loose, 0.8),
            ("b3", "9.9.0.3", Hold::Loose, 0.7),
            ("b4", "9.9.0.4", Hold::Loose, 0.6),
        ];
        check(&held, 4, &["b4", "b3"]);
        check(&held, 3, &["b4", "b3", "a2"]);
    }

    #[test]
    fn who_is_kept_stays_and_takes_a_seat_of_its_network() {
        let held = [
            ("alice", "8.8.4.4", Hold::Kept, 0.0),
            ("bob", "8.8.9.9", Hold::Loose, 0.9),
            ("carol", "9.9.9.9", Hold::Loose, 0.5),
        ];
        check(&held, 2, &["bob"]);
        check(&held, 0, &["bob", "carol"]);
    }

    #[test]
    fn on_one_machine_value_alone_decides() {
        let held = [
            ("alice", "127.0.0.1", Hold::Loose, 0.9),
            ("bob", "127.0.0.1", Hold::Loose, 0.8),
            ("eve", "5.5.0.1", Hold::Loose, 0.1),
        ];
        check(&held, 1, &["eve", "bob"]);
    }

    #[test]
    fn a_long_stay_outweighs_a_fast_line() {
        let hour = Duration::from_secs(3_600);
        let flooder = value(0.4, Duration::from_secs(60));
        assert!(value(0.1, hour) > flooder);
        assert!(value(0.9, Duration::ZERO) > flooder);
        assert!(value(1.0, hour * 1_000) <= 1.0);
    }

    #[test]
    fn the_marks_leave_room_above_the_target() {
        let marks_of = |target, high, low| {
            marks(&Config {
                target,
                connections_high: high,
                connections_low: low,
                ..Config::default()
            })
        };
        assert_eq!(marks_of(8, 96, 80), (96, 80));
        assert_eq!(marks_of(60, 96, 80), (120, 120));
        assert_eq!(marks_of(8, 10, 90), (90, 90));
    }

    /// The one place that knows how `surplus` is called.
    #[track_caller]
    fn check(held: &[(&str, &str, Hold, f64)], low: usize, expected: &[&str]) {
        let peer = |name: &&str| name.parse().unwrap();
        let known: Vec<(PeerKey, Netgroup)> = held
            .iter()
            .map(|(name, ip, ..)| {
                let address = format!("/ip4/{ip}/tcp/1").parse().unwrap();
                (peer(name), Netgroup::of(&address))
            })
            .collect();
        let held: Vec<_> = held
            .iter()
            .zip(&known)
            .map(|((.., hold, value), (peer, group))| Held {
                peer,
                group,
                hold: *hold,
                value: *value,
            })
            .collect();
        let expected: Vec<PeerKey> = expected.iter().map(peer).collect();
        assert_eq!(surplus(&held, low), expected);
    }
}
