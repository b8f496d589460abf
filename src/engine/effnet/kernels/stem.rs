//! The first convolution, with SiLU. It has one input channel, so the inputs of a pixel are single values of its
//! neighbourhood, each broadcast to a vector as in [`super::linear`].

use crate::engine::cpu::simd::Vector;

/// Rows `first_row..last_row` of the result.
pub(in super::super) struct StemArgs {
    /// 3 or 5.
    pub kernel: usize,
    pub stride: usize,
    pub vectors: usize,
    /// The bordered input, `input_row` floats a row.
    pub input: *const f32,
    pub input_row: usize,
    /// `[kernel row][kernel column][channel]`, `weights_tap` floats a tap.
    pub weights: *const f32,
    pub weights_tap: usize,
    pub bias: *const f32,
    /// Pixel 0 of the result (inside the next layer's border).
    pub output: *mut f32,
    pub output_pixel: usize,
    pub output_row: usize,
    pub columns: usize,
    pub first_row: usize,
    pub last_row: usize,
}

/// # Safety
/// The CPU has `V`'s instruction set and every pointer of `args` is valid for the sizes stated there.
#[inline(always)]
pub(super) unsafe fn stem<V: Vector>(args: &StemArgs) {
    // SAFETY: the caller's promise.
    unsafe {
        match args.kernel {
            3 => rows::<V, 3>(args),
            _ => rows::<V, 5>(args),
        }
    }
}

#[inline(always)]
unsafe fn rows<V: Vector, const K: usize>(args: &StemArgs) {
    for row in args.first_row..args.last_row {
        for vector in 0..args.vectors {
            // SAFETY: the caller's promise.
            unsafe {
                let mut column = 0;
                while args.columns - column >= 6 {
                    pixels::<V, K, 6>(args, vector * V::LANES, row, column);
                    column += 6;
                }
                while column < args.columns {
                    pixels::<V, K, 1>(args, vector * V::LANES, row, column);
                    column += 1;
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn pixels<V: Vector, const K: usize, const T: usize>(
    args: &StemArgs,
    channel: usize,
    row: usize,
    column: usize,
) {
    // SAFETY: the pixels that the taps read are within the map and its border.
    unsafe {
        let mut sums = [V::load(args.bias.add(channel)); T];
        let input = args.input.add(row * args.stride * args.input_row + column * args.stride);
        let weights = args.weights.add(channel);
        for y in 0..K {
            for x in 0..K {
                let weight = V::load(weights.add((y * K + x) * args.weights_tap));
                for t in 0..T {
                    let value = V::splat(*input.add(y * args.input_row + t * args.stride + x));
                    sums[t] = value.mul_add(weight, sums[t]);
                }
            }
        }
        let output = args.output.add(row * args.output_row + column * args.output_pixel + channel);
        for t in 0..T {
            sums[t].silu().store(output.add(t * args.output_pixel));
        }
    }
}
