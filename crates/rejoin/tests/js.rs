//! A peer of another make: js-libp2p over TCP, noise and yamux. Skipped, and saying so, where Node.js
//! or its packages are missing; `npm ci` in `tests/js` brings them.

mod common;

use std::{path::Path, process::Stdio};

use common::{DEADLINE, connected, node, state, url};
use libp2p::{Multiaddr, PeerId, identity::Keypair, multiaddr::Protocol};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_js_peer_is_remembered_and_dialled_again() {
    let Some(alice) = JsPeer::start(&[]).await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let url = url("sqlite", folder.path());
    let key = Keypair::generate_ed25519();

    let mut bob = node(&key, &url);
    bob.behaviour_mut()
        .connect(None, [alice.address.clone()])
        .unwrap();
    connected(&mut bob, alice.peer()).await;
    let agent = state(&mut bob, |memory| {
        let known = memory.peer(alice.peer())?;
        known.evidence.latency_ms?; // it answers our pings
        known.role.agent.clone()
    })
    .await;
    assert!(agent.to_string().contains("js-libp2p"), "{agent}");
    drop(bob);

    // The same peer in a new process, at the same port.
    let (port, secret) = (alice.port().to_string(), alice.key.clone());
    alice.stop().await;
    let alice = JsPeer::start(&[&port, &secret])
        .await
        .expect("it ran before");
    let mut bob = node(&key, &url);
    assert!(connected(&mut bob, alice.peer()).await, "out of memory");
    alice.stop().await;
}

/// A running js-libp2p node.
struct JsPeer {
    process: Child,
    address: Multiaddr,
    key: String,
}

impl JsPeer {
    async fn start(arguments: &[&str]) -> Option<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/js");
        if !folder.join("node_modules/libp2p").exists() {
            eprintln!("skipped: no js-libp2p; run `npm ci` in crates/rejoin/tests/js");
            return None;
        }
        let started = Command::new("node")
            .arg("peer.mjs")
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut process = match started {
            Ok(process) => process,
            Err(error) => {
                eprintln!("skipped: no Node.js ({error})");
                return None;
            }
        };
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(DEADLINE, lines.next_line())
            .await
            .expect("it says where it listens")
            .unwrap()
            .expect("it runs");
        let told: serde_json::Value = serde_json::from_str(&line).unwrap();
        Some(Self {
            process,
            address: told["address"].as_str().unwrap().parse().unwrap(),
            key: told["key"].as_str().unwrap().to_owned(),
        })
    }

    fn peer(&self) -> PeerId {
        match self.address.iter().last() {
            Some(Protocol::P2p(peer)) => peer,
            other => panic!("{other:?}"),
        }
    }

    fn port(&self) -> u16 {
        let port = self.address.iter().find_map(|part| match part {
            Protocol::Tcp(port) => Some(port),
            _ => None,
        });
        port.expect("it listens on TCP")
    }

    async fn stop(mut self) {
        drop(self.process.stdin.take());
        let ended = tokio::time::timeout(DEADLINE, self.process.wait()).await;
        assert!(ended.expect("it ends").unwrap().success());
    }
}
