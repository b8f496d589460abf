//! Threads: a pool of the engine's own, and teams of threads that share one pass.
//!
//! Large batches are split, each thread taking patches through the whole network by itself. What does not
//! split that way (one patch, or the last few) is done by all threads as a team: each takes its share of a
//! phase's units of work and waits for the others before the next. A unit's result does not depend on
//! who does it, so neither do the outputs.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Rounds of waiting before a thread gives its core away, and before it goes to sleep.
const SPINS: u32 = 2_000;
const SPINS_BEFORE_SLEEP: u32 = 20_000;

/// Waits until `done`, spinning first.
fn spin_until(done: impl Fn() -> bool) {
    let mut spins = 0;
    while !done() {
        if spins < SPINS {
            spins += 1;
            std::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
    }
}

/// A meeting point of a fixed number of threads, used again and again.
pub(super) struct Barrier {
    size: usize,
    arrived: AtomicUsize,
    round: AtomicUsize,
    /// A thread of the team panicked: nobody should wait for it.
    broken: AtomicBool,
}

impl Barrier {
    pub fn new(size: usize) -> Self {
        Self {
            size,
            arrived: AtomicUsize::new(0),
            round: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
        }
    }

    fn wait(&self) {
        let round = self.round.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.size {
            self.arrived.store(0, Ordering::Relaxed);
            self.round.store(round.wrapping_add(1), Ordering::Release);
            return;
        }
        spin_until(|| self.round.load(Ordering::Acquire) != round || self.broken.load(Ordering::Acquire));
        assert!(!self.broken.load(Ordering::Acquire), "another thread of the team panicked");
    }
}

/// One thread's membership in a team.
pub(super) struct Team<'a> {
    index: usize,
    barrier: Option<&'a Barrier>,
}

impl<'a> Team<'a> {
    /// A thread by itself.
    pub const fn alone() -> Team<'static> {
        Team { index: 0, barrier: None }
    }

    pub fn member(index: usize, barrier: &'a Barrier) -> Self {
        Self { index, barrier: Some(barrier) }
    }

    pub fn size(&self) -> usize {
        self.barrier.map_or(1, |barrier| barrier.size)
    }

    /// This thread's share of `count` units of work.
    pub fn share(&self, count: usize) -> Range<usize> {
        let size = self.size();
        self.index * count / size..(self.index + 1) * count / size
    }

    /// Waits until every member has come here.
    pub fn meet(&self) {
        if let Some(barrier) = self.barrier {
            barrier.wait();
        }
    }
}

impl Drop for Team<'_> {
    fn drop(&mut self) {
        if let Some(barrier) = self.barrier
            && std::thread::panicking()
        {
            barrier.broken.store(true, Ordering::Release);
        }
    }
}

/// Work for every thread of a pool, called with the thread's index.
type Job<'a> = &'a (dyn Fn(usize) + Sync);

/// Threads that wait for work; they end with the pool.
pub(super) struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

struct Shared {
    /// Counts jobs; a worker has seen all up to its own count.
    round: AtomicUsize,
    /// Workers that have not finished the current job.
    busy: AtomicUsize,
    panicked: AtomicBool,
    stop: AtomicBool,
    /// The current job, written before `round` is raised and left alone until `busy` is 0.
    job: Mutex<Option<JobPointer>>,
    sleepers: Mutex<()>,
    wake: Condvar,
}

#[derive(Clone, Copy)]
struct JobPointer(*const (dyn Fn(usize) + Sync));

// SAFETY: what it points to is `Sync`, and `Pool::run` keeps it alive until every worker is done.
unsafe impl Send for JobPointer {}

impl Pool {
    /// A pool of `threads` threads, the caller of [`Self::run`] being one of them.
    pub fn new(threads: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            round: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
            panicked: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            job: Mutex::new(None),
            sleepers: Mutex::new(()),
            wake: Condvar::new(),
        });
        let mut pool = Self { shared, workers: Vec::new() };
        for index in 1..threads {
            let shared = Arc::clone(&pool.shared);
            let worker = std::thread::Builder::new()
                .name(format!("sleeve-effnet-{index}"))
                .spawn(move || shared.work(index))?;
            pool.workers.push(worker);
        }
        // A thread allocates while it starts: afterwards, `run` allocates nothing.
        pool.run(&|_| {});
        Ok(pool)
    }

    /// Runs `job` once on every thread and waits for all of them. The borrow is exclusive: one job at a
    /// time.
    ///
    /// # Panics
    /// If the job panicked on any thread.
    pub fn run(&mut self, job: Job) {
        let pointer: *const (dyn Fn(usize) + Sync) = job;
        // SAFETY: only the lifetime changes; this function returns when no worker uses the job any more.
        let pointer: *const (dyn Fn(usize) + Sync + 'static) = unsafe { std::mem::transmute(pointer) };
        let shared = &*self.shared;
        *shared.job.lock().unwrap_or_else(PoisonError::into_inner) = Some(JobPointer(pointer));
        shared.busy.store(self.workers.len(), Ordering::Relaxed);
        {
            let _sleepers = shared.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
            shared.round.fetch_add(1, Ordering::Release);
            shared.wake.notify_all();
        }
        let own = catch_unwind(AssertUnwindSafe(|| job(0)));
        spin_until(|| shared.busy.load(Ordering::Acquire) == 0);
        let panicked = shared.panicked.swap(false, Ordering::AcqRel);
        if let Err(panic) = own {
            std::panic::resume_unwind(panic);
        }
        assert!(!panicked, "a thread of the engine panicked");
    }
}

impl Shared {
    fn work(&self, index: usize) {
        let mut seen = 0;
        loop {
            let arrived = || self.round.load(Ordering::Acquire) != seen || self.stop.load(Ordering::Acquire);
            let mut spins = 0;
            while !arrived() && spins < SPINS_BEFORE_SLEEP {
                spins += 1;
                std::hint::spin_loop();
            }
            if !arrived() {
                let mut guard = self.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
                while !arrived() {
                    guard = self.wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
                }
            }
            if self.stop.load(Ordering::Acquire) {
                return;
            }
            seen = self.round.load(Ordering::Acquire);
            let job = *self.job.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(JobPointer(job)) = job {
                // SAFETY: `Pool::run` keeps the job alive until `busy` is 0, which this thread holds above it.
                let result = catch_unwind(AssertUnwindSafe(|| unsafe { (*job)(index) }));
                if result.is_err() {
                    self.panicked.store(true, Ordering::Release);
                }
            }
            self.busy.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        {
            let _sleepers = self.shared.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
            self.shared.wake.notify_all();
        }
        for worker in self.workers.drain(..) {
            // A worker catches its panics; there is nothing to learn from how it ended.
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_does_its_share_between_meetings() {
        let mut pool = Pool::new(3).unwrap();
        let barrier = Barrier::new(3);
        let counts: Vec<AtomicUsize> = (0..10).map(|_| AtomicUsize::new(0)).collect();
        for _ in 0..50 {
            pool.run(&|index| {
                let team = Team::member(index, &barrier);
                for count in &counts {
                    for _ in team.share(7) {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    team.meet();
                    // All shares of this phase are done when the meeting is over.
                    assert_eq!(count.load(Ordering::Relaxed) % 7, 0);
                    team.meet();
                }
            });
        }
        assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 350));
    }

    #[test]
    fn a_panic_reaches_the_caller_and_blocks_nobody() {
        let mut pool = Pool::new(2).unwrap();
        let barrier = Barrier::new(2);
        let result = catch_unwind(AssertUnwindSafe(|| {
            pool.run(&|index| {
                let team = Team::member(index, &barrier);
                assert_ne!(index, 1, "deliberate");
                team.meet();
            });
        }));
        assert!(result.is_err());
        let ran = AtomicUsize::new(0);
        pool.run(&|_| {
            ran.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(ran.into_inner(), 2);
    }
}
