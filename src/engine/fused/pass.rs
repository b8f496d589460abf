//! One pass: a group of patches through the network, by one thread or by a team.
//!
//! Each operation is one or two phases of the team (`engine/cpu/team.rs`): its units of work write disjoint parts of its
//! result and read only what earlier phases wrote.

use std::ops::Range;
use std::time::Instant;

use super::kernels::conv::ConvArgs;
use super::kernels::depthwise::DepthwiseArgs;
use super::kernels::element::ElementArgs;
use super::kernels::finish::{Destination, FinishStep, Quick};
use super::kernels::pool::PoolArgs;
use super::pack::Panel;
use super::plan::chains::MAX_LINKS;
use super::plan::places::Place;
use super::plan::{ConvPlan, Dense, DepthwisePlan, Kind, PlaceId, Plan, PlanOp, PoolPlan, StepPlan};
use crate::engine::cpu::team::Team;

/// What a pass needs.
pub(super) struct Pass<'a> {
    pub plan: &'a Plan,
    /// The memory that the team shares, and this thread's own.
    pub arena: *mut f32,
    pub private: *mut f32,
    /// The first patch of the pass.
    pub input: *const f32,
    pub team: &'a Team<'a>,
    /// The operations to run.
    pub needed: &'a [bool],
    /// Nanoseconds of each operation, if they are measured.
    pub clock: Option<&'a mut [u64]>,
}

/// Pixels that a thread computes with all weights of a layer, if these fit the nearest caches.
const BLOCK: usize = 56;
/// Pixels that it computes panel by panel otherwise.
const WIDE_BLOCK: usize = 224;
/// Floats of weights that stay in the second cache while a layer's pixels go by.
const FEW_WEIGHTS: usize = 0x2_0000;

/// The steps of an operation with their addresses.
pub(super) struct Steps([FinishStep; MAX_LINKS], usize);

impl Steps {
    pub(super) fn get(&self) -> &[FinishStep] {
        &self.0[..self.1]
    }
}

impl Pass<'_> {
    /// Runs `count` patches, at most the plan's group. Afterwards the outputs are in their places.
    ///
    /// # Safety
    /// The addresses are valid for the plan's sizes and for the patches; the CPU has the kernels' instruction set; every
    /// member of the team calls this with the same arguments, and no other thread uses the arena meanwhile.
    pub unsafe fn run(&mut self, count: usize) {
        // SAFETY: the caller's promise.
        unsafe { self.segment(self.plan.segments.len(), 0, count) }
    }

    /// Runs the first `segments` segments for some patches.
    unsafe fn segment(&mut self, segments: usize, first: usize, count: usize) {
        let Some(index) = segments.checked_sub(1) else { return };
        let segment = &self.plan.segments[index];
        for start in (first..first + count).step_by(segment.group) {
            let count = segment.group.min(first + count - start);
            // SAFETY: the caller's promise.
            unsafe {
                self.segment(index, start, count);
                for op in segment.ops.clone().filter(|&op| self.needed[op]) {
                    let began = self.clock.is_some().then(Instant::now);
                    self.op(&self.plan.ops[op], start, count);
                    if let (Some(clock), Some(began)) = (&mut self.clock, began) {
                        clock[op] += began.elapsed().as_nanos() as u64;
                    }
                }
            }
        }
    }

    pub(super) fn place(&self, place: PlaceId) -> &Place {
        &self.plan.places[place]
    }

    /// The slot of a place for a patch.
    pub(super) unsafe fn slot(&self, place: PlaceId, patch: usize) -> *mut f32 {
        let place = self.place(place);
        // SAFETY: the caller's promise: the patch is one of the pass.
        unsafe {
            match place.offset {
                Some(offset) => self.arena.add(offset + patch % place.group * place.slot),
                // Only read.
                None => self.input.add(patch * place.slot).cast_mut(),
            }
        }
    }

    /// Where an operation's result goes, for the patches from `first` on.
    pub(super) unsafe fn destination(&self, place: PlaceId, first: usize) -> Destination {
        let own = self.place(place);
        Destination {
            // SAFETY: the caller's promise.
            output: unsafe { self.slot(place, first) },
            slot: own.slot,
            offsets: own.offsets.as_ptr(),
            pixels: own.pixels(),
        }
    }

    unsafe fn steps(&self, steps: &[StepPlan], first: usize) -> Steps {
        let mut all = [FinishStep::Function(super::ir::Function::Relu); MAX_LINKS];
        for (to, step) in all.iter_mut().zip(steps) {
            // SAFETY: the caller's promise.
            *to = unsafe {
                match step {
                    StepPlan::Function(function) => FinishStep::Function(*function),
                    StepPlan::Affine(scale, shift) => {
                        FinishStep::Affine { scale: scale.as_ptr(), shift: shift.as_ptr() }
                    }
                    StepPlan::Binary { operation, place, is_vector } => {
                        let own = self.place(*place);
                        let offsets = (!is_vector).then(|| own.offsets.as_ptr());
                        let start = if *is_vector { own.at(0, 0) } else { 0 };
                        let other = self.slot(*place, first).add(start);
                        FinishStep::Binary { operation: *operation, other, slot: own.slot, offsets }
                    }
                    StepPlan::Scalar { operation, place } => {
                        let own = self.place(*place);
                        let other = self.slot(*place, first).add(own.at(0, 0));
                        FinishStep::Scalar { operation: *operation, other, slot: own.slot }
                    }
                }
            };
        }
        Steps(all, steps.len())
    }

    /// Zeroes the border of the slots of an operation's result.
    pub(super) unsafe fn clear_border(&self, place: PlaceId, first: usize, count: usize) {
        let own = self.place(place);
        let [above, left, below, right] = own.border;
        if own.border == [0; 4] {
            return;
        }
        let zero = |at: *mut f32, floats: usize| {
            // SAFETY: the border is inside the slot.
            unsafe { std::ptr::write_bytes(at, 0, floats) }
        };
        for patch in first..first + count {
            // SAFETY: the caller's promise.
            unsafe {
                let slot = self.slot(place, patch);
                zero(slot, above * own.row);
                zero(slot.add((above + own.size.rows) * own.row), below * own.row);
                for row in above..above + own.size.rows {
                    let row = slot.add(row * own.row);
                    zero(row, left * own.pixel);
                    zero(row.add((left + own.size.columns) * own.pixel), right * own.pixel);
                }
            }
        }
    }

    unsafe fn op(&self, op: &PlanOp, first: usize, count: usize) {
        // SAFETY: the caller's promise; each operation's units write disjoint parts of its place.
        unsafe {
            let steps = self.steps(&op.steps, first);
            match &op.kind {
                Kind::Conv(plan) => self.conv(op, plan, &steps, first, count),
                Kind::Winograd(plan) => self.winograd_layer(op, plan, &steps, first, count),
                Kind::Depthwise(plan) => self.depthwise(op, plan, &steps, first, count),
                Kind::Pool(plan) => self.pool(op, plan, &steps, first, count),
                Kind::SpreadInput(plan) => self.spread_input(op, plan, first, count),
                Kind::Spread(plan) => {
                    self.spread(op, plan, first, count);
                    if !op.steps.is_empty() {
                        self.element(op, op.to, &steps, first, count);
                    }
                }
                Kind::Element => self.element(op, op.x, &steps, first, count),
                _ => self.team.each(count, |patches| {
                    for patch in patches {
                        self.clear_border(op.to, first + patch, 1);
                        self.copy(op, first + patch);
                    }
                }),
            }
        }
    }

    unsafe fn conv(&self, op: &PlanOp, plan: &ConvPlan, steps: &Steps, first: usize, count: usize) {
        let (x, to) = (self.place(op.x), self.place(op.to));
        let pixels = count * to.pixels();
        let panels = &plan.packed.panels;
        let blocks = pixels.div_ceil(BLOCK);
        // SAFETY: the caller's promise.
        unsafe {
            let args = ConvArgs {
                input: self.slot(op.x, first),
                input_slot: x.slot,
                input_offsets: plan.windows.as_ptr(),
                runs: &plan.runs,
                weights: plan.packed.weights.as_ptr(),
                bias: plan.packed.bias.as_ptr(),
                steps: steps.get(),
                finish: self.plan.kernels.finish,
                quick: Quick::of(steps.get()),
                to: self.destination(op.to, first),
            };
            let part = |index: usize, blocks: usize| index * pixels / blocks..(index + 1) * pixels / blocks;
            let by_panel = plan.packed.weights.len() > FEW_WEIGHTS
                || self.team.size() > 1 && blocks < 3 * self.team.size();
            let blocks = if by_panel { pixels.div_ceil(WIDE_BLOCK) } else { blocks };
            let units = if by_panel { panels.len() * blocks } else { blocks };
            self.team.each(units, |units| {
                for unit in units {
                    if unit == 0 {
                        self.clear_border(op.to, first, count);
                    }
                    if by_panel {
                        let panel = unit / blocks;
                        self.tiles(&args, &panels[panel..panel + 1], part(unit % blocks, blocks));
                    } else {
                        self.tiles(&args, panels, part(unit, blocks));
                    }
                }
            });
        }
    }

    /// Some pixels by some panels, in tiles of nearly the same size.
    pub(super) unsafe fn tiles(&self, args: &ConvArgs, panels: &[Panel], pixels: Range<usize>) {
        let kernels = self.plan.kernels;
        for panel in panels {
            let count = pixels.len().div_ceil(kernels.tile(panel.width));
            for tile in 0..count {
                let start = pixels.start + tile * pixels.len() / count;
                let end = pixels.start + (tile + 1) * pixels.len() / count;
                // SAFETY: the caller's promise.
                unsafe { (kernels.conv[panel.width - 1][end - start - 1])(args, panel, start) };
            }
        }
    }

    unsafe fn depthwise(&self, op: &PlanOp, plan: &DepthwisePlan, steps: &Steps, first: usize, count: usize) {
        let (x, to) = (self.place(op.x), self.place(op.to));
        let pixels = count * to.pixels();
        let kernels = self.plan.kernels;
        let blocks = pixels.div_ceil(BLOCK);
        // SAFETY: the caller's promise.
        unsafe {
            let args = DepthwiseArgs {
                input: self.slot(op.x, first),
                input_slot: x.slot,
                input_offsets: plan.windows.as_ptr(),
                taps: &plan.taps,
                pixel: x.pixel,
                weights: plan.weights.as_ptr(),
                bias: plan.bias.as_ptr(),
                channels: plan.channels,
                steps: steps.get(),
                finish: self.plan.kernels.finish,
                quick: Quick::of(steps.get()),
                to: self.destination(op.to, first),
            };
            if let Some(kernel) = plan.row {
                // Row by row, in tiles of nearly the same size.
                let columns = to.size.columns;
                let rows = count * to.size.rows;
                let tiles = columns.div_ceil(kernels.row.min(6));
                self.team.each(rows, |units| {
                    for row in units {
                        if row == 0 {
                            self.clear_border(op.to, first, count);
                        }
                        for tile in 0..tiles {
                            let (from, to) = (tile * columns / tiles, (tile + 1) * columns / tiles);
                            (kernels.depthwise_row[kernel][to - from - 1])(&args, row * columns + from);
                        }
                    }
                });
                return;
            }
            self.team.each(blocks, |units| {
                for unit in units {
                    if unit == 0 {
                        self.clear_border(op.to, first, count);
                    }
                    let (start, end) = (unit * pixels / blocks, (unit + 1) * pixels / blocks);
                    let tiles = (end - start).div_ceil(kernels.row);
                    for tile in 0..tiles {
                        let from = start + tile * (end - start) / tiles;
                        let to = start + (tile + 1) * (end - start) / tiles;
                        (kernels.depthwise[to - from - 1])(&args, from);
                    }
                }
            });
        }
    }

    unsafe fn pool(&self, op: &PlanOp, plan: &PoolPlan, steps: &Steps, first: usize, count: usize) {
        let (x, to) = (self.place(op.x), self.place(op.to));
        let columns = to.size.columns;
        let band = plan.feeder.as_ref().map_or(1, |feeder| feeder.rows);
        let bands = to.size.rows.div_ceil(band);
        self.team.each(count * bands, |units| {
            for unit in units {
                let patch = first + unit / bands;
                let rows = unit % bands * band..(unit % bands * band + band).min(to.size.rows);
                // SAFETY: the caller's promise; the private memory holds a band.
                unsafe {
                    if unit == 0 {
                        self.clear_border(op.to, first, count);
                    }
                    let (input, pixel, row) = match &plan.feeder {
                        None => (self.slot(op.x, patch).add(x.at(0, 0)).cast_const(), x.pixel, x.row),
                        Some(feeder) => {
                            let from = plan.rows[rows.start][0] as usize;
                            let last = plan.rows[rows.end - 1][1] as usize;
                            let place = &feeder.place;
                            // As if the band were inside of the whole map.
                            let band = self.private.add(feeder.scratch);
                            let map = band.wrapping_sub(from * place.row);
                            let steps = self.steps(&feeder.steps, patch);
                            let to = Destination {
                                output: map,
                                slot: 0,
                                offsets: place.offsets.as_ptr(),
                                pixels: place.pixels(),
                            };
                            let input = self.slot(op.x, patch).cast_const();
                            match &feeder.conv {
                                Dense::Direct(conv) => {
                                    let args = ConvArgs {
                                        input,
                                        input_slot: 0,
                                        input_offsets: conv.windows.as_ptr(),
                                        runs: &conv.runs,
                                        weights: conv.packed.weights.as_ptr(),
                                        bias: conv.packed.bias.as_ptr(),
                                        steps: steps.get(),
                                        finish: self.plan.kernels.finish,
                                        quick: Quick::of(steps.get()),
                                        to,
                                    };
                                    let width = place.size.columns;
                                    self.tiles(&args, &conv.packed.panels, from * width..last * width);
                                }
                                Dense::Winograd(conv) => {
                                    let rows = from / conv.side[0]..last.div_ceil(conv.side[0]);
                                    let tiles = rows.start * conv.tiles[1]..rows.end * conv.tiles[1];
                                    self.winograd(conv, (input, 0, x), to, place.size, steps.get(), tiles);
                                }
                            }
                            (map.cast_const(), place.pixel, place.row)
                        }
                    };
                    (self.plan.kernels.pool)(&PoolArgs {
                        input,
                        pixel,
                        row,
                        columns,
                        windows: [&plan.rows, &plan.columns],
                        is_max: plan.is_max,
                        factor: plan.factor,
                        channels: plan.channels,
                        steps: moved(steps, patch - first).get(),
                        finish: self.plan.kernels.finish,
                        quick: Quick::of(steps.get()),
                        to: self.destination(op.to, patch),
                        first: rows.start,
                        last: rows.end,
                    });
                }
            }
        });
    }

    /// Steps on a map: on that of `x`, which may be the result's own.
    unsafe fn element(&self, op: &PlanOp, x: PlaceId, steps: &Steps, first: usize, count: usize) {
        let (from, to) = (self.place(x), self.place(op.to));
        let pixels = count * to.pixels();
        let blocks = pixels.div_ceil(BLOCK);
        // SAFETY: the caller's promise.
        unsafe {
            let args = |first_pixel: usize, last: usize| ElementArgs {
                input: self.slot(x, first),
                input_slot: from.slot,
                input_offsets: from.offsets.as_ptr(),
                channels: to.pixel,
                steps: steps.get(),
                finish: self.plan.kernels.finish,
                to: self.destination(op.to, first),
                first: first_pixel,
                last,
            };
            self.team.each(blocks, |units| {
                for unit in units {
                    if unit == 0 {
                        self.clear_border(op.to, first, count);
                    }
                    (self.plan.kernels.element)(&args(unit * pixels / blocks, (unit + 1) * pixels / blocks));
                }
            });
        }
    }
}

/// The steps for a later patch, as its first one.
fn moved(steps: &Steps, patches: usize) -> Steps {
    let mut all = steps.0;
    for step in &mut all[..steps.1] {
        if let FinishStep::Binary { other, slot, .. } | FinishStep::Scalar { other, slot, .. } = step {
            *other = other.wrapping_add(patches * *slot);
        }
    }
    Steps(all, steps.1)
}
