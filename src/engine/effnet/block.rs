//! One inverted residual block for a group of patches, in three phases of the team: expansion and depthwise
//! convolution, chunk by chunk; the gate; the projection.

use std::ops::Range;

use super::clock::Stage;
use super::kernels::depthwise::DepthwiseArgs;
use super::kernels::elementwise::{GateArgs, ScaleWeightsArgs};
use super::kernels::linear::{Finish, LinearArgs, Place};
use super::kernels::linear_bf16::{FinishBf16, LinearBf16Args, NarrowArgs};
use super::kernels::stem::StemArgs;
use super::kernels::{Bf16Kernels, Kernels};
use super::pack::{CHANNELS_A_LINE, Layer, PackedLinear, Panel, narrow_stride};
use super::plan::{BlockPlan, Fill, StemPlan};
use super::workspace::{CommonPointers, Maps, Private};
use crate::engine::cpu::team::Team;

/// Pixels of a projection that a member of a team claims at once, at least: whole tiles for the wide panels of every
/// instruction set.
const PIXELS_A_UNIT: usize = 24;
/// Units of a projection for each member of a team, if there are enough. Fewer units cost less to claim; more units
/// shorten the wait for the last one.
const UNITS_A_MEMBER: usize = 3;

pub(super) struct BlockPass<'a> {
    pub block: &'a BlockPlan,
    pub kernels: &'a Kernels,
    /// For a plan in bfloat16.
    pub bf16: Option<&'a Bf16Kernels>,
    pub private: &'a mut Private,
    pub common: CommonPointers,
    pub team: &'a Team<'a>,
    /// Patches to process, at most the block's group.
    pub patches: usize,
    /// The block's number, for the clock.
    pub row: usize,
}

impl BlockPass<'_> {
    /// Runs the block on the maps at `input` (the first block: on the patches at `patch`), to `output`.
    ///
    /// # Safety
    /// The addresses are valid for the block's sizes, the CPU has the kernels' instruction set, and all members of the
    /// team call this with the same arguments.
    pub unsafe fn run(&mut self, patch: *const f32, input: Maps, output: Maps) {
        // SAFETY: the caller's promise.
        unsafe {
            self.expand_and_filter(patch, input);
            let start = self.private.clock.start();
            self.gate();
            self.private.clock.stop(start, self.row, Stage::Gate);
            let start = self.private.clock.start();
            self.project(input, output);
            self.private.clock.stop(start, self.row, Stage::Project);
        }
    }

    // ---- expansion and depthwise convolution ----

    unsafe fn expand_and_filter(&mut self, patch: *const f32, input: Maps) {
        let block = self.block;
        // The unit of a small map is a chunk of the whole group; that of a large map is a strip of a chunk of one
        // patch.
        let strips = if block.group > 1 { 1 } else { block.strips.len() };
        let mut is_prepared = false;
        self.team.each(block.chunks * strips, |units| {
            // SAFETY: units are the block's; `patch` is valid for one patch (the stem's block has a group of 1).
            unsafe {
                if !std::mem::replace(&mut is_prepared, true) {
                    self.clear_borders();
                    if let Fill::Stem(stem) = &block.fill {
                        self.border_patch(stem, patch);
                    }
                }
                if block.group > 1 {
                    units.for_each(|chunk| self.chunk_of_group(chunk, input));
                } else {
                    self.strips(units, input);
                }
            }
        });
    }

    /// One chunk of small maps, for all patches.
    unsafe fn chunk_of_group(&mut self, chunk: usize, input: Maps) {
        let block = self.block;
        // SAFETY: the scratch holds a chunk of the group's maps.
        unsafe {
            self.fill(chunk, input, 0..self.patches * block.rows * block.columns);
            for patch in 0..self.patches {
                self.clear_sums(patch, 0, chunk);
                self.filter(chunk, patch, 0, 0..block.out_rows);
            }
        }
    }

    /// Strips of one patch's large map. The strips of one chunk are consecutive, so that a strip can reuse the rows
    /// that the strip before it left in the scratch map.
    unsafe fn strips(&mut self, units: Range<usize>, input: Maps) {
        let block = self.block;
        let mut filled = 0;
        let mut current = usize::MAX;
        for unit in units {
            let (chunk, strip) = (unit / block.strips.len(), unit % block.strips.len());
            let rows = block.strips[strip].clone();
            if chunk != current {
                current = chunk;
                filled = (rows.start * block.window.stride).saturating_sub(block.window.pads[0]);
            }
            // SAFETY: rows and channels are the block's.
            unsafe {
                self.clear_sums(0, strip, chunk);
                for first in rows.clone().step_by(block.step) {
                    let last = (first + block.step).min(rows.end);
                    let needed = ((last - 1) * block.window.stride + block.window.kernel)
                        .saturating_sub(block.window.pads[0])
                        .min(block.rows);
                    if needed > filled {
                        self.fill(chunk, input, filled * block.columns..needed * block.columns);
                        filled = needed;
                    }
                    self.filter(chunk, 0, strip, first..last);
                }
            }
        }
    }

    /// Copies a patch inside its border of zeros, scaled as in the graph.
    unsafe fn border_patch(&mut self, stem: &StemPlan, patch: *const f32) {
        let bordered = self.private.patch.as_mut_slice();
        bordered.fill(0.0);
        for row in 0..stem.rows {
            // SAFETY: the patch has `rows * columns` values.
            let from = unsafe { std::slice::from_raw_parts(patch.add(row * stem.columns), stem.columns) };
            let at = (row + stem.window.pads[0]) * stem.bordered_columns + stem.window.pads[1];
            for (to, from) in bordered[at..at + stem.columns].iter_mut().zip(from) {
                *to = from * stem.scale + stem.shift;
            }
        }
    }

    /// Zeroes the border of the scratch maps. Chunks write only the inside.
    fn clear_borders(&mut self) {
        let block = self.block;
        let [above, left, ..] = block.window.pads;
        let row = block.bordered_columns * block.chunk;
        let scratch = self.private.scratch.as_mut_slice();
        for map in scratch.chunks_exact_mut(block.bordered() * block.chunk).take(self.patches) {
            let (top, rest) = map.split_at_mut(above * row);
            let (middle, bottom) = rest.split_at_mut(block.rows * row);
            top.fill(0.0);
            bottom.fill(0.0);
            for line in middle.chunks_exact_mut(row) {
                line[..left * block.chunk].fill(0.0);
                line[(left + block.columns) * block.chunk..].fill(0.0);
            }
        }
    }

    unsafe fn clear_sums(&self, patch: usize, strip: usize, chunk: usize) {
        let block = self.block;
        let at = (patch * block.strips.len() + strip) * block.wide + chunk * block.chunk;
        // SAFETY: the sums hold every patch, strip and channel; no other member has this chunk's strip.
        unsafe { self.common.sums.add(at).write_bytes(0, block.chunk_channels(chunk)) };
    }

    /// Computes a chunk's channels of some pixels of the scratch maps.
    unsafe fn fill(&mut self, chunk: usize, input: Maps, pixels: Range<usize>) {
        let block = self.block;
        let scratch = self.private.scratch.as_mut_ptr();
        let first = chunk * block.chunk;
        let start = self.private.clock.start();
        match &block.fill {
            // SAFETY: the table's offsets are inside the scratch maps; the kernel counts columns from channel 0, so the
            // address passed to it is `first` floats before the scratch.
            Fill::Expand(Layer::F32(packed), panels) => unsafe {
                (self.kernels.linear)(&LinearArgs {
                    input: input.full.add(pixels.start * block.inputs),
                    input_stride: block.inputs,
                    pixels: pixels.len(),
                    inputs: packed.inputs,
                    panels: &packed.panels[panels[chunk].clone()],
                    weights: packed.weights.as_ptr(),
                    bias: packed.bias.as_ptr(),
                    output: scratch.wrapping_sub(first),
                    place: Place::Table(block.table.as_ptr().add(pixels.start)),
                    finish: Finish::Silu,
                });
            },
            // SAFETY: as above.
            Fill::Expand(Layer::Bf16(weights), lines) => unsafe {
                let Some(bf16) = self.bf16 else { return };
                (bf16.linear)(&LinearBf16Args {
                    input: input.narrow.add(pixels.start * weights.input_stride()),
                    input_stride: weights.input_stride(),
                    pixels: pixels.len(),
                    weights,
                    first_line: lines[chunk].start,
                    last_line: lines[chunk].end,
                    output: scratch.wrapping_sub(first),
                    place: Place::Table(block.table.as_ptr().add(pixels.start)),
                    finish: FinishBf16::Silu,
                });
            },
            // SAFETY: rows of the stem's result are rows of the scratch map.
            Fill::Stem(stem) => unsafe {
                let inside = block.window.pads[0] * block.bordered_columns + block.window.pads[1];
                (self.kernels.stem)(&StemArgs {
                    kernel: stem.window.kernel,
                    stride: stem.window.stride,
                    vectors: block.chunk_channels(chunk) / self.kernels.lanes,
                    input: self.private.patch.as_ptr(),
                    input_row: stem.bordered_columns,
                    weights: stem.taps.as_ptr().add(first),
                    weights_tap: stem.channels,
                    bias: stem.bias.as_ptr().add(first),
                    output: scratch.add(inside * block.chunk),
                    output_pixel: block.chunk,
                    output_row: block.bordered_columns * block.chunk,
                    columns: block.columns,
                    first_row: pixels.start / block.columns,
                    last_row: pixels.end / block.columns,
                });
            },
        }
        self.private.clock.stop(start, self.row, Stage::Fill);
    }

    /// The depthwise convolution of a chunk, for some rows of the result.
    unsafe fn filter(&mut self, chunk: usize, patch: usize, strip: usize, rows: Range<usize>) {
        let block = self.block;
        let taps = block.window.kernel * block.window.kernel;
        let first = chunk * block.chunk;
        let start = self.private.clock.start();
        // SAFETY: every address is that of this patch and chunk within its buffer.
        unsafe {
            (self.kernels.depthwise)(&DepthwiseArgs {
                kernel: block.window.kernel,
                stride: block.window.stride,
                vectors: block.chunk_channels(chunk) / self.kernels.lanes,
                input: self.private.scratch.as_ptr().add(patch * block.bordered() * block.chunk),
                input_pixel: block.chunk,
                input_row: block.bordered_columns * block.chunk,
                weights: block.taps.as_ptr().add(chunk * taps * block.chunk),
                weights_tap: block.chunk,
                bias: block.bias.as_ptr().add(first),
                output: self.common.wide.add(patch * block.out_pixels() * block.wide + first),
                output_pixel: block.wide,
                columns: block.out_columns,
                first_row: rows.start,
                last_row: rows.end,
                sums: self.common.sums.add((patch * block.strips.len() + strip) * block.wide + first),
            });
        }
        self.private.clock.stop(start, self.row, Stage::Depthwise);
    }

    // ---- squeeze-and-excite ----

    unsafe fn gate(&mut self) {
        let block = self.block;
        let mut is_squeezed = false;
        self.team.each(block.excite.panels.len(), |panels| {
            // SAFETY: only this unit's channels of scales, maps and weights are written.
            unsafe {
                // The first layer is small, and every member needs all of it: each computes it by itself, while it
                // holds a unit, so that the sums cannot change meanwhile.
                if !std::mem::replace(&mut is_squeezed, true) {
                    self.squeeze();
                }
                self.excite(&block.excite.panels[panels]);
            }
        });
    }

    /// The gate's first layer, on the means.
    unsafe fn squeeze(&mut self) {
        let block = self.block;
        self.mean();
        // SAFETY: the buffers hold a row for each patch.
        unsafe {
            (self.kernels.linear)(&LinearArgs {
                input: self.private.means.as_ptr(),
                input_stride: block.wide,
                pixels: self.patches,
                inputs: block.reduce.inputs,
                panels: &block.reduce.panels,
                weights: block.reduce.weights.as_ptr(),
                bias: block.reduce.bias.as_ptr(),
                output: self.private.squeezed.as_mut_ptr(),
                place: Place::Stride(block.reduce.outputs),
                finish: Finish::Silu,
            });
        }
    }

    /// The second layer for the channels of some panels, applied to the pixels or to the projection's weights.
    unsafe fn excite(&self, panels: &[Panel]) {
        let block = self.block;
        let (Some(first), Some(last)) = (panels.first(), panels.last()) else { return };
        let channels = first.column * self.kernels.lanes..(last.column + last.width) * self.kernels.lanes;
        // SAFETY: the buffers hold a row for each patch.
        unsafe {
            (self.kernels.linear)(&LinearArgs {
                input: self.private.squeezed.as_ptr(),
                input_stride: block.reduce.outputs,
                pixels: self.patches,
                inputs: block.excite.inputs,
                panels,
                weights: block.excite.weights.as_ptr(),
                bias: block.excite.bias.as_ptr(),
                output: self.common.scales,
                place: Place::Stride(block.wide),
                finish: Finish::Sigmoid,
            });
            match (&block.project, self.bf16) {
                (Layer::F32(project), _) if block.scales_weights => self.scale_weights(project, channels),
                (Layer::Bf16(_), Some(bf16)) => self.narrow_maps(bf16, channels),
                _ => self.scale_maps(channels),
            }
        }
    }

    /// The mean of each channel. The sums of the strips are always added in the same order, for reproducible bits.
    fn mean(&mut self) {
        let block = self.block;
        let strips = block.strips.len();
        let inverse = 1.0 / block.out_pixels() as f32;
        let means = self.private.means.as_mut_slice();
        for (patch, means) in means.chunks_exact_mut(block.wide).take(self.patches).enumerate() {
            // SAFETY: the sums were written in an earlier phase, and no thread writes them now.
            let sums = unsafe {
                std::slice::from_raw_parts(
                    self.common.sums.add(patch * strips * block.wide),
                    strips * block.wide,
                )
            };
            means.copy_from_slice(&sums[..block.wide]);
            for strip in sums.chunks_exact(block.wide).skip(1) {
                for (mean, sum) in means.iter_mut().zip(strip) {
                    *mean += sum;
                }
            }
            means.iter_mut().for_each(|mean| *mean *= inverse);
        }
    }

    /// For large maps: scales the projection's weights for this patch.
    unsafe fn scale_weights(&self, project: &PackedLinear, channels: Range<usize>) {
        let lines = channels.start.min(project.inputs)..channels.end.min(project.inputs);
        for panel in &project.panels {
            let at = panel.offset + lines.start * panel.width * self.kernels.lanes;
            // SAFETY: the lines are the panel's.
            unsafe {
                (self.kernels.scale_weights)(&ScaleWeightsArgs {
                    weights: project.weights.as_ptr().add(at),
                    scaled: self.common.scaled_weights.add(at),
                    scale: self.common.scales.add(lines.start),
                    lines: lines.len(),
                    width: panel.width,
                });
            }
        }
    }

    /// For small maps: scales the pixels.
    unsafe fn scale_maps(&self, channels: Range<usize>) {
        let block = self.block;
        for patch in 0..self.patches {
            // SAFETY: the patch's maps, the channels of this member.
            unsafe {
                (self.kernels.gate)(&GateArgs {
                    map: self.common.wide.add(patch * block.out_pixels() * block.wide + channels.start),
                    pixel: block.wide,
                    pixels: block.out_pixels(),
                    scale: self.common.scales.add(patch * block.wide + channels.start),
                    vectors: channels.len() / self.kernels.lanes,
                });
            }
        }
    }

    /// In bfloat16: scales the pixels into a bfloat16 copy.
    unsafe fn narrow_maps(&self, bf16: &Bf16Kernels, channels: Range<usize>) {
        let block = self.block;
        let stride = narrow_stride(block.wide);
        for patch in 0..self.patches {
            let first = patch * block.out_pixels();
            // SAFETY: the patch's maps, the channels of this member.
            unsafe {
                (bf16.narrow)(&NarrowArgs {
                    map: self.common.wide.add(first * block.wide + channels.start),
                    pixel: block.wide,
                    pixels: block.out_pixels(),
                    scale: self.common.scales.add(patch * block.wide + channels.start),
                    vectors: channels.len() / CHANNELS_A_LINE,
                    narrow: self.common.narrow_wide.add(first * stride + channels.start),
                    narrow_pixel: stride,
                    filled: channels.end == block.wide && stride > block.wide,
                });
            }
        }
    }

    // ---- projection ----

    unsafe fn project(&self, input: Maps, output: Maps) {
        let pixels = self.patches * self.block.out_pixels();
        let columns = match &self.block.project {
            Layer::F32(project) => project.panels.len(),
            Layer::Bf16(project) => project.lines,
        };
        // A team splits the output channels (so each member reads only its own weights), and also the pixels if the
        // channels alone would leave members idle. Parts of one column are consecutive.
        let parts = if columns >= UNITS_A_MEMBER * self.team.size() {
            1
        } else {
            let wanted = (UNITS_A_MEMBER * self.team.size()).div_ceil(columns);
            wanted.min(pixels.div_ceil(PIXELS_A_UNIT))
        };
        let run = pixels.div_ceil(parts).next_multiple_of(PIXELS_A_UNIT);
        let parts = pixels.div_ceil(run);
        let part = |index: usize| index * run..((index + 1) * run).min(pixels);
        self.team.each(columns * parts, |units| {
            let mut at = units.start;
            while at < units.end {
                let (column, first) = (at / parts, at % parts);
                let whole = (units.end - at) / parts;
                // SAFETY: the caller's promise, for some pixels and some channels.
                unsafe {
                    if first == 0 && whole > 0 {
                        self.project_part(0..pixels, column..column + whole, input, output);
                        at += whole * parts;
                    } else {
                        self.project_part(part(first), column..column + 1, input, output);
                        at += 1;
                    }
                }
            }
        });
    }

    /// The projection for some pixels and some columns (panels; in bfloat16: lines).
    unsafe fn project_part(&self, pixels: Range<usize>, columns: Range<usize>, input: Maps, output: Maps) {
        let block = self.block;
        let place = Place::Stride(block.outputs);
        let to = output.skip(pixels.start, block.outputs);
        let residual = input.full.wrapping_add(pixels.start * block.outputs).cast_const();
        // SAFETY: pixels and columns are the block's; the residual is read where it is written, by the same
        // member, and `input` and `output` are different buffers.
        unsafe {
            match (&block.project, self.bf16) {
                (Layer::F32(project), _) => (self.kernels.linear)(&LinearArgs {
                    input: self.common.wide.add(pixels.start * block.wide),
                    input_stride: block.wide,
                    pixels: pixels.len(),
                    inputs: project.inputs,
                    panels: &project.panels[columns],
                    weights: if block.scales_weights {
                        self.common.scaled_weights
                    } else {
                        project.weights.as_ptr()
                    },
                    bias: project.bias.as_ptr(),
                    output: to.full,
                    place,
                    finish: if block.residual { Finish::Add(residual) } else { Finish::Store },
                }),
                (Layer::Bf16(project), Some(bf16)) => (bf16.linear)(&LinearBf16Args {
                    input: self.common.narrow_wide.add(pixels.start * project.input_stride()),
                    input_stride: project.input_stride(),
                    pixels: pixels.len(),
                    weights: project,
                    first_line: columns.start,
                    last_line: columns.end,
                    output: to.full,
                    place,
                    finish: FinishBf16::Project {
                        residual: if block.residual { residual } else { std::ptr::null() },
                        narrow: to.narrow,
                        stride: narrow_stride(block.outputs),
                    },
                }),
                (Layer::Bf16(_), None) => {}
            }
        }
    }
}
