//! Reads batches of the data set and copies them to the device.

use std::sync::Arc;

use crossbeam_channel::{Receiver, bounded};
use tch::{Device, Kind, Tensor};

use super::objective::{Batch, Learnt, Part};
use crate::batches::{
    Ahead, Dataset, DistilBatch, DistilLoader, MultitaskLoader, PairBatch, PairLoader, Readers, TagBatch,
    TagLoader,
};
use crate::config::{Config, Length, Objective};
use crate::error::{Error, Result};
use crate::network::architecture::{BANDS, FRAMES};
use crate::network::masks::Masks;
use crate::network::model::Factors;
use crate::splits::Part as Portion;
use crate::targets::{TargetStore, Teacher};

/// Batches of each group that wait for the device, besides those that its loader has ready.
const STAGED: usize = 1;

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
    fn distil(&self, distil: &crate::config::Distil, part: Portion) -> Result<DistilLoader> {
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

/// A batch in host memory.
pub struct HostBatch {
    patches: Vec<f32>,
    parts: Vec<HostPart>,
    /// The track of every patch.
    pub tracks: Vec<u32>,
}

enum HostPart {
    Nothing,
    Pairs { count: usize, allowed: Option<Vec<bool>> },
    Tags { tags: Vec<f32>, count: usize },
    Targets { values: Vec<f32>, count: usize, again: bool },
}

type Batches = Box<dyn Iterator<Item = Result<HostBatch>> + Send>;

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

fn of_pairs(loader: &PairLoader) -> String {
    format!("{} {} pairs", loader.pairs(), loader.association().name())
}

fn of_tags(loader: &TagLoader) -> String {
    format!("{} tracks, {} classes", loader.tracks(), loader.classes().len())
}

fn of_teachers(loader: &DistilLoader) -> String {
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

/// The pairs or tracks of the validation part.
pub struct Validation {
    /// The first term of each, and its batches.
    judged: Vec<(usize, Judged)>,
    terms: usize,
    /// Why associations have no validation pairs, with counts.
    pub missing: Vec<String>,
}

/// What is judged together.
enum Judged {
    Pairs(PairLoader),
    Tags(TagLoader),
    Distil(DistilLoader),
}

impl Judged {
    fn whole(&self, rank: usize, count: usize) -> Result<Batches> {
        Ok(match self {
            Judged::Pairs(loader) => {
                Box::new(loader.whole(rank, count)?.map(|batch| Ok(HostBatch::pairs(vec![batch?]))))
            }
            Judged::Tags(loader) => {
                Box::new(loader.whole(rank, count)?.map(|batch| Ok(HostBatch::tags(batch?))))
            }
            Judged::Distil(loader) => {
                Box::new(loader.whole(rank, count)?.map(|batch| Ok(HostBatch::targets(batch?))))
            }
        })
    }
}

impl Validation {
    /// The validation part of a data set, for an objective of `terms` terms. Associations without validation pairs are
    /// skipped, and `missing` says why.
    ///
    /// # Errors
    /// If a table cannot be read.
    pub fn open(data: &Data, terms: usize) -> Result<Self> {
        let part = Portion::Validation;
        let &Data { dataset, config, readers, .. } = data;
        let mut all = Validation { judged: Vec::new(), terms, missing: Vec::new() };
        let mut add = |first: usize, judged: Result<Judged>| {
            // A single pair or patch is not enough either.
            match judged.and_then(|judged| judged.whole(0, 1).map(|_| judged)) {
                Ok(judged) => {
                    all.judged.push((first, judged));
                    Ok(())
                }
                Err(error @ (Error::Nothing { .. } | Error::InvalidArgument(_))) => {
                    all.missing.push(error.to_string());
                    Ok(())
                }
                Err(error) => Err(error),
            }
        };
        if let Objective::Tags(tags) = &config.objective {
            add(0, TagLoader::new(dataset, config, tags, part, readers).map(Judged::Tags))?;
        }
        let tasks = config.objective.associations();
        for (first, task) in tasks.iter().enumerate() {
            add(first, PairLoader::new(dataset, config, task, part, readers).map(Judged::Pairs))?;
        }
        if let Objective::Distil(distil) = &config.objective {
            add(tasks.len(), data.distil(distil, part).map(Judged::Distil))?;
        }
        Ok(all)
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.judged.is_empty()
    }

    /// A description for a log.
    pub fn describe(&self) -> String {
        let one = |(_, judged): &(usize, Judged)| match judged {
            Judged::Pairs(loader) => of_pairs(loader),
            Judged::Tags(loader) => of_tags(loader),
            Judged::Distil(loader) => of_teachers(loader),
        };
        let parts: Vec<String> = self.judged.iter().map(one).collect();
        if parts.is_empty() { "nothing".into() } else { parts.join(", ") }
    }

    /// The batches for process `rank` of `count`: as large as in training if there are enough items, and the same for
    /// any number of processes and in every epoch.
    ///
    /// # Errors
    /// If there are too few items for a batch.
    pub fn batches(&self, rank: usize, count: usize) -> Result<impl Iterator<Item = Result<HostBatch>>> {
        let terms = self.terms;
        let mut all = Vec::new();
        for &(first, ref judged) in &self.judged {
            all.push(judged.whole(rank, count)?.map(move |batch| Ok(batch?.at(first, terms))));
        }
        Ok(all.into_iter().flatten())
    }
}

impl HostBatch {
    fn pairs(batches: Vec<PairBatch>) -> Self {
        let count = batches.iter().map(|batch| 2 * batch.anchors.len()).sum();
        let mut all = HostBatch { patches: Vec::with_capacity(count), parts: Vec::new(), tracks: Vec::new() };
        for batch in batches {
            let count = batch.len();
            all.patches.extend_from_slice(&batch.anchors);
            all.patches.extend_from_slice(&batch.positives);
            all.tracks.extend(batch.anchor_tracks.iter().chain(&batch.positive_tracks));
            all.parts.push(HostPart::Pairs { count, allowed: batch.allowed });
        }
        all
    }

    fn tags(batch: TagBatch) -> Self {
        let parts = vec![HostPart::Tags { count: batch.len(), tags: batch.tags }];
        HostBatch { patches: batch.patches, parts, tracks: batch.tracks }
    }

    fn targets(batch: DistilBatch) -> Self {
        let count = batch.tracks.len();
        let parts = batch.targets.into_iter().enumerate();
        let parts = parts.map(|(at, values)| HostPart::Targets { values, count, again: at > 0 }).collect();
        HostBatch { patches: batch.patches, parts, tracks: batch.tracks }
    }

    /// The patches and parts of both.
    fn and(mut self, other: HostBatch) -> Self {
        self.patches.extend_from_slice(&other.patches);
        self.parts.extend(other.parts);
        self.tracks.extend(other.tracks);
        self
    }

    /// Makes its parts those of the terms from `first` on, of `terms` in all.
    fn at(mut self, first: usize, terms: usize) -> Self {
        let own = std::mem::take(&mut self.parts);
        self.parts = (0..first).map(|_| HostPart::Nothing).chain(own).collect();
        self.parts.resize_with(terms, || HostPart::Nothing);
        self
    }

    /// Its patches, `[n, 128, 96]`.
    pub fn patches(&self) -> Tensor {
        Tensor::from_slice(&self.patches).view([self.tracks.len() as i64, FRAMES as i64, BANDS as i64])
    }

    /// The indices of the patches with NaN or infinity.
    pub fn not_finite(&self) -> Vec<usize> {
        let patches = self.patches.chunks_exact(FRAMES * BANDS).enumerate();
        patches.filter(|(_, patch)| patch.iter().any(|value| !value.is_finite())).map(|(at, _)| at).collect()
    }

    /// Its tensors, in memory from which `device` can copy asynchronously.
    fn tensors(&self, device: Device) -> Batch {
        let dims = [self.tracks.len() as i64, FRAMES as i64, BANDS as i64];
        let parts = self.parts.iter().map(|part| match part {
            HostPart::Nothing => Part::Nothing,
            HostPart::Pairs { count, allowed } => {
                let dims = [*count as i64, *count as i64];
                let allowed = allowed.as_ref().map(|allowed| Tensor::from_slice(allowed).view(dims));
                Part::Pairs { count: *count, allowed: allowed.map(|tensor| pinned(tensor, device)) }
            }
            HostPart::Tags { tags, count } => {
                Part::Tags(pinned(Tensor::from_slice(tags).view([*count as i64, -1]), device))
            }
            HostPart::Targets { values, count, again } => {
                let values = pinned(Tensor::from_slice(values).view([*count as i64, -1]), device);
                Part::Targets { values, again: *again }
            }
        });
        let parts = parts.collect();
        Batch { patches: pinned(Tensor::from_slice(&self.patches).view(dims), device), parts }
    }

    /// The batch on a device.
    pub fn upload(&self, device: Device) -> Batch {
        self.tensors(device).on(device)
    }
}

fn pinned(tensor: Tensor, device: Device) -> Tensor {
    if device.is_cuda() { tensor.pin_memory(device) } else { tensor }
}

/// An asynchronous copy on the device.
fn sent(tensor: &Tensor, device: Device) -> Tensor {
    if device == Device::Cpu {
        return tensor.shallow_clone();
    }
    tensor.to_device_(device, tensor.kind(), true, false)
}

impl Batch {
    fn on(&self, device: Device) -> Batch {
        let parts = self.parts.iter().map(|part| match part {
            Part::Nothing => Part::Nothing,
            Part::Pairs { count, allowed } => {
                Part::Pairs { count: *count, allowed: allowed.as_ref().map(|allowed| sent(allowed, device)) }
            }
            Part::Tags(tags) => Part::Tags(sent(tags, device)),
            Part::Targets { values, again } => Part::Targets { values: sent(values, device), again: *again },
        });
        Batch { patches: sent(&self.patches, device), parts: parts.collect() }
    }
}

/// A batch with its masks, ready to be copied to the device.
pub struct Staged {
    batch: Batch,
    masks: Masks,
    factors: Tensor,
    /// The batch in host memory, for error messages.
    pub host: HostBatch,
}

impl Staged {
    /// Prepares a batch; its masks depend on the seed, the optimizer's step and the group.
    pub fn new(host: HostBatch, seed: u64, step: u64, group: usize, device: Device) -> Self {
        let masks = Masks::draw(host.tracks.len(), seed, step, group as u64);
        let factors = pinned(Factors::gather(&masks), device);
        let batch = host.tensors(device);
        Staged { batch, masks, factors, host }
    }

    /// Copies it to the device asynchronously.
    pub fn on(&self, device: Device) -> (Batch, Factors) {
        (self.batch.on(device), Factors::split(&self.masks, &sent(&self.factors, device)))
    }

    /// Only the patches, on the device.
    pub fn patches(&self, device: Device) -> Tensor {
        sent(&self.batch.patches, device).to_kind(Kind::Float)
    }
}

/// The batches of a process's groups, step by step, which threads prepare ahead of the device.
pub struct Stage {
    groups: Vec<(usize, Receiver<Result<Staged>>)>,
    next: usize,
    /// Batches that are still to come.
    left: usize,
    /// How long the device's thread has waited for batches.
    pub waited: std::time::Duration,
}

impl Stage {
    /// Prepares an epoch of `steps` steps, whose first has the number `first` in the run.
    pub fn start(
        source: &Source,
        config: &Config,
        epoch: u64,
        (first, steps): (u64, usize),
        own: &[usize],
        device: Device,
    ) -> Self {
        let (seed, groups) = (config.run.seed, config.run.groups);
        let start = |&group: &usize| {
            let batches = source.epoch(epoch, group, groups);
            let (send, receive) = bounded(STAGED);
            // In its own thread, not in a pool: it makes batches while the device computes, and mostly waits.
            std::thread::spawn(move || {
                for (step, batch) in (first..).zip(batches) {
                    let staged = batch.map(|host| Staged::new(host, seed, step, group, device));
                    // If the receiver was dropped, the epoch has ended early.
                    if send.send(staged).is_err() {
                        return;
                    }
                }
            });
            (group, receive)
        };
        let groups: Vec<_> = own.iter().map(start).collect();
        Stage { next: 0, left: steps * groups.len(), groups, waited: Default::default() }
    }

    /// The batches of the next step, one of each group; fewer are an error.
    pub fn step(&mut self) -> impl Iterator<Item = Result<Staged>> {
        let groups = self.groups.len();
        self.by_ref().take(groups)
    }
}

impl Iterator for Stage {
    type Item = Result<Staged>;

    /// The next batch: those of a step in the order of the groups, then those of the next step. A batch that is missing
    /// because its thread has ended is an error, and so is one more than there should be.
    fn next(&mut self) -> Option<Self::Item> {
        let Some(left) = self.left.checked_sub(1) else {
            let more = self.groups.drain(..).find(|(_, batches)| batches.recv().is_ok());
            let extra = |(group, _)| {
                Err(Error::Training(format!("group {group} has more batches than the epoch has steps")))
            };
            return more.map(extra);
        };
        self.left = left;
        let start = std::time::Instant::now();
        let (group, batches) = &self.groups[self.next];
        let batch = batches.recv().unwrap_or_else(|_| {
            Err(Error::Training(format!(
                "the thread that reads the batches of group {group} ended too early"
            )))
        });
        self.next = (self.next + 1) % self.groups.len();
        self.waited += start.elapsed();
        Some(batch)
    }
}
