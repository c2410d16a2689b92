//! One list of sources, asked by hand.

use std::{collections::BTreeSet, time::Duration};

use super::*;

const T: Time = Time::from_millis(1_000_000);

fn address(port: u16) -> Address {
    format!("/ip4/8.8.4.4/tcp/{port}").parse().unwrap()
}

fn url(n: usize) -> Directory {
    Directory::url(&format!("https://example.org/{n}")).unwrap()
}

fn dns() -> Directory {
    Directory::dnsaddr("example.org", None).unwrap()
}

fn servers(ports: std::ops::RangeInclusive<u16>) -> Sources {
    let mut sources = Sources::new(Rng::with_seed(1));
    for port in ports {
        sources.add_server(Kind::Manual, None, address(port), None, &Config::default());
    }
    sources
}

fn turn(sources: &mut Sources, now: Time, anyway: bool) -> Option<Turn> {
    let around = Around {
        is_busy: &|_| false,
        dial_ms: &|_| None,
    };
    sources.turn(now, &Kind::ALL, anyway, around, &Config::default())
}

fn open(sources: &mut Sources, now: Time) -> Vec<Kind> {
    sources.open(now, T, |_| false, &Config::default())
}

fn fail(sources: &mut Sources, now: Time) -> Backoff {
    sources.dialled(&address(1), DialId(7));
    let config = Config::default();
    sources.rest(DialId(7), now, &config);
    let (_, breaker) = sources.failed(&address(1), now, &config).unwrap();
    breaker
}

#[track_caller]
fn consult(sources: &mut Sources, now: Time) -> (AskId, Directory) {
    match turn(sources, now, false) {
        Some(Turn::Consult { ask, directory }) => (ask, directory),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_failure_nobody_is_blamed_for_makes_a_server_rest_and_no_more() {
    let (mut sources, config) = (servers(1..=1), Config::default());
    sources.dialled(&address(1), DialId(7));
    assert_eq!(turn(&mut sources, T, true), None, "it is being dialled");
    sources.rest(DialId(7), T, &config);
    assert_eq!(turn(&mut sources, T, false), None);
    assert!(turn(&mut sources, T + config.breaker_min, false).is_some());
    assert_eq!(sources.status(T, &config)[0].failures, 0);
}

#[test]
fn an_open_source_is_not_asked() {
    let mut sources = servers(1..=1);
    for _ in 0..5 {
        fail(&mut sources, T);
    }
    assert_eq!(turn(&mut sources, T, false), None);
    assert!(turn(&mut sources, T, true).is_some());
    let ready = sources.next_turn_at(T, T, |_| false, &Config::default());
    assert!(turn(&mut sources, ready.unwrap(), false).is_some());
}

#[test]
fn those_that_work_go_first_and_none_is_everybodys_first() {
    let mut sources = servers(1..=5);
    fail(&mut sources, T);
    let drawn: BTreeSet<_> = (0..100)
        .map(
            |_| match turn(&mut sources, T + Duration::from_secs(60), false) {
                Some(Turn::Dial { address, .. }) => address,
                other => panic!("{other:?}"),
            },
        )
        .collect();
    assert_eq!(drawn.len(), 4);
    assert!(!drawn.contains(&address(1)));
}

#[test]
fn a_breaker_outlives_a_restart() {
    let breaker = fail(&mut servers(1..=1), T);
    let mut again = Sources::new(Rng::with_seed(2));
    let config = Config::default();
    again.add_server(Kind::Cached, None, address(1), Some(breaker), &config);
    again.add_directory(url(1), Some(breaker), &config);
    assert_eq!(turn(&mut again, T, false), None);
}

#[test]
fn the_kinds_join_one_after_the_other() {
    let (mut sources, config) = (servers(1..=1), Config::default());
    sources.add_directory(url(1), None, &config);
    sources.add_directory(dns(), None, &config);
    let step = config.source_head_start;
    assert_eq!(open(&mut sources, T), [Kind::Manual]);
    let next = sources.next_turn_at(T, T, |_| false, &config);
    assert_eq!(next, Some(T + step));
    assert_eq!(open(&mut sources, T + step), [Kind::Manual, Kind::Dns]);
    let all = [Kind::Manual, Kind::Dns, Kind::Url];
    assert_eq!(open(&mut sources, T + step * 2), all);
    sources.race_anew();
    assert_eq!(open(&mut sources, T + step * 2), [Kind::Manual]);
}

#[test]
fn who_has_nothing_to_ask_is_not_waited_for() {
    let (mut sources, config) = (servers(1..=1), Config::default());
    sources.add_directory(url(1), None, &config);
    fail(&mut sources, T);
    assert_eq!(open(&mut sources, T), [Kind::Url]);
}

#[test]
fn a_server_named_and_remembered_is_one() {
    let (mut sources, config) = (Sources::new(Rng::with_seed(1)), Config::default());
    for kind in [Kind::Cached, Kind::Manual, Kind::Cached] {
        sources.add_server(kind, None, address(1), None, &config);
    }
    assert_eq!(
        (sources.len(), sources.status(T, &config)[0].kind),
        (1, "manual")
    );
}

#[test]
fn many_dead_sources_of_one_kind_do_not_hold_up_another() {
    let (mut sources, config) = (servers(1..=9), Config::default());
    sources.add_server(Kind::Cached, None, address(100), None, &config);
    let mut turns = Vec::new();
    while let Some(Turn::Dial { address, .. }) = turn(&mut sources, T, false) {
        let dial = DialId(turns.len() as u64);
        sources.dialled(&address, dial);
        turns.push(address);
    }
    assert_eq!(turns.len(), 10);
    assert_eq!(turns[1], address(100));
}

#[test]
fn a_second_list_is_asked_at_once_when_the_first_fails_and_soon_when_it_hangs() {
    let (mut sources, config) = (Sources::new(Rng::with_seed(1)), Config::default());
    for n in 0..20 {
        sources.add_directory(url(n), None, &config);
    }
    let (ask, first) = consult(&mut sources, T);
    assert_eq!(turn(&mut sources, T, false), None, "one at a time");
    assert_eq!(sources.landed(ask), Some((first.clone(), T)));
    sources.kept_silent(&first, T, &config);
    sources.let_down(&first, T, &config);
    let (_, second) = consult(&mut sources, T);
    assert_ne!(first, second);
    let mut now = T;
    for _ in 1..config.consults_max {
        assert_eq!(turn(&mut sources, now, false), None);
        now = sources.next_turn_at(now, T, |_| false, &config).unwrap();
        while turn(&mut sources, now, false).is_none() {
            now = sources.next_turn_at(now, T, |_| false, &config).unwrap();
        }
    }
    let much_later = now + config.consult_timeout;
    assert_eq!(
        turn(&mut sources, much_later, true),
        None,
        "no more than so many"
    );
}

#[test]
fn who_has_answered_is_not_asked_again_at_once() {
    let (mut sources, config) = (Sources::new(Rng::with_seed(1)), Config::default());
    sources.add_directory(dns(), None, &config);
    let (ask, directory) = consult(&mut sources, T);
    sources.landed(ask);
    sources.told(&directory, T, &config);
    assert_eq!(sources.landed(ask), None, "an answer counts once");
    assert_eq!(turn(&mut sources, T, false), None);
    assert!(turn(&mut sources, T + config.consult_every, false).is_some());
}

#[test]
fn a_question_nobody_answers_ends_some_day() {
    let (mut sources, config) = (Sources::new(Rng::with_seed(1)), Config::default());
    sources.add_directory(dns(), None, &config);
    let (ask, _) = consult(&mut sources, T);
    assert!(
        sources
            .expired(T + config.consult_timeout, &config)
            .is_empty()
    );
    let ends = sources.expires_at(&config).unwrap();
    assert_eq!(sources.expired(ends, &config), [ask]);
}

#[test]
fn a_rendezvous_server_is_asked_though_it_is_connected() {
    let (mut sources, config) = (Sources::new(Rng::with_seed(1)), Config::default());
    let peer: PeerKey = "alice".parse().unwrap();
    sources.add_directory(
        Directory::Rendezvous {
            peer: peer.clone(),
            address: address(1),
        },
        None,
        &config,
    );
    let around = Around {
        is_busy: &|_| true,
        dial_ms: &|_| None,
    };
    assert!(
        sources
            .turn(T, &Kind::ALL, false, around, &config)
            .is_some()
    );
    sources.forget(&peer);
    assert!(sources.is_empty());
}

#[test]
fn the_nearer_of_two_is_asked_and_the_nearest_is_not_everybodys_first() {
    let peers = ["alice", "bob", "carol", "dave"].map(|name| name.parse::<PeerKey>().unwrap());
    let dial_ms = |peer: &PeerKey| match peer == &peers[0] {
        true => Some(20.0),
        false => Some(200.0),
    };
    let mut nearest = 0;
    for seed in 0..400 {
        let (mut sources, config) = (Sources::new(Rng::with_seed(seed)), Config::default());
        for (port, peer) in (1..).zip(&peers) {
            let peer = Some(peer.clone());
            sources.add_server(Kind::Manual, peer, address(port), None, &config);
        }
        let around = Around {
            is_busy: &|_| false,
            dial_ms: &dial_ms,
        };
        match sources.turn(T, &Kind::ALL, false, around, &config) {
            Some(Turn::Dial { peer, .. }) => nearest += usize::from(peer.as_ref() == peers.first()),
            other => panic!("{other:?}"),
        }
    }
    // Seven of sixteen pairs hold it; a single lot would be four.
    assert!((150..=200).contains(&nearest), "{nearest} of 400");
}
