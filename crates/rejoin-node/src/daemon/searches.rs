//! What is answered with the help of the store, where memory has no room for everybody. The store is
//! looked through beside the loop, over a connection of its own.

use std::time::Duration;

use rejoin::{PeerKey, PeerRecord, Sealing, query::Filter};
use rejoin_core::score;
use rejoin_libp2p::now;
use rejoin_store::{PeerStore, StoreError};
use tokio::{sync::mpsc, task::JoinSet};

use super::Daemon;
use crate::{
    answer::{Answer, PeerAnswer, PeerRow, WhyAnswer},
    api::{Lines, Reply},
    listing::{Halfway, Listing},
    mind,
    question::{Query, Question},
    refusal::Refusal,
    settings::Place,
    stream,
};

/// Searches under way.
#[derive(Default)]
pub(super) struct Searches(JoinSet<Option<List>>);

/// A list that only lacks whom we have in memory, and who waits for it.
pub(super) struct List {
    halfway: Halfway,
    reply: Reply,
}

/// How long one search may take: whoever asks waits for twelve seconds.
const SEARCH_MAX: Duration = Duration::from_secs(10);

/// Pages of a stream waiting to be sent, each of half a MiB.
const PAGES_MAX: usize = 2;

/// Searches at a time; each keeps a thread and the disk busy.
const SEARCHES_MAX: usize = 2;

impl Searches {
    /// The next one; pending while none is under way.
    pub(super) async fn next(&mut self) -> Option<List> {
        match self.0.join_next().await {
            Some(list) => list.ok().flatten(),
            None => std::future::pending().await,
        }
    }
}

impl Daemon {
    /// Whether the answer takes a look at those who are in the store alone.
    pub(super) fn looks_in_store(&self, question: &Question) -> bool {
        match question {
            Question::Peers(query) => query.page.purpose.is_none(),
            Question::Peer(name) | Question::Why { peer: name, .. } => {
                mind::find(self, name).is_err() && mind::in_store(self, name).is_some()
            }
            _ => false,
        }
    }

    pub(super) fn look_in_store(&mut self, question: &Question, reply: Reply) {
        match question {
            Question::Peers(query) => self.begin_list(query, reply),
            Question::Peer(name) => {
                self.look_up(name, reply, |record, row| {
                    Answer::Peer(Box::new(PeerAnswer::new(record, row)))
                });
            }
            Question::Why { peer, .. } => {
                self.look_up(peer, reply, |record, row| {
                    let explanation = score::explain(record, now());
                    Answer::Why(Box::new(WhyAnswer::new(row, None, explanation)))
                });
            }
            _ => {}
        }
    }

    fn begin_list(&mut self, query: &Query, reply: Reply) {
        if self.searches.0.len() >= SEARCHES_MAX {
            let _ = reply.send(Err(Refusal::Busy)); // whoever asked may be gone
            return;
        }
        let listing = match Listing::begin(self, query, now()) {
            Ok(listing) => listing.beside(self),
            Err(refusal) => {
                let _ = reply.send(Err(refusal));
                return;
            }
        };
        let (place, sealing) = (self.settings.place.clone(), self.sealing.clone());
        let until = now() + SEARCH_MAX;
        self.searches.0.spawn_blocking(move || {
            let time = || !reply.is_closed() && now() < until;
            let gone_through = open(&place, sealing.as_ref())
                .map_err(Refusal::from)
                .and_then(|mut store| listing.go_through(store.as_mut(), time));
            match gone_through {
                Ok(halfway) => Some(List { halfway, reply }),
                Err(refusal) => {
                    let _ = reply.send(Err(refusal));
                    None
                }
            }
        });
    }

    pub(super) fn end_list(&self, List { halfway, reply }: List) {
        let _ = reply.send(Ok(Answer::Peers(halfway.and_memory(self))));
    }

    /// Everybody in the store who fits, behind this one in order of key, some lines at a time.
    pub(super) fn stream(
        &mut self,
        filter: Filter,
        after: Option<PeerKey>,
    ) -> Result<Lines, Refusal> {
        if self.searches.0.len() >= SEARCHES_MAX {
            return Err(Refusal::Busy);
        }
        let (place, sealing) = (self.settings.place.clone(), self.sealing.clone());
        let (to, lines) = mpsc::channel(PAGES_MAX);
        self.searches.0.spawn_blocking(move || {
            let streamed = open(&place, sealing.as_ref()).and_then(|mut store| {
                let take = |lines| to.blocking_send(lines).is_ok();
                stream::lines(store.as_mut(), &filter, after, now(), take)
            });
            if let Err(error) = streamed {
                tracing::warn!(%error, "a stream of peers ends early");
            }
            None
        });
        Ok(lines)
    }

    /// Answers with what the store has of one peer. Who is not in memory is not connected either.
    fn look_up(
        &self,
        name: &str,
        reply: Reply,
        answer: impl FnOnce(&PeerRecord, PeerRow) -> Answer + Send + 'static,
    ) {
        let Some(key) = mind::in_store(self, name) else {
            return;
        };
        let (place, sealing) = (self.settings.place.clone(), self.sealing.clone());
        tokio::task::spawn_blocking(move || {
            let answer = match get(&place, sealing.as_ref(), &key) {
                Ok(Some(record)) => Ok(answer(&record, PeerRow::new(&record, false, now()))),
                Ok(None) => Err(Refusal::NoSuchPeer {
                    given: key.to_string(),
                }),
                Err(error) => Err(error.into()),
            };
            let _ = reply.send(answer); // whoever asked may be gone
        });
    }
}

fn get(
    place: &Place,
    sealing: Option<&Sealing>,
    key: &PeerKey,
) -> Result<Option<PeerRecord>, StoreError> {
    open(place, sealing)?.get(key)
}

/// The node's own writer has looked it over for damage.
fn open(place: &Place, sealing: Option<&Sealing>) -> Result<Box<dyn PeerStore + Send>, StoreError> {
    let opened = rejoin_store::open_for_start(&place.store, sealing, now())?;
    Ok(opened.store)
}
