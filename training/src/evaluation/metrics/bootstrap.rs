//! The uncertainty of a figure, by resampling the tracks (Efron, 1979).

use rand::Rng;
use rayon::prelude::*;

use crate::network::random;

/// Resamples of the tracks, with replacement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bootstrap {
    /// The number of resamples; 0 for no interval.
    pub resamples: usize,
    /// The seed of the resamples.
    pub seed: u64,
    /// The share of resamples whose figure is in the interval.
    pub confidence: f64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Bootstrap { resamples: 1000, seed: 0, confidence: 0.95 }
    }
}

impl Bootstrap {
    /// The percentile interval of a figure over resamples of `tracks` tracks. `figure` gets how often each track was
    /// drawn. Resamples without a figure (a class may have lost all its examples) are skipped. `None` if no resample
    /// has a figure. The result does not depend on the number of threads.
    pub fn interval<F>(&self, tracks: usize, figure: F) -> Option<[f64; 2]>
    where
        F: Fn(&[u32]) -> Option<f64> + Sync,
    {
        if tracks == 0 {
            return None;
        }
        let drawn =
            (0..self.resamples).into_par_iter().map_init(Vec::new, |weights: &mut Vec<u32>, resample| {
                weights.clear();
                weights.resize(tracks, 0);
                let names: [&[u8]; 3] =
                    [b"bootstrap", &self.seed.to_le_bytes(), &(resample as u64).to_le_bytes()];
                let mut random = random::generator(&names);
                for _ in 0..tracks {
                    let track = (u128::from(random.next_u64()) * tracks as u128) >> 64;
                    weights[track as usize] += 1;
                }
                figure(weights)
            });
        let mut figures: Vec<f64> = drawn.flatten().collect();
        figures.sort_unstable_by(f64::total_cmp);
        let tail = (1.0 - self.confidence) / 2.0;
        (!figures.is_empty()).then(|| [percentile(&figures, tail), percentile(&figures, 1.0 - tail)])
    }
}

/// A percentile of sorted values with linear interpolation, the default of `numpy.percentile`.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_numpys() {
        let values = [1.0, 2.0, 4.0, 8.0];
        assert_eq!([0.0, 0.5, 0.25, 1.0].map(|share| percentile(&values, share)), [1.0, 3.0, 1.75, 8.0]);
        assert_eq!(percentile(&[3.0], 0.975), 3.0);
    }

    /// The interval of a mean agrees with the central limit theorem.
    #[test]
    fn the_interval_of_a_mean_is_known() {
        let values: Vec<f64> = (0..400).map(|at| f64::from(at % 20)).collect();
        let mean = values.iter().sum::<f64>() / 400.0;
        let deviation = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 400.0).sqrt();
        let figure = |weights: &[u32]| {
            assert_eq!(weights.iter().sum::<u32>(), 400);
            Some(
                weights.iter().zip(&values).map(|(&weight, value)| f64::from(weight) * value).sum::<f64>()
                    / 400.0,
            )
        };
        let bootstrap = Bootstrap { resamples: 4000, ..Bootstrap::default() };
        let [low, high] = bootstrap.interval(400, figure).unwrap();
        let half = 1.96 * deviation / 20.0;
        assert!((low - (mean - half)).abs() < 0.1 * half && (high - (mean + half)).abs() < 0.1 * half);
        // The same seed gives the same interval, on one thread too.
        let alone = crate::threads::pool(1).unwrap();
        assert_eq!(alone.install(|| bootstrap.interval(400, figure)), Some([low, high]));
        let other = Bootstrap { seed: 1, ..bootstrap };
        assert!(other.interval(400, figure) != Some([low, high]));
    }

    #[test]
    fn without_figures_there_is_no_interval() {
        let bootstrap = Bootstrap::default();
        assert_eq!(bootstrap.interval(5, |_| None), None);
        assert_eq!(bootstrap.interval(0, |_| Some(1.0)), None);
        assert_eq!(Bootstrap { resamples: 0, ..bootstrap }.interval(5, |_| Some(1.0)), None);
        // Only resamples with a figure count.
        let some = bootstrap.interval(2, |weights| (weights[0] == 1).then_some(7.0));
        assert_eq!(some, Some([7.0, 7.0]));
    }
}
