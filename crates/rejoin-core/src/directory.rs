//! What names peers when it is asked, and is asked by the program rather than dialled by the engine:
//! a DNS name, a rendezvous server, a list behind a URL. How each is asked stands in the program;
//! when, and what to make of the answer, in the engine.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use crate::{
    address::Address, key::PeerKey, reach::Scope, source::Source, sources::Kind, text::Text,
};

/// Something to ask for peers. In text `/dnsaddr/example.org`, `https://example.org/peers.json` or
/// `rendezvous:/ip4/…/p2p/…`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Directory {
    /// The TXT records of `_dnsaddr.<name>`.
    Dnsaddr {
        /// The name, in lower case.
        name: Text<253>,
        /// Only what the records say of this peer, if it is given.
        peer: Option<PeerKey>,
    },
    /// A rendezvous server; which namespace to ask in, the program knows.
    Rendezvous {
        /// Who answers there.
        peer: PeerKey,
        /// Where.
        address: Address,
    },
    /// A list behind this URL.
    Url(Text<512>),
}

/// Why some text names no directory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// Too long, with characters that have no business there, or without a host.
    #[error("{text:?} is no URL of a list; write it like https://example.org/peers.json")]
    Url {
        /// The first characters of what was given.
        text: String,
    },
    /// Not a name DNS could know.
    #[error("{text:?} is no DNS name; write it like /dnsaddr/bootstrap.example.org")]
    Name {
        /// The first characters of what was given.
        text: String,
    },
}

impl Directory {
    /// Characters of a URL at most: four lines of a terminal.
    pub const URL_MAX: usize = 512;

    /// The list behind a URL.
    ///
    /// # Errors
    /// If it is longer than [`Self::URL_MAX`], or begins with neither `https://` nor `http://` and a
    /// host.
    pub fn url(text: &str) -> Result<Self, DirectoryError> {
        let plain = text.len() <= Self::URL_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !plain || host_of(text).is_none_or(str::is_empty) {
            let text = text.chars().take(80).collect();
            return Err(DirectoryError::Url { text });
        }
        Ok(Self::Url(Text::new(text)))
    }

    /// The records of a DNS name; of `peer` alone if one is given.
    ///
    /// # Errors
    /// If it is empty, longer than the 253 characters DNS allows, or has others than letters,
    /// digits, `-`, `_` and `.`.
    pub fn dnsaddr(name: &str, peer: Option<PeerKey>) -> Result<Self, DirectoryError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if name.is_empty() || name.len() > 253 || !name.bytes().all(allowed) {
            let text = name.chars().take(80).collect();
            return Err(DirectoryError::Name { text });
        }
        let name = Text::new(&name.to_ascii_lowercase());
        Ok(Self::Dnsaddr { name, peer })
    }

    /// As whose word its answers count.
    pub fn source(&self) -> Source {
        match self {
            Self::Dnsaddr { .. } => Source::Dns,
            Self::Rendezvous { .. } => Source::Rendezvous,
            Self::Url(_) => Source::Url,
        }
    }

    /// How far away it is, so that nobody on the internet makes us dial into our own network.
    /// `None` for DNS, where a company's own zone may well name its own machines.
    pub fn scope(&self) -> Option<Scope> {
        match self {
            Self::Dnsaddr { .. } => None,
            Self::Rendezvous { address, .. } => Some(Scope::of(address)),
            Self::Url(url) => {
                let host = host_of(url)?.trim_matches(['[', ']']);
                Some(match host.parse::<IpAddr>() {
                    Ok(ip) => Scope::of(&Address::from(SocketAddr::new(ip, 443))),
                    Err(_) => Scope::Public,
                })
            }
        }
    }

    /// Whether its answer shows that our own line works. A DNS answer may come from the next
    /// resolver's memory, long after the line broke.
    pub fn proves_line(&self) -> bool {
        match self {
            Self::Dnsaddr { .. } => false,
            Self::Rendezvous { .. } | Self::Url(_) => self.scope() != Some(Scope::Loopback),
        }
    }

    /// Who answers there, if that is a peer.
    pub fn peer(&self) -> Option<&PeerKey> {
        match self {
            Self::Rendezvous { peer, .. } => Some(peer),
            Self::Dnsaddr { .. } | Self::Url(_) => None,
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Dnsaddr { .. } => Kind::Dns,
            Self::Rendezvous { .. } => Kind::Rendezvous,
            Self::Url(_) => Kind::Url,
        }
    }

    /// The name under which its breaker is remembered.
    pub fn name(&self) -> Text<640> {
        Text::new(&self.to_string())
    }
}

impl fmt::Display for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dnsaddr { name, peer: None } => write!(f, "/dnsaddr/{name}"),
            Self::Dnsaddr {
                name,
                peer: Some(peer),
            } => write!(f, "/dnsaddr/{name}/p2p/{peer}"),
            Self::Rendezvous { peer, address } => write!(f, "rendezvous:{address}/p2p/{peer}"),
            Self::Url(url) => f.write_str(url),
        }
    }
}

/// The host in a URL of ours; `None` if it is none.
fn host_of(url: &str) -> Option<&str> {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, it)| it);
    if let Some((inside, _)) = host.strip_prefix('[').and_then(|it| it.split_once(']')) {
        return Some(inside);
    }
    Some(host.split_once(':').map_or(host, |(name, _)| name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_tells_how_far_away_it_is() {
        scope("https://example.org/peers.json", Scope::Public);
        scope("http://127.0.0.1:8080/a?b#c", Scope::Loopback);
        scope("http://[::1]:8080/", Scope::Loopback);
        scope("https://user:pass@192.168.1.7/x", Scope::Private);
        scope("https://8.8.4.4", Scope::Public);
    }

    #[test]
    fn what_is_no_url_or_no_name_is_refused() {
        let long = format!("https://example.org/{}", "a".repeat(512));
        for text in ["ftp://x/", "https://", "https:///x", "https://a b/", &long] {
            assert!(Directory::url(text).is_err(), "{text}");
        }
        for name in ["", "a b", "a/b", "ä.org", &"a".repeat(254)] {
            assert!(Directory::dnsaddr(name, None).is_err(), "{name}");
        }
    }

    #[test]
    fn each_has_a_name_of_its_own() {
        let alice: PeerKey = "alice".parse().unwrap();
        let address: Address = "/ip4/8.8.4.4/tcp/1".parse().unwrap();
        let peer = Some(alice.clone());
        let all = [
            Directory::dnsaddr("Example.ORG", None).unwrap(),
            Directory::dnsaddr("example.org", peer).unwrap(),
            Directory::Rendezvous {
                peer: alice,
                address,
            },
            Directory::url("https://example.org/").unwrap(),
        ];
        let names: Vec<_> = all.iter().map(|it| it.name().to_string()).collect();
        assert_eq!(names[0], "/dnsaddr/example.org");
        assert!(names[1].starts_with("/dnsaddr/example.org/p2p/"));
        assert!(names[2].starts_with("rendezvous:/ip4/8.8.4.4/tcp/1/p2p/"));
        assert_eq!(names[3], "https://example.org/");
    }

    #[track_caller]
    fn scope(url: &str, scope: Scope) {
        let directory = Directory::url(url).unwrap();
        assert_eq!(directory.scope(), Some(scope), "{url}");
    }
}
