//! Asks what the engine wants asked: names in the DNS, rendezvous servers, lists behind URLs, one
//! file per kind. When, and what becomes of the answers, the engine decides.

pub mod list;
pub mod rendezvous;

mod dns;
mod dnsaddr;
mod kept;
mod url;

use std::{sync::Arc, time::Duration};

use libp2p::{Multiaddr, Swarm};
use rejoin::{AskId, Directory, Failure};
use tokio::task::JoinSet;

pub use self::kept::FILE as LISTS;
use self::{dns::Dns, rendezvous::Rendezvous, url::Fetcher};
use crate::{
    network::Network,
    settings::{NodeSettings, SourceSettings},
};

/// What was found: addresses that end in their peer's name, or why there are none.
pub type Found = Result<Vec<Multiaddr>, Failure>;

/// Questions that are being asked. The engine bounds how many there are, and each ends in time.
#[derive(Debug)]
pub struct Questions {
    asking: JoinSet<(AskId, Found)>,
    lists: Arc<Fetcher>,
    dns: Dns,
    /// Servers asked through the swarm.
    pub rendezvous: Rendezvous,
}

impl Questions {
    /// None yet.
    pub fn new(settings: &NodeSettings, sealed: bool) -> Self {
        let NodeSettings {
            sources:
                SourceSettings {
                    signer,
                    directories,
                    ..
                },
            network,
            place,
            ..
        } = settings;
        let mut lists = Fetcher::new(*signer, network.clone(), place.folder.clone());
        if sealed {
            lists = lists.without_traces();
        }
        let mut rendezvous = Rendezvous::new(network);
        for directory in directories {
            if let Directory::Rendezvous { peer, address } = directory
                && let Some(peer) = peer.peer_id()
            {
                rendezvous.add(peer, address.to_multiaddr());
            }
        }
        Self {
            asking: JoinSet::new(),
            lists: Arc::new(lists),
            dns: Dns::of_this_system(),
            rendezvous,
        }
    }

    /// Begins to ask.
    pub fn begin(
        &mut self,
        swarm: &mut Swarm<Network>,
        ask: AskId,
        directory: Directory,
        within: Duration,
    ) {
        match directory {
            Directory::Url(url) => {
                let lists = Arc::clone(&self.lists);
                self.asking
                    .spawn_blocking(move || (ask, lists.fetch(&url, within)));
            }
            Directory::Dnsaddr { name, peer } => {
                let dns = self.dns.clone();
                let peer = peer.and_then(|peer| peer.peer_id());
                self.asking
                    .spawn(async move { (ask, dns.ask(&name, peer, within).await) });
            }
            Directory::Rendezvous { peer, .. } => match peer.peer_id() {
                Some(peer) => self.rendezvous.ask(swarm, ask, peer),
                None => {
                    let nobody = (ask, Err(Failure::Unsupported));
                    self.asking.spawn(std::future::ready(nobody));
                }
            },
        }
    }

    /// The next that is answered; `None` while nothing is asked.
    pub async fn next(&mut self) -> Option<(AskId, Found)> {
        if let Some(answer) = self.rendezvous.next_answer() {
            return Some(answer);
        }
        match self.asking.join_next().await? {
            Ok(answer) => Some(answer),
            Err(error) => {
                // The engine gives it up by itself.
                tracing::error!(%error, "asking a source broke off; please report this");
                None
            }
        }
    }
}
