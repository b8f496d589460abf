//! Trains one head: epochs of training, validation after each, then the test with the best weights.

use std::sync::atomic::{AtomicBool, Ordering};

use ndarray::{Array2, ArrayView1, Axis, s};
use rand::Rng;
use rayon::prelude::*;

use super::super::datasets::Labelling;
use super::head::{Head, Shape};
use super::probe::{Probe, tensor};
use super::protocol::{Crops, Protocol};
use super::stack::Stack;
use crate::config::{Schedule, ScheduleKind};
use crate::error::{Error, Result};
use crate::features::Content;
use crate::network::random;
use crate::train::schedule::Plateau;

/// Tracks whose embeddings are read at once: one patch each in training, all patches in validation and test.
const READ: usize = 4096;
const JUDGED: usize = 16;
/// The relative decrease from which a loss counts as lower, as in PyTorch's plateau schedule.
const THRESHOLD: f64 = 1e-4;
/// Logarithms of probabilities are clamped to this, as in PyTorch's binary cross-entropy.
const MIN_LOG: f64 = -100.0;

/// A track: its recording and its labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// Its recording.
    pub content: Content,
    /// Its classes.
    pub labels: Vec<u32>,
    /// The classes of which it is not known whether it belongs to them.
    pub unknown: Vec<u32>,
    /// The numbers of the targets, for regression.
    pub values: Vec<f32>,
}

/// The examples for training, validation and test.
#[derive(Clone, Debug)]
pub struct Examples {
    /// Training, validation, test.
    pub parts: [Vec<Example>; 3],
    /// How many labels a track may have.
    pub labelling: Labelling,
    /// Classes, or targets.
    pub classes: usize,
}

/// The mean of each target over the training tracks, and its deviation (1 if it is constant): heads learn targets with
/// mean 0 and deviation 1.
struct Scale(Vec<(f32, f32)>);

impl Scale {
    /// That of training tracks; nothing to scale for labels.
    fn of(training: &[Example], labelling: Labelling, targets: usize) -> Option<Self> {
        let count = training.len().max(1) as f64;
        let one = |at: usize| {
            let values = || training.iter().map(|example| f64::from(example.values[at]));
            let mean = values().sum::<f64>() / count;
            let deviation = (values().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
            (mean as f32, if deviation > 0.0 { deviation as f32 } else { 1.0 })
        };
        (labelling == Labelling::Regression).then(|| Scale((0..targets).map(one).collect()))
    }

    fn to(&self, values: &[f32]) -> impl Iterator<Item = f32> {
        values.iter().zip(&self.0).map(|(value, (mean, deviation))| (value - mean) / deviation)
    }

    /// A head whose outputs are the targets themselves.
    fn back(&self, mut head: Head) -> Head {
        let (shape, inputs) =
            (head.shape, if head.shape.hidden > 0 { head.shape.hidden } else { head.shape.inputs });
        let start = head.values.len() - shape.classes * (inputs + 1);
        let (weights, biases) = head.values[start..].split_at_mut(shape.classes * inputs);
        for ((row, bias), (mean, deviation)) in weights.chunks_mut(inputs).zip(biases).zip(&self.0) {
            row.iter_mut().for_each(|weight| *weight *= deviation);
            *bias = *bias * deviation + mean;
        }
        head
    }
}

/// The result of one seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Learnt {
    /// The seed.
    pub seed: u64,
    /// The epoch of the lowest validation loss, counting from 1.
    pub epoch: usize,
    /// That loss.
    pub validation_loss: f64,
    /// The head of that epoch.
    pub head: Head,
    /// Its activations on the test tracks, `[tracks, classes]`.
    pub scores: Array2<f32>,
}

/// Trains a head on a stack's embeddings. On a CPU the same seed gives the same bits.
///
/// # Errors
/// `Interrupted` once `stop` is set; `Training` if a loss is not finite; if embeddings cannot be read.
pub fn learn(
    stack: &Stack,
    examples: &Examples,
    protocol: &Protocol,
    seed: u64,
    stop: &AtomicBool,
) -> Result<Learnt> {
    // With several threads, the order of sums depends on the machine.
    tch::set_num_threads(1);
    let Examples { parts: [training, validation, test], labelling, classes } = examples;
    let shape = Shape { inputs: stack.dimensions(), hidden: protocol.hidden, classes: *classes };
    let mut probe = Probe::new(shape, *labelling, protocol, seed);
    let scale = Scale::of(training, *labelling, *classes);
    let &Protocol { factor, patience, .. } = protocol;
    let kind = ScheduleKind::Plateau;
    let schedule = Schedule { kind, factor, patience, threshold: THRESHOLD, cooldown: 0, minimum: 0.0 };
    let mut plateau = Plateau::new(&schedule, protocol.learning_rate);
    let mut best: Option<(usize, f64, Head)> = None;
    for epoch in 0..protocol.epochs {
        let order = order(training.len(), seed, epoch);
        for tracks in order.chunks(READ.next_multiple_of(protocol.batch)) {
            let embeddings = read(stack, training, tracks, protocol, seed, epoch)?;
            let truth = truth(training, tracks, *classes, scale.as_ref());
            for start in (0..tracks.len()).step_by(protocol.batch) {
                check(stop)?;
                let rows = start..(start + protocol.batch).min(tracks.len());
                let (embeddings, truth) =
                    (tensor(embeddings.slice(s![rows.clone(), ..])), tensor(truth.slice(s![rows, ..])));
                let loss = probe.step(&embeddings, &truth, plateau.rate);
                if !loss.is_finite() {
                    let names: Vec<&str> =
                        stack.members().iter().map(|member| member.name.as_str()).collect();
                    let place = format!("{}, seed {seed}, epoch {}", names.join("+"), epoch + 1);
                    return Err(Error::Training(format!("{place}: the head's loss is {loss}")));
                }
            }
        }
        let scores = judge(stack, &probe, validation, *classes, stop)?;
        let loss = loss(&scores, validation, *labelling, scale.as_ref());
        plateau.step(loss);
        if best.as_ref().is_none_or(|(_, lowest, _)| loss < *lowest) {
            best = Some((epoch + 1, loss, probe.head()));
        }
    }
    let (epoch, validation_loss, head) =
        best.ok_or_else(|| Error::InvalidArgument("a head needs at least one epoch".into()))?;
    let head = scale.map_or_else(|| head.clone(), |scale| scale.back(head.clone()));
    probe.restore(&head);
    let scores = judge(stack, &probe, test, *classes, stop)?;
    Ok(Learnt { seed, epoch, validation_loss, head, scores })
}

/// # Errors
/// `Interrupted` once `stop` is set.
pub(super) fn check(stop: &AtomicBool) -> Result<()> {
    match stop.load(Ordering::Relaxed) {
        true => Err(Error::Interrupted("stopped; the same command continues from there".into())),
        false => Ok(()),
    }
}

/// The order of the tracks in an epoch (Fisher and Yates).
fn order(count: usize, seed: u64, epoch: usize) -> Vec<usize> {
    let mut random = random::generator(&[b"head order", &seed.to_le_bytes(), &(epoch as u64).to_le_bytes()]);
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        let other = (u128::from(random.next_u64()) * (last as u128 + 1)) >> 64;
        order.swap(last, other as usize);
    }
    order
}

/// One patch of each of these tracks.
fn read(
    stack: &Stack,
    examples: &[Example],
    tracks: &[usize],
    protocol: &Protocol,
    seed: u64,
    epoch: usize,
) -> Result<Array2<f32>> {
    let mut embeddings = Array2::zeros((tracks.len(), stack.dimensions()));
    let rows: Vec<_> = embeddings.axis_iter_mut(Axis(0)).zip(tracks).collect();
    rows.into_par_iter().try_for_each(|(mut row, &track)| {
        let Example { content, .. } = examples[track];
        let share = match protocol.crops {
            Crops::Random(_) => 0.0,
            Crops::Cached => {
                let name = content.to_string();
                let epoch = (epoch as u64).to_le_bytes();
                random::unit(&mut random::generator(&[
                    b"cached patch",
                    name.as_bytes(),
                    &seed.to_le_bytes(),
                    &epoch,
                ]))
            }
        };
        let into = row.as_slice_mut().expect("a row");
        stack.one(content, protocol.training(seed), epoch, share, into)
    })?;
    Ok(embeddings)
}

/// The labels of these tracks, 0 or 1, or NaN where they are not known; or their scaled targets.
fn truth(examples: &[Example], tracks: &[usize], classes: usize, scale: Option<&Scale>) -> Array2<f32> {
    let mut truth = Array2::zeros((tracks.len(), classes));
    for (mut row, &track) in truth.rows_mut().into_iter().zip(tracks) {
        let Example { labels, unknown, values, .. } = &examples[track];
        labels.iter().for_each(|&class| row[class as usize] = 1.0);
        unknown.iter().for_each(|&class| row[class as usize] = f32::NAN);
        if let Some(scale) = scale {
            row.iter_mut().zip(scale.to(values)).for_each(|(own, value)| *own = value);
        }
    }
    truth
}

/// Activations of tracks `[tracks, classes]`: for each, the mean over its half-overlapped patches.
fn judge(
    stack: &Stack,
    probe: &Probe,
    examples: &[Example],
    classes: usize,
    stop: &AtomicBool,
) -> Result<Array2<f32>> {
    let mut scores = Array2::zeros((examples.len(), classes));
    for (chunk, examples) in examples.chunks(JUDGED).enumerate() {
        check(stop)?;
        let all: Vec<Array2<f32>> =
            examples.par_iter().map(|example| stack.all(example.content)).collect::<Result<_>>()?;
        for (at, embeddings) in all.iter().enumerate() {
            let activations = probe.activations(embeddings.view()).mapv(f64::from);
            let mean = activations.mean_axis(Axis(0)).expect("a recording has a patch");
            scores.row_mut(chunk * JUDGED + at).assign(&mean.mapv(|value| value as f32));
        }
    }
    Ok(scores)
}

/// The cross-entropy of averaged activations, or the mean squared difference of scaled targets.
fn loss(scores: &Array2<f32>, examples: &[Example], labelling: Labelling, scale: Option<&Scale>) -> f64 {
    let log = |value: f64| value.ln().max(MIN_LOG);
    let one = |(row, example): (ArrayView1<f32>, &Example)| -> f64 {
        let has = |class: usize| example.labels.contains(&(class as u32));
        match labelling {
            Labelling::Multi => {
                let known = |(class, _): &(usize, &f32)| !example.unknown.contains(&(*class as u32));
                let each = row.iter().enumerate().filter(known).map(|(class, &score)| match has(class) {
                    true => -log(score.into()),
                    false => -log(1.0 - f64::from(score)),
                });
                each.sum::<f64>() / (row.len() - example.unknown.len()).max(1) as f64
            }
            Labelling::Regression => {
                let targets = scale.expect("targets are scaled").to(&example.values);
                let each = row.iter().zip(targets).map(|(&own, target)| f64::from(own - target).powi(2));
                each.sum::<f64>() / row.len() as f64
            }
            Labelling::Single => example.labels.iter().map(|&class| -log(row[class as usize].into())).sum(),
        }
    };
    scores.rows().into_iter().zip(examples).map(one).sum::<f64>() / examples.len() as f64
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn every_epoch_has_an_order_of_its_own() {
        let (first, second) = (order(100, 1, 0), order(100, 1, 1));
        assert!(first != second && first != order(100, 2, 0) && first == order(100, 1, 0));
        let mut sorted = first;
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
        assert_eq!((order(0, 1, 0), order(1, 1, 0)), (vec![], vec![0]));
    }

    #[test]
    fn losses_are_cross_entropies() {
        let content = Content::from_hex(&"0".repeat(64)).unwrap();
        let example =
            |labels: &[u32]| Example { content, labels: labels.into(), unknown: vec![], values: vec![] };
        let scores = array![[0.5, 0.25], [1.0, 0.0]];
        let multi = loss(&scores, &[example(&[0]), example(&[])], Labelling::Multi, None);
        // The second is certain of a label that the track does not have.
        let expected = ((0.5f64.ln() + 0.75f64.ln()) / -2.0 + 50.0) / 2.0;
        assert!((multi - expected).abs() < 1e-12, "{multi} {expected}");
        let single = loss(&scores, &[example(&[1]), example(&[0])], Labelling::Single, None);
        assert!((single + 0.25f64.ln() / 2.0).abs() < 1e-12, "{single}");
        // Of which nothing is known does not count.
        let partly = Example { unknown: vec![1], ..example(&[0]) };
        let multi = loss(&scores.slice(s![..1, ..]).to_owned(), &[partly], Labelling::Multi, None);
        assert!((multi - 2.0f64.ln()).abs() < 1e-12, "{multi}");
    }

    #[test]
    fn targets_are_scaled_and_heads_give_them_back() {
        let content = Content::from_hex(&"0".repeat(64)).unwrap();
        let example =
            |values: &[f32]| Example { content, labels: vec![], unknown: vec![], values: values.into() };
        let training = [example(&[1.0, 7.0]), example(&[5.0, 7.0])];
        let scale = Scale::of(&training, Labelling::Regression, 2).unwrap();
        assert_eq!(scale.0, [(3.0, 2.0), (7.0, 1.0)]);
        assert!(Scale::of(&training, Labelling::Multi, 2).is_none());
        assert_eq!(truth(&training, &[1, 0], 2, Some(&scale)), array![[1.0, 0.0], [-1.0, 0.0]]);
        let scores = array![[0.0, 0.0], [1.0, 2.0]];
        let found = loss(&scores, &training, Labelling::Regression, Some(&scale));
        assert!((found - (0.5 + 2.0) / 2.0).abs() < 1e-12, "{found}");
        for hidden in [0, 3] {
            let shape = Shape { inputs: 4, hidden, classes: 2 };
            let probe = Probe::new(shape, Labelling::Regression, &Protocol::default(), 2);
            let rows = array![[1.0, 2.0, -1.0, 0.5], [0.0, 1.0, 3.0, -2.0]];
            let before = probe.activations(rows.view());
            let mut back = Probe::new(shape, Labelling::Regression, &Protocol::default(), 2);
            back.restore(&scale.back(probe.head()));
            let expected = before * array![[2.0, 1.0]] + array![[3.0, 7.0]];
            let apart = (back.activations(rows.view()) - expected).mapv(f32::abs);
            assert!(apart.iter().all(|&apart| apart < 1e-5), "{apart}");
        }
    }
}
