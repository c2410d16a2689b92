//! Nodes as a user starts them: the real binary, a data folder of its own, loopback only.

#![allow(dead_code, reason = "no test file uses all of it")]

pub mod api;

use std::{
    cell::RefCell,
    collections::VecDeque,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

/// Far more than anything here takes; only a failing test waits for so long.
pub const LONG: Duration = Duration::from_secs(60);

/// A folder for the data folders of one test.
pub fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// What is missing here to make network namespaces, if anything.
pub fn lacks_namespaces() -> Option<&'static str> {
    let root = Command::new("id").arg("-u").output();
    if root.is_ok_and(|id| id.stdout != b"0\n") {
        return Some("root");
    }
    let probe = format!("rejoin-{}-probe", std::process::id());
    let made = Command::new("ip").args(["netns", "add", &probe]).output();
    let able = made.is_ok_and(|made| made.status.success());
    let _ = Command::new("ip").args(["netns", "del", &probe]).output();
    (!able).then_some("`ip netns`, from iproute2")
}

/// A running node. Dropping it kills it.
pub struct Node {
    pub data: PathBuf,
    child: Child,
    news: Receiver<Value>,
    /// What happened before it listened and is still to be told.
    early: RefCell<VecDeque<Value>>,
    words: Receiver<String>,
}

/// How to start one.
pub struct Start {
    /// What runs the program, if not the test itself: a program and its first arguments.
    shell: Vec<String>,
    data: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Start {
    /// With this data folder, listening on loopback by TCP.
    pub fn at(data: impl Into<PathBuf>) -> Self {
        Self::listening_on(data, "/ip4/127.0.0.1/tcp/0")
    }

    /// With this data folder, listening there.
    pub fn listening_on(data: impl Into<PathBuf>, address: &str) -> Self {
        let start = Self {
            shell: Vec::new(),
            data: data.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
        };
        start.with("--listen", address)
    }

    pub fn with(mut self, flag: &str, value: &str) -> Self {
        self.arguments.extend([flag.into(), value.into()]);
        self
    }

    pub fn flag(mut self, flag: &str) -> Self {
        self.arguments.push(flag.into());
        self
    }

    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Has it run by another program, such as `ip netns exec …`.
    pub fn through(self, shell: Vec<String>) -> Self {
        Self { shell, ..self }
    }

    pub fn knowing(self, other: &str) -> Self {
        self.with("--bootstrap", other)
    }

    pub fn spawn(self) -> Node {
        let mut child = program_by(&self.shell)
            .args(["up", "--json", "--data"])
            .arg(&self.data)
            .args(&self.arguments)
            .envs(self.environment)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let news = lines(child.stdout.take().unwrap(), |line| {
            serde_json::from_str(&line).unwrap_or(Value::String(line))
        });
        let words = lines(child.stderr.take().unwrap(), |line| line);
        Node {
            data: self.data,
            child,
            news,
            early: RefCell::default(),
            words,
        }
    }

    /// Starts it and waits until it listens; with its address.
    pub fn up(self) -> (Node, String) {
        let node = self.spawn();
        // Whom it knows may be connected before its own system says where it listens.
        let mut early = VecDeque::new();
        let listening = node.wait_until(|event| {
            early.push_back(event.clone());
            event["event"] == "listening"
        });
        early.pop_back();
        node.early.replace(early);
        let address = listening["address"].as_str().unwrap().to_owned();
        (node, address)
    }
}

impl Node {
    /// The next event of this name; others are skipped.
    #[track_caller]
    pub fn wait_for(&self, name: &str) -> Value {
        self.wait_until(|event| event["event"] == name)
    }

    /// The event that says that this peer is connected.
    #[track_caller]
    pub fn wait_for_peer(&self, peer: &str) -> Value {
        self.wait_until(|event| event["event"] == "connected" && event["peer"] == peer)
    }

    #[track_caller]
    pub fn wait_until(&self, mut is_it: impl FnMut(&Value) -> bool) -> Value {
        loop {
            match self.next_news(LONG) {
                Ok(event) if is_it(&event) => return event,
                Ok(_) => {}
                Err(error) => panic!(
                    "it never came ({error}); the node said: {:?}",
                    self.words.try_iter().collect::<Vec<_>>()
                ),
            }
        }
    }

    fn next_news(&self, within: Duration) -> Result<Value, RecvTimeoutError> {
        let early = self.early.borrow_mut().pop_front();
        early.map_or_else(|| self.news.recv_timeout(within), Ok)
    }

    /// All that happens within so long.
    pub fn news_within(&self, span: Duration) -> Vec<Value> {
        let mut news = Vec::new();
        loop {
            match self.next_news(span) {
                Ok(event) => news.push(event),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return news,
            }
        }
    }

    /// Waits until nothing is left to be saved.
    #[track_caller]
    pub fn wait_until_all_saved(&self) {
        for _ in 0..600 {
            let storage = &json(&self.data, &["status"])["storage"];
            if storage["unsaved"] == 0 && !storage["saved"].is_null() {
                return;
            }
            self.news_within(Duration::from_millis(50));
        }
        panic!("it is never all saved");
    }

    /// As a power cut would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([name, &pid]).status().unwrap();
        assert!(status.success());
    }

    /// Asks it to leave, and waits until it has.
    pub fn stop(self) -> ExitStatus {
        self.signal("-TERM");
        self.wait()
    }

    /// Waits until it ends by itself.
    pub fn wait(mut self) -> ExitStatus {
        // Its output ends when it does.
        while self.news.recv_timeout(LONG).is_ok() {}
        self.child.wait().unwrap()
    }

    /// Waits until it ends by itself; what it said on stderr.
    pub fn last_words(mut self) -> (ExitStatus, String) {
        while self.news.recv_timeout(LONG).is_ok() {}
        let mut words = String::new();
        while let Ok(line) = self.words.recv_timeout(LONG) {
            words.push_str(&line);
            words.push('\n');
        }
        (self.child.wait().unwrap(), words)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may be gone already
        let _ = self.child.wait();
    }
}

/// The program, without what the environment of the test says.
pub fn program() -> Command {
    program_by(&[])
}

/// The same, run by another program unless that is empty.
fn program_by(shell: &[String]) -> Command {
    let program = env!("CARGO_BIN_EXE_rejoin");
    let mut command = match shell {
        [] => Command::new(program),
        [first, rest @ ..] => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
    };
    for name in ["REJOIN_DATA", "REJOIN_STORE", "REJOIN_NETWORK", "RUST_LOG"] {
        command.env_remove(name);
    }
    command
}

/// Runs a command on a data folder.
pub fn run(data: &Path, arguments: &[&str]) -> Output {
    run_by(&[], data, arguments)
}

/// The same, by another program unless that is empty.
pub fn run_by(shell: &[String], data: &Path, arguments: &[&str]) -> Output {
    let mut command = program_by(shell);
    command.args(arguments).arg("--data").arg(data);
    command.output().unwrap()
}

/// The JSON a command prints.
#[track_caller]
pub fn json(data: &Path, arguments: &[&str]) -> Value {
    let output = run(data, &[arguments, &["--json"]].concat());
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {words}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The names of the peers in memory, of those only whom it has met.
#[track_caller]
pub fn met(data: &Path) -> Vec<String> {
    let answer = json(data, &["peers", "--sort", "name"]);
    let peers = answer["peers"].as_array().unwrap().iter();
    peers
        .filter(|peer| peer["pool"] == "proven")
        .map(|peer| peer["peer"].as_str().unwrap().to_owned())
        .collect()
}

/// The peer id at the end of an address.
pub fn name_in(address: &str) -> &str {
    address.rsplit_once("/p2p/").unwrap().1
}

fn lines<T: Send + 'static>(
    from: impl std::io::Read + Send + 'static,
    read: impl Fn(String) -> T + Send + 'static,
) -> Receiver<T> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if sender.send(read(line)).is_err() {
                return;
            }
        }
    });
    lines
}

/// Files below a folder in which any of these bytes stand.
pub fn files_with(folder: &Path, needles: &[&[u8]]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, needles));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let has = |needle: &&[u8]| bytes.windows(needle.len()).any(|part| part == *needle);
        if needles.iter().any(has) {
            found.push(path.display().to_string());
        }
    }
    found
}
