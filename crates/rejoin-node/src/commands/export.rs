//! `rejoin export`: whom this node knows, in a signed file.

use libp2p::identity::Keypair;
use rejoin::Pool;
use rejoin_core::score;
use rejoin_libp2p::now;
use serde_json::json;

use crate::{
    bundle::{self, Bundle},
    failure::Failure,
    identity,
    mind::Mind,
    offline::Offline,
    outfile::{self, Readers},
    print::{self, NAME, count},
    settings::{ExportArgs, Place},
};

/// Writes the file, and says how to use it.
///
/// # Errors
/// If the memory cannot be read or the file cannot be written.
pub fn run(place: &Place, args: &ExportArgs, json: bool) -> Result<(), Failure> {
    let now = now();
    // What a running node knows is on the disk within seconds, and stores are shared.
    let memory = Offline::open_aloud(place, now)?;
    let mut records: Vec<_> = memory
        .peers()
        .filter(|record| !args.proven || record.pool() == Pool::Proven)
        .map(|record| (score::score(record, now), record))
        .collect();
    records.sort_by(|(a, one), (b, other)| b.total_cmp(a).then_with(|| one.key.cmp(&other.key)));
    let records = records.into_iter().map(|(_, record)| record);
    let mut exported = Bundle::of(records, now);
    // The name of who signs an anonymous one would be a name, too.
    let keypair = match args.anonymous {
        true => {
            exported = bundle::anonymous(exported, &mut fastrand::Rng::new());
            Keypair::generate_ed25519()
        }
        false => identity::load_or_create_in(&place.folder)?,
    };
    let mut text = exported.sign(&keypair);
    // The signature goes under the seal: who signed is nobody's business either.
    if let Some(source) = args.key.source() {
        text = rejoin_store::seal_text(&text, &source.new_key()?)?;
    }
    outfile::write(&args.out, text.as_bytes(), Readers::Owner)?;
    let signer = keypair.public().to_peer_id();
    let peers = exported.peers.len();
    if json {
        return print::json(&json!({
            "out": args.out.display().to_string(),
            "peers": peers,
            "signer": signer.to_string(),
            "anonymous": args.anonymous,
        }));
    }
    let out = args.out.display();
    print::result(&match args.anonymous {
        true => format!("{} without names in {out}", count(peers, "peer")),
        false => format!(
            "{}, signed, in {out}\n\
             Take it in elsewhere with\n  \
             {NAME}rejoin import <FILE> --signer {signer}{NAME:#}",
            count(peers, "peer"),
        ),
    })
}
