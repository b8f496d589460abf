//! A recording normalised as a whole, before its frames: what FSD-SINet's front end takes.

/// Added to the largest sample, so that silence stays silent.
const OFFSET: f64 = 0.005;

/// Sums up the mono samples of a recording. The result has the same bits however they are cut.
#[derive(Clone, Debug, Default)]
pub(crate) struct Range {
    sum: f64,
    count: u64,
    lowest: f32,
    highest: f32,
}

/// `(sample - mean) / scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Normalised {
    mean: f64,
    scale: f64,
}

impl Range {
    pub(crate) fn add(&mut self, samples: &[f32]) {
        for &sample in samples {
            if self.count == 0 {
                (self.lowest, self.highest) = (sample, sample);
            }
            self.sum += f64::from(sample);
            self.lowest = self.lowest.min(sample);
            self.highest = self.highest.max(sample);
            self.count += 1;
        }
    }

    /// What normalises these samples once they were multiplied by `factor`: their mean becomes 0, and the largest
    /// magnitude a little less than 1 (Essentia's `TensorflowPredictFSDSINet`, parameter `normalize`).
    pub(crate) fn normalised(&self, factor: f64) -> Normalised {
        let mean = self.sum / self.count.max(1) as f64;
        let largest = (f64::from(self.highest) - mean).max(mean - f64::from(self.lowest));
        Normalised { mean: mean * factor, scale: largest * factor + OFFSET }
    }
}

impl Normalised {
    pub(crate) fn apply(self, sample: f64) -> f64 {
        (sample - self.mean) / self.scale
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_becomes_zero_and_the_largest_nearly_one() {
        let mut range = Range::default();
        range.add(&[0.5, 1.0]);
        range.add(&[1.5, 1.0]);
        for factor in [1.0, 0.25] {
            let normalised = range.normalised(factor);
            let of = |sample: f64| normalised.apply(sample * factor);
            assert_eq!(of(1.0), 0.0);
            assert!((of(1.5) - 0.5 * factor / (0.5 * factor + 0.005)).abs() < 1e-12);
        }
        assert_eq!(Range::default().normalised(1.0), Normalised { mean: 0.0, scale: OFFSET });
    }
}
