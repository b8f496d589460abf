//! The areas under the receiver operating characteristic and under the precision-recall curve.

use ndarray::{Array2, ArrayView2};

use crate::error::{Error, Result};

/// Tracks sorted by their scores for one class, once for any number of figures.
#[derive(Clone, Debug)]
pub struct Ranked {
    /// The highest score first: the track, and whether it is an example of the class.
    order: Vec<(u32, bool)>,
    /// The end of each run of equal scores.
    ends: Vec<u32>,
}

/// A mean over the classes that have a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    /// The mean; `None` if no class has a figure.
    pub value: Option<f64>,
    /// Classes without a figure.
    pub left_out: usize,
}

impl Ranked {
    /// Sorts tracks by their scores.
    ///
    /// # Panics
    /// If the numbers of scores and truths differ.
    pub fn new(scores: &[f32], truth: &[bool]) -> Self {
        Self::of(scores, truth, |_| true)
    }

    /// As [`Ranked::new`], of those tracks only about which it is known whether they are examples.
    ///
    /// # Panics
    /// As [`Ranked::new`].
    pub fn of(scores: &[f32], truth: &[bool], is_known: impl Fn(u32) -> bool) -> Self {
        assert_eq!(scores.len(), truth.len());
        let mut tracks: Vec<u32> = (0..scores.len() as u32).filter(|&track| is_known(track)).collect();
        // -0 and 0 are the same score.
        let score = |track: u32| scores[track as usize] + 0.0;
        tracks.sort_unstable_by(|&a, &b| score(b).total_cmp(&score(a)).then(a.cmp(&b)));
        let ends = (1..=tracks.len())
            .filter(|&at| at == tracks.len() || score(tracks[at]) != score(tracks[at - 1]))
            .map(|at| at as u32)
            .collect();
        Ranked { order: tracks.iter().map(|&track| (track, truth[track as usize])).collect(), ends }
    }

    /// The numbers of examples and other tracks in each run of equal scores, each track counted with its weight.
    fn runs<'a>(&'a self, weights: Option<&'a [u32]>) -> impl Iterator<Item = (u64, u64)> + 'a {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let (mut examples, mut others) = (0, 0);
            for &(track, is_example) in &self.order[start..end as usize] {
                let weight = u64::from(weights.map_or(1, |weights| weights[track as usize]));
                match is_example {
                    true => examples += weight,
                    false => others += weight,
                }
            }
            start = end as usize;
            (examples, others)
        })
    }

    /// The area under the receiver operating characteristic: the probability that an example has a higher score than
    /// another track, where equal scores count half. `None` if all tracks or none are examples.
    pub fn roc_auc(&self, weights: Option<&[u32]>) -> Option<f64> {
        let (mut above, mut others, mut doubled) = (0u64, 0u64, 0u128);
        for (examples, rest) in self.runs(weights) {
            doubled += u128::from(rest) * u128::from(2 * above + examples);
            above += examples;
            others += rest;
        }
        let pairs = u128::from(above) * u128::from(others);
        (pairs > 0).then(|| doubled as f64 / (2 * pairs) as f64)
    }

    /// Average precision, the area under the precision-recall curve without interpolation: the precision at each score,
    /// weighted by the recall that it adds. `None` without examples.
    pub fn average_precision(&self, weights: Option<&[u32]>) -> Option<f64> {
        let (mut found, mut seen, mut sum) = (0u64, 0u64, 0.0);
        for (examples, others) in self.runs(weights) {
            found += examples;
            seen += examples + others;
            if examples > 0 {
                sum += examples as f64 * (found as f64 / seen as f64);
            }
        }
        (found > 0).then(|| sum / found as f64)
    }
}

/// Tracks sorted by their scores for every class.
#[derive(Clone, Debug)]
pub struct Rankings {
    classes: Vec<Ranked>,
}

impl Rankings {
    /// The rankings of scores `[tracks, classes]` with the true labels.
    ///
    /// # Errors
    /// `InvalidArgument` if the shapes differ, or a score is NaN.
    pub fn new(scores: ArrayView2<f32>, truth: ArrayView2<bool>) -> Result<Self> {
        Self::of(scores, truth, |_, _| true)
    }

    /// As [`Rankings::new`]; each class ranks only the tracks for which `is_known(track, class)`.
    ///
    /// # Errors
    /// As [`Rankings::new`].
    pub fn of(
        scores: ArrayView2<f32>,
        truth: ArrayView2<bool>,
        is_known: impl Fn(u32, u32) -> bool,
    ) -> Result<Self> {
        if scores.dim() != truth.dim() {
            let reason = format!("scores {:?} of {:?} truths", scores.dim(), truth.dim());
            return Err(Error::InvalidArgument(reason));
        }
        if let Some(((track, class), _)) = scores.indexed_iter().find(|(_, score)| score.is_nan()) {
            return Err(Error::InvalidArgument(format!(
                "the score of track {track} for class {class} is NaN"
            )));
        }
        let ranked = |class| {
            let (scores, truth) = (scores.column(class).to_vec(), truth.column(class).to_vec());
            Ranked::of(&scores, &truth, |track| is_known(track, class as u32))
        };
        Ok(Rankings { classes: (0..scores.ncols()).map(ranked).collect() })
    }

    /// The ranking of each class.
    pub fn classes(&self) -> &[Ranked] {
        &self.classes
    }

    /// The macro mean of the classes' areas under the receiver operating characteristic.
    pub fn roc_auc(&self, weights: Option<&[u32]>) -> Mean {
        self.mean(|class| class.roc_auc(weights))
    }

    /// The macro mean of the classes' average precision.
    pub fn average_precision(&self, weights: Option<&[u32]>) -> Mean {
        self.mean(|class| class.average_precision(weights))
    }

    fn mean(&self, figure: impl Fn(&Ranked) -> Option<f64>) -> Mean {
        let figures: Vec<f64> = self.classes.iter().filter_map(figure).collect();
        let value = (!figures.is_empty()).then(|| figures.iter().sum::<f64>() / figures.len() as f64);
        Mean { value, left_out: self.classes.len() - figures.len() }
    }
}

/// Labels of tracks as a table `[tracks, classes]`.
pub fn table<'a>(labels: impl ExactSizeIterator<Item = &'a [u32]>, classes: usize) -> Array2<bool> {
    let mut table = Array2::from_elem((labels.len(), classes), false);
    for (row, labels) in labels.enumerate() {
        labels.iter().for_each(|&class| table[[row, class as usize]] = true);
    }
    table
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use proptest::prelude::*;

    use super::*;

    /// All pairs of an example and another track.
    fn plain_roc_auc(scores: &[f32], truth: &[bool]) -> Option<f64> {
        let (mut won, mut pairs) = (0.0, 0.0);
        for (a, _) in scores.iter().zip(truth).filter(|(_, truth)| **truth) {
            for (b, _) in scores.iter().zip(truth).filter(|(_, truth)| !**truth) {
                won += if a > b {
                    1.0
                } else if a == b {
                    0.5
                } else {
                    0.0
                };
                pairs += 1.0;
            }
        }
        (pairs > 0.0).then(|| won / pairs)
    }

    /// The sum of precision times the step in recall, over all thresholds, each counted from the beginning.
    fn plain_average_precision(scores: &[f32], truth: &[bool]) -> Option<f64> {
        let mut thresholds = scores.to_vec();
        thresholds.sort_by(|a, b| b.total_cmp(a));
        thresholds.dedup();
        let examples = truth.iter().filter(|truth| **truth).count() as f64;
        let (mut sum, mut before) = (0.0, 0.0);
        for threshold in thresholds {
            let taken = scores.iter().zip(truth).filter(|(score, _)| **score >= threshold);
            let (found, seen) = taken
                .fold((0.0, 0.0), |(found, seen), (_, truth)| (found + f64::from(*truth as u8), seen + 1.0));
            sum += (found - before) / examples * (found / seen);
            before = found;
        }
        (examples > 0.0).then_some(sum)
    }

    fn equal(a: Option<f64>, b: Option<f64>) -> bool {
        match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() < 1e-12,
            (a, b) => a == b,
        }
    }

    proptest! {
        #[test]
        fn the_plain_definitions_give_the_same(
            rows in prop::collection::vec((-3i8..4, any::<bool>()), 0..60), scale in prop::sample::select(vec![1e-30f32, 0.1, 1e20]),
        ) {
            let (scores, truth): (Vec<f32>, Vec<bool>) =
                rows.into_iter().map(|(score, truth)| (f32::from(score) * scale, truth)).unzip();
            let ranked = Ranked::new(&scores, &truth);
            prop_assert!(equal(ranked.roc_auc(None), plain_roc_auc(&scores, &truth)));
            prop_assert!(equal(ranked.average_precision(None), plain_average_precision(&scores, &truth)));
        }

        #[test]
        fn a_weight_is_as_good_as_repetition(rows in prop::collection::vec((-3i8..4, any::<bool>(), 0u32..4), 0..40)) {
            let scores: Vec<f32> = rows.iter().map(|row| f32::from(row.0)).collect();
            let truth: Vec<bool> = rows.iter().map(|row| row.1).collect();
            let weights: Vec<u32> = rows.iter().map(|row| row.2).collect();
            let repeated = rows.iter().flat_map(|row| (0..row.2).map(|_| (f32::from(row.0), row.1)));
            let (many, of_many): (Vec<f32>, Vec<bool>) = repeated.unzip();
            let (ranked, plain) = (Ranked::new(&scores, &truth), Ranked::new(&many, &of_many));
            prop_assert!(equal(ranked.roc_auc(Some(&weights)), plain.roc_auc(None)));
            prop_assert!(equal(ranked.average_precision(Some(&weights)), plain.average_precision(None)));
        }
    }

    #[test]
    fn classes_without_a_figure_are_left_out_and_counted() {
        let scores = array![[0.9, 0.1, 0.5], [0.1, 0.2, 0.5], [0.3, 0.3, 0.5]];
        let truth = array![[true, false, true], [false, false, true], [false, false, true]];
        let rankings = Rankings::new(scores.view(), truth.view()).unwrap();
        // The second class has no example, the third only examples.
        assert_eq!(rankings.roc_auc(None), Mean { value: Some(1.0), left_out: 2 });
        assert_eq!(rankings.average_precision(None), Mean { value: Some(1.0), left_out: 1 });
        assert_eq!(rankings.roc_auc(Some(&[0, 1, 1])), Mean { value: None, left_out: 3 });
    }

    #[test]
    fn a_score_that_is_no_number_is_refused() {
        let error = Rankings::new(array![[0.5], [f32::NAN]].view(), array![[true], [false]].view());
        assert!(error.unwrap_err().to_string().contains("track 1 for class 0"));
        assert!(Rankings::new(array![[0.5]].view(), array![[true], [false]].view()).is_err());
    }

    #[test]
    fn infinite_scores_and_both_zeros_are_ranked() {
        let scores = [f32::INFINITY, 0.0, -0.0, f32::NEG_INFINITY];
        let ranked = Ranked::new(&scores, &[true, true, false, false]);
        assert_eq!(ranked.roc_auc(None), Some(0.875));
    }
}
