//! The addresses of one record: which are kept, what a dial tells of them, how long they rest.
//!
//! Everything here changes the record it is given and nothing else. Whose records there are, and
//! what is noted for saving, is the book's concern; who is to blame is decided in the engine.

use std::{cmp::Reverse, time::Duration};

use fastrand::Rng;

use crate::{
    address::Address,
    backoff,
    config::Config,
    decay,
    input::{AddressFailure, Failure},
    reach::Scope,
    record::{ADDRESSES_MAX, AddressRecord, PLACES_MAX, PeerRecord, Place},
    source::Source,
    time::Time,
};

/// Adds an address unless it is known. With the list full, it takes the place of the one with the
/// least to show: hearsay displaces only what was tried in vain, our own eyes whatever failed most.
/// Returns whether it is in the list now and was not before.
pub fn add(record: &mut PeerRecord, address: Address, source: &Source, now: Time) -> bool {
    if record.address(&address).is_some() || Scope::of(&address) == Scope::Nowhere {
        return false;
    }
    let fresh = AddressRecord::new(address, source.clone(), now);
    if record.addresses.len() < ADDRESSES_MAX {
        // Most of a memory are peers with one address, and left to itself the list would begin with
        // room for four.
        record.addresses.reserve_exact(1);
        record.addresses.push(fresh);
        return true;
    }
    let own = *source == Source::Own;
    let victim = record
        .addresses
        .iter_mut()
        .filter(|known| {
            let never_worked = known.last_success.is_none();
            if own {
                never_worked || known.failures_in_row > 0
            } else {
                never_worked && known.failures_in_row > 0
            }
        })
        .min_by_key(|known| {
            (
                known.last_success,
                Reverse(known.failures_in_row),
                known.first_heard,
            )
        });
    match victim {
        Some(victim) => {
            *victim = fresh;
            true
        }
        None => false,
    }
}

/// An address we dialled led to the right peer.
pub fn worked(
    record: &mut PeerRecord,
    address: &Address,
    now: Time,
    took: Option<Duration>,
    place: Option<Place>,
) {
    let Some(known) = record.address_mut(address) else {
        return;
    };
    known.last_success = Some(now);
    known.failures_in_row = 0;
    known.backoff_until = None;
    known.observed = true;
    if let Some(took) = took {
        decay::follow(&mut known.dial_ms, took);
    }
    if let Some(place) = place {
        let places = &mut *known.places;
        places.retain(|old| *old != place);
        places.push(place);
        if places.len() > PLACES_MAX {
            places.remove(0);
        }
    }
}

/// Some addresses did not lead to the peer, and the fault was not ours.
pub fn failed(record: &mut PeerRecord, failures: &[AddressFailure], now: Time) {
    for AddressFailure { address, failure } in failures {
        let Some(known) = record.address_mut(address) else {
            continue;
        };
        if *failure == Failure::WrongPeer && known.last_success.is_none() {
            // Somebody else lives there, and this peer never did.
            record.addresses.retain(|known| known.address != *address);
            continue;
        }
        known.last_failure = Some(now);
        known.failures_in_row = known.failures_in_row.saturating_add(1);
    }
}

/// Addresses that failed rest for a while, and so does the peer once all of them do. Where no failure
/// is of an address we know, the peer as a whole rests.
pub fn rest(
    record: &mut PeerRecord,
    failures: &[AddressFailure],
    now: Time,
    config: &Config,
    rng: &mut Rng,
) {
    let (min, max) = (config.backoff_min, config.backoff_max);
    let mut noted = false;
    for AddressFailure { address, failure } in failures {
        if let Some(known) = record.address_mut(address) {
            noted = true;
            let rounds = match failure {
                // Our program will not learn to dial it in a minute.
                Failure::Unsupported => u32::MAX,
                Failure::Refused
                | Failure::Silent
                | Failure::Unreachable
                | Failure::WrongPeer
                | Failure::Handshake
                | Failure::Other => known.failures_in_row,
            };
            known.backoff_until = Some(now + backoff::delay(rounds, min, max, rng));
        }
    }
    let awake = |known: &AddressRecord| known.backoff_until <= Some(now);
    let another_way = noted && record.addresses.iter().any(awake);
    if !another_way {
        let attempts = record.control.reconnect_attempts;
        record.control.backoff_until = Some(now + backoff::delay(attempts, min, max, rng));
        record.control.reconnect_attempts = attempts.saturating_add(1);
    }
}

/// Whether the peer, or one of its addresses, was told to rest.
pub fn is_resting(record: &PeerRecord) -> bool {
    record.control.backoff_until.is_some()
        || record
            .addresses
            .iter()
            .any(|known| known.backoff_until.is_some())
}

/// The peer and all its addresses may be dialled at once again.
pub fn wake(record: &mut PeerRecord) {
    record.control.backoff_until = None;
    record.control.reconnect_attempts = 0;
    for known in &mut record.addresses {
        known.backoff_until = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Time = Time::from_millis(1_000_000);
    const LATER: Time = Time::from_millis(2_000_000);

    /// What a full list holds beside addresses that work.
    enum Odd {
        None,
        NeverTried,
        NeverWorked,
        WorkedOnce,
    }

    #[test]
    fn a_full_list_gives_up_only_what_has_less_to_show() {
        check(Odd::None, &Source::Manual, false);
        check(Odd::None, &Source::Own, false);
        check(Odd::NeverTried, &Source::Manual, false);
        check(Odd::NeverTried, &Source::Own, true);
        check(Odd::NeverWorked, &Source::Manual, true);
        check(Odd::NeverWorked, &Source::Own, true);
        check(Odd::WorkedOnce, &Source::Manual, false);
        check(Odd::WorkedOnce, &Source::Own, true);
    }

    #[test]
    fn what_is_known_or_leads_nowhere_is_not_added() {
        let mut alice = alice(2);
        assert!(!add(&mut alice, address(1), &Source::Own, LATER));
        let nowhere = "/ip4/0.0.0.0/tcp/1".parse().unwrap();
        assert!(!add(&mut alice, nowhere, &Source::Own, LATER));
        assert_eq!(alice.addresses.len(), 2);
    }

    #[test]
    fn success_wipes_out_failures_and_is_remembered_with_its_place() {
        let mut alice = alice(1);
        failed(&mut alice, &[failure(0, Failure::Silent)], T);
        for place in 0..6 {
            let took = Some(Duration::from_millis(80));
            worked(&mut alice, &address(0), LATER, took, Some(Place(place)));
        }
        let known = &alice.addresses[0];
        assert_eq!((known.failures_in_row, known.observed), (0, true));
        assert_eq!(known.dial_ms, Some(80.0));
        assert_eq!(*known.places, [2, 3, 4, 5].map(Place));
    }

    #[test]
    fn where_somebody_else_lives_is_forgotten_unless_the_peer_lived_there() {
        let mut alice = alice(2);
        worked(&mut alice, &address(1), T, None, None);
        let wrong = [0, 1].map(|nth| failure(nth, Failure::WrongPeer));
        failed(&mut alice, &wrong, LATER);
        assert_eq!(alice.addresses.len(), 1);
        assert_eq!(alice.addresses[0].address, address(1));
        assert_eq!(alice.addresses[0].last_failure, Some(LATER));
    }

    #[test]
    fn a_peer_rests_once_all_its_addresses_do() {
        let mut alice = alice(2);
        rest_after(&mut alice, &[failure(0, Failure::Silent)]);
        assert_eq!(alice.control.backoff_until, None);
        rest_after(&mut alice, &[failure(1, Failure::Silent)]);
        assert!(alice.control.backoff_until > Some(T));
        wake(&mut alice);
        assert!(!is_resting(&alice));
        rest_after(&mut alice, &[]);
        assert!(is_resting(&alice));
        assert_eq!(alice.addresses[0].backoff_until, None);
    }

    /// The one place that knows how `add` is called.
    #[track_caller]
    fn check(odd: Odd, source: &Source, added: bool) {
        let mut alice = alice(ADDRESSES_MAX);
        for known in &mut alice.addresses {
            known.last_success = Some(T);
        }
        let place = &mut alice.addresses[3];
        match odd {
            Odd::None => {}
            Odd::NeverTried => place.last_success = None,
            Odd::NeverWorked => (place.last_success, place.failures_in_row) = (None, 1),
            Odd::WorkedOnce => place.failures_in_row = 1,
        }
        assert_eq!(add(&mut alice, address(99), source, LATER), added);
        assert_eq!(alice.addresses.len(), ADDRESSES_MAX);
        assert_eq!(alice.addresses[3].address == address(99), added);
    }

    fn alice(addresses: usize) -> PeerRecord {
        let mut alice = PeerRecord::new("alice".parse().unwrap(), T);
        for nth in 0..addresses {
            assert!(add(&mut alice, address(nth), &Source::Manual, T));
        }
        alice
    }

    fn address(nth: usize) -> Address {
        format!("/ip4/8.8.4.4/tcp/{}", 4001 + nth).parse().unwrap()
    }

    fn failure(nth: usize, failure: Failure) -> AddressFailure {
        let address = address(nth);
        AddressFailure { address, failure }
    }

    fn rest_after(record: &mut PeerRecord, failures: &[AddressFailure]) {
        let mut rng = Rng::with_seed(7);
        rest(record, failures, T, &Config::default(), &mut rng);
    }
}
