//! Plain Rust: four lanes, which compilers keep in one 128-bit register (SSE2, NEON) if there is one.

use super::{EXP2, Int8Sums, MAX_EXPONENT, Vector};

#[derive(Clone, Copy)]
pub(crate) struct Portable([f32; 4]);

/// Fused only if every CPU of the target has the instruction; otherwise `f32::mul_add` would be a library call.
#[inline(always)]
fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
    if cfg!(target_arch = "aarch64") { a.mul_add(b, c) } else { a * b + c }
}

impl Portable {
    #[inline(always)]
    fn map(self, f: impl Fn(f32) -> f32) -> Self {
        Self(self.0.map(f))
    }

    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|i| f(self.0[i], other.0[i])))
    }
}

impl Vector for Portable {
    const LANES: usize = 4;
    const TILE: [usize; 3] = [8, 6, 0];
    const ROW_TILE: usize = 4;
    const PIXELS: [usize; 3] = [8, 6, 0];
    const SPREAD: [usize; 2] = [4, 2];

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 4])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller promises that the floats can be read.
        Self(unsafe { from.cast::<[f32; 4]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller promises that the floats can be written.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        Self(std::array::from_fn(|i| multiply_add(self.0[i], factor.0[i], addend.0[i])))
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        self.zip(other, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    unsafe fn maximum(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b || a.is_nan() { a } else { b })
    }

    #[inline(always)]
    unsafe fn sigmoid(self) -> Self {
        // Adding and subtracting this rounds to the nearest integer; it needs no SSE4.
        const ROUND: f32 = 12_582_912.0;
        self.map(|x| {
            let t = x * -std::f32::consts::LOG2_E;
            // The comparisons are false for NaN, so it stays NaN.
            let t = if t > MAX_EXPONENT { MAX_EXPONENT } else { t };
            let t = if t < -MAX_EXPONENT { -MAX_EXPONENT } else { t };
            let shifted = t + ROUND;
            let f = t - (shifted - ROUND);
            let mut p = EXP2[0];
            for &coefficient in &EXP2[1..] {
                p = multiply_add(p, f, coefficient);
            }
            // The low bits of `shifted` are the integer; as an exponent they scale by its power of two.
            let e = f32::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23));
            1.0 / (1.0 + e)
        })
    }
}

/// Eight sums of products.
#[derive(Clone, Copy)]
pub(crate) struct PortableInt8([i32; 8]);

impl Int8Sums for PortableInt8 {
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn zero() -> Self {
        Self([0; 8])
    }

    #[inline(always)]
    unsafe fn add_products(self, narrow: *const i8, wide: *const i16) -> Self {
        // SAFETY: the caller promises that the integers can be read.
        let (narrow, wide) =
            unsafe { (narrow.cast::<[i8; 8]>().read_unaligned(), wide.cast::<[i16; 8]>().read_unaligned()) };
        Self(std::array::from_fn(|lane| self.0[lane] + i32::from(narrow[lane]) * i32::from(wide[lane])))
    }

    #[inline(always)]
    unsafe fn total(self) -> i32 {
        self.0.iter().sum()
    }
}
