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
                while let Some(seed) = taken(&next).next() {
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
    #[test]
    fn the_results_come_in_the_order_of_the_seeds() {
        let squares = super::map(3..100, |seed| seed * seed);
        assert_eq!(squares, (3..100).map(|n| n * n).collect::<Vec<_>>());
    }
}
