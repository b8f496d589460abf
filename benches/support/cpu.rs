//! CPU time, which is a fair measure even on a machine with other load.

/// Seconds of CPU time, user and system, that all threads of this process have used so far.
pub fn process_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for writing, and the clock exists on every POSIX system.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    assert_eq!(status, 0, "there is a CPU clock");
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}
