//! Everybody is told of one other and of no server. That suffices to find everybody, soon, and at a
//! cost that does not grow with the network.

use rejoin_sim::swarm::{Story, Swarm, load::Row};

use crate::seeds::{each_seed, secs};

#[test]
fn one_introducer_each_leads_everybody_to_everybody() {
    each_seed(10, |seed| {
        let mut swarm = Swarm::new(seed);
        swarm.plant(60);
        // Whoever was refused, its introducer being late, tries again within half a minute.
        let whole = swarm.run_until(secs(60), |swarm| {
            swarm.honest().count() == 60 && swarm.pieces().len() == 1
        });
        assert!(whole.is_some(), "{:?}", swarm.pieces());
        let took = swarm.honest().map(|id| swarm.effort(id).map(|it| it.took));
        let slowest = took.max_by_key(|took| took.unwrap_or(secs(3_600)));
        assert!(slowest.flatten() < Some(secs(15)), "{slowest:?}");
        swarm.run_for(secs(600));
        assert_eq!(swarm.pieces().len(), 1);
        let hops = swarm.hops(swarm.honest().next().unwrap()).len() - 1;
        assert!(hops <= 6, "{hops}"); // twice the logarithm of 60 to the base of 8
    });
}

#[test]
fn a_circle_whose_introducer_is_late_finds_it_all_the_same() {
    each_seed(10, |seed| {
        let mut swarm = Swarm::new(seed);
        let late = swarm.join(secs(60), None);
        let first = swarm.join(secs(0), Some(late));
        let mut circle = vec![first];
        for nth in 0..60 {
            let introducer = circle[nth / 3];
            circle.push(swarm.join(secs(1), Some(introducer)));
        }
        swarm.run_for(secs(60));
        assert!(circle.iter().all(|id| swarm.company(*id) >= 8), "content");
        let found = swarm.run_until(secs(120), |swarm| swarm.company(late) > 0);
        assert!(found.is_some());
    });
}

#[test]
fn a_nodes_load_does_not_grow_with_the_network() {
    let (small, large) = (settled(100), settled(1_000));
    for (small, large) in small.iter().zip(&large) {
        let kind = small.kind;
        // What a network of a hundred can tell is soon told, so little of it is compared there.
        let (means, slack) = match kind {
            Some(_) => ((small.bytes.mean, large.bytes.mean), 2.0),
            None => ((small.bytes.mean, large.bytes.mean), 1.25),
        };
        let bound = means.0 * slack + 5_000.0;
        assert!(means.1 <= bound, "{kind:?}: {means:?}");
    }
    // With a target of 8 and some 20 on whom others rely; a hundred connections at the very most.
    let all = large.last().unwrap();
    assert!(
        all.messages.p95 <= 600 && all.bytes.p95 <= 400_000,
        "{all:?}"
    );
    assert!(
        all.messages.max <= 3_000 && all.bytes.max <= 2_000_000,
        "{all:?}"
    );
}

/// A node's minutes once everybody has been in for two minutes.
fn settled(nodes: usize) -> Vec<Row> {
    let mut swarm = Swarm::new(1);
    swarm.plant(nodes);
    swarm.run_for(secs(120));
    swarm.take_loads();
    swarm.run_for(secs(240));
    swarm.take_loads()
}

#[test]
fn the_figures_of_a_story_are_about_that_story() {
    let story = Story {
        nodes: 20,
        seed: 1,
        churn: true,
    };
    let figures = story.run(|_| ());
    assert!(figures.joining.one_piece_ms.is_some() && figures.joining.wanted_ms.is_some());
    assert_eq!(figures.joining.isolated, 0);
    assert_eq!(figures.load_settled.len(), 5);
    let churn = figures.churn.as_ref().unwrap();
    assert_eq!((churn.replaced, churn.isolated), (10, 0));
    let short = figures.introducer();
    assert_eq!(short.nodes, 20);
    assert!(short.messages_per_node_min > 10.0 && short.bytes_per_node_min > 1_000.0);
    assert!(figures.table().contains("10 nodes replaced within an hour"));
}
