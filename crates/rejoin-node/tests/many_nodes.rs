//! Many nodes as a user starts them, each told of one other only, and no bootstrap server: all of them
//! find each other. Optimised it takes fifty, and prints how long they took:
//!
//!     cargo test --release -p rejoin-node --test many_nodes -- --nocapture

mod common;

use std::{path::Path, thread, time::Duration};

use common::{Node, Start, home, run};
use serde_json::Value;

/// Unoptimised, fifty would keep two cores busy for the better part of a minute.
const NODES: usize = if cfg!(debug_assertions) { 25 } else { 50 };

/// Connections everybody is to have.
const ENOUGH: u64 = 5;

/// Of the others everybody is to know so many.
const KNOWN: usize = (NODES - 1) * 9 / 10 + 1;

/// Only a failing test asks so often.
const LOOKS_MAX: usize = 240;

#[test]
fn who_knows_one_other_ends_up_among_all() {
    let home = home();
    let at = |n: usize| home.path().join(format!("n{n}"));
    let mut nodes: Vec<(Node, String)> = Vec::new();
    let mut rng = fastrand::Rng::with_seed(7);
    for n in 0..NODES {
        let (node, address) = Start::at(at(n)).up();
        if !nodes.is_empty() {
            let introducer = rng.usize(..nodes.len());
            let told = run(&at(n), &["connect", &nodes[introducer].1]);
            assert!(told.status.success(), "{told:?}");
        }
        nodes.push((node, address));
    }
    let all_told = rejoin_libp2p::now();
    let mut waiting: Vec<_> = (0..NODES).collect();
    let mut known_at_last = Vec::new();
    for _ in 0..LOOKS_MAX {
        waiting.retain(|n| match arrived(&at(*n)) {
            Some(known) => {
                known_at_last.push(known);
                false
            }
            None => true,
        });
        if waiting.is_empty() {
            break;
        }
        thread::yield_now();
        nodes[0].0.news_within(Duration::from_millis(500));
    }
    assert!(waiting.is_empty(), "{} never arrive", waiting.len());
    println!(
        "{NODES} nodes, each told of one: {ENOUGH} connections and {KNOWN} others known by everybody \
         {:.1} s after the last was told; the loneliest knew {}",
        rejoin_libp2p::now().since(all_told).as_secs_f64(),
        known_at_last.iter().min().unwrap(),
    );
}

/// How many others a node knows, if it has enough connections and knows enough, and is not too busy to
/// say so.
fn arrived(data: &Path) -> Option<u64> {
    let answer = run(data, &["status", "--json"]);
    if !answer.status.success() {
        return None;
    }
    let status: Value = serde_json::from_slice(&answer.stdout).unwrap();
    let number = |name: &str| status[name].as_u64().unwrap();
    let known = number("proven") + number("hearsay");
    (number("connections") >= ENOUGH && known >= KNOWN as u64).then_some(known)
}
