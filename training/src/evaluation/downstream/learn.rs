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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Its recording.
    pub content: Content,
    /// Its classes.
    pub labels: Vec<u32>,
}

/// The examples for training, validation and test.
#[derive(Clone, Debug)]
pub struct Examples {
    /// Training, validation, test.
    pub parts: [Vec<Example>; 3],
    /// How many labels a track may have.
    pub labelling: Labelling,
    /// Classes.
    pub classes: usize,
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
    let &Protocol { factor, patience, .. } = protocol;
    let kind = ScheduleKind::Plateau;
    let schedule = Schedule { kind, factor, patience, threshold: THRESHOLD, cooldown: 0, minimum: 0.0 };
    let mut plateau = Plateau::new(&schedule, protocol.learning_rate);
    let mut best: Option<(usize, f64, Head)> = None;
    for epoch in 0..protocol.epochs {
        let order = order(training.len(), seed, epoch);
        for tracks in order.chunks(READ.next_multiple_of(protocol.batch)) {
            let (embeddings, truth) = read(stack, training, tracks, protocol, *classes, seed, epoch)?;
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
        let loss = loss(&scores, validation, *labelling);
        plateau.step(loss);
        if best.as_ref().is_none_or(|(_, lowest, _)| loss < *lowest) {
            best = Some((epoch + 1, loss, probe.head()));
        }
    }
    let (epoch, validation_loss, head) =
        best.ok_or_else(|| Error::InvalidArgument("a head needs at least one epoch".into()))?;
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

/// One patch of each of these tracks, and their labels.
fn read(
    stack: &Stack,
    examples: &[Example],
    tracks: &[usize],
    protocol: &Protocol,
    classes: usize,
    seed: u64,
    epoch: usize,
) -> Result<(Array2<f32>, Array2<f32>)> {
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
    let mut truth = Array2::zeros((tracks.len(), classes));
    for (row, &track) in tracks.iter().enumerate() {
        examples[track].labels.iter().for_each(|&class| truth[[row, class as usize]] = 1.0);
    }
    Ok((embeddings, truth))
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

/// The cross-entropy of averaged activations.
fn loss(scores: &Array2<f32>, examples: &[Example], labelling: Labelling) -> f64 {
    let log = |value: f64| value.ln().max(MIN_LOG);
    let one = |(row, example): (ArrayView1<f32>, &Example)| -> f64 {
        let has = |class: usize| example.labels.contains(&(class as u32));
        match labelling {
            Labelling::Multi => {
                let each = row.iter().enumerate().map(|(class, &score)| match has(class) {
                    true => -log(score.into()),
                    false => -log(1.0 - f64::from(score)),
                });
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
        let example = |labels: &[u32]| Example { content, labels: labels.into() };
        let scores = array![[0.5, 0.25], [1.0, 0.0]];
        let multi = loss(&scores, &[example(&[0]), example(&[])], Labelling::Multi);
        // The second is certain of a label that the track does not have.
        let expected = ((0.5f64.ln() + 0.75f64.ln()) / -2.0 + 50.0) / 2.0;
        assert!((multi - expected).abs() < 1e-12, "{multi} {expected}");
        let single = loss(&scores, &[example(&[1]), example(&[0])], Labelling::Single);
        assert!((single + 0.25f64.ln() / 2.0).abs() < 1e-12, "{single}");
    }
}
