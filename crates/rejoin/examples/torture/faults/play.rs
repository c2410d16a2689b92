//! One scene played: the node starts, trouble comes and goes until there was enough of it, the node is
//! told to end, and what it was told is held against what is there.

use std::{fs, path::Path, process::Command, time::Duration};

use libp2p::Multiaddr;

use super::{
    END_MAX,
    meddling::Meddler,
    node::{ENDED, GAP, PINGED, TASK},
    scenes::{Scene, What},
    shim::{Beneath, Kinds, Shim},
};
use crate::{
    clock,
    increments::{SHARED, Saved},
    kills::FOR_EVER,
    process::{self, Process, holder},
    writer,
};

/// What is to be played.
pub(super) struct Play<'a> {
    pub scheme: &'static str,
    pub scene: &'a Scene,
    pub quick: bool,
    pub seed: u64,
    /// So many calls are to fail, if calls are to fail.
    pub faults: u64,
    /// However long that takes.
    pub in_full: bool,
    pub partner: &'a Multiaddr,
    pub shim: Option<&'a Shim>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub faults: u64,
    pub acknowledged: u64,
    pub refused: u64,
    pub lost: u64,
    pub surplus: u64,
    /// Files kept as damaged.
    pub set_aside: u64,
    /// Times nothing was committed although all was well again.
    pub stuck: u64,
    pub unopened: u64,
    pub panics: u64,
    /// The longest time without a ping; `None` if the node could not say.
    pub gap: Option<Duration>,
    /// How long the end took; `None` if it did not come.
    pub end: Option<Duration>,
}

impl Play<'_> {
    pub fn run(self) -> Found {
        let (scheme, name) = (self.scheme, self.scene.name);
        eprintln!("{scheme}: {name}");
        let folder = tempfile::tempdir().expect("a folder to work in");
        let folder = folder.path().canonicalize().expect("our own folder");
        let (inside, aside) = (folder.join("store"), folder.join("aside"));
        fs::create_dir(&inside).expect("room");
        fs::create_dir(&aside).expect("room");
        let path = inside.join("peers");
        let mut found = Found::default();
        let mut command = self.node(&path);
        let beneath = self
            .shim
            .filter(|_| self.scene.calls().is_some())
            .map(|shim| shim.beneath(&mut command, &inside, self.seed));
        let mut node = Process::start(&mut command);
        let began = node.listen_until(START_MAX, |it| {
            it.acknowledged > 0 && it.said.iter().any(|line| line == PINGED)
        });
        assert!(began, "{scheme}: a node did not start: {node:?}");
        let mut neighbour = self.scene.neighbour.then(|| {
            let words = [writer::TASK, &self.url(&path), NEIGHBOUR_WORD, FOR_EVER];
            Process::start(&mut process::copy(&words))
        });
        if let Some(neighbour) = &mut neighbour {
            neighbour.commits(1, START_MAX);
        }
        let held = match (self.scene.what, &beneath) {
            (What::Calls { kinds, per_mille }, Some(beneath)) => {
                self.fail(beneath, (kinds, per_mille), &mut node, &mut found);
                None
            }
            (What::Calls { .. }, None) => None,
            (What::Locked, _) => Some(self.lock(&path, &mut node, &mut found)),
            (What::Limited, _) => {
                let refused = if self.quick { 5 } else { 50 };
                let full = node.listen_until(START_MAX, |it| it.refused >= refused);
                found.stuck += u64::from(!full); // the limit was never felt
                None
            }
            (what, _) => {
                let meddler = Meddler::new(scheme, &path, &aside);
                self.meddle(&meddler, what, &mut node, &mut neighbour, &mut found);
                None
            }
        };
        found.end_of(&mut node);
        if self.scene.what == What::Limited {
            found.faults += node.refused;
        }
        drop(held);
        if let Some(beneath) = beneath {
            beneath.off();
            found.faults += beneath.injected();
        }
        let neighbour = neighbour.map(|mut neighbour| {
            found.panics += u64::from(!neighbour.runs());
            neighbour.kill();
            if neighbour.refused > 0 {
                eprintln!(
                    "{scheme}: {name}: the neighbour was refused {} times, at last: {}",
                    neighbour.refused, neighbour.why
                );
            }
            neighbour.acknowledged
        });
        found.acknowledged = node.acknowledged;
        found.refused = node.refused;
        found.compare(&self.url(&path), node.acknowledged, neighbour);
        found.set_aside = set_aside(&inside);
        if found.lost + found.surplus + found.stuck + found.set_aside > 0 {
            eprintln!("{scheme}: {name}: the last refusal was: {}", node.why);
        }
        let _ = fs::remove_dir_all(folder);
        found
    }

    fn url(&self, path: &Path) -> String {
        format!("{}:{}", self.scheme, path.display())
    }

    fn node(&self, path: &Path) -> Command {
        let own = path.with_file_name("own");
        let partner = self.partner.to_string();
        let (url, own) = (self.url(path), self.url(&own));
        let words = [
            TASK,
            &url,
            &own,
            NODE_WORD,
            &partner,
            self.scene.habit.word(),
        ];
        let plain = process::copy(&words);
        if self.scene.what != What::Limited {
            return plain;
        }
        // A shell can limit what it starts, and without the signal that would end it.
        let blocks = if self.scheme == "json" { 128 } else { 2_048 };
        let mut limited = Command::new("sh");
        limited
            .arg("-c")
            .arg(format!(
                "trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""
            ))
            .arg(plain.get_program())
            .args(plain.get_args());
        limited
    }

    /// Lets calls fail in bursts; between them the store must come to itself. Leaves the faults on.
    fn fail(
        &self,
        beneath: &Beneath,
        (kinds, per_mille): (Kinds, u64),
        node: &mut Process,
        found: &mut Found,
    ) {
        let bursts_wanted = if self.quick { 3 } else { 40 };
        let burst = self.faults.div_ceil(bursts_wanted).max(1);
        let mut bursts = 0;
        while beneath.injected() < self.faults && found.stuck == 0 && node.runs() {
            let until = beneath.injected() + burst;
            beneath.on(kinds, per_mille);
            let came = node.listen_until(BURST_MAX, |_| beneath.injected() >= until);
            beneath.off();
            found.stuck += u64::from(!node.commits(2, RECOVERY_MAX));
            bursts += 1;
            if !came && bursts >= bursts_wanted && !self.in_full {
                break; // the store makes too few calls of this kind
            }
        }
        beneath.on(kinds, per_mille);
    }

    /// Locks the store for longer than anybody waits, twice. The second lock stays.
    fn lock(&self, path: &Path, node: &mut Process, found: &mut Found) -> Process {
        let path = path.display().to_string();
        let mut rounds = if self.quick { 1 } else { 3 };
        loop {
            let holder = holder(self.scheme, &path);
            let before = node.refused;
            node.listen_until(WAIT_MAX, |it| it.refused > before);
            found.faults += 1;
            rounds -= 1;
            if rounds == 0 {
                return holder;
            }
            drop(holder);
            found.stuck += u64::from(!node.commits(1, RECOVERY_MAX));
        }
    }

    fn meddle(
        &self,
        meddler: &Meddler<'_>,
        what: What,
        node: &mut Process,
        neighbour: &mut Option<Process>,
        found: &mut Found,
    ) {
        for _ in 0..if self.quick { 5 } else { 50 } {
            meddler.meddle(what);
            found.faults += 1;
            if what == What::NoRights {
                node.listen_until(BURST_MAX, |_| false);
            }
            meddler.mend(what);
            // The commit on its way may have gone into the old file; the next one sees the new.
            found.stuck += u64::from(!node.commits(2, RECOVERY_MAX));
            if let Some(neighbour) = neighbour {
                found.stuck += u64::from(!neighbour.commits(2, RECOVERY_MAX));
            }
            if found.stuck > 0 {
                break;
            }
        }
    }
}

impl Found {
    /// Tells the node to end, and hears what it says of itself.
    fn end_of(&mut self, node: &mut Process) {
        let told = clock::now();
        let status = node.end(END_MAX + GRACE);
        let took = clock::now() - told;
        match status {
            Some(status) => {
                self.end = Some(took);
                self.panics += u64::from(!status.success() && node.panicked == 0);
            }
            None => node.kill(),
        }
        self.panics += node.panicked;
        let millis = |mark| {
            let line = node.said.iter().find_map(|line| line.strip_prefix(mark));
            line.and_then(|it| it.parse().ok())
                .map(Duration::from_millis)
        };
        self.gap = millis(GAP);
        // Ending is over when the node says so, not when we look.
        if self.end.is_some() {
            self.end = millis(ENDED).or(self.end);
        }
    }

    /// Opens the store as the next start would. A commit may have been saved without its process having
    /// lived to be told.
    fn compare(&mut self, url: &str, node: u64, neighbour: Option<u64>) {
        let saved = match Saved::read(url) {
            Ok(saved) => saved,
            Err(error) => {
                eprintln!("{error}");
                self.unopened += 1;
                return;
            }
        };
        let each = [(NODE, Some(node)), (NEIGHBOUR, neighbour)];
        for (number, acknowledged) in each {
            let Some(acknowledged) = acknowledged else {
                continue;
            };
            let saved = saved.count(number);
            if !(acknowledged..=acknowledged + 1).contains(&saved) {
                eprintln!("process {number} was told of {acknowledged} commits, {saved} are saved");
            }
            self.lost += acknowledged.saturating_sub(saved);
            self.surplus += saved.saturating_sub(acknowledged + 1);
        }
        let (both, shared) = (
            saved.count(NODE) + saved.count(NEIGHBOUR),
            saved.count(SHARED),
        );
        if both != shared {
            eprintln!("{both} commits counted one by one, {shared} together");
        }
        self.lost += both.saturating_sub(shared);
        self.surplus += shared.saturating_sub(both);
    }
}

fn set_aside(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).expect("our own folder");
    let names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
    names
        .filter(|name| name.contains(".damaged") && !name.ends_with("-wal"))
        .count() as u64
}

const NODE: u64 = 1;
const NODE_WORD: &str = "1";
const NEIGHBOUR: u64 = 2;
const NEIGHBOUR_WORD: &str = "2";

/// A burst that does not come to its number by then is over.
const BURST_MAX: Duration = Duration::from_millis(500);

/// Far longer than a start takes on a busy machine.
const START_MAX: Duration = Duration::from_secs(60);

/// Far longer than anybody waits for a lock.
const RECOVERY_MAX: Duration = Duration::from_secs(20);

/// A store waits for five seconds, and then says so.
const WAIT_MAX: Duration = Duration::from_secs(8);

/// How much longer than promised we wait for the end, to know how late it comes.
const GRACE: Duration = Duration::from_secs(6);
