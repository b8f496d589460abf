//! Packs weights in the order in which the kernels read them.

use super::ir::Conv;
use crate::engine::cpu::buffer::Buffer;

/// A few vectors of output channels whose weights are stored together, one line for each value of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Panel {
    /// Vectors in a line: 1 to 3.
    pub width: usize,
    /// The first of them, among the vectors of all output channels.
    pub column: usize,
    /// Where the panel begins among the packed weights, in floats.
    pub offset: usize,
}

/// Consecutive values of a window: `first..last` floats from its first value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub first: usize,
    pub last: usize,
}

/// The runs of a window over a map of `channels` channels, `pixel` floats a pixel and `row` a row.
pub(super) fn runs(conv: &Conv, channels: usize, pixel: usize, row: usize) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for y in 0..conv.kernel[0] {
        for x in 0..conv.kernel[1] {
            let first = y * conv.dilation[0] * row + x * conv.dilation[1] * pixel;
            match runs.last_mut() {
                Some(run) if run.last == first => run.last = first + channels,
                _ => runs.push(Run { first, last: first + channels }),
            }
        }
    }
    runs
}

/// The weights of a dense convolution as panels. Output channels are padded with zeros to whole vectors.
pub(super) struct Packed {
    pub panels: Vec<Panel>,
    pub weights: Buffer,
    pub bias: Buffer,
}

impl Packed {
    /// With panels of two vectors, and one of three or one for an odd number; `three` tells whether there are kernels for
    /// three.
    pub fn new(conv: &Conv, lanes: usize, three: bool) -> Self {
        let outputs = conv.bias.len();
        let taps = conv.kernel[0] * conv.kernel[1];
        let inputs = conv.weights.len() / outputs / taps;
        let depth = inputs * taps;
        let vectors = outputs.div_ceil(lanes);
        let mut panels = Vec::new();
        let mut column = 0;
        for width in widths(vectors, three) {
            panels.push(Panel { width, column, offset: column * lanes * depth });
            column += width;
        }
        let mut weights = Buffer::new(vectors * lanes * depth);
        let into = weights.as_mut_slice();
        for panel in &panels {
            let line = panel.width * lanes;
            for lane in 0..line {
                let output = panel.column * lanes + lane;
                if output >= outputs {
                    break;
                }
                let own = &conv.weights[output * depth..][..depth];
                for tap in 0..taps {
                    for input in 0..inputs {
                        into[panel.offset + (tap * inputs + input) * line + lane] = own[input * taps + tap];
                    }
                }
            }
        }
        Self { panels, weights, bias: padded(&conv.bias, vectors * lanes) }
    }
}

fn widths(vectors: usize, three: bool) -> Vec<usize> {
    let mut widths = vec![2; vectors / 2];
    match (vectors % 2, widths.last_mut()) {
        (0, _) => {}
        (_, Some(last)) if three => *last = 3,
        _ => widths.push(1),
    }
    widths
}

/// The taps of a depthwise kernel, `[tap][channel]`, channels padded with zeros.
pub(super) fn pack_taps(conv: &Conv, padded: usize) -> Buffer {
    let taps = conv.kernel[0] * conv.kernel[1];
    let mut packed = Buffer::new(taps * padded);
    let into = packed.as_mut_slice();
    for channel in 0..conv.bias.len() {
        for tap in 0..taps {
            into[tap * padded + channel] = conv.weights[channel * taps + tap];
        }
    }
    packed
}

/// Values followed by zeros.
pub(super) fn padded(values: &[f32], length: usize) -> Buffer {
    let mut packed = Buffer::new(length);
    packed.as_mut_slice()[..values.len()].copy_from_slice(values);
    packed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_cover_all_vectors() {
        assert_eq!(widths(7, true), [2, 2, 3]);
        assert_eq!(widths(3, true), [3]);
        assert_eq!(widths(1, true), [1]);
        assert_eq!(widths(3, false), [2, 1]);
        assert_eq!(widths(4, true), [2, 2]);
    }

    #[test]
    fn runs_join_where_pixels_are_side_by_side() {
        let conv = Conv {
            x: 0,
            weights: vec![0.0; 12].into(),
            bias: vec![0.0].into(),
            kernel: [2, 3],
            stride: [1, 1],
            dilation: [1, 1],
            pads: [0; 4],
            groups: 1,
        };
        assert_eq!(runs(&conv, 2, 2, 20), [Run { first: 0, last: 6 }, Run { first: 20, last: 26 }]);
        assert_eq!(runs(&conv, 2, 4, 20).len(), 6);
        assert_eq!(runs(&conv, 2, 2, 6), [Run { first: 0, last: 12 }]);
        let apart = Conv { dilation: [1, 2], ..conv };
        assert_eq!(runs(&apart, 2, 2, 20).len(), 6);
    }
}
