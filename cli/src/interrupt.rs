//! Ctrl-C and SIGTERM: the first stops the run cleanly, the second at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

/// The exit code of an interrupted run, as in shells.
pub const CODE: u8 = 130;

/// Installs the handler; the flag is set when the run should stop.
pub fn watch() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let shared = Arc::clone(&stop);
    let handler = move || {
        if shared.swap(true, Ordering::AcqRel) {
            std::process::exit(CODE.into());
        }
    };
    ctrlc::set_handler(handler).context("cannot install a handler for Ctrl-C")?;
    Ok(stop)
}
