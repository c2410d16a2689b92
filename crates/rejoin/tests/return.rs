//! A node that has met others finds them again by what it has saved, and by nothing else.

mod common;

use common::{Running, connected, node, node_with, remember, state, until, url};
use libp2p::{identity::Keypair, swarm::SwarmEvent};
use rejoin::Event;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_comes_back_without_a_bootstrap_server_from_sqlite() {
    comes_back("sqlite").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_comes_back_without_a_bootstrap_server_from_json() {
    comes_back("json").await;
}

/// Whoever drops a swarm loses nothing, even if it never said good-bye.
async fn comes_back(kind: &str) {
    let folder = tempfile::tempdir().unwrap();
    let url = url(kind, folder.path());
    let alice = Running::start().await;
    let key = Keypair::generate_ed25519();

    let mut bob = node(&key, &url);
    bob.behaviour_mut()
        .connect(None, [alice.address.clone()])
        .unwrap();
    let remembered = connected(&mut bob, alice.peer).await;
    assert!(!remembered, "the first time it was told");
    drop(bob);

    let mut bob = node(&key, &url);
    let remembered = connected(&mut bob, alice.peer).await;
    assert!(remembered, "the second time it knew");
    let numbers = bob.behaviour().status().numbers;
    assert_eq!(numbers.cached_connected, 1);
    assert_eq!(numbers.bootstrap_dials, 0);
    assert!(numbers.first_ms.is_some());
}

// Mistake 5: saving only at shutdown, so a crash saves nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_has_saved_what_it_learnt_before() {
    let folder = tempfile::tempdir().unwrap();
    let url = url("sqlite", folder.path());
    let alice = Running::start().await;
    let key = Keypair::generate_ed25519();

    let mut bob = node(&key, &url);
    bob.behaviour_mut()
        .connect(None, [alice.address.clone()])
        .unwrap();
    connected(&mut bob, alice.peer).await;
    state(&mut bob, |memory| {
        let storage = memory.status().storage;
        (storage.saved.is_some() && storage.unsaved == 0).then_some(())
    })
    .await;
    std::mem::forget(bob); // no drop, no shutdown: as good as killed

    let mut bob = node(&key, &url);
    assert!(connected(&mut bob, alice.peer).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bootstrap_server_is_asked_when_nothing_is_remembered() {
    let alice = Running::start().await;
    let mut bob = node(&Keypair::generate_ed25519(), "memory:");
    bob.behaviour_mut()
        .add_bootstrap(alice.address.clone())
        .unwrap();
    connected(&mut bob, alice.peer).await;
    assert_eq!(bob.behaviour().status().numbers.bootstrap_connections, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bootstrap_server_is_remembered_like_anybody() {
    let folder = tempfile::tempdir().unwrap();
    let url = url("sqlite", folder.path());
    let alice = Running::start().await;
    let key = Keypair::generate_ed25519();
    let mut bob = node(&key, &url);
    bob.behaviour_mut()
        .add_bootstrap(alice.address.clone())
        .unwrap();
    connected(&mut bob, alice.peer).await;
    drop(bob);

    let mut bob = node(&key, &url);
    connected(&mut bob, alice.peer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_target_is_reached_out_of_memory() {
    let folder = tempfile::tempdir().unwrap();
    let url = url("sqlite", folder.path());
    let mut others = Vec::new();
    for _ in 0..4 {
        others.push(Running::start().await);
    }
    let past: Vec<_> = others
        .iter()
        .map(|other| (other.peer, vec![other.address.clone()]))
        .collect();
    remember(&url, &past);
    let mut bob = node_with(&Keypair::generate_ed25519(), &url, |config| {
        config.target = 3;
    });
    until(&mut bob, |_, event| {
        matches!(event, SwarmEvent::Behaviour(Event::TargetReached { .. })).then_some(())
    })
    .await;
    assert!(bob.behaviour().status().connections >= 3);
}
