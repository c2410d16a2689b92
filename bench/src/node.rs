//! js-libp2p's peer store, in a Node.js that goes through the course in `js/`.

use std::{
    io::{self, BufWriter, Write},
    path::Path,
    process::{Command, Output, Stdio},
};

use serde::Serialize;
use serde_json::json;

use crate::{
    course::{AGAIN_FOR, AGAIN_MAX, AGAIN_MIN, BATCH, UPDATE_FOR, UPDATES},
    peers::{self, Peer, peer},
};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/js");

/// Fetches what it needs the first time.
pub fn is_there() -> bool {
    let works = |program: &str, args: &[&str]| {
        let mut command = Command::new(program);
        command.args(args).current_dir(FOLDER);
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    let is_there = works("node", &["--version"])
        && works("npm", &["--version"])
        && (Path::new(FOLDER).join("node_modules").exists()
            || works(
                "npm",
                &["ci", "--no-audit", "--no-fund", "--loglevel=error"],
            ));
    if !is_there {
        eprintln!("js-libp2p's peer store needs node and npm: skipped");
    }
    is_there
}

#[derive(Serialize)]
struct Told {
    id: String,
    addresses: [String; 2],
}

impl From<Peer> for Told {
    fn from(peer: Peer) -> Self {
        Self {
            id: peer.id.iter().map(|byte| format!("{byte:02x}")).collect(),
            addresses: peer
                .addresses
                .map(|at| format!("/ip4/{}/tcp/{}", at.ip(), at.port())),
        }
    }
}

/// One process of it, which is told the course, the peers and the dials.
pub fn course(name: &str, n: usize) -> io::Result<Output> {
    let folder = tempfile::tempdir()?;
    let mut node = Command::new("node")
        .args(["--expose-gc", "course.js"])
        .arg(folder.path())
        .current_dir(FOLDER)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let course = json!({
        "system": name,
        "n": n,
        "batch": BATCH,
        "updates": UPDATES,
        "update_for_ms": UPDATE_FOR.as_millis() as u64,
        "again_for_ms": AGAIN_FOR.as_millis() as u64,
        "again_min": AGAIN_MIN,
        "again_max": AGAIN_MAX,
    });
    let mut stdin = BufWriter::new(node.stdin.take().expect("it is piped"));
    writeln!(stdin, "{course}")?;
    let dialled = peers::some(UPDATES, n as u64);
    for peer in (0..n as u64).map(peer).chain(dialled) {
        serde_json::to_writer(&mut stdin, &Told::from(peer))?;
        writeln!(stdin)?;
    }
    drop(stdin);
    node.wait_with_output()
}
