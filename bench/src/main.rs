//! The same work on Rejoin and on other stores of peers, in one run:
//!
//!     cargo run --release --manifest-path bench/Cargo.toml -- [--json] [--max-n N] [--runs N]
//!         [--only SYSTEM]… [--plot FILE]
//!
//! Each system goes through it in a process of its own for each number of peers, several times; the
//! medians count. Figures of different systems are taken by turns, so that a machine that slows down
//! slows all of them.

mod course;
mod limits;
mod node;
mod peers;
mod plot;
mod systems;
mod table;

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Output, Stdio},
};

use course::{Loaded, Row};
use lexopt::{Arg, Parser, ValueExt};
use limits::Limits;
use serde::{Serialize, de::DeserializeOwned};
use systems::{KINDS, Kind, MOST, Place};

const USAGE: &str = "\
usage: rejoin-bench [--json] [--max-n N] [--runs N] [--only SYSTEM]… [--plot FILE]

  --json          figures for programs
  --max-n N       with no more peers than that (1000000); rejoin-hot is measured with ten million, too
  --runs N        how often each is measured; the medians count (5)
  --only SYSTEM   this one alone, or several
  --plot FILE     draws how they grow with the number of peers into this SVG file, too
";

/// How many peers.
const SIZES: [usize; 5] = [100, 10_000, 100_000, 1_000_000, 10_000_000];

struct Wish {
    json: bool,
    max_n: usize,
    runs: usize,
    only: Vec<String>,
    plot: Option<PathBuf>,
}

#[derive(Serialize)]
struct Figures {
    limits: Limits,
    rows: Vec<Row>,
}

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    if let [task, system, n, folder] = &words[..]
        && (task == COURSE || task == LOAD)
    {
        return one(task, system, n, Path::new(folder));
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
        only: Vec::new(),
        plot: None,
    };
    let mut parser = Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("json") => wish.json = true,
            Arg::Long("max-n") => wish.max_n = parser.value()?.parse()?,
            Arg::Long("runs") => wish.runs = parser.value()?.parse()?,
            Arg::Long("plot") => wish.plot = Some(parser.value()?.into()),
            Arg::Long("only") => wish.only.push(parser.value()?.string()?),
            _ => return Err(arg.unexpected()),
        }
    }
    let known = |name: &String| KINDS.iter().any(|kind| kind.name == *name);
    if let Some(name) = wish.only.iter().find(|name| !known(name)) {
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
        .filter(|kind| wish.only.is_empty() || wish.only.iter().any(|only| only == kind.name))
        .filter(|kind| matches!(kind.place, Place::Here(_)) || node::is_there())
        .collect();
    let mut rows = Vec::new();
    for n in SIZES.into_iter().filter(|n| *n <= wish.max_n) {
        let mut runs = vec![Vec::new(); kinds.len()];
        for run in 1..=wish.runs.max(1) {
            for (kind, rows) in kinds.iter().zip(&mut runs) {
                if n <= kind.most {
                    eprintln!("{n} peers, {}, run {run}", kind.name);
                    rows.push(self::run(kind, n));
                } else if n <= MOST {
                    rows.push(Row::blank(kind.name, n));
                }
            }
        }
        let measured = runs.iter().filter(|runs| !runs.is_empty());
        rows.extend(measured.map(|runs| Row::median(runs)));
    }
    if let Some(path) = &wish.plot {
        let svg = plot::growth(&rows).expect("room for it");
        if let Err(error) = fs::write(path, svg) {
            eprintln!("{} was not drawn: {error}", path.display());
        }
    }
    match wish.json {
        true => {
            let json = serde_json::to_string_pretty(&Figures { limits, rows });
            json.expect("figures are plain data") + "\n"
        }
        false => table::table(&limits, &rows),
    }
}

/// The words by which a process is told what to do with one system.
const COURSE: &str = "course";
const LOAD: &str = "load";

/// One run of one system.
fn run(kind: &Kind, n: usize) -> Row {
    if let Place::Node = kind.place {
        return told(node::course(kind.name, n), kind, n);
    }
    let folder = tempfile::tempdir().expect("a folder to work in");
    let this = env::current_exe().expect("a program knows where it is");
    let ask = |task| {
        let mut process = Command::new(&this);
        process.args([task, kind.name, &n.to_string()]);
        process.arg(folder.path()).stderr(Stdio::inherit()).output()
    };
    let row: Row = told(ask(COURSE), kind, n);
    if row.save_all_ms.is_none() {
        return row;
    }
    let loaded: Option<Loaded> = told(ask(LOAD), kind, n);
    row.and(loaded.as_ref())
}

/// What a process has found out.
fn told<T: DeserializeOwned>(output: io::Result<Output>, kind: &Kind, n: usize) -> T {
    let (output, name) = (output.expect("a process"), kind.name);
    assert!(output.status.success(), "{name} failed with {n} peers");
    serde_json::from_slice(&output.stdout).expect("figures")
}

/// What such a process does.
fn one(task: &str, system: &str, n: &str, folder: &Path) -> ExitCode {
    let kind = KINDS.iter().find(|kind| kind.name == system);
    let Some(Place::Here(open)) = kind.map(|kind| kind.place) else {
        return ExitCode::from(2);
    };
    let n = n.parse().expect("a number");
    let told = match task {
        LOAD => serde_json::to_string(&Loaded::of(open, n, folder)),
        _ => serde_json::to_string(&Row::of(system, open, n, folder)),
    };
    println!("{}", told.expect("plain data"));
    ExitCode::SUCCESS
}
