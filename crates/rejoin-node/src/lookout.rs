//! Where this machine is: the networks its interfaces are on, and what names the place. Asked of the
//! system again and again, since a laptop is carried from place to place; what follows from being
//! somewhere, the engine says.

use std::{net::IpAddr, sync::Arc, time::Duration};

use netdev::{Interface, MacAddr, NetworkDevice};
use rejoin::LocalNetwork;
use tokio::{
    sync::{Notify, watch},
    task,
    time::{Instant, sleep_until},
};

/// Asking takes a millisecond or two. Who changes place has lost its connections for longer.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// Interfaces come and go in bursts, an address at a time.
const SETTLING: Duration = Duration::from_millis(300);

/// Networks of one machine; a host of containers has dozens.
const NETWORKS_MAX: usize = 64;

/// Where we are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Here {
    /// The networks our interfaces are on, this machine itself aside.
    pub networks: Vec<LocalNetwork>,
    /// What names the place: the router's hardware address, or its address and network where it has
    /// none, as in a VPN. `None` where nothing leads out.
    pub place: Option<Vec<u8>>,
}

impl Here {
    /// Asks the system.
    pub fn look() -> Self {
        Self::of(&netdev::get_interfaces())
    }

    fn of(interfaces: &[Interface]) -> Self {
        let up = || {
            interfaces
                .iter()
                .filter(|it| it.is_up() && !it.is_loopback())
        };
        let mut networks: Vec<_> = up()
            .flat_map(networks_of)
            .filter(|(ip, _)| !is_link_local(*ip))
            .map(|(ip, prefix)| LocalNetwork::new(ip, prefix))
            .collect();
        networks.sort_unstable();
        networks.dedup();
        networks.truncate(NETWORKS_MAX);
        let leads_out = up().find(|it| it.default && it.gateway.is_some());
        Self {
            networks,
            place: leads_out.and_then(|it| name(it.gateway.as_ref()?, it)),
        }
    }
}

/// Two homes have the same router address as often as not, but never the same router.
fn name(router: &NetworkDevice, reached_by: &Interface) -> Option<Vec<u8>> {
    if router.mac_addr != MacAddr::zero() {
        return Some(format!("router {}", router.mac_addr).into_bytes());
    }
    let v4 = router.ipv4.first().copied().map(IpAddr::from);
    let address = v4.or(router.ipv6.first().copied().map(IpAddr::from))?;
    let (network, prefix) = networks_of(reached_by).find(|(ip, _)| !is_link_local(*ip))?;
    Some(format!("router {address} on {network}/{prefix}").into_bytes())
}

/// The first address of each network and the length of its prefix: our own address on it may be
/// another tomorrow.
fn networks_of(interface: &Interface) -> impl Iterator<Item = (IpAddr, u8)> {
    let v4 = interface
        .ipv4
        .iter()
        .map(|net| (net.network().into(), net.prefix_len()));
    let v6 = interface
        .ipv6
        .iter()
        .map(|net| (net.network().into(), net.prefix_len()));
    v4.chain(v6)
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// Looks around as long as it lives.
#[derive(Debug)]
pub struct Lookout {
    seen: watch::Receiver<Here>,
    again: Arc<Notify>,
}

impl Lookout {
    /// Looks around now, and again from time to time.
    pub fn begin() -> (Self, Here) {
        let here = Here::look();
        let (tell, seen) = watch::channel(here.clone());
        let again = Arc::new(Notify::new());
        tokio::spawn(keep_looking(tell, Arc::clone(&again)));
        (Self { seen, again }, here)
    }

    /// Where we are, as soon as that is something else than it said before.
    pub async fn next(&mut self) -> Here {
        match self.seen.changed().await {
            Ok(()) => self.seen.borrow_and_update().clone(),
            Err(_) => std::future::pending().await, // nobody looks any more
        }
    }

    /// Something has changed: do not wait for the next turn.
    pub fn look_again(&self) {
        self.again.notify_one();
    }
}

/// Ends with whom it tells.
async fn keep_looking(tell: watch::Sender<Here>, again: Arc<Notify>) {
    loop {
        let turn = sleep_until(Instant::now() + LOOK_EVERY);
        tokio::select! {
            () = turn => {}
            () = again.notified() => tokio::time::sleep(SETTLING).await,
            () = tell.closed() => return,
        }
        // A system that does not answer is asked again at the next turn.
        if let Ok(here) = task::spawn_blocking(Here::look).await {
            tell.send_if_modified(|before| {
                let moved = *before != here;
                *before = here;
                moved
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_router_names_the_place_by_its_hardware() {
        let home = interface("192.168.1.7/24", [2, 0, 0, 0, 0, 1]);
        let cafe = interface("192.168.1.7/24", [2, 0, 0, 0, 0, 2]);
        let place = |interface: &Interface| Here::of(std::slice::from_ref(interface)).place;
        assert!(place(&home).is_some());
        assert_ne!(
            place(&home),
            place(&cafe),
            "both call themselves 192.168.1.1"
        );
        let next_day = interface("192.168.1.9/24", [2, 0, 0, 0, 0, 1]);
        assert_eq!(place(&home), place(&next_day), "our own address is another");
    }

    #[test]
    fn a_tunnel_is_named_by_its_network() {
        let office = interface("10.8.3.7/16", [0; 6]);
        assert_eq!(
            Here::of(&[office]).place.as_deref(),
            Some(&b"router 192.168.1.1 on 10.8.0.0/16"[..])
        );
    }

    #[test]
    fn where_nothing_leads_out_there_is_no_place_but_neighbours() {
        let mut alone = interface("192.168.1.7/24", [2, 0, 0, 0, 0, 1]);
        alone.default = false;
        let here = Here::of(&[alone]);
        assert_eq!(here.place, None);
        assert!(here.networks[0].contains("192.168.1.200".parse().unwrap()));
    }

    #[test]
    fn this_machine_itself_and_what_is_down_are_nowhere() {
        let mut loopback = interface("127.0.0.1/8", [0; 6]);
        loopback.flags |= IS_LOOPBACK;
        let mut down = interface("192.168.1.7/24", [2, 0, 0, 0, 0, 1]);
        down.flags = 0;
        let unplugged = interface("169.254.3.4/16", [0; 6]);
        assert_eq!(Here::of(&[loopback, down]), Here::default());
        assert_eq!(Here::of(&[unplugged]).networks, []);
    }

    #[tokio::test]
    async fn only_what_is_new_is_told() {
        let (tell, seen) = watch::channel(Here::default());
        let again = Arc::new(Notify::new());
        let mut lookout = Lookout { seen, again };
        tokio::spawn(keep_looking(tell, Arc::clone(&lookout.again)));
        lookout.look_again();
        let before = Here::look();
        if before != Here::default() {
            assert_eq!(lookout.next().await, before);
        }
        lookout.look_again();
        let told_again = tokio::time::timeout(SETTLING * 2, lookout.next()).await;
        assert!(told_again.is_err(), "nothing has changed");
    }

    const IS_UP: u32 = 1;
    const IS_LOOPBACK: u32 = 8;

    fn interface(address: &str, router: [u8; 6]) -> Interface {
        let [a, b, c, d, e, f] = router;
        Interface {
            flags: IS_UP,
            ipv4: vec![address.parse().unwrap()],
            gateway: Some(NetworkDevice {
                mac_addr: MacAddr::new(a, b, c, d, e, f),
                ipv4: vec!["192.168.1.1".parse().unwrap()],
                ipv6: Vec::new(),
            }),
            default: true,
            ..Interface::dummy()
        }
    }
}
