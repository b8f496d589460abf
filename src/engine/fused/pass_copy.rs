//! A pass through the operations that have no inner loop worth a kernel: they take a few thousandths of the time.

use super::ir::{Function, Pooling};
use super::kernels::transcendental;
use super::pass::Pass;
use super::plan::{Kind, PlanOp, StepPlan};

impl Pass<'_> {
    /// One patch of an operation.
    ///
    /// # Safety
    /// As for [`Pass::run`].
    pub(super) unsafe fn copy(&self, op: &PlanOp, patch: usize) {
        let (from, to) = (self.place(op.x), self.place(op.to));
        let channels = to.size.channels;
        // SAFETY: the caller's promise: slots are as large as their places say, and an operation's result overlaps none
        // of its operands.
        unsafe {
            let (x, out) = (self.slot(op.x, patch).cast_const(), self.slot(op.to, patch));
            let row_of = |at: usize, count: usize| std::slice::from_raw_parts(x.add(at), count);
            let out_of = |at: usize, count: usize| std::slice::from_raw_parts_mut(out.add(at), count);
            match &op.kind {
                Kind::Relayout(sources) => {
                    for (pixel, sources) in sources.chunks_exact(channels).enumerate() {
                        let to = out_of(to.offsets[pixel] as usize, channels);
                        for (to, &source) in to.iter_mut().zip(sources) {
                            *to = *x.add(source as usize);
                        }
                    }
                }
                Kind::Thin => {
                    for row in 0..to.size.rows {
                        let values = row_of(from.at(row, 0), to.size.columns);
                        let out = out_of(to.at(row, 0), to.size.columns);
                        out.copy_from_slice(values);
                        for step in &op.steps {
                            thin(out, step);
                        }
                    }
                }
                Kind::Concat(parts) => {
                    for &(part, [row, column, channel]) in parts {
                        let (from, x) = (self.place(part), self.slot(part, patch).cast_const());
                        for pixel in 0..from.pixels() {
                            let (r, c) = (pixel / from.size.columns, pixel % from.size.columns);
                            let to = out.add(to.at(row + r, column + c) + channel);
                            let from_pixel = x.add(from.offsets[pixel] as usize);
                            std::ptr::copy_nonoverlapping(from_pixel, to, from.size.channels);
                        }
                    }
                }
                Kind::Pad([above, left]) => {
                    for row in 0..to.size.rows {
                        for column in 0..to.size.columns {
                            let out = out_of(to.at(row, column), channels);
                            let inside = row.checked_sub(*above).zip(column.checked_sub(*left));
                            match inside.filter(|&(r, c)| r < from.size.rows && c < from.size.columns) {
                                Some((r, c)) => out.copy_from_slice(row_of(from.at(r, c), channels)),
                                None => out.fill(0.0),
                            }
                        }
                    }
                }
                Kind::Softmax => {
                    for (&a, &b) in from.offsets.iter().zip(to.offsets.iter()) {
                        softmax(row_of(a as usize, channels), out_of(b as usize, channels));
                    }
                }
                Kind::Channels(pooling) => {
                    for (&a, &b) in from.offsets.iter().zip(to.offsets.iter()) {
                        let values = row_of(a as usize, from.size.channels);
                        *out.add(b as usize) = over_channels(*pooling, values);
                    }
                }
                Kind::Conv(_)
                | Kind::Winograd(_)
                | Kind::Depthwise(_)
                | Kind::Pool(_)
                | Kind::SpreadInput(_)
                | Kind::Spread(_)
                | Kind::Element => {}
            }
        }
    }
}

/// A function of one value, with the bits that vectors give.
fn of(function: &Function, x: f32) -> f32 {
    match function {
        Function::Exp => transcendental::exp(x),
        Function::Log => transcendental::ln(x),
        other => other.of(x),
    }
}

/// A step on values of the one channel.
fn thin(values: &mut [f32], step: &StepPlan) {
    match step {
        StepPlan::Function(Function::Relu) => {
            values.iter_mut().for_each(|x| *x = if *x < 0.0 { 0.0 } else { *x });
        }
        StepPlan::Function(function) => values.iter_mut().for_each(|x| *x = of(function, *x)),
        StepPlan::Affine(scale, shift) => {
            let (scale, shift) = (scale.as_slice()[0], shift.as_slice()[0]);
            values.iter_mut().for_each(|x| *x = *x * scale + shift);
        }
        // The planner gives maps without gaps no such steps.
        StepPlan::Binary { .. } | StepPlan::Scalar { .. } => {}
    }
}

fn softmax(x: &[f32], out: &mut [f32]) {
    // NaN must be propagated: f32::max would drop it.
    let top = x.iter().fold(f32::NEG_INFINITY, |top, &x| if x > top || x.is_nan() { x } else { top });
    for (out, &x) in out.iter_mut().zip(x) {
        *out = transcendental::exp(x - top);
    }
    let sum: f32 = out.iter().sum();
    out.iter_mut().for_each(|out| *out /= sum);
}

fn over_channels(pooling: Pooling, values: &[f32]) -> f32 {
    match pooling {
        Pooling::Max => {
            values.iter().fold(f32::NEG_INFINITY, |top, &x| if x > top || x.is_nan() { x } else { top })
        }
        Pooling::Sum => values.iter().sum(),
        Pooling::Mean | Pooling::MeanWithPads => values.iter().sum::<f32>() / values.len() as f32,
    }
}
