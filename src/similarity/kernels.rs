//! Products of one query with many rows, compiled once for each instruction set.
//!
//! A row's end that does not fill a vector is not masked: the last vector begins earlier, so that it ends with the row,
//! and the query has zeros there in place of the values that were counted already.

use crate::engine::cpu::KernelSet;
use crate::engine::cpu::simd::portable::{Portable, PortableInt8};
use crate::engine::cpu::simd::{Int8Sums, MAX_INT8_LANES, MAX_LANES, Vector};

/// Rows whose products are computed together, so that each part of the query is loaded once for all of them.
const ROWS: usize = 4;

/// A query of floats, laid out for any kernel.
pub(super) struct FloatQuery {
    dim: usize,
    values: Vec<f32>,
    /// Zeros, and the values of the end that a vector would not fill.
    tail: [f32; MAX_LANES],
}

impl FloatQuery {
    pub fn new(values: &[f32], kernels: &Kernels) -> Self {
        let rest = values.len() % kernels.lanes;
        let mut tail = [0.0; MAX_LANES];
        tail[kernels.lanes - rest..kernels.lanes].copy_from_slice(&values[values.len() - rest..]);
        FloatQuery { dim: values.len(), values: values.to_vec(), tail }
    }
}

/// A query of 16-bit integers, for rows of at least [`MAX_INT8_LANES`] 8-bit integers.
pub(super) struct Int8Query {
    dim: usize,
    values: Vec<i16>,
    tail: [i16; MAX_INT8_LANES],
}

impl Int8Query {
    /// # Panics
    /// If it is shorter than [`MAX_INT8_LANES`].
    pub fn new(values: Vec<i16>, kernels: &Kernels) -> Self {
        assert!(values.len() >= MAX_INT8_LANES);
        let lanes = kernels.int8_lanes;
        let rest = values.len() % lanes;
        let mut tail = [0; MAX_INT8_LANES];
        tail[lanes - rest..lanes].copy_from_slice(&values[values.len() - rest..]);
        Int8Query { dim: values.len(), values, tail }
    }
}

/// The kernels of one instruction set. Both functions take whole rows, one after the other, and write one product each.
pub(super) struct Kernels {
    lanes: usize,
    int8_lanes: usize,
    floats: unsafe fn(&FloatQuery, &[f32], &mut [f32]),
    int8: unsafe fn(&Int8Query, &[i8], &mut [i32]),
}

impl Kernels {
    /// The fastest that this CPU can run.
    pub fn best() -> &'static Kernels {
        Self::of(KernelSet::best(crate::engine::Precision::F32).unwrap_or(KernelSet::Portable))
    }

    fn of(set: KernelSet) -> &'static Kernels {
        match set {
            #[cfg(target_arch = "aarch64")]
            KernelSet::Neon => &NEON,
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            KernelSet::Simd128 => &SIMD128,
            #[cfg(target_arch = "x86_64")]
            KernelSet::Avx2 => &AVX2,
            #[cfg(target_arch = "x86_64")]
            KernelSet::Avx512 => &AVX512,
            _ => &PORTABLE,
        }
    }

    /// The products of a query with rows of its length.
    ///
    /// # Panics
    /// If the lengths do not agree.
    pub fn products(&self, query: &FloatQuery, rows: &[f32], out: &mut [f32]) {
        assert_eq!(rows.len(), query.dim * out.len());
        // SAFETY: `best` and the tests choose kernels that the CPU can run, and the lengths agree.
        unsafe { (self.floats)(query, rows, out) }
    }

    /// The products of a query with rows of 8-bit integers.
    ///
    /// # Panics
    /// If the lengths do not agree.
    pub fn int8_products(&self, query: &Int8Query, rows: &[i8], out: &mut [i32]) {
        assert_eq!(rows.len(), query.dim * out.len());
        // SAFETY: as above.
        unsafe { (self.int8)(query, rows, out) }
    }

    /// The product of two vectors of the same length.
    pub fn dot(&self, one: &[f32], other: &[f32]) -> f32 {
        let mut product = [0.0];
        self.products(&FloatQuery::new(one, self), other, &mut product);
        product[0]
    }
}

/// A table whose functions are compiled for the given target features.
macro_rules! table {
    ($name:ident, $vector:ty, $sums:ty $(, $features:literal)?) => {
        static $name: Kernels = {
            $(#[target_feature(enable = $features)])?
            unsafe fn floats(query: &FloatQuery, rows: &[f32], out: &mut [f32]) {
                // SAFETY: the caller's promise is what the kernel requires; also below.
                unsafe { float_products::<$vector>(query, rows, out) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn int8(query: &Int8Query, rows: &[i8], out: &mut [i32]) {
                // SAFETY: see above.
                unsafe { int8_products::<$sums>(query, rows, out) }
            }
            Kernels {
                lanes: <$vector as Vector>::LANES,
                int8_lanes: <$sums as Int8Sums>::LANES,
                floats,
                int8,
            }
        };
    };
}

table!(PORTABLE, Portable, PortableInt8);
#[cfg(target_arch = "aarch64")]
table!(NEON, crate::engine::cpu::simd::neon::Neon, crate::engine::cpu::simd::neon::NeonInt8);
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
table!(
    SIMD128,
    crate::engine::cpu::simd::wasm::Simd128,
    crate::engine::cpu::simd::wasm::Simd128Int8,
    "simd128"
);
#[cfg(target_arch = "x86_64")]
table!(AVX2, crate::engine::cpu::simd::avx2::Avx2, crate::engine::cpu::simd::avx2::Avx2Int8, "avx2,fma");
#[cfg(target_arch = "x86_64")]
table!(
    AVX512,
    crate::engine::cpu::simd::avx512::Avx512,
    crate::engine::cpu::simd::avx512::Avx512Int8,
    "avx512f,avx512dq,avx512bw,avx512vl,fma"
);

/// # Safety
/// `rows` holds `out.len()` rows of `query.dim` values, and the CPU has the instruction set.
#[inline(always)]
unsafe fn float_products<V: Vector>(query: &FloatQuery, rows: &[f32], out: &mut [f32]) {
    let dim = query.dim;
    if dim < V::LANES {
        for (out, row) in out.iter_mut().zip(rows.chunks_exact(dim)) {
            *out = query.values.iter().zip(row).map(|(a, b)| a * b).sum();
        }
        return;
    }
    let mut done = 0;
    while done < out.len() {
        let (count, from) = ((out.len() - done).min(ROWS), rows[done * dim..].as_ptr());
        // Rows are repeated where fewer are left: a sum for nothing costs less than a second loop.
        let row = |number: usize| from.wrapping_add(number.min(count - 1) * dim);
        // SAFETY: every load lies within a row or the query, whose lengths the caller promises.
        unsafe {
            let mut sums = [V::splat(0.0); ROWS];
            let mut at = 0;
            while at + V::LANES <= dim {
                let part = V::load(query.values.as_ptr().add(at));
                for (number, sum) in sums.iter_mut().enumerate() {
                    *sum = V::load(row(number).add(at)).mul_add(part, *sum);
                }
                at += V::LANES;
            }
            if at < dim {
                let part = V::load(query.tail.as_ptr());
                for (number, sum) in sums.iter_mut().enumerate() {
                    *sum = V::load(row(number).add(dim - V::LANES)).mul_add(part, *sum);
                }
            }
            for (number, sum) in sums.iter().enumerate().take(count) {
                out[done + number] = sum.total();
            }
        }
        done += count;
    }
}

/// # Safety
/// As for [`float_products`], and `query.dim` is at least [`MAX_INT8_LANES`].
#[inline(always)]
unsafe fn int8_products<S: Int8Sums>(query: &Int8Query, rows: &[i8], out: &mut [i32]) {
    let dim = query.dim;
    let mut done = 0;
    while done < out.len() {
        let (count, from) = ((out.len() - done).min(ROWS), rows[done * dim..].as_ptr());
        let row = |number: usize| from.wrapping_add(number.min(count - 1) * dim);
        // SAFETY: every load lies within a row or the query, whose lengths the caller promises.
        unsafe {
            let mut sums = [S::zero(); ROWS];
            let mut at = 0;
            while at + S::LANES <= dim {
                let part = query.values.as_ptr().add(at);
                for (number, sum) in sums.iter_mut().enumerate() {
                    *sum = sum.add_products(row(number).add(at), part);
                }
                at += S::LANES;
            }
            if at < dim {
                for (number, sum) in sums.iter_mut().enumerate() {
                    *sum = sum.add_products(row(number).add(dim - S::LANES), query.tail.as_ptr());
                }
            }
            for (number, sum) in sums.iter().enumerate().take(count) {
                out[done + number] = sum.total();
            }
        }
        done += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::similarity::random::Random;

    /// Every kernel set of this CPU, beside plain sums in double precision or of integers.
    #[test]
    fn products_are_those_of_the_plain_sums() {
        let mut random = Random::new(3);
        for set in KernelSet::ALL.into_iter().filter(|set| set.is_available()) {
            let kernels = Kernels::of(set);
            for dim in [1, 3, 8, 15, 16, 17, 31, 32, 33, 50, 64, 100, 200, 512, 1280] {
                for count in [1, 2, 3, 4, 5, 9] {
                    let query: Vec<f32> = (0..dim).map(|_| random.normal() as f32).collect();
                    let rows: Vec<f32> = (0..dim * count).map(|_| random.normal() as f32).collect();
                    let mut out = vec![f32::NAN; count];
                    kernels.products(&FloatQuery::new(&query, kernels), &rows, &mut out);
                    for (row, found) in rows.chunks_exact(dim).zip(&out) {
                        let pairs = query.iter().zip(row).map(|(a, b)| f64::from(*a) * f64::from(*b));
                        let size: f64 = pairs.clone().map(f64::abs).sum();
                        let plain: f64 = pairs.sum();
                        assert!(
                            (plain - f64::from(*found)).abs() <= 1e-6 * size,
                            "{set} {dim}: {plain} {found}"
                        );
                    }
                    if dim < MAX_INT8_LANES {
                        continue;
                    }
                    let mut byte = || (random.below(255) as i32 - 127) as i8;
                    let query: Vec<i16> = (0..dim).map(|_| byte().into()).collect();
                    let rows: Vec<i8> = (0..dim * count).map(|_| byte()).collect();
                    let mut out = vec![-1; count];
                    kernels.int8_products(&Int8Query::new(query.clone(), kernels), &rows, &mut out);
                    for (row, found) in rows.chunks_exact(dim).zip(&out) {
                        let plain: i32 =
                            query.iter().zip(row).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum();
                        assert_eq!(plain, *found, "{set} {dim}");
                    }
                }
            }
        }
    }
}
