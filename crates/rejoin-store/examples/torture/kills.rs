//! Writers come and are killed; after each kill the store is opened anew and held against what was
//! acknowledged.

use std::{
    collections::{BTreeMap, VecDeque},
    env, fmt,
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use fastrand::Rng;
use rejoin_core::PeerKey;
use rejoin_store::{Notice, StoreError};

use crate::writer::{self, NOW, SHARED, counted, peer};

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Torture {
    pub kills: u64,
    pub writers: u64,
    pub seed: u64,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Found {
    scheme: String,
    kills: u64,
    /// Commits that writers were told are saved.
    acknowledged: u64,
    /// Those of them that are gone.
    lost: u64,
    /// Commits that count twice, or that nobody began.
    surplus: u64,
    unopened: u64,
    damaged: u64,
}

/// A writer lives at most so long after its first commit: some are killed in the middle of the first
/// few, some after hundreds.
const LIVES_MAX: Duration = Duration::from_millis(60);

struct Writer {
    number: u64,
    child: Child,
    acknowledged: BufReader<ChildStdout>,
    count: u64,
}

impl Torture {
    pub fn run(self, scheme: &str) -> Found {
        let folder = tempfile::tempdir().expect("a folder to work in");
        let url = format!("{scheme}:{}", folder.path().join("peers").display());
        let mut found = Found {
            scheme: scheme.into(),
            ..Found::default()
        };
        let mut rng = Rng::with_seed(self.seed);
        let mut ended: BTreeMap<u64, u64> = BTreeMap::new();
        let mut running: VecDeque<Writer> = VecDeque::new();
        for number in 0..self.kills + self.writers - 1 {
            running.push_back(Writer::start(&url, number));
            if running.len() < self.writers as usize {
                continue;
            }
            let at = rng.usize(..running.len());
            let mut writer = running.swap_remove_back(at).expect("one of those running");
            writer.live_for(LIVES_MAX.mul_f64(rng.f64()));
            ended.insert(writer.number, writer.kill());
            found.kills += 1;
            found.look(&url, &ended);
        }
        for writer in running {
            ended.insert(writer.number, writer.kill());
        }
        found.look(&url, &ended);
        found.look_at_shared(&url, &ended);
        found.acknowledged = ended.values().sum();
        found
    }
}

impl Writer {
    fn start(url: &str, number: u64) -> Self {
        let me = env::current_exe().expect("a program knows where it is");
        let mut child = Command::new(me)
            .args([writer::TASK, url, &number.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("a copy of this program");
        let out = child.stdout.take().expect("it was asked for");
        Self {
            number,
            child,
            acknowledged: BufReader::new(out),
            count: 0,
        }
    }

    /// Waits for its first commit, and then a while.
    fn live_for(&mut self, span: Duration) {
        let mut line = String::new();
        let read = self.acknowledged.read_line(&mut line);
        assert!(
            read.is_ok_and(|bytes| bytes == 1),
            "a writer died by itself"
        );
        self.count = 1;
        let (_held, never) = mpsc::channel::<()>();
        let _ = never.recv_timeout(span);
    }

    /// Kills it. Returns how many commits had been acknowledged by then.
    fn kill(mut self) -> u64 {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
        let mut rest = Vec::new();
        let read = self.acknowledged.read_to_end(&mut rest);
        read.expect("what it said before it died");
        self.count + rest.len() as u64
    }
}

impl Found {
    pub fn is_sound(&self) -> bool {
        self.lost + self.surplus + self.unopened + self.damaged == 0
    }

    /// Opens the store as the next start would, and compares. A commit may have been saved without its
    /// writer having lived to be told.
    fn look(&mut self, url: &str, ended: &BTreeMap<u64, u64>) {
        let Some(saved) = self.read(url) else { return };
        for (number, acknowledged) in ended {
            let saved = saved.get(&peer(*number)).copied().unwrap_or(0);
            self.lost += acknowledged.saturating_sub(saved);
            self.surplus += saved.saturating_sub(acknowledged + 1);
        }
    }

    /// All writers added to one count: each commit of it once, whoever wrote at the same moment.
    fn look_at_shared(&mut self, url: &str, ended: &BTreeMap<u64, u64>) {
        let Some(saved) = self.read(url) else { return };
        let shared = saved.get(&peer(SHARED)).copied().unwrap_or(0);
        let each: u64 = ended
            .keys()
            .filter_map(|number| saved.get(&peer(*number)))
            .sum();
        self.lost += each.saturating_sub(shared);
        self.surplus += shared.saturating_sub(each);
    }

    fn read(&mut self, url: &str) -> Option<BTreeMap<PeerKey, u64>> {
        let opened = loop {
            match rejoin_store::open(url, NOW) {
                Err(StoreError::Busy { .. }) => {}
                Err(error) => {
                    eprintln!("{error}");
                    self.unopened += 1;
                    return None;
                }
                Ok(opened) => break opened,
            }
        };
        let mut store = opened.store;
        let page = writer::patiently(|| store.scan(None, usize::MAX));
        let harmless =
            |notice: &&Notice| matches!(notice, Notice::Created { .. } | Notice::Empty { .. });
        let notices = [opened.notice, store.take_notices()].concat();
        for notice in notices.iter().filter(|notice| !harmless(notice)) {
            eprintln!("{notice}");
            self.damaged += 1;
        }
        self.damaged += store.repairs().unreadable as u64;
        Some(
            page.iter()
                .map(|it| (it.key.clone(), counted(it)))
                .collect(),
        )
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            scheme,
            kills,
            acknowledged,
            lost,
            surplus,
            unopened,
            damaged,
        } = self;
        write!(
            f,
            "{scheme:<7}  {kills:>5}  {acknowledged:>12}  {lost:>4}  {surplus:>13}  {unopened:>14}  \
             {damaged:>12}"
        )
    }
}
