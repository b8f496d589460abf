//! Dense convolutions and dense layers: a matrix product whose left side is the windows of a map, never copied.
//!
//! Maps are stored pixel by pixel, all channels of a pixel together. A window's values are then a few *runs* of
//! consecutive floats, at the same distances from the window's first value for every pixel: one run for a 1x1
//! convolution, one a kernel row where rows of the kernel are whole pixels side by side. The weights are packed into
//! panels of 1 to 3 vectors of output channels, one line for each value of a window, in the order of the runs.
//!
//! A tile of the result (up to 14 pixels by the width of a panel) stays in registers during the whole loop: load a line
//! of weights, and for each pixel broadcast one value of its window and multiply-add. Pixels have their own addresses,
//! taken from a table, so a tile may cross rows and patches: only the last tile of a layer is smaller. Each sum adds its
//! products in the order of the window, whatever the tile: so results do not depend on the batch.

use super::finish::{Cursor, Destination, Finish, FinishArgs, FinishStep, Quick, Tile, store};
use crate::engine::cpu::simd::{Vector, add_four};
use crate::engine::fused::pack::{Panel, Run};

/// `output[pixel][channel] = finish(bias + sum over k of window(pixel)[k] * weights[k][channel])`
pub(in crate::engine::fused) struct ConvArgs<'a> {
    /// The first value of the window of pixel `i` of patch `p` is at `input + p * input_slot + input_offsets[i]`.
    pub input: *const f32,
    pub input_slot: usize,
    pub input_offsets: *const u32,
    /// The values of a window.
    pub runs: &'a [Run],
    /// A panel's weights begin at `weights + panel.offset`.
    pub weights: *const f32,
    /// One value for each output channel, from channel 0.
    pub bias: *const f32,
    pub steps: &'a [FinishStep],
    pub finish: Finish,
    pub quick: Quick,
    pub to: Destination,
}

/// `P` pixels from `pixel` on, counted over all patches, by a panel of `C` vectors.
///
/// # Safety
/// The CPU has `V`'s instruction set; the addresses of `args` are valid for the pixels, the windows and the panel; the
/// output overlaps nothing that is read.
#[inline(always)]
pub(super) unsafe fn tile<V: Vector, const P: usize, const C: usize>(
    args: &ConvArgs,
    panel: &Panel,
    pixel: usize,
) {
    let mut stored = Tile::new();
    let first = panel.column * V::LANES;
    // SAFETY: the caller's promise.
    unsafe {
        let mut inputs = [args.input; P];
        let mut cursor = Cursor::new(pixel, args.to.pixels);
        for input in &mut inputs {
            *input = args
                .input
                .add(cursor.patch * args.input_slot + *args.input_offsets.add(cursor.pixel) as usize);
            cursor.advance();
        }
        let mut weights = args.weights.add(panel.offset);
        let mut sums = [[V::splat(0.0); C]; P];
        for c in 0..C {
            let bias = V::load(args.bias.add(first + c * V::LANES));
            for sums in &mut sums {
                sums[c] = bias;
            }
        }
        for run in args.runs {
            let mut first_single = run.first;
            if V::BY_LANE {
                macro_rules! add_four {
                    ($number:literal) => {{
                        let mut values = [V::splat(0.0); P];
                        for p in 0..P {
                            values[p] = V::load(inputs[p].add(first_single + 4 * $number));
                        }
                        add_four(&values, weights.add(4 * $number * C * V::LANES), &mut sums);
                    }};
                }
                while run.last - first_single >= 8 {
                    add_four!(0);
                    add_four!(1);
                    weights = weights.add(8 * C * V::LANES);
                    first_single += 8;
                }
                if run.last - first_single >= 4 {
                    add_four!(0);
                    weights = weights.add(4 * C * V::LANES);
                    first_single += 4;
                }
            }
            for k in first_single..run.last {
                let mut line = [V::splat(0.0); C];
                for c in 0..C {
                    line[c] = V::load(weights.add(c * V::LANES));
                }
                for p in 0..P {
                    let value = V::splat(*inputs[p].add(k));
                    for c in 0..C {
                        sums[p][c] = value.mul_add(line[c], sums[p][c]);
                    }
                }
                weights = weights.add(C * V::LANES);
            }
        }
        if store(&sums, args.quick, &args.to, pixel, first) {
            return;
        }
        let at = stored.address();
        for p in 0..P {
            for c in 0..C {
                sums[p][c].store(at.add((p * C + c) * V::LANES));
            }
        }
        (args.finish)(&FinishArgs {
            sums: at,
            steps: args.steps,
            to: &args.to,
            pixel,
            channel: first,
            pixels: P,
            vectors: C,
        });
    }
}
