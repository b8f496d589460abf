//! Work on several threads: rayon, with the number of threads that the user chose.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crossbeam_channel::unbounded;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, Result};

/// A pool with `threads` threads.
///
/// # Errors
/// If the system cannot start them.
pub fn pool(threads: usize) -> Result<ThreadPool> {
    let pool = ThreadPoolBuilder::new().num_threads(threads.max(1)).build();
    pool.map_err(|error| Error::InvalidArgument(format!("cannot start {threads} threads: {error}")))
}

/// Calls `work` with each item of `0..count` and the number of the thread, from 0, on all threads of the pool, until
/// `stop` is set. `take` gets each result on the caller's thread as soon as it is ready. Returns whether everything was
/// done.
///
/// A thread takes the next item only when it has finished one. Rayon's own scheduling could start another item on a
/// thread that waits inside an item (for the pool of an inference engine, say), which can deadlock on a lock that the
/// thread holds.
///
/// # Errors
/// If the threads cannot be started, and the first error of `take`, after which no item is started.
pub fn spread<T: Send>(
    count: usize,
    threads: usize,
    stop: &AtomicBool,
    work: impl Fn(usize, usize) -> T + Sync,
    mut take: impl FnMut(usize, T) -> Result<()>,
) -> Result<bool> {
    let pool = pool(threads.clamp(1, count.max(1)))?;
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (next, failed, work) = (&next, &failed, &work);
    let mut left = count;
    pool.in_place_scope(|scope| {
        let (send, done) = unbounded();
        scope.spawn_broadcast(move |_, thread| {
            while !stop.load(Ordering::Relaxed) && !failed.load(Ordering::Relaxed) {
                let item = next.fetch_add(1, Ordering::Relaxed);
                if item >= count {
                    break;
                }
                // Sending fails after an error, when the receiver is dropped.
                let _ = send.send((item, work(item, thread.index())));
            }
        });
        for (item, result) in done {
            take(item, result).inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
            left -= 1;
        }
        Ok(left == 0)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn every_item_is_done_once_and_its_result_taken() {
        for (count, threads) in [(0, 3), (1, 3), (50, 1), (50, 3)] {
            let mut taken = vec![0; count];
            let work = |item: usize, thread: usize| {
                assert!(thread < threads);
                item
            };
            let take = |item: usize, result: usize| {
                assert_eq!(item, result);
                taken[item] += 1;
                Ok(())
            };
            assert!(spread(count, threads, &AtomicBool::new(false), work, take).unwrap());
            assert!(taken.iter().all(|&times| times == 1), "{taken:?}");
        }
    }

    #[test]
    fn nothing_is_begun_after_an_error_or_a_stop() {
        let begun = AtomicUsize::new(0);
        let work = |item: usize, _| {
            begun.fetch_add(1, Ordering::Relaxed);
            item
        };
        let fails = |item: usize, _| match item {
            3 => Err(Error::Training("three".into())),
            _ => Ok(()),
        };
        let error = spread(100_000_000, 2, &AtomicBool::new(false), work, fails).unwrap_err();
        assert_eq!(error.to_string(), "three");
        assert!(begun.load(Ordering::Relaxed) < 100_000_000);
        let stopped = spread(10, 2, &AtomicBool::new(true), |_, _| panic!("begun"), |_, ()| Ok(()));
        assert!(!stopped.unwrap());
    }

    /// One lock for all items, held while another pool works: with rayon's own scheduling this deadlocked.
    #[test]
    fn an_item_that_waits_for_another_pool_is_left_alone() {
        let (lock, other) = (Mutex::new(0u64), pool(2).unwrap());
        let work = |item: usize, _| {
            let mut sum = lock.lock().unwrap();
            *sum += other.install(|| item as u64);
        };
        assert!(spread(200, 3, &AtomicBool::new(false), work, |_, ()| Ok(())).unwrap());
        assert_eq!(*lock.lock().unwrap(), 199 * 100);
    }
}
