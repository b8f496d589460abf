//! Batches of patches for training, the same on every machine and in every process.
//!
//! A [`Dataset`] is the output of `split`, `pairs` and `features`. [`PairLoader`], [`TagLoader`], [`DistilLoader`] and
//! [`MultitaskLoader`] make its batches, which [`augment`] may change: which tracks are in which batch ([`deal`]) and which 128 frames of each
//! ([`crop`]) depend only on seed, epoch and group. [`Readers`] are threads that prefetch batches.
//!
//! An epoch is a number of optimizer steps. Each step averages the gradients of a number of *groups*, one batch each,
//! however many processes share them. `epoch(epoch, group, groups)` gives the batches of one group, one for each step,
//! so the loaders of all groups give equally many batches.

pub mod ahead;
pub mod augment;
mod copies;
pub mod crop;
mod dataset;
pub mod deal;
mod distil;
mod explain;
mod multitask;
mod order;
mod pairs;
mod passes;
mod tags;

pub use ahead::{Ahead, Readers};
pub use dataset::Dataset;
pub use distil::{DistilBatch, DistilLoader, TargetTerm};
pub use multitask::{MultitaskEpoch, MultitaskLoader};
pub use pairs::PairLoader;
pub use tags::TagLoader;

use std::fmt;
use std::sync::Arc;

use crate::error::Error;
use crate::network::architecture::{BANDS, FRAMES};

/// Values of a patch: 128 frames of 96 bands.
pub const PATCH: usize = FRAMES * BANDS;

/// The steps of `0..steps` that process `rank` of `count` takes.
fn share(steps: usize, rank: usize, count: usize) -> Vec<usize> {
    (rank..steps).step_by(count.max(1)).collect()
}

/// Batches that are an error: there is no plan, or no such group.
fn refusing<B: Send + 'static>(
    readers: &Arc<Readers>,
    error: Option<Error>,
    group: usize,
    groups: usize,
) -> Ahead<B> {
    let reason = match error {
        Some(error) => error.to_string(),
        None => format!("group {group} does not exist; there are {groups}"),
    };
    readers.run(1, move |_| Err(Error::InvalidArgument(reason.clone())))
}

/// Pairs of patches. Row `i` of the anchors belongs with row `i` of the positives.
#[derive(Clone, PartialEq)]
pub struct PairBatch {
    /// `[n, 128, 96]`.
    pub anchors: Vec<f32>,
    /// `[n, 128, 96]`.
    pub positives: Vec<f32>,
    /// The anchors' tracks, by their number in split.parquet.
    pub anchor_tracks: Vec<u32>,
    /// The positives' tracks.
    pub positive_tracks: Vec<u32>,
    /// `[n, n]`, anchors by positives: whether a positive may be a negative of an anchor; true for the pair itself.
    /// `None` if all may, as in the paper.
    pub allowed: Option<Vec<bool>>,
}

impl PairBatch {
    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.anchor_tracks.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.anchor_tracks.is_empty()
    }
}

/// Patches and their tracks' style tags.
#[derive(Clone, PartialEq)]
pub struct TagBatch {
    /// `[n, 128, 96]`.
    pub patches: Vec<f32>,
    /// `[n, classes]`, 1 where the track has the style, else 0.
    pub tags: Vec<f32>,
    /// The tracks, by their number in split.parquet.
    pub tracks: Vec<u32>,
}

impl TagBatch {
    /// Number of patches.
    pub fn len(&self) -> usize {
        self.tracks.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tracks.is_empty()
    }
}

/// Without the patches, which are too long to print.
impl fmt::Debug for PairBatch {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let mut out = out.debug_struct("PairBatch");
        out.field("anchor_tracks", &self.anchor_tracks).field("positive_tracks", &self.positive_tracks);
        out.finish_non_exhaustive()
    }
}

/// Without the patches, which are too long to print.
impl fmt::Debug for TagBatch {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.debug_struct("TagBatch").field("tracks", &self.tracks).finish_non_exhaustive()
    }
}
