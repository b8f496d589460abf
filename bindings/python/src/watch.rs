//! Ctrl-C during a call that works without the GIL.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use sleeve::extractor::{Rows, Sink};
use sleeve::{Error, Result};

/// How often signals are looked for.
const EVERY: Duration = Duration::from_millis(50);

/// Passes rows on, and ends the run when a signal handler of Python's raises, as that of Ctrl-C does.
pub struct Watched<'s> {
    sink: &'s mut dyn Sink,
    main: bool,
    looked: Instant,
    raised: Option<PyErr>,
}

impl<'s> Watched<'s> {
    /// `main` says whether this is Python's main thread, which alone runs handlers. Others must not ask for the GIL: at the
    /// interpreter's end they would never get it.
    pub fn new(sink: &'s mut dyn Sink, main: bool) -> Self {
        Watched { sink, main, looked: Instant::now(), raised: None }
    }

    /// What a handler raised.
    pub fn raised(self) -> Option<PyErr> {
        self.raised
    }

    fn look(&mut self) {
        if self.main && self.raised.is_none() && self.looked.elapsed() >= EVERY {
            self.raised = Python::attach(|py| py.check_signals()).err();
            self.looked = Instant::now();
        }
    }
}

/// Whether this is Python's main thread.
pub fn is_main(py: Python<'_>) -> PyResult<bool> {
    static IDENT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static MAIN: PyOnceLock<u64> = PyOnceLock::new();
    // A fork's main thread is the one that forked, which may be another.
    static PROCESS: AtomicU32 = AtomicU32::new(0);
    let ident = IDENT
        .get_or_try_init(py, || Ok::<_, PyErr>(py.import("threading")?.getattr("get_ident")?.unbind()))?;
    let ident: u64 = ident.call0(py)?.extract(py)?;
    let main = MAIN.get_or_try_init(py, || {
        PROCESS.store(std::process::id(), Ordering::Release);
        py.import("threading")?.call_method0("main_thread")?.getattr("ident")?.extract::<u64>()
    })?;
    Ok(PROCESS.load(Ordering::Acquire) == std::process::id() && ident == *main)
}

impl Sink for Watched<'_> {
    fn rows(&mut self, rows: &Rows<'_>) -> Result<()> {
        self.look();
        if self.raised.is_some() {
            return Err(Error::Cancelled);
        }
        self.sink.rows(rows)
    }

    fn progress(&mut self, seconds: f64, total: Option<f64>) {
        self.look();
        self.sink.progress(seconds, total);
    }
}
