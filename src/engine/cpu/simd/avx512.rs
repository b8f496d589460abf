//! AVX-512: 32 registers of 16 lanes.

use std::arch::x86_64::*;

use super::{COARSE_EXP2_FROM_HALF, EXP2_FROM_HALF, Int8Sums, MAX_EXPONENT, Vector};

#[derive(Clone, Copy)]
pub(crate) struct Avx512(__m512);

impl Vector for Avx512 {
    const LANES: usize = 16;
    const TILE: [usize; 3] = [16, 12, 8];
    const ROW_TILE: usize = 6;
    const PIXELS: [usize; 3] = [14, 14, 9];
    const SPREAD: [usize; 2] = [8, 3];

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller's promise (here and below).
        Self(unsafe { _mm512_set1_ps(value) })
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { _mm512_loadu_ps(from) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { _mm512_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { _mm512_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { _mm512_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { _mm512_fmadd_ps(self.0, factor.0, addend.0) })
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { _mm512_sub_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { _mm512_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { _mm512_min_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn maximum(self, other: Self) -> Self {
        // SAFETY: the caller's promise. Where `other` is NaN, `max` gives it.
        unsafe {
            let is_nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(self.0, self.0);
            Self(_mm512_mask_mov_ps(_mm512_max_ps(self.0, other.0), is_nan, self.0))
        }
    }

    #[inline(always)]
    unsafe fn prefetch(from: *const f32) {
        // SAFETY: a prefetch never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(from.cast()) }
    }

    #[inline(always)]
    unsafe fn sigmoid(self) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            // `scalef` can only round down; adding a half makes that round to nearest.
            let t = _mm512_fmadd_ps(self.0, _mm512_set1_ps(-std::f32::consts::LOG2_E), _mm512_set1_ps(0.5));
            // The operand order matters: where t is NaN, `min` gives its second operand.
            let t = _mm512_min_ps(_mm512_set1_ps(MAX_EXPONENT), t);
            // t minus the next lower integer, in [0, 1): the polynomial is that of 2^(f - 0.5).
            let f = _mm512_reduce_ps::<{ _MM_FROUND_TO_NEG_INF }>(t);
            let mut p = _mm512_set1_ps(EXP2_FROM_HALF[0]);
            for &coefficient in &EXP2_FROM_HALF[1..] {
                p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(coefficient));
            }
            let d = _mm512_add_ps(_mm512_scalef_ps(p, t), _mm512_set1_ps(1.0));
            // One Newton step takes the reciprocal from 14 bits to 23.
            let r = _mm512_rcp14_ps(d);
            Self(_mm512_mul_ps(r, _mm512_fnmadd_ps(d, r, _mm512_set1_ps(2.0))))
        }
    }
}

/// The same with a sigmoid accurate to 2e-4, for the bfloat16 kernels: ten times as accurate as bfloat16.
#[derive(Clone, Copy)]
pub(crate) struct Avx512Fast(__m512);

impl Avx512Fast {
    /// Rounds to bfloat16.
    ///
    /// # Safety
    /// The CPU has AVX-512 BF16, and 16 values can be written.
    #[inline(always)]
    pub unsafe fn store_bf16(self, to: *mut u16) {
        // SAFETY: the caller's promise; both types are 256 bits.
        unsafe {
            let narrow = std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(self.0));
            _mm256_storeu_si256(to.cast(), narrow);
        }
    }
}

impl Vector for Avx512Fast {
    const LANES: usize = Avx512::LANES;
    const TILE: [usize; 3] = Avx512::TILE;
    const ROW_TILE: usize = Avx512::ROW_TILE;
    const PIXELS: [usize; 3] = Avx512::PIXELS;
    const SPREAD: [usize; 2] = Avx512::SPREAD;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller's promise (here and below).
        Self(unsafe { Avx512::splat(value).0 })
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { Avx512::load(from).0 })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { Avx512(self.0).store(to) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { Avx512(self.0).add(Avx512(other.0)).0 })
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { Avx512(self.0).mul(Avx512(other.0)).0 })
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { Avx512(self.0).mul_add(Avx512(factor.0), Avx512(addend.0)).0 })
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { Avx512(self.0).sub(Avx512(other.0)).0 })
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { Avx512(self.0).max(Avx512(other.0)).0 })
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { Avx512(self.0).min(Avx512(other.0)).0 })
    }

    #[inline(always)]
    unsafe fn maximum(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { Avx512(self.0).maximum(Avx512(other.0)).0 })
    }

    #[inline(always)]
    unsafe fn prefetch(from: *const f32) {
        // SAFETY: a prefetch never faults.
        unsafe { Avx512::prefetch(from) }
    }

    #[inline(always)]
    unsafe fn sigmoid(self) -> Self {
        // SAFETY: the caller's promise. Without a Newton step nothing multiplies infinity by 0, so no limit is
        // needed: the reciprocal of infinity is 0.
        unsafe {
            let t = _mm512_fmadd_ps(self.0, _mm512_set1_ps(-std::f32::consts::LOG2_E), _mm512_set1_ps(0.5));
            let f = _mm512_reduce_ps::<{ _MM_FROUND_TO_NEG_INF }>(t);
            let mut p = _mm512_set1_ps(COARSE_EXP2_FROM_HALF[0]);
            for &coefficient in &COARSE_EXP2_FROM_HALF[1..] {
                p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(coefficient));
            }
            Self(_mm512_rcp14_ps(_mm512_add_ps(_mm512_scalef_ps(p, t), _mm512_set1_ps(1.0))))
        }
    }
}

/// Sixteen sums of products.
#[derive(Clone, Copy)]
pub(crate) struct Avx512Int8(__m512i);

impl Int8Sums for Avx512Int8 {
    const LANES: usize = 32;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { _mm512_setzero_si512() })
    }

    #[inline(always)]
    unsafe fn add_products(self, narrow: *const i8, wide: *const i16) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let narrow = _mm512_cvtepi8_epi16(_mm256_loadu_si256(narrow.cast()));
            let products = _mm512_madd_epi16(narrow, _mm512_loadu_si512(wide.cast()));
            Self(_mm512_add_epi32(self.0, products))
        }
    }

    #[inline(always)]
    unsafe fn total(self) -> i32 {
        // SAFETY: the caller's promise.
        unsafe { _mm512_reduce_add_epi32(self.0) }
    }
}
