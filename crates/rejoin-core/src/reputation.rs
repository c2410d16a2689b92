//! What a peer is held to account for: what each deed costs it, and what comes of that. A peer that
//! hurts is sent away within moments and let in again within the hour; what it is like over the days
//! is judged by `score`, which the same deeds weigh on.
//!
//! Nothing here changes a record: [`judge`] says what one deed changes, the book writes it down, and
//! the engine closes connections. All of it is private: no reputation leaves the node, and none that
//! others tell is taken in.
//!
//! The shape and most of the numbers are those of Lighthouse's peer scores (sigp/lighthouse,
//! `peer_manager/peerdb/score.rs`), which have kept an adversarial network usable for years.

use crate::{
    changes::Counts,
    config::Config,
    decay::{Decayed, Penalty},
    evidence::Severity,
    input::Deed,
    record::{Ban, PeerRecord},
    score::{self, Term},
    time::Time,
};

/// From this many points on a peer is sent away. A constant and not a setting, as the points of each
/// deed are: one without the other means nothing, and processes share the points.
pub const SEND_AWAY_AT: f64 = 20.0;

/// From this many points on it is banned.
pub const BAN_AT: f64 = 50.0;

/// No peer gets more points than this, so that none is out for more than about half an hour longer
/// than a ban: 100 points are 20 after 23 minutes.
pub const POINTS_MAX: f64 = 100.0;

/// The points that halve a score: half of what sends a peer away.
const POINTS_HALF: f64 = SEND_AWAY_AT / 2.0;

/// What a peer has brought upon itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// Nothing, since the user pinned it or the application trusts it.
    Spared,
    /// Its connections are closed, and it stays out for
    /// [`Config::sent_away_for`](crate::Config::sent_away_for).
    SentAway,
    /// Its connections are closed, and it stays out for
    /// [`Config::banned_for`](crate::Config::banned_for).
    Banned,
}

/// What one deed changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judgement {
    /// What is to be counted.
    pub grown: Counts,
    /// How long it stays out from now on, if it does.
    pub ban: Option<Ban>,
    /// What it has brought upon itself, if anything.
    pub consequence: Option<Consequence>,
    /// Whether that is news, rather than one more deed of a peer already sent away or spared.
    pub is_news: bool,
}

/// What `deed` changes for a peer with this record.
pub fn judge(record: &PeerRecord, deed: Deed, now: Time, config: &Config) -> Judgement {
    let before = points(record, now);
    let more = cost(deed).min(POINTS_MAX - before).max(0.0);
    let consequence = consequence(record, before + more).filter(|_| cost(deed) > 0.0);
    let ban = match consequence {
        Some(Consequence::SentAway) => Some(config.sent_away_for),
        Some(Consequence::Banned) => Some(config.banned_for),
        Some(Consequence::Spared) | None => None,
    };
    let out_already = consequence != Some(Consequence::Spared) && record.is_blocked(now);
    let crossed = [SEND_AWAY_AT, BAN_AT]
        .into_iter()
        .any(|at| before < at && before + more >= at);
    Judgement {
        grown: Counts {
            misbehaviour: Penalty::new(more, now),
            ..evidence(deed, now)
        },
        ban: ban.map(|span| Ban {
            since: now,
            // Whoever is banned does not get off by a smaller deed.
            until: (now + span).max(record.control.banned.as_ref().map_or(now, |ban| ban.until)),
        }),
        consequence,
        is_news: consequence.is_some()
            && (crossed || !out_already && consequence != Some(Consequence::Spared)),
    }
}

/// The points held against a peer at `now`, from 0 to about [`POINTS_MAX`]; they halve every ten
/// minutes.
pub fn points(record: &PeerRecord, now: Time) -> f64 {
    record.evidence.dealings.misbehaviour.value(now)
}

/// How we stand to a peer at `now`, from −100 to 1.
///
/// Above zero nothing much is held against it, and this is its score. Below zero it misbehaved
/// lately, up to −[`SEND_AWAY_AT`], where it is sent away, and −[`BAN_AT`], where it is banned. Whom
/// we do not deal with at present is at −100, and a stranger at 0. Whoever is pinned is judged here
/// like anybody else.
pub fn standing(record: &PeerRecord, now: Time) -> f64 {
    if record.is_blocked(now) {
        return -POINTS_MAX;
    }
    (score::score(record, now) - points(record, now)).max(-POINTS_MAX)
}

/// What misbehaviour leaves of a score at `now`, from 0 to 1.
pub fn conduct(record: &PeerRecord, now: Time) -> f64 {
    POINTS_HALF / (POINTS_HALF + points(record, now))
}

/// The same with its reason.
pub fn explain(record: &PeerRecord, now: Time) -> Term {
    let points = points(record, now);
    let mut because = if points < 0.05 {
        "it did nothing lately that nobody should".into()
    } else {
        format!("misbehaviour of {points:.1} points, half of them gone in 10 min; out at 20")
    };
    if let Some(ban) = record.control.banned.as_ref().filter(|ban| now < ban.until) {
        let left = score::in_words(ban.until.since(now));
        because.push_str(&format!("; we do not deal with it for {left} more"));
    }
    Term {
        name: "conduct",
        value: conduct(record, now),
        weight: 1.0,
        because,
    }
}

/// The points a deed costs.
fn cost(deed: Deed) -> f64 {
    match deed {
        // A good deed does not buy off a bad one: time does.
        Deed::TransferOk { .. } => 0.0,
        // Lines break. It takes four hundred within minutes, which is no way to live either.
        Deed::TransferFailed => 0.05,
        // Twenty within minutes are not the slip of an honest program any more.
        Deed::InvalidData(Severity::Minor) => 1.0,
        // Once may be a bug, four times is a nuisance.
        Deed::InvalidData(Severity::Moderate) | Deed::Overstepped => 5.0,
        // Out at once. Whoever does it again as soon as it is let in is banned the third time:
        // 30, 15 + 30, 22 + 30.
        Deed::InvalidData(Severity::Severe) => 30.0,
    }
}

/// What a deed adds to the evidence of days.
fn evidence(deed: Deed, now: Time) -> Counts {
    let once = |weight: f64| Decayed::new(weight, now);
    match deed {
        Deed::TransferOk {
            bytes_in,
            bytes_out,
        } => Counts {
            transfers_ok: once(1.0),
            bytes_in,
            bytes_out,
            ..Counts::default()
        },
        Deed::TransferFailed => Counts {
            transfers_failed: once(1.0),
            ..Counts::default()
        },
        Deed::InvalidData(severity) => Counts {
            invalid_data: once(severity.weight()),
            ..Counts::default()
        },
        Deed::Overstepped => Counts {
            invalid_data: once(Severity::Minor.weight()),
            ..Counts::default()
        },
    }
}

fn consequence(record: &PeerRecord, points: f64) -> Option<Consequence> {
    let control = &record.control;
    match points {
        ..SEND_AWAY_AT => None,
        // The user would be surprised to see it go, and may block it.
        _ if control.pinned || control.trusted => Some(Consequence::Spared),
        // Where it is the only way in, an hour without it is an hour without a network.
        BAN_AT.. if !record.role.bootstrap => Some(Consequence::Banned),
        _ => Some(Consequence::SentAway),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Time = Time::from_millis(400 * 86_400_000);
    const MINUTE: Duration = Duration::from_secs(60);
    const MINOR: Deed = Deed::InvalidData(Severity::Minor);
    const MODERATE: Deed = Deed::InvalidData(Severity::Moderate);
    const SEVERE: Deed = Deed::InvalidData(Severity::Severe);
    const GOOD: Deed = Deed::TransferOk {
        bytes_in: 1,
        bytes_out: 1,
    };

    fn eve() -> PeerRecord {
        let mut record = PeerRecord::new("eve".parse().unwrap(), NOW - MINUTE);
        record.last_seen = Some(NOW);
        record.last_connected = Some(NOW);
        record
    }

    fn with_points(points: f64) -> PeerRecord {
        let mut record = eve();
        record.evidence.dealings.misbehaviour = Penalty::new(points, NOW);
        record
    }

    /// The record after some deeds at once, and what came of the last.
    fn after(mut record: PeerRecord, deeds: &[(usize, Deed)]) -> (PeerRecord, Judgement) {
        let config = Config::default();
        let mut last = judge(&record, GOOD, NOW, &config);
        for deed in deeds.iter().flat_map(|(times, deed)| vec![*deed; *times]) {
            last = judge(&record, deed, NOW, &config);
            let evidence = &mut record.evidence;
            Counts::of(evidence).plus(&last.grown).put_into(evidence);
            record.control.banned = last.ban.map(Box::new).or(record.control.banned);
        }
        (record, last)
    }

    #[test]
    fn it_takes_many_slips_few_nuisances_and_one_attack_to_be_sent_away() {
        check(&[(1, GOOD)], None);
        check(&[(99, Deed::TransferFailed)], None);
        check(&[(19, MINOR)], None);
        check(&[(20, MINOR)], Some(Consequence::SentAway));
        check(&[(3, MODERATE)], None);
        check(&[(4, MODERATE)], Some(Consequence::SentAway));
        check(&[(4, Deed::Overstepped)], Some(Consequence::SentAway));
        check(&[(1, SEVERE)], Some(Consequence::SentAway));
        check(&[(9, MODERATE)], Some(Consequence::SentAway));
        check(&[(10, MODERATE)], Some(Consequence::Banned));
        check(&[(2, SEVERE)], Some(Consequence::Banned));
    }

    /// The one place that knows what comes of deeds done at once.
    #[track_caller]
    fn check(deeds: &[(usize, Deed)], expected: Option<Consequence>) {
        let (record, judgement) = after(eve(), deeds);
        assert_eq!(judgement.consequence, expected);
        let config = Config::default();
        let out_for = match expected {
            None | Some(Consequence::Spared) => None,
            Some(Consequence::SentAway) => Some(config.sent_away_for),
            Some(Consequence::Banned) => Some(config.banned_for),
        };
        let until = out_for.map(|span| NOW + span);
        assert_eq!(record.blocked_until(NOW), until);
    }

    #[test]
    fn whoever_attacks_again_each_time_it_is_let_in_is_banned_the_third_time() {
        let config = Config::default();
        let (mut record, mut now) = (eve(), NOW);
        let mut seen = Vec::new();
        for _ in 0..3 {
            let judgement = judge(&record, SEVERE, now, &config);
            seen.extend(judgement.consequence);
            let evidence = &mut record.evidence;
            Counts::of(evidence)
                .plus(&judgement.grown)
                .put_into(evidence);
            record.control.banned = judgement.ban.map(Box::new);
            now = record.blocked_until(now).unwrap();
            assert!(!record.is_blocked(now));
        }
        use Consequence::{Banned, SentAway};
        assert_eq!(seen, [SentAway, SentAway, Banned]);
    }

    #[test]
    fn a_pinned_or_trusted_peer_is_spared_and_a_server_is_never_banned() {
        let (mut pinned, mut trusted, mut server) = (eve(), eve(), eve());
        pinned.control.pinned = true;
        trusted.control.trusted = true;
        server.role.bootstrap = true;
        for spared in [pinned, trusted] {
            let (record, judgement) = after(spared, &[(9, SEVERE)]);
            assert_eq!(judgement.consequence, Some(Consequence::Spared));
            assert!(!record.is_blocked(NOW));
            assert_eq!(
                points(&record, NOW),
                POINTS_MAX,
                "it is counted all the same"
            );
        }
        let (record, judgement) = after(server, &[(9, SEVERE)]);
        assert_eq!(judgement.consequence, Some(Consequence::SentAway));
        let out_for = Config::default().sent_away_for;
        assert_eq!(record.blocked_until(NOW), Some(NOW + out_for));
    }

    #[test]
    fn a_consequence_is_news_once() {
        let news = |record: PeerRecord, deeds: &[_]| after(record, deeds).1.is_news;
        assert!(news(eve(), &[(1, SEVERE)]));
        assert!(!news(eve(), &[(1, SEVERE), (1, MINOR)]));
        assert!(news(eve(), &[(2, SEVERE)]), "now it is banned");
        assert!(!news(eve(), &[(3, SEVERE)]));
        assert!(
            news(with_points(30.0), &[(1, MINOR)]),
            "it was let in again"
        );
        assert!(!news(with_points(30.0), &[(1, GOOD)]));
        let mut pinned = eve();
        pinned.control.pinned = true;
        assert!(news(pinned.clone(), &[(1, SEVERE)]));
        assert!(!news(pinned, &[(1, SEVERE), (1, MINOR)]));
    }

    #[test]
    fn a_ban_is_not_cut_short_by_a_smaller_deed() {
        let mut banned = eve();
        let until = NOW + Config::default().banned_for;
        banned.control.banned = Some(Ban { since: NOW, until }.into());
        let (record, _) = after(banned, &[(4, MODERATE)]);
        assert_eq!(record.blocked_until(NOW), Some(until));
    }

    #[test]
    fn standing_falls_with_points_and_rises_with_time() {
        let at = |record: &PeerRecord, minutes: u32| standing(record, NOW + MINUTE * minutes);
        assert!((0.0..=1.0).contains(&at(&eve(), 0)));
        let held = with_points(16.0);
        assert!((-16.0..-15.0).contains(&at(&held, 0)));
        assert!((-8.0..-7.0).contains(&at(&held, 10)));
        assert!(at(&held, 120) > 0.0);
        let (banned, _) = after(eve(), &[(2, SEVERE)]);
        assert_eq!(at(&banned, 59), -100.0);
        assert!(at(&banned, 60) > -1.0);
        assert_eq!(at(&with_points(1e9), 0), -100.0);
    }

    #[test]
    fn conduct_tells_its_reason() {
        assert_eq!(conduct(&eve(), NOW), 1.0);
        assert_eq!(conduct(&with_points(10.0), NOW), 0.5);
        let (banned, _) = after(eve(), &[(2, SEVERE)]);
        let told = explain(&banned, NOW + MINUTE * 15);
        assert!(told.because.contains("21.2 points"), "{}", told.because);
        assert!(told.because.contains("45 min more"), "{}", told.because);
    }
}
