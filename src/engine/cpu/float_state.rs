//! Denormal numbers cost a hundred cycles each on many CPUs and do not matter here: while a network runs they count as
//! zero. Afterwards the caller's floating-point state is restored.

/// Restores the caller's state when dropped.
pub(in crate::engine) struct FlushDenormals {
    #[cfg(target_arch = "x86_64")]
    saved: u32,
}

/// Flush results to zero (bit 15), take denormal operands as zero (bit 6); all exceptions masked.
#[cfg(target_arch = "x86_64")]
const FLUSH: u32 = 1 << 15 | 1 << 6 | 0x1f80;

impl FlushDenormals {
    #[cfg(target_arch = "x86_64")]
    pub fn new() -> Self {
        let saved = read();
        // Also sets the rounding mode, to nearest.
        write(FLUSH);
        Self { saved }
    }

    #[cfg(not(target_arch = "x86_64"))]
    pub fn new() -> Self {
        Self {}
    }
}

#[cfg(target_arch = "x86_64")]
impl Drop for FlushDenormals {
    fn drop(&mut self) {
        write(self.saved);
    }
}

#[cfg(target_arch = "x86_64")]
fn read() -> u32 {
    let mut state = 0u32;
    // SAFETY: writes the four bytes of `state`; every x86-64 CPU has the instruction.
    unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut state, options(nostack, preserves_flags)) };
    state
}

#[cfg(target_arch = "x86_64")]
fn write(state: u32) {
    // SAFETY: the value is one that `read` returned, or has only defined bits set.
    unsafe {
        std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const state, options(nostack, preserves_flags, readonly))
    };
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn the_callers_state_comes_back() {
        let before = read();
        {
            let _guard = FlushDenormals::new();
            let tiny = std::hint::black_box(f32::MIN_POSITIVE);
            assert_eq!(std::hint::black_box(tiny * 0.5), 0.0);
        }
        // The low six bits record exceptions that occurred in between.
        assert_eq!(read() & !0x3f, before & !0x3f);
        assert_ne!(std::hint::black_box(f32::MIN_POSITIVE) * 0.5, 0.0);
    }
}
