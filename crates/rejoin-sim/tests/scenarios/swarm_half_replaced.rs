//! Half of a swarm goes without a word within an hour, and for each somebody comes who knows one of
//! those alive then.

use rejoin_sim::swarm::Story;

use crate::seeds::each_seed;

#[test]
fn nobody_is_isolated_while_half_are_replaced() {
    each_seed(5, |seed| {
        let story = Story {
            nodes: 80,
            seed,
            churn: true,
        };
        let churn = story
            .run(|span| assert!(span <= story.span(false)))
            .churn
            .unwrap();
        assert_eq!(churn.replaced, 40);
        assert_eq!((churn.isolated, churn.apart_max), (0, 0));
        assert!(churn.company_min >= 5, "{}", churn.company_min);
        assert!(churn.few_share < 0.001, "{}", churn.few_share);
        assert!(churn.few_share_grown < 0.0001, "{}", churn.few_share_grown);
        assert!(churn.alone_max_ms < 10_000, "{}", churn.alone_max_ms);
    });
}
