//! Writers come and are killed; after each kill the store is opened anew and held against what was
//! acknowledged.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use fastrand::Rng;

use crate::{
    SCHEMES, clock,
    increments::{SHARED, Saved},
    options::Options,
    outcome::Outcome,
    process::{self, Process},
    writer,
};

/// What came of it on one kind of store.
#[derive(Debug, Default)]
struct Found {
    kills: u64,
    /// Commits that writers were told are saved.
    acknowledged: u64,
    /// Those of them that are gone.
    lost: u64,
    /// Commits that count twice, or that nobody began.
    surplus: u64,
    unopened: u64,
    damaged: u64,
    panicked: u64,
}

/// A writer with its number.
struct Writer {
    number: u64,
    process: Process,
}

pub fn run(options: &Options, outcome: &mut Outcome) {
    outcome.say("\nwriters killed at random moments");
    outcome.say("store    kills  acknowledged  lost  counted twice  would not open  damage found");
    for scheme in SCHEMES {
        let found = torture(options, scheme);
        let Found {
            kills,
            acknowledged,
            lost,
            surplus,
            unopened,
            damaged,
            panicked,
        } = found;
        outcome.say(format_args!(
            "{scheme:<7}  {kills:>5}  {acknowledged:>12}  {lost:>4}  {surplus:>13}  \
             {unopened:>14}  {damaged:>12}"
        ));
        outcome.sigkills.insert(scheme, kills);
        outcome.acknowledged_lost += lost;
        outcome.unopenable += unopened;
        outcome.panics += panicked;
        outcome.broken_if(lost, format_args!("{scheme}: lost after a kill"));
        outcome.broken_if(
            surplus,
            format_args!("{scheme}: counted twice after a kill"),
        );
        outcome.broken_if(unopened, format_args!("{scheme}: not opened after a kill"));
        outcome.broken_if(damaged, format_args!("{scheme}: damaged by a kill"));
        outcome.broken_if(panicked, format_args!("{scheme}: panics of writers"));
    }
}

fn torture(options: &Options, scheme: &str) -> Found {
    let folder = tempfile::tempdir().expect("a folder to work in");
    let url = format!("{scheme}:{}", folder.path().join("peers").display());
    let mut found = Found::default();
    let mut rng = Rng::with_seed(options.seed);
    let mut ended: BTreeMap<u64, u64> = BTreeMap::new();
    let mut running: VecDeque<Writer> = VecDeque::new();
    for number in 0..options.kills + options.writers - 1 {
        running.push_back(Writer::start(&url, number));
        if running.len() < options.writers as usize {
            continue;
        }
        let at = rng.usize(..running.len());
        let mut writer = running.swap_remove_back(at).expect("one of those running");
        let began = writer.process.commits(1, FIRST_WITHIN);
        assert!(began, "{scheme}: a writer never came to its first commit");
        clock::pass(LIVES_MAX.mul_f64(rng.f64()));
        writer.end(&mut ended, &mut found);
        found.kills += 1;
        found.look(&url, &ended);
        if found.kills.is_multiple_of(100) {
            eprintln!("{scheme}: {} writers killed", found.kills);
        }
    }
    for writer in running {
        writer.end(&mut ended, &mut found);
    }
    found.look(&url, &ended);
    found.look_at_shared(&url, &ended);
    found.acknowledged = ended.values().sum();
    found
}

impl Writer {
    fn start(url: &str, number: u64) -> Self {
        let words = [writer::TASK, url, &number.to_string(), FOR_EVER];
        Self {
            number,
            process: Process::start(&mut process::copy(&words)),
        }
    }

    fn end(mut self, ended: &mut BTreeMap<u64, u64>, found: &mut Found) {
        found.panicked += u64::from(!self.process.runs());
        self.process.kill();
        ended.insert(self.number, self.process.acknowledged);
    }
}

impl Found {
    /// Opens the store as the next start would, and compares. A commit may have been saved without its
    /// writer having lived to be told.
    fn look(&mut self, url: &str, ended: &BTreeMap<u64, u64>) {
        let Some(saved) = self.read(url) else { return };
        for (number, acknowledged) in ended {
            let saved = saved.count(*number);
            self.lost += acknowledged.saturating_sub(saved);
            self.surplus += saved.saturating_sub(acknowledged + 1);
        }
    }

    /// All writers added to one count: each commit of it once, whoever wrote at the same moment.
    fn look_at_shared(&mut self, url: &str, ended: &BTreeMap<u64, u64>) {
        let Some(saved) = self.read(url) else { return };
        let shared = saved.count(SHARED);
        let each: u64 = ended.keys().map(|number| saved.count(*number)).sum();
        self.lost += each.saturating_sub(shared);
        self.surplus += shared.saturating_sub(each);
    }

    fn read(&mut self, url: &str) -> Option<Saved> {
        match Saved::read(url) {
            Ok(saved) => {
                for notice in &saved.notices {
                    eprintln!("{notice}");
                }
                self.damaged += saved.notices.len() as u64 + saved.unreadable;
                Some(saved)
            }
            Err(error) => {
                eprintln!("{error}");
                self.unopened += 1;
                None
            }
        }
    }
}

/// A writer lives at most so long after its first commit: some are killed in the middle of the first
/// few, some after hundreds.
const LIVES_MAX: Duration = Duration::from_millis(60);

/// Far longer than a start takes on a busy machine.
const FIRST_WITHIN: Duration = Duration::from_secs(120);

pub const FOR_EVER: &str = "18446744073709551615";
