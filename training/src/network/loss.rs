//! The losses: contrastive over a batch of pairs, multi-label for tags, and those against another model's outputs.

use tch::{Kind, Tensor};

use crate::config::{EmbeddingLoss, TagLoss};

/// The least length of a vector in a cosine.
const LEAST_LENGTH: f64 = 1e-8;

/// The contrastive loss of similarities `[n, n]` whose row `i` compares anchor `i` with every positive of the batch:
/// the mean cross-entropy of classifying its own positive; all others are negatives.
pub fn contrastive(similarities: &Tensor) -> Tensor {
    // tch's own cross-entropy always computes in single precision.
    similarities.log_softmax(-1, None::<Kind>).nll_loss(&own(similarities))
}

/// In-batch top-1 accuracy: the share of anchors whose own positive is the most similar.
pub fn top1(similarities: &Tensor) -> Tensor {
    correct(similarities) / similarities.size()[0] as f64
}

/// The number of anchors whose own positive is the most similar.
pub fn correct(similarities: &Tensor) -> Tensor {
    similarities.argmax(-1, false).eq_tensor(&own(similarities)).sum(Kind::Float)
}

/// The multi-label soft-margin loss of logits `[n, classes]` against tags, 0 or 1: the mean over patches and
/// classes of each tag's binary cross-entropy.
pub fn tags(logits: &Tensor, targets: &Tensor) -> Tensor {
    let targets = targets.to_kind(logits.kind());
    let likelihood: Tensor = &targets * logits.log_sigmoid() + (1.0 - &targets) * (-logits).log_sigmoid();
    -likelihood.mean(None::<Kind>)
}

/// The loss of predicted embeddings `[n, values]` against those of another model.
pub fn embedding(kind: EmbeddingLoss, own: &Tensor, target: &Tensor) -> Tensor {
    let target = target.to_kind(own.kind());
    match kind {
        EmbeddingLoss::Cosine => {
            1.0 - Tensor::cosine_similarity(own, &target, 1, LEAST_LENGTH).mean(None::<Kind>)
        }
        EmbeddingLoss::Mse | EmbeddingLoss::None => (own - target).square().mean(None::<Kind>),
    }
}

/// The loss of logits `[n, classes]` against another model's probabilities, the mean over patches and classes.
pub fn probabilities(kind: TagLoss, logits: &Tensor, target: &Tensor) -> Tensor {
    let target = target.to_kind(logits.kind());
    match kind {
        TagLoss::Bce | TagLoss::None => tags(logits, &target),
        TagLoss::Kl => {
            let rest: Tensor = 1.0 - &target;
            // The entropy of each target: 0 log 0 is 0.
            let entropy = -(target.xlogy(&target) + rest.xlogy(&rest)).mean(None::<Kind>);
            tags(logits, &target) - entropy
        }
        TagLoss::Mse => (logits.sigmoid() - target).square().mean(None::<Kind>),
    }
}

/// The column of each row's own positive.
fn own(similarities: &Tensor) -> Tensor {
    Tensor::arange(similarities.size()[0], (Kind::Int64, similarities.device()))
}
