//! Kills writers in the middle of their work, over and over, and looks whether anything is gone that they
//! had been told is saved. The writers are real processes, and so is SIGKILL; a power cut it is not, for
//! what a killed process has written lives on in the kernel.
//!
//!     cargo run --release -p rejoin-store --example torture -- [--kills N] [--writers N] [--seed N]

mod kills;
mod writer;

use std::{
    env,
    process::{self, ExitCode},
};

use kills::Torture;

const USAGE: &str = "\
usage: torture [--kills N] [--writers N] [--seed N]

  --kills N    how many writers are killed, on each kind of store (1000)
  --writers N  how many write at the same time (3)
  --seed N     by which lot the moments are drawn (1)
";

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    if let [task, url, number] = &words[..]
        && task == writer::TASK
    {
        writer::write_for_ever(url, number.parse().expect("the number of a writer"));
    }
    let torture = parse(&words).unwrap_or_else(|wrong| {
        eprint!("{wrong}\n\n{USAGE}");
        process::exit(2);
    });
    let mut sound = true;
    println!("store    kills  acknowledged  lost  counted twice  would not open  damage found");
    for scheme in ["sqlite", "json"] {
        let found = torture.run(scheme);
        sound &= found.is_sound();
        println!("{found}");
    }
    if sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn parse(words: &[String]) -> Result<Torture, String> {
    let mut torture = Torture {
        kills: 1_000,
        writers: 3,
        seed: 1,
    };
    let mut words = words.iter();
    while let Some(flag) = words.next() {
        let value = words.next().and_then(|value| value.parse().ok());
        let value: u64 = value.ok_or(format!("{flag} takes a number"))?;
        match flag.as_str() {
            "--kills" => torture.kills = value,
            "--writers" => torture.writers = value.max(1),
            "--seed" => torture.seed = value,
            other => return Err(format!("{other:?} is none of the flags")),
        }
    }
    Ok(torture)
}
