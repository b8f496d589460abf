//! Passes log records to the host.

use std::ffi::{CString, c_char, c_void};
use std::sync::{PoisonError, RwLock};

use log::{LevelFilter, Log, Metadata, Record};

use super::boundary::{Failure, c_string, call};
use super::status::sleeve_status;

/// The level of a log record.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum sleeve_log_level {
    /// Errors.
    SLEEVE_LOG_ERROR = 1,
    /// Warnings.
    SLEEVE_LOG_WARN = 2,
    /// What was chosen, such as an engine, and why.
    SLEEVE_LOG_INFO = 3,
    /// Details for developers.
    SLEEVE_LOG_DEBUG = 4,
    /// All records.
    SLEEVE_LOG_TRACE = 5,
}

/// Log callback: the level of a record, the part of the library that logged it and the message (UTF-8, valid during the
/// call only). It may be called from any thread, and from several at once.
pub type sleeve_log_callback = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        level: sleeve_log_level,
        target: *const c_char,
        message: *const c_char,
    ),
>;

#[derive(Clone, Copy)]
struct Target {
    callback:
        unsafe extern "C" fn(*mut c_void, sleeve_log_level, target: *const c_char, message: *const c_char),
    user_data: *mut c_void,
    level: LevelFilter,
}

// SAFETY: the header says that the callback may be called from any thread, with the same `user_data`.
unsafe impl Send for Target {}
// SAFETY: as above.
unsafe impl Sync for Target {}

static TARGET: RwLock<Option<Target>> = RwLock::new(None);

struct Forwarder;

impl Log for Forwarder {
    fn enabled(&self, metadata: &Metadata) -> bool {
        target().is_some_and(|to| metadata.level() <= to.level)
    }

    fn log(&self, record: &Record) {
        // Copied: the callback may set another one.
        let Some(to) = target().filter(|to| record.level() <= to.level) else { return };
        let level = match record.level() {
            log::Level::Error => sleeve_log_level::SLEEVE_LOG_ERROR,
            log::Level::Warn => sleeve_log_level::SLEEVE_LOG_WARN,
            log::Level::Info => sleeve_log_level::SLEEVE_LOG_INFO,
            log::Level::Debug => sleeve_log_level::SLEEVE_LOG_DEBUG,
            log::Level::Trace => sleeve_log_level::SLEEVE_LOG_TRACE,
        };
        let target: CString = c_string(record.target());
        let message: CString = c_string(&record.args().to_string());
        // SAFETY: the header's contract for the callback; both texts outlive the call.
        unsafe { (to.callback)(to.user_data, level, target.as_ptr(), message.as_ptr()) };
    }

    fn flush(&self) {}
}

fn target() -> Option<Target> {
    *TARGET.read().unwrap_or_else(PoisonError::into_inner)
}

/// Sends the library's log records up to `level` (1 to 5, a `sleeve_log_level`) to `callback`, for the whole process.
/// NULL turns logging off, as it is at first. `user_data` is passed to the callback.
///
/// The previous callback may still be running in another thread when this returns. Errors: INVALID_ARGUMENT for the
/// level; UNAVAILABLE if a Rust program has installed its own logger.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_set_log_callback(
    callback: sleeve_log_callback,
    user_data: *mut c_void,
    level: i32,
) -> sleeve_status {
    call(|| {
        static FORWARDER: Forwarder = Forwarder;
        static INSTALLED: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
        let Some(callback) = callback else {
            *TARGET.write().unwrap_or_else(PoisonError::into_inner) = None;
            if INSTALLED.get() == Some(&true) {
                log::set_max_level(LevelFilter::Off);
            }
            return Ok(());
        };
        let level = match level {
            1 => LevelFilter::Error,
            2 => LevelFilter::Warn,
            3 => LevelFilter::Info,
            4 => LevelFilter::Debug,
            5 => LevelFilter::Trace,
            _ => return Err(Failure::invalid(format!("log level {level} is not one of 1 to 5"))),
        };
        if !INSTALLED.get_or_init(|| log::set_logger(&FORWARDER).is_ok()) {
            let why = "the program has installed its own logger, which receives the records";
            return Err(Failure::new(sleeve_status::SLEEVE_STATUS_UNAVAILABLE, why));
        }
        *TARGET.write().unwrap_or_else(PoisonError::into_inner) = Some(Target { callback, user_data, level });
        log::set_max_level(level);
        Ok(())
    })
}
