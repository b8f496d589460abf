//! Log records on their way to Python's logging.
//!
//! Records come from any thread, and threads of the library must not wait for the GIL: a thread that holds it may be
//! waiting for them, and at the interpreter's end it never comes. So records wait here, and the next call from Python
//! takes them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use log::{Level, LevelFilter, Log, Metadata, Record};
use pyo3::prelude::*;

/// Records that wait at most: a host that never calls again must not collect them without end.
const MAX_WAITING: usize = 1000;

/// Level as in Python's logging, target, message.
type Waiting = (u8, String, String);

struct Buffer {
    records: Mutex<VecDeque<Waiting>>,
    /// Whether there are any; read without the lock.
    any: AtomicBool,
}

static BUFFER: Buffer = Buffer { records: Mutex::new(VecDeque::new()), any: AtomicBool::new(false) };

impl Log for Buffer {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Other crates' records are about their own insides.
        metadata.target().starts_with("sleeve")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let level = match record.level() {
            Level::Error => 40,
            Level::Warn => 30,
            Level::Info => 20,
            Level::Debug => 10,
            Level::Trace => 5,
        };
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        if records.len() == MAX_WAITING {
            records.pop_front();
        }
        records.push_back((level, record.target().replace("::", "."), record.args().to_string()));
        self.any.store(true, Ordering::Release);
    }

    fn flush(&self) {}
}

/// Collects records from this level on, in the numbers of Python's logging. Not called for the command line, which has a
/// logger of its own.
#[pyfunction]
pub fn set_log_level(level: u8) {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| drop(log::set_logger(&BUFFER)));
    log::set_max_level(match level {
        0..10 => LevelFilter::Trace,
        10..20 => LevelFilter::Debug,
        20..30 => LevelFilter::Info,
        30..40 => LevelFilter::Warn,
        40..50 => LevelFilter::Error,
        50.. => LevelFilter::Off,
    });
}

/// The records that wait, in order.
#[pyfunction]
pub fn take_records() -> Vec<Waiting> {
    if !BUFFER.any.swap(false, Ordering::AcqRel) {
        return Vec::new();
    }
    BUFFER.records.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
}
