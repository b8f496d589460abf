//! The vector trait that the kernels use, and its implementations.
//!
//! Every method is `#[inline(always)]`: a kernel is compiled for an instruction set only inside a function with
//! `#[target_feature]` (as in the engines' `kernels/`). Outside of one, each method would compile to a call, fifty times
//! slower, without any warning.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
pub(crate) mod portable;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(crate) mod wasm;

/// A register of `LANES` 32-bit floats, and the tile shapes that its register file holds.
pub(crate) trait Vector: Copy {
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
    /// Whether [`Self::mul_add_lane`] is one instruction. Kernels then load four values at once ([`LANES`] is 4), in place
    /// of broadcasting each.
    ///
    /// [`LANES`]: Self::LANES
    const BY_LANE: bool = false;

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
    /// [`Self::mul_add`] of one lane of `self`, broadcast.
    ///
    /// # Safety
    /// As for [`Self::splat`], and there is such a lane.
    #[inline(always)]
    unsafe fn mul_add_lane<const LANE: i32>(self, factor: Self, addend: Self) -> Self {
        let mut lanes = [0.0; MAX_LANES];
        // SAFETY: the caller's promise; no implementation has more lanes.
        unsafe {
            self.store(lanes.as_mut_ptr());
            Self::splat(lanes[LANE as usize]).mul_add(factor, addend)
        }
    }
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
    /// The sum of all lanes, added in pairs: the same bits whatever the order of the caller's work.
    ///
    /// # Safety
    /// As for [`Self::splat`].
    #[inline(always)]
    unsafe fn total(self) -> f32 {
        let mut lanes = [0.0; MAX_LANES];
        // SAFETY: no implementation has more lanes.
        unsafe { self.store(lanes.as_mut_ptr()) };
        let mut width = Self::LANES / 2;
        while width > 0 {
            for lane in 0..width {
                lanes[lane] += lanes[lane + width];
            }
            width /= 2;
        }
        lanes[0]
    }
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

/// For each of `P` pixels and four inputs, whose values it has loaded: adds their products with four lines of `C` vectors
/// of weights, line after line.
///
/// # Safety
/// As for [`Vector::splat`]; `V` has four lanes, and the lines can be read.
// Indices, because iterators are not always inlined here.
#[allow(clippy::needless_range_loop)]
#[inline(always)]
pub(crate) unsafe fn add_four<V: Vector, const P: usize, const C: usize>(
    values: &[V; P],
    weights: *const f32,
    sums: &mut [[V; C]; P],
) {
    macro_rules! add_line {
        ($lane:literal) => {{
            let mut line = [V::splat(0.0); C];
            for c in 0..C {
                line[c] = V::load(weights.add(($lane * C + c) * V::LANES));
            }
            for p in 0..P {
                for c in 0..C {
                    sums[p][c] = values[p].mul_add_lane::<$lane>(line[c], sums[p][c]);
                }
            }
        }};
    }
    // SAFETY: the caller's promise.
    unsafe {
        add_line!(0);
        add_line!(1);
        add_line!(2);
        add_line!(3);
    }
}

/// A register of 32-bit sums of products of 8-bit and 16-bit integers.
pub(crate) trait Int8Sums: Copy {
    /// Products of one call of [`Self::add_products`]. At most [`MAX_INT8_LANES`].
    const LANES: usize;

    /// # Safety
    /// The CPU has the instruction set (also for every method below).
    unsafe fn zero() -> Self;
    /// Adds the products of `LANES` integers. They must be so small that no sum of two products overflows 32 bits.
    ///
    /// # Safety
    /// `LANES` integers can be read from both places.
    unsafe fn add_products(self, narrow: *const i8, wide: *const i16) -> Self;
    /// The sum of all lanes.
    ///
    /// # Safety
    /// As for [`Self::zero`].
    unsafe fn total(self) -> i32;
}

/// The most lanes of an implementation of [`Int8Sums`].
pub(crate) const MAX_INT8_LANES: usize = 32;

/// Pixels in the largest tile of a convolution.
pub(crate) const MAX_PIXELS: usize = 14;

/// Lanes of the widest implementation: buffers are padded and aligned for it.
pub(crate) const MAX_LANES: usize = 16;

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
