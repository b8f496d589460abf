//! AMX's tile registers: whether the process may use them, and setting them up for a thread.

/// Requests the tile registers from the operating system, once. False on a CPU without AMX.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub(in crate::engine) fn are_available() -> bool {
    use std::arch::x86_64::__cpuid_count;
    use std::sync::OnceLock;
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| {
        // Leaf 7: AMX-BF16 and AMX-TILE. Leaf 1: the system saves extended state.
        const AMX: u32 = 1 << 22 | 1 << 24;
        const OSXSAVE: u32 = 1 << 27;
        let has_tiles = __cpuid_count(1, 0).ecx & OSXSAVE != 0
            && __cpuid_count(0, 0).eax >= 7
            && __cpuid_count(7, 0).edx & AMX == AMX;
        // On Linux a process must request the 8 kB of tile state (ARCH_REQ_XCOMP_PERM).
        const REQUEST: libc::c_int = 0x1023;
        const TILE_DATA: libc::c_ulong = 18;
        // SAFETY: the call takes two numbers and changes only what this process may use.
        has_tiles && unsafe { libc::syscall(libc::SYS_arch_prctl, REQUEST, TILE_DATA) } == 0
    })
}

#[cfg(all(target_arch = "x86_64", not(target_os = "linux")))]
pub(in crate::engine) fn are_available() -> bool {
    false
}

/// A thread's tiles, configured for the kernels: eight of 16 rows of 64 bytes. Released when dropped.
pub(in crate::engine) struct Tiles(());

impl Tiles {
    /// # Safety
    /// [`are_available`].
    #[cfg(target_arch = "x86_64")]
    pub unsafe fn configure() -> Self {
        #[repr(align(64))]
        struct Configuration([u8; 64]);
        let mut configuration = Configuration([0; 64]);
        configuration.0[0] = 1; // The only palette.
        for tile in 0..8 {
            configuration.0[16 + 2 * tile] = 64;
            configuration.0[48 + tile] = 16;
        }
        // SAFETY: the CPU has the instruction (the caller's promise), and the 64 bytes are a configuration.
        unsafe {
            std::arch::asm!("ldtilecfg [{}]", in(reg) configuration.0.as_ptr(), options(nostack, readonly))
        };
        Self(())
    }

    #[cfg(not(target_arch = "x86_64"))]
    pub unsafe fn configure() -> Self {
        Self(())
    }
}

#[cfg(target_arch = "x86_64")]
impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: this value exists only if there are tiles.
        unsafe { std::arch::asm!("tilerelease", options(nostack, nomem)) };
    }
}
