//! A text signed by a node, as it stands in files of ours: with the name of the signer, which holds its
//! public key, and the signature in hexadecimal digits.

use libp2p::{
    PeerId,
    identity::{Keypair, PublicKey},
};
use serde::{Deserialize, Serialize};

/// Who signed a text, and the proof.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Signature {
    signer: String,
    signature: String,
}

impl Signature {
    /// Signs a text. `domain` says what kind of text it is, so that no signature is ever one of
    /// something else.
    pub fn of(domain: &str, text: &str, keypair: &Keypair) -> Self {
        let signature = keypair
            .sign(&signed_bytes(domain, text))
            .expect("an ed25519 key signs anything");
        Self {
            signer: keypair.public().to_peer_id().to_string(),
            signature: hex(&signature),
        }
    }

    /// Who it says signed it.
    pub fn signer(&self) -> Option<PeerId> {
        self.signer.parse().ok()
    }

    /// Whether it is the signer's signature of this text.
    pub fn fits(&self, domain: &str, text: &str) -> bool {
        let key = self.signer().as_ref().and_then(key_in);
        let signature = unhex(&self.signature);
        key.zip(signature)
            .is_some_and(|(key, signature)| key.verify(&signed_bytes(domain, text), &signature))
    }
}

fn signed_bytes(domain: &str, text: &str) -> Vec<u8> {
    [domain.as_bytes(), text.as_bytes()].concat()
}

/// The name of an ed25519 key holds the key itself.
fn key_in(peer: &PeerId) -> Option<PublicKey> {
    PublicKey::try_decode_protobuf(peer.as_ref().digest()).ok()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    let pairs = (0..text.len()).step_by(2);
    let byte = |at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    pairs.map(byte).collect()
}
