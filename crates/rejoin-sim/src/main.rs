//! The command: `trace` shows one run, all others measure. Nothing is decided here.

use std::{fs, ops::Range, path::PathBuf, process::ExitCode, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use lexopt::{Arg, Parser, ValueExt};
use rejoin_sim::{
    Absence, Crowd, Figures, Scene, Setting, SimConfig, plot, report,
    restart::{LIMIT, Table, WANTED},
    swarm::{
        self, Story,
        blackout::{self, Blackout},
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
       rejoin-sim tune --swarm [--nodes N] [--seeds N] [--seed N] [--json]
       rejoin-sim dead [--seeds N] [--json]
       rejoin-sim trace [--seed N] [--away SPAN [CROWD] | --dead SHARE [--churn]] [--cold]
                        [--plot FILE]
       rejoin-sim swarm [--nodes N] [--seed N] [--churn] [--json]
       rejoin-sim join [--nodes N] [--seed N] [--json]
       rejoin-sim blackout [--nodes N] [--seed N] [--json]
       rejoin-sim introducer [--nodes N] [--seed N] --json
       rejoin-sim flood [--seeds N] [--attack WHO] [--json]

  --seeds N      how many restarts per setting, how many floods (1000), swarms per value (1)
  --attack WHO   peer, prefix, liars, or all at once (all); without --json each is shown
  --json         figures for programs
  --plot FILE    draws them into this SVG file, too
  --nodes N      how many peers there are (1000; to tune a swarm, 200); in a swarm each of them runs
                 the real engine
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
    seeds: Option<u64>,
    nodes: Option<usize>,
    attack: Attack,
    json: bool,
    plot: Option<PathBuf>,
    crowd: Crowd,
    seed: u64,
    away: Option<Absence>,
    dead: f64,
    churn: bool,
    cold: bool,
    swarm: bool,
}

impl Wish {
    /// How many of what costs little to repeat.
    fn many(&self) -> u64 {
        self.seeds.unwrap_or(1_000)
    }

    /// The seeds of so many.
    fn seeds(&self, many: u64) -> Range<u64> {
        self.seed..self.seed.saturating_add(many)
    }

    fn nodes(&self) -> usize {
        self.crowd().peers
    }

    fn crowd(&self) -> Crowd {
        Crowd {
            peers: self.nodes.unwrap_or(self.crowd.peers),
            ..self.crowd
        }
    }
}

fn run() -> Result<String, lexopt::Error> {
    let mut parser = Parser::from_env();
    let mut command = None;
    let mut wish = Wish {
        seeds: None,
        nodes: None,
        attack: Attack::All,
        json: false,
        plot: None,
        crowd: Crowd::default(),
        seed: 0,
        away: None,
        dead: 0.5,
        churn: false,
        cold: false,
        swarm: false,
    };
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("seeds") => wish.seeds = Some(parser.value()?.parse()?),
            Arg::Long("attack") => wish.attack = parser.value()?.parse()?,
            Arg::Long("json") => wish.json = true,
            Arg::Long("plot") => wish.plot = Some(parser.value()?.into()),
            Arg::Long("nodes") => wish.nodes = Some(parser.value()?.parse()?),
            Arg::Long("nat") => wish.crowd.nat = share(&mut parser)?,
            Arg::Long("hostile") => wish.crowd.hostile = share(&mut parser)?,
            Arg::Long("seed") => wish.seed = parser.value()?.parse()?,
            Arg::Long("away") => wish.away = Some(parser.value()?.parse()?),
            Arg::Long("dead") => wish.dead = share(&mut parser)?,
            Arg::Long("churn") => wish.churn = true,
            Arg::Long("cold") => wish.cold = true,
            Arg::Long("swarm") => wish.swarm = true,
            Arg::Long("help") | Arg::Short('h') => return Ok(USAGE.into()),
            Arg::Value(value) if command.is_none() => command = Some(value.string()?),
            _ => return Err(arg.unexpected()),
        }
    }
    match command.as_deref() {
        Some("restart") => restart(&wish),
        Some("tune") if wish.swarm => Ok(tune_swarm(&wish)),
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
    let seeds = wish.seeds(wish.many());
    let bar = bar(wish.many() * Absence::ALL.len() as u64, "restarts");
    let table = Table::of(seeds, wish.crowd(), || bar.inc(1));
    bar.finish_and_clear();
    draw(wish, || plot::restarts(&table))?;
    Ok(shown(wish, &table, report::by_absence))
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
    let seeds = wish.seeds(wish.many());
    let bar = bar(tune::measurements(&tune::KNOBS), "values");
    let rows = tune::rows(&seeds, wish.crowd(), || bar.inc(1));
    bar.finish_and_clear();
    shown(wish, &rows, |rows| tune::table(rows, seeds.count()))
}

fn tune_swarm(wish: &Wish) -> String {
    let seeds = wish.seeds(wish.seeds.unwrap_or(1));
    let nodes = wish.nodes.unwrap_or(200);
    let bar = bar(tune::measurements(swarm::tune::KNOBS), "values");
    let rows = swarm::tune::rows(&seeds, nodes, || bar.inc(1));
    bar.finish_and_clear();
    let many = seeds.count();
    shown(wish, &rows, |rows| swarm::tune::table(rows, many, nodes))
}

/// Shows how far we are, where somebody is watching.
fn bar(steps: u64, of_what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} {msg}, {eta} left");
    ProgressBar::new(steps)
        .with_style(style.expect("a template that is right"))
        .with_message(of_what)
}

/// The same of a clock that is simulated. Ours may stop before that.
fn clock(span: Duration) -> ProgressBar {
    bar(span.as_secs(), "simulated seconds")
}

/// The hand of such a clock.
fn hand(clock: &ProgressBar) -> impl Fn(Duration) {
    move |span| clock.set_position(span.as_secs())
}

fn dead(wish: &Wish) -> String {
    let bar = bar(wish.many() * Setting::ALL.len() as u64, "restarts");
    let all = Setting::ALL.map(|setting| Figures::of(setting, wish.many(), || bar.inc(1)));
    bar.finish_and_clear();
    shown(wish, &all, |all| report::by_dead(all))
}

fn swarm(wish: &Wish) -> String {
    shown(wish, &lived(wish), swarm::Figures::table)
}

/// What a whole story comes to.
fn lived(wish: &Wish) -> swarm::Figures {
    let story = story(wish);
    let clock = clock(story.span(false));
    let figures = story.run(hand(&clock));
    clock.finish_and_clear();
    figures
}

fn join(wish: &Wish) -> String {
    let story = story(wish);
    let clock = clock(story.span(true));
    let joining = story.begin(hand(&clock));
    clock.finish_and_clear();
    shown(wish, &joining, |joining| joining.sentence(wish.nodes()))
}

fn blackout(wish: &Wish) -> String {
    let blackout = Blackout {
        nodes: wish.nodes(),
        seed: wish.seed,
    };
    let clock = clock(Blackout::SPAN);
    let figures = blackout.run(hand(&clock));
    clock.finish_and_clear();
    shown(wish, &figures, blackout::Figures::table)
}

fn introducer(wish: &Wish) -> String {
    json(&lived(wish).introducer())
}

fn flood(wish: &Wish) -> String {
    let attacks = match wish.json {
        true => vec![wish.attack],
        false => Attack::EVERY.to_vec(),
    };
    let bar = bar(wish.many() * attacks.len() as u64, "floods");
    let figures = |attack| flood::Figures::of(attack, wish.many(), || bar.inc(1));
    let all: Vec<_> = attacks.into_iter().map(figures).collect();
    bar.finish_and_clear();
    match wish.json {
        true => json(&all[0]),
        false => flood::table(&all),
    }
}

fn story(wish: &Wish) -> Story {
    Story {
        nodes: wish.nodes(),
        seed: wish.seed,
        churn: wish.churn,
    }
}

/// For programs or for people, as wished.
fn shown<T: Serialize>(wish: &Wish, figures: &T, table: impl FnOnce(&T) -> String) -> String {
    match wish.json {
        true => json(figures),
        false => table(figures),
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
        Some(absence) => Scene::after(absence, wish.seed, wish.crowd()),
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
