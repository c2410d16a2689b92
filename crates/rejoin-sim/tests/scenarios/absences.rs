//! A node comes back after an hour, a day, a week and a month to networks whose peers come and go as
//! measured. `cargo run --release -p rejoin-sim -- restart` prints the same over a thousand seeds.

use rejoin_sim::{
    Absence, Crowd,
    restart::{Table, policies},
};

use crate::seeds::affordable;

/// How many times the oracle's median is allowed.
const OVER_ORACLE_MAX: [(Absence, f64); 4] = [
    (Absence::Hour, 1.5),
    (Absence::Day, 2.0),
    (Absence::Week, 3.0),
    (Absence::Month, 5.0),
];

#[test]
fn it_is_back_before_everybody_else_and_near_the_limit_whatever_the_absence() {
    let table = Table::of(0..affordable(60), Crowd::default(), || {});
    let told = rejoin_sim::report::by_absence(&table);
    let p50 = |absence, policy: &str| {
        let row = table.row(absence, policy).expect("a row of that name");
        row.p50_ms.unwrap_or(u64::MAX) as f64
    };
    for (absence, over_oracle_max) in OVER_ORACLE_MAX {
        let rejoin = p50(absence, "rejoin");
        assert!(rejoin <= over_oracle_max * p50(absence, "oracle"), "{told}");
        let others = policies();
        for other in others
            .into_iter()
            .filter(|it| !["rejoin", "oracle"].contains(it))
        {
            assert!(rejoin < p50(absence, other), "{other}:\n{told}");
        }
        if absence >= Absence::Day {
            assert!(rejoin <= 0.8 * p50(absence, "blind"), "{told}");
        }
    }
    let asked = |policy: &str| -> f64 {
        let rows = table.rows.iter().filter(|row| row.policy == policy);
        rows.map(|row| row.bootstrap_dials).sum()
    };
    assert!(asked("rejoin") <= 0.2 * asked("cold"), "{told}");
}
