//! The plain version of the mel-spectrogram, the oracle of the fast one: double precision, a sum for each bin of each
//! frame's spectrum, a full matrix of weights.

use std::f64::consts::TAU;

/// `[frames, 96]` of a mono signal at 16 kHz.
pub fn mel_spectrogram(samples: &[f32]) -> Vec<[f64; 96]> {
    let frames = if samples.is_empty() { 0 } else { 1 + samples.len().div_ceil(256) };
    let weights = weights();
    (0..frames).map(|index| mel_frame(&frame(samples, index), &weights)).collect()
}

/// Frame `index`, zero outside the signal.
fn frame(samples: &[f32], index: usize) -> [f64; 512] {
    std::array::from_fn(|n| {
        let position = (256 * index + n).checked_sub(256);
        position.and_then(|position| samples.get(position)).map_or(0.0, |&sample| f64::from(sample))
    })
}

fn mel_frame(samples: &[f64; 512], weights: &[[f64; 257]; 96]) -> [f64; 96] {
    let windowed: [f64; 512] = std::array::from_fn(|n| {
        let hann = 0.5 - 0.5 * (TAU * n as f64 / 511.0).cos();
        samples[n] * f64::from(hann as f32)
    });
    let turns: [(f64, f64); 512] = std::array::from_fn(|n| (TAU * n as f64 / 512.0).sin_cos());
    let power: [f64; 257] = std::array::from_fn(|bin| {
        let (mut re, mut im) = (0.0, 0.0);
        for (n, value) in windowed.iter().enumerate() {
            let (sin, cos) = turns[bin * n % 512];
            re += value * cos;
            im -= value * sin;
        }
        re * re + im * im
    });
    std::array::from_fn(|band| {
        let energy: f64 = weights[band].iter().zip(&power).map(|(weight, power)| weight * power).sum();
        (10000.0 * energy + 1.0).log10()
    })
}

/// The full matrix of triangles between 98 edges; only the edges are rounded to single precision.
fn weights() -> Box<[[f64; 257]; 96]> {
    let log_step = (6.4f64.ln() / 27.0) as f32;
    let step = (15.0 + 8.0f32.ln() / log_step) / 97.0;
    let mut mel = 0.0f32;
    let mut edges = Vec::new();
    for _ in 0..98 {
        let hz = if mel < 15.0 { mel / 0.015 } else { 1000.0 * ((mel - 15.0) * log_step).exp() };
        edges.push(f64::from(hz));
        mel += step;
    }
    let mut weights = Box::new([[0.0; 257]; 96]);
    for (band, row) in weights.iter_mut().enumerate() {
        let (low, centre, high) = (edges[band], edges[band + 1], edges[band + 2]);
        for (bin, weight) in row.iter_mut().enumerate() {
            let hz = bin as f64 * 31.25;
            let triangle = ((hz - low) / (centre - low)).min((high - hz) / (high - centre)).max(0.0);
            *weight = triangle * 2.0 / (high - low);
        }
    }
    weights
}
