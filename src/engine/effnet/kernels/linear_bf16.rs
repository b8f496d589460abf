//! Linear layers with bfloat16 products and f32 sums.
//!
//! The instructions multiply pairs of neighbouring input channels. So weights are packed in pairs: one line of 16 pairs
//! for each 16 output channels and two input channels. A line is one vector for AVX-512's dot product. 16 lines (1 KiB)
//! are one tile for AMX, which multiplies 16 pixels by 32 input channels by 16 output channels in one instruction.
//!
//! Only whole tiles are computed: rows after the last pixel are read from the slack at the end of every pixel buffer,
//! and their results are dropped.

use super::super::pack::Bf16Weights;
use super::linear::Place;

/// `output[pixel][channel] = finish(bias + sum of input[pixel][i] * weights[i][channel])`
pub(in super::super) struct LinearBf16Args<'a> {
    /// `pixels` rows of bfloat16, `input_stride` values apart, padded with zeros to whole tiles.
    pub input: *const u16,
    pub input_stride: usize,
    pub pixels: usize,
    pub weights: &'a Bf16Weights,
    /// Output channels to compute, in lines of 16.
    pub first_line: usize,
    pub last_line: usize,
    /// The address of output channel 0 of pixel 0.
    pub output: *mut f32,
    pub place: Place,
    pub finish: FinishBf16,
}

#[derive(Clone, Copy)]
pub(in super::super) enum FinishBf16 {
    Silu,
    /// Adds the values at `residual` (with the output's strides; may be null) and also writes the result as bfloat16,
    /// in rows `stride` values apart.
    Project {
        residual: *const f32,
        narrow: *mut u16,
        stride: usize,
    },
}

/// `narrow[pixel][channel] = map[pixel][channel] * scale[channel]`, rounded to bfloat16.
pub(in super::super) struct NarrowArgs {
    pub map: *const f32,
    pub pixel: usize,
    pub pixels: usize,
    pub scale: *const f32,
    pub vectors: usize,
    pub narrow: *mut u16,
    pub narrow_pixel: usize,
    /// Whether to append 16 zeros: the channels are the last ones and fill only half a tile.
    pub filled: bool,
}
