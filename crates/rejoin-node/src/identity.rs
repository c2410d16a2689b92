//! Who we are: an ed25519 key in the data folder, made on the first start and never changed.

use libp2p::{PeerId, identity::Keypair};

use crate::{failure::Failure, folder::Folder};

/// The file's name. It holds the key in libp2p's protobuf encoding.
pub const FILE: &str = "identity";

/// The key in this folder, made now if there is none.
///
/// # Errors
/// If the file is there but holds no key of ours; it is left as it is.
pub fn load_or_create(folder: &Folder) -> Result<Keypair, Failure> {
    if let Some(keypair) = load(folder)? {
        return Ok(keypair);
    }
    let keypair = Keypair::generate_ed25519();
    let bytes = keypair
        .to_protobuf_encoding()
        .expect("an ed25519 key has a protobuf encoding");
    folder.write_private(FILE, &bytes)?;
    Ok(keypair)
}

/// Like [`load_or_create`], in a folder that may not exist yet.
///
/// # Errors
/// As there, or if the folder cannot be made.
pub fn load_or_create_in(folder: &Folder) -> Result<Keypair, Failure> {
    folder.create()?;
    load_or_create(folder)
}

/// The name of the node that lives in this folder, if one ever did.
///
/// # Errors
/// As [`load_or_create`].
pub fn peer_id(folder: &Folder) -> Result<Option<PeerId>, Failure> {
    Ok(load(folder)?.map(|keypair| keypair.public().to_peer_id()))
}

fn load(folder: &Folder) -> Result<Option<Keypair>, Failure> {
    let Some(bytes) = folder.read(FILE)? else {
        return Ok(None);
    };
    let keypair = Keypair::from_protobuf_encoding(&bytes);
    keypair
        .map(Some)
        .map_err(|source| Failure::DamagedIdentity {
            path: folder.file(FILE),
            source,
        })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_same_folder_gives_the_same_name() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::at(home.path().into());
        assert_eq!(peer_id(&folder).unwrap(), None);
        let first = load_or_create(&folder).unwrap().public().to_peer_id();
        let second = load_or_create(&folder).unwrap().public().to_peer_id();
        assert_eq!(first, second);
        assert_eq!(peer_id(&folder).unwrap(), Some(first));
    }

    #[test]
    fn a_damaged_identity_is_reported_and_left_as_it_is() {
        for damaged in [&b""[..], b"not a key"] {
            let home = tempfile::tempdir().unwrap();
            let folder = Folder::at(home.path().into());
            fs::write(folder.file(FILE), damaged).unwrap();
            let error = load_or_create(&folder).unwrap_err().to_string();
            assert!(error.contains("move it away"), "{error}");
            assert_eq!(fs::read(folder.file(FILE)).unwrap(), damaged);
        }
    }
}
