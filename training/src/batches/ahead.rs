//! Reading ahead: batches are made by other threads while the device is at work, and come in their order. These are no
//! pool of rayon's: they wait for disks, and would hold up whatever else runs on one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use crate::error::Result;

type Job = Box<dyn FnOnce() + Send>;
type Make<B> = Arc<dyn Fn(usize) -> Result<B> + Send + Sync>;

/// Threads that make batches, shared by all loaders of a run.
pub struct Readers {
    jobs: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
    ahead: usize,
}

impl Readers {
    /// So many threads, which keep so many batches ready or being read for everyone who iterates. Without threads,
    /// whoever asks for a batch makes it.
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
        // The first are read while whoever learns is still busy with something else.
        if !self.threads.is_empty() {
            batches.ask();
        }
        batches
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        // Without a sender the threads come to an end.
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

/// Batches in their order, made ahead of time. After an error nothing follows.
pub struct Ahead<B> {
    readers: Arc<Readers>,
    make: Make<B>,
    /// The next batch to be asked for.
    next: usize,
    count: usize,
    coming: VecDeque<Receiver<Result<B>>>,
    abandoned: Arc<AtomicBool>,
    waited: Duration,
}

impl<B: Send + 'static> Ahead<B> {
    /// How long the caller of `next` has waited in all.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Asks for batches until enough are on their way.
    fn ask(&mut self) {
        let Some(jobs) = &self.readers.jobs else { return };
        while self.next < self.count && self.coming.len() < self.readers.ahead {
            let (done, result) = bounded(1);
            let (make, abandoned, index) = (Arc::clone(&self.make), Arc::clone(&self.abandoned), self.next);
            let job = move || {
                if !abandoned.load(Ordering::Relaxed) {
                    // Nobody may be listening any more.
                    let _ = done.send(make(index));
                }
            };
            // The threads live as long as the sender.
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
                (self.make)(self.next - 1)
            })
        } else {
            self.ask();
            let batch = self.coming.pop_front().map(|coming| coming.recv().expect("a reader does not panic"));
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
            // Two at a time share the threads.
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
