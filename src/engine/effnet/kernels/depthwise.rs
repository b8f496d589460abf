//! Depthwise convolution, SiLU and the sum for the gate, in one pass over a chunk of channels.
//!
//! The input is one chunk of channels of a map with its border of zeros. The expansion has just written it, so it is
//! still in the nearest cache. A few neighbouring pixels of a row are computed together: they share the kernel's
//! weights, and at stride 1 most of their input pixels.

use crate::engine::cpu::simd::Vector;

/// Rows `first_row..last_row` of the result, for `vectors` vectors of channels.
pub(in super::super) struct DepthwiseArgs {
    pub kernel: usize,
    pub stride: usize,
    pub vectors: usize,
    /// The bordered map: its pixels are `input_pixel` floats apart, its rows `input_row`.
    pub input: *const f32,
    pub input_pixel: usize,
    pub input_row: usize,
    /// `[kernel row][kernel column][channel]`, `weights_tap` floats a tap.
    pub weights: *const f32,
    pub weights_tap: usize,
    pub bias: *const f32,
    /// Pixel 0 of the resulting map; pixels follow each other, `output_pixel` floats apart.
    pub output: *mut f32,
    pub output_pixel: usize,
    pub columns: usize,
    pub first_row: usize,
    pub last_row: usize,
    /// Added to, for each channel: the sum of the results.
    pub sums: *mut f32,
}

/// # Safety
/// The CPU has `V`'s instruction set and every pointer of `args` is valid for the sizes stated there.
#[inline(always)]
pub(super) unsafe fn depthwise<V: Vector>(args: &DepthwiseArgs) {
    // SAFETY: the caller's promise.
    unsafe {
        match (args.kernel, args.stride) {
            (3, 1) => maps::<V, 3, 1>(args),
            (3, 2) => maps::<V, 3, 2>(args),
            (5, 1) => maps::<V, 5, 1>(args),
            _ => maps::<V, 5, 2>(args),
        }
    }
}

#[inline(always)]
unsafe fn maps<V: Vector, const K: usize, const S: usize>(args: &DepthwiseArgs) {
    let mut first_vector = 0;
    if V::BY_LANE {
        // Most chunks have 48 channels. As a constant, that makes the addresses of all taps part of the loads.
        let is_common = args.input_pixel == 48 && args.weights_tap == 48;
        while args.vectors - first_vector >= 2 {
            let channel = first_vector * V::LANES;
            // SAFETY: the channels of these vectors are the arguments'.
            unsafe {
                if is_common {
                    shared_map::<V, K, S, 48>(args, channel);
                } else {
                    shared_map::<V, K, S, 0>(args, channel);
                }
            }
            first_vector += 2;
        }
    }
    for vector in first_vector..args.vectors {
        let channel = vector * V::LANES;
        // SAFETY: the channels of this vector are the arguments'.
        unsafe {
            let mut sum = V::load(args.sums.add(channel));
            let mut row = args.first_row;
            // Maps that are three pixels wide: two rows at a time, for enough independent sums.
            if args.columns == 3 {
                while args.last_row - row >= 2 {
                    sum = two_rows::<V, K, S>(args, channel, row, sum);
                    row += 2;
                }
            }
            for row in row..args.last_row {
                let mut column = 0;
                if V::ROW_TILE >= 6 {
                    while args.columns - column >= 6 {
                        sum = pixels::<V, K, S, 6>(args, channel, row, column, sum);
                        column += 6;
                    }
                } else {
                    while args.columns - column >= 4 {
                        sum = pixels::<V, K, S, 4>(args, channel, row, column, sum);
                        column += 4;
                    }
                }
                while args.columns - column >= 3 {
                    sum = pixels::<V, K, S, 3>(args, channel, row, column, sum);
                    column += 3;
                }
                while column < args.columns {
                    sum = pixels::<V, K, S, 1>(args, channel, row, column, sum);
                    column += 1;
                }
            }
            sum.store(args.sums.add(channel));
        }
    }
}

/// Two vectors of channels, where there are registers for two: their loads are one instruction. `PIXEL` is the distance
/// of two pixels and of two taps, if it is known.
#[inline(always)]
unsafe fn shared_map<V: Vector, const K: usize, const S: usize, const PIXEL: usize>(
    args: &DepthwiseArgs,
    channel: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [V::load(args.sums.add(channel)), V::load(args.sums.add(channel + V::LANES))];
        for row in args.first_row..args.last_row {
            let mut column = 0;
            while args.columns - column >= 3 {
                shared_pixels::<V, K, S, 3, PIXEL>(args, channel, row, column, &mut sums);
                column += 3;
            }
            while column < args.columns {
                shared_pixels::<V, K, S, 1, PIXEL>(args, channel, row, column, &mut sums);
                column += 1;
            }
        }
        sums[0].store(args.sums.add(channel));
        sums[1].store(args.sums.add(channel + V::LANES));
    }
}

/// Values of a row that the taps of three pixels read, at most: at stride 2 by a kernel of 5.
const MOST_VALUES: usize = 9;

/// `T` neighbouring pixels of a row by two vectors of channels. Each value is loaded once and multiplied by all taps of
/// its row that meet it; the products of a pixel are added in the order of the taps all the same.
#[inline(always)]
unsafe fn shared_pixels<V: Vector, const K: usize, const S: usize, const T: usize, const PIXEL: usize>(
    args: &DepthwiseArgs,
    channel: usize,
    row: usize,
    column: usize,
    totals: &mut [V; 2],
) {
    let (pixel, tap) = if PIXEL > 0 { (PIXEL, PIXEL) } else { (args.input_pixel, args.weights_tap) };
    // SAFETY: the pixels that the taps read are within the map and its border.
    unsafe {
        let load = |from: *const f32| [V::load(from), V::load(from.add(V::LANES))];
        let mut sums = [load(args.bias.add(channel)); T];
        let input = args.input.add(row * S * args.input_row + column * S * pixel + channel);
        let weights = args.weights.add(channel);
        // Not a constant for the compiler, or the compiler would unroll this loop and load the values of all
        // rows, for which there are not enough registers.
        for y in 0..std::hint::black_box(K) {
            let line = input.add(y * args.input_row);
            let mut weight = [[V::splat(0.0); 2]; K];
            for x in 0..K {
                weight[x] = load(weights.add((y * K + x) * tap));
            }
            let mut near = [[V::splat(0.0); 2]; MOST_VALUES];
            for at in 0..(T - 1) * S + K {
                near[at] = load(line.add(at * pixel));
            }
            for x in 0..K {
                for t in 0..T {
                    let value = near[t * S + x];
                    sums[t][0] = value[0].mul_add(weight[x][0], sums[t][0]);
                    sums[t][1] = value[1].mul_add(weight[x][1], sums[t][1]);
                }
            }
        }
        let output = args.output.add((row * args.columns + column) * args.output_pixel + channel);
        for t in 0..T {
            for c in 0..2 {
                let value = sums[t][c].silu();
                value.store(output.add(t * args.output_pixel + c * V::LANES));
                totals[c] = totals[c].add(value);
            }
        }
    }
}

/// Two rows of three pixels.
#[inline(always)]
unsafe fn two_rows<V: Vector, const K: usize, const S: usize>(
    args: &DepthwiseArgs,
    channel: usize,
    row: usize,
    mut sum: V,
) -> V {
    // SAFETY: as for `pixels`.
    unsafe {
        let bias = V::load(args.bias.add(channel));
        let mut sums = [[bias; 3]; 2];
        let input = args.input.add(row * S * args.input_row + channel);
        let weights = args.weights.add(channel);
        for y in 0..K {
            for x in 0..K {
                let weight = V::load(weights.add((y * K + x) * args.weights_tap));
                for r in 0..2 {
                    let line = input.add((r * S + y) * args.input_row);
                    for t in 0..3 {
                        sums[r][t] =
                            V::load(line.add((t * S + x) * args.input_pixel)).mul_add(weight, sums[r][t]);
                    }
                }
            }
        }
        let output = args.output.add(row * 3 * args.output_pixel + channel);
        for r in 0..2 {
            for t in 0..3 {
                let value = sums[r][t].silu();
                value.store(output.add((r * 3 + t) * args.output_pixel));
                sum = sum.add(value);
            }
        }
        sum
    }
}

/// `T` neighbouring pixels of a row. Unlike in a linear layer, the loop over taps is fully unrolled, so SiLU is
/// computed in registers.
#[inline(always)]
unsafe fn pixels<V: Vector, const K: usize, const S: usize, const T: usize>(
    args: &DepthwiseArgs,
    channel: usize,
    row: usize,
    column: usize,
    mut sum: V,
) -> V {
    // SAFETY: the pixels that the taps read are within the map and its border.
    unsafe {
        let bias = V::load(args.bias.add(channel));
        let mut sums = [bias; T];
        let input = args.input.add(row * S * args.input_row + column * S * args.input_pixel + channel);
        let weights = args.weights.add(channel);
        for y in 0..K {
            let line = input.add(y * args.input_row);
            for x in 0..K {
                let weight = V::load(weights.add((y * K + x) * args.weights_tap));
                for t in 0..T {
                    sums[t] = V::load(line.add((t * S + x) * args.input_pixel)).mul_add(weight, sums[t]);
                }
            }
        }
        let output = args.output.add((row * args.columns + column) * args.output_pixel + channel);
        for t in 0..T {
            let value = sums[t].silu();
            value.store(output.add(t * args.output_pixel));
            sum = sum.add(value);
        }
        sum
    }
}
