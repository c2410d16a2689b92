//! Does to a memory what disks, systems and people do to it, and looks whether it keeps its promises:
//! writers are killed, system calls fail, files are damaged, sixteen processes share one store. The
//! processes are real, and so are SIGKILL, the files and the libp2p node that must go on; a power cut it
//! is not, for what a killed process has written lives on in the kernel.
//!
//!     cargo run --release -p rejoin --example torture -- --quick
//!
//! What is promised, how it is tried and what came of it: `docs/durability.md`.

mod clock;
mod damage;
mod faults;
mod increments;
mod kills;
mod options;
mod outcome;
mod process;
mod sharing;
mod writer;

use std::{
    env,
    process::{ExitCode, exit},
};

use options::{Options, USAGE};
use outcome::Outcome;

/// The kinds of store that lie on a disk.
const SCHEMES: [&str; 2] = ["json", "sqlite"];

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    // A copy of this program, started with a task.
    match words.split_first() {
        Some((task, rest)) if task == writer::TASK => writer::run(rest),
        Some((task, rest)) if task == faults::node::TASK => faults::node::run(rest),
        Some((task, rest)) if task == process::HOLD => process::hold(rest),
        _ => {}
    }
    let options = Options::parse(&words).unwrap_or_else(|wrong| {
        eprint!("{wrong}\n\n{USAGE}");
        exit(2);
    });
    eprintln!("seed {}", options.seed);
    let mut outcome = Outcome::new(options.json);
    kills::run(&options, &mut outcome);
    faults::run(&options, &mut outcome);
    damage::run(&options, &mut outcome);
    sharing::run(&options, &mut outcome);
    outcome.conclude()
}
