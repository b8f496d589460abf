//! Classification metrics, as in the literature and in scikit-learn.
//!
//! [`ranking`] has the two areas under curves for tags, of which a track may have any number, [`accuracy`] is the share
//! of right answers for classes, of which a track has one, [`r2`] is for quantities, and [`bootstrap`] computes their uncertainty.
//!
//! Macro means are over the classes that have a figure. Where scikit-learn has none (a class with all tracks or no
//! track has no ROC curve, a class without examples no recall), the class is left out of the mean and counted.

pub mod bootstrap;
pub mod ranking;

pub use bootstrap::Bootstrap;
pub use ranking::{Mean, Ranked, Rankings};

use ndarray::ArrayView2;

/// The share of tracks whose highest score, of scores `[tracks, classes]`, is that of their class; of equal scores the
/// first counts, as in `numpy.argmax`. With weights, each track counts that often. `None` without tracks.
///
/// # Panics
/// If the numbers of classes, weights and rows differ.
pub fn accuracy(scores: ArrayView2<f32>, truth: &[u32], weights: Option<&[u32]>) -> Option<f64> {
    assert_eq!(scores.nrows(), truth.len());
    assert!(weights.is_none_or(|weights| weights.len() == truth.len()));
    let (mut right, mut all) = (0u64, 0u64);
    for (index, (row, &class)) in scores.rows().into_iter().zip(truth).enumerate() {
        let weight = weights.map_or(1, |weights| weights[index]);
        let mut best = 0;
        for (class, &score) in row.iter().enumerate() {
            if score > row[best] {
                best = class;
            }
        }
        right += u64::from(best == class as usize) * u64::from(weight);
        all += u64::from(weight);
    }
    (all > 0).then(|| right as f64 / all as f64)
}

/// The coefficient of determination: one minus the squared differences between values and truth over those between the
/// truth and its mean. With weights, each track counts that often. `None` without tracks, or if the truth is constant.
///
/// # Panics
/// If the lengths differ.
pub fn r2(values: &[f32], truth: &[f32], weights: Option<&[u32]>) -> Option<f64> {
    assert_eq!(values.len(), truth.len());
    assert!(weights.is_none_or(|weights| weights.len() == truth.len()));
    let weight = |at: usize| weights.map_or(1.0, |weights| f64::from(weights[at]));
    let sum = |of: &dyn Fn(usize) -> f64| (0..truth.len()).map(|at| weight(at) * of(at)).sum::<f64>();
    let count = sum(&|_| 1.0);
    let mean = sum(&|at| truth[at].into()) / count;
    let left = sum(&|at| (f64::from(truth[at]) - f64::from(values[at])).powi(2));
    let all = sum(&|at| (f64::from(truth[at]) - mean).powi(2));
    (count > 0.0 && all > 0.0).then(|| 1.0 - left / all)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use serde_json::Value;

    use super::*;

    #[test]
    fn accuracy_counts_the_first_of_equal_scores() {
        let scores = array![[0.1, 0.9], [0.5, 0.5], [0.7, 0.3]];
        assert_eq!(accuracy(scores.view(), &[1, 0, 1], None), Some(2.0 / 3.0));
        assert_eq!(accuracy(scores.view(), &[1, 1, 1], None), Some(1.0 / 3.0));
        assert_eq!(accuracy(scores.view(), &[1, 0, 1], Some(&[1, 0, 3])), Some(0.25));
        assert_eq!(accuracy(scores.view(), &[1, 0, 1], Some(&[0; 3])), None);
    }

    #[test]
    fn r2_is_the_share_of_the_variance_that_is_explained() {
        // sklearn.metrics.r2_score([3, -0.5, 2, 7], [2.5, 0.0, 2, 8]), the example of its documentation.
        let (truth, found) = ([3.0, -0.5, 2.0, 7.0], [2.5, 0.0, 2.0, 8.0]);
        assert!((r2(&found, &truth, None).unwrap() - 0.948_608_137).abs() < 1e-9);
        let mean = [2.875; 4];
        assert!(r2(&mean, &truth, None).unwrap().abs() < 1e-12);
        assert_eq!(r2(&truth, &truth, None), Some(1.0));
        assert!(r2(&[9.0; 4], &truth, None).unwrap() < 0.0);
        // Drawn twice is there twice.
        let twice = r2(&[2.5, 2.5, 0.0, 2.0], &[3.0, 3.0, -0.5, 2.0], None);
        assert_eq!(r2(&found, &truth, Some(&[2, 1, 1, 0])), twice);
        assert_eq!(
            (r2(&[1.0], &[1.0], None), r2(&[], &[], None), r2(&found, &truth, Some(&[0; 4]))),
            (None, None, None)
        );
    }

    fn numbers(value: &Value) -> Vec<f64> {
        value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap_or(f64::NAN)).collect()
    }

    fn table(value: &Value) -> Array2<f64> {
        let rows: Vec<Vec<f64>> = value.as_array().unwrap().iter().map(numbers).collect();
        Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
    }

    #[track_caller]
    fn close(found: Option<f64>, expected: &Value, what: &str) {
        match (found, expected.as_f64()) {
            (None, None) => {}
            (Some(found), Some(expected)) => {
                assert!((found - expected).abs() < 1e-9, "{what}: {found}, not {expected}");
            }
            (found, expected) => panic!("{what}: {found:?}, not {expected:?}"),
        }
    }

    /// The values that scikit-learn gives, made by `tests/peers/metrics_reference.py`.
    #[test]
    fn scikit_learn_gives_the_same() {
        let stored: Value =
            serde_json::from_str(include_str!("../../../tests/data/evaluation/metrics.json")).unwrap();
        let cases = stored["cases"].as_array().unwrap();
        assert!(cases.len() >= 10);
        for case in cases {
            let name = case["name"].as_str().unwrap();
            let scores = table(&case["scores"]).mapv(|score| score as f32);
            if case["classes"].is_array() {
                let truth: Vec<u32> = numbers(&case["classes"]).iter().map(|&class| class as u32).collect();
                close(accuracy(scores.view(), &truth, None), &case["accuracy"], name);
                continue;
            }
            let truth = table(&case["truth"]).mapv(|truth| truth != 0.0);
            let rankings = Rankings::new(scores.view(), truth.view()).unwrap();
            for (class, ranked) in rankings.classes().iter().enumerate() {
                close(ranked.roc_auc(None), &case["roc_auc"][class], &format!("{name}, ROC-AUC {class}"));
                let what = format!("{name}, PR-AUC {class}");
                close(ranked.average_precision(None), &case["average_precision"][class], &what);
            }
            close(rankings.roc_auc(None).value, &case["macro_roc_auc"], name);
            close(rankings.average_precision(None).value, &case["macro_average_precision"], name);
        }
    }
}
