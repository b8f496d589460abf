//! Assigns items to batches.
//!
//! Items (pairs or tracks) are taken in order. Each goes to the batch of the current step that has the fewest items and
//! accepts it; the first of these, if there are several. When all batches of a step are full, the next step begins. So
//! the batches of the last step may be smaller, but are as equal as possible. A batch needs at least two items (one
//! pair has no negatives, one patch no batch statistics). A last step that cannot give two items to every group is left
//! out with its items; the next epoch leaves out others.

use rustc_hash::FxHashSet;
use std::collections::VecDeque;

/// The minimum number of items in a batch.
pub const LEAST: usize = 2;

/// The batches of an epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    items: Vec<u32>,
    /// The end of each batch's items, step by step, group by group.
    ends: Vec<usize>,
    groups: usize,
    /// Items that are in no batch.
    pub left_out: usize,
}

impl Plan {
    /// Number of steps.
    pub fn steps(&self) -> usize {
        self.ends.len() / self.groups.max(1)
    }

    /// The items of a batch.
    ///
    /// # Panics
    /// If there is no such step or group.
    pub fn batch(&self, step: usize, group: usize) -> &[u32] {
        assert!(group < self.groups);
        let at = step * self.groups + group;
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.items[start..self.ends[at]]
    }
}

/// Assigns items to steps of `groups` batches of `size` each. `owners` returns the owners of an item: no two items of a
/// batch have an owner in common.
///
/// # Panics
/// If there is no group, or `size` is below the minimum.
pub fn deal<O: IntoIterator<Item = u32>>(
    items: impl IntoIterator<Item = u32>,
    groups: usize,
    size: usize,
    owners: impl Fn(u32) -> O,
) -> Plan {
    assert!(groups > 0 && size >= LEAST);
    let mut plan = Plan { groups, ..Plan::default() };
    let mut waiting: VecDeque<u32> = items.into_iter().collect();
    let mut batches = vec![Vec::with_capacity(size); groups];
    let mut taken = vec![FxHashSet::default(); groups];
    let mut own = Vec::new();
    while !waiting.is_empty() {
        let mut passed_over = Vec::new();
        let mut room = groups * size;
        while room > 0 {
            let Some(item) = waiting.pop_front() else { break };
            own.clear();
            own.extend(owners(item));
            let fits = |group: &usize| {
                batches[*group].len() < size && own.iter().all(|owner| !taken[*group].contains(owner))
            };
            match (0..groups).filter(fits).min_by_key(|&group| batches[group].len()) {
                Some(group) => {
                    batches[group].push(item);
                    taken[group].extend(own.iter().copied());
                    room -= 1;
                }
                None => passed_over.push(item),
            }
        }
        passed_over.into_iter().rev().for_each(|item| waiting.push_front(item));
        if batches.iter().any(|batch| batch.len() < LEAST) {
            plan.left_out = waiting.len() + batches.iter().map(Vec::len).sum::<usize>();
            break;
        }
        for batch in &mut batches {
            plan.items.append(batch);
            plan.ends.push(plan.items.len());
        }
        taken.iter_mut().for_each(FxHashSet::clear);
    }
    plan
}

/// The size of batches: `size`, or smaller if an epoch of `items` items would have fewer than `least_steps` steps, but
/// at least 2.
pub fn batch_size(size: usize, items: usize, groups: usize, least_steps: usize) -> usize {
    match least_steps {
        0 => size,
        steps => size.min(items / (groups * steps)).max(LEAST),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sizes(plan: &Plan) -> Vec<Vec<usize>> {
        let groups = 0..plan.groups;
        (0..plan.steps())
            .map(|step| groups.clone().map(|group| plan.batch(step, group).len()).collect())
            .collect()
    }

    #[test]
    fn the_last_step_is_shared_out_evenly() {
        let plain = |items: u32, groups, size| deal(0..items, groups, size, |_| []);
        assert_eq!(sizes(&plain(26, 2, 5)), [vec![5, 5], vec![5, 5], vec![3, 3]]);
        assert_eq!(sizes(&plain(25, 2, 5)), [vec![5, 5], vec![5, 5], vec![3, 2]]);
        assert_eq!(plain(23, 2, 5).left_out, 3);
        assert_eq!(sizes(&plain(23, 2, 5)).len(), 2);
        assert_eq!(plain(11, 1, 5).left_out, 1);
        assert_eq!((plain(1, 1, 5).steps(), plain(0, 3, 5).steps()), (0, 0));
        assert_eq!(plain(6, 2, 3).batch(0, 1), [1, 3, 5]);
    }

    #[test]
    fn items_of_one_owner_wait_for_the_next_batch() {
        // Items 0 to 3 have owner 0; items 4 to 7 have one owner each.
        let plan = deal(0..8, 1, 4, |item| [if item < 4 { 0 } else { item }]);
        assert_eq!((plan.batch(0, 0), plan.steps(), plan.left_out), (&[0, 4, 5, 6][..], 2, 2));
        assert_eq!(plan.batch(1, 0), [1, 7]);
    }

    #[test]
    fn batches_shrink_for_more_steps() {
        assert_eq!(batch_size(200, 60, 6, 0), 200);
        assert_eq!(batch_size(200, 1200, 6, 10), 20);
        assert_eq!(batch_size(200, 60, 6, 10), 2);
        assert_eq!(batch_size(20, 100_000, 1, 10), 20);
    }

    proptest! {
        #[test]
        fn everybody_is_dealt_once_and_nobody_meets_a_namesake(
            owners in prop::collection::vec(prop::collection::vec(0u32..30, 0..3), 0..300),
            groups in 1usize..5, size in 2usize..20,
        ) {
            let plan = deal(0..owners.len() as u32, groups, size, |item| owners[item as usize].clone());
            let mut seen = vec![false; owners.len()];
            for step in 0..plan.steps() {
                for group in 0..groups {
                    let batch = plan.batch(step, group);
                    prop_assert!((LEAST..=size).contains(&batch.len()));
                    let mut here = FxHashSet::default();
                    for &item in batch {
                        prop_assert!(!std::mem::replace(&mut seen[item as usize], true));
                        let own: FxHashSet<u32> = owners[item as usize].iter().copied().collect();
                        prop_assert!(own.iter().all(|owner| here.insert(*owner)));
                    }
                }
            }
            prop_assert_eq!(seen.iter().filter(|seen| !**seen).count(), plan.left_out);
        }
    }
}
