//! Batches in host memory, and their tensors.

use tch::{Device, Tensor};

use super::objective::{Batch, Part};
use crate::batches::{DistilBatch, PairBatch, TagBatch};
use crate::network::architecture::{BANDS, FRAMES};

/// A batch in host memory.
pub struct HostBatch {
    pub(super) patches: Vec<f32>,
    pub(super) parts: Vec<HostPart>,
    /// The track of every patch.
    pub tracks: Vec<u32>,
}

pub(super) enum HostPart {
    Nothing,
    Pairs { count: usize, allowed: Option<Vec<bool>> },
    Tags { tags: Vec<f32>, count: usize },
    Targets { values: Vec<f32>, count: usize, again: bool },
}

impl HostBatch {
    pub(super) fn pairs(batches: Vec<PairBatch>) -> Self {
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

    pub(super) fn tags(batch: TagBatch) -> Self {
        let parts = vec![HostPart::Tags { count: batch.len(), tags: batch.tags }];
        HostBatch { patches: batch.patches, parts, tracks: batch.tracks }
    }

    pub(super) fn targets(batch: DistilBatch) -> Self {
        let count = batch.tracks.len();
        let parts = batch.targets.into_iter().enumerate();
        let parts = parts.map(|(at, values)| HostPart::Targets { values, count, again: at > 0 }).collect();
        HostBatch { patches: batch.patches, parts, tracks: batch.tracks }
    }

    /// The patches and parts of both.
    pub(super) fn and(mut self, other: HostBatch) -> Self {
        self.patches.extend_from_slice(&other.patches);
        self.parts.extend(other.parts);
        self.tracks.extend(other.tracks);
        self
    }

    /// Makes its parts those of the terms from `first` on, of `terms` in all.
    pub(super) fn at(mut self, first: usize, terms: usize) -> Self {
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
    pub(super) fn tensors(&self, device: Device) -> Batch {
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

pub(super) fn pinned(tensor: Tensor, device: Device) -> Tensor {
    if device.is_cuda() { tensor.pin_memory(device) } else { tensor }
}

/// An asynchronous copy on the device.
pub(super) fn sent(tensor: &Tensor, device: Device) -> Tensor {
    if device == Device::Cpu {
        return tensor.shallow_clone();
    }
    tensor.to_device_(device, tensor.kind(), true, false)
}

impl Batch {
    pub(super) fn on(&self, device: Device) -> Batch {
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
