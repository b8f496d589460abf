//! The mel-spectrogram compared with Essentia's, and with its plain version.

use std::f64::consts::TAU;
use std::path::Path;

use ndarray::Array2;
use sleeve::front_end::musicnn::{BANDS, frame_count};
use sleeve::front_end::{FrontEnd, Spectrogram};
use sleeve_files::npy::read_npy;
use sleeve_tests::{data, output_of, peer, plain_mel, skip};

/// Maximum difference of a band from Essentia's.
const TOLERANCE: f32 = 5e-5;

/// The hardest signal: with a loud pure tone, quiet bands contain mostly the rounding of the single-precision
/// transform, and Essentia's own error against double precision is 5.02e-5 here. We need not match that error.
const FULL_SCALE_SWEEP: &str = "full_scale_sweep";

fn wav(path: &Path) -> Vec<f32> {
    let mut reader = hound::WavReader::open(path).unwrap();
    assert_eq!((reader.spec().sample_rate, reader.spec().channels), (16_000, 1));
    reader.samples::<i16>().map(|sample| f32::from(sample.unwrap()) / 32768.0).collect()
}

fn worst(a: &Array2<f32>, b: &Array2<f32>) -> f32 {
    assert_eq!(a.dim(), b.dim());
    // A NaN on either side must not pass.
    a.iter()
        .zip(b)
        .map(|(a, b)| if a == b { 0.0 } else { (a - b).abs() })
        .fold(0.0, |worst, distance| if distance <= worst { worst } else { distance })
}

fn plain(samples: &[f32]) -> Array2<f32> {
    let frames = plain_mel::mel_spectrogram(samples);
    Array2::from_shape_fn((frames.len(), BANDS), |(frame, band)| frames[frame][band] as f32)
}

/// Reproducible random numbers.
struct Noise(u64);

impl Noise {
    /// Uniform in -1..1.
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 40) as f32) / (1u64 << 23) as f32 - 1.0
    }

    fn take(&mut self, samples: usize, scale: f32) -> Vec<f32> {
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
fn signals(seed: u64) -> Vec<(&'static str, Vec<f32>)> {
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

#[test]
fn golden_files() {
    let names = ["noise", "sweep", "impulses", "silence", "chords", "speech", "music1", "music2"];
    let mut mel = Spectrogram::new(FrontEnd::MusiCnn);
    for name in names {
        let samples = wav(&data(&format!("golden/{name}.wav")));
        let golden = read_npy(data(&format!("golden/{name}.mel.npy"))).unwrap();
        let distance = worst(&mel.compute(&samples), &golden);
        println!("{name}: {} frames, largest difference {distance:.1e}", golden.nrows());
        assert!(distance <= TOLERANCE, "{name}: {distance}");
    }
}

#[test]
fn freshly_drawn_signals_beside_essentia() {
    let Some(mut essentia) = peer("mel.py") else { skip!("no peers' Python") };
    let folder = tempfile::tempdir().unwrap();
    // Different noise in every run; a failure prints the seed.
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let signals = signals(seed);
    for (name, samples) in &signals {
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        std::fs::write(folder.path().join(name).with_extension("f32"), bytes).unwrap();
    }
    output_of(essentia.arg(folder.path()));
    let mut mel = Spectrogram::new(FrontEnd::MusiCnn);
    for (name, samples) in &signals {
        let ours = mel.compute(samples);
        let theirs = read_npy(folder.path().join(name).with_extension("npy")).unwrap();
        let rounding = worst(&theirs, &plain(samples));
        let distance = worst(&ours, &theirs);
        println!(
            "{name}: largest difference {distance:.2e}, Essentia's from double precision {rounding:.2e}"
        );
        let allowed = if *name == FULL_SCALE_SWEEP { TOLERANCE.max(1.2 * rounding) } else { TOLERANCE };
        assert!(distance <= allowed, "{name} of seed {seed}: {distance}");
    }
}

#[test]
fn the_plain_form() {
    let mut mel = Spectrogram::new(FrontEnd::MusiCnn);
    for (name, samples) in signals(1) {
        let distance = worst(&mel.compute(&samples), &plain(&samples));
        println!("{name}: largest difference {distance:.1e}");
        assert!(distance <= TOLERANCE / 2.0, "{name}: {distance}");
    }
}

#[test]
fn silence_is_exactly_zero() {
    let mut mel = Spectrogram::new(FrontEnd::MusiCnn);
    for silence in [0.0f32, -0.0, 1e-40, 1e-12] {
        let frames = mel.compute(&[silence; 5000]);
        assert!(frames.iter().all(|&value| value == 0.0 && value.is_sign_positive()), "{silence:e}");
    }
}

#[test]
fn frame_counts_beside_essentia() {
    let Some(mut essentia) = peer("frame_counts.py") else { skip!("no peers' Python") };
    let counts = String::from_utf8(output_of(essentia.arg("2000"))).unwrap();
    let counts: Vec<u64> = counts.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(counts.len(), 2001);
    for (length, &count) in counts.iter().enumerate() {
        assert_eq!(frame_count(length as u64), count, "{length} samples");
    }
}

#[test]
fn frame_counts_are_those_of_the_frames() {
    let mut mel = Spectrogram::new(FrontEnd::MusiCnn);
    let samples = Noise(3).take(2000, 0.5);
    for length in 0..=2000 {
        let frames = mel.compute(&samples[..length]);
        assert_eq!(frames.nrows() as u64, frame_count(length as u64), "{length} samples");
        let expected = if length == 0 { 0 } else { 1 + length.div_ceil(256) };
        assert_eq!(frames.nrows(), expected, "{length} samples");
    }
}
