//! The seal itself: the store's own key, wrapped in one made from the user's, and how to make that
//! one again. Lies in the open in the store; every field of it is authenticated, so nobody can make
//! the key cheaper to guess, or a store that is sealed as a whole into one that is not.

use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};

use super::{
    Mode,
    bytes::{Bytes, Cipher, KEY_BYTES, KeyBytes, NONCE_BYTES, TAG_BYTES, keyed},
    key::KeyMaterial,
};

/// The seal of a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    // First, so that a seal is found among the bytes of a broken store.
    kdf: Kdf,
    version: u32,
    pub(crate) mode: Mode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cost: Option<Cost>,
    salt: Bytes<SALT_BYTES>,
    /// The nonce, the wrapped key and its tag.
    wrapped: Bytes<{ NONCE_BYTES + KEY_BYTES + TAG_BYTES }>,
}

/// How the wrapping key is made of the user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kdf {
    /// Of a passphrase: slowly. RFC 9106.
    #[serde(rename = "argon2id")]
    Argon2id,
    /// Of a random key: nobody guesses one, so there is nothing to slow down.
    #[serde(rename = "hmac-sha256")]
    Hmac,
}

/// What one guess at a passphrase costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cost {
    /// Memory, in KiB.
    pub(crate) m: u32,
    /// Passes over it.
    pub(crate) t: u32,
    /// Lanes.
    pub(crate) p: u32,
}

/// The second recommendation of RFC 9106, section 4: for wherever 2 GiB are too much.
pub(crate) const COST: Cost = Cost {
    m: 64 << 10,
    t: 3,
    p: 4,
};

/// Beyond this a forged seal would only use up our memory: 16 times what is recommended.
const COST_MAX: Cost = Cost {
    m: 1 << 20,
    t: 16,
    p: 16,
};

pub(crate) const SALT_BYTES: usize = 16;

/// The version written here, and the newest that can be read.
pub(crate) const VERSION: u32 = 1;

/// No seal is longer in text: it has 300 bytes.
const TEXT_BYTES_MAX: usize = 1024;

/// Why something is no seal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// A newer version made it.
    TooNew(u32),
    /// It cannot be read.
    Damaged,
}

/// What has to be drawn at random for a seal.
pub(crate) struct Chance {
    pub(crate) salt: [u8; SALT_BYTES],
    pub(crate) nonce: [u8; NONCE_BYTES],
}

impl Header {
    pub(crate) fn parse(text: &str) -> Result<Self, Flaw> {
        #[derive(Deserialize)]
        struct Announced {
            version: u32,
        }
        if text.len() > TEXT_BYTES_MAX {
            return Err(Flaw::Damaged);
        }
        match serde_json::from_str::<Announced>(text) {
            Ok(Announced { version }) if version > VERSION => return Err(Flaw::TooNew(version)),
            Ok(Announced { version: VERSION }) => {}
            _ => return Err(Flaw::Damaged),
        }
        let header: Self = serde_json::from_str(text).map_err(|_| Flaw::Damaged)?;
        let fits = match (header.kdf, header.cost) {
            (Kdf::Argon2id, Some(cost)) => cost.is_bearable(),
            (Kdf::Hmac, None) => true,
            (Kdf::Argon2id, None) | (Kdf::Hmac, Some(_)) => false,
        };
        if !fits || header.mode == Mode::Off {
            return Err(Flaw::Damaged);
        }
        Ok(header)
    }

    pub(crate) fn text(&self) -> String {
        serde_json::to_string(self).expect("plain data always has a JSON form")
    }

    /// Wraps the store's own key.
    pub(crate) fn wrap(
        mode: Mode,
        key: &KeyMaterial<'_>,
        cost: Cost,
        data_key: &KeyBytes,
        chance: Chance,
    ) -> Self {
        let (kdf, cost) = match key {
            KeyMaterial::Passphrase(_) => (Kdf::Argon2id, Some(cost)),
            KeyMaterial::Random(_) => (Kdf::Hmac, None),
        };
        let mut header = Self {
            kdf,
            version: VERSION,
            mode,
            cost,
            salt: Bytes(chance.salt),
            wrapped: Bytes([0; _]),
        };
        let wrapping = header.wrapping_key(key).expect("made for this key");
        let sealed = Cipher::new(&wrapping).seal(chance.nonce, &header.about(), &data_key[..]);
        let sealed = sealed.try_into();
        header.wrapped = Bytes(sealed.expect("a nonce, a key and a tag"));
        header
    }

    /// The store's own key; `None` if this is the wrong one to it, or the seal was tampered with.
    pub(crate) fn unwrap(&self, key: &KeyMaterial<'_>) -> Option<KeyBytes> {
        let wrapping = self.wrapping_key(key)?;
        let plain = Cipher::new(&wrapping).open(&self.about(), &self.wrapped.0)?;
        let mut data_key = KeyBytes::default();
        data_key.copy_from_slice(&plain);
        Some(data_key)
    }

    /// What kind of key it takes, in words.
    pub(crate) fn takes(&self) -> &'static str {
        match self.kdf {
            Kdf::Argon2id => "a passphrase",
            Kdf::Hmac => "a key file or a key of 32 bytes",
        }
    }

    fn wrapping_key(&self, key: &KeyMaterial<'_>) -> Option<KeyBytes> {
        match (key, self.kdf, self.cost) {
            (KeyMaterial::Passphrase(text), Kdf::Argon2id, Some(Cost { m, t, p })) => {
                let mut wrapping = KeyBytes::default();
                let params = Params::new(m, t, p, Some(KEY_BYTES)).ok()?;
                Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                    .hash_password_into(text, &self.salt.0, &mut *wrapping)
                    .ok()?;
                Some(wrapping)
            }
            // With the salt, so that one key file opens many stores and none tells of another.
            (KeyMaterial::Random(random), Kdf::Hmac, None) => {
                Some(keyed(random, &[WRAPPING, &self.salt.0]))
            }
            _ => None,
        }
    }

    /// Everything but the wrapped key, in bytes. Each part has a fixed length.
    fn about(&self) -> Vec<u8> {
        let Cost { m, t, p } = self.cost.unwrap_or(Cost { m: 0, t: 0, p: 0 });
        let mut about = b"rejoin-seal-v1".to_vec();
        about.push(match self.kdf {
            Kdf::Argon2id => 1,
            Kdf::Hmac => 2,
        });
        about.push(match self.mode {
            Mode::Off => 0,
            Mode::Secrets => 1,
            Mode::All => 2,
        });
        for number in [m, t, p] {
            about.extend(number.to_be_bytes());
        }
        about.extend(self.salt.0);
        about
    }
}

impl Cost {
    fn is_bearable(self) -> bool {
        let Self { m, t, p } = self;
        m <= COST_MAX.m
            && t <= COST_MAX.t
            && p <= COST_MAX.p
            && Params::new(m, t, p, Some(KEY_BYTES)).is_ok()
    }
}

const WRAPPING: &[u8] = b"rejoin-wrapping-v1";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As little as Argon2 takes, so that tests can afford a hundred.
    const CHEAP: Cost = Cost { m: 8, t: 1, p: 1 };

    fn random(byte: u8) -> KeyMaterial<'static> {
        KeyMaterial::Random([byte; KEY_BYTES].into())
    }

    fn passphrase(text: &str) -> KeyMaterial<'_> {
        KeyMaterial::Passphrase(text.as_bytes())
    }

    fn wrap(key: &KeyMaterial<'_>, cost: Cost) -> Header {
        let chance = Chance {
            salt: [2; _],
            nonce: [3; _],
        };
        Header::wrap(Mode::All, key, cost, &[1; KEY_BYTES].into(), chance)
    }

    #[test]
    fn a_seal_made_by_any_release_looks_like_this() {
        // Both wrapped keys were made by another implementation, OpenSSL's.
        known(
            &passphrase("correct horse battery staple"),
            r#"{"kdf":"argon2id","version":1,"mode":"all","cost":{"m":65536,"t":3,"p":4},"salt":"AgICAgICAgICAgICAgICAg==","wrapped":"AwMDAwMDAwMDAwMDzvi9C99zauQWt8ufT/rnWHStmZdewDAHnz7CamoOcgWsRufCXXGWlM+MuhR3gmVO"}"#,
        );
        known(
            &random(9),
            r#"{"kdf":"hmac-sha256","version":1,"mode":"all","salt":"AgICAgICAgICAgICAgICAg==","wrapped":"AwMDAwMDAwMDAwMD7BclDmfFwgERtdaMvLpqbPT46wYGs2O2cjsLMrN8EXChAZRKztCd55Eh1FwO1Y9f"}"#,
        );
    }

    #[track_caller]
    fn known(key: &KeyMaterial<'_>, text: &str) {
        let header = wrap(key, COST);
        assert_eq!(header.text(), text);
        assert!(text.starts_with(r#"{"kdf":"#));
        let back = Header::parse(text).unwrap();
        assert_eq!(back.unwrap(key).unwrap()[..], [1; KEY_BYTES]);
    }

    #[test]
    fn only_the_right_key_opens_it() {
        let header = wrap(&passphrase("swordfish"), CHEAP);
        assert!(header.unwrap(&passphrase("swordfish")).is_some());
        for wrong in [passphrase("swordfish "), passphrase("s"), random(9)] {
            assert!(header.unwrap(&wrong).is_none());
        }
        let header = wrap(&random(9), CHEAP);
        assert!(header.unwrap(&random(9)).is_some());
        for wrong in [random(8), passphrase("swordfish")] {
            assert!(header.unwrap(&wrong).is_none());
        }
    }

    #[test]
    fn a_seal_of_a_newer_version_is_told_from_a_damaged_one() {
        let sound = wrap(&random(9), CHEAP).text();
        let newer = sound.replace(r#""version":1"#, r#""version":7,"post":"quantum""#);
        assert_eq!(Header::parse(&newer), Err(Flaw::TooNew(7)));
        for damaged in [
            "",
            "{}",
            &sound[1..],
            &sound.replace(r#""version":1"#, r#""version":0"#),
            &sound.replace(r#""mode":"all""#, r#""mode":"off""#),
            &sound.replace(r#""mode":"all""#, r#""mode":"all","mode":"all""#),
            &sound.replace(r#""mode":"all""#, r#""mode":"all","mood":"fine""#),
            &sound.replace("hmac-sha256", "argon2id"),
            &format!("{sound}{}", " ".repeat(TEXT_BYTES_MAX)),
        ] {
            assert_eq!(Header::parse(damaged), Err(Flaw::Damaged), "{damaged}");
        }
    }

    #[test]
    fn a_forged_cost_uses_up_nobodys_memory() {
        let sound = wrap(&passphrase("swordfish"), CHEAP).text();
        for (from, to) in [
            (r#""m":8"#, r#""m":1048577"#),
            (r#""t":1"#, r#""t":17"#),
            (r#""p":1"#, r#""p":17"#),
            (r#""t":1"#, r#""t":0"#),
            (r#""m":8"#, r#""m":7"#),
        ] {
            let forged = sound.replace(from, to);
            assert_ne!(forged, sound);
            assert_eq!(Header::parse(&forged), Err(Flaw::Damaged), "{to}");
        }
    }

    #[test]
    fn mode_and_cost_are_not_to_be_changed_by_others() {
        let key = passphrase("swordfish");
        let sound = wrap(&key, CHEAP).text();
        for (from, to) in [
            (r#""mode":"all""#, r#""mode":"secrets""#),
            (r#""m":8"#, r#""m":9"#),
            (r#""t":1"#, r#""t":2"#),
        ] {
            let forged = Header::parse(&sound.replace(from, to)).unwrap();
            assert!(forged.unwrap(&key).is_none(), "{to}");
        }
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_refused(flip in any::<prop::sample::Index>(), slow in any::<bool>()) {
            let key = if slow { passphrase("swordfish") } else { random(9) };
            let sound = wrap(&key, CHEAP);
            let mut text = sound.text().into_bytes();
            let bit = flip.index(text.len() * 8);
            text[bit / 8] ^= 1 << (bit % 8);
            let opened = String::from_utf8(text)
                .ok()
                .and_then(|text| Header::parse(&text).ok())
                .and_then(|header| header.unwrap(&key));
            prop_assert!(opened.is_none());
        }

        #[test]
        fn any_text_can_be_tried(text in ".{0,80}") {
            prop_assert!(Header::parse(&text).is_err());
        }
    }
}
