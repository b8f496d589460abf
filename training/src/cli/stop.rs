//! Ctrl-C: the first ends a command after its current work, the second ends the program at once.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

/// Set by Ctrl-C.
static STOP: AtomicBool = AtomicBool::new(false);

/// Handles Ctrl-C and SIGTERM; the flag is set when one has arrived.
///
/// # Errors
/// If no handler can be installed.
pub fn watched() -> Result<&'static AtomicBool> {
    let handler = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
    handler.map_err(|error| Error::InvalidArgument(format!("cannot handle Ctrl-C: {error}")))?;
    Ok(&STOP)
}
