//! Flags about the seal of the memory.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use rejoin_store::Mode;

use crate::sealing::{KeySource, SealWish};

/// How the memory is sealed, and with what.
#[derive(Args, Clone, Debug)]
pub struct SealArgs {
    /// What of the memory only who has the key can read [default: as it is; secrets if a key is given]
    #[arg(
        long,
        global = true,
        value_name = "WHAT",
        value_enum,
        env = "REJOIN_SEAL"
    )]
    seal: Option<What>,
    #[command(flatten)]
    key: KeyArgs,
}

/// Where the key comes from.
#[derive(Args, Clone, Debug)]
pub struct KeyArgs {
    /// Ask for the passphrase of the memory
    #[arg(long, global = true)]
    passphrase: bool,
    /// Read the passphrase from this file descriptor, up to the end of the line
    #[arg(long, global = true, value_name = "N", conflicts_with = "passphrase")]
    passphrase_fd: Option<u32>,
    /// Open the memory with this key file; made if it is to be sealed and the file is missing
    #[arg(
        long, global = true, value_name = "FILE", env = "REJOIN_KEY_FILE",
        conflicts_with_all = ["passphrase", "passphrase_fd"]
    )]
    key_file: Option<PathBuf>,
}

/// The key from now on.
#[derive(Args, Clone, Debug)]
pub struct NewKeyArgs {
    /// Read the new passphrase from this file descriptor, up to the end of the line
    #[arg(long, value_name = "N")]
    new_passphrase_fd: Option<u32>,
    /// Use this key file from now on; made if it is missing
    #[arg(long, value_name = "FILE", conflicts_with = "new_passphrase_fd")]
    new_key_file: Option<PathBuf>,
}

/// The key to a file that travels.
#[derive(Args, Clone, Debug)]
pub struct FileKeyArgs {
    /// The file is sealed; ask for its passphrase
    #[arg(long)]
    file_passphrase: bool,
    /// The file is sealed; read its passphrase from this file descriptor, up to the end of the line
    #[arg(long, value_name = "N", conflicts_with = "file_passphrase")]
    file_passphrase_fd: Option<u32>,
    /// The file is sealed with this key file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file_passphrase", "file_passphrase_fd"])]
    file_key_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// Nothing; what was sealed is unsealed
    Off,
    /// What applications note of a peer as its secret
    Secrets,
    /// All of it
    All,
}

impl From<SealArgs> for SealWish {
    fn from(args: SealArgs) -> Self {
        let mode = args.seal.map(|what| match what {
            What::Off => Mode::Off,
            What::Secrets => Mode::Secrets,
            What::All => Mode::All,
        });
        let given = args.key.source();
        // Whoever wants a seal and says no more has to be asked.
        let key = given.or(mode.is_some().then_some(KeySource::Prompt));
        Self { mode, key }
    }
}

impl KeyArgs {
    fn source(self) -> Option<KeySource> {
        source(self.passphrase_fd, self.key_file).or(self.passphrase.then_some(KeySource::Prompt))
    }
}

impl NewKeyArgs {
    /// Where the new key comes from.
    pub fn source(self) -> KeySource {
        source(self.new_passphrase_fd, self.new_key_file).unwrap_or(KeySource::Prompt)
    }
}

impl FileKeyArgs {
    /// Where the key to the file comes from, if it is said to be sealed.
    pub fn source(&self) -> Option<KeySource> {
        source(self.file_passphrase_fd, self.file_key_file.clone())
            .or(self.file_passphrase.then_some(KeySource::Prompt))
    }
}

fn source(descriptor: Option<u32>, file: Option<PathBuf>) -> Option<KeySource> {
    descriptor
        .map(KeySource::Descriptor)
        .or(file.map(KeySource::File))
}
