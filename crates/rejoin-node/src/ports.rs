//! Which ports we had. Where any free port will do, the one of the last run is asked for first, so
//! that others find us where they remember us.

use std::collections::BTreeMap;

use libp2p::{Multiaddr, multiaddr::Protocol};

use crate::{failure::Failure, folder::Folder};

/// The file's name: a JSON object from an address with port 0 to the port it got.
const FILE: &str = "ports.json";

/// Addresses kept at most: four times the usual six.
const PORTS_MAX: usize = 24;

/// The ports of the last run, by the address as the user gave it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ports(BTreeMap<String, u16>);

impl Ports {
    /// What is remembered. A file that cannot be read costs us the ports and nothing else.
    pub fn load(folder: &Folder) -> Self {
        let bytes = folder.read(FILE).ok().flatten().unwrap_or_default();
        Self(serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// Remembers for the next run.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, folder: &Folder) -> Result<(), Failure> {
        let json = serde_json::to_vec_pretty(&self.0).unwrap_or_default();
        folder.write_private(FILE, &json)
    }

    /// This address with the port it had last time; `None` if it names its port itself, or had none.
    pub fn last(&self, wanted: &Multiaddr) -> Option<Multiaddr> {
        let port = *self.0.get(&wanted.to_string())?;
        (port_of(wanted) == Some(0)).then(|| with_port(wanted, port))
    }

    /// Notes which port an address got. Says whether that is news.
    pub fn note(&mut self, wanted: &Multiaddr, got: &Multiaddr) -> bool {
        let (Some(0), Some(port)) = (port_of(wanted), port_of(got)) else {
            return false;
        };
        let name = wanted.to_string();
        let full = self.0.len() >= PORTS_MAX && !self.0.contains_key(&name);
        !full && self.0.insert(name, port) != Some(port)
    }
}

fn port_of(address: &Multiaddr) -> Option<u16> {
    address.iter().find_map(|part| match part {
        Protocol::Tcp(port) | Protocol::Udp(port) => Some(port),
        _ => None,
    })
}

fn with_port(address: &Multiaddr, port: u16) -> Multiaddr {
    let part = |part| match part {
        Protocol::Tcp(_) => Protocol::Tcp(port),
        Protocol::Udp(_) => Protocol::Udp(port),
        other => other,
    };
    address.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_once_given_is_asked_for_again() {
        let wanted = at("/ip4/0.0.0.0/udp/0/quic-v1");
        let mut ports = Ports::default();
        assert_eq!(ports.last(&wanted), None);
        let got = at("/ip4/192.168.1.7/udp/4001/quic-v1");
        assert!(ports.note(&wanted, &got));
        assert!(!ports.note(&wanted, &got), "no news");
        assert_eq!(
            ports.last(&wanted),
            Some(at("/ip4/0.0.0.0/udp/4001/quic-v1"))
        );
    }

    #[test]
    fn a_port_the_user_names_is_left_alone() {
        let wanted = at("/ip4/0.0.0.0/tcp/4001");
        let mut ports = Ports::default();
        assert!(!ports.note(&wanted, &at("/ip4/192.168.1.7/tcp/4001")));
        assert_eq!(ports.last(&wanted), None);
    }

    #[test]
    fn they_survive_a_restart_and_a_damaged_file_is_no_obstacle() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::at(home.path().into());
        let mut ports = Ports::default();
        ports.note(&at("/ip6/::/tcp/0/ws"), &at("/ip6/::1/tcp/7/ws"));
        ports.save(&folder).unwrap();
        assert_eq!(Ports::load(&folder), ports);
        std::fs::write(folder.file(FILE), b"{").unwrap();
        assert_eq!(Ports::load(&folder), Ports::default());
    }

    fn at(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }
}
