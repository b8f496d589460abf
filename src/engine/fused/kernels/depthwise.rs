//! Depthwise convolution: each channel has its own kernel, so lanes are channels of the input as of the output.
//!
//! A few pixels are computed together and share the loads of the weights. Their windows begin at addresses from a
//! table, as in [`super::conv`].

use super::finish::{Cursor, Destination, Finish, FinishArgs, FinishStep, Quick, Tile, store};
use crate::engine::cpu::simd::Vector;

pub(in crate::engine::fused) struct DepthwiseArgs<'a> {
    /// As in [`super::conv::ConvArgs`].
    pub input: *const f32,
    pub input_slot: usize,
    pub input_offsets: *const u32,
    /// The distance of each tap from a window's first value.
    pub taps: &'a [u32],
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
            if !store(&sums.map(|sum| [sum]), args.quick, &args.to, pixel, channel) {
                let at = stored.address();
                for p in 0..P {
                    sums[p].store(at.add(p * V::LANES));
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
            channel += V::LANES;
        }
    }
}
