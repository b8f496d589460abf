//! Prefetching: other threads make batches while the device works; batches arrive in order. These threads are not a
//! rayon pool, because they wait for disks and would block other work in such a pool.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use crate::error::{Error, Result};

type Job = Box<dyn FnOnce() + Send>;
type Make<B> = Arc<dyn Fn(usize) -> Result<B> + Send + Sync>;

/// Threads that make batches, shared by all loaders of a run.
pub struct Readers {
    jobs: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
    ahead: usize,
}

impl Readers {
    /// Starts `threads` threads, which keep `ahead` batches ready or in progress for each iterator. With 0 threads, the
    /// caller of `next` makes the batch.
    pub fn new(threads: usize, ahead: usize) -> Arc<Self> {
        let (jobs, taken) = unbounded::<Job>();
        let work = |_| {
            let taken: Receiver<Job> = taken.clone();
            std::thread::spawn(move || taken.into_iter().for_each(|job| job()))
        };
        let threads: Vec<_> = (0..threads).map(work).collect();
        Arc::new(Readers { jobs: Some(jobs), threads, ahead: ahead.max(1) })
    }

    /// The batches `0..count` that `make` makes, in their order.
    pub(super) fn run<B: Send + 'static>(
        self: &Arc<Self>,
        count: usize,
        make: impl Fn(usize) -> Result<B> + Send + Sync + 'static,
    ) -> Ahead<B> {
        let mut batches = Ahead {
            readers: Arc::clone(self),
            make: Arc::new(make),
            next: 0,
            count,
            coming: VecDeque::new(),
            abandoned: Arc::default(),
            waited: Duration::ZERO,
        };
        // Start reading while the caller is still busy with something else.
        if !self.threads.is_empty() {
            batches.ask();
        }
        batches
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        // Dropping the sender ends the threads.
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A thread that panicked has printed its message.
            let _ = thread.join();
        }
    }
}

/// Batches in order, made ahead of time. It ends after an error.
pub struct Ahead<B> {
    readers: Arc<Readers>,
    make: Make<B>,
    /// The next batch to request.
    next: usize,
    count: usize,
    coming: VecDeque<Receiver<Result<B>>>,
    abandoned: Arc<AtomicBool>,
    waited: Duration,
}

impl<B: Send + 'static> Ahead<B> {
    /// The total time that callers of `next` have waited.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Requests batches until enough are in progress.
    fn ask(&mut self) {
        let Some(jobs) = &self.readers.jobs else { return };
        while self.next < self.count && self.coming.len() < self.readers.ahead {
            let (done, result) = bounded(1);
            let (make, abandoned, index) = (Arc::clone(&self.make), Arc::clone(&self.abandoned), self.next);
            let job = move || {
                if !abandoned.load(Ordering::Relaxed) {
                    // The receiver may have been dropped.
                    let _ = done.send(made(&make, index));
                }
            };
            // The threads run as long as the sender exists.
            let _ = jobs.send(Box::new(job));
            self.coming.push_back(result);
            self.next += 1;
        }
    }

    fn stop(&mut self) {
        self.abandoned.store(true, Ordering::Relaxed);
        self.coming.clear();
        self.next = self.count;
    }
}

impl<B: Send + 'static> Iterator for Ahead<B> {
    type Item = Result<B>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = Instant::now();
        let batch = if self.readers.threads.is_empty() {
            (self.next < self.count).then(|| {
                self.next += 1;
                made(&self.make, self.next - 1)
            })
        } else {
            self.ask();
            let ended = |_| Err(Error::Training("the threads that read batches have ended".into()));
            let batch = self.coming.pop_front().map(|coming| coming.recv().unwrap_or_else(ended));
            self.ask();
            batch
        };
        if let Some(Err(_)) = &batch {
            self.stop();
        }
        self.waited += start.elapsed();
        batch
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.count - self.next + self.coming.len();
        (0, Some(left))
    }
}

/// A batch, or the panic of its making as an error: otherwise a thread would end, and the batch would be missing.
fn made<B>(make: &Make<B>, index: usize) -> Result<B> {
    std::panic::catch_unwind(AssertUnwindSafe(|| make(index))).unwrap_or_else(|panic| {
        let reason = sleeve::internal::panic_message(&*panic);
        Err(Error::Training(format!("reading batch {index} failed: {reason}")))
    })
}

impl<B> Drop for Ahead<B> {
    fn drop(&mut self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::error::Error;

    #[test]
    fn batches_come_in_order_whoever_makes_them() {
        for threads in [0, 1, 4] {
            let readers = Readers::new(threads, 3);
            let slow_first = |index: usize| {
                std::thread::sleep(Duration::from_millis(if index.is_multiple_of(3) { 5 } else { 0 }));
                Ok(index)
            };
            let one: Vec<usize> = readers.run(20, slow_first).map(Result::unwrap).collect();
            assert_eq!(one, (0..20).collect::<Vec<_>>());
            // Two iterators share the threads.
            let (a, b) = (readers.run(9, Ok), readers.run(9, |index| Ok(index + 100)));
            assert!(a.zip(b).all(|(a, b)| a.unwrap() + 100 == b.unwrap()));
        }
    }

    #[test]
    fn no_more_is_made_than_was_asked_for_ahead() {
        let made = Arc::new(AtomicUsize::new(0));
        let readers = Readers::new(2, 3);
        let count = Arc::clone(&made);
        let mut batches = readers.run(100, move |index| {
            count.fetch_add(1, Ordering::SeqCst);
            Ok(index)
        });
        batches.next().unwrap().unwrap();
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(made.load(Ordering::SeqCst), 4);
        drop(batches);
        drop(readers);
        assert_eq!(made.load(Ordering::SeqCst), 4);
    }

    #[test]
    fn a_panic_is_an_error_and_the_threads_go_on() {
        for threads in [0, 1] {
            let readers = Readers::new(threads, 2);
            let mut broken = readers.run(3, |index| match index {
                1 => panic!("no batch {index}"),
                _ => Ok(index),
            });
            assert_eq!(broken.next().unwrap().unwrap(), 0);
            let said = broken.next().unwrap().unwrap_err().to_string();
            assert!(said.contains("reading batch 1 failed: no batch 1"), "{said}");
            assert!(broken.next().is_none());
            assert_eq!(readers.run(2, Ok).map(Result::unwrap).collect::<Vec<_>>(), [0, 1]);
        }
    }

    #[test]
    fn nothing_follows_an_error() {
        for threads in [0, 2] {
            let readers = Readers::new(threads, 4);
            let fails = |index| match index {
                3 => Err(Error::InvalidArgument("three".into())),
                _ => Ok(index),
            };
            let batches: Vec<Result<usize>> = readers.run(10, fails).collect();
            assert_eq!(batches.len(), 4);
            assert!(batches[3].is_err());
        }
    }
}
