//! `rejoin peers publish`: a signed list of peers that any web host can serve.

use std::time::Duration;

use rejoin::{PeerRecord, Pool, Time};
use rejoin_core::{Scope, Transport, score};
use rejoin_libp2p::now;
use serde_json::json;

use crate::{
    failure::Failure,
    identity,
    mind::Mind,
    offline::Offline,
    outfile::{self, Readers},
    print::{self, NAME, count},
    settings::{Place, PublishArgs},
    sources::list::{Entry, Signed},
};

/// Peers in a list at most: the engine draws a hundred.
const PEERS_MAX: usize = 500;

/// Addresses of one peer: two transports, and the other IP family.
const ADDRESSES_MAX: usize = 3;

/// Who has not been seen for longer may be gone when the list is read.
const SEEN_WITHIN: Duration = Duration::from_secs(2 * 86_400);

/// Writes the list, and says how to use it.
///
/// # Errors
/// If the memory cannot be read or the file cannot be written.
pub fn run(place: &Place, args: &PublishArgs, json: bool) -> Result<(), Failure> {
    let now = now();
    // What a running node knows is on the disk within seconds, and stores are shared.
    let memory = Offline::open_aloud(place, now)?;
    let keypair = identity::load_or_create_in(&place.folder)?;
    let signed = Signed {
        network: args.network.clone(),
        issued: now.as_millis(),
        expires: (now + args.good_for).as_millis(),
        peers: select(memory.peers(), args.local, now),
    };
    // It is made to be read by a web server.
    outfile::write(
        &args.out,
        signed.sign(&keypair).as_bytes(),
        Readers::Everybody,
    )?;
    let signer = keypair.public().to_peer_id();
    let peers = signed.peers.len();
    if json {
        return print::json(&json!({
            "out": args.out.display().to_string(),
            "peers": peers,
            "signer": signer.to_string(),
            "network": signed.network,
            "issued": signed.issued,
            "expires": signed.expires,
        }));
    }
    if peers == 0 {
        print::aside(
            "nobody in memory can be reached by everybody and was seen lately, so the list is empty",
        );
    }
    print::result(&format!(
        "{}, signed and good for {}, in {}\n\
         Put it on a web host and start others with\n  \
         {NAME}rejoin up --peers-url <URL> --peers-key {signer}{NAME:#}",
        count(peers, "peer"),
        humantime::format_duration(args.good_for),
        args.out.display(),
    ))
}

/// Those everybody may know of: met, seen lately, not blocked, at addresses we saw work. The best
/// first.
fn select<'a>(peers: impl Iterator<Item = &'a PeerRecord>, local: bool, now: Time) -> Vec<Entry> {
    let mut chosen: Vec<_> = peers
        .filter(|record| record.pool() == Pool::Proven && !record.is_blocked(now))
        .filter(|record| {
            let seen = record.last_seen.unwrap_or_default();
            now.since(seen) <= SEEN_WITHIN
        })
        .filter_map(|record| Some((score::score(record, now), entry(record, local)?)))
        .collect();
    chosen.sort_by(|(a, one), (b, other)| b.total_cmp(a).then_with(|| one.peer.cmp(&other.peer)));
    chosen.truncate(PEERS_MAX);
    chosen.into_iter().map(|(_, entry)| entry).collect()
}

fn entry(record: &PeerRecord, local: bool) -> Option<Entry> {
    let peer = record.key.peer_id()?;
    let mut known: Vec<_> = record
        .addresses
        .iter()
        .filter(|known| known.observed && known.failures_in_row == 0)
        .filter(|known| local || Scope::of(&known.address) == Scope::Public)
        // A relay forgets its guests.
        .filter(|known| known.address.transport() != Transport::Relay)
        .collect();
    known.sort_by_key(|known| std::cmp::Reverse(known.last_success));
    let addresses = known.iter().take(ADDRESSES_MAX);
    let addresses: Vec<_> = addresses.map(|known| known.address.to_string()).collect();
    let peer = peer.to_string();
    (!addresses.is_empty()).then_some(Entry { peer, addresses })
}

#[cfg(test)]
mod tests {
    use rejoin::{PeerKey, Source};
    use rejoin_core::AddressRecord;

    use super::*;

    const NOW: Time = Time::from_millis(1_700_000_000_000);
    const PUBLIC: &str = "/ip4/8.8.4.4/tcp/1";

    #[test]
    fn only_whom_everybody_can_reach_and_we_met_lately_is_published() {
        check(|_| {}, Some(PUBLIC));
        check(|it| it.last_connected = None, None);
        check(|it| it.last_seen = Some(NOW - SEEN_WITHIN * 2), None);
        check(
            |it| it.control.blocked_until = Some(NOW + SEEN_WITHIN),
            None,
        );
        check(|it| it.addresses[0].observed = false, None);
        check(|it| it.addresses[0].failures_in_row = 1, None);
        for near in [
            "/ip4/127.0.0.1/tcp/1",
            "/ip4/192.168.1.7/tcp/1",
            "/ip6/fe80::1/tcp/1",
        ] {
            check(|it| it.addresses[0].address = near.parse().unwrap(), None);
        }
        let relay = "12D3KooWNvSZnPi3RrhrTwEY4LuuBeB6K6facKUCJcyWG1aoDd2p";
        let relayed = format!("{PUBLIC}/p2p/{relay}/p2p-circuit");
        check(
            |it| it.addresses[0].address = relayed.parse().unwrap(),
            None,
        );
    }

    #[test]
    fn a_list_for_the_neighbourhood_has_its_addresses_too() {
        let mut record = met();
        record.addresses[0].address = "/ip4/192.168.1.7/tcp/1".parse().unwrap();
        assert_eq!(select([&record].into_iter(), true, NOW).len(), 1);
    }

    fn met() -> PeerRecord {
        let key: PeerKey = libp2p::PeerId::random().into();
        let mut record = PeerRecord::new(key, NOW);
        record.last_seen = Some(NOW);
        record.last_connected = Some(NOW);
        let address = PUBLIC.parse().unwrap();
        let mut known = AddressRecord::new(address, Source::Own, NOW);
        known.observed = true;
        known.last_success = Some(NOW);
        record.addresses.push(known);
        record
    }

    #[track_caller]
    fn check(change: impl Fn(&mut PeerRecord), published: Option<&str>) {
        let mut record = met();
        change(&mut record);
        let chosen = select([&record].into_iter(), false, NOW);
        let address = chosen.first().map(|entry| entry.addresses[0].as_str());
        assert_eq!(address, published);
    }
}
