//! Objects belong to the process that made them: a fork copies them without their threads. The engines have threads that
//! they all share, too, so a process that was forked after an engine was made cannot make another.

use std::sync::atomic::{AtomicU32, Ordering};

use pyo3::prelude::*;

use crate::errors;

/// The process that an object was made in.
pub struct Home(u32);

impl Home {
    /// This process.
    pub fn here() -> Self {
        Home(std::process::id())
    }

    /// Whether this process made it.
    pub fn is_here(&self) -> bool {
        self.0 == std::process::id()
    }

    /// Refuses the object in a process that was forked from its own: the threads that would do the work, and those that
    /// may hold its locks, are not there.
    pub fn check(&self, py: Python<'_>, what: &str) -> PyResult<()> {
        if self.is_here() { Ok(()) } else { Err(forked(py, &format!("this {what} was made"))) }
    }
}

/// The first process that made an engine; 0 before.
static FIRST: AtomicU32 = AtomicU32::new(0);

/// Marks this process as one that makes engines. An error if it was forked from one.
pub fn makes_engines(py: Python<'_>) -> PyResult<()> {
    let own = std::process::id();
    match FIRST.compare_exchange(0, own, Ordering::AcqRel, Ordering::Acquire) {
        Err(first) if first != own => Err(forked(py, "an extractor was made")),
        _ => Ok(()),
    }
}

fn forked(py: Python<'_>, what: &str) -> PyErr {
    let message = format!(
        "{what} before this process was forked, which does not copy its threads: start processes with the method `spawn` \
         or `forkserver` (multiprocessing.get_context(\"spawn\"), DataLoader(multiprocessing_context=\"spawn\")), which \
         pickle extractors, or fork before the first is made"
    );
    errors::own(py, &message, "forked")
}
