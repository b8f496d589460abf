//! Ctrl-C: the first time a command ends what it is at, the second time the program ends at once.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

/// Set by Ctrl-C.
static STOP: AtomicBool = AtomicBool::new(false);

/// Watches for Ctrl-C and for a polite request to end; whether one has come.
///
/// # Errors
/// If they cannot be watched for.
pub fn watched() -> Result<&'static AtomicBool> {
    let handler = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
    handler.map_err(|error| Error::InvalidArgument(format!("Ctrl-C cannot be watched for: {error}")))?;
    Ok(&STOP)
}
