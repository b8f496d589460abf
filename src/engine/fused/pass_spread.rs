//! A pass through the operations of [`super::kernels::spread`].

use super::kernels::spread::{GROUP, SpreadArgs, SpreadInputArgs};
use super::pass::Pass;
use super::plan::{PlanOp, SpreadInputPlan, SpreadPlan};

impl Pass<'_> {
    /// # Safety
    /// As for [`Pass::run`].
    pub(super) unsafe fn spread_input(
        &self,
        op: &PlanOp,
        plan: &SpreadInputPlan,
        first: usize,
        count: usize,
    ) {
        let x = self.place(op.x);
        self.team.each(count * plan.bands, |units| {
            for unit in units {
                let (patch, band) = (first + unit / plan.bands, unit % plan.bands);
                // SAFETY: the caller's promise; each unit writes its own band.
                unsafe {
                    let to = self.slot(op.to, patch);
                    (self.plan.kernels.spread_input)(&SpreadInputArgs {
                        input: self.slot(op.x, patch).add(x.at(0, band)),
                        time: x.row,
                        times: x.size.rows,
                        before: plan.before,
                        matrix: &plan.matrix,
                        places: plan.places,
                        output: to.add(band * plan.places),
                        point: plan.point(),
                        phases: self.private,
                        poison: to.add(plan.poison() + band),
                    });
                }
            }
        });
    }

    /// # Safety
    /// As for [`Pass::run`].
    pub(super) unsafe fn spread(&self, op: &PlanOp, plan: &SpreadPlan, first: usize, count: usize) {
        let kernels = self.plan.kernels;
        let to = self.place(op.to);
        let point = plan.input_bands * plan.row;
        let blocks = plan.blocks.len();
        self.team.each(count * blocks, |units| {
            for unit in units {
                let patch = first + unit / blocks;
                let (filter, filters, weights) = plan.blocks[unit % blocks];
                let mut place = 0;
                while place < plan.places {
                    let left = (plan.places - place) / kernels.lanes;
                    let vectors = left.min(plan.vectors);
                    // SAFETY: the caller's promise; each unit writes its own filters.
                    unsafe {
                        let transformed = self.slot(op.x, patch);
                        let poison: f32 = (0..plan.input_bands)
                            .map(|band| *transformed.add(plan.points * point + band))
                            .sum();
                        let args = SpreadArgs {
                            transformed: transformed.add(plan.first + place),
                            point,
                            band: plan.row,
                            points: plan.points,
                            taps: &plan.taps,
                            weights: plan.weights.as_ptr().add(weights),
                            pairs: &plan.pairs,
                            single: plan.single,
                            bands: plan.bands,
                            sums: self.private,
                            most: self.private.add(plan.points * filters * vectors * kernels.lanes),
                            output: self.slot(op.to, patch).add(to.at(0, 0) + filter),
                            output_time: to.row,
                            first_time: place * GROUP,
                            times: to.size.rows,
                            bias: plan.bias.as_ptr().add(filter),
                            poison,
                        };
                        (kernels.spread_tile[vectors - 1][filters - 1])(&args, filter);
                    }
                    place += vectors * kernels.lanes;
                }
            }
        });
    }
}
