//! The engine's thread pool, and teams of threads that share one pass.
//!
//! Large batches are split: each thread runs patches through the whole network by itself. What cannot be split that way
//! (one patch, or the last few) is processed by all threads as a team, phase by phase. Threads claim units of work, and
//! a phase ends when all its units are done, even if some threads have not arrived. So a thread that the system
//! suspends delays the others only by the units that it has claimed. A unit's result does not depend on the thread, so
//! neither do the outputs.

use std::cell::Cell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

// A module of its own, so that `tests/engine/loom_team.rs` can compile this file with loom's in its place.
use super::sync::{
    Arc, AtomicBool, AtomicU64, AtomicUsize, Condvar, JoinHandle, Mutex, Ordering, PoisonError, SPINS,
    SPINS_BEFORE_SLEEP, spawn, spin_loop, yield_now,
};

/// Waits until `done`, spinning first.
fn spin_until(done: impl Fn() -> bool) {
    let mut spins = 0;
    while !done() {
        if spins < SPINS {
            spins += 1;
            spin_loop();
        } else {
            yield_now();
        }
    }
}

/// The phases of one job, which every member goes through in the same order.
pub(in crate::engine) struct Phases {
    phases: Vec<Phase>,
    /// A member panicked: the others must not wait for its units.
    broken: AtomicBool,
}

/// Units claimed and units done. Has its own cache line, so that members in different phases do not contend.
#[derive(Default)]
#[repr(align(64))]
struct Phase {
    claimed: AtomicUsize,
    done: AtomicUsize,
}

impl Phases {
    /// For jobs of at most `count` phases.
    pub fn new(count: usize) -> Self {
        Self { phases: (0..count).map(|_| Phase::default()).collect(), broken: AtomicBool::new(false) }
    }

    /// Resets the phases for the next job.
    pub fn reset(&mut self) {
        for phase in &mut self.phases {
            *phase = Phase::default();
        }
        self.broken = AtomicBool::new(false);
    }
}

/// One thread's membership in a team.
pub(in crate::engine) struct Team<'a> {
    size: usize,
    phases: Option<&'a Phases>,
    /// The next phase of this member.
    next: Cell<usize>,
}

impl<'a> Team<'a> {
    /// A team of one thread.
    pub const fn alone() -> Team<'static> {
        Team { size: 1, phases: None, next: Cell::new(0) }
    }

    /// A member of a team of `size` threads.
    pub fn member(size: usize, phases: &'a Phases) -> Self {
        Self { size, phases: Some(phases), next: Cell::new(0) }
    }

    pub fn size(&self) -> usize {
        self.size
    }

    /// Runs one phase: calls `work` for ranges of units until all `count` are claimed, and returns when all are done.
    /// The phase cannot end while `work` runs, so `work` reads only what earlier phases have written.
    pub fn each(&self, count: usize, work: impl FnMut(Range<usize>)) {
        // Long ranges first, so that neighbouring units stay together; single units at the end.
        self.claim(count, |left| left.div_ceil(2 * self.size), work);
    }

    /// The same, but claims single units. For large units.
    pub fn each_alone(&self, count: usize, work: impl FnMut(Range<usize>)) {
        self.claim(count, |_| 1, work);
    }

    fn claim(&self, count: usize, run: impl Fn(usize) -> usize, mut work: impl FnMut(Range<usize>)) {
        let Some(phases) = self.phases else {
            if count > 0 {
                work(0..count);
            }
            return;
        };
        let phase = &phases.phases[self.next.get()];
        self.next.set(self.next.get() + 1);
        let mut first = phase.claimed.load(Ordering::Relaxed);
        while first < count {
            let last = first + run(count - first);
            let exchanged =
                phase.claimed.compare_exchange_weak(first, last, Ordering::Relaxed, Ordering::Relaxed);
            match exchanged {
                Ok(_) => {
                    work(first..last);
                    phase.done.fetch_add(last - first, Ordering::Release);
                    first = phase.claimed.load(Ordering::Relaxed);
                }
                Err(now) => first = now,
            }
        }
        spin_until(|| phase.done.load(Ordering::Acquire) >= count || phases.broken.load(Ordering::Acquire));
        assert!(!phases.broken.load(Ordering::Acquire), "another thread of the team panicked");
    }
}

impl Drop for Team<'_> {
    fn drop(&mut self) {
        if let Some(phases) = self.phases
            && std::thread::panicking()
        {
            phases.broken.store(true, Ordering::Release);
        }
    }
}

/// A job for the threads of a pool, called with the thread's index.
type Job<'a> = &'a (dyn Fn(usize) + Sync);

/// Threads that wait for work. They stop when the pool is dropped.
pub(in crate::engine) struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

struct Shared {
    /// The job's number, whether it is open, and how many workers are in it (see [`State`]).
    state: AtomicU64,
    started: AtomicUsize,
    panicked: AtomicBool,
    stop: AtomicBool,
    /// The current job, written before it is opened and not changed until no worker is in it.
    job: Mutex<Option<JobPointer>>,
    sleepers: Mutex<()>,
    wake: Condvar,
}

/// Low 32 bits: workers inside; next bit: open; the rest: the job's number.
struct State;

impl State {
    const OPEN: u64 = 1 << 32;
    const NUMBER: u64 = 1 << 33;

    fn number(state: u64) -> u64 {
        state / Self::NUMBER
    }

    fn inside(state: u64) -> u64 {
        state % Self::OPEN
    }
}

#[derive(Clone, Copy)]
struct JobPointer(*const (dyn Fn(usize) + Sync));

// SAFETY: what it points to is `Sync`, and `Pool::run` returns only when no worker is in the job.
unsafe impl Send for JobPointer {}

impl Pool {
    /// A pool of `threads` threads, including the caller of [`Self::run`].
    pub fn new(threads: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            state: AtomicU64::new(0),
            started: AtomicUsize::new(0),
            panicked: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            job: Mutex::new(None),
            sleepers: Mutex::new(()),
            wake: Condvar::new(),
        });
        let mut pool = Self { shared, workers: Vec::new() };
        for index in 1..threads {
            let shared = Arc::clone(&pool.shared);
            let worker = spawn(format!("sleeve-engine-{index}"), move || shared.work(index))?;
            pool.workers.push(worker);
        }
        // A thread allocates while it starts. Waiting here means that `run` allocates nothing.
        spin_until(|| pool.shared.started.load(Ordering::Acquire) == pool.workers.len());
        Ok(pool)
    }

    /// Runs `job` on the calling thread (index 0) and on the workers that arrive before `job` returns there. Returns
    /// when no thread is in the job any more. The borrow is exclusive: one job at a time.
    ///
    /// # Panics
    /// If the job panicked on any thread.
    pub fn run(&mut self, job: Job) {
        let pointer: *const (dyn Fn(usize) + Sync) = job;
        // SAFETY: only the lifetime changes; this function returns when no worker uses the job any more.
        let pointer: *const (dyn Fn(usize) + Sync + 'static) = unsafe { std::mem::transmute(pointer) };
        let shared = &*self.shared;
        *shared.job.lock().unwrap_or_else(PoisonError::into_inner) = Some(JobPointer(pointer));
        {
            let _sleepers = shared.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
            let number = State::number(shared.state.load(Ordering::Relaxed)) + 1;
            shared.state.store((number * State::NUMBER) | State::OPEN, Ordering::Release);
            shared.wake.notify_all();
        }
        let own = catch_unwind(AssertUnwindSafe(|| job(0)));
        shared.state.fetch_and(!State::OPEN, Ordering::AcqRel);
        spin_until(|| State::inside(shared.state.load(Ordering::Acquire)) == 0);
        let panicked = shared.panicked.swap(false, Ordering::AcqRel);
        if let Err(panic) = own {
            std::panic::resume_unwind(panic);
        }
        assert!(!panicked, "a thread of the engine panicked");
    }
}

impl Shared {
    fn work(&self, index: usize) {
        self.started.fetch_add(1, Ordering::AcqRel);
        let mut seen = 0;
        loop {
            let number = || State::number(self.state.load(Ordering::Acquire));
            let arrived = || number() != seen || self.stop.load(Ordering::Acquire);
            let mut spins = 0;
            while !arrived() && spins < SPINS_BEFORE_SLEEP {
                spins += 1;
                spin_loop();
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
            seen = number();
            if self.enter() {
                self.do_job(index);
                self.state.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }

    /// Enters the current job, unless its caller has already closed it.
    fn enter(&self) -> bool {
        let enter = |state: u64| (state & State::OPEN != 0).then_some(state + 1);
        self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, enter).is_ok()
    }

    fn do_job(&self, index: usize) {
        let job = *self.job.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(JobPointer(job)) = job {
            // SAFETY: `Pool::run` keeps the job alive until no worker is in it.
            let result = catch_unwind(AssertUnwindSafe(|| unsafe { (*job)(index) }));
            if result.is_err() {
                self.panicked.store(true, Ordering::Release);
            }
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
            // A worker catches its panics, so `join` cannot fail.
            let _ = worker.join();
        }
    }
}
