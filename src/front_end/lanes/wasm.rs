//! WebAssembly's 128-bit vectors: four lanes; in double precision a pair of vectors.

use std::arch::wasm32::*;
use std::ops::{Add, Mul, Sub};

use super::{Block, INAUDIBLE, Lanes, MANTISSA, SQRT_HALF, Single};

/// Four lanes in single precision.
#[derive(Clone, Copy)]
pub(in super::super) struct Simd128(v128);

/// Four lanes in double precision.
#[derive(Clone, Copy)]
pub(in super::super) struct Simd128Double(v128, v128);

macro_rules! operators {
    ($($operator:ident $method:ident $single:ident $double:ident),*) => {$(
        impl $operator for Simd128 {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self($single(self.0, other.0))
            }
        }
        impl $operator for Simd128Double {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self($double(self.0, other.0), $double(self.1, other.1))
            }
        }
    )*};
}

operators!(Add add f32x4_add f64x2_add, Sub sub f32x4_sub f64x2_sub, Mul mul f32x4_mul f64x2_mul);

impl Lanes for Simd128Double {
    type Value = f64;
    type Single = Simd128;

    const COUNT: usize = 4;

    #[inline(always)]
    fn splat(value: f64) -> Self {
        Self(f64x2_splat(value), f64x2_splat(value))
    }

    #[inline(always)]
    fn of_samples(samples: Simd128) -> Self {
        let last = i32x4_shuffle::<2, 3, 2, 3>(samples.0, samples.0);
        Self(f64x2_promote_low_f32x4(samples.0), f64x2_promote_low_f32x4(last))
    }

    #[inline(always)]
    fn round(self) -> Simd128 {
        let (first, last) = (f32x4_demote_f64x2_zero(self.0), f32x4_demote_f64x2_zero(self.1));
        Simd128(i32x4_shuffle::<0, 1, 4, 5>(first, last))
    }
}

impl Lanes for Simd128 {
    type Value = f32;
    type Single = Self;

    const COUNT: usize = 4;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self(f32x4_splat(value))
    }

    #[inline(always)]
    fn of_samples(samples: Self) -> Self {
        // False for NaN, which stays.
        let inaudible = f32x4_lt(f32x4_abs(samples.0), f32x4_splat(INAUDIBLE));
        Self(v128_andnot(samples.0, inaudible))
    }

    #[inline(always)]
    fn round(self) -> Self {
        self
    }
}

impl Single for Simd128 {
    #[inline(always)]
    fn load(values: &[f32]) -> Self {
        let values = &values[..4];
        // SAFETY: the slice holds four values; the address need not be aligned.
        Self(unsafe { v128_load(values.as_ptr().cast()) })
    }

    #[inline(always)]
    fn store(self, values: &mut [f32]) {
        let values = &mut values[..4];
        // SAFETY: the slice holds four values; the address need not be aligned.
        unsafe { v128_store(values.as_mut_ptr().cast(), self.0) }
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        Self(f32x4_sqrt(self.0))
    }

    #[inline(always)]
    fn at_least(self, least: f32) -> Self {
        // The second only where the first is below it: NaN stays.
        Self(f32x4_pmax(self.0, f32x4_splat(least)))
    }

    #[inline(always)]
    fn exponent_and_mantissa(self) -> (Self, Self) {
        let least = i32x4_splat(SQRT_HALF);
        let above = i32x4_sub(self.0, least);
        let exponent = f32x4_convert_i32x4(i32x4_shr(above, 23));
        let mantissa = i32x4_add(v128_and(above, i32x4_splat(MANTISSA)), least);
        (Self(exponent), Self(mantissa))
    }

    #[inline(always)]
    fn if_finite(self, finite: Self) -> Self {
        let is_finite = f32x4_lt(self.0, f32x4_splat(f32::INFINITY));
        Self(v128_bitselect(finite.0, self.0, is_finite))
    }

    #[inline(always)]
    fn transpose(block: &mut Block<Self>) {
        let [a, b, c, d] = [block[0].0, block[1].0, block[2].0, block[3].0];
        let (ab, cd) = (i32x4_shuffle::<0, 4, 1, 5>(a, b), i32x4_shuffle::<0, 4, 1, 5>(c, d));
        block[0] = Self(i64x2_shuffle::<0, 2>(ab, cd));
        block[1] = Self(i64x2_shuffle::<1, 3>(ab, cd));
        let (ab, cd) = (i32x4_shuffle::<2, 6, 3, 7>(a, b), i32x4_shuffle::<2, 6, 3, 7>(c, d));
        block[2] = Self(i64x2_shuffle::<0, 2>(ab, cd));
        block[3] = Self(i64x2_shuffle::<1, 3>(ab, cd));
    }
}
