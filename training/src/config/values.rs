//! The sections and their keys.

use serde::{Deserialize, Serialize};

use crate::pairs::Association;

/// `[model]`: what the run is called, and the network's fixed sizes, which are stated so that they can be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// What the run and the exported model are called: letters, digits, `-` and `_`.
    pub name: String,
    /// `efficientnet-b0`.
    pub architecture: String,
    /// Frames of a patch, 128.
    pub frames: usize,
    /// Mel bands of a frame, 96.
    pub bands: usize,
    /// Values of an embedding, 1280.
    pub embedding: usize,
    /// The chance that a value of the embedding is dropped in training, 0.2.
    pub dropout: f64,
    /// What the chance of skipping a block grows to, 0.2.
    pub stochastic_depth: f64,
}

/// `[data]`: how batches are made of the data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Passes over the pairs or tracks in an epoch, each with crops of its own; at least 1, which is the paper's.
    pub crops: u32,
    /// Whether pairs are drawn anew for each epoch in place of those that `pairs` has written.
    pub redraw_pairs: bool,
    /// Whether negatives in a batch that satisfy the association are masked out.
    pub mask_related: bool,
    /// Whether a batch holds tracks of an artist for one pair only.
    pub artist_unique: bool,
    /// Optimizer steps that an epoch has at least: batches shrink where there would be fewer. 0: they never do.
    pub least_steps: usize,
    /// Threads that read patches ahead of the device; 0: the thread that asks for a batch reads it.
    pub loader_threads: usize,
    /// Batches that are ready or being read, for each group and association.
    pub ahead: usize,
}

/// `[objective]`: what is learnt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Objective {
    /// One association.
    Contrastive(Contrastive),
    /// Style tags.
    Tags(Tags),
    /// Several associations on one encoder.
    Multitask(Multitask),
}

impl Objective {
    /// The associations that are learnt; none for tags.
    pub fn associations(&self) -> &[Task] {
        match self {
            Objective::Contrastive(Contrastive { associations, .. })
            | Objective::Multitask(Multitask { associations, .. }) => associations,
            Objective::Tags(_) => &[],
        }
    }
}

/// The contrastive objective: projections of the two patches of a pair are compared by a learnt bilinear form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contrastive {
    /// Values of the projection.
    pub projection: usize,
    /// One association.
    pub associations: Vec<Task>,
}

/// The style tags baseline: a dense layer on the embedding, multi-label soft-margin loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tags {
    /// The most frequent styles that are learnt; where the data set has fewer, all of them.
    pub classes: usize,
    /// Patches of a batch.
    pub patches: usize,
}

/// Several contrastive objectives that share the encoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Multitask {
    /// Values of each association's projection.
    pub projection: usize,
    /// Which association's pairs make an epoch.
    pub epoch: Length,
    /// Where the encoder starts from.
    pub encoder: Encoder,
    /// The associations, each of them once.
    pub associations: Vec<Task>,
}

/// How long an epoch of several associations is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Length {
    /// As long as the one with the most batches; the others begin again, with other crops and in another order.
    Longest,
    /// As long as the one with the fewest; of the others, an epoch sees a part.
    Shortest,
}

/// The weights that an encoder starts from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Encoder {
    /// Folder of another run; empty for a start at random.
    pub run: String,
    /// After which of its epochs, counted from 1.
    pub epoch: u32,
}

/// One association that is learnt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Which.
    pub name: Association,
    /// Its loss's weight in the sum.
    pub weight: f64,
    /// Pairs of a batch.
    pub pairs: usize,
}

/// `[optimizer]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimizer {
    /// Which one.
    pub kind: OptimizerKind,
    /// Its first learning rate.
    pub learning_rate: f64,
    /// How much the mean of gradients remembers.
    pub beta1: f64,
    /// How much the mean of their squares remembers.
    pub beta2: f64,
    /// What is added to the root of that mean.
    pub epsilon: f64,
    /// The share of weights that is added to their gradients.
    pub weight_decay: f64,
}

/// The optimizers there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Adam.
    Adam,
}

/// `[schedule]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Which one.
    pub kind: ScheduleKind,
    /// What the learning rate is multiplied with.
    pub factor: f64,
    /// Epochs without a lower validation loss that are borne; it happens at the next.
    pub patience: u32,
    /// A loss is lower if it is below the lowest times one minus this.
    pub threshold: f64,
    /// Epochs after a change that do not count.
    pub cooldown: u32,
    /// The least learning rate.
    pub minimum: f64,
}

/// The schedules there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScheduleKind {
    /// Falls when the validation loss no longer does.
    Plateau,
}

/// `[swa]`: stochastic weight averaging.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Swa {
    /// How many of the last epochs are averaged; 0 for none.
    pub epochs: u32,
    /// The learning rate in those.
    pub learning_rate: f64,
}

/// `[run]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// How many epochs.
    pub epochs: u32,
    /// What every random choice follows.
    pub seed: u64,
    /// Batches whose gradients one optimizer step averages, over all processes.
    pub groups: usize,
    /// `auto`, `cpu`, `cuda` or `cuda:N`.
    pub device: String,
    /// What the network computes in.
    pub precision: Precision,
}

/// What the network computes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// bf16 on CUDA, f32 on the CPU.
    Auto,
    /// Single precision.
    F32,
    /// Convolutions and products in bfloat16, weights in single precision.
    Bf16,
    /// Double precision, in which tests are exact; slow.
    F64,
}
