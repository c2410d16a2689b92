//! From a store's name to a behaviour that remembers: the best peers at once, the rest behind it.

use std::io;

use rejoin_core::Snapshot;
use rejoin_libp2p::{Behaviour, Keypair, Setup};
use rejoin_store::{Notice, Opened, PeerStore, Sealing, StoreError};

use crate::keeper::Keeper;

/// Peers read before the first dial: eight times what is ever in the air at once.
const FIRST_PEERS: usize = 256;

/// Why a memory could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The store cannot be used as named.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gives us no thread to write with.
    #[error(
        "cannot start a thread for the peer memory: {0}; close other programs, or raise the limit on threads"
    )]
    Thread(io::Error),
}

/// Opens the memory at `url` for the node with this key, which also signs where the node lives, so that
/// others can tell of it.
///
/// `url` is `sqlite:PATH`, `json:PATH`, or `memory:` to remember nothing beyond this run. Reads the
/// best peers before it returns, whatever the size of the memory; the rest follows in the
/// background once the behaviour is in a swarm.
///
/// # Errors
/// If the place has another name, cannot be read or written at all, or was written by a newer
/// version. A damaged or missing one is no error: what can be saved from it is.
pub fn open(url: &str, key: &Keypair) -> Result<Behaviour, OpenError> {
    open_with(url, Setup::new(key))
}

/// As [`open`], for whoever wants more than the usual. The setup's snapshot and shelf are filled in
/// from the store.
///
/// # Errors
/// As [`open`].
pub fn open_with(url: &str, setup: Setup) -> Result<Behaviour, OpenError> {
    let (behaviour, notices) = open_noticing(url, setup)?;
    for notice in notices {
        tracing::info!("{notice}");
    }
    Ok(behaviour)
}

/// As [`open_with`], for whoever tells the user what was found: a new memory, a damaged one, what
/// could be saved from it.
///
/// # Errors
/// As [`open`].
pub fn open_noticing(url: &str, setup: Setup) -> Result<(Behaviour, Vec<Notice>), OpenError> {
    let opened = rejoin_store::open_for_start(url, None, rejoin_libp2p::now())?;
    begin(opened, setup)
}

/// As [`open_noticing`], with the key to a sealed memory, which is then sealed as `sealing` has it. A
/// passphrase takes some tenths of a second.
///
/// # Errors
/// As [`open`], or if the key is of no use or not the one the memory was sealed with.
pub fn open_sealed(
    url: &str,
    sealing: &Sealing,
    setup: Setup,
) -> Result<(Behaviour, Vec<Notice>), OpenError> {
    let opened = rejoin_store::open_for_start(url, Some(sealing), rejoin_libp2p::now())?;
    begin(opened, setup)
}

fn begin(opened: Opened, setup: Setup) -> Result<(Behaviour, Vec<Notice>), OpenError> {
    let Opened { mut store, notice } = opened;
    let snapshot = first_of(store.as_mut());
    let mended = store.repairs().notice();
    let known = snapshot.peers.iter().map(|peer| peer.key.clone()).collect();
    let shelf = Keeper::new(store, known, setup.config.hot_max).map_err(OpenError::Thread)?;
    let behaviour = Behaviour::new(Setup {
        snapshot,
        shelf: Some(Box::new(shelf)),
        ..setup
    });
    Ok((behaviour, notice.into_iter().chain(mended).collect()))
}

/// A store that cannot be read just now must not keep the node out of its network.
fn first_of(store: &mut dyn PeerStore) -> Snapshot {
    let warn = |error: StoreError| tracing::warn!(%error, "starting without what is remembered");
    Snapshot {
        memory: store.memory().map_err(warn).ok().flatten(),
        peers: store.best(FIRST_PEERS).map_err(warn).unwrap_or_default(),
    }
}
