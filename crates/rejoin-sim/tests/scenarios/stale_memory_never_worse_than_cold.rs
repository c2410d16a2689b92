//! A memory may be useless, but never harmful: at worst a restart takes as long as one without
//! memory, plus the head start bootstrap servers had to wait.

use rejoin_sim::{Restart, Setting};

use crate::seeds::each_seed;

#[test]
fn never_later_than_a_cold_start_plus_the_head_start() {
    for dead in [0.5, 0.9, 0.97, 1.0] {
        for setting in [Setting::by_lot(dead), Setting::churn(dead)] {
            each_seed(25, |seed| {
                let restart = Restart::run(seed, &setting.past());
                assert!(!restart.is_late(), "{setting}: {restart:?}");
            });
        }
    }
}
