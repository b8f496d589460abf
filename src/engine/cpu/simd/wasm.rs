//! WebAssembly's 128-bit vectors: a module that has them runs only where they are, so nothing is detected.

use std::arch::wasm32::*;

use super::{EXP2, Int8Sums, MAX_EXPONENT, Vector};

#[derive(Clone, Copy)]
pub(crate) struct Simd128(v128);

/// `a * b + c`: one instruction where relaxed vectors are enabled, which fuse on every current CPU; else two.
#[inline(always)]
fn multiply_add(a: v128, b: v128, c: v128) -> v128 {
    #[cfg(target_feature = "relaxed-simd")]
    return f32x4_relaxed_madd(a, b, c);
    #[cfg(not(target_feature = "relaxed-simd"))]
    f32x4_add(f32x4_mul(a, b), c)
}

impl Vector for Simd128 {
    const LANES: usize = 4;
    // x86's 16 registers are the fewest that engines compile to, and one or two of them are the engine's own.
    const TILE: [usize; 3] = [8, 5, 0];
    const ROW_TILE: usize = 4;
    const PIXELS: [usize; 3] = [8, 5, 3];
    const SPREAD: [usize; 2] = [4, 2];

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self(f32x4_splat(value))
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller promises that the floats can be read; the address need not be aligned.
        Self(unsafe { v128_load(from.cast()) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller promises that the floats can be written; the address need not be aligned.
        unsafe { v128_store(to.cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(f32x4_add(self.0, other.0))
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Self(f32x4_mul(self.0, other.0))
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        Self(multiply_add(self.0, factor.0, addend.0))
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Self(f32x4_sub(self.0, other.0))
    }

    // `pmax(a, b)` is `b` where `a < b`, else `a`, so also where either is NaN; one instruction on every CPU, which
    // `f32x4_max` is not.

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        Self(f32x4_pmax(other.0, self.0))
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        Self(f32x4_pmin(other.0, self.0))
    }

    #[inline(always)]
    unsafe fn maximum(self, other: Self) -> Self {
        Self(f32x4_max(self.0, other.0))
    }

    #[inline(always)]
    unsafe fn sigmoid(self) -> Self {
        // Adding and subtracting this rounds to the nearest integer, whose bits are then the lowest.
        const ROUND: f32 = 12_582_912.0;
        let t = f32x4_mul(self.0, f32x4_splat(-std::f32::consts::LOG2_E));
        // Where t is NaN, it stays.
        let t = f32x4_pmin(t, f32x4_splat(MAX_EXPONENT));
        let t = f32x4_pmax(t, f32x4_splat(-MAX_EXPONENT));
        let shifted = f32x4_add(t, f32x4_splat(ROUND));
        let f = f32x4_sub(t, f32x4_sub(shifted, f32x4_splat(ROUND)));
        let mut p = f32x4_splat(EXP2[0]);
        for &coefficient in &EXP2[1..] {
            p = multiply_add(p, f, f32x4_splat(coefficient));
        }
        let e = i32x4_add(p, i32x4_shl(shifted, 23));
        let one = f32x4_splat(1.0);
        Self(f32x4_div(one, f32x4_add(one, e)))
    }
}

/// Four sums of products.
#[derive(Clone, Copy)]
pub(crate) struct Simd128Int8(v128);

impl Int8Sums for Simd128Int8 {
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn zero() -> Self {
        Self(i32x4_splat(0))
    }

    #[inline(always)]
    unsafe fn add_products(self, narrow: *const i8, wide: *const i16) -> Self {
        // SAFETY: the caller promises that eight integers can be read from both places.
        let (narrow, wide) = unsafe { (i16x8_load_extend_i8x8(narrow), v128_load(wide.cast())) };
        Self(i32x4_add(self.0, i32x4_dot_i16x8(narrow, wide)))
    }

    #[inline(always)]
    unsafe fn total(self) -> i32 {
        i32x4_extract_lane::<0>(self.0)
            + i32x4_extract_lane::<1>(self.0)
            + i32x4_extract_lane::<2>(self.0)
            + i32x4_extract_lane::<3>(self.0)
    }
}
