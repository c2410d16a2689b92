//! A text sealed for the way, such as an export: whoever has the key reads it, wherever it got to.

use std::path::Path;

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    Mode, SealKey,
    bytes::{self, Cipher, KeyBytes, keyed},
    header::{COST, Chance, Flaw, Header, VERSION},
};
use crate::StoreError;

/// What a parcel calls itself.
const KIND: &str = "sealed";

/// Says what the ciphertext is, so that it is taken for nothing else.
const ABOUT: &[u8] = b"rejoin-parcel-v1";

#[derive(Serialize, Deserialize)]
struct Parcel<'a> {
    rejoin: &'a str,
    #[serde(borrow)]
    seal: &'a RawValue,
    /// Nonce, ciphertext and tag, in base64.
    sealed: &'a str,
}

/// Whether these bytes are something that [`open_text`] opens.
pub fn is_sealed_text(bytes: &[u8]) -> bool {
    serde_json::from_slice::<Parcel<'_>>(bytes).is_ok_and(|parcel| parcel.rejoin == KIND)
}

/// Seals a text with a key of its own, wrapped in the user's. How long it is stays visible.
///
/// # Errors
/// If the key is of no use, or the system gives no random bytes.
pub fn seal_text(text: &str, key: &SealKey) -> Result<String, StoreError> {
    let material = key.material(None)?;
    let data_key = bytes::random_key()?;
    let chance = Chance {
        salt: bytes::random()?,
        nonce: bytes::random()?,
    };
    let header = Header::wrap(Mode::All, &material, COST, &data_key, chance);
    let sealed = cipher(&data_key).seal(bytes::random()?, ABOUT, text.as_bytes());
    let header = RawValue::from_string(header.text()).expect("a seal is JSON");
    let parcel = Parcel {
        rejoin: KIND,
        seal: &header,
        sealed: &BASE64.encode(&sealed),
    };
    let mut text = serde_json::to_string_pretty(&parcel).expect("plain data has a JSON form");
    text.push('\n');
    Ok(text)
}

/// Opens what [`seal_text`] has sealed. `path` is where it lies, for the error to name.
///
/// # Errors
/// If the key is not the one it was sealed with or of no use, or if these bytes are nothing that was
/// sealed, were changed since, or come from a newer version.
pub fn open_text(bytes: &[u8], key: &SealKey, path: &Path) -> Result<String, StoreError> {
    let damaged = || StoreError::DamagedParcel { path: path.into() };
    let parcel: Parcel<'_> = serde_json::from_slice(bytes).map_err(|_| damaged())?;
    let header = match Header::parse(parcel.seal.get()) {
        Ok(header) if parcel.rejoin == KIND => header,
        Err(Flaw::TooNew(found)) => {
            return Err(StoreError::TooNew {
                path: path.into(),
                found,
                known: VERSION,
            });
        }
        _ => return Err(damaged()),
    };
    let wrong = || StoreError::WrongKey {
        path: path.into(),
        takes: header.takes(),
    };
    let data_key = header.unwrap(&key.material(None)?).ok_or_else(wrong)?;
    let sealed = BASE64.decode(parcel.sealed.as_bytes());
    let sealed = sealed.map_err(|_| damaged())?;
    let plain = cipher(&data_key).open(ABOUT, &sealed).ok_or_else(damaged)?;
    String::from_utf8(plain.to_vec()).map_err(|_| damaged())
}

fn cipher(data_key: &KeyBytes) -> Cipher {
    Cipher::new(&keyed(data_key, &[ABOUT]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SealKey {
        SealKey::raw([byte; 32])
    }

    fn open(parcel: &str, byte: u8) -> Result<String, StoreError> {
        open_text(parcel.as_bytes(), &key(byte), Path::new("parcel"))
    }

    #[test]
    fn a_sealed_text_is_read_with_its_key_alone() {
        let parcel = seal_text("Dear bob", &key(7)).unwrap();
        assert!(is_sealed_text(parcel.as_bytes()));
        assert!(!parcel.contains("bob"));
        assert_eq!(open(&parcel, 7).unwrap(), "Dear bob");
        assert!(matches!(open(&parcel, 8), Err(StoreError::WrongKey { .. })));
        assert_ne!(seal_text("Dear bob", &key(7)).unwrap(), parcel);
    }

    #[test]
    fn whatever_is_changed_in_it_is_noticed() {
        let parcel = seal_text("Dear bob", &key(7)).unwrap();
        for at in 0..parcel.len() {
            let mut bytes = parcel.clone().into_bytes();
            bytes[at] ^= 1;
            let opened = open_text(&bytes, &key(7), Path::new("parcel"));
            if let Ok(text) = opened {
                assert_eq!(text, "Dear bob", "at {at}");
                assert!(parcel.as_bytes()[at].is_ascii_whitespace(), "at {at}");
            }
        }
    }

    #[test]
    fn what_was_never_sealed_is_refused() {
        for text in [
            "",
            "{}",
            r#"{"rejoin":"export"}"#,
            r#"{"rejoin":"sealed","seal":7,"sealed":""}"#,
        ] {
            assert!(
                matches!(open(text, 7), Err(StoreError::DamagedParcel { .. })),
                "{text}"
            );
        }
        assert!(!is_sealed_text(b"{}"));
    }
}
