//! Reads batches of the data set and copies them to the device.

use std::sync::Arc;

use crossbeam_channel::{Receiver, bounded};
use tch::{Device, Kind, Tensor};

use super::objective::{Batch, Part};
use crate::batches::{Dataset, MultitaskLoader, PairBatch, PairLoader, Readers, TagBatch, TagLoader};
use crate::config::{Config, Objective};
use crate::error::{Error, Result};
use crate::network::architecture::{BANDS, FRAMES};
use crate::network::masks::Masks;
use crate::network::model::Factors;
use crate::splits::Part as Portion;

/// Batches of each group that wait for the device, besides those that its loader has ready.
const STAGED: usize = 1;

/// The batches of a part of the data set, for any objective.
pub enum Source {
    /// One association.
    Pairs(PairLoader),
    /// Style tags.
    Tags(TagLoader),
    /// Several associations.
    Multitask(MultitaskLoader),
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
}

type Batches = Box<dyn Iterator<Item = Result<HostBatch>> + Send>;

impl Source {
    /// The batches of a part of the data set.
    ///
    /// # Errors
    /// If there is nothing to learn from, with counts that explain it; if a table cannot be read.
    pub fn open(
        dataset: &Arc<Dataset>,
        config: &Config,
        part: Portion,
        readers: &Arc<Readers>,
    ) -> Result<Self> {
        Ok(match &config.objective {
            Objective::Contrastive(contrastive) => {
                let task = &contrastive.associations[0];
                Source::Pairs(PairLoader::new(dataset, config, task, part, readers)?)
            }
            Objective::Tags(tags) => Source::Tags(TagLoader::new(dataset, config, tags, part, readers)?),
            Objective::Multitask(multitask) => {
                Source::Multitask(MultitaskLoader::new(dataset, config, multitask, part, readers)?)
            }
        })
    }

    /// The names of the classes; empty for pairs.
    pub fn classes(&self) -> Vec<String> {
        match self {
            Source::Tags(loader) => loader.classes().to_vec(),
            Source::Pairs(_) | Source::Multitask(_) => Vec::new(),
        }
    }

    /// A description for a log: `1234 artist pairs`.
    pub fn describe(&self) -> String {
        let pairs = |loader: &PairLoader| format!("{} {} pairs", loader.pairs(), loader.association().name());
        match self {
            Source::Tags(loader) => format!("{} tracks, {} classes", loader.tracks(), loader.classes().len()),
            Source::Pairs(loader) => pairs(loader),
            Source::Multitask(loader) => {
                loader.tasks().iter().map(|task| pairs(task)).collect::<Vec<_>>().join(", ")
            }
        }
    }

    /// The number of pairs or tracks; with several associations, that of the largest.
    fn items(&self) -> usize {
        match self {
            Source::Pairs(loader) => loader.pairs(),
            Source::Tags(loader) => loader.tracks(),
            Source::Multitask(loader) => loader.tasks().iter().map(|task| task.pairs()).max().unwrap_or(0),
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
        }
    }
}

/// The pairs or tracks of the validation part.
pub struct Validation {
    loaders: Vec<(usize, Source)>,
    heads: usize,
    sizes: Vec<usize>,
    groups: usize,
    /// Why associations have no validation pairs, with counts.
    pub missing: Vec<String>,
}

impl Validation {
    /// The validation part of a data set. Associations without validation pairs are skipped, and `missing` says why.
    ///
    /// # Errors
    /// If a table cannot be read.
    pub fn open(dataset: &Arc<Dataset>, config: &Config, readers: &Arc<Readers>) -> Result<Self> {
        let part = Portion::Validation;
        let mut all = Validation {
            loaders: Vec::new(),
            heads: config.objective.associations().len().max(1),
            sizes: Vec::new(),
            groups: config.run.groups,
            missing: Vec::new(),
        };
        let mut add = |head: usize, loader: Result<Source>, size: usize| {
            // A single pair or patch is not enough either.
            let loader = loader.and_then(|loader| loader.steps(0, 1).map(|_| loader));
            match loader {
                Ok(loader) => {
                    all.loaders.push((head, loader));
                    all.sizes.push(size);
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
            let loader = TagLoader::new(dataset, config, tags, part, readers);
            add(0, loader.map(Source::Tags), tags.patches)?;
        }
        for (head, task) in config.objective.associations().iter().enumerate() {
            let loader = PairLoader::new(dataset, config, task, part, readers);
            add(head, loader.map(Source::Pairs), task.pairs)?;
        }
        Ok(all)
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.loaders.is_empty()
    }

    /// A description for a log.
    pub fn describe(&self) -> String {
        let parts: Vec<String> = self.loaders.iter().map(|(_, source)| source.describe()).collect();
        if parts.is_empty() { "nothing".into() } else { parts.join(", ") }
    }

    /// The batches for process `rank` of `count`. They are as large as in training if there are enough items, and the
    /// same for any number of processes and in every epoch.
    pub fn batches(&self, rank: usize, count: usize) -> impl Iterator<Item = Result<HostBatch>> {
        let heads = self.heads;
        self.loaders.iter().zip(&self.sizes).flat_map(move |((head, source), size)| {
            // Limiting the groups to the number of full batches makes all batches full except those of the last step.
            let groups = (source.items() / size.max(&1)).clamp(1, self.groups);
            let own = (0..groups).filter(move |group| group % count == rank);
            own.flat_map(move |group| source.epoch(0, group, groups))
                .map(move |batch| Ok(batch?.at(*head, heads)))
        })
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

    /// Makes the only part that of one head among several.
    fn at(mut self, head: usize, heads: usize) -> Self {
        let own = self.parts.pop();
        self.parts = (0..heads).map(|_| HostPart::Nothing).collect();
        self.parts.extend(own);
        self.parts.swap_remove(head);
        self
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
    groups: Vec<Receiver<Result<Staged>>>,
    next: usize,
    /// How long the device's thread has waited for batches.
    pub waited: std::time::Duration,
}

impl Stage {
    /// Prepares an epoch whose first step has the number `step` in the run.
    pub fn start(
        source: &Source,
        config: &Config,
        epoch: u64,
        step: u64,
        own: &[usize],
        device: Device,
    ) -> Self {
        let (seed, groups) = (config.run.seed, config.run.groups);
        let start = |&group: &usize| {
            let batches = source.epoch(epoch, group, groups);
            let (send, receive) = bounded(STAGED);
            // In its own thread, not in a pool: it makes batches while the device computes, and mostly waits.
            std::thread::spawn(move || {
                for (step, batch) in (step..).zip(batches) {
                    let staged = batch.map(|host| Staged::new(host, seed, step, group, device));
                    // If the receiver was dropped, the epoch has ended early.
                    if send.send(staged).is_err() {
                        return;
                    }
                }
            });
            receive
        };
        Stage { groups: own.iter().map(start).collect(), next: 0, waited: Default::default() }
    }
}

impl Iterator for Stage {
    type Item = Result<Staged>;

    /// The next batch: those of a step in the order of the groups, then those of the next step.
    fn next(&mut self) -> Option<Self::Item> {
        let start = std::time::Instant::now();
        let batch = self.groups[self.next].recv().ok();
        self.next = (self.next + 1) % self.groups.len();
        self.waited += start.elapsed();
        batch
    }
}
