//! The sections and their keys, but for those of distillation.

use serde::{Deserialize, Serialize};

use super::distil::Distil;
use crate::pairs::Association;

/// `[model]`: name and initial weights, which may change, and the network's sizes, which cannot: they are stated for the
/// reader, and another value is an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The name of the run and of the exported model: letters, digits, `-` and `_`.
    pub name: String,
    /// `efficientnet-b0`.
    pub architecture: String,
    /// Frames of a patch, 128.
    pub frames: usize,
    /// Mel bands of a frame, 96.
    pub bands: usize,
    /// Values of an embedding, 1280.
    pub embedding: usize,
    /// The dropout probability of the embedding in training, 0.2.
    pub dropout: f64,
    /// The probability of skipping the last block; it grows towards it. 0.2.
    pub stochastic_depth: f64,
    /// The file with the initial weights: an ONNX file of `export`, or a checkpoint. Empty: random weights.
    #[serde(default)]
    pub initial: String,
}

/// `[data]`: the batches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Passes over the pairs or tracks in an epoch, each with its own crops; at least 1, which is the paper's.
    pub crops: u32,
    /// Whether new pairs are drawn for each epoch instead of reading those written by `pairs`.
    pub redraw_pairs: bool,
    /// Whether negatives in a batch that satisfy the association are masked out.
    pub mask_related: bool,
    /// Whether no artist occurs in two pairs of a batch.
    pub artist_unique: bool,
    /// The minimum number of optimizer steps in an epoch: batches shrink to reach it. 0: they never shrink.
    pub least_steps: usize,
    /// Threads that prefetch patches; with 0, the thread that requests a batch reads it.
    pub loader_threads: usize,
    /// Batches that are ready or in progress, for each group and association.
    pub ahead: usize,
}

/// `[augment]`: changes to training patches, drawn anew for each. With [`Augment::default`], which is the paper's, there
/// are none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augment {
    /// The lowest gain in dB.
    pub gain_least: f64,
    /// The highest gain in dB; each patch's is uniform between the two.
    pub gain_most: f64,
    /// The probability that another patch of the batch is mixed in.
    pub mix: f64,
    /// The other patch's share of the power is uniform from 0 to this.
    pub mix_share: f64,
    /// The probability that the bands below a first one and above a last one are removed.
    pub band_limit: f64,
    /// The number of ranges of bands that are set to silence.
    pub frequency_masks: usize,
    /// The width of each is uniform from 0 to this number of bands.
    pub frequency_width: usize,
    /// The number of ranges of frames that are set to silence.
    pub time_masks: usize,
    /// The length of each is uniform from 0 to this number of frames.
    pub time_width: usize,
    /// Folders of features of altered copies of the recordings, such as those of a lossy codec. A patch is read from the
    /// original or from one of the copies, each as often.
    #[serde(default)]
    pub copies: Vec<String>,
}

/// `[objective]`: what the network learns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Objective {
    /// One association.
    Contrastive(Contrastive),
    /// Style tags.
    Tags(Tags),
    /// Several associations on one encoder.
    Multitask(Multitask),
    /// What other models give, alone or beside associations.
    Distil(Distil),
}

impl Objective {
    /// The associations of the objective; empty for tags.
    pub fn associations(&self) -> &[Task] {
        match self {
            Objective::Contrastive(Contrastive { associations, .. })
            | Objective::Multitask(Multitask { associations, .. })
            | Objective::Distil(Distil { associations, .. }) => associations,
            Objective::Tags(_) => &[],
        }
    }
}

/// The contrastive objective: a learnt bilinear form compares the projections of the two patches of a pair.
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
    /// The number of styles, the most frequent ones; if the data set has fewer, all of them.
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
    /// The association whose pairs determine the length of an epoch.
    pub epoch: Length,
    /// The initial weights of the encoder.
    pub encoder: Encoder,
    /// The associations, each of them once.
    pub associations: Vec<Task>,
}

/// The length of an epoch of several associations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Length {
    /// As long as that of the association with the most batches; the others begin again, with other crops and in
    /// another order.
    Longest,
    /// As long as that of the association with the fewest; an epoch sees a part of the others.
    Shortest,
}

/// The initial weights of an encoder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Encoder {
    /// Folder of another run; empty for random weights.
    pub run: String,
    /// The epoch of that run, counted from 1.
    pub epoch: u32,
}

/// One association of an objective.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// The association.
    pub name: Association,
    /// The weight of its loss in the sum.
    pub weight: f64,
    /// Pairs of a batch.
    pub pairs: usize,
}

/// `[optimizer]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimizer {
    /// The kind of optimizer.
    pub kind: OptimizerKind,
    /// The initial learning rate.
    pub learning_rate: f64,
    /// The decay of the running mean of gradients.
    pub beta1: f64,
    /// The decay of the running mean of their squares.
    pub beta2: f64,
    /// Added to the root of that mean.
    pub epsilon: f64,
    /// The share of the weights that is added to their gradients.
    pub weight_decay: f64,
}

/// The kinds of optimizer.
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
    /// The kind of schedule.
    pub kind: ScheduleKind,
    /// The factor that the learning rate is multiplied by.
    pub factor: f64,
    /// Epochs without a lower validation loss that are tolerated; the next one lowers the learning rate.
    pub patience: u32,
    /// A loss counts as lower if it is below the lowest times one minus this.
    pub threshold: f64,
    /// Epochs after a change that are not counted.
    pub cooldown: u32,
    /// The minimum learning rate.
    pub minimum: f64,
}

/// The kinds of schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScheduleKind {
    /// Lowers the learning rate when the validation loss stops falling.
    Plateau,
}

/// `[swa]`: stochastic weight averaging.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Swa {
    /// The number of last epochs that are averaged; 0 for none.
    pub epochs: u32,
    /// The learning rate in these epochs.
    pub learning_rate: f64,
}

/// `[run]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The number of epochs.
    pub epochs: u32,
    /// The seed of all random choices.
    pub seed: u64,
    /// Batches whose gradients one optimizer step averages, over all processes.
    pub groups: usize,
    /// `auto`, `cpu`, `cuda` or `cuda:N`.
    pub device: String,
    /// The precision of the network's computation.
    pub precision: Precision,
}

/// The precision of the network's computation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// bf16 on CUDA, f32 on the CPU.
    Auto,
    /// Single precision.
    F32,
    /// Convolutions and products in bfloat16, weights in single precision.
    Bf16,
    /// Double precision, for exact tests; slow.
    F64,
}
