//! The objectives: contrastive pairs and style tags (section 4.2 of the paper), several associations on one encoder (4.6),
//! and what other models give, which is beyond the paper.

use tch::{Kind, Tensor};

use crate::config::{EmbeddingLoss, Objective, TagLoss, Tags};
use crate::error::{Error, Result};
use crate::network::architecture::EMBEDDING;
use crate::network::model::Network;
use crate::network::{Description, Head, HeadKind, loss};

/// The number of figures of each term.
const FIGURES_OF_A_TERM: usize = 3;

/// One loss among those whose weighted sum is minimised.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// Its name in logs: an association, `tags`, or a teacher's name with `_embeddings` or `_tags`.
    pub name: String,
    /// Its weight in the sum.
    pub weight: f64,
    /// The head whose output it compares; `None`: the embedding itself.
    pub head: Option<usize>,
    /// The loss.
    pub loss: Loss,
}

/// The loss of a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Cross-entropy over the positives of the batch.
    Pairs,
    /// Multi-label soft-margin loss against tags.
    Tags,
    /// Against another model's embedding.
    Embedding(EmbeddingLoss),
    /// Against another model's tags.
    Probabilities(TagLoss),
}

impl Term {
    /// The only term of a head, named like it.
    pub fn of_head(index: usize, head: &Head, weight: f64) -> Self {
        let loss = match head.kind {
            HeadKind::Projection => Loss::Pairs,
            HeadKind::Classes => Loss::Tags,
            HeadKind::Dense => Loss::Embedding(EmbeddingLoss::Mse),
        };
        Term { name: head.name.clone(), weight, head: Some(index), loss }
    }
}

/// Patches that are encoded together, and the targets of each term.
#[derive(Debug)]
pub struct Batch {
    /// `[n, 128, 96]`.
    pub patches: Tensor,
    /// A part for each term; each part is a range of consecutive patches.
    pub parts: Vec<Part>,
}

/// The targets of one term in a batch.
#[derive(Debug)]
pub enum Part {
    /// The term has no patches in this batch.
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
    /// Patches with what another model gives for them.
    Targets {
        /// `[n, values]`.
        values: Tensor,
        /// Whether these are the patches of the part before.
        again: bool,
    },
}

impl Part {
    /// The number of its patches in the batch.
    pub fn patches(&self) -> i64 {
        match self {
            Part::Nothing => 0,
            Part::Pairs { count, .. } => 2 * *count as i64,
            Part::Tags(tags) => tags.size()[0],
            Part::Targets { values, .. } => values.size()[0],
        }
    }
}

/// What an objective needs to know of its data: the widths and classes of what is learnt.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Learnt {
    /// The names of the style tags.
    pub classes: Vec<String>,
    /// For each teacher, the width of its embedding and the names and number of its tags.
    pub teachers: Vec<(usize, Vec<String>, usize)>,
}

/// The heads for an objective, the classes of the first classifier, and the terms of the loss.
///
/// # Errors
/// `InvalidArgument` if teachers cannot share a head, or an embedding has another width than the network's.
pub fn plan(objective: &Objective, learnt: &Learnt) -> Result<(Description, Vec<Term>)> {
    let projection = |name: &str, values| Head { values, ..Head::projection(name) };
    let (mut heads, mut classes): (Vec<Head>, Vec<String>) = (Vec::new(), Vec::new());
    let mut terms = Vec::new();
    match objective {
        Objective::Contrastive(contrastive) => heads.push(projection("projections", contrastive.projection)),
        Objective::Tags(Tags { .. }) => {
            heads.push(Head::classes("predictions", learnt.classes.len()));
            classes = learnt.classes.clone();
            terms.push(Term { name: "tags".into(), ..Term::of_head(0, &heads[0], 1.0) });
        }
        Objective::Multitask(multitask) => {
            let tasks = multitask.associations.iter();
            heads.extend(tasks.map(|task| projection(task.name.name(), multitask.projection)));
        }
        Objective::Distil(distil) => {
            let tasks = distil.associations.iter();
            heads.extend(tasks.map(|task| projection(task.name.name(), distil.projection)));
        }
    }
    for (index, task) in objective.associations().iter().enumerate() {
        let term = Term::of_head(index, &heads[index], task.weight);
        terms.push(Term { name: task.name.name().to_owned(), ..term });
    }
    if let Objective::Distil(distil) = objective {
        for (teacher, (width, tags, count)) in distil.teachers.iter().zip(&learnt.teachers) {
            let name = &teacher.name;
            if teacher.embeddings != EmbeddingLoss::None {
                let head = match teacher.dense {
                    true => {
                        heads.push(Head::dense(&teacher.embeddings_head(), *width));
                        Some(heads.len() - 1)
                    }
                    false if *width == EMBEDDING => None,
                    false => {
                        return Err(Error::InvalidArgument(format!(
                            "objective.teachers.{name}.dense is false, but its embedding has {width} values and the \
                             network's {EMBEDDING}"
                        )));
                    }
                };
                let loss = Loss::Embedding(teacher.embeddings);
                let name = teacher.embeddings_head();
                terms.push(Term { name, weight: teacher.embeddings_weight, head, loss });
            }
            if teacher.tags != TagLoss::None {
                let head = tag_head(&mut heads, &mut classes, &teacher.tags_head, tags, *count).map_err(
                    |reason| Error::InvalidArgument(format!("objective.teachers.{name}: {reason}")),
                )?;
                let loss = Loss::Probabilities(teacher.tags);
                let name = teacher.tags_term();
                terms.push(Term { name, weight: teacher.tags_weight, head: Some(head), loss });
            }
        }
    }
    let description = Description { classes, ..Description::new(heads) };
    description.check().map_err(Error::InvalidArgument)?;
    Ok((description, terms))
}

/// The head of this name for a teacher's tags: an existing one with the same classes, or a new one.
fn tag_head(
    heads: &mut Vec<Head>,
    classes: &mut Vec<String>,
    name: &str,
    tags: &[String],
    count: usize,
) -> std::result::Result<usize, String> {
    let first = heads.iter().position(|head| head.kind == HeadKind::Classes);
    if let Some(at) = heads.iter().position(|head| head.name == name) {
        let own = if first == Some(at) { &*classes } else { &heads[at].classes };
        return match heads[at].kind == HeadKind::Classes && heads[at].values == count && own == tags {
            true => Ok(at),
            false => {
                Err(format!("the head `{name}` of another teacher has other classes; name another tags_head"))
            }
        };
    }
    let mut head = Head::classes(name, count);
    match first {
        None => *classes = tags.to_vec(),
        Some(_) => head.classes = tags.to_vec(),
    }
    heads.push(head);
    Ok(heads.len() - 1)
}

/// The losses of the terms on embeddings: their weighted sum, which is minimised, and figures for each term.
///
/// # Panics
/// If the numbers of parts and terms, or of patches, do not match, or there are no patches.
pub fn losses(network: &Network, terms: &[Term], embeddings: &Tensor, parts: &[Part]) -> Losses {
    assert_eq!(parts.len(), terms.len());
    let mut total: Option<Tensor> = None;
    let mut figures = Vec::with_capacity(parts.len() * FIGURES_OF_A_TERM);
    let like = (embeddings.kind(), embeddings.device());
    let mut start = 0;
    for (part, term) in parts.iter().zip(terms) {
        if let Part::Targets { again: true, .. } = part {
            start -= part.patches();
        }
        let own = embeddings.narrow(0, start, part.patches());
        start += part.patches();
        let output = || term.head.map_or_else(|| own.shallow_clone(), |head| network.head(head, &own));
        let (loss, count, correct) = match (part, term.loss, term.head) {
            (Part::Nothing, ..) => {
                figures.extend((0..FIGURES_OF_A_TERM).map(|_| Tensor::zeros(&[] as &[i64], like)));
                continue;
            }
            (Part::Pairs { allowed, .. }, Loss::Pairs, Some(head)) => {
                let projected = output().chunk(2, 0);
                let similarities = network.similarities(head, &projected[0], &projected[1]);
                let similarities = match allowed {
                    Some(allowed) => similarities.masked_fill(&allowed.logical_not(), f64::NEG_INFINITY),
                    None => similarities,
                };
                let correct = tch::no_grad(|| loss::correct(&similarities));
                (loss::contrastive(&similarities), similarities.size()[0], Some(correct))
            }
            (Part::Tags(tags), Loss::Tags, _) => (loss::tags(&output(), tags), tags.size()[0], None),
            (Part::Targets { values, .. }, Loss::Embedding(kind), _) => {
                (loss::embedding(kind, &output(), values), values.size()[0], None)
            }
            (Part::Targets { values, .. }, Loss::Probabilities(kind), _) => {
                (loss::probabilities(kind, &output(), values), values.size()[0], None)
            }
            (part, loss, _) => panic!("a part of {part:?} for {loss:?}"),
        };
        let of_all = loss.detach() * count;
        let correct = correct.map(|correct| correct.to_kind(loss.kind()));
        figures.push(of_all.shallow_clone());
        figures.push(correct.unwrap_or_else(|| loss.detach().zeros_like()));
        figures.push(loss.detach().full_like(count));
        let weighted = loss * term.weight;
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
    /// Those of each term.
    pub terms: Vec<TermFigures>,
}

/// Sums of one term.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TermFigures {
    /// The loss, summed over pairs (or patches).
    pub loss: f64,
    /// Anchors whose own positive is the most similar.
    pub correct: f64,
    /// Pairs (or patches).
    pub count: f64,
}

impl Figures {
    /// The number of values in a tensor of figures for `terms` terms.
    pub fn room(terms: usize) -> usize {
        terms * FIGURES_OF_A_TERM
    }

    /// Reads a tensor of figures.
    pub fn read(tensor: &Tensor) -> Self {
        let tensor = tensor.detach().to_kind(Kind::Double).to_device(tch::Device::Cpu);
        let values = Vec::<f64>::try_from(&tensor.contiguous()).expect("a vector of doubles");
        let terms = values.as_chunks().0.iter();
        Figures { terms: terms.map(|&[loss, correct, count]| TermFigures { loss, correct, count }).collect() }
    }

    /// Adds other figures.
    pub fn add(&mut self, other: &Figures) {
        self.terms.resize(other.terms.len(), TermFigures::default());
        for (own, other) in self.terms.iter_mut().zip(&other.terms) {
            own.loss += other.loss;
            own.correct += other.correct;
            own.count += other.count;
        }
    }

    /// The loss: the weighted sum of each term's mean.
    pub fn loss(&self, terms: &[Term]) -> f64 {
        let means = self.terms.iter().zip(terms).filter(|(own, _)| own.count > 0.0);
        means.map(|(own, term)| term.weight * own.loss / own.count).sum()
    }

    /// In-batch top-1 accuracy over all terms that learn pairs.
    pub fn top1(&self, terms: &[Term]) -> Option<f64> {
        let pairs = self.terms.iter().zip(terms).filter(|(_, term)| term.loss == Loss::Pairs);
        let (correct, count) =
            pairs.fold((0.0, 0.0), |sum, (own, _)| (sum.0 + own.correct, sum.1 + own.count));
        (count > 0.0).then(|| correct / count)
    }
}
