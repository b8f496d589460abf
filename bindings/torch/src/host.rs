//! The library that loaded this plugin.

use std::sync::atomic::{AtomicPtr, Ordering};

use sleeve_plugin_abi::{self as abi, Host};

static HOST: AtomicPtr<Host> = AtomicPtr::new(std::ptr::null_mut());

/// Stores the host, if it has the same interface version.
///
/// # Safety
/// `host` is NULL or lives as long as the process, and its first fields are those of every version.
pub unsafe fn set(host: *const Host) {
    // SAFETY: as the caller promises.
    if !host.is_null() && unsafe { (*host).version } == abi::VERSION {
        HOST.store(host.cast_mut(), Ordering::Release);
    }
}

/// Writes to the host's log, if it has one.
pub fn log(level: u32, text: &str) {
    let host = HOST.load(Ordering::Acquire);
    if !host.is_null() {
        // SAFETY: hosts live as long as the process, and use the text only during the call.
        unsafe { ((*host).log)(level, text.as_ptr().cast(), text.len()) }
    }
}
