//! 1x1 convolutions and dense layers: a matrix product of pixels by weights.
//!
//! Pixels are rows of channels. The weights are packed into panels: 1 to 3 vectors of output channels wide, with one
//! line for each input channel, so that a panel is read sequentially. A tile of the result (some pixels by the width of
//! one panel) stays in registers during the loop over input channels: load the panel's line; for each pixel, broadcast
//! its input value to a vector and multiply-add (where that is as fast: four input values at once, each lane by its own
//! line). Each sum adds its products in the order of the input channels,
//! whatever the tile and the pixel: so results do not depend on the batch.

use super::super::pack::Panel;
use crate::engine::cpu::simd::{MAX_LANES, Vector, add_four};

/// What is done with a finished tile.
#[derive(Clone, Copy)]
pub(in super::super) enum Finish {
    /// It is stored unchanged.
    Store,
    /// SiLU.
    Silu,
    /// The values at this address (of the output's strides) are added.
    Add(*const f32),
    /// Sigmoid.
    Sigmoid,
}

/// Where the pixels of the result are written.
#[derive(Clone, Copy)]
pub(in super::super) enum Place {
    /// Pixel `i` at `i * stride` floats.
    Stride(usize),
    /// Pixel `i` at the table's entry `i`, in floats: the inside of bordered maps.
    Table(*const u32),
}

/// `output[pixel][channel] = finish(bias + sum over i of input[pixel][i] * weights[i][channel])`
pub(in super::super) struct LinearArgs<'a> {
    /// `pixels` rows of `inputs` values, `input_stride` floats apart.
    pub input: *const f32,
    pub input_stride: usize,
    pub pixels: usize,
    pub inputs: usize,
    /// The panels to compute; their weights begin at `weights + panel.offset`.
    pub panels: &'a [Panel],
    pub weights: *const f32,
    /// One value for each output channel, from channel 0.
    pub bias: *const f32,
    /// The address of output channel 0 of pixel 0.
    pub output: *mut f32,
    pub place: Place,
    pub finish: Finish,
}

/// Floats in the largest tile of any instruction set.
const TILE_ROOM: usize = 24 * MAX_LANES;

#[repr(align(64))]
struct Tile([f32; TILE_ROOM]);

/// # Safety
/// The CPU has `V`'s instruction set; every pointer of `args` is valid for the pixels, panels and strides
/// stated, and the output overlaps no input (but may be the address of [`Finish::Add`]).
#[inline(always)]
pub(super) unsafe fn linear<V: Vector>(args: &LinearArgs) {
    let mut buffer = Tile([0.0; TILE_ROOM]);
    for panel in args.panels {
        // SAFETY: the caller's promise.
        unsafe {
            match panel.width {
                1 => one_vector::<V>(args, panel, &mut buffer),
                2 => two_vectors::<V>(args, panel, &mut buffer),
                _ => three_vectors::<V>(args, panel, &mut buffer),
            }
        }
    }
}

/// Covers all pixels with tiles: as many of the largest size as fit, then smaller ones.
macro_rules! cover {
    ($args:ident, $panel:ident, $buffer:ident, $width:literal, [$($pixels:literal),*]) => {{
        let mut pixel = 0;
        // The first tile of a panel prefetches the next panel, which would otherwise be loaded from the shared cache
        // while the multipliers wait.
        const LARGEST: [usize; 3] = [16, 12, 8];
        if V::TILE[$width - 1] == LARGEST[$width - 1] && $args.pixels >= LARGEST[$width - 1] {
            // SAFETY: the tile's pixels are within the arguments'.
            unsafe { tile::<V, { LARGEST[$width - 1] }, $width, true>($args, $panel, pixel, $buffer) };
            pixel += LARGEST[$width - 1];
        }
        $(
            if $pixels <= V::TILE[$width - 1] {
                while $args.pixels - pixel >= $pixels {
                    // SAFETY: the tile's pixels are within the arguments'.
                    unsafe { tile::<V, $pixels, $width, false>($args, $panel, pixel, $buffer) };
                    pixel += $pixels;
                }
            }
        )*
    }};
}

#[inline(always)]
unsafe fn one_vector<V: Vector>(args: &LinearArgs, panel: &Panel, buffer: &mut Tile) {
    cover!(args, panel, buffer, 1, [16, 8, 4, 2, 1]);
}

#[inline(always)]
unsafe fn two_vectors<V: Vector>(args: &LinearArgs, panel: &Panel, buffer: &mut Tile) {
    cover!(args, panel, buffer, 2, [12, 6, 4, 2, 1]);
}

#[inline(always)]
unsafe fn three_vectors<V: Vector>(args: &LinearArgs, panel: &Panel, buffer: &mut Tile) {
    cover!(args, panel, buffer, 3, [8, 6, 4, 2, 1]);
}

#[inline(always)]
unsafe fn tile<V: Vector, const P: usize, const C: usize, const PREFETCH: bool>(
    args: &LinearArgs,
    panel: &Panel,
    pixel: usize,
    buffer: &mut Tile,
) {
    // SAFETY: the caller's promise: the arguments have `P` pixels from `pixel` on, and the panel is `C` vectors wide.
    // The buffer holds P * C vectors, because TILE_ROOM is the maximum over all instruction sets.
    unsafe {
        let first = panel.column * V::LANES;
        let input = args.input.add(pixel * args.input_stride);
        let mut weights = args.weights.add(panel.offset);
        let ahead = args.inputs * C * V::LANES;
        let mut sums = [[V::splat(0.0); C]; P];
        for c in 0..C {
            let bias = V::load(args.bias.add(first + c * V::LANES));
            for sums in &mut sums {
                sums[c] = bias;
            }
        }
        let mut first_single = 0;
        if V::BY_LANE {
            macro_rules! add_four {
                ($number:literal) => {{
                    let mut values = [V::splat(0.0); P];
                    for p in 0..P {
                        values[p] = V::load(input.add(p * args.input_stride + first_single + 4 * $number));
                    }
                    add_four(&values, weights.add(4 * $number * C * V::LANES), &mut sums);
                }};
            }
            while args.inputs - first_single >= 8 {
                add_four!(0);
                add_four!(1);
                weights = weights.add(8 * C * V::LANES);
                first_single += 8;
            }
            if args.inputs - first_single >= 4 {
                add_four!(0);
                weights = weights.add(4 * C * V::LANES);
                first_single += 4;
            }
        }
        for i in first_single..args.inputs {
            let mut line = [V::splat(0.0); C];
            for c in 0..C {
                line[c] = V::load(weights.add(c * V::LANES));
            }
            for p in 0..P {
                let value = V::splat(*input.add(p * args.input_stride + i));
                for c in 0..C {
                    sums[p][c] = value.mul_add(line[c], sums[p][c]);
                }
            }
            if PREFETCH {
                for c in 0..C {
                    V::prefetch(weights.wrapping_add(ahead + c * V::LANES));
                }
            }
            weights = weights.add(C * V::LANES);
        }
        // Stored first, finished afterwards: SiLU in this loop would need the registers that hold the sums, and the
        // compiler would keep the sums on the stack for the whole loop.
        let stored = buffer.0.as_mut_ptr();
        for p in 0..P {
            for c in 0..C {
                sums[p][c].store(stored.add((p * C + c) * V::LANES));
            }
        }
        for p in 0..P {
            let at = match args.place {
                Place::Stride(stride) => (pixel + p) * stride,
                Place::Table(table) => *table.add(pixel + p) as usize,
            } + first;
            for c in 0..C {
                let value = V::load(stored.add((p * C + c) * V::LANES));
                let at = at + c * V::LANES;
                let value = match args.finish {
                    Finish::Store => value,
                    Finish::Silu => value.silu(),
                    Finish::Sigmoid => value.sigmoid(),
                    Finish::Add(other) => value.add(V::load(other.add(at))),
                };
                value.store(args.output.add(at));
            }
        }
    }
}
