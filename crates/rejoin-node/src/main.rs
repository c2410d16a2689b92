//! The program `rejoin`: reads the command line and hands over. What a command does is in its own
//! module.

mod answer;
mod api;
mod bundle;
mod checkup;
mod client;
mod commands;
mod connects;
mod daemon;
mod demo;
mod diagnosis;
mod discretion;
mod door;
mod esteem;
mod failure;
mod finding;
mod folder;
mod identity;
mod limits;
mod listing;
mod lookout;
mod mind;
mod naming;
mod network;
mod news;
mod node;
mod note;
mod offline;
mod outfile;
mod ports;
mod print;
mod question;
mod refusal;
mod relaying;
mod sealing;
mod settings;
mod signals;
mod signature;
mod sources;
mod stream;

use std::{io, process::ExitCode};

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::{
    discretion::Discretion,
    print::{BAD, aside},
    settings::CommandLine,
};

fn main() -> ExitCode {
    let line = CommandLine::parse();
    listen_to_log();
    match commands::run(line) {
        Ok(code) => code,
        Err(failure) => {
            aside(&format!("{BAD}rejoin:{BAD:#} {failure}"));
            failure.exit_code()
        }
    }
}

/// `RUST_LOG` says how much; without it, only what needs somebody's attention.
fn listen_to_log() {
    // What libraries warn of is their daily business; what it means for the node, we say ourselves.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| "error,rejoin=warn".into());
    let colours = anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Discretion::of_this_user())
        .with_ansi(colours)
        .init();
}
