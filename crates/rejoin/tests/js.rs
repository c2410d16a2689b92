//! A peer of another make: js-libp2p over TCP, noise and yamux. Skipped, and saying so, where Node.js
//! or its packages are missing; `npm ci` in `tests/js` brings them.

mod common;

use std::{collections::BTreeMap, path::Path, process::Stdio};

use common::{DEADLINE, connected, listen, node, state, url};
use libp2p::{
    Multiaddr, PeerId, Swarm, futures::StreamExt, identity::Keypair, multiaddr::Protocol,
};
use rejoin::{Behaviour, Pool, Source};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_js_peer_is_remembered_and_dialled_again() {
    let Some(alice) = JsPeer::start("peer.mjs", &[]).await else {
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
    let alice = JsPeer::start("peer.mjs", &[&port, &secret])
        .await
        .expect("it ran before");
    let mut bob = node(&key, &url);
    assert!(connected(&mut bob, alice.peer()).await, "out of memory");
    alice.stop().await;
}

// Each side's signatures are made by the one library and checked by the other, and so is the CBOR
// around them.
#[tokio::test(flavor = "multi_thread")]
async fn a_js_peer_and_we_believe_what_the_other_signs() {
    let Some(mut alice) = JsPeer::start("pex.mjs", &[]).await else {
        return;
    };
    let key = Keypair::generate_ed25519();
    let mut bob = node(&key, "memory:");
    let began_s = rejoin_libp2p::now().as_millis() / 1_000;
    let home = listen(&mut bob, "/ip4/127.0.0.1/tcp/0").await;
    bob.behaviour_mut()
        .connect(None, [alice.address.clone()])
        .unwrap();

    // What we say of ourselves, in a question of ours and in our answer to hers.
    let said = alice.says(&mut bob, ["asked", "told"]).await;
    let own = &said["asked"];
    let seq = own["seq"].as_u64().unwrap();
    assert!((began_s..began_s + DEADLINE.as_secs()).contains(&seq));
    let (address, me) = rejoin::Address::split(home).unwrap();
    let (peer, addresses) = (me.unwrap().to_string(), [address.to_string()]);
    let expected = json!({ "peer": peer, "seq": seq, "addresses": addresses });
    assert_eq!(*own, expected);
    assert_eq!(said["told"][0], expected);

    // What she says of herself and of Carol, whom we never met.
    for told in alice.tells.as_array().unwrap() {
        let peer: PeerId = told["peer"].as_str().unwrap().parse().unwrap();
        let heard = state(&mut bob, |memory| {
            let record = memory.peer(peer)?;
            record
                .credentials
                .signed_seq
                .is_some()
                .then(|| record.clone())
        });
        let heard = heard.await;
        assert_eq!(heard.credentials.signed_seq, told["seq"].as_u64());
        let known: Vec<_> = heard.addresses.iter().map(|it| &it.address).collect();
        for address in told["addresses"].as_array().unwrap() {
            let address = address.as_str().unwrap().parse().unwrap();
            assert!(known.contains(&&address), "{address} in {known:?}");
        }
        if peer != alice.peer() {
            let source = Source::Pex(alice.peer().into());
            assert_eq!(heard.pool(), Pool::Hearsay);
            assert!(heard.addresses.iter().all(|it| it.source == source));
        }
    }
    assert_eq!(bob.behaviour().peers().count(), 2);
    alice.stop().await;
}

/// A running js-libp2p node.
struct JsPeer {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    address: Multiaddr,
    key: String,
    /// Whom it tells of.
    tells: Value,
}

impl JsPeer {
    async fn start(program: &str, arguments: &[&str]) -> Option<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/js");
        if !folder.join("node_modules/libp2p").exists() {
            eprintln!("skipped: no js-libp2p; run `npm ci` in crates/rejoin/tests/js");
            return None;
        }
        let started = Command::new("node")
            .arg(program)
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
        let mut told: Value = serde_json::from_str(&line).unwrap();
        Some(Self {
            process,
            lines,
            address: told["address"].as_str().unwrap().parse().unwrap(),
            key: told["key"].as_str().unwrap().to_owned(),
            tells: told["tells"].take(),
        })
    }

    /// Drives a node until this one has printed all of that.
    async fn says<const N: usize>(
        &mut self,
        node: &mut Swarm<Behaviour>,
        wanted: [&str; N],
    ) -> BTreeMap<String, Value> {
        let mut said = BTreeMap::new();
        let hearing = async {
            while !wanted.iter().all(|it| said.contains_key(*it)) {
                tokio::select! {
                    _ = node.select_next_some() => {}
                    line = self.lines.next_line() => {
                        let line = line.unwrap().expect("it runs");
                        let more: BTreeMap<_, _> = serde_json::from_str(&line).unwrap();
                        assert!(!more.contains_key("refused"), "{line}");
                        said.extend(more);
                    }
                }
            }
        };
        let heard = tokio::time::timeout(DEADLINE, hearing).await;
        heard.unwrap_or_else(|_| panic!("of {wanted:?} only {said:?}"));
        said
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
