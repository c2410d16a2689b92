//! A memory as it travels in a file: whom we know and where they live, signed. What we make of them
//! stays at home. docs/formats.md has the format field by field.

mod anonymous;

use libp2p::{PeerId, identity::Keypair};
use rejoin::{PeerKey, PeerRecord, Time};
use rejoin_core::{Address, signed::Envelope as SignedRecord, text::Text};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::signature::Signature;

pub use anonymous::anonymous;

/// Some hundred thousand peers. A bundle is read into memory as a whole.
pub const BUNDLE_BYTES_MAX: u64 = 64 << 20;

/// What the signature covers begins with this, so that it is never a signature of something else.
const DOMAIN: &str = "rejoin-export-v1:";

/// What a bundle calls itself.
const KIND: &str = "export";
const VERSION: u32 = 1;

/// What is exported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bundle {
    /// When.
    pub exported: Time,
    /// Names are left out and addresses cut short: it tells of a network, not of people, and leads
    /// nowhere.
    pub anonymous: bool,
    /// The best first.
    pub peers: Vec<BundledPeer>,
}

/// A peer, without what we make of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BundledPeer {
    /// Its stable name; in an anonymous bundle a number.
    pub key: PeerKey,
    /// The name the application knows its user by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<Text<64>>,
    /// What it wants to be called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<Text<50>>,
    /// Its newest signed word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_record: Option<SignedRecord>,
    /// Where it lives.
    pub addresses: Vec<BundledAddress>,
    /// When we first heard of it.
    pub first_seen: Time,
    /// When it last proved to be alive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Time>,
}

/// One address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BundledAddress {
    /// Where.
    pub address: Address,
    /// When it last led to the right peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<Time>,
}

/// Why a file is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Not one of our exports.
    #[error("it is no export; `rejoin export FILE` writes one")]
    Unreadable,
    /// The signature does not fit.
    #[error("its signature does not fit what it says; it was damaged or forged")]
    BadSignature,
    /// Signed by somebody else than the user wants.
    #[error("it is signed by {found}, and you asked for {wanted}")]
    OtherSigner {
        /// By whom.
        found: String,
        /// Whose was wanted.
        wanted: String,
    },
    /// Of a version we do not know.
    #[error("it is of version {found}, this program reads {VERSION}; upgrade the program")]
    TooNew {
        /// Which.
        found: u64,
    },
    /// Nobody can be reached by it.
    #[error("it is anonymous: it tells of a network, but its addresses lead to nobody")]
    Anonymous,
}

/// The file around it.
#[derive(Serialize, Deserialize)]
struct Envelope {
    rejoin: String,
    version: u32,
    #[serde(flatten)]
    signature: Signature,
    export: String,
}

impl Bundle {
    /// What of these records may leave, the best first as they come.
    pub fn of<'a>(records: impl Iterator<Item = &'a PeerRecord>, now: Time) -> Self {
        Self {
            exported: now,
            anonymous: false,
            peers: records.map(BundledPeer::of).collect(),
        }
    }

    /// The file, signed.
    pub fn sign(&self, keypair: &Keypair) -> String {
        let export = serde_json::to_string(self).expect("plain data has a JSON form");
        let envelope = Envelope {
            rejoin: KIND.into(),
            version: VERSION,
            signature: Signature::of(DOMAIN, &export, keypair),
            export,
        };
        let mut text = serde_json::to_string_pretty(&envelope).expect("so has the envelope");
        text.push('\n');
        text
    }

    /// Reads a file, and says who signed it. Its signature fits, which makes no word in it true.
    ///
    /// # Errors
    /// If it is no export of ours, was changed after it was signed, or was signed by another than
    /// `wanted`.
    pub fn read(bytes: &[u8], wanted: Option<PeerId>) -> Result<(Self, PeerId), BundleError> {
        let json: Value = serde_json::from_slice(bytes).map_err(|_| BundleError::Unreadable)?;
        if json["rejoin"] != KIND {
            return Err(BundleError::Unreadable);
        }
        match json["version"].as_u64() {
            Some(found) if found > u64::from(VERSION) => return Err(BundleError::TooNew { found }),
            _ => {}
        }
        let envelope: Envelope =
            serde_json::from_value(json).map_err(|_| BundleError::Unreadable)?;
        if !envelope.signature.fits(DOMAIN, &envelope.export) {
            return Err(BundleError::BadSignature);
        }
        let found = envelope.signature.signer();
        let found = found.ok_or(BundleError::BadSignature)?;
        if let Some(wanted) = wanted.filter(|wanted| *wanted != found) {
            return Err(BundleError::OtherSigner {
                found: found.to_string(),
                wanted: wanted.to_string(),
            });
        }
        let bundle: Self =
            serde_json::from_str(&envelope.export).map_err(|_| BundleError::Unreadable)?;
        Ok((bundle, found))
    }
}

impl BundledPeer {
    fn of(record: &PeerRecord) -> Self {
        let addresses = record.addresses.iter().map(|known| BundledAddress {
            address: known.address.clone(),
            last_success: known.last_success,
        });
        Self {
            key: record.key.clone(),
            user_id: record.notes.user_id.clone(),
            display_name: record.notes.display_name.clone(),
            signed_record: record.credentials.signed_record.clone(),
            addresses: addresses.collect(),
            first_seen: record.first_seen,
            last_seen: record.last_seen,
        }
    }
}

#[cfg(test)]
mod tests {
    use rejoin::Source;
    use rejoin_core::AddressRecord;

    use super::*;

    const NOW: Time = Time::from_millis(1_700_000_000_000);

    #[test]
    fn a_bundle_is_read_as_it_was_written() {
        let keypair = keypair();
        let bundle = bundle();
        let text = bundle.sign(&keypair);
        let signer = keypair.public().to_peer_id();
        assert_eq!(
            Bundle::read(text.as_bytes(), None),
            Ok((bundle.clone(), signer))
        );
        assert_eq!(
            Bundle::read(text.as_bytes(), Some(signer)),
            Ok((bundle, signer))
        );
    }

    #[test]
    fn what_is_no_bundle_or_was_changed_is_refused() {
        let text = bundle().sign(&keypair());
        check("", BundleError::Unreadable);
        check("{}", BundleError::Unreadable);
        check(r#"{"rejoin":"peers","version":1}"#, BundleError::Unreadable);
        check(
            r#"{"rejoin":"export","version":1}"#,
            BundleError::Unreadable,
        );
        check(
            r#"{"rejoin":"export","version":2,"more":1}"#,
            BundleError::TooNew { found: 2 },
        );
        check(
            &text.replace("8.8.4.4", "8.8.4.5"),
            BundleError::BadSignature,
        );
        let stranger = PeerId::random().to_string();
        let signer = keypair().public().to_peer_id().to_string();
        check(&text.replace(&signer, &stranger), BundleError::BadSignature);
        check(&text.replace(&signer, "alice"), BundleError::BadSignature);
    }

    #[test]
    fn another_signer_than_wanted_is_refused() {
        let text = bundle().sign(&keypair());
        let (wanted, found) = (PeerId::random(), keypair().public().to_peer_id());
        assert_eq!(
            Bundle::read(text.as_bytes(), Some(wanted)),
            Err(BundleError::OtherSigner {
                found: found.to_string(),
                wanted: wanted.to_string(),
            })
        );
    }

    #[test]
    fn what_we_make_of_a_peer_stays_at_home() {
        let text = bundle().sign(&keypair());
        for private in [
            "dials_ok",
            "pinned",
            "evidence",
            "control",
            "places",
            "swordfish",
        ] {
            assert!(!text.contains(private), "{private}");
        }
    }

    fn keypair() -> Keypair {
        Keypair::ed25519_from_bytes([7; 32]).unwrap()
    }

    fn bundle() -> Bundle {
        Bundle::of([&alice()].into_iter(), NOW)
    }

    pub(super) fn alice() -> PeerRecord {
        let mut record = PeerRecord::new(keypair().public().to_peer_id().into(), NOW);
        record.notes.display_name = Some(Text::new("Alice"));
        record.notes.user_id = Some(Text::new("alice@example.org"));
        record.last_seen = Some(NOW);
        record.control.pinned = true;
        record
            .notes
            .metadata
            .insert(Text::new("pet"), Text::new("swordfish"));
        for address in [
            "/ip4/8.8.4.4/tcp/4001",
            "/ip6/2001:db8:1:2::3/udp/4001/quic-v1",
            "/dns4/alice.example.org/tcp/443",
        ] {
            let mut known = AddressRecord::new(address.parse().unwrap(), Source::Own, NOW);
            known.last_success = Some(NOW);
            record.addresses.push(known);
        }
        record
    }

    #[track_caller]
    fn check(text: &str, expected: BundleError) {
        assert_eq!(Bundle::read(text.as_bytes(), None), Err(expected));
    }
}
