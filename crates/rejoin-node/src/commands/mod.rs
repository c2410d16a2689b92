//! The commands, one per file: the question each asks, and how its answer reads.

mod block;
mod connect;
mod doctor;
mod export;
mod forget;
mod import;
mod peers;
mod pin;
mod prune;
mod publish;
mod rekey;
mod status;
mod up;
mod why;
mod wipe;

use std::process::ExitCode;

use clap::CommandFactory;

use crate::{
    demo,
    failure::Failure,
    print,
    question::Query,
    settings::{Command, CommandLine, PeersCommand},
};

/// Does what the command line says.
///
/// # Errors
/// If it cannot be done.
pub fn run(line: CommandLine) -> Result<ExitCode, Failure> {
    let CommandLine {
        command,
        place,
        json,
    } = line;
    match command {
        Command::Up(args) => up::run(args.settle(place.settle()?)?, json)?,
        Command::Demo(args) => return Ok(demo::run(args)),
        Command::Status => status::run(&place.settle()?, json)?,
        Command::Peers { query, what: None } if query.stream => {
            peers::stream(&place.settle()?, &Query::from(query).filter)?;
        }
        Command::Peers { query, what: None } => peers::run(&place.settle()?, query.into(), json)?,
        Command::Peers {
            what: Some(PeersCommand::Publish(args)),
            ..
        } => publish::run(&place.settle()?, &args, json)?,
        Command::Why { who, what } => why::run(&place.settle()?, who.peer, what.purpose, json)?,
        Command::Connect { target } => connect::run(&place.settle()?, &target, json)?,
        Command::Forget(who) => forget::run(&place.settle()?, who.peer, json)?,
        Command::Pin { who, undo } => pin::run(&place.settle()?, who.peer, undo, json)?,
        Command::Block { who, span, .. } => block::run(&place.settle()?, who.peer, span, json)?,
        Command::Export(args) => export::run(&place.settle()?, &args, json)?,
        Command::Import(args) => import::run(&place.settle()?, &args, json)?,
        Command::Rekey(args) => rekey::run(&place.settle()?, &args.source(), json)?,
        Command::Wipe(args) => wipe::run(&place.settle()?, &args, json)?,
        Command::Prune { dry_run } => prune::run(&place.settle()?, dry_run, json)?,
        Command::Doctor => return doctor::run(&place.settle()?, json),
        Command::Completions { shell } => {
            let mut command = CommandLine::command();
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, "rejoin", &mut script);
            print::result(&String::from_utf8_lossy(&script))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
