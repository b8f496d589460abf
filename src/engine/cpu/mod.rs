//! What the engines for the CPU share: vectors of each instruction set, threads, aligned memory, the floating-point
//! state.

pub(in crate::engine) mod buffer;
pub(crate) mod float_state;
pub(in crate::engine) mod kernel_set;
pub(crate) mod simd;
pub(in crate::engine) mod team;
#[cfg(test)]
mod team_tests;

pub(in crate::engine) mod tiles;

pub use kernel_set::KernelSet;

/// What `team` is made of.
mod sync {
    pub(super) use std::hint::spin_loop;
    pub(super) use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
    pub(super) use std::sync::{Arc, Condvar, Mutex, PoisonError};
    pub(super) use std::thread::{JoinHandle, yield_now};

    /// Iterations of waiting before a thread yields its core, and before it sleeps.
    pub(super) const SPINS: u32 = 2_000;
    pub(super) const SPINS_BEFORE_SLEEP: u32 = 20_000;

    pub(super) fn spawn(
        name: String,
        work: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name(name).spawn(work)
    }
}
