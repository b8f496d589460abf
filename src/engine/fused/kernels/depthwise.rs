//! Depthwise convolution: each channel has its own kernel, so lanes are channels of the input as of the output.
//!
//! A few pixels are computed together and share the loads of the weights. Their windows begin at addresses from a
//! table, as in [`super::conv`]. With stride 1, pixels of one row also share most of their values: a kernel of 3x3 then
//! loads 8 vectors for 6 pixels and 3 taps, not 18 ([`row`]).

use super::finish::{Cursor, Destination, Finish, FinishArgs, FinishStep, Quick, Tile, store};
use crate::engine::cpu::simd::Vector;

pub(in crate::engine::fused) struct DepthwiseArgs<'a> {
    /// As in [`super::conv::ConvArgs`].
    pub input: *const f32,
    pub input_slot: usize,
    pub input_offsets: *const u32,
    /// The distance of each tap from a window's first value.
    pub taps: &'a [u32],
    /// Floats from pixel to pixel of the input.
    pub pixel: usize,
    /// `[tap][channel]`, `channels` floats a tap.
    pub weights: *const f32,
    pub bias: *const f32,
    /// Channels, padded to whole vectors.
    pub channels: usize,
    pub steps: &'a [FinishStep],
    pub finish: Finish,
    pub quick: Quick,
    pub to: Destination,
}

/// `P` pixels from `pixel` on, counted over all patches.
///
/// # Safety
/// As for [`super::conv::tile`].
#[inline(always)]
pub(super) unsafe fn tile<V: Vector, const P: usize>(args: &DepthwiseArgs, pixel: usize) {
    let mut stored = Tile::new();
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
        let mut channel = 0;
        while channel < args.channels {
            let mut sums = [V::load(args.bias.add(channel)); P];
            let mut weights = args.weights.add(channel);
            for &tap in args.taps {
                let weight = V::load(weights);
                for p in 0..P {
                    let value = V::load(inputs[p].add(tap as usize + channel));
                    sums[p] = value.mul_add(weight, sums[p]);
                }
                weights = weights.add(args.channels);
            }
            finish(sums, args, &mut stored, pixel, channel);
            channel += V::LANES;
        }
    }
}

/// The same for a kernel of `K` x `K` with stride 1 and without dilation, and pixels that are side by side.
///
/// # Safety
/// As for [`super::conv::tile`].
#[inline(always)]
pub(super) unsafe fn row<V: Vector, const P: usize, const K: usize>(args: &DepthwiseArgs, pixel: usize) {
    /// The most values that `P` pixels need of a row.
    const MOST: usize = 8 + 4;
    let mut stored = Tile::new();
    // SAFETY: the caller's promise.
    unsafe {
        let cursor = Cursor::new(pixel, args.to.pixels);
        let input =
            args.input.add(cursor.patch * args.input_slot + *args.input_offsets.add(cursor.pixel) as usize);
        let mut channel = 0;
        while channel < args.channels {
            let mut sums = [V::load(args.bias.add(channel)); P];
            for y in 0..K {
                let from = input.add(args.taps[y * K] as usize + channel);
                let mut near = [V::splat(0.0); MOST];
                for x in 0..P + K - 1 {
                    near[x] = V::load(from.add(x * args.pixel));
                }
                for x in 0..K {
                    let weight = V::load(args.weights.add((y * K + x) * args.channels + channel));
                    for p in 0..P {
                        sums[p] = near[p + x].mul_add(weight, sums[p]);
                    }
                }
            }
            finish(sums, args, &mut stored, pixel, channel);
            channel += V::LANES;
        }
    }
}

/// Stores the sums of a tile, or passes them on to the steps that follow.
///
/// # Safety
/// As for [`super::conv::tile`].
#[inline(always)]
unsafe fn finish<V: Vector, const P: usize>(
    sums: [V; P],
    args: &DepthwiseArgs,
    stored: &mut Tile,
    pixel: usize,
    channel: usize,
) {
    // SAFETY: the caller's promise; a tile has room for `P` vectors.
    unsafe {
        if store(&sums.map(|sum| [sum]), args.quick, &args.to, pixel, channel) {
            return;
        }
        let at = stored.address();
        for (p, sum) in sums.into_iter().enumerate() {
            sum.store(at.add(p * V::LANES));
        }
        (args.finish)(&FinishArgs {
            sums: at,
            steps: args.steps,
            to: &args.to,
            pixel,
            channel,
            pixels: P,
            vectors: 1,
        });
    }
}
