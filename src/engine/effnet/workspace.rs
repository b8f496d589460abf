//! The working memory of a pass, allocated once, so that a call allocates nothing.

use super::clock::Clock;
use super::pack::{Layer, SLACK, narrow_stride};
use super::plan::{Fill, Plan};
use crate::engine::cpu::buffer::Buffer;

/// The memory of one thread.
pub(super) struct Private {
    /// The patch with its border.
    pub patch: Buffer,
    /// The bordered scratch maps of one chunk.
    pub scratch: Buffer,
    /// For each patch: means of the expanded maps, and the output of the gate's first layer.
    pub means: Buffer,
    pub squeezed: Buffer,
    pub clock: Clock,
}

/// The memory that a team shares. A thread by itself uses its own.
pub(super) struct Common {
    /// For each segment, the inputs and outputs of its blocks, alternating; last, the head's input.
    pub maps: Vec<[Buffer; 2]>,
    /// In bfloat16: the same, and the gated maps.
    pub narrow_maps: Vec<[Buffer; 2]>,
    pub narrow_wide: Buffer,
    /// A block's expanded maps after the depthwise convolution.
    pub wide: Buffer,
    /// `[patch][strip][channel]`
    pub sums: Buffer,
    /// `[patch][channel]`
    pub scales: Buffer,
    pub scaled_weights: Buffer,
    /// `[patch]`, the vectors of all steps after the pooling.
    pub tail: Buffer,
}

pub(super) struct Workspace {
    pub private: Private,
    pub common: Common,
}

impl Workspace {
    pub fn new(plan: &Plan) -> Self {
        let most = |value: &dyn Fn(&super::plan::BlockPlan) -> usize| {
            plan.blocks.iter().map(value).max().unwrap_or(0)
        };
        let patch = plan
            .blocks
            .iter()
            .map(|block| match &block.fill {
                Fill::Stem(stem) => stem.bordered_rows * stem.bordered_columns,
                Fill::Expand(..) => 0,
            })
            .max()
            .unwrap_or(0);
        let head_scratch = plan.group * plan.head_pixels * plan.head_chunk;
        let private = Private {
            patch: Buffer::new(patch),
            scratch: Buffer::new(
                most(&|block| block.group * block.bordered() * block.chunk).max(head_scratch),
            ),
            means: Buffer::new(most(&|block| block.group * block.wide)),
            squeezed: Buffer::new(most(&|block| block.group * block.reduce.outputs)),
            clock: Clock::default(),
        };
        let mut maps = Vec::with_capacity(plan.segments.len() + 1);
        for segment in &plan.segments {
            let blocks = &plan.blocks[segment.blocks.clone()];
            let size = blocks
                .iter()
                .map(|block| {
                    block.group
                        * (block.rows * block.columns * block.inputs).max(block.out_pixels() * block.outputs)
                })
                .max()
                .unwrap_or(0);
            maps.push([Buffer::new(size), Buffer::new(size)]);
        }
        let is_bf16 = matches!(plan.head, Layer::Bf16(_));
        // Half a float per value, plus the rows that whole tiles may read after the last one.
        let narrow = |pixels: usize, channels: usize| (pixels + SLACK) * narrow_stride(channels) / 2;
        let mut narrow_maps = Vec::with_capacity(plan.segments.len() + 1);
        for segment in plan.segments.iter().filter(|_| is_bf16) {
            let blocks = &plan.blocks[segment.blocks.clone()];
            let size = blocks.iter().map(|block| {
                narrow(block.group * block.rows * block.columns, block.inputs)
                    .max(narrow(block.group * block.out_pixels(), block.outputs))
            });
            let size = size.max().unwrap_or(0);
            narrow_maps.push([Buffer::new(size), Buffer::new(size)]);
        }
        if is_bf16 {
            let size = narrow(plan.group * plan.head_pixels, plan.head_inputs);
            narrow_maps.push([Buffer::new(size), Buffer::default()]);
        }
        let last = plan.blocks.last().map_or(0, |block| block.outputs);
        maps.push([Buffer::new(plan.group * plan.head_pixels * last), Buffer::default()]);
        let common = Common {
            maps,
            narrow_maps,
            narrow_wide: Buffer::new(most(&|block| {
                if is_bf16 { narrow(block.group * block.out_pixels(), block.wide) } else { 0 }
            })),
            wide: Buffer::new(most(&|block| block.group * block.out_pixels() * block.wide)),
            sums: Buffer::new(most(&|block| block.group * block.strips.len() * block.wide)),
            scales: Buffer::new(most(&|block| block.group * block.wide)),
            scaled_weights: Buffer::new(most(&|block| match &block.project {
                Layer::F32(packed) if block.scales_weights => packed.weights.len(),
                _ => 0,
            })),
            tail: Buffer::new(plan.group * plan.tail_stride),
        };
        Self { private, common }
    }

    /// Size in bytes.
    pub fn bytes(&self) -> usize {
        let (p, c) = (&self.private, &self.common);
        let mut floats =
            [&p.patch, &p.scratch, &p.means, &p.squeezed].iter().map(|buffer| buffer.len()).sum::<usize>();
        floats += [&c.wide, &c.sums, &c.scales, &c.scaled_weights, &c.tail]
            .iter()
            .map(|buffer| buffer.len())
            .sum::<usize>();
        floats += c.narrow_wide.len();
        floats += c.maps.iter().chain(&c.narrow_maps).flatten().map(Buffer::len).sum::<usize>();
        floats * size_of::<f32>()
    }
}

/// The addresses of a workspace's common memory, copied to the members of a team. In each phase, members write disjoint
/// parts and read only what earlier phases wrote.
#[derive(Clone, Copy)]
pub(super) struct CommonPointers {
    pub maps: [[Maps; 2]; MAX_SEGMENTS + 1],
    pub narrow_wide: *mut u16,
    pub wide: *mut f32,
    pub sums: *mut f32,
    pub scales: *mut f32,
    pub scaled_weights: *mut f32,
    pub tail: *mut f32,
}

/// The address of maps and, in bfloat16, of their rounded copy.
#[derive(Clone, Copy)]
pub(super) struct Maps {
    pub full: *mut f32,
    pub narrow: *mut u16,
}

impl Maps {
    const NONE: Self = Self { full: std::ptr::null_mut(), narrow: std::ptr::null_mut() };

    /// The address after `pixels` pixels of `channels` channels.
    pub fn skip(self, pixels: usize, channels: usize) -> Self {
        Self {
            full: self.full.wrapping_add(pixels * channels),
            narrow: self.narrow.wrapping_add(pixels * narrow_stride(channels)),
        }
    }
}

/// Group sizes only grow, from 1 to [`super::plan::MAX_GROUP`].
pub(super) const MAX_SEGMENTS: usize = super::plan::MAX_GROUP;

// SAFETY: the addresses are used only as their documentation says.
unsafe impl Send for CommonPointers {}
// SAFETY: as above.
unsafe impl Sync for CommonPointers {}

impl Common {
    pub fn pointers(&mut self) -> CommonPointers {
        let mut maps = [[Maps::NONE; 2]; MAX_SEGMENTS + 1];
        for (pointers, buffers) in maps.iter_mut().zip(&mut self.maps) {
            for (pointers, buffer) in pointers.iter_mut().zip(buffers) {
                pointers.full = buffer.as_mut_ptr();
            }
        }
        for (pointers, buffers) in maps.iter_mut().zip(&mut self.narrow_maps) {
            for (pointers, buffer) in pointers.iter_mut().zip(buffers) {
                pointers.narrow = buffer.as_mut_ptr().cast();
            }
        }
        CommonPointers {
            maps,
            narrow_wide: self.narrow_wide.as_mut_ptr().cast(),
            wide: self.wide.as_mut_ptr(),
            sums: self.sums.as_mut_ptr(),
            scales: self.scales.as_mut_ptr(),
            scaled_weights: self.scaled_weights.as_mut_ptr(),
            tail: self.tail.as_mut_ptr(),
        }
    }
}
