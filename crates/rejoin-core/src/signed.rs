//! A peer's own word on where it lives, signed by it, so that anybody may carry it. Checking the
//! signature, and that the key belongs to the name, is the adapter's: it knows the wire.

use serde::{Deserialize, Serialize};

use crate::{
    address::Address, key::PeerKey, reach::Scope, record::ADDRESSES_MAX, seldom::Blank, text::Blob,
};

/// A signed envelope as it travels and is kept. One with eight addresses has some 600 bytes.
pub type Envelope = Blob<4096>;

/// What proves a peer's own word.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Credentials {
    /// Its public key, protobuf-encoded as libp2p does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<Blob<1024>>,
    /// Its newest signed peer record, a libp2p `SignedEnvelope`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_record: Option<Envelope>,
    /// The number of that record: of two the one with the higher number holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_seq: Option<u64>,
    /// How far away somebody may be who is told of that record: it names an address that means
    /// nothing farther away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_scope: Option<Scope>,
}

impl Blank for Credentials {
    const BLANK: &'static Self = &Self {
        public_key: None,
        signed_record: None,
        signed_seq: None,
        signed_scope: None,
    };
}

/// Joins what two views of a peer hold.
pub(crate) fn merged(newer: &Credentials, older: &Credentials) -> Credentials {
    let public_key = newer.public_key.clone().or(older.public_key.clone());
    let word = if newer.signed_record.is_none() || older.signed_seq > newer.signed_seq {
        older
    } else {
        newer
    };
    Credentials {
        public_key,
        ..word.clone()
    }
}

/// A signed peer record that has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedPeer {
    /// Whose it is.
    pub peer: PeerKey,
    /// Where it says it lives; of more than [`ADDRESSES_MAX`] the first are believed.
    pub addresses: Vec<Address>,
    /// The peer's count of its own records: of two the one with the higher number holds.
    pub seq: u64,
    /// The record as signed, to be handed on byte for byte.
    pub envelope: Envelope,
}

impl SignedPeer {
    /// How far away somebody may be who is told of this record: whoever signed it has put all its
    /// addresses into one envelope, so the nearest of them decides. `None` if it leads nowhere.
    pub fn scope(&self) -> Option<Scope> {
        let scopes = self.addresses.iter().map(Scope::of);
        scopes.filter(|scope| *scope != Scope::Nowhere).min()
    }
}

/// The addresses to be signed: what can be reached from the internet if there is any of that, so
/// that no private address leaves the house; otherwise all, for a network that lives in one house.
pub fn worth_signing<'a>(own: impl Iterator<Item = &'a Address> + Clone) -> Vec<Address> {
    let known = own.filter(|address| Scope::of(address) != Scope::Nowhere);
    let mut public = known
        .clone()
        .filter(|address| Scope::of(address) == Scope::Public)
        .peekable();
    if public.peek().is_some() {
        public.take(ADDRESSES_MAX).cloned().collect()
    } else {
        known.take(ADDRESSES_MAX).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_goes_only_as_far_as_its_nearest_address() {
        scope(&["/ip4/8.8.4.4/tcp/1"], Some(Scope::Public));
        scope(
            &["/ip4/8.8.4.4/tcp/1", "/ip4/10.0.0.1/tcp/1"],
            Some(Scope::Private),
        );
        scope(
            &["/ip4/8.8.4.4/tcp/1", "/ip4/127.0.0.1/tcp/1"],
            Some(Scope::Loopback),
        );
        scope(
            &["/ip4/8.8.4.4/tcp/1", "/ip4/192.0.2.1/tcp/1"],
            Some(Scope::Public),
        );
        scope(&["/ip4/192.0.2.1/tcp/1"], None);
        scope(&[], None);
    }

    #[test]
    fn no_private_address_is_signed_beside_a_public_one() {
        let own = addresses(&[
            "/ip4/10.0.0.1/tcp/1",
            "/ip4/8.8.4.4/tcp/1",
            "/ip6/::1/tcp/1",
        ]);
        assert_eq!(
            worth_signing(own.iter()),
            addresses(&["/ip4/8.8.4.4/tcp/1"])
        );
        let at_home = addresses(&["/ip4/10.0.0.1/tcp/1", "/ip4/0.0.0.0/tcp/1"]);
        assert_eq!(
            worth_signing(at_home.iter()),
            addresses(&["/ip4/10.0.0.1/tcp/1"])
        );
    }

    #[track_caller]
    fn scope(texts: &[&str], expected: Option<Scope>) {
        let signed = SignedPeer {
            peer: "alice".parse().unwrap(),
            addresses: addresses(texts),
            seq: 1,
            envelope: Envelope::new(vec![1]).unwrap(),
        };
        assert_eq!(signed.scope(), expected, "{texts:?}");
    }

    fn addresses(texts: &[&str]) -> Vec<Address> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }
}
