//! AVX2 with FMA: 16 registers of 8 lanes.

use std::arch::x86_64::*;

use super::{EXP2, Int8Sums, MAX_EXPONENT, Vector};

#[derive(Clone, Copy)]
pub(crate) struct Avx2(__m256);

impl Vector for Avx2 {
    const LANES: usize = 8;
    // 12 sums, 2 weights and a broadcast pixel: 15 of 16 registers.
    const TILE: [usize; 3] = [8, 6, 0];
    const ROW_TILE: usize = 4;
    const PIXELS: [usize; 3] = [12, 6, 4];
    const SPREAD: [usize; 2] = [4, 3];

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller's promise (here and below).
        Self(unsafe { _mm256_set1_ps(value) })
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { _mm256_loadu_ps(from) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { _mm256_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { _mm256_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { _mm256_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { _mm256_fmadd_ps(self.0, factor.0, addend.0) })
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { _mm256_sub_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { _mm256_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { _mm256_min_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn maximum(self, other: Self) -> Self {
        // SAFETY: the caller's promise. Where `other` is NaN, `max` gives it.
        unsafe {
            let is_nan = _mm256_cmp_ps::<_CMP_UNORD_Q>(self.0, self.0);
            Self(_mm256_blendv_ps(_mm256_max_ps(self.0, other.0), self.0, is_nan))
        }
    }

    #[inline(always)]
    unsafe fn sigmoid(self) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let t = _mm256_mul_ps(self.0, _mm256_set1_ps(-std::f32::consts::LOG2_E));
            // The operand order matters: where t is NaN, `min` and `max` give their second operand.
            let t = _mm256_min_ps(_mm256_set1_ps(MAX_EXPONENT), t);
            let t = _mm256_max_ps(_mm256_set1_ps(-MAX_EXPONENT), t);
            let n = _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(t);
            let f = _mm256_sub_ps(t, n);
            let mut p = _mm256_set1_ps(EXP2[0]);
            for &coefficient in &EXP2[1..] {
                p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(coefficient));
            }
            // 2^n by adding n to the exponent's bits. A NaN in p stays NaN: n is then the lowest integer, whose shifted
            // bits are zero.
            let exponent = _mm256_slli_epi32::<23>(_mm256_cvtps_epi32(n));
            let e = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), exponent));
            let d = _mm256_add_ps(e, _mm256_set1_ps(1.0));
            // One Newton step takes the reciprocal from 12 bits to 22.
            let two = _mm256_set1_ps(2.0);
            let r = _mm256_rcp_ps(d);
            let r = _mm256_mul_ps(r, _mm256_fnmadd_ps(d, r, two));
            Self(r)
        }
    }
}

/// Eight sums of products.
#[derive(Clone, Copy)]
pub(crate) struct Avx2Int8(__m256i);

impl Int8Sums for Avx2Int8 {
    const LANES: usize = 16;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { _mm256_setzero_si256() })
    }

    #[inline(always)]
    unsafe fn add_products(self, narrow: *const i8, wide: *const i16) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let narrow = _mm256_cvtepi8_epi16(_mm_loadu_si128(narrow.cast()));
            let products = _mm256_madd_epi16(narrow, _mm256_loadu_si256(wide.cast()));
            Self(_mm256_add_epi32(self.0, products))
        }
    }

    #[inline(always)]
    unsafe fn total(self) -> i32 {
        // SAFETY: the caller's promise.
        unsafe {
            let halves = _mm_add_epi32(_mm256_castsi256_si128(self.0), _mm256_extracti128_si256::<1>(self.0));
            let pairs = _mm_add_epi32(halves, _mm_shuffle_epi32::<0b01_00_11_10>(halves));
            _mm_cvtsi128_si32(_mm_add_epi32(pairs, _mm_shuffle_epi32::<0b10_11_00_01>(pairs)))
        }
    }
}
