//! What can go wrong in a command, what to do about it, and with which exit code the program ends.

use std::{io, path::PathBuf, process::ExitCode};

use libp2p::identity::DecodingError;
use rejoin_store::{KeyError, StoreError};

use crate::{bundle::BundleError, network::NetworkError, refusal::Refusal};

/// Why a command could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Another node already runs here.
    #[error(
        "another node runs on {}; stop it, or give this one a folder of its own with --data",
        folder.display()
    )]
    AlreadyRunning {
        /// Its data folder.
        folder: PathBuf,
    },
    /// The node, or the memory, said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is no home to keep data in.
    #[error("this system names no folder for programs' data; name one with --data")]
    NoHome,
    /// A file or folder of ours does not work.
    #[error(
        "cannot {doing} {}: {source}; check its rights, or name another folder with --data",
        path.display()
    )]
    File {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The identity cannot be read. It is never overwritten: whoever has it, is this node.
    #[error(
        "{} holds no ed25519 identity ({source}); restore it from a copy, or move it away and this \
         node begins anew under another name",
        path.display()
    )]
    DamagedIdentity {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: DecodingError,
    },
    /// The store cannot be used.
    #[error("{error}{flags}", error = .0, flags = key_flags(.0))]
    Store(#[from] StoreError),
    /// Nothing to listen on.
    #[error("cannot listen on any of the addresses given; the last one said: {0}")]
    NoListener(String),
    /// The node cannot be put together.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The operating system lacks something.
    #[error("cannot {doing}: {source}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// A file of peers is of no use.
    #[error("cannot take in {}: {source}", path.display())]
    Bundle {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: BundleError,
    },
    /// There is no key to open the memory with.
    #[error("no key to the memory: {0}")]
    NoKey(String),
    /// A key file cannot be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Nobody said that it is meant.
    #[error("nothing was removed; say --yes to mean it")]
    NotMeant,
    /// The running node is there, but does not answer in time.
    #[error(
        "the running node does not answer in time; if that goes on, stop it and start it again"
    )]
    TooSlow,
    /// The running node gives no answer we understand.
    #[error("the running node gives no answer ({0}); if that goes on, stop it and start it again")]
    NoAnswer(String),
}

impl Failure {
    /// The exit code of the program.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::AlreadyRunning { .. } => 3,
            Self::Refused(Refusal::NoSuchPeer { .. } | Refusal::SeveralPeers { .. }) => 4,
            _ => 1,
        })
    }

    /// For `map_err`: says what was being done to which file.
    pub fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            doing,
            path,
            source,
        }
    }

    /// For `map_err`: says what was being done.
    pub fn system(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { doing, source }
    }
}

/// The library knows no flags.
fn key_flags(error: &StoreError) -> &'static str {
    match error {
        StoreError::Sealed { .. } => " (--passphrase, --passphrase-fd N or --key-file FILE)",
        _ => "",
    }
}
