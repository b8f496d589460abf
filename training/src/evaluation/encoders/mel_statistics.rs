//! The simplest baseline: the level of each band, and how much it varies.

use ndarray::{Array2, ArrayView2, ArrayView3, Axis};
use sleeve::front_end::musicnn::BANDS;

use super::{Encoder, FrontEnd};
use crate::error::{Error, Result};

/// Mean and standard deviation of the 96 log-mel bands over time: 192 values, the means first. Over a patch for
/// [`embed`](Encoder::embed), over all frames for [`whole`](Encoder::whole).
#[derive(Clone, Copy, Debug, Default)]
pub struct MelStatistics;

impl MelStatistics {
    /// Its name on the command line.
    pub const NAME: &str = "mel-statistics";

    /// The means of frames `[frames, bands]`, then the (population) standard deviations.
    fn of(frames: ArrayView2<f32>, values: &mut [f32]) {
        let count = frames.nrows().max(1) as f64;
        let (means, deviations) = values.split_at_mut(frames.ncols());
        for (at, band) in frames.axis_iter(Axis(1)).enumerate() {
            let mean = band.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
            let variance = band.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / count;
            (means[at], deviations[at]) = (mean as f32, variance.sqrt() as f32);
        }
    }
}

impl Encoder for MelStatistics {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn identity(&self) -> String {
        format!("{}-1", Self::NAME)
    }

    fn front_end(&self) -> FrontEnd {
        FrontEnd::MusiCnn
    }

    fn frames(&self) -> usize {
        128
    }

    fn dimensions(&self) -> usize {
        2 * BANDS
    }

    fn embed(&mut self, patches: ArrayView3<f32>) -> Result<Array2<f32>> {
        let (count, frames, bands) = patches.dim();
        if (frames, bands) != (self.frames(), BANDS) {
            let reason = format!("{} takes patches [128, {BANDS}], not [{frames}, {bands}]", Self::NAME);
            return Err(Error::InvalidArgument(reason));
        }
        let mut embeddings = Array2::zeros((count, 2 * BANDS));
        for (patch, mut row) in patches.outer_iter().zip(embeddings.outer_iter_mut()) {
            Self::of(patch, row.as_slice_mut().expect("rows of a new array are contiguous"));
        }
        Ok(embeddings)
    }

    fn whole(&mut self, frames: ArrayView2<f32>) -> Option<Vec<f32>> {
        let mut values = vec![0.0; 2 * frames.ncols()];
        Self::of(frames, &mut values);
        Some(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_by_mean_and_deviation() {
        // Band b has the value b, and b + 2 in every other frame.
        let frames = Array2::from_shape_fn((256, BANDS), |(frame, band)| (band + frame % 2 * 2) as f32);
        let whole = MelStatistics.whole(frames.view()).unwrap();
        assert_eq!(whole.len(), MelStatistics.dimensions());
        for band in 0..BANDS {
            assert_eq!((whole[band], whole[BANDS + band]), (band as f32 + 1.0, 1.0));
        }
        let patches = frames.into_shape_with_order((2, 128, BANDS)).unwrap();
        let embeddings = MelStatistics.embed(patches.view()).unwrap();
        assert_eq!(embeddings.row(0).to_vec(), whole);
        assert_eq!(embeddings.row(1).to_vec(), whole);
        assert!(MelStatistics.embed(patches.slice(ndarray::s![.., ..100, ..])).is_err());
    }
}
