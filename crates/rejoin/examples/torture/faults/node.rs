//! The process beneath which things fail: a libp2p node that remembers with Rejoin, pings a partner, and
//! has a store's thread commit what is counted afterwards, as a program would. All of it but the store
//! runs on one thread, so whatever blocked there would stop the network.

use std::{
    io::{Read, Write, stdin, stdout},
    panic,
    process::exit,
    thread,
    time::Duration,
};

use libp2p::{
    Multiaddr, Swarm, SwarmBuilder,
    futures::{
        StreamExt,
        channel::mpsc::{UnboundedSender, unbounded},
    },
    identity::Keypair,
    noise, ping,
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use rejoin_core::Changes;
use rejoin_store::{
    Notice,
    writer::{Report, Writer},
};
use tokio::time::{Instant, sleep};

use crate::{
    increments::{NOW, one_more, one_more_dial},
    process::{ACKNOWLEDGED, PANICKED, REFUSED},
};

/// How a copy of this program is told to be a node. The place of the counted store, that of the node's
/// own memory, its number, its partner's address and its habit follow.
pub const TASK: &str = "node";

/// What it says when the first ping is answered.
pub const PINGED: &str = "pinged";

/// What its last lines begin with: the longest time without a ping, and how long it took to end.
pub const GAP: &str = "longest gap in ms: ";
pub const ENDED: &str = "ended in ms: ";

/// What a node does beside committing over and over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// Nothing.
    Steady,
    /// Closes the store every few commits and opens it anew.
    Reopening,
    /// Remembers peers it never met before with each commit.
    Growing,
}

impl Habit {
    pub fn word(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Reopening => "reopening",
            Self::Growing => "growing",
        }
    }

    fn of(word: &str) -> Self {
        [Self::Steady, Self::Reopening, Self::Growing]
            .into_iter()
            .find(|habit| habit.word() == word)
            .expect("one of the habits")
    }
}

#[derive(NetworkBehaviour)]
struct Node {
    ping: ping::Behaviour,
    memory: rejoin::Behaviour,
}

/// What the threads beside have to say.
enum Heard {
    Opened(Writer),
    NotOpened(String),
    Report(Report),
    /// Nobody needs us any more.
    End,
}

pub fn run(words: &[String]) -> ! {
    let [url, own, number, partner, habit] = words else {
        panic!("a node is given two places, a number, a partner and a habit: {words:?}");
    };
    let number = number.parse().expect("the number of a node");
    let partner: Multiaddr = partner.parse().expect("the partner's address");
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        tell(&format!(
            "{PANICKED}{}",
            info.to_string().replace('\n', " ")
        ));
        usual(info);
    }));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let (heart, ended) = runtime.expect("a runtime").block_on(async {
        let swarm = swarm(own, &partner);
        let keeping = Keeping {
            url: url.clone(),
            number,
            habit: Habit::of(habit),
            turn: 0,
        };
        live(swarm, keeping).await
    });
    tell(&format!("{GAP}{}", heart.as_millis()));
    tell(&format!("{ENDED}{}", ended.as_millis()));
    exit(0);
}

/// Runs until it is told to end. Returns the longest time without a ping, and how long ending took.
async fn live(mut swarm: Swarm<Node>, mut keeping: Keeping) -> (Duration, Duration) {
    let (sender, mut heard) = unbounded(); // one commit at a time, so it never holds many
    let at_end = sender.clone();
    thread::spawn(move || {
        let _ = stdin().read_to_end(&mut Vec::new());
        let _ = at_end.unbounded_send(Heard::End);
    });
    keeping.open(None, sender.clone());
    let mut writer = None;
    let mut last_ping: Option<Instant> = None;
    let mut longest = Duration::ZERO;
    loop {
        tokio::select! {
            event = swarm.select_next_some() => {
                if let SwarmEvent::Behaviour(NodeEvent::Ping(ping::Event { result: Ok(_), .. })) = event {
                    match last_ping {
                        Some(last) => longest = longest.max(last.elapsed()),
                        None => tell(PINGED),
                    }
                    last_ping = Some(Instant::now());
                }
            }
            Some(heard) = heard.next() => match heard {
                Heard::End => break,
                Heard::Opened(opened) => {
                    writer = Some(opened);
                    keeping.commit(&mut writer, &sender);
                }
                Heard::NotOpened(why) => tell(&format!("{REFUSED}{why}")),
                Heard::Report(Report::Committed { result, .. }) => {
                    match result {
                        Ok(()) => {
                            tell(ACKNOWLEDGED);
                            keeping.turn += 1;
                        }
                        Err(error) => {
                            tell(&format!("{REFUSED}{error}"));
                            // A program waits for longer; but the disk is to be asked often here.
                            sleep(AFTER_REFUSAL).await;
                        }
                    }
                    keeping.commit(&mut writer, &sender);
                }
                Heard::Report(Report::Noticed(found)) => notice(&found),
                Heard::Report(_) => {}
            },
        }
    }
    let last = last_ping.map_or(NEVER, |last| last.elapsed());
    let ending = Instant::now();
    drop(swarm); // saves the node's own memory
    drop(writer);
    (longest.max(last), ending.elapsed())
}

/// What is committed, and where.
struct Keeping {
    url: String,
    number: u64,
    habit: Habit,
    /// Commits acknowledged so far.
    turn: u64,
}

impl Keeping {
    /// Opens the store on a thread of its own, for as long as that takes; first lets go of the old one.
    fn open(&self, old: Option<Writer>, to: UnboundedSender<Heard>) {
        let url = self.url.clone();
        thread::spawn(move || {
            drop(old);
            let store = loop {
                match rejoin_store::open(&url, NOW) {
                    Ok(opened) => {
                        opened.notice.iter().for_each(notice);
                        break opened.store;
                    }
                    Err(error) => {
                        let _ = to.unbounded_send(Heard::NotOpened(error.to_string()));
                        crate::clock::pass(AFTER_REFUSAL);
                    }
                }
            };
            let reports = to.clone();
            let writer = Writer::spawn(store, Default::default(), usize::MAX, move |report| {
                let _ = reports.unbounded_send(Heard::Report(report));
            });
            let _ = to.unbounded_send(Heard::Opened(writer.expect("a thread")));
        });
    }

    /// The next commit, or the same once more if it was refused.
    fn commit(&mut self, writer: &mut Option<Writer>, to: &UnboundedSender<Heard>) {
        if self.habit == Habit::Reopening && self.turn % REOPEN_EVERY == REOPEN_EVERY - 1 {
            self.turn += 1;
            self.open(writer.take(), to.clone());
            return;
        }
        let Some(writer) = writer else { return };
        let taken = writer.commit(self.turn, self.changes(), NOW);
        assert!(taken, "the store's thread is dead");
        if self.turn.is_multiple_of(LOAD_EVERY) {
            let _ = writer.load(); // what is read is not looked at; reading is what may go wrong
        }
    }

    fn changes(&self) -> Changes {
        let mut changes = one_more(self.number);
        if self.habit == Habit::Growing {
            let first = (self.turn + 1) * GROWTH;
            changes
                .peers
                .extend((first..first + GROWTH).map(one_more_dial));
        }
        changes
    }
}

fn swarm(own: &str, partner: &Multiaddr) -> Swarm<Node> {
    let key = Keypair::generate_ed25519();
    let node = Node {
        ping: ping::Behaviour::new(ping::Config::new().with_interval(PING_EVERY)),
        memory: rejoin::open(own, &key).expect("a memory of its own"),
    };
    let mut swarm = SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(
            tcp::Config::default(),
            noise::Config::new,
            yamux::Config::default,
        )
        .expect("a transport")
        .with_behaviour(|_| node)
        .expect("a behaviour")
        .with_swarm_config(|config| config.with_idle_connection_timeout(NEVER))
        .build();
    swarm.dial(partner.clone()).expect("a partner");
    swarm
}

/// For who wants to know why a file was set aside.
fn notice(notice: &Notice) {
    if let Notice::Damaged { .. } = notice {
        eprintln!("{notice}");
    }
}

fn tell(line: &str) {
    let mut out = stdout().lock();
    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
        exit(0); // whoever started us is gone, and then so are we
    }
}

const PING_EVERY: Duration = Duration::from_millis(20);

/// Pings do not keep a connection by themselves.
pub const NEVER: Duration = Duration::from_secs(86_400);

const AFTER_REFUSAL: Duration = Duration::from_millis(1);

const REOPEN_EVERY: u64 = 5;

const LOAD_EVERY: u64 = 3;

/// Peers that come with each commit of who grows.
const GROWTH: u64 = 20;
