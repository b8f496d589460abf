//! Packs weights in the order in which the kernels read them.

use std::ops::Range;

use super::kernels::Kernels;
use super::network::Linear;
use crate::engine::cpu::buffer::Buffer;

/// A few vectors of output channels whose weights are stored together, one line for each input channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Panel {
    /// Vectors in a line: 1 to 3.
    pub width: usize,
    /// The first of them, among the vectors of all output channels.
    pub column: usize,
    /// Where the panel begins among the packed weights, in floats.
    pub offset: usize,
}

/// A linear layer's weights as panels. Output channels are padded with zeros to whole vectors.
pub(super) struct PackedLinear {
    pub inputs: usize,
    /// Output channels, padded.
    pub outputs: usize,
    pub panels: Vec<Panel>,
    pub weights: Buffer,
    pub bias: Buffer,
}

impl PackedLinear {
    /// Packs for panels of at most `width` vectors.
    pub fn new(linear: &Linear, lanes: usize, width: usize) -> Self {
        Self::in_chunks(linear, lanes, width, usize::MAX)
    }

    /// Packs for panels that do not cross the boundaries of chunks of `chunk` vectors.
    pub fn in_chunks(linear: &Linear, lanes: usize, width: usize, chunk: usize) -> Self {
        let vectors = linear.outputs.div_ceil(lanes);
        let mut panels = Vec::new();
        let mut column = 0;
        while column < vectors {
            for width in widths(chunk.min(vectors - column), width) {
                panels.push(Panel { width, column, offset: column * lanes * linear.inputs });
                column += width;
            }
        }
        let outputs = vectors * lanes;
        let mut packed = Buffer::new(outputs * linear.inputs);
        let into = packed.as_mut_slice();
        for panel in &panels {
            let line = panel.width * lanes;
            for lane in 0..line {
                let output = panel.column * lanes + lane;
                if output >= linear.outputs {
                    break;
                }
                let row = &linear.weights[output * linear.inputs..][..linear.inputs];
                for (input, &weight) in row.iter().enumerate() {
                    into[panel.offset + input * line + lane] = weight;
                }
            }
        }
        let mut bias = Buffer::new(outputs);
        bias.as_mut_slice()[..linear.outputs].copy_from_slice(&linear.bias);
        Self { inputs: linear.inputs, outputs, panels, weights: packed, bias }
    }

    /// For each chunk of `chunk` vectors, its panels.
    pub fn chunk_panels(&self, chunk: usize) -> Vec<Range<usize>> {
        let mut chunks: Vec<Range<usize>> = Vec::new();
        for (index, panel) in self.panels.iter().enumerate() {
            if panel.column % chunk == 0 {
                chunks.push(index..index);
            }
            if let Some(last) = chunks.last_mut() {
                last.end = index + 1;
            }
        }
        chunks
    }
}

/// Widths of the panels that cover `vectors`, each at most `most`. With `most` 3, a single vector at the end shares
/// with the panel before it (2 + 2): a narrow panel does few multiplications per loaded pixel.
fn widths(vectors: usize, most: usize) -> Vec<usize> {
    let mut widths = vec![most; vectors / most];
    match (vectors % most, widths.last_mut()) {
        (0, _) => {}
        (1, Some(last)) if most == 3 => {
            *last = 2;
            widths.push(2);
        }
        (rest, _) => widths.push(rest),
    }
    widths
}

/// Output channels in a line of bfloat16 weights.
pub(super) const CHANNELS_A_LINE: usize = 16;
/// Input channels in a bfloat16 tile.
const CHANNELS_A_TILE: usize = 32;
/// Pixels that kernels of whole tiles may read after the last one.
pub(super) const SLACK: usize = 32;

/// A linear layer's weights in bfloat16: for each 16 output channels and each pair of input channels, 16 pairs.
/// Channels are padded with zeros: outputs to 16, inputs to 32.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
pub(super) struct Bf16Weights {
    /// Output channels / 16.
    pub lines: usize,
    /// Input channels / 32.
    pub steps: usize,
    weights: Buffer,
    pub bias: Buffer,
}

impl Bf16Weights {
    pub fn new(linear: &Linear) -> Self {
        let lines = linear.outputs.div_ceil(CHANNELS_A_LINE);
        let steps = linear.inputs.div_ceil(CHANNELS_A_TILE);
        let inputs = steps * CHANNELS_A_TILE;
        let mut weights = Buffer::new(lines * CHANNELS_A_LINE * inputs / 2);
        let into = weights.as_mut_narrow();
        for output in 0..linear.outputs {
            let (line, lane) = (output / CHANNELS_A_LINE, output % CHANNELS_A_LINE);
            let row = &linear.weights[output * linear.inputs..][..linear.inputs];
            for (input, &weight) in row.iter().enumerate() {
                let at =
                    line * CHANNELS_A_LINE * inputs + input / 2 * 2 * CHANNELS_A_LINE + 2 * lane + input % 2;
                into[at] = half::bf16::from_f32(weight).to_bits();
            }
        }
        Self { lines, steps, weights, bias: pack_bias(&linear.bias, lines * CHANNELS_A_LINE) }
    }

    /// Values in an input row.
    pub fn input_stride(&self) -> usize {
        self.steps * CHANNELS_A_TILE
    }

    /// The address of a line of 16 output channels.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    pub fn line(&self, line: usize) -> *const u16 {
        self.weights.as_ptr().cast::<u16>().wrapping_add(line * CHANNELS_A_LINE * self.input_stride())
    }
}

/// Values in a row of bfloat16, for a pixel of `channels` channels.
pub(super) fn narrow_stride(channels: usize) -> usize {
    channels.next_multiple_of(CHANNELS_A_TILE)
}

/// A linear layer in the precision of its plan.
pub(super) enum Layer {
    F32(PackedLinear),
    Bf16(Bf16Weights),
}

/// The best panel width for maps of `pixels` pixels: the score is how full the tiles are, times how many
/// multiplications a tile of that width does per load.
pub(super) fn best_width(kernels: &Kernels, pixels: usize) -> usize {
    let score = |width: usize| {
        let tile = kernels.tile[width - 1];
        if tile == 0 {
            return 0.0;
        }
        let full = pixels as f64 / (pixels.div_ceil(tile) * tile) as f64;
        let intensity = (tile * width) as f64 / (tile + width) as f64;
        full * (0.9 + 0.02 * intensity)
    };
    (1..=3).max_by(|&a, &b| score(a).total_cmp(&score(b))).unwrap_or(1)
}

/// Taps of a depthwise kernel (or the stem's), `[tap][channel]`, channels padded with zeros.
pub(super) fn pack_taps(weights: &[f32], channels: usize, taps: usize, filled: usize) -> Buffer {
    let mut packed = Buffer::new(taps * filled);
    let into = packed.as_mut_slice();
    for channel in 0..channels {
        for tap in 0..taps {
            into[tap * filled + channel] = weights[channel * taps + tap];
        }
    }
    packed
}

/// Values followed by zeros.
pub(super) fn pack_bias(bias: &[f32], filled: usize) -> Buffer {
    let mut packed = Buffer::new(filled);
    packed.as_mut_slice()[..bias.len()].copy_from_slice(bias);
    packed
}

#[cfg(test)]
mod tests {
    use super::widths;

    #[test]
    fn panels_cover_all_vectors_without_a_lone_one() {
        assert_eq!(widths(7, 3), [3, 2, 2]);
        assert_eq!(widths(5, 3), [3, 2]);
        assert_eq!(widths(4, 3), [2, 2]);
        assert_eq!(widths(1, 3), [1]);
        assert_eq!(widths(5, 2), [2, 2, 1]);
        assert_eq!(widths(3, 1), [1, 1, 1]);
    }
}
