//! Signals for comparing front ends, and how.

use std::f64::consts::TAU;
use std::path::Path;

use ndarray::Array2;
use sleeve::front_end::FrontEnd;
use sleeve_tests::data;
use sleeve_tests::plain_front_end::Plain;

/// The golden files, with Essentia's frames for MusiCNN beside them.
pub const GOLDEN: [&str; 8] =
    ["noise", "sweep", "impulses", "silence", "chords", "speech", "music1", "music2"];

/// The hardest signal: with a loud pure tone, quiet bands contain mostly the rounding of the single-precision
/// transform, and Essentia's own error against double precision is 5.02e-5 for MusiCNN. We need not match that error.
pub const FULL_SCALE_SWEEP: &str = "full_scale_sweep";

/// The samples of a golden file.
pub fn wav(name: &str) -> Vec<f32> {
    let mut reader = hound::WavReader::open(data(&format!("golden/{name}.wav"))).unwrap();
    assert_eq!((reader.spec().sample_rate, reader.spec().channels), (16_000, 1));
    reader.samples::<i16>().map(|sample| f32::from(sample.unwrap()) / 32768.0).collect()
}

/// The largest difference.
pub fn worst(a: &Array2<f32>, b: &Array2<f32>) -> f32 {
    assert_eq!(a.dim(), b.dim());
    // A NaN on either side must not pass.
    a.iter()
        .zip(b)
        .map(|(a, b)| if a == b { 0.0 } else { (a - b).abs() })
        .fold(0.0, |worst, distance| if distance <= worst { worst } else { distance })
}

/// The plain version's frames, rounded.
pub fn plain(front_end: FrontEnd, samples: &[f32]) -> Array2<f32> {
    let frames = Plain::of(front_end.name()).frames(samples);
    Array2::from_shape_fn((frames.len(), front_end.bands()), |(frame, band)| frames[frame][band] as f32)
}

/// Writes signals as raw samples, for a peer.
pub fn write(folder: &Path, signals: &[(&str, Vec<f32>)]) {
    std::fs::create_dir_all(folder).unwrap();
    for (name, samples) in signals {
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        std::fs::write(folder.join(name).with_extension("f32"), bytes).unwrap();
    }
}

/// Reproducible random numbers.
pub struct Noise(pub u64);

impl Noise {
    /// Uniform in -1..1.
    pub fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 40) as f32) / (1u64 << 23) as f32 - 1.0
    }

    /// So many, up to `scale`.
    pub fn take(&mut self, samples: usize, scale: f32) -> Vec<f32> {
        (0..samples).map(|_| scale * self.next()).collect()
    }
}

fn sweep(samples: usize, low: f64, high: f64, scale: f64) -> Vec<f32> {
    let ratio = (high / low).ln();
    let length = samples as f64 / 16000.0;
    let phase = |n: usize| TAU * low * length / ratio * ((n as f64 / samples as f64 * ratio).exp() - 1.0);
    (0..samples).map(|n| (scale * phase(n).sin()) as f32).collect()
}

/// Signals for every edge case, drawn from `seed`.
pub fn signals(seed: u64) -> Vec<(&'static str, Vec<f32>)> {
    let mut noise = Noise(seed);
    let mut impulses = vec![0.0; 6000];
    for _ in 0..40 {
        let position = (noise.next().abs() * 5999.0) as usize;
        impulses[position] = noise.next();
    }
    let square = (0..9000).map(|n| if n / 37 % 2 == 0 { 1.0 } else { -1.0 }).collect();
    let fade = noise.take(20000, 1.0);
    let fade = fade.iter().enumerate().map(|(n, value)| value * (-(n as f32) / 400.0).exp2()).collect();
    vec![
        ("noise", noise.take(16123, 0.3)),
        ("full_scale", noise.take(5000, 1.0)),
        ("beyond_full_scale", noise.take(5000, 32.0)),
        ("enormous", noise.take(3000, 1e6)),
        ("quiet", noise.take(5000, 1e-4)),
        ("faint", noise.take(3000, 1e-8)),
        ("below_hearing", noise.take(3000, 1e-20)),
        ("denormal", noise.take(3000, 1e-40)),
        ("fading_out_of_range", fade),
        ("silence", vec![0.0; 3000]),
        ("negative_silence", vec![-0.0; 3000]),
        ("constant", vec![0.7; 3000]),
        ("negative_constant", vec![-1.0; 1000]),
        ("impulses", impulses),
        ("one_sample", vec![1.0]),
        ("one_hop", noise.take(256, 0.5)),
        ("one_more_than_a_hop", noise.take(257, 0.5)),
        ("drawn_sweep", sweep(16000, 20.0 + 400.0 * f64::from(noise.next().abs()), 7000.0, 0.5)),
        (FULL_SCALE_SWEEP, sweep(48000, 20.0, 7990.0, 0.99)),
        ("quiet_sweep", sweep(16000, 50.0, 7000.0, 0.01)),
        ("highest_frequency", (0..4000).map(|n| if n % 2 == 0 { 1.0 } else { -1.0 }).collect()),
        ("square", square),
    ]
}
