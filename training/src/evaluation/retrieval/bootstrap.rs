//! Intervals of a mean over queries, where queries of one artist are not independent.
//!
//! Whole groups are drawn with replacement, as many as there are, and the mean is taken over all queries of the drawn
//! groups (the cluster bootstrap). The interval is between the percentiles 2.5 and 97.5 of many such means. With few
//! groups it tends to be too narrow, so their number is printed with every figure.

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rustc_hash::FxHashMap;

use crate::evaluation::results::Figure;

/// The options of the bootstrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// The number of resamples; 0 for no intervals.
    pub resamples: usize,
    /// The seed.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Bootstrap { resamples: 10_000, seed: 0 }
    }
}

impl Bootstrap {
    /// The means of several columns over the same queries, each with its interval. `groups` has the group of every
    /// query, and every column a value for each. All columns are resampled with the same groups, so the interval of a
    /// column of differences is that of a paired comparison. With a single group there is no interval.
    ///
    /// # Panics
    /// If there is no query, or a column has another length.
    pub fn means(&self, groups: &[u32], columns: &[Vec<f64>]) -> Vec<Figure> {
        assert!(!groups.is_empty() && columns.iter().all(|column| column.len() == groups.len()));
        let width = columns.len();
        let mut numbers: FxHashMap<u32, usize> = FxHashMap::default();
        // For each group, the sum of each column, and the number of its queries.
        let mut sums: Vec<f64> = Vec::new();
        for (query, &group) in groups.iter().enumerate() {
            let next = numbers.len();
            let number = *numbers.entry(group).or_insert(next);
            if number == next {
                sums.resize(sums.len() + width + 1, 0.0);
            }
            let row = &mut sums[number * (width + 1)..][..width + 1];
            columns.iter().zip(&mut *row).for_each(|(column, sum)| *sum += column[query]);
            row[width] += 1.0;
        }
        let count = numbers.len();
        let mean = |column: &Vec<f64>| column.iter().sum::<f64>() / groups.len() as f64;
        let mut figures: Vec<Figure> =
            columns.iter().map(|column| Figure { value: mean(column), ..Figure::default() }).collect();
        if count < 2 || self.resamples == 0 {
            return figures;
        }
        let mut random = Xoshiro256PlusPlus::seed_from_u64(self.seed);
        let mut draws = vec![Vec::with_capacity(self.resamples); width];
        let mut total = vec![0.0; width + 1];
        for _ in 0..self.resamples {
            total.fill(0.0);
            for _ in 0..count {
                let row = &sums[random.random_range(0..count) * (width + 1)..][..width + 1];
                row.iter().zip(&mut total).for_each(|(value, total)| *total += value);
            }
            draws.iter_mut().zip(&total).for_each(|(draws, sum)| draws.push(sum / total[width]));
        }
        for (figure, draws) in figures.iter_mut().zip(&mut draws) {
            draws.sort_unstable_by(f64::total_cmp);
            figure.interval = Some([quantile(draws, 0.025), quantile(draws, 0.975)]);
        }
        figures
    }
}

/// A quantile of sorted values by linear interpolation, as in NumPy.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (low, part) = (place.floor() as usize, place.fract());
    let high = (low + 1).min(sorted.len() - 1);
    sorted[low] + part * (sorted[high] - sorted[low])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values in -0.5..0.5 that look random.
    fn noise(count: usize, seed: u64) -> Vec<f64> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        (0..count).map(|_| random.random::<f64>() - 0.5).collect()
    }

    fn width(figure: &Figure) -> f64 {
        let [low, high] = figure.interval.unwrap();
        high - low
    }

    #[test]
    fn quantiles_are_interpolated() {
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 5.0], 0.5), 2.5);
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 5.0], 1.0), 5.0);
        assert_eq!(quantile(&[4.0], 0.025), 4.0);
    }

    #[test]
    fn intervals_are_as_wide_as_the_mean_strays() {
        // Of 400 values by as many artists: 2 x 1.96 standard errors.
        let values = noise(400, 1);
        let alone: Vec<u32> = (0..400).collect();
        let figure = &Bootstrap::default().means(&alone, std::slice::from_ref(&values))[0];
        let deviation =
            (values.iter().map(|value| (value - figure.value).powi(2)).sum::<f64>() / 400.0).sqrt();
        let expected = 2.0 * 1.96 * deviation / 400f64.sqrt();
        assert!((width(figure) / expected - 1.0).abs() < 0.05, "{figure:?} {expected}");
        // The same 40 values ten times each, by 40 artists, are no more informative than 40 values.
        let repeated: Vec<f64> = (0..400).map(|at| values[at / 10]).collect();
        let by_ten: Vec<u32> = (0..400).map(|at| at / 10).collect();
        let clustered = &Bootstrap::default().means(&by_ten, std::slice::from_ref(&repeated))[0];
        let few: Vec<u32> = (0..40).collect();
        let plain = &Bootstrap::default().means(&few, &[values[..40].to_vec()])[0];
        assert!((clustered.value - plain.value).abs() < 1e-12);
        assert!((width(clustered) - width(plain)).abs() < 1e-12);
        let naive = &Bootstrap::default().means(&alone, &[repeated])[0];
        assert!(width(clustered) > 2.5 * width(naive), "{clustered:?} {naive:?}");
    }

    #[test]
    fn columns_are_drawn_together() {
        // Two encoders with similar errors: the interval of their difference is much narrower than that of either.
        let a = noise(100, 2);
        let b: Vec<f64> = a.iter().zip(noise(100, 3)).map(|(a, other)| a - 0.1 + 0.01 * other).collect();
        let difference: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
        let groups: Vec<u32> = (0..100).map(|at| at / 2).collect();
        let figures = Bootstrap { resamples: 500, seed: 9 }.means(&groups, &[a, b, difference]);
        assert!((figures[0].value - figures[1].value - figures[2].value).abs() < 1e-12);
        assert!(width(&figures[2]) * 20.0 < width(&figures[0]), "{figures:?}");
        assert!(figures[2].interval.unwrap()[0] > 0.0);
    }

    #[test]
    fn one_artist_has_no_interval() {
        let figure = &Bootstrap::default().means(&[4, 4], &[vec![0.0, 1.0]])[0];
        assert_eq!((figure.value, figure.interval), (0.5, None));
        let none = Bootstrap { resamples: 0, seed: 0 }.means(&[4, 5], &[vec![0.0, 1.0]]);
        assert_eq!(none[0].interval, None);
    }
}
