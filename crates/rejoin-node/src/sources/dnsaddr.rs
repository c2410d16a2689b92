//! What the TXT records of a `/dnsaddr` name say: addresses of peers, and names that lead on. Asking for
//! them is done in `dns`.

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};

/// Records of one name: as many as fit into an answer over TCP without being a burden.
pub const RECORDS_MAX: usize = 100;

/// What an address in a record is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leads {
    /// Another name.
    To(String),
    /// A peer.
    Home,
}

/// `None` for what is of no use, or of another peer than the one that is wanted.
pub fn leads_to(address: &Multiaddr, wanted: Option<PeerId>) -> Option<Leads> {
    let named = match address.iter().last() {
        Some(Protocol::P2p(peer)) => Some(peer),
        _ => None,
    };
    if wanted.is_some() && named.is_some() && named != wanted {
        return None;
    }
    match address.iter().next()? {
        Protocol::Dnsaddr(name) => Some(Leads::To(name.to_ascii_lowercase())),
        _ => named.map(|_| Leads::Home),
    }
}

/// The addresses in the records of one name. What begins otherwise is none of ours: a name has records
/// for all sorts of purposes.
pub fn addresses_in(texts: impl Iterator<Item = String>) -> Vec<Multiaddr> {
    texts
        .filter_map(|text| text.strip_prefix("dnsaddr=")?.trim().parse().ok())
        .take(RECORDS_MAX)
        .collect()
}
