//! The network prepared for one instruction set: packed weights, and how each block's work is split.
//!
//! A block's expanded maps are six times as large as its input; computed whole, they would go through memory three
//! times. So the expansion computes one chunk of channels (on large maps, a few rows of it) at a time into a small
//! scratch map, which the depthwise convolution reads while it is still in cache. Small maps have too few pixels per
//! loaded weight, so several patches go through those blocks together ([`BlockPlan::group`]).

use std::ops::Range;

use super::kernels::Kernels;
use super::network::{Block, Depthwise, Linear, Stem, Weights, Window};
use super::pack::{Bf16Weights, CHANNELS_A_LINE, Layer, PackedLinear, best_width, pack_bias, pack_taps};
use super::tail::Tail;
use crate::engine::cpu::buffer::Buffer;
use crate::engine::cpu::simd::MAX_LANES;

/// Channels of a chunk: three AVX-512 vectors. A chunk of a 24 x 48 pixel strip then takes 200 kB, and its rows in use
/// 20 kB, less than half of the L1 cache.
const CHUNK: usize = 48;
/// Expanded pixels to compute before the depthwise kernel runs on them.
const PIXELS_IN_WORK: usize = 96;
/// Pixels for which a loaded weight should be used: patches are grouped to reach this number.
const PIXELS_A_WEIGHT: usize = 192;
/// Maximum number of patches in a group.
pub(super) const MAX_GROUP: usize = 16;

/// How a block's scratch map is filled.
pub(super) enum Fill {
    /// By the first convolution, from the patch.
    Stem(StemPlan),
    /// By the expansion, from the block's input. With each chunk's panels (in bfloat16: lines).
    Expand(Layer, Vec<Range<usize>>),
}

/// What fills a block's scratch map, before packing.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// The stem, with the rows and columns of a patch.
    Stem(&'a Stem, usize, usize),
    Expand(&'a Linear),
}

pub(super) struct StemPlan {
    pub window: Window,
    pub scale: f32,
    pub shift: f32,
    /// Rows of the patch with its border.
    pub rows: usize,
    pub columns: usize,
    pub bordered_rows: usize,
    pub bordered_columns: usize,
    pub taps: Buffer,
    pub bias: Buffer,
    /// Channels, padded.
    pub channels: usize,
}

pub(super) struct BlockPlan {
    pub fill: Fill,
    /// The size of the map that the depthwise convolution reads, without its border.
    pub rows: usize,
    pub columns: usize,
    pub out_rows: usize,
    pub out_columns: usize,
    pub window: Window,
    pub bordered_rows: usize,
    pub bordered_columns: usize,
    /// Channels of the block's input, of the expanded maps and of the output, padded.
    pub inputs: usize,
    pub wide: usize,
    pub outputs: usize,
    /// Channels of a chunk (the last may have fewer), and the distance between pixels of the scratch map.
    pub chunk: usize,
    pub chunks: usize,
    /// Patches processed together.
    pub group: usize,
    /// Rows of the output that form a unit of work and of the gate's sums.
    pub strips: Vec<Range<usize>>,
    /// Rows of the output computed between two fillings of the scratch map.
    pub step: usize,
    /// The offset of each pixel of the group's maps in the scratch map.
    pub table: Vec<u32>,
    /// For each chunk, `[tap][chunk]`.
    pub taps: Buffer,
    pub bias: Buffer,
    pub reduce: PackedLinear,
    pub excite: PackedLinear,
    pub project: Layer,
    /// Whether the gate scales the projection's weights instead of the pixels.
    pub scales_weights: bool,
    pub residual: bool,
}

/// Blocks that share a group size.
pub(super) struct Segment {
    pub blocks: Range<usize>,
    pub group: usize,
}

pub(super) struct Plan {
    pub blocks: Vec<BlockPlan>,
    pub segments: Vec<Segment>,
    pub head: Layer,
    /// Channels of the head's input, padded.
    pub head_inputs: usize,
    /// Channels in a unit of the head's work, and its panels (lines).
    pub head_chunk: usize,
    pub head_chunks: Vec<Range<usize>>,
    /// Pixels of the last map.
    pub head_pixels: usize,
    pub tail: Tail,
    pub tail_linears: Vec<PackedLinear>,
    /// Distance between two patches' vectors after the pooling, in floats.
    pub tail_stride: usize,
    /// Patches processed together at the end: the maximum of a pass.
    pub group: usize,
    /// Values in a patch.
    pub patch: usize,
}

impl Plan {
    /// The plan for a table of kernels. With `is_bf16`, the products of 1x1 convolutions are bfloat16.
    pub fn new(weights: &Weights, kernels: &Kernels, is_bf16: bool) -> Self {
        let window = weights.stem.window;
        let (mut rows, mut columns) = window.output(weights.rows, weights.columns);
        let mut group = 1;
        let mut blocks = Vec::with_capacity(weights.blocks.len());
        for block in &weights.blocks {
            group = group.max((PIXELS_A_WEIGHT / (rows * columns).max(1)).clamp(1, MAX_GROUP));
            let source = match &block.expand {
                Some(linear) => Source::Expand(linear),
                None => Source::Stem(&weights.stem, weights.rows, weights.columns),
            };
            let plan = BlockPlan::new(block, source, (rows, columns), group, kernels, is_bf16);
            (rows, columns) = (plan.out_rows, plan.out_columns);
            blocks.push(plan);
        }
        let mut segments: Vec<Segment> = Vec::new();
        for (index, block) in blocks.iter().enumerate() {
            match segments.last_mut() {
                Some(segment) if segment.group == block.group => segment.blocks.end = index + 1,
                _ => segments.push(Segment { blocks: index..index + 1, group: block.group }),
            }
        }
        let width = best_width(kernels, rows * columns);
        let head_chunk = CHUNK.next_multiple_of(width * kernels.lanes);
        let (head, head_chunks) = in_chunks(&weights.head, kernels, width, head_chunk, is_bf16);
        let tail_linears =
            weights.tail.linears.iter().map(|linear| PackedLinear::new(linear, kernels.lanes, 2)).collect();
        // Each step's size is rounded up to the widest vector, because packed layers write whole vectors.
        let mut tail = Tail { linears: Vec::new(), ..weights.tail.clone() };
        let tail_stride = tail.lay_out(MAX_LANES);
        Self {
            blocks,
            segments,
            head,
            head_inputs: weights.head.inputs.next_multiple_of(kernels.lanes),
            head_chunk,
            head_chunks,
            head_pixels: rows * columns,
            tail,
            tail_linears,
            tail_stride,
            group,
            patch: weights.rows * weights.columns,
        }
    }
}

impl Plan {
    /// Maximum number of phases of a team's pass: three for each block and each of its groups, the head, and the steps
    /// after it. Groups of one segment do not divide those of the next, hence the sum over segments.
    pub fn phases(&self) -> usize {
        let mut passes = 1;
        let mut phases = 1 + self.tail.steps.len();
        for segment in self.segments.iter().rev() {
            let next = self.segments.iter().find(|other| other.blocks.start == segment.blocks.end);
            let group = next.map_or(self.group, |next| next.group);
            passes *= group.div_ceil(segment.group);
            phases += 3 * segment.blocks.len() * passes;
        }
        phases
    }
}

impl BlockPlan {
    /// The plan of a block whose depthwise convolution reads a map of `rows` x `columns`.
    pub fn new(
        block: &Block,
        source: Source,
        (rows, columns): (usize, usize),
        group: usize,
        kernels: &Kernels,
        is_bf16: bool,
    ) -> Self {
        let lanes = kernels.lanes;
        let filled = |channels: usize| channels.next_multiple_of(lanes);
        let window = block.depthwise.window;
        let (out_rows, out_columns) = window.output(rows, columns);
        let channels = block.depthwise.bias.len();
        let wide = filled(channels);
        let width = best_width(kernels, rows * columns);
        let chunk = (CHUNK.next_multiple_of(width * lanes)).min(wide);
        let chunks = wide.div_ceil(chunk);
        let fill = match source {
            Source::Stem(stem, rows, columns) => Fill::Stem(StemPlan::new(stem, rows, columns, lanes)),
            Source::Expand(linear) => {
                let (layer, parts) = in_chunks(linear, kernels, width, chunk, is_bf16);
                Fill::Expand(layer, parts)
            }
        };
        let inputs = match source {
            Source::Stem(..) => 0,
            Source::Expand(linear) => filled(linear.inputs),
        };
        let bordered_rows = rows + window.pads[0] + window.pads[2];
        let bordered_columns = columns + window.pads[1] + window.pads[3];
        let bordered = bordered_rows * bordered_columns;
        let inside = window.pads[0] * bordered_columns + window.pads[1];
        let mut table = Vec::with_capacity(group * rows * columns);
        for patch in 0..group {
            for row in 0..rows {
                for column in 0..columns {
                    let pixel = patch * bordered + inside + row * bordered_columns + column;
                    table.push((pixel * chunk) as u32);
                }
            }
        }
        let is_large = group == 1;
        let strips = match (is_large, out_rows) {
            (true, 32..) => 4,
            (true, 8..) => 2,
            _ => 1,
        };
        let project = if is_bf16 {
            Layer::Bf16(Bf16Weights::new(&block.project))
        } else {
            let width = best_width(kernels, out_rows * out_columns);
            Layer::F32(PackedLinear::new(&block.project, lanes, width))
        };
        let outputs = filled(block.project.outputs);
        Self {
            fill,
            rows,
            columns,
            out_rows,
            out_columns,
            window,
            bordered_rows,
            bordered_columns,
            inputs,
            wide,
            outputs,
            chunk,
            chunks,
            group,
            strips: ranges(out_rows, out_rows.div_ceil(strips)),
            step: if is_large { (PIXELS_IN_WORK / (columns * window.stride)).max(1) } else { out_rows },
            table,
            taps: pack_chunked_taps(&block.depthwise, chunk, chunks),
            bias: pack_bias(&block.depthwise.bias, chunk * chunks),
            reduce: PackedLinear::new(&block.gate.reduce, lanes, 2),
            excite: PackedLinear::new(&block.gate.excite, lanes, 2),
            scales_weights: !is_bf16 && group == 1 && out_rows * out_columns > outputs,
            project,
            residual: block.residual,
        }
    }

    /// Pixels of one bordered scratch map.
    pub fn bordered(&self) -> usize {
        self.bordered_rows * self.bordered_columns
    }

    pub fn out_pixels(&self) -> usize {
        self.out_rows * self.out_columns
    }

    /// Number of channels in a chunk: the last may have fewer.
    pub fn chunk_channels(&self, chunk: usize) -> usize {
        self.chunk.min(self.wide - chunk * self.chunk)
    }
}

impl StemPlan {
    fn new(stem: &Stem, rows: usize, columns: usize, lanes: usize) -> Self {
        let channels = stem.channels.next_multiple_of(lanes);
        let window = stem.window;
        Self {
            window,
            scale: stem.scale,
            shift: stem.shift,
            rows,
            columns,
            bordered_rows: rows + window.pads[0] + window.pads[2],
            bordered_columns: columns + window.pads[1] + window.pads[3],
            taps: pack_taps(&stem.weights, stem.channels, window.kernel * window.kernel, channels),
            bias: pack_bias(&stem.bias, channels),
            channels,
        }
    }
}

fn pack_chunked_taps(depthwise: &Depthwise, chunk: usize, chunks: usize) -> Buffer {
    let taps = depthwise.window.kernel * depthwise.window.kernel;
    let all = pack_taps(&depthwise.weights, depthwise.bias.len(), taps, chunk * chunks);
    let mut packed = all.clone();
    let (from, into) = (all.as_slice(), packed.as_mut_slice());
    for c in 0..chunks {
        for tap in 0..taps {
            into[(c * taps + tap) * chunk..][..chunk]
                .copy_from_slice(&from[tap * chunk * chunks + c * chunk..][..chunk]);
        }
    }
    packed
}

/// A layer packed for chunks of output channels, and each chunk's panels or lines.
fn in_chunks(
    linear: &Linear,
    kernels: &Kernels,
    width: usize,
    chunk: usize,
    is_bf16: bool,
) -> (Layer, Vec<Range<usize>>) {
    if is_bf16 {
        let weights = Bf16Weights::new(linear);
        let lines = ranges(weights.lines, chunk / CHANNELS_A_LINE);
        return (Layer::Bf16(weights), lines);
    }
    let packed = PackedLinear::in_chunks(linear, kernels.lanes, width, chunk / kernels.lanes);
    let panels = packed.chunk_panels(chunk / kernels.lanes);
    (Layer::F32(packed), panels)
}

/// Splits `count` items into ranges of `run`.
pub(super) fn ranges(count: usize, run: usize) -> Vec<Range<usize>> {
    (0..count).step_by(run.max(1)).map(|first| first..(first + run).min(count)).collect()
}
