//! The store's thread as the shelf of a behaviour: hands commits to the one, answers to the other,
//! and wakes whoever waits for them.

use std::{
    collections::{BTreeSet, VecDeque},
    io,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use rejoin_core::{Changes, PeerKey, Recall, Recalled, Time};
use rejoin_libp2p::{Answer, Shelf};
use rejoin_store::{
    PeerStore,
    writer::{Report, Writer},
};

/// Keeps the memory on a thread of its own.
pub(crate) struct Keeper {
    writer: Writer,
    reports: Receiver<Report>,
    waker: Arc<Mutex<Option<Waker>>>,
    /// What can be answered without the thread.
    answers: VecDeque<Answer>,
}

impl Keeper {
    /// `known` are the peers the behaviour begins with; of each pool it has room for `room`.
    pub(crate) fn new(
        store: Box<dyn PeerStore + Send>,
        known: BTreeSet<PeerKey>,
        room: usize,
    ) -> io::Result<Self> {
        let waker = Arc::new(Mutex::new(None::<Waker>));
        let (sender, reports) = mpsc::channel(); // at most what was asked for, plus notices
        let to_wake = Arc::clone(&waker);
        let writer = Writer::spawn(store, known, room, move |report| {
            if sender.send(report).is_err() {
                return; // nobody listens any more
            }
            let waiting = to_wake
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            if let Some(waker) = waiting {
                waker.wake();
            }
        })?;
        let keeper = Self {
            writer,
            reports,
            waker,
            answers: VecDeque::new(),
        };
        keeper.load();
        Ok(keeper)
    }

    fn load(&self) {
        if !self.writer.load() {
            tracing::warn!("the peer memory's thread is stuck; a part of the memory stays unread");
        }
    }

    /// What a report means to the behaviour, if anything. The next page is asked for when the last
    /// one is taken, so no more than one ever waits.
    fn answer(&self, report: Report) -> Option<Answer> {
        match report {
            Report::Loaded { peers, more } => {
                if more {
                    self.load();
                }
                Some(Answer::Loaded(peers))
            }
            Report::Shelved(count) => Some(Answer::Shelved(count)),
            Report::Recalled(found) => Some(Answer::Recalled(found)),
            Report::Committed { number, result } => {
                if let Err(error) = &result {
                    tracing::warn!(%error, "the peer memory was not saved; it will be tried again");
                }
                let ok = result.is_ok();
                Some(Answer::Committed { number, ok })
            }
            Report::Noticed(notice) => {
                tracing::warn!("{notice}");
                None
            }
            other => {
                tracing::debug!(?other, "not understood");
                None
            }
        }
    }
}

impl Shelf for Keeper {
    fn commit(&mut self, number: u64, changes: Changes, now: Time) {
        if !self.writer.commit(number, changes, now) {
            tracing::warn!("the peer memory's thread is stuck; it will be tried again");
            self.answers
                .push_back(Answer::Committed { number, ok: false });
        }
    }

    fn recall(&mut self, whom: Recall) {
        if !self.writer.recall(whom) {
            tracing::warn!("the peer memory's thread is stuck; some peers are not recalled");
            self.answers
                .push_back(Answer::Recalled(Recalled::default()));
        }
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Answer> {
        if let Some(answer) = self.answers.pop_front() {
            return Poll::Ready(answer);
        }
        // Before looking: a report that comes in between must find somebody to wake.
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        while let Ok(report) = self.reports.try_recv() {
            if let Some(answer) = self.answer(report) {
                return Poll::Ready(answer);
            }
        }
        Poll::Pending
    }

    fn wait_answer(&mut self, at_most: Duration) -> Option<Answer> {
        if let Some(answer) = self.answers.pop_front() {
            return Some(answer);
        }
        let report = self.reports.recv_timeout(at_most).ok()?;
        // Nothing is loaded any more; a notice reads as an empty page.
        Some(match self.answer(report) {
            Some(answer) => answer,
            None => Answer::Loaded(Vec::new()),
        })
    }
}
