//! Four lanes in plain Rust: for machines without wider vectors, and for the last few frames.

use std::ops::{Add, Mul, Sub};

use super::{Block, INAUDIBLE, Lanes, MANTISSA, SQRT_HALF, Single};

/// Four lanes in single precision.
#[derive(Clone, Copy)]
pub(in super::super) struct Portable(pub(super) [f32; 4]);

/// Four lanes in double precision.
#[derive(Clone, Copy)]
pub(in super::super) struct PortableDouble([f64; 4]);

macro_rules! operators {
    ($lanes:ident: $($operator:ident $method:ident $sign:tt),*) => {$(
        impl $operator for $lanes {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                let (a, b) = (self.0, other.0);
                Self([a[0] $sign b[0], a[1] $sign b[1], a[2] $sign b[2], a[3] $sign b[3]])
            }
        }
    )*};
}

operators!(Portable: Add add +, Sub sub -, Mul mul *);
operators!(PortableDouble: Add add +, Sub sub -, Mul mul *);

impl Lanes for PortableDouble {
    type Value = f64;
    type Single = Portable;

    const COUNT: usize = 4;

    #[inline(always)]
    fn splat(value: f64) -> Self {
        Self([value; 4])
    }

    #[inline(always)]
    fn of_samples(samples: Portable) -> Self {
        Self(samples.0.map(f64::from))
    }

    #[inline(always)]
    fn round(self) -> Portable {
        Portable(self.0.map(|value| value as f32))
    }
}

impl Lanes for Portable {
    type Value = f32;
    type Single = Self;

    const COUNT: usize = 4;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self([value; 4])
    }

    #[inline(always)]
    fn of_samples(samples: Self) -> Self {
        Self(samples.0.map(|value| if value.abs() < INAUDIBLE { 0.0 } else { value }))
    }

    #[inline(always)]
    fn round(self) -> Self {
        self
    }
}

impl Single for Portable {
    #[inline(always)]
    fn load(values: &[f32]) -> Self {
        Self([values[0], values[1], values[2], values[3]])
    }

    #[inline(always)]
    fn store(self, values: &mut [f32]) {
        values[..4].copy_from_slice(&self.0);
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        Self(self.0.map(f32::sqrt))
    }

    #[inline(always)]
    fn at_least(self, least: f32) -> Self {
        Self(self.0.map(|value| if value < least { least } else { value }))
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
        let (a, b) = (self.0, finite.0);
        Self(std::array::from_fn(|lane| if a[lane] < f32::INFINITY { b[lane] } else { a[lane] }))
    }

    #[inline(always)]
    fn transpose(block: &mut Block<Self>) {
        let [Self(a), Self(b), Self(c), Self(d)] = [block[0], block[1], block[2], block[3]];
        for index in 0..4 {
            block[index] = Self([a[index], b[index], c[index], d[index]]);
        }
    }
}
