//! The vector trait that the kernels use, and its implementations.
//!
//! Every method is `#[inline(always)]`: a kernel is compiled for an instruction set only inside a function with
//! `#[target_feature]` (as in the engines' `kernels/`). Outside of one, each method would compile to a call, fifty times
//! slower, without any warning.

#[cfg(target_arch = "x86_64")]
pub(in crate::engine) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(in crate::engine) mod avx512;
pub(in crate::engine) mod portable;

/// A register of `LANES` 32-bit floats, and the tile shapes that its register file holds.
pub(in crate::engine) trait Vector: Copy {
    /// Floats in a register. At most [`MAX_LANES`].
    const LANES: usize;
    /// Pixels in a register tile of 1, 2 and 3 vectors of output channels; 0 if that width does not fit the register
    /// file. A tile needs at least 8 independent sums (4 cycles of latency, 2 units) and few loads per multiplication,
    /// but sums that spill to the stack halve the speed.
    const TILE: [usize; 3];
    /// Pixels of a row that a depthwise kernel computes at a time.
    const ROW_TILE: usize;
    /// Pixels in the tile of a convolution of 1, 2 and 3 vectors of output channels, at most [`MAX_PIXELS`]: as many
    /// sums as leave registers for a line of weights and one input value.
    const PIXELS: [usize; 3];
    /// Filters and vectors of places in the tile of a convolution whose lanes are places (`fused/kernels/spread.rs`).
    const SPREAD: [usize; 2];

    /// # Safety
    /// The CPU has the instruction set (also for every method below).
    unsafe fn splat(value: f32) -> Self;
    /// # Safety
    /// `LANES` floats can be read.
    unsafe fn load(from: *const f32) -> Self;
    /// # Safety
    /// `LANES` floats can be written.
    unsafe fn store(self, to: *mut f32);
    /// # Safety
    /// As for [`Self::splat`].
    unsafe fn add(self, other: Self) -> Self;
    /// # Safety
    /// As for [`Self::splat`].
    unsafe fn mul(self, other: Self) -> Self;
    /// `self * factor + addend`, rounded once where the instruction set can.
    ///
    /// # Safety
    /// As for [`Self::splat`].
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// `self - other`.
    ///
    /// # Safety
    /// As for [`Self::splat`].
    unsafe fn sub(self, other: Self) -> Self;
    /// The larger; `other` where either is NaN.
    ///
    /// # Safety
    /// As for [`Self::splat`].
    unsafe fn max(self, other: Self) -> Self;
    /// The smaller; `other` where either is NaN.
    ///
    /// # Safety
    /// As for [`Self::splat`].
    unsafe fn min(self, other: Self) -> Self;
    /// The larger; NaN where either is NaN.
    ///
    /// # Safety
    /// As for [`Self::splat`].
    unsafe fn maximum(self, other: Self) -> Self;
    /// Prefetches a cache line that will be read soon. Any address is allowed.
    #[inline(always)]
    unsafe fn prefetch(_from: *const f32) {}
    /// `1 / (1 + exp(-x))`, within 3 units in the last place; NaN stays NaN.
    ///
    /// # Safety
    /// As for [`Self::splat`].
    unsafe fn sigmoid(self) -> Self;
    /// `x * sigmoid(x)`.
    ///
    /// # Safety
    /// As for [`Self::splat`].
    #[inline(always)]
    unsafe fn silu(self) -> Self {
        // SAFETY: the caller's promise is ours.
        unsafe { self.mul(self.sigmoid()) }
    }
}

/// Pixels in the largest tile of a convolution.
pub(in crate::engine) const MAX_PIXELS: usize = 14;

/// Lanes of the widest implementation: buffers are padded and aligned for it.
pub(in crate::engine) const MAX_LANES: usize = 16;

// Some coefficients are close to ln 2 and the square root of 1/2, but are not meant to be these constants.
/// 2^f on [-0.5, 0.5] is within 1e-7 (relative) of this polynomial (highest power first).
#[allow(clippy::approx_constant)]
const EXP2: [f32; 6] = [0.001_326_472_8, 0.009_671_513, 0.055_507_336, 0.240_222_42, 0.693_147, 1.0];

/// 2^(f - 0.5) on [0, 1), within 2e-7: for an instruction set that computes the fraction above the next lower integer.
#[cfg(target_arch = "x86_64")]
#[allow(clippy::approx_constant)]
const EXP2_FROM_HALF: [f32; 6] =
    [0.001_327_647_1, 0.006_356_423_7, 0.039_475_17, 0.169_814_26, 0.490_133_23, 0.707_106_7];

/// The same within 8e-5.
#[cfg(target_arch = "x86_64")]
const COARSE_EXP2_FROM_HALF: [f32; 4] = [0.055_171_665, 0.159_853_64, 0.492_028_6, 0.707_053_9];

/// Sigmoid is computed from 2^t with t clamped to this, so that 1 + 2^t has a reciprocal. Beyond it, the result is
/// below 1e-37.
const MAX_EXPONENT: f32 = 125.0;
