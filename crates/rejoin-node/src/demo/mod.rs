//! `rejoin demo`: a network on this machine, of which many die while one node is away, and that
//! node's way back: without its memory and with it. This file tells the story; the others play
//! their parts in it.

mod distance;
mod error;
mod handshake;
mod progress;
mod report;
mod silence;
mod stopwatch;
mod subject;
mod swarm;
mod table;
mod timeline;

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use self::{
    error::DemoError,
    progress::Progress,
    report::{Bare, Report, Round, Setting, times},
    subject::{Account, Subject, Terms},
    swarm::{Others, Whereabouts},
    table::Table,
};
use crate::{
    answer::StatusAnswer,
    print::{BAD, aside},
};

/// What `rejoin demo` may be told.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Nodes in the network, two bootstrap servers aside
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(12..=100))]
    nodes: u16,
    /// Returns without memory, and as many with it
    #[arg(long, default_value_t = 11, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// Round trip to a node in the middle distance, in milliseconds, by default as in the
    /// simulator; 0 for all on one machine
    #[arg(long, value_name = "MS", default_value_t = 80, value_parser = clap::value_parser!(u64).range(..=1_000))]
    rtt: u64,
    /// How many of the nodes die while one is away, from 0 to 0.8
    #[arg(long, value_name = "SHARE", default_value_t = 0.5, value_parser = share(0.8))]
    dead: f64,
    /// How many of the dead accept connections and stay silent, from 0 to 1; the others refuse
    #[arg(long, value_name = "SHARE", default_value_t = 0.5, value_parser = share(1.0))]
    silent: f64,
    /// The same seed gives the same nodes at the same distances, of which the same die
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(from_global)]
    json: bool,
    /// Keep the node's memory and its log, and say where they are
    #[arg(long)]
    keep: bool,
}

/// Reads a share from 0 to some limit.
fn share(most: f64) -> impl Fn(&str) -> Result<f64, String> + Clone {
    move |text| match text.parse::<f64>() {
        Ok(share) if (0.0..=most).contains(&share) => Ok(share),
        _ => Err(format!("give a number from 0 to {most}")),
    }
}

/// Servers that a node without memory asks.
const SERVERS: usize = 2;

/// The demo's own network, so that it never mixes with another.
const NETWORK: &str = "demo";

/// Bare dials of which the median is taken, and bursts of five of them.
const BARE_DIALS: usize = 41;
const BARE_BURSTS: usize = 11;

/// How many peers the node is to meet before it is killed, or three quarters where there are fewer
/// in all; as many of them die as of the others.
const MET_MIN: usize = 24;

/// Connections the node wants; fewer where fewer nodes survive.
const TARGET: usize = 8;

/// So many have to, since five connections are what is timed.
const SURVIVORS_MIN: usize = 6;

impl Args {
    /// How many nodes die.
    fn dying(&self) -> usize {
        (f64::from(self.nodes) * self.dead).floor() as usize
    }

    /// How many do not.
    fn surviving(&self) -> usize {
        usize::from(self.nodes) - self.dying()
    }
}

/// A start that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Shows how a node comes back.
pub fn run(args: Args) -> ExitCode {
    if args.surviving() < SURVIVORS_MIN {
        return failed(&DemoError::TooFew {
            surviving: args.surviving(),
            wanted: SURVIVORS_MIN,
        });
    }
    // What the system does not grant is missed only if it is really needed.
    let _ = rlimit::increase_nofile_limit(sockets_max(args.nodes));
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&DemoError::Runtime(error)),
    };
    let progress = Progress::new();
    let ended = runtime.block_on(async {
        tokio::select! {
            report = play(&args, &progress) => Some(report),
            () = interrupted() => None,
        }
    });
    progress.finish();
    runtime.shutdown_background(); // the network needs no good-bye
    match ended {
        Some(Ok(report)) => match print(&report, args.json) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE, // nobody reads what we print
        },
        Some(Err(error)) => failed(&error),
        None => ExitCode::from(INTERRUPTED),
    }
}

/// Two for every pair of nodes, since Kademlia introduces everybody to everybody, and some beside.
fn sockets_max(nodes: u16) -> u64 {
    let all = u64::from(nodes) + SERVERS as u64;
    all * all + 1_024
}

/// What shells expect of a program ended by Ctrl-C: 128 and the signal's number.
const INTERRUPTED: u8 = 130;

fn failed(error: &DemoError) -> ExitCode {
    aside(&format!("{BAD}rejoin:{BAD:#} {error}"));
    ExitCode::FAILURE
}

fn print(report: &Report, json: bool) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    if json {
        serde_json::to_writer(&mut out, report)?;
        writeln!(out)
    } else {
        write!(out, "\n{}", Table(report))
    }
}

/// The whole story.
async fn play(args: &Args, progress: &Progress) -> Result<Report, DemoError> {
    let home = Home::new(args.keep)?;
    let mut others = gather(args, progress).await?;
    let met = meet(args, &home, &others, progress).await?;
    let setting = many_die(args, &met, &mut others, progress).await?;
    let bare = bare(&others, progress).await?;
    let (cold, warm) = come_back(args, &home, &met.memory, &others, progress).await?;
    if args.keep {
        progress.say(&format!(
            "the memory and the logs are in {}",
            home.path.display()
        ));
    }
    Ok(Report::of(&cold, &warm, bare, setting))
}

/// A network comes together.
async fn gather(args: &Args, progress: &Progress) -> Result<Others, DemoError> {
    let nodes = usize::from(args.nodes);
    progress.begin("starting nodes on 127.0.0.1", nodes);
    let place = Whereabouts {
        network: NETWORK,
        round_trip: Duration::from_millis(args.rtt),
    };
    let mut others = Others::start(SERVERS, nodes, place, args.seed).await?;
    for _ in 0..nodes {
        others.join().await?;
        progress.step();
    }
    progress.begin("letting them get to know each other", 0);
    others.quiet().await;
    progress.done(&format!(
        "{nodes} libp2p nodes and {SERVERS} bootstrap servers are up; each knows {} others or more",
        others.known_by_the_loneliest()
    ));
    Ok(others)
}

/// What is left of the node's first life.
struct Met {
    memory: PathBuf,
    proven: usize,
    hearsay: usize,
}

/// The node under test joins for the first time, meets others, and is killed.
async fn meet(
    args: &Args,
    home: &Home,
    others: &Others,
    progress: &Progress,
) -> Result<Met, DemoError> {
    progress.begin("a new node joins through the bootstrap servers", 0);
    let memory = home.fresh_memory("met")?;
    let mut node = Subject::start(&terms(args, home, &memory, others))?;
    let joined = node.until_connected(5, PATIENCE).await?;
    let enough = MET_MIN.min(others.size() * 3 / 4);
    let StatusAnswer {
        proven, hearsay, ..
    } = node.until_remembered(enough, PATIENCE).await?;
    progress.done(&format!(
        "a new node joined through them, had five connections after {:.0} ms and has met {proven} peers",
        ms(joined.since_up)
    ));
    node.kill();
    progress.done("it was killed (SIGKILL)");
    Ok(Met {
        memory,
        proven,
        hearsay,
    })
}

/// Meanwhile many of the others die.
async fn many_die(
    args: &Args,
    met: &Met,
    others: &mut Others,
    progress: &Progress,
) -> Result<Setting, DemoError> {
    let share = format!("{:.0} %", args.dead * 100.0);
    progress.begin(&format!("{share} of the network dies"), 0);
    others.many_die(args.dying(), args.silent).await?;
    others.quiet().await;
    let (refusing, silent) = others.dead();
    let living = others.living().len();
    progress.done(&format!(
        "{share} of the network is dead: {refusing} refuse, {silent} accept and stay silent"
    ));
    Ok(Setting {
        living,
        refusing,
        silent,
        rtt_ms: args.rtt,
        proven: met.proven,
        hearsay: met.hearsay,
    })
}

/// What connections cost here at best.
async fn bare(others: &Others, progress: &Progress) -> Result<Bare, DemoError> {
    progress.begin("measuring bare handshakes", 0);
    let living = others.living();
    // On threads of its own, as many as a node has.
    let dialling = tokio::task::spawn_blocking(move || {
        let quiet = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(DemoError::Runtime)?;
        quiet.block_on(async {
            let one = handshake::bare_dials(&living, BARE_DIALS).await?;
            let five = handshake::bare_bursts(&living, 5, BARE_BURSTS).await?;
            Ok::<_, DemoError>((one, five))
        })
    });
    let (one, five) = dialling.await.map_err(DemoError::network)??;
    let median =
        |took: &[Duration]| report::median(&took.iter().copied().map(ms).collect::<Vec<_>>());
    let bare = Bare {
        one_ms: median(&one),
        five_ms: median(&five),
    };
    progress.done(&format!(
        "one bare libp2p handshake takes {:.2} ms, five at once take {:.2} ms",
        bare.one_ms, bare.five_ms
    ));
    Ok(bare)
}

/// The node comes back, in turns without memory and with it.
async fn come_back(
    args: &Args,
    home: &Home,
    memory: &Path,
    others: &Others,
    progress: &Progress,
) -> Result<(Vec<Round>, Vec<Round>), DemoError> {
    let rounds = usize::from(args.rounds);
    progress.begin(
        "coming back, in turns without memory and with it",
        rounds * 2,
    );
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        let nothing = home.fresh_memory(&format!("cold-{round}"))?;
        cold.push(one_return(args, home, &nothing, others).await?);
        progress.step();
        let copy = home.copied_memory(memory, &format!("warm-{round}"))?;
        warm.push(one_return(args, home, &copy, others).await?);
        progress.step();
    }
    progress.done(&format!(
        "it came back {0} without memory and {0} with it",
        times(rounds)
    ));
    Ok((cold, warm))
}

async fn one_return(
    args: &Args,
    home: &Home,
    memory: &Path,
    others: &Others,
) -> Result<Round, DemoError> {
    others.quiet().await;
    let mut node = Subject::start(&terms(args, home, memory, others))?;
    let first = node.until_connected(1, PATIENCE).await?;
    let fifth = node.until_connected(5, PATIENCE).await?;
    let Account { status, dials } = node.return_account(PATIENCE).await?;
    node.kill();
    let lives = |peer: &str| peer.parse().is_ok_and(|peer| others.lives(&peer));
    let (living_dialled, living_connected) = timeline::living_hits(&dials, lives);
    let numbers = status.last_return;
    Ok(Round {
        up_ms: ms(first.since_process.saturating_sub(first.since_up)),
        first_ms: ms(first.since_up),
        fifth_ms: ms(fifth.since_up),
        fifth_since_process_ms: ms(fifth.since_process),
        dials: numbers.dials,
        bootstrap_dials: numbers.bootstrap_dials,
        cached_dialled: numbers.cached_dialled,
        cached_connected: numbers.cached_connected,
        living_dialled: living_dialled as u64,
        living_connected: living_connected as u64,
        stagger_ms: timeline::stagger_ms(&dials, 5) as f64,
    })
}

fn terms(args: &Args, home: &Home, memory: &Path, others: &Others) -> Terms {
    Terms {
        data: home.path.join("node"),
        store: memory.join("peers.db"),
        network: NETWORK,
        target: TARGET.min(args.surviving()),
        bootstrap: others.bootstrap(),
        log: memory.join("log"),
    }
}

fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1_000.0
}

async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut asked_to_end) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = asked_to_end.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await; // without it nobody can interrupt us
}

/// Where the node under test lives. Everything is gone afterwards unless it is to be kept.
#[derive(Debug)]
struct Home {
    path: PathBuf,
    _removed_on_drop: Option<tempfile::TempDir>,
}

impl Home {
    fn new(keep: bool) -> Result<Self, DemoError> {
        let folder = tempfile::Builder::new()
            .prefix("rejoin-demo-")
            .tempdir()
            .map_err(DemoError::Disk)?;
        Ok(if keep {
            Self {
                path: folder.keep(),
                _removed_on_drop: None,
            }
        } else {
            Self {
                path: folder.path().into(),
                _removed_on_drop: Some(folder),
            }
        })
    }

    /// A place for a memory, with nothing in it.
    fn fresh_memory(&self, name: &str) -> Result<PathBuf, DemoError> {
        let folder = self.path.join(name);
        fs::create_dir(&folder).map_err(DemoError::Disk)?;
        Ok(folder)
    }

    /// A memory as it was left, so that every round begins with the same.
    fn copied_memory(&self, from: &Path, name: &str) -> Result<PathBuf, DemoError> {
        let folder = self.fresh_memory(name)?;
        for entry in fs::read_dir(from).map_err(DemoError::Disk)? {
            let entry = entry.map_err(DemoError::Disk)?;
            fs::copy(entry.path(), folder.join(entry.file_name())).map_err(DemoError::Disk)?;
        }
        Ok(folder)
    }
}
