//! `[objective]` of kind `distil`: a network learns what other models, its teachers, give for the same audio.

use serde::{Deserialize, Serialize};

use super::{Length, Task};

/// Learns the outputs of other models, and associations beside them if there are any.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distil {
    /// Patches of a batch that learn from the teachers; those of pairs come on top.
    pub patches: usize,
    /// The audio that the teachers' targets are of.
    pub targets: TargetsOf,
    /// Values of each association's projection.
    pub projection: usize,
    /// What determines the length of an epoch: the tracks or the pairs with the most batches, or with the fewest.
    pub epoch: Length,
    /// Associations that are learnt beside the teachers; may be empty.
    pub associations: Vec<Task>,
    /// The teachers, each with another name.
    pub teachers: Vec<Teacher>,
}

/// The audio that a target belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetsOf {
    /// The crop without augmentation, so that the network gives the same at any level. These targets are computed once
    /// (`sleeve-train targets`). Of a mix, each value is the mean of both patches' values, weighted by their shares of
    /// the power.
    Clean,
    /// What the network hears: the crop with gain, mix and band limits, computed in every step. Masks are left out.
    Heard,
}

/// A model to learn from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Teacher {
    /// Its name in heads and logs: letters, digits and underscores, beginning with a letter.
    pub name: String,
    /// A model's file (.onnx, .pt) or bundled name. Its input must be MusiCNN's mel frames, in patches of any length.
    pub model: String,
    /// The loss of its embeddings.
    pub embeddings: EmbeddingLoss,
    /// The weight of that loss.
    pub embeddings_weight: f64,
    /// Whether the network's embedding goes through a dense layer before it is compared. Without one, both have 1280
    /// values.
    pub dense: bool,
    /// Whether each value of its embeddings is first brought to mean 0 and deviation 1 over the training crops.
    pub standardise: bool,
    /// The loss of its tags.
    pub tags: TagLoss,
    /// The weight of that loss.
    pub tags_weight: f64,
    /// The head that predicts its tags. Teachers with the same classes can share one, which then learns their mean.
    pub tags_head: String,
}

impl Teacher {
    /// The name of the head that predicts its embeddings, and of that loss in logs.
    pub fn embeddings_head(&self) -> String {
        format!("{}_embeddings", self.name)
    }

    /// The name of the loss of its tags in logs.
    pub fn tags_term(&self) -> String {
        format!("{}_tags", self.name)
    }
}

/// How embeddings are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EmbeddingLoss {
    /// They are not learnt.
    None,
    /// One minus the cosine of the two.
    Cosine,
    /// The mean squared difference of their values.
    Mse,
}

/// How tags are compared: each is a probability of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TagLoss {
    /// They are not learnt.
    None,
    /// Binary cross-entropy against the teacher's probabilities, the mean over the tags.
    Bce,
    /// The Kullback-Leibler divergence from the teacher's probabilities: the binary cross-entropy less its minimum, so
    /// that a perfect copy has the loss 0. The gradient is the same.
    Kl,
    /// The mean squared difference of the probabilities.
    Mse,
}
