//! Pages in browsers are among the peers, and their browsers stop them when nobody looks.

use rejoin_sim::{HostId, HostState, Sim, SimConfig};

use crate::seeds::{each_seed, scene, secs, settle};

#[test]
fn a_sleeping_page_is_shown_and_another_peer_takes_its_place() {
    each_seed(20, |seed| {
        let mut sim = with_pages(seed);
        for page in PAGES {
            sim.turn(HostId(page), HostState::Hung);
        }
        let took = sim.run_until(|sim| sim.status().asleep == PAGES.len());
        assert!((secs(60)..=secs(77)).contains(&took), "took {took:?}");
        let awake = |sim: &Sim| sim.status().connections - sim.status().asleep;
        let took = sim.run_until(|sim| awake(sim) >= sim.status().target);
        assert!(took < secs(2), "took {took:?}");
    });
}

#[test]
fn a_page_that_wakes_within_five_minutes_counts_again() {
    each_seed(20, |seed| {
        let mut sim = with_pages(seed);
        for page in PAGES {
            sim.turn(HostId(page), HostState::Hung);
            sim.turn_after(secs(270), HostId(page), HostState::Alive);
        }
        sim.run_for(secs(260));
        assert_eq!(sim.status().asleep, PAGES.len());
        sim.run_for(secs(30));
        assert_eq!(sim.status().asleep, 0);
    });
}

#[test]
fn a_page_that_does_not_is_gone_and_never_dialled() {
    each_seed(20, |seed| {
        let mut sim = with_pages(seed);
        for page in PAGES {
            sim.turn(HostId(page), HostState::Hung);
        }
        sim.run_for(secs(302));
        for page in PAGES {
            let key = sim.world().host(HostId(page)).key.clone();
            assert!(!sim.engine().is_connected(&key));
            let dialled = format!("--> {key}");
            assert!(!sim.trace().lines().any(|line| line.contains(&dialled)));
        }
    });
}

const PAGES: std::ops::Range<usize> = 450..455;

/// A node at its target, five of its peers pages that came to it.
fn with_pages(seed: u64) -> Sim {
    let mut scene = scene(seed, 0.0);
    for page in PAGES {
        scene.world.open_page(HostId(page));
    }
    let mut sim = scene.sim(SimConfig::default());
    sim.start();
    for page in PAGES {
        sim.dialled_by(HostId(page));
    }
    settle(&mut sim);
    sim.run_for(secs(5));
    sim
}
