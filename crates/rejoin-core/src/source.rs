//! Who told us of a peer or an address.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    as_text,
    key::{PeerKey, PeerKeyError},
    text::Text,
};

/// Who told us. In text `manual`, `pex:12D3KooW…`, `import:chiral` and so on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// We met it ourselves: it dialled us, or told us over its own connection.
    Own,
    /// The user typed it.
    Manual,
    /// It is a bootstrap server, or one told us.
    Bootstrap,
    /// A `/dnsaddr` record.
    Dns,
    /// A list behind a URL.
    Url,
    /// A neighbour on the local network.
    Mdns,
    /// A rendezvous server.
    Rendezvous,
    /// Another behaviour of the same swarm, such as Kademlia, which does not say who told it.
    Swarm,
    /// This peer, asked by us.
    Pex(PeerKey),
    /// This peer, unasked.
    Gossip(PeerKey),
    /// Another program's cache file, by the name of its format.
    Import(Text<32>),
}

/// Why some text names no source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Not one of the words of [`Source`].
    #[error("{word:?} is no source; known are manual, bootstrap, dns, url, mdns, pex:<peer> …")]
    Unknown {
        /// The first characters of what was given.
        word: String,
    },
    /// The peer behind `pex:` or `gossip:` has no readable name.
    #[error(transparent)]
    Peer(#[from] PeerKeyError),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own => f.write_str("own"),
            Self::Manual => f.write_str("manual"),
            Self::Bootstrap => f.write_str("bootstrap"),
            Self::Dns => f.write_str("dns"),
            Self::Url => f.write_str("url"),
            Self::Mdns => f.write_str("mdns"),
            Self::Rendezvous => f.write_str("rendezvous"),
            Self::Swarm => f.write_str("swarm"),
            Self::Pex(peer) => write!(f, "pex:{peer}"),
            Self::Gossip(peer) => write!(f, "gossip:{peer}"),
            Self::Import(format) => write!(f, "import:{format}"),
        }
    }
}

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        Ok(match text.split_once(':') {
            None => match text {
                "own" => Self::Own,
                "manual" => Self::Manual,
                "bootstrap" => Self::Bootstrap,
                "dns" => Self::Dns,
                "url" => Self::Url,
                "mdns" => Self::Mdns,
                "rendezvous" => Self::Rendezvous,
                "swarm" => Self::Swarm,
                _ => return Err(SourceError::unknown(text)),
            },
            Some(("pex", peer)) => Self::Pex(peer.parse()?),
            Some(("gossip", peer)) => Self::Gossip(peer.parse()?),
            Some(("import", format)) => Self::Import(Text::new(format)),
            Some(_) => return Err(SourceError::unknown(text)),
        })
    }
}

impl SourceError {
    fn unknown(text: &str) -> Self {
        Self::Unknown {
            word: text.chars().take(40).collect(),
        }
    }
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        as_text::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        as_text::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_reads_back_as_itself() {
        let peer: PeerKey = "8.8.4.4:1".parse().unwrap();
        for source in [
            Source::Own,
            Source::Manual,
            Source::Bootstrap,
            Source::Dns,
            Source::Url,
            Source::Mdns,
            Source::Rendezvous,
            Source::Swarm,
            Source::Pex(peer.clone()),
            Source::Gossip(peer),
            Source::Import(Text::new("chiral")),
        ] {
            assert_eq!(source.to_string().parse(), Ok(source));
        }
        assert!("horoscope".parse::<Source>().is_err());
        assert!("pex:".parse::<Source>().is_err());
    }
}
