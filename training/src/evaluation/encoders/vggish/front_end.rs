//! VGGish's spectrogram: 64 log-mel bands, 100 frames a second.
//!
//! Its input is mono audio at 16 kHz, in frames of 25 ms (400 samples) every 10 ms, beginning with the first sample,
//! complete frames only. Each has a periodic Hann window, the magnitude of a 512-point Fourier transform, 64 triangles
//! from 125 to 7500 Hz that are evenly spaced and linear on HTK's mel scale, and `ln(mel + 0.01)`. As in Hershey et
//! al., "CNN architectures for large-scale audio classification" (ICASSP 2017), and in the code that its authors
//! published with the weights.

use std::sync::Arc;

use ndarray::Array2;
use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

/// Mel bands.
pub const BANDS: usize = 64;
/// Samples of a frame.
const WINDOW: usize = 400;
/// Samples between the beginnings of frames.
const HOP: usize = 160;
/// Points of the Fourier transform.
const POINTS: usize = 512;
const BINS: usize = POINTS / 2 + 1;
const RATE: f64 = 16_000.0;
const LOWEST: f64 = 125.0;
const HIGHEST: f64 = 7500.0;
/// Added before the logarithm.
const OFFSET: f64 = 0.01;

/// The log-mel spectrogram `[frames, 64]` of mono samples at 16 kHz; fewer than 400 samples give no frame.
pub fn log_mel(samples: &[f32]) -> Array2<f32> {
    let count = samples.len().checked_sub(WINDOW).map_or(0, |rest| 1 + rest / HOP);
    let mut bands = Array2::zeros((count, BANDS));
    let mut analysis = Analysis::new();
    for (at, mut row) in bands.outer_iter_mut().enumerate() {
        let frame = &samples[at * HOP..][..WINDOW];
        analysis.frame(frame, row.as_slice_mut().expect("rows of a new array are contiguous"));
    }
    bands
}

struct Analysis {
    window: Vec<f64>,
    triangles: Vec<Triangle>,
    transform: Arc<dyn RealToComplex<f64>>,
    input: Vec<f64>,
    spectrum: Vec<Complex<f64>>,
    magnitudes: Vec<f64>,
    scratch: Vec<Complex<f64>>,
}

/// A band: the weights of the bins starting at `first`.
struct Triangle {
    first: usize,
    weights: Vec<f64>,
}

impl Analysis {
    fn new() -> Self {
        let turn = |at: usize| std::f64::consts::TAU * at as f64 / WINDOW as f64;
        let transform = RealFftPlanner::new().plan_fft_forward(POINTS);
        Analysis {
            window: (0..WINDOW).map(|at| 0.5 - 0.5 * turn(at).cos()).collect(),
            triangles: triangles(),
            input: vec![0.0; POINTS],
            spectrum: transform.make_output_vec(),
            magnitudes: vec![0.0; BINS],
            scratch: transform.make_scratch_vec(),
            transform,
        }
    }

    fn frame(&mut self, samples: &[f32], bands: &mut [f32]) {
        self.input.fill(0.0);
        for ((value, &sample), window) in self.input.iter_mut().zip(samples).zip(&self.window) {
            *value = f64::from(sample) * window;
        }
        self.transform
            .process_with_scratch(&mut self.input, &mut self.spectrum, &mut self.scratch)
            .expect("buffers of the planned lengths");
        self.magnitudes.iter_mut().zip(&self.spectrum).for_each(|(value, bin)| *value = bin.norm());
        for (band, Triangle { first, weights }) in bands.iter_mut().zip(&self.triangles) {
            let sum: f64 = weights.iter().zip(&self.magnitudes[*first..]).map(|(a, b)| a * b).sum();
            *band = (sum + OFFSET).ln() as f32;
        }
    }
}

/// HTK's mel.
fn mel(hertz: f64) -> f64 {
    1127.0 * (1.0 + hertz / 700.0).ln()
}

fn triangles() -> Vec<Triangle> {
    let (low, high) = (mel(LOWEST), mel(HIGHEST));
    let step = (high - low) / (BANDS + 1) as f64;
    let weight = |band: usize, bin: usize| {
        let center = low + step * (band + 1) as f64;
        let distance = (mel(bin as f64 * RATE / POINTS as f64) - center).abs();
        (1.0 - distance / step).max(0.0)
    };
    let triangle = |band: usize| {
        // The first bin, 0 Hz, is in no band.
        let inside: Vec<usize> = (1..BINS).filter(|&bin| weight(band, bin) > 0.0).collect();
        let first = inside.first().copied().unwrap_or(1);
        Triangle { first, weights: inside.iter().map(|&bin| weight(band, bin)).collect() }
    };
    (0..BANDS).map(triangle).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_whole() {
        for (samples, frames) in [(0, 0), (399, 0), (400, 1), (559, 1), (560, 2), (16_000, 98)] {
            assert_eq!(log_mel(&vec![0.0; samples]).dim(), (frames, BANDS), "{samples}");
        }
        assert!(log_mel(&[0.0; 400]).iter().all(|&value| (value - 0.01f32.ln()).abs() < 1e-6));
    }

    #[test]
    fn a_tone_is_in_its_band() {
        for (hertz, band) in [(1000.0, 20), (4000.0, 49)] {
            let tone: Vec<f32> = (0..16_000)
                .map(|at| (std::f64::consts::TAU * hertz * at as f64 / RATE).sin() as f32)
                .collect();
            let bands = log_mel(&tone);
            let row = bands.row(50);
            let loudest = (0..BANDS).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
            // The position by HTK's formula: (mel - mel(125)) / step - 1, rounded.
            let expected = ((mel(hertz) - mel(LOWEST)) / ((mel(HIGHEST) - mel(LOWEST)) / 65.0) - 1.0).round();
            assert!(
                loudest as f64 == expected && loudest.abs_diff(band) <= 1,
                "{hertz}: {loudest} {expected}"
            );
        }
    }

    #[test]
    fn every_bin_between_the_first_centres_is_shared_out_whole() {
        let mut sums = [0.0; BINS];
        for Triangle { first, weights } in triangles() {
            assert!(!weights.is_empty());
            weights.iter().zip(&mut sums[first..]).for_each(|(weight, sum)| *sum += weight);
        }
        // The weights of neighbouring bands sum to 1 between their centres, here from 200 to 7200 Hz.
        for (bin, sum) in sums.iter().enumerate().filter(|(bin, _)| (7..=230).contains(bin)) {
            assert!((sum - 1.0).abs() < 1e-9, "{bin}: {sum}");
        }
    }
}
