//! Ctrl-C, and SIGTERM and SIGHUP where there are signals: the first stops the run cleanly, the second at once. Under
//! nohup, SIGHUP stays ignored.

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

    // nohup starts a program that ignores SIGHUP, so that the run outlives its terminal. A handler would end that.
    let hangup = (!is_ignored(SIGHUP)).then_some(SIGHUP);
    for signal in [SIGINT, SIGTERM].into_iter().chain(hangup) {
        // In this order: the first signal finds the flag unset.
        flag::register_conditional_shutdown(signal, CODE.into(), Arc::clone(stop))?;
        flag::register(signal, Arc::clone(stop))?;
    }
    Ok(())
}

/// Whether a signal was ignored when the program started.
#[cfg(unix)]
fn is_ignored(signal: libc::c_int) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: with a null pointer for the new action, the call only writes the present one, which `action` has room for.
    let asked = unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) };
    // SAFETY: all bytes of it were zeroed, and are valid in each of its fields; the call may have written them.
    asked == 0 && unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN
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
