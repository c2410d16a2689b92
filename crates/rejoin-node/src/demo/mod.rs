//! `rejoin demo`: a network on this machine that meets, stops and comes back.

use std::process::ExitCode;

/// What `rejoin demo` may be told.
#[derive(clap::Args, Debug)]
pub struct Args {}

/// Shows the network.
pub fn run(_args: Args) -> ExitCode {
    eprintln!("the demo is not built into this version");
    ExitCode::FAILURE
}
