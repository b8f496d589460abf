//! The vector type for all computations here: one value for each of several frames.
//!
//! Lane `i` of every vector belongs to frame `i` of a batch, so no arithmetic crosses lanes, and the transform, the
//! bands and the logarithm are written as for a single frame. Every operation is one that IEEE 754 defines to the last
//! bit, and products and sums are never fused: a frame's values have the same bits in any lane, with any instruction
//! set, on any machine.

use std::ops::{Add, Mul, Sub};

#[cfg(target_arch = "x86_64")]
pub(super) mod x86;

/// A vector of `COUNT` single-precision lanes.
///
/// # Safety
/// Every method of an implementation for an instruction set may be called only on a CPU that has it, and should be
/// inlined into a function that enables it. So values of such a type are created only in the functions of `kernel` that
/// have checked for it.
pub(super) trait Lanes: Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> {
    const COUNT: usize;

    /// The same value in every lane.
    fn splat(value: f32) -> Self;

    /// The first `COUNT` values of a slice.
    fn load(values: &[f32]) -> Self;

    /// Writes the first `COUNT` values of a slice.
    fn store(self, values: &mut [f32]);

    /// Zero where the magnitude is below `least`; NaN stays.
    fn flush_below(self, least: f32) -> Self;

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
pub(super) const SQRT_HALF: i32 = 0x3f35_04f3;
pub(super) const MANTISSA: i32 = 0x007f_ffff;

/// Four lanes in plain Rust: for machines without wider vectors, and for the last few frames.
#[derive(Clone, Copy)]
pub(super) struct Portable([f32; 4]);

impl Portable {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        let (a, b) = (self.0, other.0);
        Self([f(a[0], b[0]), f(a[1], b[1]), f(a[2], b[2]), f(a[3], b[3])])
    }
}

impl Add for Portable {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
}

impl Sub for Portable {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
}

impl Mul for Portable {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
}

impl Lanes for Portable {
    const COUNT: usize = 4;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self([value; 4])
    }

    #[inline(always)]
    fn load(values: &[f32]) -> Self {
        Self([values[0], values[1], values[2], values[3]])
    }

    #[inline(always)]
    fn store(self, values: &mut [f32]) {
        values[..4].copy_from_slice(&self.0);
    }

    #[inline(always)]
    fn flush_below(self, least: f32) -> Self {
        Self(self.0.map(|value| if value.abs() < least { 0.0 } else { value }))
    }

    #[inline(always)]
    fn exponent_and_mantissa(self) -> (Self, Self) {
        let above = self.0.map(|value| (value.to_bits() as i32).wrapping_sub(SQRT_HALF));
        let exponent = above.map(|bits| (bits >> 23) as f32);
        let mantissa = above.map(|bits| f32::from_bits(((bits & MANTISSA) + SQRT_HALF) as u32));
        (Self(exponent), Self(mantissa))
    }

    #[inline(always)]
    fn if_finite(self, finite: Self) -> Self {
        self.zip(finite, |value, finite| if value < f32::INFINITY { finite } else { value })
    }

    #[inline(always)]
    fn transpose(block: &mut Block<Self>) {
        let [Self(a), Self(b), Self(c), Self(d)] = [block[0], block[1], block[2], block[3]];
        for index in 0..4 {
            block[index] = Self([a[index], b[index], c[index], d[index]]);
        }
    }
}
