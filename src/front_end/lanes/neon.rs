//! Four lanes with NEON, which every aarch64 CPU has. Double precision: two registers of two lanes.

use std::arch::aarch64::*;
use std::ops::{Add, Mul, Sub};

use super::{Block, INAUDIBLE, Lanes, MANTISSA, SQRT_HALF, Single};

/// Four lanes in single precision.
#[derive(Clone, Copy)]
pub(in super::super) struct Neon(float32x4_t);

/// Four lanes in double precision.
#[derive(Clone, Copy)]
pub(in super::super) struct NeonDouble(float64x2_t, float64x2_t);

macro_rules! operators {
    ($($operator:ident $method:ident $single:ident $double:ident),*) => {$(
        impl $operator for Neon {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                // SAFETY: every aarch64 CPU has NEON; so in every method below.
                Self(unsafe { $single(self.0, other.0) })
            }
        }

        impl $operator for NeonDouble {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                // SAFETY: NEON as above.
                unsafe { Self($double(self.0, other.0), $double(self.1, other.1)) }
            }
        }
    )*};
}

operators!(
    Add add vaddq_f32 vaddq_f64,
    Sub sub vsubq_f32 vsubq_f64,
    Mul mul vmulq_f32 vmulq_f64
);

impl Lanes for NeonDouble {
    type Value = f64;
    type Single = Neon;

    const COUNT: usize = 4;

    #[inline(always)]
    fn splat(value: f64) -> Self {
        // SAFETY: NEON as above.
        let value = unsafe { vdupq_n_f64(value) };
        Self(value, value)
    }

    #[inline(always)]
    fn of_samples(samples: Neon) -> Self {
        // SAFETY: NEON as above.
        unsafe { Self(vcvt_f64_f32(vget_low_f32(samples.0)), vcvt_high_f64_f32(samples.0)) }
    }

    #[inline(always)]
    fn round(self) -> Neon {
        // SAFETY: NEON as above.
        Neon(unsafe { vcvt_high_f32_f64(vcvt_f32_f64(self.0), self.1) })
    }
}

impl Lanes for Neon {
    type Value = f32;
    type Single = Self;

    const COUNT: usize = 4;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: NEON as above.
        Self(unsafe { vdupq_n_f32(value) })
    }

    #[inline(always)]
    fn of_samples(samples: Self) -> Self {
        // SAFETY: NEON as above.
        unsafe {
            // No comparison holds for NaN.
            let is_inaudible = vcagtq_f32(vdupq_n_f32(INAUDIBLE), samples.0);
            Self(vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(samples.0), is_inaudible)))
        }
    }

    #[inline(always)]
    fn round(self) -> Self {
        self
    }
}

impl Single for Neon {
    #[inline(always)]
    fn load(values: &[f32]) -> Self {
        let values = &values[..4];
        // SAFETY: NEON as above; the slice holds four values.
        Self(unsafe { vld1q_f32(values.as_ptr()) })
    }

    #[inline(always)]
    fn store(self, values: &mut [f32]) {
        let values = &mut values[..4];
        // SAFETY: NEON as above; the slice holds four values.
        unsafe { vst1q_f32(values.as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        // SAFETY: NEON as above.
        Self(unsafe { vsqrtq_f32(self.0) })
    }

    #[inline(always)]
    fn at_least(self, least: f32) -> Self {
        // Where one operand is NaN, so is the result.
        // SAFETY: NEON as above.
        Self(unsafe { vmaxq_f32(vdupq_n_f32(least), self.0) })
    }

    #[inline(always)]
    fn exponent_and_mantissa(self) -> (Self, Self) {
        // SAFETY: NEON as above.
        unsafe {
            let least = vdupq_n_s32(SQRT_HALF);
            let above = vsubq_s32(vreinterpretq_s32_f32(self.0), least);
            let exponent = vcvtq_f32_s32(vshrq_n_s32::<23>(above));
            let mantissa = vaddq_s32(vandq_s32(above, vdupq_n_s32(MANTISSA)), least);
            (Self(exponent), Self(vreinterpretq_f32_s32(mantissa)))
        }
    }

    #[inline(always)]
    fn if_finite(self, finite: Self) -> Self {
        // SAFETY: NEON as above.
        unsafe {
            let is_finite = vcltq_f32(self.0, vdupq_n_f32(f32::INFINITY));
            Self(vbslq_f32(is_finite, finite.0, self.0))
        }
    }

    #[inline(always)]
    fn transpose(block: &mut Block<Self>) {
        let [Self(a), Self(b), Self(c), Self(d)] = [block[0], block[1], block[2], block[3]];
        // SAFETY: NEON as above.
        unsafe {
            // Pairs of two rows, then halves of these.
            let pairs = |one, other| {
                let (even, odd) = (vtrn1q_f32(one, other), vtrn2q_f32(one, other));
                (vreinterpretq_f64_f32(even), vreinterpretq_f64_f32(odd))
            };
            let ((ab_even, ab_odd), (cd_even, cd_odd)) = (pairs(a, b), pairs(c, d));
            block[0] = Self(vreinterpretq_f32_f64(vtrn1q_f64(ab_even, cd_even)));
            block[1] = Self(vreinterpretq_f32_f64(vtrn1q_f64(ab_odd, cd_odd)));
            block[2] = Self(vreinterpretq_f32_f64(vtrn2q_f64(ab_even, cd_even)));
            block[3] = Self(vreinterpretq_f32_f64(vtrn2q_f64(ab_odd, cd_odd)));
        }
    }
}
