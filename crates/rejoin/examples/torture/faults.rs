//! A node runs, and beneath its memory things go wrong: calls fail, the disk is full, files vanish, a lock
//! is never given back. The network must go on, the end must come when it is asked for, and whatever the
//! node was told is saved must be there afterwards.

mod meddling;
pub mod node;
mod partner;
mod play;
mod scenes;
mod shim;

use std::time::Duration;

use crate::{SCHEMES, options::Options, outcome::Outcome};

use play::{Found, Play};
use scenes::{SCENES, What};
use shim::Shim;

/// The node hears from its partner at least so often, whatever happens to its memory. Less than the five
/// seconds for which a store waits for a lock, so that waiting along would be noticed.
const GAP_MAX: Duration = Duration::from_secs(3);

/// The end takes no longer: a second and a half for the node's last changes, half a second for each of
/// its two stores, and the rest for a busy machine.
const END_MAX: Duration = Duration::from_secs(4);

pub fn run(options: &Options, outcome: &mut Outcome) {
    outcome.say(format_args!(
        "\nfaults beneath a running node; longest gap between pings at most {} ms, end within {} ms",
        GAP_MAX.as_millis(),
        END_MAX.as_millis()
    ));
    let shim = match Shim::build() {
        Ok(shim) => Some(shim),
        Err(why) => {
            outcome.say(format_args!("no system call is made to fail: {why}"));
            None
        }
    };
    outcome.say(
        "store    scene                   faults  acknowledged  refused  lost  twice  set aside  \
         stuck  unopened  gap ms  end ms  panics",
    );
    let partner = partner::start();
    let with_calls = SCENES
        .iter()
        .filter(|scene| scene.calls().is_some())
        .count();
    let each = options.faults.div_ceil((SCHEMES.len() * with_calls) as u64);
    let mut calls_failed = 0;
    for (round, scheme) in SCHEMES.into_iter().enumerate() {
        for (number, scene) in SCENES.iter().enumerate() {
            if scene.calls().is_some() && shim.is_none() {
                continue;
            }
            if scene.what == What::NoRights && !meddling::rights_matter() {
                outcome.say(format_args!(
                    "{scheme:<7}  {:<22}  no rights bind this user",
                    scene.name
                ));
                continue;
            }
            if scene.what == What::LogDeleted && scheme != "sqlite" {
                continue;
            }
            // The last scene brings the sum to what was asked for.
            let missing = (options.faults * (round as u64 + 1) / SCHEMES.len() as u64)
                .saturating_sub(calls_failed);
            let is_last = number + 1 == SCENES.len();
            let found = Play {
                scheme,
                scene,
                quick: options.quick,
                seed: options.seed * 1_000 + (round * SCENES.len() + number) as u64,
                faults: if is_last { missing } else { each },
                in_full: is_last,
                partner: &partner,
                shim: shim.as_ref(),
            }
            .run();
            if scene.calls().is_some() {
                calls_failed += found.faults;
            }
            judge(scheme, scene, &found, outcome);
        }
    }
    if shim.is_some() && calls_failed < options.faults {
        outcome.broken(format_args!(
            "only {calls_failed} calls of {} could be made to fail",
            options.faults
        ));
    }
}

fn judge(scheme: &str, scene: &scenes::Scene, found: &Found, outcome: &mut Outcome) {
    let name = scene.name;
    let gap = found
        .gap
        .map_or("none".into(), |gap| gap.as_millis().to_string());
    let end = found
        .end
        .map_or("never".into(), |end| end.as_millis().to_string());
    outcome.say(format_args!(
        "{scheme:<7}  {name:<22}  {:>6}  {:>12}  {:>7}  {:>4}  {:>5}  {:>9}  {:>5}  {:>8}  {gap:>6}  \
         {end:>6}  {:>6}",
        found.faults,
        found.acknowledged,
        found.refused,
        found.lost,
        found.surplus,
        found.set_aside,
        found.stuck,
        found.unopened,
        found.panics,
    ));
    let stopped = u64::from(found.gap.is_none_or(|gap| gap > GAP_MAX));
    let blocked = u64::from(found.end.is_none_or(|end| end > END_MAX));
    outcome.faults += found.faults;
    outcome.acknowledged_lost += found.lost;
    outcome.unopenable += found.unopened + found.stuck;
    outcome.network_stopped += stopped;
    outcome.shutdown_blocked += blocked;
    outcome.panics += found.panics;
    let at = |what| format!("{scheme}, {name}: {what}");
    outcome.broken_if(found.lost, at("acknowledged and lost"));
    outcome.broken_if(found.surplus, at("counted twice"));
    outcome.broken_if(found.stuck, at("commits nothing though all is well again"));
    outcome.broken_if(found.unopened, at("not opened though all is well again"));
    outcome.broken_if(stopped, at("the network stood still"));
    outcome.broken_if(blocked, at("the end did not come in time"));
    outcome.broken_if(found.panics, at("panics"));
    if scene.calls().is_some() {
        outcome.broken_if(found.set_aside, at("a sound file taken for a damaged one"));
    }
}
