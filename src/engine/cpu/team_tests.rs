//! The thread pool and its teams, with real threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::team::{Phases, Pool, Team};

/// Waits until `done`.
fn spin_until(done: impl Fn() -> bool) {
    while !done() {
        std::thread::yield_now();
    }
}

#[test]
fn every_unit_is_done_once_and_before_the_next_phase() {
    let mut pool = Pool::new(3).unwrap();
    let mut phases = Phases::new(10);
    let counts: Vec<AtomicUsize> = (0..10).map(|_| AtomicUsize::new(0)).collect();
    for round in 1..=200 {
        phases.reset();
        let phases = &phases;
        pool.run(&|_| {
            let team = Team::member(3, phases);
            for (index, count) in counts.iter().enumerate() {
                team.each(7, |units| {
                    count.fetch_add(units.len(), Ordering::Relaxed);
                    if index > 0 {
                        assert_eq!(counts[index - 1].load(Ordering::Relaxed), 7 * round);
                    }
                });
                assert_eq!(count.load(Ordering::Relaxed), 7 * round);
            }
        });
    }
}

#[test]
fn workers_do_take_part() {
    let mut pool = Pool::new(2).unwrap();
    let mut phases = Phases::new(1);
    let met = AtomicUsize::new(0);
    phases.reset();
    pool.run(&|_| {
        // Each unit waits for the other: one thread alone would never finish.
        Team::member(2, &phases).each_alone(2, |_| {
            met.fetch_add(1, Ordering::AcqRel);
            spin_until(|| met.load(Ordering::Acquire) == 2);
        });
    });
}

#[test]
fn a_panic_reaches_the_caller_and_blocks_nobody() {
    let mut pool = Pool::new(2).unwrap();
    let phases = Phases::new(1);
    let met = AtomicUsize::new(0);
    let result = catch_unwind(AssertUnwindSafe(|| {
        pool.run(&|_| {
            let team = Team::member(2, &phases);
            team.each_alone(2, |units| {
                met.fetch_add(1, Ordering::AcqRel);
                spin_until(|| met.load(Ordering::Acquire) == 2);
                assert_ne!(units.start, 1, "deliberate");
            });
        });
    }));
    assert!(result.is_err());
    let ran = AtomicUsize::new(0);
    pool.run(&|_| {
        ran.fetch_add(1, Ordering::Relaxed);
    });
    assert!((1..=2).contains(&ran.into_inner()));
}
