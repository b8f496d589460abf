//! The objectives: contrastive pairs, style tags, or several associations on one encoder (section 3 of the paper).

use tch::{Kind, Tensor};

use crate::config::{Objective, Tags};
use crate::network::model::Network;
use crate::network::{Description, Head, HeadKind, loss};

/// The number of figures of each head.
const FIGURES_OF_A_HEAD: usize = 3;

/// Patches that are encoded together, and the targets of each head.
#[derive(Debug)]
pub struct Batch {
    /// `[n, 128, 96]`.
    pub patches: Tensor,
    /// A part for each head; each part is a range of consecutive patches.
    pub parts: Vec<Part>,
}

/// The targets of one head in a batch.
#[derive(Debug)]
pub enum Part {
    /// The head has no patches in this batch.
    Nothing,
    /// Pairs: first the anchors, then as many positives in the same order.
    Pairs {
        /// Number of pairs.
        count: usize,
        /// `[count, count]`, false if a positive is not a negative of an anchor; `None` if all are.
        allowed: Option<Tensor>,
    },
    /// Patches with tags `[n, classes]`, 0 or 1.
    Tags(Tensor),
}

impl Part {
    /// The number of its patches in the batch.
    pub fn patches(&self) -> i64 {
        match self {
            Part::Nothing => 0,
            Part::Pairs { count, .. } => 2 * *count as i64,
            Part::Tags(tags) => tags.size()[0],
        }
    }
}

/// The heads for an objective, with the weights of their losses.
pub fn heads(objective: &Objective, classes: usize) -> Vec<(Head, f64)> {
    let projection = |name: &str, values| Head { values, ..Head::projection(name) };
    match objective {
        Objective::Contrastive(contrastive) => {
            let weight = contrastive.associations[0].weight;
            vec![(projection("projections", contrastive.projection), weight)]
        }
        Objective::Tags(Tags { .. }) => vec![(Head::classes("predictions", classes), 1.0)],
        Objective::Multitask(multitask) => {
            let heads = multitask.associations.iter();
            heads.map(|task| (projection(task.name.name(), multitask.projection), task.weight)).collect()
        }
    }
}

/// The description of the network for an objective.
pub fn description(objective: &Objective, classes: Vec<String>) -> Description {
    let heads = heads(objective, classes.len()).into_iter().map(|(head, _)| head).collect();
    Description { classes, ..Description::new(heads) }
}

/// The losses of the heads on embeddings: their weighted sum, which is minimised, and figures for each head.
///
/// # Panics
/// If the numbers of parts and heads, or of patches, do not match, or there are no patches.
pub fn losses(network: &Network, weights: &[f64], embeddings: &Tensor, parts: &[Part]) -> Losses {
    assert_eq!((parts.len(), weights.len()), (network.heads().len(), network.heads().len()));
    let mut total: Option<Tensor> = None;
    let mut figures = Vec::with_capacity(parts.len() * FIGURES_OF_A_HEAD);
    let like = (embeddings.kind(), embeddings.device());
    let mut start = 0;
    for (index, (part, weight)) in parts.iter().zip(weights).enumerate() {
        let own = embeddings.narrow(0, start, part.patches());
        start += part.patches();
        let (loss, count, correct) = match part {
            Part::Nothing => {
                figures.extend((0..FIGURES_OF_A_HEAD).map(|_| Tensor::zeros(&[] as &[i64], like)));
                continue;
            }
            Part::Pairs { allowed, .. } => {
                let projected = network.head(index, &own).chunk(2, 0);
                let similarities = network.similarities(index, &projected[0], &projected[1]);
                let similarities = match allowed {
                    Some(allowed) => similarities.masked_fill(&allowed.logical_not(), f64::NEG_INFINITY),
                    None => similarities,
                };
                let correct = tch::no_grad(|| loss::correct(&similarities));
                (loss::contrastive(&similarities), similarities.size()[0], Some(correct))
            }
            Part::Tags(tags) => (loss::tags(&network.head(index, &own), tags), tags.size()[0], None),
        };
        let of_all = loss.detach() * count;
        let correct = correct.map(|correct| correct.to_kind(loss.kind()));
        figures.push(of_all.shallow_clone());
        figures.push(correct.unwrap_or_else(|| loss.detach().zeros_like()));
        figures.push(loss.detach().full_like(count));
        let weighted = loss * *weight;
        total = Some(total.map_or_else(|| weighted.shallow_clone(), |total| total + &weighted));
    }
    assert_eq!(start, embeddings.size()[0], "patches of another batch");
    Losses { total: total.expect("a batch has patches"), figures: Tensor::stack(&figures, 0) }
}

/// The result of [`losses`].
#[derive(Debug)]
pub struct Losses {
    /// The loss of the batch, a number with a gradient.
    pub total: Tensor,
    /// In the form that [`Figures`] reads; without a gradient.
    pub figures: Tensor,
}

/// Sums over batches.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Those of each head.
    pub heads: Vec<HeadFigures>,
}

/// Sums of one head.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HeadFigures {
    /// The loss, summed over pairs (or tagged patches).
    pub loss: f64,
    /// Anchors whose own positive is the most similar.
    pub correct: f64,
    /// Pairs (or tagged patches).
    pub count: f64,
}

impl Figures {
    /// The number of values in a tensor of figures for `heads` heads.
    pub fn room(heads: usize) -> usize {
        heads * FIGURES_OF_A_HEAD
    }

    /// Reads a tensor of figures.
    pub fn read(tensor: &Tensor) -> Self {
        let tensor = tensor.detach().to_kind(Kind::Double).to_device(tch::Device::Cpu);
        let values = Vec::<f64>::try_from(&tensor.contiguous()).expect("a vector of doubles");
        let heads = values.as_chunks().0.iter();
        Figures { heads: heads.map(|&[loss, correct, count]| HeadFigures { loss, correct, count }).collect() }
    }

    /// Adds other figures.
    pub fn add(&mut self, other: &Figures) {
        self.heads.resize(other.heads.len(), HeadFigures::default());
        for (own, other) in self.heads.iter_mut().zip(&other.heads) {
            own.loss += other.loss;
            own.correct += other.correct;
            own.count += other.count;
        }
    }

    /// The loss: the weighted sum of each head's mean.
    pub fn loss(&self, weights: &[f64]) -> f64 {
        let means = self.heads.iter().zip(weights);
        means.filter(|(head, _)| head.count > 0.0).map(|(head, weight)| weight * head.loss / head.count).sum()
    }

    /// In-batch top-1 accuracy over all heads that learn pairs.
    pub fn top1(&self, heads: &[Head]) -> Option<f64> {
        let pairs = self.heads.iter().zip(heads).filter(|(_, head)| head.kind == HeadKind::Projection);
        let (correct, count) =
            pairs.fold((0.0, 0.0), |sum, (head, _)| (sum.0 + head.correct, sum.1 + head.count));
        (count > 0.0).then(|| correct / count)
    }
}
