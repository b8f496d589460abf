//! The mel-spectrogram of a signal that is at hand.

use std::sync::Arc;

use ndarray::Array2;
use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use super::bank::{Band, bands};
use super::window::hann;
use super::{BANDS, BINS, FRAME_SIZE, MelStream, frame_count};

/// Computes mel frames; holds the tables and scratch space for it.
///
/// Making one costs some microseconds; keep it and reuse it. It holds no audio between calls.
pub struct MelSpectrogram {
    window: [f32; FRAME_SIZE],
    bands: [Band; BANDS],
    fft: Arc<dyn RealToComplex<f32>>,
    windowed: Vec<f32>,
    spectrum: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
    power: [f32; BINS],
}

impl MelSpectrogram {
    /// Prepares the tables.
    pub fn new() -> Self {
        let fft = RealFftPlanner::new().plan_fft_forward(FRAME_SIZE);
        Self {
            window: hann(),
            bands: bands(),
            windowed: fft.make_input_vec(),
            spectrum: fft.make_output_vec(),
            scratch: fft.make_scratch_vec(),
            fft,
            power: [0.0; BINS],
        }
    }

    /// The 96 bands of one frame of 512 samples.
    ///
    /// # Panics
    /// If `samples` is not 512 long or `mel` not 96.
    pub fn frame(&mut self, samples: &[f32], mel: &mut [f32]) {
        assert_eq!(samples.len(), FRAME_SIZE, "a frame is {FRAME_SIZE} samples");
        assert_eq!(mel.len(), BANDS, "a mel frame is {BANDS} values");
        for ((windowed, sample), weight) in self.windowed.iter_mut().zip(samples).zip(&self.window) {
            *windowed = sample * weight;
        }
        self.fft
            .process_with_scratch(&mut self.windowed, &mut self.spectrum, &mut self.scratch)
            .expect("the buffers are the plan's own");
        for (power, value) in self.power.iter_mut().zip(&self.spectrum) {
            *power = value.norm_sqr();
        }
        for (mel, band) in mel.iter_mut().zip(&self.bands) {
            let bins = &self.power[band.first..][..band.weights.len()];
            let energy: f32 = bins.iter().zip(&band.weights).map(|(power, weight)| power * weight).sum();
            *mel = (10000.0 * energy + 1.0).log10();
        }
    }

    /// The mel-spectrogram of a whole mono signal at 16 kHz: `[frame_count(samples), 96]`, time-major.
    pub fn compute(&mut self, samples: &[f32]) -> Array2<f32> {
        let mut stream = MelStream::new();
        let mut values = Vec::with_capacity(frame_count(samples.len() as u64) as usize * BANDS);
        stream.push(samples, &mut values);
        stream.finish(&mut values);
        Array2::from_shape_vec((values.len() / BANDS, BANDS), values).expect("whole frames")
    }
}

impl Default for MelSpectrogram {
    fn default() -> Self {
        Self::new()
    }
}
