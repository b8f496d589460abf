//! Linear layers with bfloat16 products and f32 sums.
//!
//! The instructions multiply pairs: two neighbouring input channels at once. So weights are packed in
//! pairs too: for each 16 output channels and each two input channels, one line of 16 pairs. A line is a
//! vector to AVX-512's dot product, and 16 of them, a kilobyte, are a tile to AMX, whose units multiply
//! 16 pixels by 32 input channels by 16 output channels in one instruction.
//!
//! Whole tiles are always computed: rows beyond the last pixel are read from the slack that every buffer
//! of pixels has behind it, and what comes of them is dropped.

use super::super::pack::Bf16Weights;
use super::linear::Place;

/// `output[pixel][channel] = finish(bias + sum of input[pixel][i] * weights[i][channel])`
pub(in super::super) struct LinearBf16Args<'a> {
    /// `pixels` rows of bfloat16, `input_stride` values apart, filled up with zeros to whole tiles.
    pub input: *const u16,
    pub input_stride: usize,
    pub pixels: usize,
    pub weights: &'a Bf16Weights,
    /// Output channels wanted, in lines of 16.
    pub first_line: usize,
    pub last_line: usize,
    /// Where output channel 0 of pixel 0 goes.
    pub output: *mut f32,
    pub place: Place,
    pub finish: FinishBf16,
}

#[derive(Clone, Copy)]
pub(in super::super) enum FinishBf16 {
    Silu,
    /// Adds the values at `residual` (of the output's strides; may be null), and writes the result a second
    /// time as bfloat16, rows `stride` values apart.
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
    /// Whether 16 zeros follow: the channels are the last, and leave half a tile free.
    pub filled: bool,
}
