//! Batches of several associations, one of each per step.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ahead::{Ahead, Readers};
use super::{Dataset, PairBatch, PairLoader};
use crate::config::{Config, Length, Multitask, Task};
use crate::error::{Error, Result};
use crate::splits::Part;

/// Makes the batches of several associations.
///
/// An epoch is as long as that of the association with the most batches, or with the fewest (`objective.epoch`). With
/// the longest, the others begin again, each round with its own order and crops. For validation, use the loaders in
/// [`tasks`](Self::tasks) one by one: each gives its pairs once.
pub struct MultitaskLoader {
    tasks: Vec<Arc<PairLoader>>,
    length: Length,
}

impl MultitaskLoader {
    /// A loader of all associations in `part`.
    ///
    /// # Errors
    /// As [`PairLoader::new`], for the first association that has no pairs.
    pub fn new(
        dataset: &Arc<Dataset>,
        config: &Config,
        multitask: &Multitask,
        part: Part,
        readers: &Arc<Readers>,
    ) -> Result<Self> {
        Self::of(dataset, config, &multitask.associations, multitask.epoch, part, readers)
    }

    /// As [`new`](Self::new), for any associations.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of(
        dataset: &Arc<Dataset>,
        config: &Config,
        associations: &[Task],
        length: Length,
        part: Part,
        readers: &Arc<Readers>,
    ) -> Result<Self> {
        let one = |task| PairLoader::new(dataset, config, task, part, readers).map(Arc::new);
        Ok(MultitaskLoader { tasks: associations.iter().map(one).collect::<Result<_>>()?, length })
    }

    /// The loaders of the associations, in the order of the configuration.
    pub fn tasks(&self) -> &[Arc<PairLoader>] {
        &self.tasks
    }

    /// Optimizer steps of an epoch.
    ///
    /// # Errors
    /// If an association has too few pairs for one step.
    pub fn steps(&self, epoch: u64, groups: usize) -> Result<usize> {
        let steps: Vec<usize> =
            self.tasks.iter().map(|task| task.steps(epoch, groups)).collect::<Result<_>>()?;
        let decisive = match self.length {
            Length::Longest => steps.into_iter().max(),
            Length::Shortest => steps.into_iter().min(),
        };
        Ok(decisive.unwrap_or(0))
    }

    /// The batches of a group: for each step one of every association, in order.
    pub fn epoch(&self, epoch: u64, group: usize, groups: usize) -> MultitaskEpoch {
        self.epoch_of(self.steps(epoch, groups), epoch, group, groups)
    }

    /// As [`epoch`](Self::epoch), with another number of steps; an error becomes the only item.
    pub(crate) fn epoch_of(
        &self,
        steps: Result<usize>,
        epoch: u64,
        group: usize,
        groups: usize,
    ) -> MultitaskEpoch {
        let tasks = self.tasks.iter().map(|loader| Rounds {
            loader: Arc::clone(loader),
            number: 0,
            batches: loader.round(epoch, 0, group, groups),
        });
        let (steps, refused) = match steps {
            Ok(steps) => (steps, None),
            Err(error) => (0, Some(error)),
        };
        MultitaskEpoch {
            tasks: tasks.collect(),
            epoch,
            group,
            groups,
            left: steps,
            refused,
            waited: Duration::ZERO,
        }
    }
}

/// An association's rounds in an epoch.
struct Rounds {
    loader: Arc<PairLoader>,
    number: u32,
    batches: Ahead<PairBatch>,
}

/// The batches of several associations, one of each per step. It ends after an error.
pub struct MultitaskEpoch {
    tasks: Vec<Rounds>,
    epoch: u64,
    group: usize,
    groups: usize,
    left: usize,
    refused: Option<Error>,
    waited: Duration,
}

impl MultitaskEpoch {
    /// The total time that callers of `next` have waited.
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

impl Iterator for MultitaskEpoch {
    type Item = Result<Vec<PairBatch>>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.refused.take() {
            return Some(Err(error));
        }
        self.left = self.left.checked_sub(1)?;
        let (epoch, group, groups) = (self.epoch, self.group, self.groups);
        let start = Instant::now();
        let step: Result<Vec<PairBatch>> = self
            .tasks
            .iter_mut()
            .map(|task| match task.batches.next() {
                Some(batch) => batch,
                None => {
                    task.number += 1;
                    task.batches = task.loader.round(epoch, task.number, group, groups);
                    task.batches.next().expect("a round has a step")
                }
            })
            .collect();
        self.waited += start.elapsed();
        if step.is_err() {
            self.left = 0;
        }
        Some(step)
    }
}
