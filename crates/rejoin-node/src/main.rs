//! The program `rejoin`: reads the command line and hands over. What a command does is in its own
//! module.

mod demo;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A peer-to-peer node that remembers.
#[derive(Parser)]
#[command(version)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show a network on this machine that stops and comes back
    Demo(demo::Args),
}

fn main() -> ExitCode {
    match CommandLine::parse().command {
        Command::Demo(args) => demo::run(args),
    }
}
