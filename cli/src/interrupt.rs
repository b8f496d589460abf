//! Ctrl-C and a scheduler's signal to end: the first stops in good order, the second at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

/// The exit code of a run that was stopped, as shells know it.
pub const CODE: u8 = 130;

/// From now on, whether the run is to stop.
pub fn watch() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let shared = Arc::clone(&stop);
    let handler = move || {
        if shared.swap(true, Ordering::AcqRel) {
            std::process::exit(CODE.into());
        }
    };
    ctrlc::set_handler(handler).context("cannot watch for Ctrl-C")?;
    Ok(stop)
}
