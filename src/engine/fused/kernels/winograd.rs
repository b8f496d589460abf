//! Winograd's convolution: 3x3 and 5x5 kernels with a quarter to a third of the products, 1x3 and 1x5 (and 3x1, 5x1) with
//! 6 in place of 12 and 10.
//!
//! A tile of `m` x `m` results needs a window of 6 x 6 values (`m` is 4 for kernels of 3, 2 for kernels of 5). As in
//! [`super::spread`], its values at points (here 0, 1, -1, 1/2, -2 and infinity, along rows and along columns: 36 pairs)
//! determine it: the window is transformed once for all output channels ([`input`]), the weights when the network is
//! planned. At each of the 36 points, the tiles by the input channels are a matrix, multiplied by the weights of that
//! point with the tiles of [`super::conv`]. The sums are transformed back ([`output`]): 36 products in place of 144 (100).
//!
//! The points were chosen among small fractions: six layers of 256 channels are within 2.7e-6 of the exact result (4.1e-6
//! with 2 and -2; directly, 0.5e-6). Tiles of 6 x 6 results would take 64 products in place of 324, with 6.3e-6: too
//! near to the limit of 1e-5.

use super::finish::{Destination, Finish, FinishArgs, FinishStep, Quick, store};
use crate::engine::cpu::simd::{MAX_LANES, Vector};

/// Values of a window along an axis.
pub(in crate::engine::fused) const WINDOW: usize = 6;
/// Each point along an axis, and the factors by which the weights' transform divides: 1 over its distances to the others,
/// and a power of two that keeps the input's transform near 1.
pub(in crate::engine::fused) const AXIS: [(f64, f64); 5] =
    [(0.0, 2.0), (1.0, 2.0 / 3.0), (-1.0, -2.0 / 3.0), (0.5, -32.0 / 15.0), (-2.0, 1.0 / 15.0)];
/// The same for infinity, whose value is the last weight.
pub(in crate::engine::fused) const INFINITY: f64 = 2.0;

/// Tiles `first..last` of all patches, whose windows are transformed.
pub(in crate::engine::fused) struct WinogradInput<'a> {
    /// A window is a line of six pixels, this many floats apart; 0 for a square of 6 x 6.
    pub line: usize,
    /// The window of tile `i` of patch `p` begins at `input + p * slot + windows[i]`.
    pub input: *const f32,
    pub slot: usize,
    pub windows: &'a [u32],
    /// Floats from pixel to pixel and from row to row.
    pub pixel: usize,
    pub row: usize,
    /// Channels, padded to whole vectors.
    pub channels: usize,
    pub first: usize,
    pub last: usize,
    /// `[point][tile][channel]`, `point` floats a point.
    pub output: *mut f32,
    pub point: usize,
}

/// The values of six neighbours at the six points.
///
/// # Safety
/// The CPU has `V`'s instruction set.
#[inline(always)]
unsafe fn forward<V: Vector>(d: [V; WINDOW]) -> [V; WINDOW] {
    // SAFETY: the caller's promise.
    unsafe {
        let (half, more) = (V::splat(0.5), V::splat(0.75));
        let (a, b) = (d[3].sub(d[1]), d[4].sub(d[2]));
        let (sum, difference) = (b.add(a), b.sub(a));
        [
            d[0].sub(d[2]).add(b).mul_add(half, a.mul(more)),
            d[2].add(d[3]).mul_add(more, sum.mul(half)),
            d[3].sub(d[2]).mul_add(more, difference.mul(half)),
            b.mul_add(half, a),
            a.mul_add(V::splat(-0.5), b),
            d[5].sub(d[3]).sub(a).mul_add(half, b.mul(more)),
        ]
    }
}

/// # Safety
/// The CPU has `V`'s instruction set, and the addresses of `args` are valid for the tiles.
#[inline(always)]
pub(super) unsafe fn input<V: Vector>(args: &WinogradInput) {
    // SAFETY: the caller's promise.
    unsafe {
        let tiles = args.windows.len();
        for tile in args.first..args.last {
            let window = args.input.add(tile / tiles * args.slot + args.windows[tile % tiles] as usize);
            let to = args.output.add((tile - args.first) * args.channels);
            let mut channel = 0;
            while args.line > 0 && channel < args.channels {
                let mut values = [V::splat(0.0); WINDOW];
                for x in 0..WINDOW {
                    values[x] = V::load(window.add(x * args.line + channel));
                }
                let values = forward(values);
                for x in 0..WINDOW {
                    values[x].store(to.add(x * args.point + channel));
                }
                channel += V::LANES;
            }
            while channel < args.channels {
                let mut rows = [[V::splat(0.0); WINDOW]; WINDOW];
                for y in 0..WINDOW {
                    let from = window.add(y * args.row + channel);
                    let mut values = [V::splat(0.0); WINDOW];
                    for x in 0..WINDOW {
                        values[x] = V::load(from.add(x * args.pixel));
                    }
                    rows[y] = forward(values);
                }
                for x in 0..WINDOW {
                    let mut values = [V::splat(0.0); WINDOW];
                    for y in 0..WINDOW {
                        values[y] = rows[y][x];
                    }
                    let values = forward(values);
                    for y in 0..WINDOW {
                        values[y].store(to.add((y * WINDOW + x) * args.point + channel));
                    }
                }
                channel += V::LANES;
            }
        }
    }
}

/// Tiles `first..last` of all patches, whose sums are transformed back.
pub(in crate::engine::fused) struct WinogradOutput<'a> {
    /// `[point][tile][channel]`, `point` floats a point.
    pub sums: *const f32,
    pub point: usize,
    /// Channels, padded to whole vectors.
    pub channels: usize,
    pub first: usize,
    pub last: usize,
    /// Results of a tile along rows and along columns, tiles in a row, and in a patch.
    pub side: [usize; 2],
    pub tile_columns: usize,
    pub tiles: usize,
    /// The map's size.
    pub rows: usize,
    pub columns: usize,
    pub bias: *const f32,
    pub steps: &'a [FinishStep],
    pub finish: Finish,
    pub quick: Quick,
    pub to: Destination,
}

/// The results of six sums: the first `M` of four.
///
/// # Safety
/// The CPU has `V`'s instruction set.
#[inline(always)]
unsafe fn backward<V: Vector, const M: usize>(m: [V; WINDOW]) -> [V; M] {
    // SAFETY: the caller's promise.
    unsafe {
        let (even, odd) = (m[1].add(m[2]), m[1].sub(m[2]));
        let mut results = [V::splat(0.0); M];
        for i in 0..M {
            let power = |point: f32| V::splat(point.powi(i as i32));
            let value =
                m[3].mul_add(power(0.5), m[4].mul_add(power(-2.0), if i % 2 == 0 { even } else { odd }));
            results[i] = if i == 0 {
                value.add(m[0])
            } else if i + 1 == M {
                value.add(m[5])
            } else {
                value
            };
        }
        results
    }
}

/// # Safety
/// The CPU has `V`'s instruction set, and the addresses of `args` are valid for the tiles.
#[inline(always)]
pub(super) unsafe fn output<V: Vector>(args: &WinogradOutput) {
    // SAFETY: the caller's promise.
    unsafe {
        match args.side {
            [4, 4] => tiles::<V, 4>(args),
            [2, 2] => tiles::<V, 2>(args),
            [4, _] | [_, 4] => lines::<V, 4>(args),
            _ => lines::<V, 2>(args),
        }
    }
}

/// Tiles of `M` results in a line.
#[inline(always)]
unsafe fn lines<V: Vector, const M: usize>(args: &WinogradOutput) {
    let mut stored = Results([0.0; 16 * MAX_LANES]);
    let sums = stored.0.as_mut_ptr();
    let [down, across] = args.side.map(|side| usize::from(side > 1));
    // SAFETY: the caller's promise.
    unsafe {
        for tile in args.first..args.last {
            let (patch, index) = (tile / args.tiles, tile % args.tiles);
            let row = index / args.tile_columns * args.side[0];
            let column = index % args.tile_columns * args.side[1];
            let count = if down == 1 { args.rows - row } else { args.columns - column };
            let from = args.sums.add((tile - args.first) * args.channels);
            let to = Destination { output: args.to.output.add(patch * args.to.slot), ..args.to };
            let mut channel = 0;
            while channel < args.channels {
                let mut values = [V::splat(0.0); WINDOW];
                for x in 0..WINDOW {
                    values[x] = V::load(from.add(x * args.point + channel));
                }
                let results: [V; M] = backward(values);
                let bias = V::load(args.bias.add(channel));
                for i in 0..M.min(count) {
                    let result = results[i].add(bias);
                    let pixel = (row + i * down) * args.columns + column + i * across;
                    if !store(&[[result]], args.quick, &to, pixel, channel) {
                        result.store(sums);
                        (args.finish)(&FinishArgs {
                            sums,
                            steps: args.steps,
                            to: &args.to,
                            pixel: patch * args.rows * args.columns + pixel,
                            channel,
                            pixels: 1,
                            vectors: 1,
                        });
                    }
                }
                channel += V::LANES;
            }
        }
    }
}

#[repr(align(64))]
struct Results([f32; 16 * MAX_LANES]);

#[inline(always)]
unsafe fn tiles<V: Vector, const M: usize>(args: &WinogradOutput) {
    let mut stored = Results([0.0; 16 * MAX_LANES]);
    let sums = stored.0.as_mut_ptr();
    let is_quick = !matches!(args.quick, Quick::Other);
    // SAFETY: the caller's promise.
    unsafe {
        for tile in args.first..args.last {
            let (patch, index) = (tile / args.tiles, tile % args.tiles);
            let (row, column) = (index / args.tile_columns * M, index % args.tile_columns * M);
            let (rows, columns) = (M.min(args.rows - row), M.min(args.columns - column));
            let from = args.sums.add((tile - args.first) * args.channels);
            let to = Destination { output: args.to.output.add(patch * args.to.slot), ..args.to };
            let mut channel = 0;
            while channel < args.channels {
                let mut halves = [[V::splat(0.0); M]; WINDOW];
                for y in 0..WINDOW {
                    let mut values = [V::splat(0.0); WINDOW];
                    for x in 0..WINDOW {
                        values[x] = V::load(from.add((y * WINDOW + x) * args.point + channel));
                    }
                    halves[y] = backward(values);
                }
                let bias = V::load(args.bias.add(channel));
                for x in 0..M {
                    let mut values = [V::splat(0.0); WINDOW];
                    for y in 0..WINDOW {
                        values[y] = halves[y][x];
                    }
                    let results: [V; M] = backward(values);
                    for y in 0..M {
                        let result = results[y].add(bias);
                        if is_quick && y < rows && x < columns {
                            let pixel = (row + y) * args.columns + column + x;
                            store(&[[result]], args.quick, &to, pixel, channel);
                        } else {
                            result.store(sums.add((y * M + x) * V::LANES));
                        }
                    }
                }
                if is_quick {
                    channel += V::LANES;
                    continue;
                }
                for y in 0..rows {
                    (args.finish)(&FinishArgs {
                        sums: sums.add(y * M * V::LANES),
                        steps: args.steps,
                        to: &args.to,
                        pixel: (patch * args.rows + row + y) * args.columns + column,
                        channel,
                        pixels: columns,
                        vectors: 1,
                    });
                }
                channel += V::LANES;
            }
        }
    }
}
