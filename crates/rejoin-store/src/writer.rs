//! One thread that waits for the disk, so that nobody else has to. It commits what it is given and
//! reads the rest of the memory page by page, in between; what to commit and when is decided
//! elsewhere.

use std::{
    collections::BTreeSet,
    fmt, io,
    sync::mpsc::{self, Receiver, SyncSender, TrySendError},
    thread,
    time::Duration,
};

use rejoin_core::{Changes, PeerKey, PeerRecord, Time};

use crate::{Notice, PeerStore, StoreError};

/// Peers per page: read in some ten milliseconds, so a commit never waits long behind one.
const PAGE: usize = 1_000;

/// One commit and one page are asked for at a time; twice that for those that were given up on.
const JOBS_MAX: usize = 4;

/// How long dropping the writer waits for the store to close. What was committed is safe by then.
const CLOSE_MAX: Duration = Duration::from_millis(500);

/// A store on a thread of its own.
///
/// Dropping it lets the jobs already given be done, waiting for that no longer than half a second.
pub struct Writer {
    /// `None` only while dropping.
    jobs: Option<SyncSender<Job>>,
    /// Says nothing; ends when the thread does.
    end: Receiver<()>,
}

/// What the writer has to say.
#[derive(Debug)]
#[non_exhaustive]
pub enum Report {
    /// The next page of the memory, without the peers that were known before; at the end, and
    /// sometimes before, it is empty.
    Loaded {
        /// The page.
        peers: Vec<PeerRecord>,
        /// Whether there is more to ask for.
        more: bool,
    },
    /// What became of a commit.
    Committed {
        /// Which.
        number: u64,
        /// Whether it is on the disk, or why not.
        result: Result<(), StoreError>,
    },
    /// Something was found wrong, and mended.
    Noticed(Notice),
}

#[expect(clippy::large_enum_variant, reason = "there are four of them at most")]
enum Job {
    Commit {
        number: u64,
        changes: Changes,
        now: Time,
    },
    Load,
}

impl Writer {
    /// Starts the thread. Each report is handed to `report` on it; `known` are peers that were read
    /// from the store before and are not to be loaded again.
    ///
    /// # Errors
    /// If the operating system gives us no thread.
    pub fn spawn(
        store: Box<dyn PeerStore + Send>,
        known: BTreeSet<PeerKey>,
        report: impl FnMut(Report) + Send + 'static,
    ) -> io::Result<Self> {
        let (jobs, inbox) = mpsc::sync_channel(JOBS_MAX);
        let (alive, end) = mpsc::sync_channel(0);
        let work = Work {
            store,
            known,
            after: None,
            owed: false,
            report,
        };
        thread::Builder::new()
            .name("rejoin-store".into())
            .spawn(move || {
                work.run(inbox);
                drop(alive);
            })?;
        Ok(Self {
            jobs: Some(jobs),
            end,
        })
    }

    /// Has these changes committed, to be answered under this number. Returns at once; false if the
    /// store is so far behind, or the thread so dead, that they are not taken at all.
    #[must_use]
    pub fn commit(&self, number: u64, changes: Changes, now: Time) -> bool {
        self.give(Job::Commit {
            number,
            changes,
            now,
        })
    }

    /// Has the next page loaded. Returns at once; false as with [`Self::commit`].
    #[must_use]
    pub fn load(&self) -> bool {
        self.give(Job::Load)
    }

    fn give(&self, job: Job) -> bool {
        let Some(jobs) = &self.jobs else { return false };
        match jobs.try_send(job) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None; // the thread ends when it has done the last job
        // A time-out leaves the thread to itself; all it could still do is tidy up.
        let _ = self.end.recv_timeout(CLOSE_MAX);
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

/// What the thread holds.
struct Work<R> {
    store: Box<dyn PeerStore + Send>,
    known: BTreeSet<PeerKey>,
    /// The last peer of the pages loaded so far.
    after: Option<PeerKey>,
    /// A page was asked for and could not be read; it follows when the store works again.
    owed: bool,
    report: R,
}

impl<R: FnMut(Report)> Work<R> {
    fn run(mut self, inbox: Receiver<Job>) {
        while let Ok(job) = inbox.recv() {
            match job {
                Job::Commit {
                    number,
                    changes,
                    now,
                } => self.commit(number, &changes, now),
                Job::Load => self.load(),
            }
            for notice in self.store.take_notices() {
                (self.report)(Report::Noticed(notice));
            }
        }
        if let Err(error) = self.store.close() {
            tracing::warn!(%error, "the peer memory was saved but not tidied up");
        }
    }

    fn commit(&mut self, number: u64, changes: &Changes, now: Time) {
        let result = self.store.commit(changes, now);
        let works = result.is_ok();
        (self.report)(Report::Committed { number, result });
        if works && self.owed {
            self.load();
        }
    }

    fn load(&mut self) {
        let page = match self.store.scan(self.after.as_ref(), PAGE) {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(%error, "a part of the peer memory cannot be read now");
                self.owed = true;
                return;
            }
        };
        self.owed = false;
        let more = page.len() == PAGE;
        if let Some(last) = page.last() {
            self.after = Some(last.key.clone());
        }
        let peers = page
            .into_iter()
            .filter(|record| !self.known.remove(&record.key))
            .collect();
        (self.report)(Report::Loaded { peers, more });
    }
}

#[cfg(test)]
mod tests {
    use rejoin_core::PeerDelta;

    use super::*;

    const NOW: Time = Time::from_millis(1_800_000_000_000);
    /// Far more than any of this takes.
    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn a_commit_is_answered_under_its_number() {
        let (writer, reports) = writer_over(0, []);
        assert!(writer.commit(7, changes([1, 2]), NOW));
        let Report::Committed { number, result } = next(&reports) else {
            panic!("something else");
        };
        assert_eq!(number, 7);
        assert!(result.is_ok());
    }

    #[test]
    fn the_rest_of_the_memory_comes_page_by_page() {
        let (writer, reports) = writer_over(PAGE + 3, []);
        let mut loaded = 0;
        let mut pages = 0;
        loop {
            assert!(writer.load());
            let Report::Loaded { peers, more } = next(&reports) else {
                panic!("something else");
            };
            loaded += peers.len();
            pages += 1;
            if !more {
                break;
            }
        }
        assert_eq!((loaded, pages), (PAGE + 3, 2));
    }

    #[test]
    fn what_is_known_is_not_loaded_again() {
        let (writer, reports) = writer_over(5, [key(0), key(3)]);
        assert!(writer.load());
        let Report::Loaded { peers, more } = next(&reports) else {
            panic!("something else");
        };
        let keys: Vec<_> = peers.into_iter().map(|record| record.key).collect();
        assert_eq!(keys, [key(1), key(2), key(4)]);
        assert!(!more);
    }

    #[test]
    fn dropping_it_does_the_jobs_already_given() {
        let (writer, reports) = writer_over(0, []);
        for number in 1..=3 {
            assert!(writer.commit(number, changes([1]), NOW));
        }
        drop(writer);
        assert_eq!(reports.try_iter().count(), 3);
    }

    #[track_caller]
    fn next(reports: &Receiver<Report>) -> Report {
        reports.recv_timeout(LONG).expect("a report")
    }

    fn writer_over(
        peers: usize,
        known: impl IntoIterator<Item = PeerKey>,
    ) -> (Writer, Receiver<Report>) {
        let mut store = crate::open("memory:", NOW).unwrap().store;
        store.commit(&changes(0..peers), NOW).unwrap();
        let (sender, reports) = mpsc::channel();
        let writer = Writer::spawn(store, known.into_iter().collect(), move |report| {
            // A test that has seen enough no longer listens.
            let _ = sender.send(report);
        });
        (writer.unwrap(), reports)
    }

    fn changes(peers: impl IntoIterator<Item = usize>) -> Changes {
        let delta = |number| PeerDelta {
            record: PeerRecord::new(key(number), NOW),
            unsaved: rejoin_core::Counts::default(),
        };
        Changes {
            peers: peers.into_iter().map(delta).collect(),
            ..Changes::default()
        }
    }

    fn key(number: usize) -> PeerKey {
        PeerKey::new(format!("peer {number:09}").as_bytes()).unwrap()
    }
}
