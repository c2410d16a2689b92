//! `rejoin rekey`: another passphrase, or another key file. What is in the memory stays as it is.

use rejoin_libp2p::now;
use serde_json::json;

use crate::{failure::Failure, print, sealing::KeySource, settings::Place};

/// Changes the key.
///
/// # Errors
/// If a node runs here, the memory is not sealed, or a key cannot be had or is wrong.
pub fn run(place: &Place, new: &KeySource, json: bool) -> Result<(), Failure> {
    // A node that runs would have to open its memory again.
    let _claim = place.folder.claim()?;
    let old = place.seal.key.clone().unwrap_or(KeySource::Prompt);
    let old = old.key("old passphrase: ")?;
    let notices = rejoin_store::rekey(&place.store, &old, &new.new_key()?, now())?;
    for notice in notices {
        print::aside(&notice.to_string());
    }
    if json {
        return print::json(&json!({ "rekeyed": place.store }));
    }
    print::result("from now on the new key opens this memory, and the old one does not")
}
