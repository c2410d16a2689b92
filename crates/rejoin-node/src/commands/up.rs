//! `rejoin up`: a node that remembers.

use tokio::runtime::Builder;

use crate::{daemon, failure::Failure, news::Printer, settings::NodeSettings};

/// One for the loop, one for handshakes.
const THREADS: usize = 2;

pub fn run(settings: NodeSettings, json: bool) -> Result<(), Failure> {
    let printer = if json { Printer::Json } else { Printer::Lines };
    let runtime = Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .map_err(Failure::system("start threads"))?;
    let result = runtime.block_on(daemon::run(settings, printer));
    runtime.shutdown_background(); // all that matters has been waited for
    result
}
