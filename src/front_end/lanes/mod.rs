//! The vector types for all computations here: one value for each of several frames.
//!
//! Lane `i` of every vector belongs to frame `i` of a batch, so no arithmetic crosses lanes, and the transform, the
//! bands and the logarithm are written as for a single frame. Every operation is one that IEEE 754 defines to the last
//! bit, and products and sums are never fused: a frame's values have the same bits in any lane, with any instruction
//! set, on any machine.
//!
//! A transform is in single or in double precision ([`Lanes`]); samples, bands and compression are in single precision
//! ([`Single`]) with as many lanes.

use std::ops::{Add, Mul, Sub};

#[cfg(target_arch = "aarch64")]
pub(super) mod neon;
pub(super) mod portable;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(super) mod wasm;
#[cfg(target_arch = "x86_64")]
pub(super) mod x86;

/// `f32` or `f64`, for tables.
pub(super) trait Value: Copy + Send + Sync + 'static {
    /// The nearest value.
    fn rounded(value: f64) -> Self;
}

impl Value for f32 {
    #[inline(always)]
    fn rounded(value: f64) -> Self {
        value as f32
    }
}

impl Value for f64 {
    #[inline(always)]
    fn rounded(value: f64) -> Self {
        value
    }
}

/// A vector of `COUNT` lanes in single or double precision.
///
/// # Safety
/// Every method of an implementation for an instruction set may be called only on a CPU that has it, and should be
/// inlined into a function that enables it. So values of such a type are created only in the functions of `kernel` that
/// have checked for it.
pub(super) trait Lanes: Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> {
    /// What a lane holds.
    type Value: Value;
    /// As many lanes in single precision.
    type Single: Single;

    const COUNT: usize;

    /// The same value in every lane.
    fn splat(value: Self::Value) -> Self;

    /// The nearest value to a constant in every lane.
    #[inline(always)]
    fn constant(value: f64) -> Self {
        Self::splat(Self::Value::rounded(value))
    }

    /// Samples for a transform. In single precision, those below [`INAUDIBLE`] become zero.
    fn of_samples(samples: Self::Single) -> Self;

    /// Each lane rounded to single precision.
    fn round(self) -> Self::Single;
}

/// Samples below this magnitude are set to zero before a transform in single precision. It is 200 dB below full scale,
/// which changes no mel value of MusiCNN by 1e-8. Without it, sound that fades out slowly would reach denormal numbers,
/// with which a CPU is a hundred times slower. In double precision no sample is denormal.
pub(super) const INAUDIBLE: f32 = 1e-10;

/// A vector in single precision.
pub(super) trait Single: Lanes<Value = f32, Single = Self> {
    /// The first `COUNT` values of a slice.
    fn load(values: &[f32]) -> Self;

    /// Writes the first `COUNT` values of a slice.
    fn store(self, values: &mut [f32]);

    /// The square root.
    fn sqrt(self) -> Self;

    /// `least` where the lane is below it; NaN stays.
    fn at_least(self, least: f32) -> Self;

    /// `(e, m)` where `2^e m` is the lane's value and `m` in `[sqrt(1/2), sqrt(2))`, for normal positive values;
    /// unspecified for others.
    fn exponent_and_mantissa(self) -> (Self, Self);

    /// `finite` where `self` is below infinity, else `self` (infinity or NaN).
    fn if_finite(self, finite: Self) -> Self;

    /// Transposes the first `COUNT` vectors of a block.
    fn transpose(block: &mut Block<Self>);
}

/// As many vectors as the widest implementation has lanes.
pub(super) type Block<V> = [V; 16];

/// The bits of sqrt(1/2), where mantissas are split, so that they are around 1.
const SQRT_HALF: i32 = 0x3f35_04f3;
const MANTISSA: i32 = 0x007f_ffff;
