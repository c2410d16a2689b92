//! The command: `restart`, `tune`, `dead`, `swarm`, `join`, `blackout`, `introducer` and `flood` measure,
//! `trace` shows one run. Nothing is decided here.

use std::{fs, ops::Range, path::PathBuf, process::ExitCode};

use indicatif::{ProgressBar, ProgressStyle};
use lexopt::{Arg, Parser, ValueExt};
use rejoin_sim::{
    Absence, Crowd, Figures, Scene, Setting, SimConfig, plot, report,
    restart::{LIMIT, Table, WANTED},
    swarm::{
        Story,
        blackout::Blackout,
        flood::{self, Attack},
    },
    tune,
};
use serde::Serialize;

const USAGE: &str = "\
Measures how fast a node gets back into a simulated network, how many find each other, and
whether lies can flood a memory.

usage: rejoin-sim restart [--seeds N] [--seed N] [CROWD] [--json] [--plot FILE]
       rejoin-sim tune [--seeds N] [--seed N] [CROWD] [--json]
       rejoin-sim dead [--seeds N] [--json]
       rejoin-sim trace [--seed N] [--away SPAN [CROWD] | --dead SHARE [--churn]] [--cold]
                        [--plot FILE]
       rejoin-sim swarm [--nodes N] [--seed N] [--churn] [--json]
       rejoin-sim join [--nodes N] [--seed N] [--json]
       rejoin-sim blackout [--nodes N] [--seed N] [--json]
       rejoin-sim introducer [--nodes N] [--seed N] --json
       rejoin-sim flood [--seeds N] [--attack WHO] [--json]

  --seeds N      how many restarts per setting, how many floods (1000)
  --attack WHO   peer, prefix, liars, or all at once (all); without --json each is shown
  --json         figures for programs
  --plot FILE    draws them into this SVG file, too
  --nodes N      how many peers there are (1000); in a swarm each of them runs the real engine
  --seed N       which restart to show or to begin with, which swarm to grow (0)
  --away SPAN    after an absence of 1h, 1d, 1w or 1m, as in restart
  --dead SHARE   how many of the remembered peers are dead, from 0 to 1 (0.5)
  --churn        they went as peers go, the long-lived last; of a swarm: half is replaced in an hour
  --cold         without the memory

CROWD is who there is to come back to: [--nodes N] [--nat SHARE] [--hostile SHARE]
  --nat SHARE      of those heard of, how many are behind a router, from 0 to 1 (0.455)
  --hostile SHARE  of those heard of, how many were made up, from 0 to 1 (0.1)
";

fn main() -> ExitCode {
    match run() {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprint!("{error}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// What the command line asks for.
struct Wish {
    seeds: u64,
    attack: Attack,
    json: bool,
    plot: Option<PathBuf>,
    crowd: Crowd,
    seed: u64,
    away: Option<Absence>,
    dead: f64,
    churn: bool,
    cold: bool,
}

impl Wish {
    /// Each restart's.
    fn seeds(&self) -> Range<u64> {
        self.seed..self.seed.saturating_add(self.seeds)
    }
}

fn run() -> Result<String, lexopt::Error> {
    let mut parser = Parser::from_env();
    let mut command = None;
    let mut wish = Wish {
        seeds: 1_000,
        attack: Attack::All,
        json: false,
        plot: None,
        crowd: Crowd::default(),
        seed: 0,
        away: None,
        dead: 0.5,
        churn: false,
        cold: false,
    };
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("seeds") => wish.seeds = parser.value()?.parse()?,
            Arg::Long("attack") => wish.attack = parser.value()?.parse()?,
            Arg::Long("json") => wish.json = true,
            Arg::Long("plot") => wish.plot = Some(parser.value()?.into()),
            Arg::Long("nodes") => wish.crowd.peers = parser.value()?.parse()?,
            Arg::Long("nat") => wish.crowd.nat = share(&mut parser)?,
            Arg::Long("hostile") => wish.crowd.hostile = share(&mut parser)?,
            Arg::Long("seed") => wish.seed = parser.value()?.parse()?,
            Arg::Long("away") => wish.away = Some(parser.value()?.parse()?),
            Arg::Long("dead") => wish.dead = share(&mut parser)?,
            Arg::Long("churn") => wish.churn = true,
            Arg::Long("cold") => wish.cold = true,
            Arg::Long("help") | Arg::Short('h') => return Ok(USAGE.into()),
            Arg::Value(value) if command.is_none() => command = Some(value.string()?),
            _ => return Err(arg.unexpected()),
        }
    }
    match command.as_deref() {
        Some("restart") => restart(&wish),
        Some("tune") => Ok(tune(&wish)),
        Some("dead") => Ok(dead(&wish)),
        Some("trace") => trace(&wish),
        Some("swarm") => Ok(swarm(&wish)),
        Some("join") => Ok(join(&wish)),
        Some("blackout") => Ok(blackout(&wish)),
        Some("introducer") => Ok(introducer(&wish)),
        Some("flood") => Ok(flood(&wish)),
        Some(other) => Err(format!("{other:?} is no command; try --help").into()),
        None => Err("say what to do".into()),
    }
}

/// A number from 0 to 1.
fn share(parser: &mut Parser) -> Result<f64, lexopt::Error> {
    let share = parser.value()?.parse()?;
    match (0.0..=1.0).contains(&share) {
        true => Ok(share),
        false => Err(format!("{share} is no share; give a number from 0 to 1").into()),
    }
}

fn restart(wish: &Wish) -> Result<String, lexopt::Error> {
    let seeds = wish.seeds();
    let bar = bar(wish.seeds * Absence::ALL.len() as u64, "restarts");
    let table = Table::of(seeds, wish.crowd, || bar.inc(1));
    bar.finish_and_clear();
    draw(wish, || plot::restarts(&table))?;
    Ok(match wish.json {
        true => json(&table),
        false => report::by_absence(&table),
    })
}

/// Draws into the file that was named, if any was.
fn draw(wish: &Wish, plot: impl FnOnce() -> Result<String, String>) -> Result<(), String> {
    let Some(path) = &wish.plot else {
        return Ok(());
    };
    let failed = |why: String| format!("cannot draw {}: {why}", path.display());
    let drawn = plot().map_err(failed)?;
    fs::write(path, drawn).map_err(|why| failed(why.to_string()))
}

fn tune(wish: &Wish) -> String {
    let seeds = wish.seeds();
    let bar = bar(tune::values() as u64, "values");
    let rows = tune::rows(&seeds, wish.crowd, || bar.inc(1));
    bar.finish_and_clear();
    match wish.json {
        true => json(&rows),
        false => tune::table(&rows, seeds.count()),
    }
}

/// Shows how far we are, where somebody is watching.
fn bar(steps: u64, of_what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} {msg}, {eta} left");
    ProgressBar::new(steps)
        .with_style(style.expect("a template that is right"))
        .with_message(of_what)
}

fn dead(wish: &Wish) -> String {
    let mut all = Vec::new();
    for setting in Setting::ALL {
        eprintln!("{setting} …");
        all.push(Figures::of(setting, wish.seeds));
    }
    if wish.json {
        return json(&all);
    }
    report::by_dead(&all)
}

fn swarm(wish: &Wish) -> String {
    let figures = story(wish).run();
    if wish.json {
        return json(&figures);
    }
    figures.table()
}

fn join(wish: &Wish) -> String {
    let joining = story(wish).begin();
    match wish.json {
        true => json(&joining),
        false => joining.sentence(wish.crowd.peers),
    }
}

fn blackout(wish: &Wish) -> String {
    let figures = Blackout {
        nodes: wish.crowd.peers,
        seed: wish.seed,
    }
    .run();
    match wish.json {
        true => json(&figures),
        false => figures.table(),
    }
}

fn introducer(wish: &Wish) -> String {
    json(&story(wish).run().introducer())
}

fn flood(wish: &Wish) -> String {
    if wish.json {
        return json(&flood::Figures::of(wish.attack, wish.seeds));
    }
    let attacks = Attack::EVERY.map(|attack| {
        eprintln!("{attack} …");
        flood::Figures::of(attack, wish.seeds)
    });
    flood::table(&attacks)
}

fn story(wish: &Wish) -> Story {
    Story {
        nodes: wish.crowd.peers,
        seed: wish.seed,
        churn: wish.churn,
    }
}

fn json(figures: &impl Serialize) -> String {
    let json = serde_json::to_string_pretty(figures);
    json.expect("figures are plain data") + "\n"
}

fn trace(wish: &Wish) -> Result<String, lexopt::Error> {
    let setting = Setting {
        churn: wish.churn,
        dead: wish.dead,
    };
    let scene = match wish.away {
        Some(absence) => Scene::after(absence, wish.seed, wish.crowd),
        None => Scene::new(wish.seed, &setting.past()),
    };
    let mut sim = if wish.cold {
        scene.cold(SimConfig::default())
    } else {
        scene.sim(SimConfig::default())
    };
    sim.start();
    let took = sim.run_until_or(LIMIT, |sim| sim.connected() >= WANTED);
    draw(wish, || {
        plot::timeline(sim.engine().timeline(), scene.now, sim.now())
    })?;
    let lines: Vec<_> = sim.trace().lines().collect();
    Ok(format!(
        "{}\n\n5 connections after {took:?}\n",
        lines.join("\n")
    ))
}
