//! The engines' thread pool and its teams, tested with loom, which runs every order in which the loads and stores of the
//! threads can take effect.
//!
//! The source is compiled here again with loom's atomics, locks and threads. What the units of a phase write is plain
//! memory here, which loom checks: a read that is not ordered after the write is an error.

#[allow(dead_code)]
#[path = "../../src/engine/cpu/team.rs"]
mod team;

/// What `team` imports from its parent.
mod sync {
    pub(super) use std::sync::PoisonError;

    pub(super) use loom::hint::spin_loop;
    pub(super) use loom::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
    pub(super) use loom::sync::{Arc, Condvar, Mutex};
    pub(super) use loom::thread::{JoinHandle, yield_now};

    /// Waiting is giving way: loom runs others until something changes.
    pub(super) const SPINS: u32 = 1;
    pub(super) const SPINS_BEFORE_SLEEP: u32 = 1;

    pub(super) fn spawn(
        _name: String,
        work: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<JoinHandle<()>> {
        Ok(loom::thread::spawn(work))
    }
}

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use team::{Phases, Pool, Team};

/// Runs `model` in every order, with at most `preemptions` preemptions of threads that do not block.
fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

/// Two values, each written by whoever claims it.
struct Values([UnsafeCell<u32>; 2]);

// SAFETY: loom fails the test if two threads access a value at a time.
unsafe impl Sync for Values {}
// SAFETY: as above.
unsafe impl Send for Values {}

impl Values {
    fn new() -> Self {
        Values([UnsafeCell::new(0), UnsafeCell::new(0)])
    }

    fn add(&self, unit: usize, value: u32) {
        // SAFETY: the pointer is valid, and loom checks that no other thread uses it.
        self.0[unit].with_mut(|place| unsafe { *place += value });
    }

    fn get(&self, unit: usize) -> u32 {
        // SAFETY: the pointer is valid, and loom checks that no thread writes.
        self.0[unit].with(|place| unsafe { *place })
    }
}

/// Two phases: each value is written once, then each is read by whoever comes.
fn two_phases(team: &Team, values: &Values, results: &Values) {
    team.each(2, |units| units.for_each(|unit| values.add(unit, 1 + unit as u32)));
    team.each_alone(2, |units| units.for_each(|unit| results.add(unit, values.get(0) + values.get(1))));
}

#[test]
fn a_phase_reads_what_the_phase_before_wrote() {
    check(3, || {
        let shared = Arc::new((Phases::new(2), Values::new(), Values::new()));
        let other = {
            let shared = shared.clone();
            loom::thread::spawn(move || two_phases(&Team::member(2, &shared.0), &shared.1, &shared.2))
        };
        two_phases(&Team::member(2, &shared.0), &shared.1, &shared.2);
        // A member may leave before the other has come: all units are done nevertheless.
        assert_eq!((shared.2.get(0), shared.2.get(1)), (3, 3));
        other.join().unwrap();
    });
}

#[test]
fn a_pool_ends_a_job_only_when_nobody_is_in_it() {
    check(1, || {
        let mut pool = Pool::new(2).unwrap();
        for _ in 0..2 {
            let phases = Phases::new(1);
            let values = Values::new();
            pool.run(&|_| {
                Team::member(2, &phases).each_alone(2, |units| units.for_each(|unit| values.add(unit, 1)));
            });
            // Both are dropped here: a worker that still ran would access freed memory, which loom reports.
            assert_eq!((values.get(0), values.get(1)), (1, 1));
        }
    });
}
