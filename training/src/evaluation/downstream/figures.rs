//! The figures of a stack: means over seeds and folds, with intervals.

use super::super::datasets::Labelling;
use super::super::metrics::ranking::table;
use super::super::metrics::{Rankings, accuracy, r2};
use super::super::results::{Figure, Results};
use super::learn::{Example, Examples, Learnt};
use super::run::{Evaluation, Outcome};
use super::stack::Stack;
use crate::error::Result;
use crate::splits::Part;

impl Evaluation<'_> {
    /// Computes and saves the figures of a stack.
    pub(super) fn judge(
        &self,
        stack: &Stack,
        rounds: &[Examples],
        missing: usize,
        mut runs: Vec<(usize, Learnt)>,
    ) -> Result<Outcome> {
        runs.sort_unstable_by_key(|(round, run)| (run.seed, *round));
        let mut results = self.blank(stack.members().iter());
        let sizes = Part::ALL.into_iter().zip(&rounds[0].parts);
        results.counts =
            sizes.map(|(part, examples)| (part.name().to_owned(), examples.len() as u64)).collect();
        results.counts.insert("missing".into(), missing as u64);
        results.counts.insert("classes".into(), rounds[0].classes as u64);
        if rounds.len() > 1 {
            results.counts.insert("folds".into(), rounds.len() as u64);
            results.remarks.push(format!(
                "{} folds: figures are means over the folds; the counts of parts are those of the first",
                rounds.len()
            ));
        }
        let tests: Vec<&[Example]> =
            rounds.iter().map(|round| &round.parts[Part::Test as usize][..]).collect();
        let tested: Vec<usize> = tests.iter().map(|test| test.len()).collect();
        // For each seed, the runs of all rounds.
        let runs: Vec<Vec<Learnt>> =
            runs.chunks(rounds.len()).map(|seed| seed.iter().map(|(_, run)| run.clone()).collect()).collect();
        match rounds[0].labelling {
            Labelling::Multi => {
                let of = |(run, test): (&Learnt, &&[Example])| {
                    let truth = table(test.iter().map(|example| &example.labels[..]), rounds[0].classes);
                    Rankings::of(run.scores.view(), truth.view(), |track, class| {
                        !test[track as usize].unknown.contains(&class)
                    })
                };
                let rankings: Vec<Vec<Rankings>> = runs
                    .iter()
                    .map(|seed| seed.iter().zip(&tests).map(of).collect::<Result<_>>())
                    .collect::<Result<_>>()?;
                let roc =
                    |rankings: &Rankings, _: usize, weights: Option<&[u32]>| rankings.roc_auc(weights).value;
                let precision = |rankings: &Rankings, _: usize, weights: Option<&[u32]>| {
                    rankings.average_precision(weights).value
                };
                self.figure(&mut results, "roc_auc", &tested, &rankings, roc);
                self.figure(&mut results, "pr_auc", &tested, &rankings, precision);
                let first = &rankings[0][0];
                let left = [first.roc_auc(None), first.average_precision(None)];
                for (name, mean) in ["roc_auc", "pr_auc"].into_iter().zip(left) {
                    results.counts.insert(format!("classes_without_{name}"), mean.left_out as u64);
                }
            }
            Labelling::Single => {
                let truths: Vec<Vec<u32>> =
                    tests.iter().map(|test| test.iter().map(|example| example.labels[0]).collect()).collect();
                let right = |run: &Learnt, round: usize, weights: Option<&[u32]>| {
                    accuracy(run.scores.view(), &truths[round], weights)
                };
                self.figure(&mut results, "accuracy", &tested, &runs, right);
            }
            Labelling::Regression => {
                let one = |run: &Learnt, round: usize, target: usize, weights: Option<&[u32]>| {
                    let truth: Vec<f32> = tests[round].iter().map(|example| example.values[target]).collect();
                    r2(&run.scores.column(target).to_vec(), &truth, weights)
                };
                let targets = self.dataset.classes.iter().enumerate();
                for (target, name) in targets {
                    let of = |run: &Learnt, round: usize, weights: Option<&[u32]>| {
                        one(run, round, target, weights)
                    };
                    self.figure(&mut results, &format!("r2_{name}"), &tested, &runs, of);
                }
                let count = rounds[0].classes;
                let mean = |run: &Learnt, round: usize, weights: Option<&[u32]>| {
                    let all: Option<Vec<f64>> =
                        (0..count).map(|target| one(run, round, target, weights)).collect();
                    all.map(|all| all.iter().sum::<f64>() / count as f64)
                };
                self.figure(&mut results, "r2", &tested, &runs, mean);
            }
        }
        if missing > 0 {
            results.remarks.push(format!("{missing} recordings of the data set are missing or unreadable"));
        }
        let path = results.save(self.out)?;
        let best = runs.into_iter().flatten().min_by(|a, b| a.validation_loss.total_cmp(&b.validation_loss));
        Ok(Outcome { results, path, best })
    }

    /// The mean over the seeds and rounds, and the interval of that mean over resampled tracks. `runs` has the runs of all
    /// rounds for each seed, and `tested` the number of tracks that each round tests.
    fn figure<T: Sync>(
        &self,
        results: &mut Results,
        name: &str,
        tested: &[usize],
        runs: &[Vec<T>],
        of: impl Fn(&T, usize, Option<&[u32]>) -> Option<f64> + Sync,
    ) {
        let of_seed = |seed: &Vec<T>, weights: Option<&[u32]>| -> Option<f64> {
            let (mut sum, mut start) = (0.0, 0);
            for (round, (run, &count)) in seed.iter().zip(tested).enumerate() {
                sum += of(run, round, weights.map(|weights| &weights[start..start + count]))?;
                start += count;
            }
            Some(sum / seed.len() as f64)
        };
        let mean = |weights: Option<&[u32]>| -> Option<f64> {
            let figures: Option<Vec<f64>> = runs.iter().map(|seed| of_seed(seed, weights)).collect();
            figures.map(|figures| figures.iter().sum::<f64>() / figures.len() as f64)
        };
        let Some(value) = mean(None) else {
            results.remarks.push(format!("there is no {name} of the test recordings"));
            return;
        };
        let interval = self.bootstrap.interval(tested.iter().sum(), |weights| mean(Some(weights)));
        let several = runs.len() > 1;
        let seeds = runs.iter().filter(|_| several).filter_map(|seed| of_seed(seed, None)).collect();
        results.metrics.insert(name.to_owned(), Figure { value, interval, seeds });
    }
}
