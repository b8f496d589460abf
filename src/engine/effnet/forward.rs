//! One pass: a group of patches through the network, by one thread or by a team.

use super::block::BlockPass;
use super::clock::Stage;
use super::kernels::linear::{Finish, LinearArgs, Place};
use super::kernels::linear_bf16::{FinishBf16, LinearBf16Args};
use super::kernels::{Bf16Kernels, Kernels};
use super::pack::Layer;
use super::plan::Plan;
use super::tail::Step;
use super::workspace::{CommonPointers, Maps, Private};
use crate::engine::cpu::team::Team;

/// What a pass needs. The addresses are valid for the plan's sizes.
pub(super) struct Pass<'a> {
    pub plan: &'a Plan,
    pub kernels: &'a Kernels,
    /// For a plan in bfloat16.
    pub bf16: Option<&'a Bf16Kernels>,
    pub private: &'a mut Private,
    pub common: CommonPointers,
    pub team: &'a Team<'a>,
}

impl Pass<'_> {
    /// Runs `patches` patches (at most the plan's group), whose values begin at `input`. Afterwards the tail in the
    /// common memory holds the vectors of the steps in `wanted`.
    ///
    /// # Safety
    /// `input` is valid for the patches; the CPU has the kernels' instruction set; every member of the team calls this
    /// with the same arguments, and no other thread uses the common memory meanwhile.
    pub unsafe fn run(&mut self, input: *const f32, patches: usize, wanted: &[bool]) {
        let head_input = self.common.maps[self.plan.segments.len()][0];
        // SAFETY: the caller's promise.
        unsafe {
            self.features(self.plan.segments.len() - 1, input, patches, head_input);
            let row = self.plan.blocks.len();
            let start = self.private.clock.start();
            self.head(head_input, patches);
            self.private.clock.stop(start, row, Stage::Fill);
            let start = self.private.clock.start();
            self.tail(patches, wanted);
            self.private.clock.stop(start, row, Stage::Project);
        }
    }

    /// Runs patches through the segments up to `segment`, in groups of its size, to `output`. Groups of earlier
    /// segments are smaller: several of them fill the input of one group.
    unsafe fn features(&mut self, segment: usize, input: *const f32, patches: usize, output: Maps) {
        let plan = self.plan;
        let Some(stage) = plan.segments.get(segment) else { return };
        let blocks = &plan.blocks[stage.blocks.clone()];
        let Some(last) = blocks.last() else { return };
        for first in (0..patches).step_by(stage.group) {
            let count = stage.group.min(patches - first);
            let [mut from, mut to] = self.common.maps[segment];
            // SAFETY: the buffers hold a group of the largest map of the segment's blocks.
            unsafe {
                let input = input.add(first * plan.patch);
                if segment > 0 {
                    self.features(segment - 1, input, count, from);
                }
                for (index, block) in blocks.iter().enumerate() {
                    let is_last = index + 1 == blocks.len();
                    let output =
                        if is_last { output.skip(first * last.out_pixels(), last.outputs) } else { to };
                    BlockPass {
                        block,
                        kernels: self.kernels,
                        bf16: self.bf16,
                        private: &mut *self.private,
                        common: self.common,
                        team: self.team,
                        patches: count,
                        row: stage.blocks.start + index,
                    }
                    .run(input, from, output);
                    std::mem::swap(&mut from, &mut to);
                }
            }
        }
    }

    /// The last convolution and its mean over the map, a few channels at a time.
    unsafe fn head(&mut self, input: Maps, patches: usize) {
        let plan = self.plan;
        let pixels = plan.head_pixels;
        let stride = plan.tail_stride;
        let scratch = self.private.scratch.as_mut_ptr();
        let inverse = 1.0 / pixels as f32;
        let unit = |chunk: usize| {
            let first = chunk * plan.head_chunk;
            let channels =
                plan.head_chunk.min(plan.tail.dims[0].next_multiple_of(self.kernels.lanes) - first);
            let part = plan.head_chunks[chunk].clone();
            // SAFETY: the scratch holds the group's pixels of one chunk; the kernel counts columns from the head's
            // first one, so the address passed to it is `first` floats before the scratch.
            unsafe {
                match &plan.head {
                    Layer::F32(packed) => (self.kernels.linear)(&LinearArgs {
                        input: input.full,
                        input_stride: plan.head_inputs,
                        pixels: patches * pixels,
                        inputs: packed.inputs,
                        panels: &packed.panels[part],
                        weights: packed.weights.as_ptr(),
                        bias: packed.bias.as_ptr(),
                        output: scratch.wrapping_sub(first),
                        place: Place::Stride(channels),
                        finish: Finish::Silu,
                    }),
                    Layer::Bf16(weights) => {
                        let Some(bf16) = self.bf16 else { return };
                        (bf16.linear)(&LinearBf16Args {
                            input: input.narrow,
                            input_stride: weights.input_stride(),
                            pixels: patches * pixels,
                            weights,
                            first_line: part.start,
                            last_line: part.end,
                            output: scratch.wrapping_sub(first),
                            place: Place::Stride(channels),
                            finish: FinishBf16::Silu,
                        });
                    }
                }
                for patch in 0..patches {
                    let maps =
                        std::slice::from_raw_parts(scratch.add(patch * pixels * channels), pixels * channels);
                    let kept = channels.min(plan.tail.dims[0] - first);
                    let means =
                        std::slice::from_raw_parts_mut(self.common.tail.add(patch * stride + first), kept);
                    means.fill(0.0);
                    for pixel in maps.chunks_exact(channels) {
                        for (mean, value) in means.iter_mut().zip(pixel) {
                            *mean += value;
                        }
                    }
                    means.iter_mut().for_each(|mean| *mean *= inverse);
                }
            }
        };
        self.team.each(plan.head_chunks.len(), |chunks| chunks.for_each(unit));
    }

    /// The steps after the pooling.
    unsafe fn tail(&mut self, patches: usize, wanted: &[bool]) {
        let plan = self.plan;
        let (starts, stride) = (&plan.tail.starts, plan.tail_stride);
        let tail = self.common.tail;
        for (index, step) in plan.tail.steps.iter().enumerate().skip(1).filter(|(index, _)| wanted[*index]) {
            if let Step::Linear { x, linear } = step {
                let packed = &plan.tail_linears[*linear];
                // SAFETY: the step's vector is after its operand's, padded to whole vectors.
                self.team.each(packed.panels.len(), |panels| unsafe {
                    (self.kernels.linear)(&LinearArgs {
                        input: tail.add(starts[*x]),
                        input_stride: stride,
                        pixels: patches,
                        inputs: packed.inputs,
                        panels: &packed.panels[panels],
                        weights: packed.weights.as_ptr(),
                        bias: packed.bias.as_ptr(),
                        output: tail.add(starts[index]),
                        place: Place::Stride(stride),
                        finish: Finish::Store,
                    });
                });
            } else {
                self.team.each(patches, |patches| {
                    for patch in patches {
                        // SAFETY: a step's vector is after those of all earlier steps.
                        unsafe {
                            let row = tail.add(patch * stride);
                            let before = std::slice::from_raw_parts(row, starts[index]);
                            let out = row.add(starts[index]);
                            let out = std::slice::from_raw_parts_mut(out, plan.tail.dims[index]);
                            plan.tail.apply(index, before, out);
                        }
                    }
                });
            }
        }
    }
}
