//! Ctrl-C, and SIGTERM and SIGHUP where there are signals: the first stops the run cleanly, the second at once.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};

/// The exit code of an interrupted run, as in shells.
pub const CODE: u8 = 130;

/// Installs the handler; the flag is set when the run should stop.
pub fn watch() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    install(&stop).context("cannot install a handler for Ctrl-C")?;
    Ok(stop)
}

#[cfg(unix)]
fn install(stop: &Arc<AtomicBool>) -> std::io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::flag;

    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // In this order: the first signal finds the flag unset.
        flag::register_conditional_shutdown(signal, CODE.into(), Arc::clone(stop))?;
        flag::register(signal, Arc::clone(stop))?;
    }
    Ok(())
}

/// Ctrl-C, Ctrl-Break, and the end of the console or the session.
#[cfg(windows)]
fn install(stop: &Arc<AtomicBool>) -> Result<(), ctrlc::Error> {
    let shared = Arc::clone(stop);
    ctrlc::set_handler(move || {
        if shared.swap(true, std::sync::atomic::Ordering::AcqRel) {
            std::process::exit(CODE.into());
        }
    })
}
