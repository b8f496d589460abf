//! The batches of an epoch: passes over items (pairs or tracks), each with its own order.

use super::deal::{LEAST, Plan, batch_size, deal};
use super::order;
use crate::splits::Part;

/// The content of an epoch's batches.
pub(super) struct Passes {
    plans: Vec<Plan>,
    /// The number of the first pass.
    first: u32,
}

/// What passes are made of.
pub(super) struct Making<'a> {
    /// The name of the orders of its items.
    pub what: &'a str,
    /// The part of the data set.
    pub part: Part,
    /// The run's seed.
    pub seed: u64,
    /// Items of a batch.
    pub size: usize,
    /// Passes of an epoch.
    pub crops: u32,
    /// The minimum number of steps, for which batches shrink.
    pub least_steps: usize,
}

impl Making<'_> {
    /// The batches of a round of an epoch, for training: passes in random orders. In other parts one pass in order, in
    /// whole batches if there are enough items for one: the last batch is filled up with the first items, so that every
    /// item is judged, and among as many as all others.
    pub fn passes<O: IntoIterator<Item = u32>>(
        &self,
        count: usize,
        [epoch, round]: [u64; 2],
        groups: usize,
        owners: impl Fn(u32) -> O,
    ) -> Passes {
        let size = batch_size(self.size, count, groups, self.least_steps);
        let first = round as u32 * self.crops;
        let plan = |pass| {
            let items = match self.part {
                Part::Train => order::shuffled(count, self.what, self.seed, epoch, pass),
                Part::Validation | Part::Test => whole(count, size),
            };
            deal(items, groups, size, &owners)
        };
        Passes { plans: (first..first + self.crops).map(plan).collect(), first }
    }
}

/// All items in order, and as many of the first once more as the last batch lacks.
fn whole(count: usize, size: usize) -> Vec<u32> {
    let lacking = if count < size { 0 } else { (size - count % size) % size };
    (0..count as u32).chain(0..lacking as u32).collect()
}

impl Passes {
    /// Steps over all passes.
    pub fn steps(&self) -> usize {
        self.plans.iter().map(Plan::steps).sum()
    }

    /// The pass of a step, and the items of a group's batch.
    ///
    /// # Panics
    /// If there is no such step.
    pub fn batch(&self, step: usize, group: usize) -> (u32, &[u32]) {
        let mut step = step;
        for (pass, plan) in (self.first..).zip(&self.plans) {
            match step.checked_sub(plan.steps()) {
                None => return (pass, plan.batch(step, group)),
                Some(rest) => step = rest,
            }
        }
        panic!("no such step")
    }
}

/// Why there is no step.
pub(super) fn too_few(count: usize, what: &str, part: Part, groups: usize, with: &str) -> String {
    format!(
        "{count} {what} in {} are too few for one step: each of its {groups} groups (run.groups) needs {LEAST}{with}",
        part.name()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_batch_of_a_validation_is_whole_if_one_can_be() {
        for (count, size, expected) in
            [(5000, 200, 25), (5033, 200, 26), (33, 200, 1), (200, 200, 1), (201, 200, 2)]
        {
            let what =
                Making { what: "tags", part: Part::Validation, seed: 1, size, crops: 1, least_steps: 0 };
            let passes = what.passes(count, [0, 0], 1, |_| []);
            assert_eq!(passes.steps(), expected);
            let mut times = vec![0; count];
            for step in 0..expected {
                let (_, items) = passes.batch(step, 0);
                assert_eq!(items.len(), size.min(count));
                items.iter().for_each(|&item| times[item as usize] += 1);
            }
            assert!(times.iter().all(|&times| times == 1 || times == 2), "{count}");
        }
    }
}
