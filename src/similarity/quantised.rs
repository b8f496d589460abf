//! Vectors in 8 bits: a quarter of the memory to read, for a first pass over all rows.
//!
//! Each row has a factor of its own, by which its largest value becomes 127. Cosines of such rows are within some
//! thousandths of the exact ones, so the best are computed again from the floats.

use super::Library;
use super::kernels::{Int8Query, Kernels};
use crate::engine::cpu::simd::MAX_INT8_LANES;

pub(super) struct Quantised {
    /// Values of a row: at least [`MAX_INT8_LANES`], the rest zeros.
    width: usize,
    values: Vec<i8>,
    /// For each row, what its products are multiplied by to become those of a vector of length 1.
    scales: Vec<f32>,
}

impl Quantised {
    pub fn of(library: &Library) -> Self {
        let (rows, dim) = (library.rows(), library.dim());
        let width = dim.max(MAX_INT8_LANES);
        let mut values = vec![0; rows * width];
        let mut scales = Vec::with_capacity(rows);
        for (first, vectors, lengths) in library.pieces(0..rows) {
            let out = values[first * width..].chunks_exact_mut(width);
            for ((row, length), out) in vectors.chunks_exact(dim).zip(lengths).zip(out) {
                scales.push(quantise(row, out.iter_mut()) * length);
            }
        }
        Quantised { width, values, scales }
    }

    /// A query of length 1, and what products with it are multiplied by.
    pub fn query(&self, unit: &[f32], kernels: &Kernels) -> (Int8Query, f32) {
        let mut narrow = vec![0_i8; self.width];
        let scale = quantise(unit, narrow.iter_mut());
        (Int8Query::new(narrow.into_iter().map(i16::from).collect(), kernels), scale)
    }

    /// The values and scales of some rows.
    pub fn rows(&self, rows: std::ops::Range<usize>) -> (&[i8], &[f32]) {
        (&self.values[rows.start * self.width..rows.end * self.width], &self.scales[rows])
    }
}

/// Rounds values to 8 bits; returns the size of a step.
fn quantise<'a>(values: &[f32], out: impl Iterator<Item = &'a mut i8>) -> f32 {
    let largest = values.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let step = largest / 127.0;
    let factor = if step > 0.0 { 1.0 / step } else { 0.0 };
    for (value, out) in values.iter().zip(out) {
        *out = (value * factor).round() as i8;
    }
    step
}
