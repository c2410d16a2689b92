//! A running node: one loop that hands events from the swarm to whom they concern, answers
//! questions, and tells what happens. Whom to dial, keep and forget is decided in the engine.
//!
//! Here it starts, turns and leaves. What an event from the swarm means is in `happened`, what is
//! answered in `asked`.

mod asked;
mod happened;
mod searches;

use std::{collections::HashMap, future::poll_fn, process, task::Poll, time::Duration};

use libp2p::{
    Multiaddr, PeerId, Swarm, core::transport::ListenerId, futures::StreamExt, multiaddr::Protocol,
};
use rejoin::{Behaviour, Config, OpenError, Setup, Time};
use rejoin_libp2p::now;
use rejoin_store::{Mode, Notice, Sealing};
use tokio::sync::mpsc;

use self::searches::Searches;
use crate::{
    answer::NodeFacts,
    checkup::Router,
    connects::Connects,
    door::Door,
    esteem,
    failure::Failure,
    identity,
    lookout::{Here, Lookout},
    mind::Mind,
    network::{self, Extras, Network},
    news::{News, Printer, Started},
    ports::Ports,
    print, relaying,
    settings::NodeSettings,
    signals::Signals,
    sources::Questions,
};

/// Questions waiting for the loop; it takes a fraction of a millisecond for each.
const ASKS_MAX: usize = 64;

/// A healthy disk needs a hundredth of it, and two seconds are as long as anybody waits.
const SAVE_WITHIN: Duration = Duration::from_millis(1_500);

/// Runs a node until it is asked to leave.
///
/// # Errors
/// If it cannot start. Trouble with the memory is no reason: then it is kept for this run only.
pub async fn run(settings: NodeSettings, printer: Printer) -> Result<(), Failure> {
    // A name that is none is a slip to be corrected, not trouble to be lived with.
    settings.place.store.parse::<rejoin_store::Place>()?;
    let folder = settings.place.folder.clone();
    let _claim = folder.claim()?;
    let mut signals = Signals::listen().map_err(Failure::system("listen for signals"))?;
    let (asks, mut inbox) = mpsc::channel(ASKS_MAX);
    let (door, open) = Door::open(&folder, asks).await?;
    let mut daemon = Daemon::start(settings, &door, printer)?;
    let mut esteem = tokio::time::interval(esteem::TELL_EVERY);
    loop {
        let deadline = daemon.connects.next_deadline();
        daemon.questions.rendezvous.look(&daemon.swarm, now());
        let registration = daemon.questions.rendezvous.next_deadline();
        tokio::select! {
            event = daemon.swarm.select_next_some() => daemon.on_event(event),
            Some(ask) = inbox.recv() => daemon.asked(ask),
            Some(list) = daemon.searches.next() => daemon.end_list(list),
            here = daemon.lookout.next() => daemon.moved(here),
            Some((ask, found)) = daemon.questions.next() => daemon.memory().consulted(ask, found),
            () = until(deadline) => daemon.connects.give_up(now()),
            () = until(registration) => daemon.keep_registered(),
            _ = esteem.tick() => esteem::tell_of_all(&mut daemon.swarm),
            _ = signals.next() => break,
        }
    }
    signals.cut_short();
    drop(open); // nobody may ask a node that is leaving
    daemon.leave().await;
    Ok(())
}

struct Daemon {
    swarm: Swarm<Network>,
    facts: NodeFacts,
    trouble: Trouble,
    router: Router,
    /// Which listener came of which wish.
    listeners: HashMap<ListenerId, Multiaddr>,
    ports: Ports,
    connects: Connects,
    lookout: Lookout,
    questions: Questions,
    /// More peers are wanted, but nobody is known yet who could be asked.
    searching: bool,
    settings: NodeSettings,
    /// What opens the store.
    sealing: Option<Sealing>,
    searches: Searches,
    printer: Printer,
}

/// What was wrong with the memory, for the doctor to tell.
struct Trouble {
    notices: Vec<Notice>,
    /// Values that made no sense and were put right.
    repaired: usize,
}

impl Daemon {
    fn start(settings: NodeSettings, door: &Door, printer: Printer) -> Result<Self, Failure> {
        let place = &settings.place;
        let keypair = identity::load_or_create(&place.folder)?;
        let me = keypair.public().to_peer_id();
        settings.limits.save(&place.folder)?;
        let setup = || setup(&keypair, &settings);
        let sealing = place.seal.settle(&place.store)?;
        let sealed = sealing.as_ref().is_some_and(|it| it.mode == Mode::All);
        let opened = match &sealing {
            Some(sealing) => rejoin::open_sealed(&place.store, sealing, setup()),
            None => rejoin::open_noticing(&place.store, setup()),
        };
        let (memory, notices, problem) = match opened {
            Ok((memory, notices)) => (memory, notices, None),
            // A memory that is there and only has to be unlocked is not to be gone around.
            Err(OpenError::Store(error)) if error.is_about_the_key() => return Err(error.into()),
            Err(error) => {
                let memory = rejoin::open_with("memory:", setup());
                let memory = memory.map_err(|_| Failure::System {
                    doing: "start a thread",
                    source: std::io::ErrorKind::OutOfMemory.into(),
                })?;
                (memory, Vec::new(), Some(error.to_string()))
            }
        };
        let started = now();
        let facts = NodeFacts {
            running: true,
            version: env!("CARGO_PKG_VERSION").into(),
            instance: Some(door.instance.clone()),
            pid: Some(process::id()),
            peer_id: Some(me.to_string()),
            network: Some(settings.network.clone()),
            started: Some(started.as_millis()),
            listening: Vec::new(),
            store: place.store.clone(),
            store_problem: problem,
        };
        let (lookout, here) = Lookout::begin();
        // Whom nobody outside this machine can reach needs no router.
        let beyond = |it: &Multiaddr| !is_local(it) && relaying::relay_in(it).is_none();
        let beyond = settings.listen.iter().any(beyond);
        let extras = Extras {
            upnp: settings.upnp && beyond,
            relay_server: settings.relay_server,
            ..settings.sources.extras
        };
        let mut daemon = Self {
            swarm: network::swarm(keypair.clone(), &settings.network, memory, extras)?,
            facts,
            trouble: Trouble {
                notices: notices.clone(),
                repaired: 0,
            },
            router: match (extras.upnp, beyond) {
                (true, _) => Router::Asked,
                (false, true) => Router::Forbidden,
                (false, false) => Router::NotAsked,
            },
            listeners: HashMap::new(),
            ports: Ports::load(&place.folder),
            connects: Connects::default(),
            lookout,
            questions: Questions::new(&settings, sealed),
            searching: false,
            settings,
            sealing,
            searches: Searches::default(),
            printer,
        };
        daemon.moved(here);
        daemon.announce(door);
        for notice in notices {
            let text = notice.to_string();
            daemon.tell(News::Notice { text });
        }
        daemon.listen()?;
        for address in daemon.settings.external.clone() {
            daemon.swarm.add_external_address(address);
        }
        let sources = daemon.settings.sources.clone();
        for address in sources.bootstrap {
            if let Err(error) = daemon.memory().add_bootstrap(address) {
                print::aside(&format!("a bootstrap server is left out: {error}"));
            }
        }
        for directory in sources.directories {
            daemon.memory().add_directory(directory);
        }
        Ok(daemon)
    }

    fn announce(&self, door: &Door) {
        let status = self.status();
        let facts = &self.facts;
        let folder = self.settings.place.folder.path().display();
        tracing::info!(
            "the node lives in {folder} and remembers in {}",
            facts.store
        );
        self.tell(News::Started(Box::new(Started {
            version: facts.version.clone(),
            peer_id: facts.peer_id.clone().unwrap_or_default(),
            network: self.settings.network.clone(),
            data: self.settings.place.folder.path().display().to_string(),
            store: facts.store.clone(),
            store_problem: facts.store_problem.clone(),
            api: door.url(),
            proven: status.proven,
            hearsay: status.hearsay,
            target: status.target,
        })));
    }

    fn listen(&mut self) -> Result<(), Failure> {
        let mut refusal = String::from("nothing");
        let mut relayed = false;
        for wanted in self.settings.listen.clone() {
            if let Some((relay, address)) = relaying::relay_in(&wanted) {
                // That it is kept, and asked again, is the engine's business.
                match self.memory().add_relay(relay, address) {
                    Ok(()) => relayed = true,
                    Err(error) => print::aside(&format!("the relay {wanted} is left out: {error}")),
                }
                continue;
            }
            let as_last_time = self.ports.last(&wanted);
            let listener = as_last_time
                .and_then(|address| self.swarm.listen_on(address).ok())
                .map_or_else(|| self.swarm.listen_on(wanted.clone()), Ok);
            match listener {
                Ok(listener) => {
                    self.listeners.insert(listener, wanted);
                }
                Err(error) => {
                    refusal = format!("{wanted}: {error}");
                    if self.settings.listen_chosen {
                        print::aside(&format!("cannot listen on {refusal}"));
                    }
                }
            }
        }
        if self.listeners.is_empty() && !relayed {
            return Err(Failure::NoListener(refusal));
        }
        Ok(())
    }

    fn memory(&mut self) -> &mut Behaviour {
        &mut self.swarm.behaviour_mut().memory
    }

    fn tell(&self, news: News) {
        self.printer.tell(&news, now());
    }

    fn me(&self) -> PeerId {
        *self.swarm.local_peer_id()
    }

    fn keep_registered(&mut self) {
        let rendezvous = &mut self.questions.rendezvous;
        rendezvous.keep_registered(&mut self.swarm, now());
    }

    fn moved(&mut self, here: Here) {
        let memory = self.memory();
        memory.set_networks(here.networks);
        memory.set_place(here.place);
    }

    /// Saves what is unsaved. A disk that does not take it in time keeps nobody from leaving.
    async fn leave(mut self) {
        self.tell(News::Leaving);
        let connections = self.status().connections;
        for listener in self.listeners.keys() {
            self.swarm.remove_listener(*listener);
        }
        self.memory().shutdown();
        let saving = tokio::time::timeout(SAVE_WITHIN, saved(&mut self.swarm));
        let saved = saving.await.unwrap_or(false);
        self.tell(News::Stopped { connections, saved });
        if saved {
            drop(self.swarm);
        } else {
            // Dropping it would wait for the disk all over again. What is not written whole is not
            // written at all, so the end of the process harms nothing.
            std::mem::forget(self.swarm);
        }
    }
}

/// Goes on until everything is saved, or saving fails; says whether it is.
async fn saved(swarm: &mut Swarm<Network>) -> bool {
    poll_fn(|cx| {
        while let Poll::Ready(event) = swarm.poll_next_unpin(cx) {
            drop(event); // nobody is told of it any more
        }
        let memory = &swarm.behaviour().memory;
        let failed = memory.status().storage.failures > 0;
        match memory.is_saved() || failed {
            true => Poll::Ready(!failed),
            false => Poll::Pending,
        }
    })
    .await
}

async fn until(deadline: Option<Time>) {
    match deadline {
        Some(at) => tokio::time::sleep(at.since(now())).await,
        None => std::future::pending().await,
    }
}

fn is_local(address: &Multiaddr) -> bool {
    address.iter().next().is_some_and(|host| match host {
        Protocol::Ip4(ip) => ip.is_loopback(),
        Protocol::Ip6(ip) => ip.is_loopback() || ip.is_unicast_link_local(),
        _ => false,
    })
}

fn setup(keypair: &libp2p::identity::Keypair, settings: &NodeSettings) -> Setup {
    let setup = Setup::new(keypair);
    let target = settings.target;
    let low_water = setup.config.low_water.min(target);
    Setup {
        config: Config {
            target,
            low_water,
            ..settings.limits.put_into(setup.config)
        },
        identify: None, // ours tells the networks apart, and feeds Kademlia
        ..setup
    }
}
