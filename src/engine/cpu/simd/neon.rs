//! NEON: 32 registers of 4 lanes. Every aarch64 CPU has it.

use std::arch::aarch64::*;

use super::{EXP2, Int8Sums, MAX_EXPONENT, Vector};

#[derive(Clone, Copy)]
pub(crate) struct Neon(float32x4_t);

impl Neon {
    /// `1 + exp(-x)`, whose reciprocal is the sigmoid.
    ///
    /// # Safety
    /// As for [`Vector::splat`].
    #[inline(always)]
    unsafe fn one_and_exp_of_minus(self) -> float32x4_t {
        // SAFETY: the caller's promise. NaN stays: `vminq` gives it, and its rounded integer is 0.
        unsafe {
            let t = vmulq_n_f32(self.0, -std::f32::consts::LOG2_E);
            let t = vminq_f32(t, vdupq_n_f32(MAX_EXPONENT));
            let n = vrndnq_f32(t);
            let f = vsubq_f32(t, n);
            // The polynomial in pairs: the additions of Horner's scheme would each need a copy of their coefficient.
            let square = vmulq_f32(f, f);
            let high = vfmaq_n_f32(vdupq_n_f32(EXP2[1]), f, EXP2[0]);
            let middle = vfmaq_n_f32(vdupq_n_f32(EXP2[3]), f, EXP2[2]);
            let low = vfmaq_n_f32(vdupq_n_f32(EXP2[5]), f, EXP2[4]);
            let p = vfmaq_f32(low, vfmaq_f32(middle, high, square), square);
            // 2^n by adding n to the exponent's bits. Both the shift and the sum saturate, so no lower limit is
            // needed: whatever is below the smallest number becomes 0.
            let exponent = vqshlq_n_s32::<23>(vcvtnq_s32_f32(n));
            let e = vreinterpretq_f32_u32(vsqaddq_u32(vreinterpretq_u32_f32(p), exponent));
            vaddq_f32(e, vdupq_n_f32(1.0))
        }
    }
}

impl Vector for Neon {
    const LANES: usize = 4;
    // 18 sums, 12 weights or 3 with 6 pixels' values, in 32 registers.
    const TILE: [usize; 3] = [8, 6, 6];
    const ROW_TILE: usize = 6;
    const PIXELS: [usize; 3] = [14, 10, 6];
    const SPREAD: [usize; 2] = [8, 3];
    const BY_LANE: bool = true;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller's promise (here and below).
        Self(unsafe { vdupq_n_f32(value) })
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { vld1q_f32(from) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { vst1q_f32(to, self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { vaddq_f32(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { vmulq_f32(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { vfmaq_f32(addend.0, self.0, factor.0) })
    }

    #[inline(always)]
    unsafe fn mul_add_lane<const LANE: i32>(self, factor: Self, addend: Self) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { vfmaq_laneq_f32::<LANE>(addend.0, factor.0, self.0) })
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { vsubq_f32(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        // SAFETY: the caller's promise. NEON's own maximum would give NaN where `self` alone is NaN.
        Self(unsafe { vbslq_f32(vcgtq_f32(self.0, other.0), self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { vbslq_f32(vcltq_f32(self.0, other.0), self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn maximum(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { vmaxq_f32(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn sigmoid(self) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { vdivq_f32(vdupq_n_f32(1.0), self.one_and_exp_of_minus()) })
    }

    #[inline(always)]
    unsafe fn silu(self) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { vdivq_f32(self.0, self.one_and_exp_of_minus()) })
    }
}

/// Eight sums of products.
#[derive(Clone, Copy)]
pub(crate) struct NeonInt8(int32x4_t, int32x4_t);

impl Int8Sums for NeonInt8 {
    const LANES: usize = 16;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller's promise.
        unsafe { Self(vdupq_n_s32(0), vdupq_n_s32(0)) }
    }

    #[inline(always)]
    unsafe fn add_products(self, narrow: *const i8, wide: *const i16) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let narrow = vld1q_s8(narrow);
            let (low, high) = (vmovl_s8(vget_low_s8(narrow)), vmovl_high_s8(narrow));
            let (first, second) = (vld1q_s16(wide), vld1q_s16(wide.add(8)));
            let one = vmlal_s16(self.0, vget_low_s16(low), vget_low_s16(first));
            let other = vmlal_high_s16(self.1, low, first);
            Self(
                vmlal_s16(one, vget_low_s16(high), vget_low_s16(second)),
                vmlal_high_s16(other, high, second),
            )
        }
    }

    #[inline(always)]
    unsafe fn total(self) -> i32 {
        // SAFETY: the caller's promise.
        unsafe { vaddvq_s32(vaddq_s32(self.0, self.1)) }
    }
}
