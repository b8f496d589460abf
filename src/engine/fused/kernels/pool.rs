//! Pools: the maximum, mean or sum of the values in a window, channel by channel.

use super::finish::{Destination, Finish, FinishArgs, FinishStep, Quick, Tile, store};
use crate::engine::cpu::simd::Vector;

/// Rows `first..last` of one patch's result.
pub(in crate::engine::fused) struct PoolArgs<'a> {
    /// The patch's map: its first pixel, and the floats between pixels and between rows.
    pub input: *const f32,
    pub pixel: usize,
    pub row: usize,
    /// Pixels in a row of the result.
    pub columns: usize,
    /// First and last row (excluded) of the window of each row of the result, and columns alike.
    pub windows: [&'a [[u32; 2]]; 2],
    pub is_max: bool,
    /// The factor of a sum of that many values; `None` divides by the values in the window.
    pub factor: Option<f32>,
    /// Channels, padded to whole vectors.
    pub channels: usize,
    pub steps: &'a [FinishStep],
    pub finish: Finish,
    pub quick: Quick,
    /// Of this patch: its slot is not used.
    pub to: Destination,
    pub first: usize,
    pub last: usize,
}

/// # Safety
/// The CPU has `V`'s instruction set, and the addresses of `args` are valid for the windows and pixels.
#[inline(always)]
pub(super) unsafe fn pool<V: Vector>(args: &PoolArgs) {
    // SAFETY: the caller's promise.
    unsafe {
        for row in args.first..args.last {
            for column in 0..args.columns {
                let mut channel = 0;
                while args.channels - channel >= 4 * V::LANES {
                    window::<V, 4>(args, row, column, channel);
                    channel += 4 * V::LANES;
                }
                while channel < args.channels {
                    window::<V, 1>(args, row, column, channel);
                    channel += V::LANES;
                }
            }
        }
    }
}

/// `C` vectors of channels of one window.
#[inline(always)]
unsafe fn window<V: Vector, const C: usize>(args: &PoolArgs, row: usize, column: usize, channel: usize) {
    let mut stored = Tile::new();
    let pixel = row * args.columns + column;
    // SAFETY: the caller's promise; a window has at least one value.
    unsafe {
        let [top, bottom] = args.windows[0][row].map(|row| row as usize);
        let [left, right] = args.windows[1][column].map(|column| column as usize);
        let mut result = [V::splat(0.0); C];
        if args.is_max {
            let start = args.input.add(top * args.row + left * args.pixel + channel);
            let mut most = [V::splat(0.0); C];
            for c in 0..C {
                most[c] = V::load(start.add(c * V::LANES));
            }
            if bottom - top == 2 && right - left == 2 {
                // Most pools are such.
                let below = start.add(args.row);
                for c in 0..C {
                    let at = c * V::LANES;
                    let upper = most[c].maximum(V::load(start.add(args.pixel + at)));
                    let lower = V::load(below.add(at)).maximum(V::load(below.add(args.pixel + at)));
                    most[c] = upper.maximum(lower);
                }
            } else {
                for row in top..bottom {
                    for column in left..right {
                        let from = args.input.add(row * args.row + column * args.pixel + channel);
                        for c in 0..C {
                            most[c] = most[c].maximum(V::load(from.add(c * V::LANES)));
                        }
                    }
                }
            }
            result = most;
        } else {
            let count = ((bottom - top) * (right - left)) as f32;
            let factor = V::splat(args.factor.unwrap_or(1.0 / count));
            let mut total = [V::splat(0.0); C];
            for row in top..bottom {
                // Row by row, so that a long sum loses less to rounding.
                let mut sums = [V::splat(0.0); C];
                for column in left..right {
                    let from = args.input.add(row * args.row + column * args.pixel + channel);
                    for c in 0..C {
                        sums[c] = sums[c].add(V::load(from.add(c * V::LANES)));
                    }
                }
                for c in 0..C {
                    total[c] = total[c].add(sums[c]);
                }
            }
            for c in 0..C {
                result[c] = total[c].mul(factor);
            }
        }
        if store(&[result], args.quick, &args.to, pixel, channel) {
            return;
        }
        let at = stored.address();
        for c in 0..C {
            result[c].store(at.add(c * V::LANES));
        }
        (args.finish)(&FinishArgs {
            sums: at,
            steps: args.steps,
            to: &args.to,
            pixel,
            channel,
            pixels: 1,
            vectors: C,
        });
    }
}
