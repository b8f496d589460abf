//! The batches of a part of the data set, for any objective.

use std::sync::Arc;

use super::host::HostBatch;
use super::objective::Learnt;
use crate::batches::{
    Ahead, Dataset, DistilBatch, DistilLoader, MultitaskLoader, PairLoader, Readers, TagLoader,
};
use crate::config::{Config, Length, Objective};
use crate::error::{Error, Result};
use crate::splits::Part as Portion;
use crate::targets::{TargetStore, Teacher};

/// Batches in host memory, one after the other.
pub type Batches = Box<dyn Iterator<Item = Result<HostBatch>> + Send>;

/// What a run reads.
pub struct Data<'a> {
    /// The data set.
    pub dataset: &'a Arc<Dataset>,
    /// The configuration.
    pub config: &'a Config,
    /// The targets of a distillation and its teachers.
    pub teachers: Option<&'a (TargetStore, Vec<Teacher>)>,
    /// The threads that read.
    pub readers: &'a Arc<Readers>,
}

impl Data<'_> {
    pub(super) fn distil(&self, distil: &crate::config::Distil, part: Portion) -> Result<DistilLoader> {
        let Some((store, teachers)) = self.teachers else {
            return Err(Error::InvalidArgument("targets of the teachers are needed (--targets)".into()));
        };
        DistilLoader::new(self.dataset, self.config, distil, (store, teachers), part, self.readers)
    }
}

/// The batches of a part of the data set, for any objective.
pub enum Source {
    /// One association.
    Pairs(PairLoader),
    /// Style tags.
    Tags(TagLoader),
    /// Several associations.
    Multitask(MultitaskLoader),
    /// What teachers give, and associations beside it if there are any.
    Distil {
        /// The patches with targets.
        tracks: Arc<DistilLoader>,
        /// The associations.
        pairs: MultitaskLoader,
        /// What determines the length of an epoch.
        length: Length,
    },
}

impl Source {
    /// The batches of a part of the data set.
    ///
    /// # Errors
    /// If there is nothing to learn from, with counts that explain it; if a table cannot be read.
    pub fn open(data: &Data, part: Portion) -> Result<Self> {
        let &Data { dataset, config, readers, .. } = data;
        Ok(match &config.objective {
            Objective::Contrastive(contrastive) => {
                let task = &contrastive.associations[0];
                Source::Pairs(PairLoader::new(dataset, config, task, part, readers)?)
            }
            Objective::Tags(tags) => Source::Tags(TagLoader::new(dataset, config, tags, part, readers)?),
            Objective::Multitask(multitask) => {
                Source::Multitask(MultitaskLoader::new(dataset, config, multitask, part, readers)?)
            }
            Objective::Distil(distil) => {
                let (tasks, length) = (&distil.associations, distil.epoch);
                let pairs = MultitaskLoader::of(dataset, config, tasks, length, part, readers)?;
                Source::Distil { tracks: Arc::new(data.distil(distil, part)?), pairs, length }
            }
        })
    }

    /// The classes and teachers that determine the network's heads.
    pub fn learnt(&self) -> Learnt {
        match self {
            Source::Tags(loader) => Learnt { classes: loader.classes().to_vec(), teachers: Vec::new() },
            Source::Pairs(_) | Source::Multitask(_) => Learnt::default(),
            Source::Distil { tracks, .. } => {
                let of = |teacher: &Teacher| {
                    let [tags, embeddings] = teacher.columns();
                    (embeddings.len(), teacher.classes().to_vec(), tags.len())
                };
                Learnt { classes: Vec::new(), teachers: tracks.teachers().iter().map(of).collect() }
            }
        }
    }

    /// A description for a log: `1234 artist pairs`.
    pub fn describe(&self) -> String {
        let several =
            |loader: &MultitaskLoader| loader.tasks().iter().map(|task| of_pairs(task)).collect::<Vec<_>>();
        match self {
            Source::Tags(loader) => of_tags(loader),
            Source::Pairs(loader) => of_pairs(loader),
            Source::Multitask(loader) => several(loader).join(", "),
            Source::Distil { tracks, pairs, .. } => {
                [vec![of_teachers(tracks)], several(pairs)].concat().join(", ")
            }
        }
    }

    /// Optimizer steps of an epoch.
    ///
    /// # Errors
    /// If there are too few items for one step.
    pub fn steps(&self, epoch: u64, groups: usize) -> Result<usize> {
        match self {
            Source::Pairs(loader) => loader.steps(epoch, groups),
            Source::Tags(loader) => loader.steps(epoch, groups),
            Source::Multitask(loader) => loader.steps(epoch, groups),
            Source::Distil { tracks, pairs, length } => {
                let own = tracks.steps(epoch, groups)?;
                if pairs.tasks().is_empty() {
                    return Ok(own);
                }
                let other = pairs.steps(epoch, groups)?;
                Ok(match length {
                    Length::Longest => own.max(other),
                    Length::Shortest => own.min(other),
                })
            }
        }
    }

    /// The batches of one group, one per step.
    pub fn epoch(&self, epoch: u64, group: usize, groups: usize) -> Batches {
        match self {
            Source::Pairs(loader) => {
                Box::new(loader.epoch(epoch, group, groups).map(|batch| Ok(HostBatch::pairs(vec![batch?]))))
            }
            Source::Tags(loader) => {
                Box::new(loader.epoch(epoch, group, groups).map(|batch| Ok(HostBatch::tags(batch?))))
            }
            Source::Multitask(loader) => {
                Box::new(loader.epoch(epoch, group, groups).map(|batches| Ok(HostBatch::pairs(batches?))))
            }
            Source::Distil { tracks, pairs, .. } => {
                let pairs = pairs.epoch_of(self.steps(epoch, groups), epoch, group, groups);
                let mut rounds = Rounds::new(Arc::clone(tracks), epoch, group, groups);
                Box::new(pairs.map(move |pairs| {
                    let pairs = HostBatch::pairs(pairs?);
                    Ok(pairs.and(HostBatch::targets(rounds.next()?)))
                }))
            }
        }
    }
}

pub(super) fn of_pairs(loader: &PairLoader) -> String {
    format!("{} {} pairs", loader.pairs(), loader.association().name())
}

pub(super) fn of_tags(loader: &TagLoader) -> String {
    format!("{} tracks, {} classes", loader.tracks(), loader.classes().len())
}

pub(super) fn of_teachers(loader: &DistilLoader) -> String {
    format!("{} tracks, {} teachers", loader.tracks(), loader.teachers().len())
}

/// The batches of a group with targets, which begin again with other crops when a round has ended.
struct Rounds {
    loader: Arc<DistilLoader>,
    of: (u64, usize, usize),
    number: u32,
    batches: Ahead<DistilBatch>,
}

impl Rounds {
    fn new(loader: Arc<DistilLoader>, epoch: u64, group: usize, groups: usize) -> Self {
        let batches = loader.round(epoch, 0, group, groups);
        Rounds { loader, of: (epoch, group, groups), number: 0, batches }
    }

    fn next(&mut self) -> Result<DistilBatch> {
        if let Some(batch) = self.batches.next() {
            return batch;
        }
        let (epoch, group, groups) = self.of;
        self.number += 1;
        self.batches = self.loader.round(epoch, self.number, group, groups);
        self.batches.next().unwrap_or_else(|| Err(Error::Training("a round without a batch".into())))
    }
}
