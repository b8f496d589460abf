//! Helpers of the benchmarks: statistics, peers and paths.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};

use anyhow::{Context, Result};

pub mod clips;
pub mod cpu;
pub mod peak;
mod peer;
pub mod realfft_mel;

pub use peer::Peer;

/// The median of some measurements.
///
/// # Panics
/// If `values` is empty.
pub fn median(values: &[f64]) -> f64 {
    assert!(!values.is_empty(), "no measurements");
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { 0.5 * (sorted[middle - 1] + sorted[middle]) }
}

/// The repository's root.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("benches/ is in the repository").to_owned()
}

/// A recording under `examples/audio/`.
pub fn recording(name: &str) -> PathBuf {
    repository().join("examples/audio").join(name)
}

/// The program `sleeve`, which `cargo xtask bench` builds in release mode beside the benchmark.
pub fn program() -> PathBuf {
    std::env::current_exe().expect("the benchmark knows its own path").with_file_name("sleeve")
}

/// What a process has used.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    pub status: ExitStatus,
    /// Peak memory in bytes, files that are mapped included.
    pub peak: u64,
    /// Seconds of cores.
    pub cpu: f64,
}

/// Runs a command and waits for it. Returns its exit status and peak memory in bytes.
///
/// # Errors
/// If the command cannot be started or waited for.
pub fn peak_memory(command: &mut Command) -> Result<(ExitStatus, u64)> {
    let child = command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?;
    wait(&child)
}

/// Waits for a process. Returns its exit status and peak memory in bytes. Nothing else may wait for it.
///
/// # Errors
/// If it cannot be waited for.
pub fn wait(child: &Child) -> Result<(ExitStatus, u64)> {
    let used = wait_used(child)?;
    Ok((used.status, used.peak))
}

/// Waits for a process, and returns what it has used. Nothing else may wait for it.
///
/// # Errors
/// If it cannot be waited for.
pub fn wait_used(child: &Child) -> Result<Used> {
    use std::os::unix::process::ExitStatusExt;
    let mut status = 0;
    // SAFETY: all zeroes is a valid rusage, and both pointers are to live local values.
    let (waited, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        let waited = libc::wait4(child.id() as libc::pid_t, &mut status, 0, &mut usage);
        (waited, usage)
    };
    if waited < 0 {
        return Err(std::io::Error::last_os_error()).context("cannot wait for the command");
    }
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    Ok(Used {
        status: ExitStatus::from_raw(status),
        // Linux counts in KiB.
        peak: usage.ru_maxrss as u64 * 1024,
        cpu: seconds(usage.ru_utime) + seconds(usage.ru_stime),
    })
}
