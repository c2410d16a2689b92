//! One thread that waits for the disk, so that nobody else has to. It commits what it is given and
//! reads the rest of the memory page by page, in between, and whoever else is asked for; what to commit
//! and to ask for, and when, is decided elsewhere.

use std::{
    collections::BTreeSet,
    fmt, io,
    sync::mpsc::{self, Receiver, SyncSender, TrySendError},
    thread,
    time::Duration,
};

use rejoin_core::{Changes, PeerKey, PeerRecord, Pool, Ranked, Recall, Recalled, Time};

use crate::{Notice, PeerStore, StoreError};

/// Peers per page: read in some ten milliseconds, so a commit never waits long behind one.
const PAGE: usize = 1_000;

/// One commit, one page and one recall are asked for at a time; twice that for those that were given up
/// on.
const JOBS_MAX: usize = 6;

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
    /// All there is room for is loaded; so many peers are in the store beside those.
    Shelved(usize),
    /// What was asked for by name or by rank, as far as it is there.
    Recalled(Recalled),
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

#[expect(clippy::large_enum_variant, reason = "there are six of them at most")]
enum Job {
    Commit {
        number: u64,
        changes: Changes,
        now: Time,
    },
    Load,
    Recall(Recall),
}

impl Writer {
    /// Starts the thread. Each report is handed to `report` on it; `known` are peers that were read
    /// from the store before and are not to be loaded again; of each pool at most `room` are loaded, those
    /// with the highest rank.
    ///
    /// # Errors
    /// If the operating system gives us no thread.
    pub fn spawn(
        store: Box<dyn PeerStore + Send>,
        known: BTreeSet<PeerKey>,
        room: usize,
        report: impl FnMut(Report) + Send + 'static,
    ) -> io::Result<Self> {
        let (jobs, inbox) = mpsc::sync_channel(JOBS_MAX);
        let (alive, end) = mpsc::sync_channel(0);
        let work = Work {
            store,
            known,
            loading: Loading::new(room),
            owed: Vec::new(),
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

    /// Has somebody recalled, to be answered by [`Report::Recalled`]. Returns at once; false as with
    /// [`Self::commit`].
    #[must_use]
    pub fn recall(&self, whom: Recall) -> bool {
        self.give(Job::Recall(whom))
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
    loading: Loading,
    /// What was asked for and could not be read; it follows when the store works again.
    owed: Vec<Wanted>,
    report: R,
}

/// How far the memory has been loaded.
struct Loading {
    room: usize,
    /// How many were read.
    read: usize,
    /// How many there were when it began, where there is no room for all.
    all: usize,
    way: Way,
}

/// Which way it is loaded.
enum Way {
    NotBegun,
    /// Everybody, as they lie there: there is room for all.
    All {
        from: u64,
    },
    /// The best: first the proven, then the hearsay, for so many of whom there is room left.
    Best {
        pool: Pool,
        after: Option<Ranked>,
        left: usize,
    },
}

/// Something to be read.
enum Wanted {
    Page,
    Recalled(Recall),
}

impl Loading {
    fn new(room: usize) -> Self {
        Self {
            room,
            read: 0,
            all: 0,
            way: Way::NotBegun,
        }
    }

    /// The next page, and whether there may be another one.
    fn next(&mut self, store: &mut dyn PeerStore) -> Result<(Vec<PeerRecord>, bool), StoreError> {
        let (page, next) = match &self.way {
            Way::NotBegun => {
                let mut all = store.count_at_most()?;
                if all > self.room {
                    all = store.count()?;
                }
                self.way = match all <= self.room {
                    true => Way::All { from: 0 },
                    false => {
                        self.all = all;
                        Way::best(Pool::Proven, self.room)
                    }
                };
                return self.next(store);
            }
            Way::All { from } => {
                let (page, next) = store.browse(*from, PAGE)?;
                (page, next.map(|from| Way::All { from }))
            }
            Way::Best { pool, after, left } => {
                let limit = PAGE.min(*left);
                let Recalled { peers, next } = store.ranked(*pool, after.as_ref(), limit)?;
                let (pool, left) = (*pool, left - peers.len());
                let next = match pool {
                    _ if next.is_some() && left > 0 => Some(Way::Best {
                        pool,
                        after: next,
                        left,
                    }),
                    Pool::Proven => Some(Way::best(Pool::Hearsay, self.room)),
                    Pool::Hearsay => None,
                };
                (peers, next)
            }
        };
        self.read += page.len();
        let more = next.is_some();
        if let Some(next) = next {
            self.way = next;
        }
        match page.is_empty() && more {
            true => self.next(store),
            false => Ok((page, more)),
        }
    }

    /// How many are left in the store once all there is room for are loaded.
    fn shelved(&self) -> usize {
        self.all.saturating_sub(self.read)
    }
}

impl Way {
    fn best(pool: Pool, room: usize) -> Self {
        Self::Best {
            pool,
            after: None,
            left: room,
        }
    }
}

impl<R: FnMut(Report)> Work<R> {
    fn run(mut self, inbox: Receiver<Job>) {
        if let Err(error) = self.store.check() {
            tracing::warn!(%error, "the peer memory cannot be looked over now");
        }
        self.tell_notices();
        while let Ok(job) = inbox.recv() {
            match job {
                Job::Commit {
                    number,
                    changes,
                    now,
                } => self.commit(number, &changes, now),
                Job::Load => self.read(Wanted::Page),
                Job::Recall(whom) => self.read(Wanted::Recalled(whom)),
            }
            self.tell_notices();
        }
        if let Err(error) = self.store.close() {
            tracing::warn!(%error, "the peer memory was saved but not tidied up");
        }
    }

    fn tell_notices(&mut self) {
        for notice in self.store.take_notices() {
            (self.report)(Report::Noticed(notice));
        }
    }

    fn commit(&mut self, number: u64, changes: &Changes, now: Time) {
        let result = self.store.commit(changes, now);
        let works = result.is_ok();
        (self.report)(Report::Committed { number, result });
        if works {
            for wanted in std::mem::take(&mut self.owed) {
                self.read(wanted);
            }
        }
    }

    fn read(&mut self, wanted: Wanted) {
        let read = match &wanted {
            Wanted::Page => self.load(),
            Wanted::Recalled(whom) => self.recall(whom),
        };
        if let Err(error) = read {
            tracing::warn!(%error, "a part of the peer memory cannot be read now");
            self.owed.push(wanted);
        }
    }

    fn load(&mut self) -> Result<(), StoreError> {
        let (mut peers, more) = self.loading.next(self.store.as_mut())?;
        peers.retain(|record| !self.known.remove(&record.key));
        (self.report)(Report::Loaded { peers, more });
        if !more {
            (self.report)(Report::Shelved(self.loading.shelved()));
        }
        Ok(())
    }

    fn recall(&mut self, whom: &Recall) -> Result<(), StoreError> {
        let found = self.store.recall(whom)?;
        (self.report)(Report::Recalled(found));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use rejoin_core::PeerDelta;

    use super::*;

    const NOW: Time = Time::from_millis(1_800_000_000_000);
    /// Far more than any of this takes.
    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn a_commit_is_answered_under_its_number() {
        let (writer, reports) = writer_over(met(0..0), [], 9);
        assert!(writer.commit(7, changes([1, 2]), NOW));
        let Report::Committed { number, result } = next(&reports) else {
            panic!("something else");
        };
        assert_eq!(number, 7);
        assert!(result.is_ok());
    }

    #[test]
    fn the_rest_of_the_memory_comes_page_by_page_as_far_as_there_is_room() {
        for (proven, heard, room, (pages, loaded, shelved)) in [
            (PAGE + 3, 2, 5_000, (2, PAGE + 5, 0)),
            (PAGE + 3, 2, PAGE, (2, PAGE + 2, 3)),
            (0, 5, 3, (1, 3, 2)),
            (0, 0, 5, (1, 0, 0)),
        ] {
            let all = met(0..proven).chain(heard_of(proven..proven + heard));
            let (writer, reports) = writer_over(all, [], room);
            let mut came = (0, 0);
            loop {
                assert!(writer.load());
                let Report::Loaded { peers, more } = next(&reports) else {
                    panic!("something else");
                };
                came = (came.0 + 1, came.1 + peers.len());
                if !more {
                    break;
                }
            }
            let Report::Shelved(left) = next(&reports) else {
                panic!("something else");
            };
            assert_eq!((came.0, came.1, left), (pages, loaded, shelved));
        }
    }

    #[test]
    fn whoever_is_asked_for_is_recalled_as_far_as_the_store_knows_it() {
        let (writer, reports) = writer_over(met(0..9), [], 4);
        let after = Some(Ranked::of(&met(3..4).next().unwrap()));
        for (whom, expected) in [
            (Recall::Peers(vec![key(5), key(77)]), 5..6),
            (Recall::Best { after, count: 3 }, 4..7),
            (Recall::Worst(2), 7..9),
        ] {
            assert!(writer.recall(whom.clone()));
            let Report::Recalled(Recalled { mut peers, .. }) = next(&reports) else {
                panic!("something else");
            };
            peers.sort_by(|a, b| a.key.cmp(&b.key));
            assert_eq!(peers, met(expected).collect::<Vec<_>>(), "{whom:?}");
        }
    }

    #[test]
    fn what_is_known_is_not_loaded_again() {
        let (writer, reports) = writer_over(heard_of(0..5), [key(0), key(3)], 9);
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
        let (writer, reports) = writer_over(met(0..0), [], 9);
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
        peers: impl Iterator<Item = PeerRecord>,
        known: impl IntoIterator<Item = PeerKey>,
        room: usize,
    ) -> (Writer, Receiver<Report>) {
        let mut store = crate::open("memory:", NOW).unwrap().store;
        store.commit(&saving(peers), NOW).unwrap();
        let (sender, reports) = mpsc::channel();
        let known = known.into_iter().collect();
        let writer = Writer::spawn(store, known, room, move |report| {
            // A test that has seen enough no longer listens.
            let _ = sender.send(report);
        });
        (writer.unwrap(), reports)
    }

    fn changes(peers: impl IntoIterator<Item = usize>) -> Changes {
        saving(peers.into_iter().map(heard))
    }

    fn saving(peers: impl Iterator<Item = PeerRecord>) -> Changes {
        let delta = |record| PeerDelta {
            record,
            unsaved: rejoin_core::Counts::default(),
        };
        Changes {
            peers: peers.map(delta).collect(),
            ..Changes::default()
        }
    }

    fn heard_of(numbers: Range<usize>) -> impl Iterator<Item = PeerRecord> {
        numbers.map(heard)
    }

    fn heard(number: usize) -> PeerRecord {
        PeerRecord::new(key(number), NOW)
    }

    /// All of one rank.
    fn met(numbers: Range<usize>) -> impl Iterator<Item = PeerRecord> {
        numbers.map(|number| PeerRecord {
            last_connected: Some(NOW),
            ..heard(number)
        })
    }

    fn key(number: usize) -> PeerKey {
        PeerKey::new(format!("peer {number:09}").as_bytes()).unwrap()
    }
}
