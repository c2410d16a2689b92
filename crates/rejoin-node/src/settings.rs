//! The command line, the environment and the usual places, read once and turned into plain data.
//! Nothing else in this program looks at any of them.

mod query;
mod sealing;
mod sources;

use std::{path::PathBuf, time::Duration};

use clap::{
    ArgAction, Args, Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use clap_complete::Shell;
use etcetera::app_strategy::{AppStrategy, AppStrategyArgs, choose_native_strategy};
use libp2p::{Multiaddr, PeerId};
use rejoin::Purpose;

use crate::{demo, failure::Failure, folder::Folder, limits::Limits, sealing::SealWish};

pub use query::PeersArgs;
pub use sources::SourceSettings;

/// A peer-to-peer node that remembers: whom it met, who was good, and how to get back to them.
#[derive(Debug, Parser)]
#[command(name = "rejoin", version, after_help = EXIT_CODES, propagate_version = true)]
pub struct CommandLine {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Print JSON, as documented in docs/json.md
    #[arg(long, global = true)]
    pub json: bool,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed; the message says why and what to do
  2  the command line makes no sense
  3  another node runs on the same data folder
  4  no peer, or more than one, has the given name
  5  the doctor found trouble
  130, 143  a second Ctrl-C or SIGTERM cut the leaving short";

/// Where things lie.
#[derive(Args, Clone, Debug)]
pub struct PlaceArgs {
    /// Folder with the node's identity and memory [default: the system's place for programs' data]
    #[arg(long, global = true, value_name = "FOLDER", env = "REJOIN_DATA")]
    data: Option<PathBuf>,
    /// Memory: sqlite:PATH, json:PATH or memory: [default: sqlite:peers.db in the data folder]
    #[arg(long, global = true, value_name = "URL", env = "REJOIN_STORE")]
    store: Option<String>,
    #[command(flatten)]
    sealing: sealing::SealArgs,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a node that remembers
    Up(UpArgs),
    /// Show a network on this machine that stops and comes back
    Demo(demo::Args),
    /// Connections, memory, storage, sources; what the last return took
    Status,
    /// Everybody in memory
    #[command(args_conflicts_with_subcommands = true)]
    Peers {
        #[command(flatten)]
        query: PeersArgs,
        #[command(subcommand)]
        what: Option<PeersCommand>,
    },
    /// A peer's score, or its worth for a purpose, term by term
    Why {
        #[command(flatten)]
        who: PeerArgs,
        #[command(flatten)]
        what: PurposeArgs,
    },
    /// Connect to a peer now
    Connect {
        /// Multiaddr, ip:port, host:port, or the name of a peer in memory
        #[arg(value_name = "ADDRESS")]
        target: String,
    },
    /// Remove a peer from memory
    Forget(PeerArgs),
    /// Keep a peer whatever happens
    Pin {
        #[command(flatten)]
        who: PeerArgs,
        /// Treat it like any other again
        #[arg(long)]
        undo: bool,
    },
    /// Neither dial nor accept a peer for some time
    Block {
        #[command(flatten)]
        who: PeerArgs,
        /// How long, such as 90s, 15m, 1h or 30days
        #[arg(
            long = "for", value_name = "SPAN", value_parser = humantime::parse_duration,
            required_unless_present = "undo", conflicts_with = "undo"
        )]
        span: Option<Duration>,
        /// Deal with it again
        #[arg(long)]
        undo: bool,
    },
    /// Write whom this node knows to a signed file
    Export(ExportArgs),
    /// Take in a file that `export` wrote; all of it is hearsay until we meet the peers ourselves
    Import(ImportArgs),
    /// Change the passphrase or key file of a sealed memory
    Rekey(sealing::NewKeyArgs),
    /// Remove everything remembered, for good
    Wipe(WipeArgs),
    /// Forget by the rules
    Prune {
        /// Only say whom, and by which rule
        #[arg(long)]
        dry_run: bool,
    },
    /// Say whether we can be reached, what is wrong, and what to do about it
    Doctor,
    /// Print a script that completes commands in a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
pub enum PeersCommand {
    /// Write a signed list of peers everybody can reach, for any web host to serve
    Publish(PublishArgs),
}

#[derive(Args, Debug)]
pub struct PublishArgs {
    /// The file to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// How long it is good
    #[arg(long = "for", value_name = "SPAN", default_value = "30days", value_parser = humantime::parse_duration)]
    pub good_for: Duration,
    /// The network its peers live in
    #[arg(long, value_name = "NAME", default_value = "main", value_parser = network, env = "REJOIN_NETWORK")]
    pub network: String,
    /// Include addresses on this machine and its networks, for a list that is not for everybody
    #[arg(long)]
    pub local: bool,
}

#[derive(Args, Debug)]
pub struct ExportArgs {
    /// The file to write
    #[arg(value_name = "FILE")]
    pub out: PathBuf,
    /// Leave out names, and of addresses all but the network: for those who study networks
    #[arg(long)]
    pub anonymous: bool,
    /// Only peers this node has met itself
    #[arg(long)]
    pub proven: bool,
    #[command(flatten)]
    pub key: sealing::FileKeyArgs,
}

#[derive(Args, Debug)]
pub struct ImportArgs {
    /// The file to read
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Only if it is signed by this peer
    #[arg(long, value_name = "PEER_ID")]
    pub signer: Option<PeerId>,
    #[command(flatten)]
    pub key: sealing::FileKeyArgs,
}

#[derive(Args, Debug)]
pub struct WipeArgs {
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// The node's identity, too: it comes back under another name
    #[arg(long)]
    pub identity: bool,
}

/// One peer.
#[derive(Args, Debug)]
pub struct PeerArgs {
    /// Peer id, or enough of its beginning or end
    pub peer: String,
}

/// One purpose, or none.
#[derive(Args, Debug)]
pub struct PurposeArgs {
    /// What peers are wanted for
    #[arg(long = "for", value_name = "PURPOSE", value_parser = purposes())]
    pub purpose: Option<Purpose>,
}

#[derive(Args, Debug)]
pub struct UpArgs {
    /// Listen here, or through a relay at …/p2p-circuit; may be repeated [default: TCP, QUIC and WebSocket on every interface]
    #[arg(long, value_name = "MULTIADDR", action = ArgAction::Append)]
    listen: Vec<Multiaddr>,
    /// Others reach this node here, such as through a port the router forwards; may be repeated
    #[arg(long, value_name = "MULTIADDR", action = ArgAction::Append)]
    external: Vec<Multiaddr>,
    #[command(flatten)]
    sources: sources::SourceArgs,
    /// Connections wanted
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=512))]
    target: u16,
    /// Peers to remember of those met [default: as in the last run, at first 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    remember: Option<u32>,
    /// Of these so many in memory, the rest on the disk alone [default: as in the last run, at first 100000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(100..))]
    hot: Option<u32>,
    /// Relay for others, who cannot be reached otherwise; takes a node that can be reached
    #[arg(long)]
    relay_server: bool,
    /// Do not ask the router, by UPnP, to let others in
    #[arg(long)]
    no_upnp: bool,
    /// Network to live in; networks with different names do not mix
    #[arg(long, value_name = "NAME", default_value = "main", value_parser = network, env = "REJOIN_NETWORK")]
    network: String,
}

/// Where the memory lies, and who we are.
#[derive(Clone, Debug)]
pub struct Place {
    /// Identity, lock and the like.
    pub folder: Folder,
    /// The store's name.
    pub store: String,
    /// How it is sealed.
    pub seal: SealWish,
}

/// All a node needs to know.
#[derive(Clone, Debug)]
pub struct NodeSettings {
    /// Where things lie.
    pub place: Place,
    /// Where to listen.
    pub listen: Vec<Multiaddr>,
    /// Whether the user chose these, so that one that fails is worth a word.
    pub listen_chosen: bool,
    /// Where others reach us, as the user knows.
    pub external: Vec<Multiaddr>,
    /// Whom and what to ask.
    pub sources: SourceSettings,
    /// Connections wanted.
    pub target: usize,
    /// How much is remembered.
    pub limits: Limits,
    /// Relay for others.
    pub relay_server: bool,
    /// The router may be asked to let others in.
    pub upnp: bool,
    /// The network's name.
    pub network: String,
}

impl PlaceArgs {
    /// Fills in what is usual.
    ///
    /// # Errors
    /// If no folder is named, and the system has no usual one.
    pub fn settle(self) -> Result<Place, Failure> {
        let folder = match self.data {
            Some(folder) => folder,
            None => usual_folder()?,
        };
        let folder = std::path::absolute(&folder).map_err(Failure::file("find", folder))?;
        let in_folder = || format!("sqlite:{}", folder.join("peers.db").display());
        Ok(Place {
            store: self.store.unwrap_or_else(in_folder),
            folder: Folder::at(folder),
            seal: self.sealing.into(),
        })
    }
}

impl UpArgs {
    /// Fills in what is usual.
    ///
    /// # Errors
    /// If what the last run kept for this cannot be read.
    pub fn settle(self, place: Place) -> Result<NodeSettings, Failure> {
        let kept = Limits::load(&place.folder)?;
        let count = |chosen: Option<u32>, kept| chosen.map_or(kept, |count| count as usize);
        let limits = Limits {
            remember: count(self.remember, kept.remember),
            hot: count(self.hot, kept.hot),
        };
        let listen_chosen = !self.listen.is_empty();
        let listen = if listen_chosen {
            self.listen
        } else {
            everywhere()
        };
        Ok(NodeSettings {
            place,
            limits,
            sources: self.sources.settle(&listen),
            listen,
            listen_chosen,
            external: self.external,
            target: self.target.into(),
            relay_server: self.relay_server,
            upnp: !self.no_upnp,
            network: self.network,
        })
    }
}

fn usual_folder() -> Result<PathBuf, Failure> {
    let strategy = choose_native_strategy(AppStrategyArgs {
        top_level_domain: "org".into(),
        author: "rejoin".into(),
        app_name: "rejoin".into(),
    });
    Ok(strategy.map_err(|_| Failure::NoHome)?.data_dir())
}

/// Every interface, any free port.
fn everywhere() -> Vec<Multiaddr> {
    ["/ip4/0.0.0.0", "/ip6/::"]
        .into_iter()
        .flat_map(|host| {
            ["tcp/0", "udp/0/quic-v1", "tcp/0/ws"].map(|port| format!("{host}/{port}"))
        })
        .map(|address| address.parse().expect("these are multiaddrs"))
        .collect()
}

fn purposes() -> impl TypedValueParser<Value = Purpose> {
    PossibleValuesParser::new(Purpose::ALL.map(Purpose::name)).try_map(|text| text.parse())
}

/// It becomes a part of protocol names, so it is kept plain and short.
fn network(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.' || c == '_';
    if text.is_empty() || text.len() > 40 || !text.chars().all(plain) {
        return Err("a network's name has 1 to 40 of the characters a-z A-Z 0-9 - . _".into());
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use rejoin_store::Mode;

    use super::*;
    use crate::sealing::KeySource;

    #[test]
    fn the_command_line_makes_sense() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn a_node_without_flags_has_sane_settings() {
        let node = up(&["--data", "/tmp/x"]);
        assert_eq!(node.listen.len(), 6);
        assert!(!node.listen_chosen);
        assert_eq!(node.target, rejoin::Config::default().target);
        assert!(node.upnp && !node.relay_server);
        assert_eq!(node.network, "main");
        assert_eq!(node.place.store, "sqlite:/tmp/x/peers.db");
    }

    #[test]
    fn flags_are_taken_over() {
        let node = up(&[
            "--data",
            "d",
            "--store",
            "memory:",
            "--listen",
            "/ip4/127.0.0.1/tcp/0",
            "--bootstrap",
            "1.2.3.4:5",
            "--bootstrap",
            "seed.example:6",
            "--target",
            "3",
            "--relay-server",
            "--no-upnp",
        ]);
        assert!(node.place.folder.path().is_absolute());
        assert_eq!(node.place.store, "memory:");
        assert_eq!(node.listen.len(), 1);
        let bootstrap: Vec<_> = node
            .sources
            .bootstrap
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(bootstrap, ["/ip4/1.2.3.4/tcp/5", "/dns/seed.example/tcp/6"]);
        assert_eq!(node.target, 3);
        assert!(node.relay_server && !node.upnp);
    }

    #[test]
    fn a_seal_takes_a_key_from_somewhere() {
        let wish = |flags: &[&str]| up(&[&["--data", "d"], flags].concat()).place.seal;
        assert_eq!(wish(&[]).key, None);
        assert_eq!(wish(&["--seal", "all"]).key, Some(KeySource::Prompt));
        let from_file = wish(&["--key-file", "k"]);
        assert_eq!(from_file.key, Some(KeySource::File("k".into())));
        assert_eq!(from_file.mode, None, "as it is");
        let all = wish(&["--seal", "all", "--passphrase-fd", "3"]);
        assert_eq!(all.key, Some(KeySource::Descriptor(3)));
        assert_eq!(all.mode, Some(Mode::All));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        refused(&["up", "--target", "0"]);
        refused(&["up", "--network", "a/b"]);
        refused(&["up", "--bootstrap", "nonsense"]);
        refused(&["up", "--listen", "1.2.3.4"]);
        refused(&["status", "--seal", "half"]);
        refused(&["up", "--passphrase", "--passphrase-fd", "3"]);
        refused(&["up", "--passphrase", "--key-file", "k"]);
        refused(&["block", "alice"]);
        refused(&["block", "alice", "--for", "soon"]);
        refused(&["peers", "--sort", "beauty"]);
        refused(&["peers", "--for", "beauty"]);
        refused(&["peers", "--for", "relay", "--sort", "name"]);
    }

    fn up(flags: &[&str]) -> NodeSettings {
        let line = ["rejoin", "up"].iter().chain(flags);
        let CommandLine { command, place, .. } = CommandLine::parse_from(line);
        let Command::Up(args) = command else {
            panic!("another command");
        };
        args.settle(place.settle().unwrap()).unwrap()
    }

    #[track_caller]
    fn refused(arguments: &[&str]) {
        let line = ["rejoin"].iter().chain(arguments);
        assert!(CommandLine::try_parse_from(line).is_err(), "{arguments:?}");
    }
}
