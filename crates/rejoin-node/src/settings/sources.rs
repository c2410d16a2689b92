//! The flags of `rejoin up` that name sources: whom and what to ask when memory does not suffice.

use clap::{ArgAction, Args, CommandFactory, error::ErrorKind};
use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};
use rejoin::{Directory, PeerKey};

use super::CommandLine;
use crate::{network::Extras, question::read_address};

#[derive(Args, Debug)]
pub struct SourceArgs {
    /// Ask this server, or the records of a /dnsaddr/NAME, when memory does not suffice; may be
    /// repeated
    #[arg(long, value_name = "ADDRESS", value_parser = bootstrap, action = ArgAction::Append)]
    bootstrap: Vec<Multiaddr>,
    /// Fetch a list of peers from here when memory does not suffice; may be repeated, then any of
    /// them will do
    #[arg(long, value_name = "URL", value_parser = url, action = ArgAction::Append)]
    peers_url: Vec<Directory>,
    /// Believe only lists this peer has signed (`rejoin peers publish`); then http:// will do
    #[arg(long, value_name = "PEER")]
    peers_key: Option<PeerId>,
    /// Ask this rendezvous server who else is there, and have it tell others of us; may be repeated
    #[arg(long, value_name = "MULTIADDR", value_parser = rendezvous, action = ArgAction::Append)]
    rendezvous: Vec<Directory>,
    /// Be a rendezvous server for this network
    #[arg(long)]
    rendezvous_server: bool,
    /// Neither look for neighbours on the local network nor be found by them
    #[arg(long)]
    no_mdns: bool,
}

/// Where to ask.
#[derive(Clone, Debug, Default)]
pub struct SourceSettings {
    /// Servers to dial.
    pub bootstrap: Vec<Multiaddr>,
    /// What else to ask.
    pub directories: Vec<Directory>,
    /// Whose lists to believe; `None` for anybody's.
    pub signer: Option<PeerId>,
    /// What the swarm needs for it.
    pub extras: Extras,
}

impl SourceArgs {
    /// Sorts them. Ends the program as any nonsense on the command line does if a list could be
    /// swapped on its way. Who listens on this machine only has no neighbours.
    pub fn settle(self, listen: &[Multiaddr]) -> SourceSettings {
        let plain = |directory: &&Directory| directory.to_string().starts_with("http://");
        if let Some(url) = self.peers_url.iter().find(plain)
            && self.peers_key.is_none()
        {
            let why = format!(
                "anybody on the way can change what {url} says; use https://, or name with \
                 --peers-key whose signature counts"
            );
            CommandLine::command()
                .error(ErrorKind::MissingRequiredArgument, why)
                .exit();
        }
        let (names, bootstrap): (Vec<_>, Vec<_>) = self
            .bootstrap
            .into_iter()
            .partition(|address| dnsaddr(address).is_some());
        let names = names.iter().filter_map(dnsaddr);
        let extras = Extras {
            rendezvous: !self.rendezvous.is_empty(),
            rendezvous_server: self.rendezvous_server,
            mdns: !self.no_mdns && listen.iter().any(|it| !is_loopback(it)),
            ..Extras::default()
        };
        let directories = names.chain(self.rendezvous).chain(self.peers_url);
        SourceSettings {
            bootstrap,
            directories: directories.collect(),
            extras,
            signer: self.peers_key,
        }
    }
}

/// The name whose records are to be asked, if that is what an address is.
fn dnsaddr(address: &Multiaddr) -> Option<Directory> {
    let mut parts = address.iter();
    let Some(Protocol::Dnsaddr(name)) = parts.next() else {
        return None;
    };
    let peer = match (parts.next(), parts.next()) {
        (None, _) => None,
        (Some(Protocol::P2p(peer)), None) => Some(PeerKey::from(peer)),
        _ => return None,
    };
    Directory::dnsaddr(&name, peer).ok()
}

fn bootstrap(text: &str) -> Result<Multiaddr, String> {
    let (address, peer) = read_address(text).ok_or(
        "write it like /ip4/203.0.113.7/tcp/4001/p2p/12D3KooW…, 203.0.113.7:4001, \
         example.org:4001 or /dnsaddr/example.org",
    )?;
    let address = address.to_multiaddr();
    Ok(match peer.and_then(|peer| peer.peer_id()) {
        Some(peer) => address.with(Protocol::P2p(peer)),
        None => address,
    })
}

fn rendezvous(text: &str) -> Result<Directory, String> {
    match read_address(text) {
        Some((address, Some(peer))) => Ok(Directory::Rendezvous { peer, address }),
        Some((_, None)) | None => {
            Err("write it like /ip4/203.0.113.7/tcp/4001/p2p/12D3KooW…, with its name".into())
        }
    }
}

fn is_loopback(address: &Multiaddr) -> bool {
    address.iter().next().is_some_and(|host| match host {
        Protocol::Ip4(ip) => ip.is_loopback(),
        Protocol::Ip6(ip) => ip.is_loopback(),
        _ => false,
    })
}

fn url(text: &str) -> Result<Directory, String> {
    Directory::url(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        sources: SourceArgs,
    }

    const ALICE: &str = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";

    #[test]
    fn a_dnsaddr_is_asked_and_all_else_is_dialled() {
        let named = format!("/dnsaddr/example.org/p2p/{ALICE}");
        let sources = settle(&[
            "--bootstrap",
            "/dnsaddr/example.org",
            "--bootstrap",
            &named,
            "--bootstrap",
            "/dns4/example.org/tcp/1",
            "--peers-url",
            "https://example.org/peers.json",
        ]);
        let asked: Vec<_> = sources
            .directories
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(asked[0], "/dnsaddr/example.org");
        assert_eq!(asked[1], named);
        assert_eq!(asked[2], "https://example.org/peers.json");
        assert_eq!(sources.bootstrap.len(), 1);
    }

    #[test]
    fn with_a_key_plain_http_will_do() {
        let flags = ["--peers-url", "http://example.org/", "--peers-key", ALICE];
        assert_eq!(settle(&flags).signer.unwrap().to_string(), ALICE);
    }

    #[test]
    fn neighbours_are_looked_for_where_there_can_be_any() {
        let mdns = |flags: &[&str], listen: &str| {
            let line = Line::parse_from(["x"].iter().chain(flags));
            let listen = [listen.parse().unwrap()];
            line.sources.settle(&listen).extras.mdns
        };
        assert!(mdns(&[], "/ip4/0.0.0.0/tcp/0"));
        assert!(!mdns(&["--no-mdns"], "/ip4/0.0.0.0/tcp/0"));
        assert!(!mdns(&[], "/ip4/127.0.0.1/udp/0/quic-v1"));
        assert!(!mdns(&[], "/ip6/::1/tcp/0"));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for flags in [
            ["--peers-url", "ftp://example.org/"],
            ["--peers-url", "example.org"],
            ["--peers-key", "alice"],
            ["--bootstrap", "nonsense"],
            ["--rendezvous", "/ip4/8.8.4.4/tcp/1"],
        ] {
            let line = ["x"].iter().chain(&flags);
            assert!(Line::try_parse_from(line).is_err(), "{flags:?}");
        }
    }

    fn settle(flags: &[&str]) -> SourceSettings {
        let listen = ["/ip4/127.0.0.1/tcp/1".parse().unwrap()];
        let line = Line::parse_from(["x"].iter().chain(flags));
        line.sources.settle(&listen)
    }
}
