//! Whatever happens, in whatever order: the engine never panics, never spins, stays bounded, and
//! its invariants, checked after every input, hold.

mod common;
#[path = "common/ops.rs"]
mod ops;

use common::*;
use ops::{Op, run};
use proptest::prelude::*;
use rejoin_core::{Config, Input, Output, Snapshot};

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => any::<u64>().prop_map(Op::Pass),
        1 => any::<u64>().prop_map(Op::Back),
        2 => any::<u8>().prop_map(Op::Come),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(who, how)| Op::Visit(who, how)),
        5 => any::<usize>().prop_map(Op::Answer),
        5 => (any::<usize>(), any::<u8>()).prop_map(|(dial, how)| Op::Fail(dial, how)),
        1 => any::<usize>().prop_map(Op::NotMade),
        3 => any::<u8>().prop_map(Op::Leave),
        2 => (any::<u8>(), prop::collection::vec(any::<u8>(), 0..200)).prop_map(|(by, who)| Op::Hear(by, who)),
        1 => (any::<u8>(), prop::collection::vec(any::<u16>(), 0..40)).prop_map(|(who, at)| Op::Identify(who, at)),
        2 => (any::<u8>(), any::<u32>()).prop_map(|(who, ms)| Op::Ping(who, ms)),
        3 => (any::<u64>(), any::<u8>(), prop::collection::vec(any::<u8>(), 0..200))
            .prop_map(|(ask, how, who)| Op::Consulted(ask, how, who)),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(who, deed)| Op::Judge(who, deed)),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(who, what)| Op::Command(who, what)),
        3 => any::<bool>().prop_map(Op::Committed),
        1 => any::<u8>().prop_map(Op::Moved),
        1 => Just(Op::Woke),
        2 => (any::<u16>(), any::<bool>()).prop_map(|(at, ok)| Op::Tested(at, ok)),
        2 => (any::<u8>(), any::<bool>()).prop_map(|(who, kept)| Op::Slot(who, kept)),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(who, at)| Op::Rerouted(who, at)),
        1 => any::<u64>().prop_map(Op::Bogus),
        1 => (any::<u8>(), any::<u64>()).prop_map(|(who, when)| Op::Load(who, when)),
        1 => any::<u8>().prop_map(Op::Sign),
        2 => any::<u8>().prop_map(Op::Ask),
        2 => (any::<u8>(), prop::collection::vec(any::<u8>(), 0..70)).prop_map(|(by, who)| Op::Tell(by, who)),
        2 => (any::<u8>(), prop::collection::vec(any::<u8>(), 0..30)).prop_map(|(by, who)| Op::Gossip(by, who)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn invariants_hold_whatever_happens(ops in prop::collection::vec(op(), 1..80)) {
        let config = Config {
            me: Some(key("n3")),
            connections_high: 20,
            connections_low: 16,
            connections_max: 30,
            ..Config::default()
        };
        let mut node = Node::with(config, Snapshot { memory: None, peers: friends(20) });
        node.store_answers = false;
        for op in ops {
            run(&mut node, op);
            for output in node.others.drain(..) {
                prop_assert!(!matches!(output, Output::Dial(_)));
                if let Output::TellPeers { envelopes, .. } = &output {
                    prop_assert!(envelopes.len() <= node.engine.config().exchange.answer_max);
                }
                if let Output::Gossip(rumours) = &output {
                    prop_assert!(rumours.len() <= node.engine.config().exchange.gossip_max);
                }
            }
        }
        for record in node.engine.peers() {
            let mut clean = record.clone();
            prop_assert_eq!(clean.sanitise(node.now), 0, "unbounded or from the future");
        }
        node.store_answers = true;
        node.tell(Input::Shutdown);
        // As many answers as there may be commits we stopped waiting for.
        for _ in 0..80 {
            node.tell(Input::Committed { ok: true });
        }
        prop_assert!(node.engine.is_saved());
        prop_assert_eq!(node.engine.status(node.now).dials, 0);
    }
}
