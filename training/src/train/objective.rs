//! What is learnt: contrastive pairs, style tags, or several associations on one encoder (section 3 of the paper).

use tch::{Kind, Tensor};

use crate::config::{Objective, Tags};
use crate::network::model::Network;
use crate::network::{Description, Head, HeadKind, loss};

/// The number of figures that each head has among those of a step.
const FIGURES_OF_A_HEAD: usize = 3;

/// Patches that are encoded together, and what each head learns of them.
#[derive(Debug)]
pub struct Batch {
    /// `[n, 128, 96]`.
    pub patches: Tensor,
    /// A part for each head, of patches that follow each other.
    pub parts: Vec<Part>,
}

/// What one head learns of a batch.
#[derive(Debug)]
pub enum Part {
    /// Nothing: no patch is its own.
    Nothing,
    /// Pairs: so many anchors, then as many positives in the same order.
    Pairs {
        /// Number of pairs.
        count: usize,
        /// `[count, count]`, false where a positive is no negative of an anchor; none where all are.
        allowed: Option<Tensor>,
    },
    /// Patches with tags `[n, classes]`, 0 or 1.
    Tags(Tensor),
}

impl Part {
    /// Patches of the batch that belong to it.
    pub fn patches(&self) -> i64 {
        match self {
            Part::Nothing => 0,
            Part::Pairs { count, .. } => 2 * *count as i64,
            Part::Tags(tags) => tags.size()[0],
        }
    }
}

/// The heads of the network that learns an objective, with the weights of their losses.
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

/// The description of that network.
pub fn description(objective: &Objective, classes: Vec<String>) -> Description {
    let heads = heads(objective, classes.len()).into_iter().map(|(head, _)| head).collect();
    Description { classes, ..Description::new(heads) }
}

/// What the heads make of embeddings: the loss to be minimised, a weighted sum over the heads, and figures about each.
///
/// # Panics
/// If there are not as many parts as heads, other patches than theirs, or none.
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

/// What [`losses`] found.
#[derive(Debug)]
pub struct Losses {
    /// The loss of the batch, a number with a gradient.
    pub total: Tensor,
    /// As [`Figures`] reads them; without a gradient.
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
    /// The loss, a pair (or a tagged patch) counting one.
    pub loss: f64,
    /// Anchors that are most like their own positive.
    pub correct: f64,
    /// Pairs (or tagged patches).
    pub count: f64,
}

impl Figures {
    /// Numbers of a tensor for so many heads.
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

    /// Adds others.
    pub fn add(&mut self, other: &Figures) {
        self.heads.resize(other.heads.len(), HeadFigures::default());
        for (own, other) in self.heads.iter_mut().zip(&other.heads) {
            own.loss += other.loss;
            own.correct += other.correct;
            own.count += other.count;
        }
    }

    /// The mean loss: the weighted sum over the heads of each head's mean.
    pub fn loss(&self, weights: &[f64]) -> f64 {
        let means = self.heads.iter().zip(weights);
        means.filter(|(head, _)| head.count > 0.0).map(|(head, weight)| weight * head.loss / head.count).sum()
    }

    /// The share of anchors that are most like their own positive, over all heads that learn pairs.
    pub fn top1(&self, heads: &[Head]) -> Option<f64> {
        let pairs = self.heads.iter().zip(heads).filter(|(_, head)| head.kind == HeadKind::Projection);
        let (correct, count) =
            pairs.fold((0.0, 0.0), |sum, (head, _)| (sum.0 + head.correct, sum.1 + head.count));
        (count > 0.0).then(|| correct / count)
    }
}
