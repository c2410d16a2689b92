//! What can be read off the dials a node made: what the dead cost it, and how many of the living it
//! found. Pure; how the dials got here is not its concern.

use std::collections::BTreeSet;

use crate::answer::DialAnswer;

/// How long the dial that became the `nth` connection had to wait for others to fail or to be
/// overdue before it could begin, in milliseconds: it began so long after the first one. The first
/// burst begins at once, so nothing was lost if it came from there.
pub fn stagger_ms(dials: &[DialAnswer], nth: usize) -> u64 {
    let Some(first) = dials.iter().map(|dial| dial.began).min() else {
        return 0;
    };
    let mut connected: Vec<_> = dials
        .iter()
        .filter(|dial| dial.outcome == "connected")
        .filter_map(|dial| Some((dial.ended?, dial.began)))
        .collect();
    connected.sort_unstable();
    let place = nth.clamp(1, connected.len().max(1)) - 1;
    connected.get(place).map_or(0, |(_, began)| began - first)
}

/// How many peers that are alive were dialled out of memory and not called off, and how many of
/// these connected. Each counts once, and a second try counts for the first.
pub fn living_hits(dials: &[DialAnswer], lives: impl Fn(&str) -> bool) -> (usize, usize) {
    let (mut judged, mut hit) = (BTreeSet::new(), BTreeSet::new());
    for dial in dials {
        let remembered = matches!(dial.lane.as_str(), "memory" | "explore");
        let Some(peer) = dial
            .peer
            .as_deref()
            .filter(|peer| remembered && lives(peer))
        else {
            continue;
        };
        match dial.outcome.as_str() {
            "cancelled" | "not-made" | "flying" => {}
            "connected" => {
                judged.insert(peer);
                hit.insert(peer);
            }
            _ => {
                judged.insert(peer);
            }
        }
    }
    (judged.len(), hit.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dial(peer: &str, began: u64, ended: u64, outcome: &str) -> DialAnswer {
        DialAnswer {
            peer: Some(peer.into()),
            lane: "memory".into(),
            began,
            ended: Some(ended),
            outcome: outcome.into(),
        }
    }

    #[test]
    fn what_the_first_burst_brings_costs_nothing() {
        let dials = [
            dial("alice", 100, 103, "connected"),
            dial("bob", 100, 101, "refused"),
            dial("carol", 100, 109, "connected"),
        ];
        assert_eq!(stagger_ms(&dials, 1), 0);
        assert_eq!(stagger_ms(&dials, 2), 0);
    }

    #[test]
    fn a_dial_that_began_when_another_was_overdue_waited_for_it() {
        let dials = [
            dial("alice", 100, 103, "connected"),
            dial("silent", 100, 2_100, "silent"),
            dial("carol", 150, 154, "connected"),
        ];
        assert_eq!(stagger_ms(&dials, 2), 50);
    }

    #[test]
    fn connections_count_in_the_order_in_which_they_came_up() {
        let dials = [
            dial("slow", 100, 400, "connected"),
            dial("late", 150, 152, "connected"),
        ];
        assert_eq!(stagger_ms(&dials, 1), 50);
        assert_eq!(stagger_ms(&dials, 2), 0);
        assert_eq!(stagger_ms(&dials, 5), 0, "the last one if there are fewer");
        assert_eq!(stagger_ms(&[], 5), 0);
    }

    #[test]
    fn only_the_living_who_were_given_time_are_judged() {
        let mut manual = dial("erin", 100, 101, "refused");
        manual.lane = "manual".into();
        let dials = [
            dial("alice", 100, 103, "connected"),
            dial("dead", 100, 101, "refused"),
            dial("bob", 100, 120, "cancelled"),
            dial("carol", 100, 101, "failed"),
            dial("dave", 100, 101, "failed"),
            dial("dave", 200, 203, "connected"),
            manual,
        ];
        assert_eq!(living_hits(&dials, |peer| peer != "dead"), (3, 2));
        assert_eq!(living_hits(&[], |_| true), (0, 0));
    }
}
