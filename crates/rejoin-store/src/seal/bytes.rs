//! The few operations everything sealed is made of: random bytes, a keyed hash, a cipher that notices
//! every change, and bytes in text.

use aes_gcm::{
    Aes256Gcm,
    aead::{Aead, KeyInit, Payload},
};
use data_encoding::BASE64;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::Sha256;
use zeroize::Zeroizing;

/// How long a key is, in bytes.
pub(super) const KEY_BYTES: usize = 32;

/// How long a nonce is, in bytes. A random one is good for 2³² messages under one key (NIST SP
/// 800-38D, 8.3): a hundred a second for a year.
pub(super) const NONCE_BYTES: usize = 12;

/// How long the tag is that shows a change, in bytes.
pub(super) const TAG_BYTES: usize = 16;

/// A key, overwritten once it is no longer needed.
pub(super) type KeyBytes = Zeroizing<[u8; KEY_BYTES]>;

/// Bytes nobody else knows.
pub(super) fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// A key nobody else knows.
pub(super) fn random_key() -> Result<KeyBytes, getrandom::Error> {
    let mut key = KeyBytes::default();
    getrandom::fill(&mut *key)?;
    Ok(key)
}

/// HMAC-SHA256 of the parts joined: a key of its own for each purpose, or a name that tells nothing.
pub(super) fn keyed(key: &[u8; KEY_BYTES], parts: &[&[u8]]) -> KeyBytes {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key)
        .expect("this hash takes keys of every length");
    for part in parts {
        mac.update(part);
    }
    KeyBytes::new(mac.finalize().into_bytes().into())
}

/// AES-256-GCM under one key.
pub(super) struct Cipher(Aes256Gcm);

impl Cipher {
    pub(super) fn new(key: &[u8; KEY_BYTES]) -> Self {
        Self(Aes256Gcm::new(key.into()))
    }

    /// The nonce, the ciphertext and its tag. `about` is not in it, but it opens only beside the same.
    pub(super) fn seal(&self, nonce: [u8; NONCE_BYTES], about: &[u8], plain: &[u8]) -> Vec<u8> {
        let payload = Payload {
            msg: plain,
            aad: about,
        };
        let sealed = self.0.encrypt(&nonce.into(), payload);
        let sealed = sealed.expect("nothing of ours comes near the 64 GiB the cipher takes");
        [&nonce[..], &sealed].concat()
    }

    /// What was sealed; `None` if a single bit of it, of the key or of `about` differs.
    pub(super) fn open(&self, about: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, msg) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let payload = Payload { msg, aad: about };
        let plain = self.0.decrypt(&(*nonce).into(), payload).ok()?;
        Some(plain.into())
    }
}

/// So many bytes, base64 in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bytes<const N: usize>(pub(crate) [u8; N]);

impl<const N: usize> Serialize for Bytes<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(&self.0))
    }
}

impl<'de, const N: usize> Deserialize<'de> for Bytes<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64.decode(text.as_bytes()).ok();
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| de::Error::custom(format!("not {N} bytes in base64")))
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_cipher_is_the_one_everybody_calls_aes_256_gcm() {
        // Test case 16 of McGrew and Viega, "The Galois/Counter Mode of Operation".
        let hex = |text: &str| HEXLOWER.decode(text.as_bytes()).unwrap();
        let key = hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
        let plain = hex(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
             1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        );
        let about = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
        let sealed = hex("cafebabefacedbaddecaf888\
             522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa\
             8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662\
             76fc6ece0f4e1768cddf8853bb2d551b");
        let cipher = Cipher::new(key[..].try_into().unwrap());
        let nonce = sealed[..NONCE_BYTES].try_into().unwrap();
        assert_eq!(cipher.seal(nonce, &about, &plain), sealed);
        assert_eq!(*cipher.open(&about, &sealed).unwrap(), plain);
    }

    #[test]
    fn the_keyed_hash_is_hmac_sha256() {
        // Test case 6 of RFC 4231 has a longer key; this is its case 1 with the key padded by zeros,
        // which HMAC does as well.
        let mut key = [0; KEY_BYTES];
        key[..20].fill(0x0b);
        let hash = keyed(&key, &[b"Hi ", b"There"]);
        let known = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
        assert_eq!(HEXLOWER.encode(&*hash), known);
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_and_any_flipped_bit_is_refused(
            plain in prop::collection::vec(any::<u8>(), 0..99),
            about in prop::collection::vec(any::<u8>(), 0..9),
            flip in any::<prop::sample::Index>(),
        ) {
            let cipher = Cipher::new(&[7; KEY_BYTES]);
            let mut sealed = cipher.seal([1; NONCE_BYTES], &about, &plain);
            let back = cipher.open(&about, &sealed).map(|plain| plain.to_vec());
            prop_assert_eq!(back, Some(plain));
            let bit = flip.index(sealed.len() * 8);
            sealed[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(cipher.open(&about, &sealed).is_none());
        }

        #[test]
        fn any_bytes_can_be_tried(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(Cipher::new(&[7; KEY_BYTES]).open(b"", &bytes).is_none());
        }
    }
}
