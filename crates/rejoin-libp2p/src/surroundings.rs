//! Where we are: the addresses we listen on and the networks around them. What follows from being
//! there, the engine says.

use std::net::IpAddr;

use libp2p::swarm::{ExternalAddresses, FromSwarm, ListenAddresses};
use rejoin_core::{Address, Input, LocalNetwork};

/// What of it has been told, and what has changed since.
#[derive(Debug, Default)]
pub(crate) struct Surroundings {
    listening: ListenAddresses,
    external: ExternalAddresses,
    /// What the program knows better than we can guess.
    networks: Option<Vec<LocalNetwork>>,
    place: Option<Vec<u8>>,
    changed: bool,
}

impl Surroundings {
    pub(crate) fn on_swarm_event(&mut self, event: &FromSwarm<'_>) {
        // Not `||`: both must see every event.
        self.changed |= self.listening.on_swarm_event(event);
        self.changed |= self.external.on_swarm_event(event);
    }

    pub(crate) fn set_networks(&mut self, networks: Vec<LocalNetwork>) {
        let networks = Some(networks);
        self.changed |= self.networks != networks;
        self.networks = networks;
    }

    pub(crate) fn set_place(&mut self, place: Option<Vec<u8>>) {
        self.changed |= self.place != place;
        self.place = place;
    }

    /// All of it, if anything has changed since the last call. A machine with many interfaces
    /// reports them one by one; the engine hears of them at once.
    pub(crate) fn moved(&mut self) -> Option<Input> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let listening: Vec<Address> = addresses(self.listening.iter());
        let networks = match &self.networks {
            Some(networks) => networks.clone(),
            None => listening.iter().filter_map(network_around).collect(),
        };
        let mut own = listening;
        own.extend(addresses(self.external.iter()));
        Some(Input::Moved {
            own,
            networks,
            place: self.place.clone(),
        })
    }
}

fn addresses<'a>(from: impl Iterator<Item = &'a libp2p::Multiaddr>) -> Vec<Address> {
    let mut known: Vec<Address> = from
        .filter_map(|address| Address::split(address.clone()).ok())
        .map(|(address, _)| address)
        .collect();
    // Sets come in any order; the engine is to see the same for the same.
    known.sort();
    known
}

/// Nobody tells us the true prefix; most homes and offices have one of these two.
fn network_around(address: &Address) -> Option<LocalNetwork> {
    let ip = address.ip()?;
    if ip.is_loopback() || ip.is_unspecified() {
        return None;
    }
    let prefix = match ip {
        IpAddr::V4(_) => 24,
        IpAddr::V6(_) => 64,
    };
    Some(LocalNetwork::new(ip, prefix))
}

#[cfg(test)]
mod tests {
    use libp2p::{
        Multiaddr,
        core::transport::ListenerId,
        swarm::{ExpiredListenAddr, NewListenAddr, behaviour::ExternalAddrConfirmed},
    };

    use super::*;

    #[test]
    fn interfaces_reported_one_by_one_are_told_at_once() {
        let mut here = Surroundings::default();
        assert_eq!(here.moved(), None);
        listens(&mut here, "/ip4/192.168.1.7/tcp/1");
        listens(&mut here, "/ip4/127.0.0.1/tcp/1");
        let external: Multiaddr = "/ip4/8.8.8.8/tcp/1".parse().unwrap();
        here.on_swarm_event(&FromSwarm::ExternalAddrConfirmed(ExternalAddrConfirmed {
            addr: &external,
        }));

        let Some(Input::Moved { own, networks, .. }) = here.moved() else {
            panic!("nothing was told");
        };
        assert_eq!(own.len(), 3);
        let home: IpAddr = "192.168.1.200".parse().unwrap();
        assert_eq!(networks.len(), 1, "loopback and the router are no LAN");
        assert!(networks[0].contains(home));
        assert_eq!(here.moved(), None, "told once");
    }

    #[test]
    fn an_address_that_is_gone_is_no_longer_ours() {
        let mut here = Surroundings::default();
        listens(&mut here, "/ip4/192.168.1.7/tcp/1");
        here.moved();
        let gone: Multiaddr = "/ip4/192.168.1.7/tcp/1".parse().unwrap();
        here.on_swarm_event(&FromSwarm::ExpiredListenAddr(ExpiredListenAddr {
            listener_id: ListenerId::next(),
            addr: &gone,
        }));
        let Some(Input::Moved { own, networks, .. }) = here.moved() else {
            panic!("nothing was told");
        };
        assert!(own.is_empty() && networks.is_empty());
    }

    #[test]
    fn what_the_program_says_of_its_networks_counts() {
        let mut here = Surroundings::default();
        listens(&mut here, "/ip4/192.168.1.7/tcp/1");
        let office = LocalNetwork::new("10.0.0.1".parse().unwrap(), 8);
        here.set_networks(vec![office]);
        here.set_place(Some(b"gateway".to_vec()));
        let Some(Input::Moved {
            networks, place, ..
        }) = here.moved()
        else {
            panic!("nothing was told");
        };
        assert_eq!(networks, [office]);
        assert_eq!(place.as_deref(), Some(&b"gateway"[..]));
        here.set_place(Some(b"gateway".to_vec()));
        assert_eq!(here.moved(), None, "the same place again");
    }

    fn listens(here: &mut Surroundings, address: &str) {
        let addr: Multiaddr = address.parse().unwrap();
        here.on_swarm_event(&FromSwarm::NewListenAddr(NewListenAddr {
            listener_id: ListenerId::next(),
            addr: &addr,
        }));
    }
}
