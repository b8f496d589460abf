//! Single precision: eight lanes with AVX2, sixteen with AVX-512. Double precision: half as many.

use std::arch::x86_64::*;
use std::ops::{Add, Mul, Sub};

use super::portable::Portable;
use super::{Block, INAUDIBLE, Lanes, MANTISSA, SQRT_HALF, Single};

/// Eight lanes. Only for CPUs with AVX2.
#[derive(Clone, Copy)]
pub(in super::super) struct Avx2(__m256);

/// Sixteen lanes. Only for CPUs with AVX-512 F and DQ.
#[derive(Clone, Copy)]
pub(in super::super) struct Avx512(__m512);

/// Four lanes in double precision. Only for CPUs with AVX2.
#[derive(Clone, Copy)]
pub(in super::super) struct Avx2Double(__m256d);

/// Eight lanes in double precision. Only for CPUs with AVX-512 F and DQ.
#[derive(Clone, Copy)]
pub(in super::super) struct Avx512Double(__m512d);

macro_rules! operators {
    ($lanes:ident: $($operator:ident $method:ident $intrinsic:ident),*) => {$(
        impl $operator for $lanes {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                // SAFETY: a value of this type exists only if the CPU has the instruction set.
                Self(unsafe { $intrinsic(self.0, other.0) })
            }
        }
    )*};
}

operators!(Avx2: Add add _mm256_add_ps, Sub sub _mm256_sub_ps, Mul mul _mm256_mul_ps);
operators!(Avx512: Add add _mm512_add_ps, Sub sub _mm512_sub_ps, Mul mul _mm512_mul_ps);
operators!(Avx2Double: Add add _mm256_add_pd, Sub sub _mm256_sub_pd, Mul mul _mm256_mul_pd);
operators!(Avx512Double: Add add _mm512_add_pd, Sub sub _mm512_sub_pd, Mul mul _mm512_mul_pd);

impl Lanes for Avx2 {
    type Value = f32;
    type Single = Self;

    const COUNT: usize = 8;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: the caller runs on a CPU with AVX2, as the trait demands; so in every method below.
        Self(unsafe { _mm256_set1_ps(value) })
    }

    #[inline(always)]
    fn of_samples(samples: Self) -> Self {
        // SAFETY: AVX2 as above.
        unsafe {
            let magnitude = _mm256_andnot_ps(_mm256_set1_ps(-0.0), samples.0);
            // "Not less than" holds for NaN.
            let kept = _mm256_cmp_ps::<_CMP_NLT_UQ>(magnitude, _mm256_set1_ps(INAUDIBLE));
            Self(_mm256_and_ps(samples.0, kept))
        }
    }

    #[inline(always)]
    fn round(self) -> Self {
        self
    }
}

impl Single for Avx2 {
    #[inline(always)]
    fn load(values: &[f32]) -> Self {
        let values = &values[..8];
        // SAFETY: AVX2 as above; the slice holds eight values.
        Self(unsafe { _mm256_loadu_ps(values.as_ptr()) })
    }

    #[inline(always)]
    fn store(self, values: &mut [f32]) {
        let values = &mut values[..8];
        // SAFETY: AVX2 as above; the slice holds eight values.
        unsafe { _mm256_storeu_ps(values.as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        // SAFETY: AVX2 as above.
        Self(unsafe { _mm256_sqrt_ps(self.0) })
    }

    #[inline(always)]
    fn at_least(self, least: f32) -> Self {
        // Where one operand is NaN, the result is the second.
        // SAFETY: AVX2 as above.
        Self(unsafe { _mm256_max_ps(_mm256_set1_ps(least), self.0) })
    }

    #[inline(always)]
    fn exponent_and_mantissa(self) -> (Self, Self) {
        // SAFETY: AVX2 as above.
        unsafe {
            let least = _mm256_set1_epi32(SQRT_HALF);
            let above = _mm256_sub_epi32(_mm256_castps_si256(self.0), least);
            let exponent = _mm256_cvtepi32_ps(_mm256_srai_epi32::<23>(above));
            let mantissa = _mm256_add_epi32(_mm256_and_si256(above, _mm256_set1_epi32(MANTISSA)), least);
            (Self(exponent), Self(_mm256_castsi256_ps(mantissa)))
        }
    }

    #[inline(always)]
    fn if_finite(self, finite: Self) -> Self {
        // SAFETY: AVX2 as above.
        unsafe {
            let is_finite = _mm256_cmp_ps::<_CMP_LT_OQ>(self.0, _mm256_set1_ps(f32::INFINITY));
            Self(_mm256_blendv_ps(self.0, finite.0, is_finite))
        }
    }

    #[inline(always)]
    fn transpose(block: &mut Block<Self>) {
        // SAFETY: AVX2 as above.
        unsafe {
            // Transposes four rows within each of their two halves, then swaps halves.
            for first in [0, 4] {
                let [a, b, c, d] =
                    [block[first].0, block[first + 1].0, block[first + 2].0, block[first + 3].0];
                let (ab, cd) = (_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d));
                block[first] = Self(_mm256_shuffle_ps::<0x44>(ab, cd));
                block[first + 1] = Self(_mm256_shuffle_ps::<0xee>(ab, cd));
                let (ab, cd) = (_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d));
                block[first + 2] = Self(_mm256_shuffle_ps::<0x44>(ab, cd));
                block[first + 3] = Self(_mm256_shuffle_ps::<0xee>(ab, cd));
            }
            for index in 0..4 {
                let (top, bottom) = (block[index].0, block[index + 4].0);
                block[index] = Self(_mm256_permute2f128_ps::<0x20>(top, bottom));
                block[index + 4] = Self(_mm256_permute2f128_ps::<0x31>(top, bottom));
            }
        }
    }
}

impl Lanes for Avx512 {
    type Value = f32;
    type Single = Self;

    const COUNT: usize = 16;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: the caller runs on a CPU with AVX-512 F and DQ, as the trait demands; so in every
        // method below.
        Self(unsafe { _mm512_set1_ps(value) })
    }

    #[inline(always)]
    fn of_samples(samples: Self) -> Self {
        // SAFETY: AVX-512 as above.
        unsafe {
            let magnitude = _mm512_abs_ps(samples.0);
            // "Not less than" holds for NaN.
            let kept = _mm512_cmp_ps_mask::<_CMP_NLT_UQ>(magnitude, _mm512_set1_ps(INAUDIBLE));
            Self(_mm512_maskz_mov_ps(kept, samples.0))
        }
    }

    #[inline(always)]
    fn round(self) -> Self {
        self
    }
}

impl Single for Avx512 {
    #[inline(always)]
    fn load(values: &[f32]) -> Self {
        let values = &values[..16];
        // SAFETY: AVX-512 as above; the slice holds sixteen values.
        Self(unsafe { _mm512_loadu_ps(values.as_ptr()) })
    }

    #[inline(always)]
    fn store(self, values: &mut [f32]) {
        let values = &mut values[..16];
        // SAFETY: AVX-512 as above; the slice holds sixteen values.
        unsafe { _mm512_storeu_ps(values.as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        // SAFETY: AVX-512 as above.
        Self(unsafe { _mm512_sqrt_ps(self.0) })
    }

    #[inline(always)]
    fn at_least(self, least: f32) -> Self {
        // Where one operand is NaN, the result is the second.
        // SAFETY: AVX-512 as above.
        Self(unsafe { _mm512_max_ps(_mm512_set1_ps(least), self.0) })
    }

    #[inline(always)]
    fn exponent_and_mantissa(self) -> (Self, Self) {
        // SAFETY: AVX-512 as above.
        unsafe {
            let least = _mm512_set1_epi32(SQRT_HALF);
            let above = _mm512_sub_epi32(_mm512_castps_si512(self.0), least);
            let exponent = _mm512_cvtepi32_ps(_mm512_srai_epi32::<23>(above));
            let mantissa = _mm512_add_epi32(_mm512_and_si512(above, _mm512_set1_epi32(MANTISSA)), least);
            (Self(exponent), Self(_mm512_castsi512_ps(mantissa)))
        }
    }

    #[inline(always)]
    fn if_finite(self, finite: Self) -> Self {
        // SAFETY: AVX-512 as above.
        unsafe {
            let is_finite = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(self.0, _mm512_set1_ps(f32::INFINITY));
            Self(_mm512_mask_blend_ps(is_finite, self.0, finite.0))
        }
    }

    #[inline(always)]
    fn transpose(block: &mut Block<Self>) {
        // SAFETY: AVX-512 as above.
        unsafe {
            // Transposes four rows within each of their four quarters, then swaps quarters.
            for first in [0, 4, 8, 12] {
                let [a, b, c, d] =
                    [block[first].0, block[first + 1].0, block[first + 2].0, block[first + 3].0];
                let (ab, cd) = (_mm512_unpacklo_ps(a, b), _mm512_unpacklo_ps(c, d));
                block[first] = Self(_mm512_shuffle_ps::<0x44>(ab, cd));
                block[first + 1] = Self(_mm512_shuffle_ps::<0xee>(ab, cd));
                let (ab, cd) = (_mm512_unpackhi_ps(a, b), _mm512_unpackhi_ps(c, d));
                block[first + 2] = Self(_mm512_shuffle_ps::<0x44>(ab, cd));
                block[first + 3] = Self(_mm512_shuffle_ps::<0xee>(ab, cd));
            }
            for index in 0..4 {
                let [a, b, c, d] =
                    [block[index].0, block[index + 4].0, block[index + 8].0, block[index + 12].0];
                let (ab, cd) = (_mm512_shuffle_f32x4::<0x44>(a, b), _mm512_shuffle_f32x4::<0x44>(c, d));
                block[index] = Self(_mm512_shuffle_f32x4::<0x88>(ab, cd));
                block[index + 4] = Self(_mm512_shuffle_f32x4::<0xdd>(ab, cd));
                let (ab, cd) = (_mm512_shuffle_f32x4::<0xee>(a, b), _mm512_shuffle_f32x4::<0xee>(c, d));
                block[index + 8] = Self(_mm512_shuffle_f32x4::<0x88>(ab, cd));
                block[index + 12] = Self(_mm512_shuffle_f32x4::<0xdd>(ab, cd));
            }
        }
    }
}

impl Lanes for Avx2Double {
    type Value = f64;
    type Single = Portable;

    const COUNT: usize = 4;

    #[inline(always)]
    fn splat(value: f64) -> Self {
        // SAFETY: AVX2 as above.
        Self(unsafe { _mm256_set1_pd(value) })
    }

    #[inline(always)]
    fn of_samples(samples: Portable) -> Self {
        // SAFETY: AVX2 as above; the array holds four values.
        Self(unsafe { _mm256_cvtps_pd(_mm_loadu_ps(samples.0.as_ptr())) })
    }

    #[inline(always)]
    fn round(self) -> Portable {
        let mut values = [0.0; 4];
        // SAFETY: AVX2 as above; the array holds four values.
        unsafe { _mm_storeu_ps(values.as_mut_ptr(), _mm256_cvtpd_ps(self.0)) };
        Portable(values)
    }
}

impl Lanes for Avx512Double {
    type Value = f64;
    type Single = Avx2;

    const COUNT: usize = 8;

    #[inline(always)]
    fn splat(value: f64) -> Self {
        // SAFETY: AVX-512 as above.
        Self(unsafe { _mm512_set1_pd(value) })
    }

    #[inline(always)]
    fn of_samples(samples: Avx2) -> Self {
        // SAFETY: AVX-512 as above.
        Self(unsafe { _mm512_cvtps_pd(samples.0) })
    }

    #[inline(always)]
    fn round(self) -> Avx2 {
        // SAFETY: AVX-512 as above.
        Avx2(unsafe { _mm512_cvtpd_ps(self.0) })
    }
}
