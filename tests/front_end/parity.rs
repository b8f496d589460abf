//! MusiCNN's mel-spectrogram compared with Essentia's, and with its plain version.

use ndarray::Array2;
use sleeve::front_end::musicnn::frame_count;
use sleeve::front_end::{FrontEnd, Spectrogram};
use sleeve_files::npy::read_npy;
use sleeve_tests::{data, output_of, peer, skip};

use super::signals::{self, FULL_SCALE_SWEEP, GOLDEN, Noise, signals, wav, worst};

/// Maximum difference of a band from Essentia's.
const TOLERANCE: f32 = 5e-5;

fn plain(samples: &[f32]) -> Array2<f32> {
    signals::plain(FrontEnd::MusiCnn, samples)
}

#[test]
fn golden_files() {
    let mut mel = Spectrogram::new(FrontEnd::MusiCnn);
    for name in GOLDEN {
        let samples = wav(name);
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
    let place = folder.path().join("musicnn");
    signals::write(&place, &signals);
    output_of(essentia.arg(folder.path()));
    let mut mel = Spectrogram::new(FrontEnd::MusiCnn);
    for (name, samples) in &signals {
        let ours = mel.compute(samples);
        let theirs = read_npy(place.join(name).with_extension("npy")).unwrap();
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
