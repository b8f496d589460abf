//! A pass through the convolutions of [`super::kernels::winograd`].

use std::ops::Range;

use super::kernels::conv::ConvArgs;
use super::kernels::finish::{Destination, FinishStep, Quick};
use super::kernels::winograd::{WinogradInput, WinogradOutput};
use super::pass::{Pass, Steps};
use super::plan::places::Place;
use super::plan::{PlanOp, WinogradPlan};
use crate::engine::graph::Size;

impl Pass<'_> {
    /// # Safety
    /// As for [`Pass::run`].
    pub(super) unsafe fn winograd_layer(
        &self,
        op: &PlanOp,
        plan: &WinogradPlan,
        steps: &Steps,
        first: usize,
        count: usize,
    ) {
        let (x, to) = (self.place(op.x), self.place(op.to));
        let tiles = count * plan.count();
        // A team needs a few parts for each member, as large as they can be.
        let least = if self.team.size() > 1 { 2 * self.team.size() } else { 1 };
        let blocks = tiles.div_ceil(plan.most).max(least.min(tiles.div_ceil(8)));
        self.team.each(blocks, |units| {
            for unit in units {
                // SAFETY: the caller's promise; each unit writes its own tiles.
                unsafe {
                    if unit == 0 {
                        self.clear_border(op.to, first, count);
                    }
                    let input = self.slot(op.x, first).cast_const();
                    let to_patch = self.destination(op.to, first);
                    let part = unit * tiles / blocks..(unit + 1) * tiles / blocks;
                    self.winograd(plan, (input, x.slot, x), to_patch, to.size, steps.get(), part);
                }
            }
        });
    }

    /// Some tiles of a map of `size`, from the map of a place whose slots begin at an address.
    ///
    /// # Safety
    /// As for [`Pass::run`], and the addresses are valid for the tiles.
    pub(super) unsafe fn winograd(
        &self,
        plan: &WinogradPlan,
        (input, slot, x): (*const f32, usize, &Place),
        to: Destination,
        size: Size,
        steps: &[FinishStep],
        tiles: Range<usize>,
    ) {
        let kernels = self.plan.kernels;
        let blocks = tiles.len().div_ceil(plan.most);
        let [windows, _] = plan.scratch();
        for block in 0..blocks {
            let first = tiles.start + block * tiles.len() / blocks;
            let last = tiles.start + (block + 1) * tiles.len() / blocks;
            let count = last - first;
            let (input_point, output_point) = (count * plan.inputs, count * plan.outputs);
            // SAFETY: the caller's promise; the private memory holds the plan's scratch.
            unsafe {
                let sums = self.private.add(windows);
                (kernels.winograd_input)(&WinogradInput {
                    input,
                    line: plan.line,
                    slot,
                    windows: &plan.windows,
                    pixel: x.pixel,
                    row: x.row,
                    channels: plan.inputs,
                    first,
                    last,
                    output: self.private,
                    point: input_point,
                });
                for point in 0..plan.points {
                    let args = ConvArgs {
                        input: self.private.add(point * input_point),
                        input_slot: 0,
                        input_offsets: plan.input_rows.as_ptr(),
                        runs: std::slice::from_ref(&plan.run),
                        weights: plan.weights.as_ptr().add(point * plan.point),
                        bias: plan.zeros.as_ptr(),
                        steps: &[],
                        finish: kernels.finish,
                        quick: Quick::Nothing,
                        to: Destination {
                            output: sums.add(point * output_point),
                            slot: 0,
                            offsets: plan.output_rows.as_ptr(),
                            pixels: plan.most + 1,
                        },
                    };
                    self.tiles(&args, &plan.panels, 0..count);
                }
                (kernels.winograd_output)(&WinogradOutput {
                    sums,
                    point: output_point,
                    channels: plan.outputs,
                    first,
                    last,
                    side: plan.side,
                    tile_columns: plan.tiles[1],
                    tiles: plan.count(),
                    rows: size.rows,
                    columns: size.columns,
                    bias: plan.bias.as_ptr(),
                    steps,
                    finish: kernels.finish,
                    quick: Quick::of(steps),
                    to,
                });
            }
        }
    }
}
