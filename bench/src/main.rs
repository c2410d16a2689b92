//! The same work on Rejoin and on other stores of peers, in one run:
//!
//!     cargo run --release --manifest-path bench/Cargo.toml -- [--json] [--max-n N] [--runs N] [--only SYSTEM]
//!
//! Each system goes through it in a process of its own for each number of peers, several times; the
//! medians count. Figures of different systems are taken by turns, so that a machine that slows down
//! slows all of them.

mod course;
mod limits;
mod node;
mod peers;
mod systems;
mod table;

use std::{
    env,
    process::{Command, ExitCode, Stdio},
};

use course::Row;
use lexopt::{Arg, Parser, ValueExt};
use limits::Limits;
use serde::Serialize;
use systems::{KINDS, Kind, Place};

const USAGE: &str = "\
usage: rejoin-bench [--json] [--max-n N] [--runs N] [--only SYSTEM]

  --json          figures for programs
  --max-n N       with no more peers than that (1000000)
  --runs N        how often each is measured; the medians count (5)
  --only SYSTEM   this one alone
";

/// How many peers.
const SIZES: [usize; 4] = [100, 10_000, 100_000, 1_000_000];

struct Wish {
    json: bool,
    max_n: usize,
    runs: usize,
    only: Option<String>,
}

#[derive(Serialize)]
struct Figures {
    limits: Limits,
    rows: Vec<Row>,
}

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    if let [task, system, n] = &words[..]
        && task == ONE
    {
        return one(system, n);
    }
    match wish() {
        Ok(wish) => {
            print!("{}", measure(&wish));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprint!("{error}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn wish() -> Result<Wish, lexopt::Error> {
    let mut wish = Wish {
        json: false,
        max_n: 1_000_000,
        runs: 5,
        only: None,
    };
    let mut parser = Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("json") => wish.json = true,
            Arg::Long("max-n") => wish.max_n = parser.value()?.parse()?,
            Arg::Long("runs") => wish.runs = parser.value()?.parse()?,
            Arg::Long("only") => wish.only = Some(parser.value()?.string()?),
            _ => return Err(arg.unexpected()),
        }
    }
    let known = |name: &String| KINDS.iter().any(|kind| kind.name == *name);
    if let Some(name) = wish.only.as_ref().filter(|name| !known(name)) {
        let names = KINDS.map(|kind| kind.name).join(", ");
        return Err(format!("{name:?} is none of {names}").into());
    }
    Ok(wish)
}

fn measure(wish: &Wish) -> String {
    let folder = tempfile::tempdir().expect("a folder to work in");
    let limits = Limits::of(folder.path());
    let kinds: Vec<_> = KINDS
        .iter()
        .filter(|kind| wish.only.as_ref().is_none_or(|only| only == kind.name))
        .filter(|kind| matches!(kind.place, Place::Here(_)) || node::is_there())
        .collect();
    let mut rows = Vec::new();
    for n in SIZES.into_iter().filter(|n| *n <= wish.max_n) {
        let mut runs = vec![Vec::new(); kinds.len()];
        for run in 1..=wish.runs.max(1) {
            for (kind, rows) in kinds.iter().zip(&mut runs) {
                if n <= kind.most {
                    eprintln!("{n} peers, {}, run {run}", kind.name);
                    rows.push(in_a_process(kind, n));
                } else {
                    rows.push(Row::blank(kind.name, n));
                }
            }
        }
        rows.extend(runs.iter().map(|runs| Row::median(runs)));
    }
    match wish.json {
        true => {
            let json = serde_json::to_string_pretty(&Figures { limits, rows });
            json.expect("figures are plain data") + "\n"
        }
        false => table::table(&limits, &rows),
    }
}

/// The word by which a process is told to measure one system.
const ONE: &str = "one";

fn in_a_process(kind: &Kind, n: usize) -> Row {
    let output = match kind.place {
        Place::Node => node::course(kind.name, n),
        Place::Here(_) => Command::new(env::current_exe().expect("a program knows where it is"))
            .args([ONE, kind.name, &n.to_string()])
            .stderr(Stdio::inherit())
            .output(),
    };
    let output = output.expect("a process");
    let name = kind.name;
    assert!(output.status.success(), "{name} failed with {n} peers");
    serde_json::from_slice(&output.stdout).expect("a row")
}

fn one(system: &str, n: &str) -> ExitCode {
    let kind = KINDS.iter().find(|kind| kind.name == system);
    let Some(Place::Here(open)) = kind.map(|kind| kind.place) else {
        return ExitCode::from(2);
    };
    let n = n.parse().expect("a number");
    let folder = tempfile::tempdir().expect("a folder to work in");
    let row = Row::of(system, open, n, folder.path());
    println!("{}", serde_json::to_string(&row).expect("plain data"));
    ExitCode::SUCCESS
}
