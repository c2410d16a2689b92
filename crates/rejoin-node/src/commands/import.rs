//! `rejoin import`: takes in what another node knows. All of it is hearsay until we meet the peers.

use std::{fs::File, io::Read};

use serde_json::json;

use crate::{
    answer::ImportAnswer,
    bundle::{BUNDLE_BYTES_MAX, Bundle, BundleError},
    failure::Failure,
    node,
    print::{self, count},
    question::{Hearsay, IMPORT_MAX, Question},
    sealing::KeySource,
    settings::{ImportArgs, Place},
};

/// Takes in the file, and says what came of it.
///
/// # Errors
/// If the file is of no use, or the memory cannot be changed.
pub fn run(place: &Place, args: &ImportArgs, json: bool) -> Result<(), Failure> {
    let useless = |source| Failure::Bundle {
        path: args.file.clone(),
        source,
    };
    let mut bytes = read(args)?;
    if rejoin_store::is_sealed_text(&bytes) {
        let source = args.key.source().unwrap_or(KeySource::Prompt);
        let key = source.key("passphrase of the file: ")?;
        bytes = rejoin_store::open_text(&bytes, &key, &args.file)?.into_bytes();
    }
    let (bundle, signer) = Bundle::read(&bytes, args.signer).map_err(useless)?;
    if bundle.anonymous {
        return Err(useless(BundleError::Anonymous));
    }
    let told: Vec<_> = bundle
        .peers
        .into_iter()
        .map(|peer| Hearsay {
            peer: peer.key,
            addresses: peer.addresses.into_iter().map(|it| it.address).collect(),
        })
        .filter(|hearsay| !hearsay.addresses.is_empty())
        .collect();
    let mut sum = ImportAnswer::default();
    // The best come first, and the first find a place more easily.
    for part in told.chunks(IMPORT_MAX) {
        let answer = node::ask(place, &Question::Import(part.to_vec()))?;
        let answer: ImportAnswer = serde_json::from_value(answer)
            .map_err(|error| Failure::NoAnswer(format!("it speaks another version: {error}")))?;
        sum.told += answer.told;
        sum.new += answer.new;
        sum.known += answer.known;
    }
    let ImportAnswer { told, new, known } = sum;
    if json {
        return print::json(&json!({
            "signer": signer.to_string(),
            "told": told,
            "new": new,
            "known": known,
        }));
    }
    let left_out = told - new - known;
    let mut words = format!(
        "{} in the file of {signer}: {new} new, {known} known before; none of them counts before we \
         meet it",
        count(told, "peer"),
    );
    if left_out > 0 {
        words +=
            &format!("\n{left_out} found no place: no one source may fill what we know by hearsay");
    }
    print::result(&words)
}

fn read(args: &ImportArgs) -> Result<Vec<u8>, Failure> {
    let failed = |error| Failure::file("read", args.file.clone())(error);
    let mut bytes = Vec::new();
    File::open(&args.file)
        .map_err(failed)?
        .take(BUNDLE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > BUNDLE_BYTES_MAX {
        return Err(failed(std::io::ErrorKind::FileTooLarge.into()));
    }
    Ok(bytes)
}
