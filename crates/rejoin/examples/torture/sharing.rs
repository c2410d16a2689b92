//! Sixteen processes add to one memory at the same time, and the sum must be exact. Then somebody dies
//! with the lock in his hand, and the others must go on.

use std::time::Duration;

use crate::{
    SCHEMES, clock,
    increments::{SHARED, Saved},
    kills::FOR_EVER,
    options::Options,
    outcome::Outcome,
    process::{self, Process, holder},
    writer,
};

const PROCESSES: u64 = 16;

pub fn run(options: &Options, outcome: &mut Outcome) {
    let each: u64 = options.full_or_quick(10_000, 50);
    outcome.say(format_args!(
        "\n{PROCESSES} processes share one store, {each} increments each"
    ));
    outcome.say("store    expected   found  took      holders killed  longest wait after");
    for scheme in SCHEMES {
        let folder = tempfile::tempdir().expect("a folder to work in");
        let path = folder.path().join("peers").display().to_string();
        let url = format!("{scheme}:{path}");
        let began = clock::now();
        let found = add_up(scheme, &url, each, outcome);
        let took = clock::now() - began;
        let expected = PROCESSES * each;
        let deaths = options.full_or_quick(100, 5);
        let longest = bereaved(scheme, &path, &url, deaths, outcome);
        outcome.say(format_args!(
            "{scheme:<7}  {expected:>8}  {found:>6}  {:>6.1} s  {deaths:>14}  {:>15} ms",
            took.as_secs_f64(),
            longest.as_millis()
        ));
    }
}

fn add_up(scheme: &'static str, url: &str, each: u64, outcome: &mut Outcome) -> u64 {
    let start = |number: u64| {
        let words = [writer::TASK, url, &number.to_string(), &each.to_string()];
        Process::start(&mut process::copy(&words))
    };
    let mut writers: Vec<_> = (0..PROCESSES).map(start).collect();
    let mut before = 0;
    let mut since = clock::now();
    let mut reported = clock::now();
    loop {
        let running = writers.iter_mut().filter_map(|writer| {
            let goes_on = writer.wait(Duration::ZERO).is_none();
            goes_on.then_some(())
        });
        if running.count() == 0 {
            break;
        }
        let sum: u64 = writers.iter().map(|writer| writer.acknowledged).sum();
        if sum > before {
            (before, since) = (sum, clock::now());
        } else if clock::now() - since > STANDSTILL_MAX {
            outcome.broken(format_args!("{scheme}: a deadlock, nobody can commit"));
            writers.iter_mut().for_each(Process::kill);
            break;
        }
        if clock::now() - reported > REPORT_EVERY {
            reported = clock::now();
            eprintln!("{scheme}: {sum} increments");
        }
        clock::pass(LOOK_EVERY);
    }
    let mut panicked = 0;
    for writer in &mut writers {
        let status = writer.wait(Duration::ZERO);
        panicked += u64::from(!status.is_some_and(|it| it.success()));
    }
    outcome.panics += panicked;
    outcome.broken_if(panicked, format_args!("{scheme}: writers that failed"));
    let acknowledged: u64 = writers.iter().map(|writer| writer.acknowledged).sum();
    let expected = PROCESSES * each;
    let found = match Saved::read(url) {
        Ok(saved) => {
            let own: u64 = (0..PROCESSES).map(|number| saved.count(number)).sum();
            let shared = saved.count(SHARED);
            if own != shared {
                outcome.broken(format_args!(
                    "{scheme}: {own} increments of each for himself, but {shared} together"
                ));
            }
            shared
        }
        Err(error) => {
            outcome.unopenable += 1;
            outcome.broken(format_args!("{scheme}: shared, and not opened: {error}"));
            0
        }
    };
    outcome.increments.insert(scheme, (expected, found));
    outcome.acknowledged_lost += acknowledged.saturating_sub(found);
    if found != expected {
        outcome.broken(format_args!(
            "{scheme}: {expected} increments expected, {found} found"
        ));
    }
    found
}

/// Kills who holds the lock, over and over. Returns the longest that another one needed to commit then.
fn bereaved(
    scheme: &'static str,
    path: &str,
    url: &str,
    deaths: u64,
    outcome: &mut Outcome,
) -> Duration {
    let words = [writer::TASK, url, &PROCESSES.to_string(), FOR_EVER];
    let mut waiting = Process::start(&mut process::copy(&words));
    let mut longest = Duration::ZERO;
    let mut blocked = 0;
    for _ in 0..deaths {
        let mut holder = holder(scheme, path);
        // What it had begun before is done by then, and what it tells comes late at worst.
        waiting.listen_until(SETTLED_WITHIN, |_| false);
        let killed = clock::now();
        holder.kill();
        blocked += u64::from(!waiting.commits(1, BEREAVED_MAX));
        longest = longest.max(clock::now() - killed);
    }
    if !waiting.runs() {
        outcome.panics += 1;
        outcome.broken(format_args!("{scheme}: who waited for a lock has failed"));
    }
    waiting.kill();
    outcome.broken_if(
        blocked,
        format_args!("{scheme}: blocked by one that was killed with the lock"),
    );
    longest
}

const LOOK_EVERY: Duration = Duration::from_millis(20);

const REPORT_EVERY: Duration = Duration::from_secs(30);

/// Nobody waits for a lock for longer than five seconds; twelve times that, and nobody ever will.
const STANDSTILL_MAX: Duration = Duration::from_secs(60);

/// Long enough for a commit on its way to be told.
const SETTLED_WITHIN: Duration = Duration::from_millis(50);

/// The lock goes with the process; what is left is the wait between two looks.
const BEREAVED_MAX: Duration = Duration::from_secs(2);
