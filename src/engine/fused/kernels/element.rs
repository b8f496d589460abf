//! Steps on a map that no kernel before it could do: value by value.

use super::finish::{Cursor, Destination, Finish, FinishArgs, FinishStep, Tile};
use crate::engine::cpu::simd::Vector;

/// Pixels `first..last`, counted over all patches.
pub(in crate::engine::fused) struct ElementArgs<'a> {
    /// Pixel `i` of patch `p` is at `input + p * input_slot + input_offsets[i]`.
    pub input: *const f32,
    pub input_slot: usize,
    pub input_offsets: *const u32,
    /// Channels, padded to whole vectors.
    pub channels: usize,
    pub steps: &'a [FinishStep],
    pub finish: Finish,
    pub to: Destination,
    pub first: usize,
    pub last: usize,
}

/// # Safety
/// The CPU has `V`'s instruction set, and the addresses of `args` are valid for the pixels.
#[inline(always)]
pub(super) unsafe fn element<V: Vector>(args: &ElementArgs) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut pixel = args.first;
        while args.last - pixel >= 8 {
            pixels::<V, 8>(args, pixel);
            pixel += 8;
        }
        while pixel < args.last {
            pixels::<V, 1>(args, pixel);
            pixel += 1;
        }
    }
}

#[inline(always)]
unsafe fn pixels<V: Vector, const P: usize>(args: &ElementArgs, pixel: usize) {
    let mut stored = Tile::new();
    // SAFETY: the caller's promise.
    unsafe {
        let mut channel = 0;
        while channel < args.channels {
            let mut cursor = Cursor::new(pixel, args.to.pixels);
            for p in 0..P {
                let at =
                    cursor.patch * args.input_slot + *args.input_offsets.add(cursor.pixel) as usize + channel;
                V::load(args.input.add(at)).store(stored.address().add(p * V::LANES));
                cursor.advance();
            }
            (args.finish)(&FinishArgs {
                sums: stored.address(),
                steps: args.steps,
                to: &args.to,
                pixel,
                channel,
                pixels: P,
                vectors: 1,
            });
            channel += V::LANES;
        }
    }
}
