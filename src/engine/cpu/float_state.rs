//! Denormal numbers cost a hundred cycles each on many CPUs and do not matter here: while a network runs they count as
//! zero. Afterwards the caller's floating-point state is restored.

/// Restores the caller's state when dropped.
pub struct FlushDenormals(#[allow(dead_code)] Saved);

/// The state that Rust's arithmetic assumes: to nearest, with denormals, without traps. For calls from hosts, whose own state,
/// restored when this is dropped, may be another. Threads inherit the state of the one that starts them.
pub struct PlainFloats(#[allow(dead_code)] Saved);

struct Saved {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    state: control::State,
}

impl FlushDenormals {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    pub fn new() -> Self {
        // Also sets the rounding mode, to nearest.
        Self(Saved::replace(control::FLUSH))
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    pub fn new() -> Self {
        Self(Saved {})
    }
}

impl PlainFloats {
    /// Sets the plain state.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(Saved::replace(control::PLAIN))
    }

    /// Sets the plain state.
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(Saved {})
    }
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
impl Saved {
    fn replace(new: control::State) -> Self {
        let state = control::read();
        control::write(new);
        Self { state }
    }
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
impl Drop for Saved {
    fn drop(&mut self) {
        control::write(self.state);
    }
}

/// x86's register MXCSR.
#[cfg(target_arch = "x86_64")]
mod control {
    pub type State = u32;

    /// Flush results to zero (bit 15), take denormal operands as zero (bit 6); all exceptions masked.
    pub const FLUSH: State = 1 << 15 | 1 << 6 | PLAIN;
    /// To nearest, all exceptions masked.
    pub const PLAIN: State = 0x1f80;

    /// The bits that record which exceptions occurred.
    #[cfg(test)]
    pub const RECORD: State = 0x3f;

    pub fn read() -> State {
        let mut state = 0u32;
        // SAFETY: writes the four bytes of `state`; every x86-64 CPU has the instruction.
        unsafe {
            std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut state, options(nostack, preserves_flags));
        }
        state
    }

    pub fn write(state: State) {
        // SAFETY: the value is one that `read` returned, or has only defined bits set.
        unsafe {
            std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const state, options(nostack, preserves_flags, readonly));
        }
    }
}

/// ARM's register FPCR.
#[cfg(target_arch = "aarch64")]
mod control {
    pub type State = u64;

    /// Denormal operands and results count as zero (FZ, bit 24); no exception is trapped.
    pub const FLUSH: State = 1 << 24;
    /// To nearest.
    pub const PLAIN: State = 0;

    /// Exceptions are recorded in another register.
    #[cfg(test)]
    pub const RECORD: State = 0;

    pub fn read() -> State {
        let state: u64;
        // SAFETY: reads a register that every aarch64 CPU has.
        unsafe { std::arch::asm!("mrs {}, fpcr", out(reg) state, options(nostack, preserves_flags)) };
        state
    }

    pub fn write(state: State) {
        // SAFETY: the value is one that `read` returned, or has only defined bits set.
        unsafe { std::arch::asm!("msr fpcr, {}", in(reg) state, options(nostack, preserves_flags)) };
    }
}

#[cfg(all(test, any(target_arch = "x86_64", target_arch = "aarch64")))]
mod tests {
    use super::control::{RECORD, read};
    use super::*;

    #[test]
    fn the_callers_state_comes_back() {
        let before = read();
        {
            let _guard = FlushDenormals::new();
            let tiny = std::hint::black_box(f32::MIN_POSITIVE);
            assert_eq!(std::hint::black_box(tiny * 0.5), 0.0);
        }
        assert_eq!(read() & !RECORD, before & !RECORD);
        assert_ne!(std::hint::black_box(f32::MIN_POSITIVE) * 0.5, 0.0);
    }

    #[test]
    fn within_a_host_that_flushes_denormals_they_count() {
        let _host = FlushDenormals::new();
        let tiny = || std::hint::black_box(f32::MIN_POSITIVE) * std::hint::black_box(0.5);
        assert_eq!(tiny(), 0.0);
        {
            let _ours = PlainFloats::new();
            assert_ne!(tiny(), 0.0);
        }
        assert_eq!(tiny(), 0.0);
    }
}
