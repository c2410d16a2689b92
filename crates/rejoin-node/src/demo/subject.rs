//! The node under test: `rejoin up` of this very program, as a process of its own. Here it is
//! started, listened to, asked and killed.

use std::{
    env,
    fs::{self, File},
    io::{BufRead, BufReader, ErrorKind, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::Duration,
};

use libp2p::Multiaddr;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::{error::DemoError, stopwatch::Stopwatch};
use crate::{
    answer::{DialAnswer, StatusAnswer, TimelineAnswer},
    client::Client,
    failure::Failure,
    folder::Folder,
    note::Note,
    question::Question,
};

/// How the node is to be started.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Its folder, with its identity.
    pub data: PathBuf,
    /// Its memory.
    pub store: PathBuf,
    /// Its network.
    pub network: &'static str,
    /// Connections it is to want.
    pub target: usize,
    /// Whom it may ask.
    pub bootstrap: Vec<Multiaddr>,
    /// Where all it says is written down.
    pub log: PathBuf,
}

/// The running node. It is killed when this is dropped, whatever the reason.
#[derive(Debug)]
pub struct Subject {
    child: Child,
    news: mpsc::Receiver<(Duration, News)>,
    /// After what time it was up.
    up: Option<Duration>,
    /// When which number of connections was reached, from the first on.
    reached: Vec<Reached>,
    target: usize,
    has_target: bool,
    folder: Folder,
    log: PathBuf,
}

/// When a number of connections was reached, as heard from outside.
#[derive(Clone, Copy, Debug)]
pub struct Reached {
    /// Since the node said that it is up, its memory open.
    pub since_up: Duration,
    /// Since the process was started.
    pub since_process: Duration,
}

/// What the node tells of itself when asked.
#[derive(Clone, Debug)]
pub struct Account {
    /// How things are.
    pub status: StatusAnswer,
    /// Whom it dialled.
    pub dials: Vec<DialAnswer>,
}

/// What the node tells unasked, as far as it matters here.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum News {
    Started,
    Connected {
        connections: usize,
    },
    TargetReached,
    #[serde(other)]
    Other,
}

/// Lines that wait to be looked at; the node says a few hundred.
const NEWS_MAX: usize = 4_096;

/// How often the node is asked for what it does not tell by itself.
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(250);

impl Subject {
    /// Starts the node.
    pub fn start(terms: &Terms) -> Result<Self, DemoError> {
        let mut command = Command::new(env::current_exe().map_err(DemoError::Start)?);
        command
            .args(["up", "--json", "--listen", "/ip4/127.0.0.1/tcp/0"])
            .arg("--data")
            .arg(&terms.data)
            .arg("--store")
            .arg(format!("sqlite:{}", terms.store.display()))
            .args(["--network", terms.network])
            .args(["--target", &terms.target.to_string()])
            .env_remove("RUST_LOG");
        for server in &terms.bootstrap {
            command.arg("--bootstrap").arg(server.to_string());
        }
        let log = File::create(&terms.log).map_err(DemoError::Disk)?;
        let told = log.try_clone().map_err(DemoError::Disk)?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        let watch = Stopwatch::start();
        let mut child = command.spawn().map_err(DemoError::Start)?;
        let (sender, news) = mpsc::channel(NEWS_MAX);
        if let Some(lines) = child.stdout.take() {
            thread::spawn(move || listen(lines, watch, &sender, told));
        }
        Ok(Self {
            child,
            news,
            up: None,
            reached: Vec::new(),
            target: terms.target,
            has_target: false,
            folder: Folder::at(terms.data.clone()),
            log: terms.log.clone(),
        })
    }

    /// Waits until the node has so many connections.
    pub async fn until_connected(
        &mut self,
        wanted: usize,
        patience: Duration,
    ) -> Result<Reached, DemoError> {
        let waiting = async {
            while self.reached.len() < wanted {
                self.hear().await?;
            }
            Ok(self.reached[wanted - 1])
        };
        match tokio::time::timeout(patience, waiting).await {
            Ok(reached) => reached,
            Err(_) => Err(self.too_slow(wanted, patience)),
        }
    }

    /// Waits until the node has met so many peers and has them on disk. Returns how many.
    pub async fn until_remembered(
        &mut self,
        wanted: usize,
        patience: Duration,
    ) -> Result<StatusAnswer, DemoError> {
        let watch = Stopwatch::start();
        loop {
            let status = self.account().await?.status;
            let saved = status.storage.unsaved == 0 && status.storage.saved.is_some();
            if saved && status.proven >= wanted {
                return Ok(status);
            }
            if watch.elapsed() > patience {
                return Err(DemoError::TooSlow {
                    got: status.proven,
                    wanted,
                    what: "peers in its memory",
                    waited: patience,
                });
            }
            tokio::time::sleep(BETWEEN_QUESTIONS).await;
        }
    }

    /// Waits until the node has as many connections as it wants, and asks what that took.
    pub async fn return_account(&mut self, patience: Duration) -> Result<Account, DemoError> {
        let waiting = async {
            while !self.has_target {
                self.hear().await?;
            }
            Ok(())
        };
        match tokio::time::timeout(patience, waiting).await {
            Ok(heard) => heard?,
            Err(_) => return Err(self.too_slow(self.target, patience)),
        }
        self.account().await
    }

    /// Asks the node over its own API.
    async fn account(&self) -> Result<Account, DemoError> {
        let folder = self.folder.clone();
        let asking = tokio::task::spawn_blocking(move || {
            let note = Note::read(&folder)?.ok_or(Failure::NoAnswer("it left no note".into()))?;
            let client = Client::reach(note)?.ok_or(Failure::NoAnswer("nobody is there".into()))?;
            Ok((
                client.ask(&Question::Status)?,
                client.ask(&Question::Timeline)?,
            ))
        });
        let answers: Result<_, Failure> = asking.await.map_err(DemoError::network)?;
        let (status, timeline) = answers.map_err(DemoError::account)?;
        let timeline: TimelineAnswer =
            serde_json::from_value(timeline).map_err(DemoError::account)?;
        Ok(Account {
            status: serde_json::from_value(status).map_err(DemoError::account)?,
            dials: timeline.dials,
        })
    }

    /// As `kill -9` would. Nothing in the node runs any more.
    pub fn kill(self) {}

    async fn hear(&mut self) -> Result<(), DemoError> {
        let Some((since_process, news)) = self.news.recv().await else {
            return Err(DemoError::Ended {
                said: last_words(&self.log),
            });
        };
        match news {
            News::Started => self.up = Some(since_process),
            News::Connected { connections } if connections > self.reached.len() => {
                let up = self.up.unwrap_or_default();
                self.reached.push(Reached {
                    since_up: since_process.saturating_sub(up),
                    since_process,
                });
            }
            News::TargetReached => self.has_target = true,
            News::Connected { .. } | News::Other => {}
        }
        Ok(())
    }

    fn too_slow(&self, wanted: usize, waited: Duration) -> DemoError {
        DemoError::TooSlow {
            got: self.reached.len(),
            wanted,
            what: "connections",
            waited,
        }
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads line by line on a thread that does nothing else, so that what is said is timed when it is
/// said.
fn listen(
    lines: ChildStdout,
    watch: Stopwatch,
    to: &mpsc::Sender<(Duration, News)>,
    mut log: File,
) {
    for line in BufReader::new(lines).lines() {
        let heard = watch.elapsed();
        let Ok(line) = line else {
            return;
        };
        let news = serde_json::from_str(&line).unwrap_or(News::Other);
        if to.blocking_send((heard, news)).is_err() {
            return; // nobody listens any more
        }
        let _ = writeln!(log, "{line}"); // a log is not worth stopping for
    }
}

/// The last lines of a log.
fn last_words(log: &Path) -> String {
    const LINES: usize = 8;
    match fs::read_to_string(log) {
        Ok(said) => {
            let lines: Vec<_> = said.lines().collect();
            lines[lines.len().saturating_sub(LINES)..].join("\n")
        }
        Err(error) if error.kind() == ErrorKind::NotFound => "nothing".into(),
        Err(error) => format!("(its log cannot be read: {error})"),
    }
}
