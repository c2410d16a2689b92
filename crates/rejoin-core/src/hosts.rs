//! Public IP addresses that keep failing, whoever is said to live there.
//!
//! Many a dead record names the same host, so after a few failures the host as a whole rests. The
//! map is saved with the [`Memory`](crate::Memory); what we saw work ourselves is dialled anyway.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use fastrand::Rng;

use crate::{
    address::Address,
    backoff::Backoff,
    config::Config,
    input::{AddressFailure, Failure},
    reach::Scope,
    time::Time,
};

/// Whether the host of an address has failed too often lately to be dialled.
pub fn rests(hosts: &BTreeMap<IpAddr, Backoff>, address: &Address, now: Time) -> bool {
    let host = address.ip().and_then(|ip| hosts.get(&ip));
    host.is_some_and(|host| host.failures >= FAILURES_MIN && !host.is_over(now))
}

/// Counts a failed dial against each host it tried in vain, once. Returns whether there was one.
pub fn blame(
    hosts: &mut BTreeMap<IpAddr, Backoff>,
    failures: &[AddressFailure],
    now: Time,
    config: &Config,
    rng: &mut Rng,
) -> bool {
    let blamed: BTreeSet<_> = failures
        .iter()
        .filter(|failed| matches!(failed.failure, Failure::Silent | Failure::Refused))
        .filter_map(|failed| shared_host(&failed.address))
        .collect();
    for ip in &blamed {
        make_room(hosts, ip, config);
        hosts
            .entry(*ip)
            .or_default()
            .fail(now, config.backoff_min, config.backoff_max, rng);
    }
    !blamed.is_empty()
}

/// With the map full, who may be dialled soonest is no longer remembered.
fn make_room(hosts: &mut BTreeMap<IpAddr, Backoff>, ip: &IpAddr, config: &Config) {
    if hosts.len() < config.hosts_max || hosts.contains_key(ip) {
        return;
    }
    let soonest = hosts
        .iter()
        .min_by_key(|(_, host)| host.until)
        .map(|(ip, _)| *ip);
    if let Some(soonest) = soonest {
        hosts.remove(&soonest);
    }
}

/// The host whose failures are counted. On this machine or the LAN many peers may share one, and
/// there one says nothing of the others.
fn shared_host(address: &Address) -> Option<IpAddr> {
    let public = matches!(Scope::of(address), Scope::Public | Scope::CarrierNat);
    address.ip().filter(|_| public)
}

/// A host rests only after so many failures: one dead peer says little about its neighbours behind
/// the same address.
const FAILURES_MIN: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    const T: Time = Time::from_millis(1_000_000);

    #[test]
    fn a_public_host_rests_after_four_failures() {
        check("/ip4/8.8.4.4/tcp/1", Failure::Silent, 3, false);
        check("/ip4/8.8.4.4/tcp/1", Failure::Silent, 4, true);
        check("/ip4/8.8.4.4/tcp/1", Failure::Refused, 4, true);
    }

    #[test]
    fn only_a_host_that_did_not_answer_is_blamed() {
        check("/ip4/8.8.4.4/tcp/1", Failure::WrongPeer, 9, false);
        check("/ip4/8.8.4.4/tcp/1", Failure::Handshake, 9, false);
        check("/ip4/8.8.4.4/tcp/1", Failure::Unreachable, 9, false);
    }

    #[test]
    fn hosts_of_a_local_network_are_never_blamed() {
        check("/ip4/127.0.0.1/tcp/1", Failure::Silent, 9, false);
        check("/ip4/192.168.1.9/tcp/1", Failure::Silent, 9, false);
    }

    #[test]
    fn a_full_map_forgets_who_may_be_dialled_soonest() {
        let config = Config {
            hosts_max: 2,
            ..Config::default()
        };
        let mut hosts = BTreeMap::new();
        for (host, failures) in [(1, 9), (2, 1), (3, 1)] {
            let address = format!("/ip4/8.8.4.{host}/tcp/1");
            fail(&mut hosts, &address, Failure::Silent, failures, &config);
        }
        let left: Vec<_> = hosts.into_keys().collect();
        assert_eq!(left, [1, 3].map(|host| IpAddr::from([8, 8, 4, host])));
    }

    /// The one place that knows how `rests` is called.
    #[track_caller]
    fn check(address: &str, failure: Failure, times: usize, expected: bool) {
        let config = Config::default();
        let mut hosts = BTreeMap::new();
        fail(&mut hosts, address, failure, times, &config);
        let neighbour = address.replace("tcp/1", "tcp/2").parse().unwrap();
        assert_eq!(rests(&hosts, &neighbour, T), expected);
        assert!(!rests(&hosts, &neighbour, T + config.backoff_max));
    }

    fn fail(
        hosts: &mut BTreeMap<IpAddr, Backoff>,
        address: &str,
        failure: Failure,
        times: usize,
        config: &Config,
    ) {
        let address: Address = address.parse().unwrap();
        let failures = [AddressFailure { address, failure }];
        for _ in 0..times {
            blame(hosts, &failures, T, config, &mut Rng::with_seed(7));
        }
    }
}
