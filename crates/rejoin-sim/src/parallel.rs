//! Runs that have nothing to do with each other, on all processors at once. What comes back does not
//! depend on how many there are.

use std::{ops::Range, sync::Mutex, thread};

/// What `run` makes of each seed, in order.
pub(crate) fn map<T: Send>(seeds: Range<u64>, run: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let workers = thread::available_parallelism().map_or(1, |number| number.get());
    let next = Mutex::new(seeds);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    // On a line of its own: the lock is given back before the run begins.
                    let seed = taken(&next).next();
                    let Some(seed) = seed else { break };
                    let made = run(seed);
                    taken(&done).push((seed, made));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("a run that panics ends them all");
    done.sort_unstable_by_key(|(seed, _)| *seed);
    done.into_iter().map(|(_, made)| made).collect()
}

fn taken<T>(lock: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    lock.lock().expect("nobody panics while holding it")
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread, time::Duration};

    #[test]
    fn two_runs_are_under_way_at_once() {
        if thread::available_parallelism().is_ok_and(|number| number.get() == 1) {
            return println!("skipped: needs two processors");
        }
        let (sender, met) = mpsc::sync_channel(1);
        let met = std::sync::Mutex::new(met);
        let alone = super::map(0..2, |seed| match seed {
            0 => super::taken(&met)
                .recv_timeout(Duration::from_secs(30))
                .is_err(),
            _ => sender.send(()).is_err(),
        });
        assert_eq!(alone, [false, false], "the first waits for the second");
    }

    #[test]
    fn the_results_come_in_the_order_of_the_seeds() {
        let squares = super::map(3..100, |seed| seed * seed);
        assert_eq!(squares, (3..100).map(|n| n * n).collect::<Vec<_>>());
    }
}
