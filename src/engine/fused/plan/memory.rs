//! The end of planning: which operations run for how many patches, and where each value is in memory.

use super::places::{Area, Place, arrange};
use super::{Kind, MAX_FLOATS, MAX_GROUP, PlaceId, Plan, PlanOp, Planner, Segment, StepPlan};

/// Floats that the cores' shared cache holds on most machines.
const SHARED_CACHE: usize = 1 << 22;

impl Planner<'_> {
    /// Groups, memory and outputs.
    pub(super) fn finish(mut self) -> Result<Plan, String> {
        for &output in &self.ir.outputs {
            let place = self.place[&output];
            let producer = self.producer.get(&place).copied();
            self.plan.outputs.push((place, producer));
        }
        let plan = &mut self.plan;
        let mut group = 1;
        for (index, op) in plan.ops.iter().enumerate() {
            group = group.max(op.group(&plan.places));
            match plan.segments.last_mut() {
                Some(segment) if segment.group == group => segment.ops.end = index + 1,
                _ => plan.segments.push(Segment { group, ops: index..index + 1 }),
            }
        }
        let segment_of =
            |op: usize| plan.segments.iter().position(|segment| segment.ops.contains(&op)).unwrap_or(0);
        // Places that share memory have one root: the place that is written.
        let root: Vec<Option<PlaceId>> = (0..plan.places.len())
            .map(|place| {
                plan.places[place].offset?;
                Some(self.producer.get(&place).map_or(place, |&op| plan.ops[op].to))
            })
            .collect();
        let count = plan.ops.len();
        let mut spans: Vec<Option<(usize, usize, usize)>> = vec![None; plan.places.len()];
        let mut touch = |place: PlaceId, op: usize, group: usize| {
            if let Some(root) = root[place] {
                let span = spans[root].get_or_insert((op, op, group));
                *span = (span.0.min(op), span.1.max(op), span.2.max(group));
            }
        };
        for (index, op) in plan.ops.iter().enumerate() {
            let group = plan.segments[segment_of(index)].group;
            for place in op.places() {
                touch(place, index, group);
            }
        }
        let most = plan.segments.last().map_or(1, |segment| segment.group);
        for &(place, _) in &plan.outputs {
            touch(place, count, most);
        }
        let mut areas = Vec::new();
        let mut owner = Vec::new();
        for (place, span) in spans.iter().enumerate() {
            let Some((first, last, group)) = *span else { continue };
            plan.places[place].group = group;
            // What a later segment reads must survive while the earlier ones run again.
            let crosses = segment_of(first) != segment_of(last.min(count.saturating_sub(1))) || last == count;
            let floats = plan.places[place].floats().next_multiple_of(16);
            areas.push(Area { floats, first: if crosses { 0 } else { first }, last });
            owner.push(place);
        }
        let (offsets, total) = arrange(&areas);
        for (&place, &offset) in owner.iter().zip(&offsets) {
            plan.places[place].offset = Some(offset);
        }
        for place in 0..plan.places.len() {
            if let Some(root) = root[place].filter(|&root| root != place) {
                let (offset, group) = (plan.places[root].offset, plan.places[root].group);
                (plan.places[place].offset, plan.places[place].group) = (offset, group);
            }
        }
        plan.arena = total;
        plan.is_heavy = plan.ops.iter().map(PlanOp::weights).sum::<usize>() > SHARED_CACHE;
        if plan.arena.max(plan.private) > 2 * MAX_FLOATS {
            return Err(format!("{total} values of working memory"));
        }
        Ok(self.plan)
    }
}

impl PlanOp {
    /// The places that the operation reads or writes.
    fn places(&self) -> Vec<PlaceId> {
        let mut all = vec![self.x, self.to];
        all.extend(self.steps.iter().filter_map(|step| match step {
            StepPlan::Binary { place, .. } | StepPlan::Scalar { place, .. } => Some(*place),
            _ => None,
        }));
        if let Kind::Concat(parts) = &self.kind {
            all.extend(parts.iter().map(|(place, _)| *place));
        }
        all
    }

    /// Floats of the weights.
    fn weights(&self) -> usize {
        match &self.kind {
            Kind::Conv(plan) => plan.packed.weights.len(),
            Kind::Winograd(plan) => plan.weights.len(),
            _ => 0,
        }
    }

    /// Patches at which the operation is fastest.
    fn group(&self, places: &[Place]) -> usize {
        let conv = match &self.kind {
            Kind::Conv(conv) => conv,
            Kind::Winograd(plan) => return plan.group(),
            _ => return 1,
        };
        // Pixels for which each weight should be used once it is loaded: more if it comes from beyond the nearest caches.
        let floats = conv.packed.weights.len();
        let wanted = match floats {
            0..0x1_0000 => 28,
            0x1_0000..0x40_0000 => 96,
            _ => 224,
        };
        wanted_div(wanted, places[self.to].pixels())
    }
}

pub(super) fn wanted_div(wanted: usize, pixels: usize) -> usize {
    wanted.div_ceil(pixels).next_power_of_two().min(MAX_GROUP)
}
