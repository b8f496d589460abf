//! What is done to a patch before its network takes it.

/// How the values of a patch are normalised, as for the training of the network.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Normalisation {
    /// Not at all: the frames as the front end gives them.
    #[default]
    None,
    /// `(value - mean) / scale` with fixed numbers.
    Fixed {
        /// What is subtracted.
        mean: f32,
        /// What the rest is divided by.
        scale: f32,
    },
    /// The mean of the patch becomes 0 and its standard deviation (of the population) 1. A patch whose values are all
    /// the same becomes 0.
    Standard,
    /// Decibels relative to the largest value of the patch: 0 at most, and cut off at -80.
    Decibels,
}

/// The order of the values of a patch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Layout {
    /// `[frames, bands]`.
    #[default]
    TimeMajor,
    /// `[bands, frames]`.
    BandMajor,
}

/// What is done to a patch before its network takes it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Preparation {
    /// How its values are normalised.
    pub normalisation: Normalisation,
    /// The order of its values.
    pub layout: Layout,
}

impl Preparation {
    /// The values of MTG's MAEST models: mean and twice the standard deviation of their training data
    /// (`TensorflowPredictMAEST`).
    pub const MAEST: Self = Preparation {
        normalisation: Normalisation::Fixed { mean: 2.067_556_9, scale: 2.0 * 1.268_292_8 },
        layout: Layout::TimeMajor,
    };

    /// Whether a patch stays as it is.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Appends a patch of frames of `bands` values, time-major, to `out` as the network takes it.
    ///
    /// ```
    /// use sleeve::patches::{Layout, Normalisation, Preparation};
    ///
    /// let preparation = Preparation { normalisation: Normalisation::Standard, layout: Layout::BandMajor };
    /// let mut row = Vec::new();
    /// preparation.append(&[1.0, 1.0, 3.0, 3.0], 2, &mut row);
    /// assert_eq!(row, [-1.0, 1.0, -1.0, 1.0]);
    /// ```
    ///
    /// # Panics
    /// If `bands` is 0.
    pub fn append(&self, patch: &[f32], bands: usize, out: &mut Vec<f32>) {
        let start = out.len();
        match self.layout {
            Layout::TimeMajor => out.extend_from_slice(patch),
            Layout::BandMajor => {
                let band = |band: usize| patch.iter().skip(band).step_by(bands);
                out.extend((0..bands).flat_map(band));
            }
        }
        self.normalisation.apply(&mut out[start..]);
    }
}

impl Normalisation {
    /// Normalises the values of one patch. The result does not depend on anything else.
    fn apply(self, values: &mut [f32]) {
        match self {
            Normalisation::None => {}
            Normalisation::Fixed { mean, scale } => {
                values.iter_mut().for_each(|value| *value = (*value - mean) / scale);
            }
            Normalisation::Standard => standardise(values),
            Normalisation::Decibels => {
                let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                for value in values {
                    let below = *value - largest;
                    // NaN stays NaN.
                    *value = if below < -80.0 { -80.0 } else { below };
                }
            }
        }
    }
}

/// Mean 0 and deviation 1, with sums in double precision.
fn standardise(values: &mut [f32]) {
    let count = values.len() as f64;
    let mean = values.iter().copied().map(f64::from).sum::<f64>() / count;
    let squares = values.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>();
    let deviation = (squares / count).sqrt();
    // Equal values may differ from their mean by its rounding.
    let constant = values.iter().all(|value| *value == values[0]);
    let normal = |value: f32| if constant { 0.0 } else { ((f64::from(value) - mean) / deviation) as f32 };
    values.iter_mut().for_each(|value| *value = normal(*value));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(normalisation: Normalisation, patch: &[f32]) -> Vec<f32> {
        let mut row = vec![7.0];
        Preparation { normalisation, layout: Layout::TimeMajor }.append(patch, 1, &mut row);
        assert_eq!(row.remove(0), 7.0, "what was there before");
        row
    }

    #[test]
    fn values_are_normalised_over_the_patch_alone() {
        assert_eq!(prepared(Normalisation::None, &[1.0, 2.0]), [1.0, 2.0]);
        assert_eq!(prepared(Normalisation::Fixed { mean: 1.0, scale: 2.0 }, &[1.0, 2.0]), [0.0, 0.5]);
        assert_eq!(
            prepared(Normalisation::Standard, &[1.0, 5.0, 5.0, 9.0, 5.0, 5.0, 5.0, 5.0]),
            [-2.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0]
        );
        assert_eq!(prepared(Normalisation::Standard, &[0.1; 7]), [0.0; 7]);
        assert_eq!(prepared(Normalisation::Decibels, &[-10.0, -95.0, -20.0]), [0.0, -80.0, -10.0]);
    }

    #[test]
    fn not_a_number_stays_one() {
        for normalisation in
            [Normalisation::Fixed { mean: 0.0, scale: 1.0 }, Normalisation::Standard, Normalisation::Decibels]
        {
            assert!(prepared(normalisation, &[1.0, f32::NAN]).iter().any(|value| value.is_nan()));
        }
    }

    #[test]
    fn bands_can_come_first() {
        let mut row = Vec::new();
        let preparation = Preparation { layout: Layout::BandMajor, ..Preparation::default() };
        preparation.append(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3, &mut row);
        assert_eq!(row, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    }
}
