//! Every front end compared with its plain version, and all but MusiCNN, which has tests of its own, with Essentia's.

use std::process::Command;
use std::sync::LazyLock;

use sleeve::front_end::{FrontEnd, OPENL3_FRAMES, RecordingScale, Spectrogram};
use sleeve_files::npy::read_npy;
use sleeve_tests::plain_front_end::transform;
use sleeve_tests::{output_of, peer, repository, skip};

use super::signals::{self, FULL_SCALE_SWEEP, GOLDEN, Noise, plain, signals, wav};

/// Maximum difference of a value from Essentia's. TempoCNN's bands have no logarithm: there it is relative to the
/// frame's largest.
const TOLERANCE: f32 = 5e-5;

/// What differences in a frame of these values are relative to.
fn unit(front_end: FrontEnd, frame: &[f32]) -> f32 {
    match front_end {
        // Below 1e-19 the square of a magnitude is no normal number in single precision, in Essentia either.
        FrontEnd::TempoCnn => frame.iter().fold(1e-17, |most, value| value.abs().max(most)),
        _ => 1.0,
    }
}

/// Signals of a front end. OpenL3's are of two chunks at most, which are 398 frames.
fn signals_of(front_end: FrontEnd, seed: u64) -> Vec<(&'static str, Vec<f32>)> {
    let mut signals = signals(seed);
    signals.extend(GOLDEN.map(|name| (format!("golden_{name}").leak() as &str, wav(name))));
    if matches!(front_end, FrontEnd::OpenL3Mel128 | FrontEnd::OpenL3Mel256) {
        // The wider one differs in its bands alone.
        let few = ["noise", "golden_music1", FULL_SCALE_SWEEP, "impulses", "silence", "one_sample"];
        let faint = ["denormal", "negative_silence", "faint", "fading_out_of_range"];
        let wide = front_end == FrontEnd::OpenL3Mel256;
        signals.retain(|(name, _)| if wide { few.contains(name) } else { !faint.contains(name) });
        signals.iter_mut().for_each(|(name, samples)| {
            samples.truncate(if name.contains("music1") { 24_500 } else { 9000 });
        });
    }
    signals
}

fn distance(a: f32, b: f32) -> f32 {
    if a == b { 0.0 } else { (a - b).abs() }
}

#[test]
fn every_value_is_essentias_or_nearer_to_double_precision() {
    let Some(mut essentia) = peer("mel.py") else { skip!("no peers' Python") };
    let folder = tempfile::tempdir().unwrap();
    // Different noise in every run; a failure prints the seed.
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let compared = FrontEnd::ALL
        .into_iter()
        .filter(|front_end| ![FrontEnd::MusiCnn, FrontEnd::VggishOriginal].contains(front_end));
    let all: Vec<_> = compared.map(|front_end| (front_end, signals_of(front_end, seed))).collect();
    for (front_end, signals) in &all {
        signals::write(&folder.path().join(front_end.name()), signals);
    }
    output_of(essentia.arg(folder.path()));
    for (front_end, signals) in &all {
        let mut spectrogram = Spectrogram::new(*front_end);
        for (name, samples) in signals {
            let place = format!("{front_end}, {name} of seed {seed}");
            let file = folder.path().join(front_end.name()).join(name).with_extension("npy");
            let (ours, theirs) = (spectrogram.compute(samples), read_npy(file).unwrap());
            assert_eq!(ours.dim(), theirs.dim(), "{place}");
            let exact = LazyLock::new(|| plain(*front_end, samples));
            let (mut worst, mut apart) = (0.0f32, 0);
            for (frame, (ours, theirs)) in ours.rows().into_iter().zip(theirs.rows()).enumerate() {
                let unit = unit(*front_end, theirs.as_slice().unwrap());
                for (band, (&ours, &theirs)) in ours.iter().zip(theirs).enumerate() {
                    let between = distance(ours, theirs) / unit;
                    if between <= TOLERANCE {
                        worst = worst.max(between);
                        continue;
                    }
                    // Essentia transforms in single precision: beside a loud tone, its quiet bands are mostly
                    // rounding. Then ours has to be right, and nearer than Essentia's.
                    apart += 1;
                    let exact = exact[[frame, band]];
                    let (own, other) = (distance(ours, exact) / unit, distance(theirs, exact) / unit);
                    assert!(
                        own <= TOLERANCE / 2.0 && own < other,
                        "{place}: {ours}, Essentia's {theirs}, exactly {exact}"
                    );
                }
            }
            println!("{place}: largest difference {worst:.1e}, apart from {apart} values of {}", ours.len());
        }
    }
}

#[test]
fn the_plain_form_of_every_front_end() {
    for front_end in FrontEnd::ALL {
        let mut spectrogram = Spectrogram::new(front_end);
        let mut worst = 0.0f32;
        for (name, samples) in signals_of(front_end, 1) {
            let (found, exact) = (spectrogram.compute(&samples), plain(front_end, &samples));
            assert_eq!(found.dim(), exact.dim(), "{front_end}, {name}");
            for (found, exact) in found.rows().into_iter().zip(exact.rows()) {
                let unit = unit(front_end, exact.as_slice().unwrap());
                for (&found, &exact) in found.iter().zip(exact) {
                    let distance = distance(found, exact) / unit;
                    assert!(distance <= TOLERANCE / 2.0, "{front_end}, {name}: {found}, exactly {exact}");
                    worst = worst.max(distance);
                }
            }
        }
        println!("{front_end}: largest difference {worst:.1e}");
    }
}

#[test]
fn the_plain_transform_is_a_sum_for_each_bin() {
    let points: Vec<(f64, f64)> = (0..64).map(|n| (f64::from(n * n % 17) - 8.0, f64::from(n % 5))).collect();
    for (bin, &(re, im)) in transform(&points).iter().enumerate() {
        let mut sum = (0.0, 0.0);
        for (n, (a, b)) in points.iter().enumerate() {
            let (sin, cos) = (-std::f64::consts::TAU * (bin * n) as f64 / 64.0).sin_cos();
            sum = (sum.0 + a * cos - b * sin, sum.1 + a * sin + b * cos);
        }
        assert!((re - sum.0).abs() < 1e-10 && (im - sum.1).abs() < 1e-10, "bin {bin}");
    }
}

#[test]
fn silence_has_its_own_value() {
    for (front_end, expected) in [
        (FrontEnd::MusiCnn, 0.0),
        (FrontEnd::TempoCnn, 0.0),
        (FrontEnd::FsdSinet, -30.0),
        (FrontEnd::OpenL3Mel128, -100.0),
        (FrontEnd::Crepe, 0.0),
    ] {
        let frames = Spectrogram::new(front_end).compute(&[0.0; 5000]);
        assert!(frames.iter().all(|&value| value == expected), "{front_end}: {}", frames[[0, 0]]);
    }
    // The logarithm of 0.01.
    for front_end in [FrontEnd::Vggish, FrontEnd::VggishOriginal] {
        let frames = Spectrogram::new(front_end).compute(&[0.0; 5000]);
        assert!(frames.iter().all(|&value| (value - 0.01f32.ln()).abs() < 1e-6), "{front_end}");
    }
}

#[test]
fn a_tone_is_in_its_band() {
    // The position by HTK's formula: (mel - mel(125)) / step - 1, rounded.
    let mel = |hertz: f64| 1127.0 * (1.0 + hertz / 700.0).ln();
    let band = |hertz: f64| ((mel(hertz) - mel(125.0)) / ((mel(7500.0) - mel(125.0)) / 65.0) - 1.0).round();
    for front_end in [FrontEnd::Vggish, FrontEnd::VggishOriginal] {
        for hertz in [1000.0, 4000.0] {
            let phase = |at: u32| (std::f64::consts::TAU * hertz * f64::from(at) / 16_000.0).sin() as f32;
            let bands = Spectrogram::new(front_end).compute(&(0..16_000).map(phase).collect::<Vec<_>>());
            let row = bands.row(50);
            let loudest = (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
            assert_eq!(loudest as f64, band(hertz), "{front_end}, {hertz} Hz");
        }
    }
}

#[test]
fn frame_counts_beside_essentia() {
    let short: Vec<u64> = (0..=1100).collect();
    // About each length at which a chunk of OpenL3 begins or ends.
    let chunks: Vec<u64> =
        (1..10).flat_map(|half| (0..3).map(move |more| half * 24_000 + more - 1)).collect();
    let cut = [
        (FrontEnd::MusiCnn, 512, 256, 0.0, &short),
        (FrontEnd::Vggish, 400, 160, 0.0, &short),
        (FrontEnd::TempoCnn, 1024, 512, 0.0, &short),
        (FrontEnd::FsdSinet, 660, 220, 0.0, &short),
        (FrontEnd::Crepe, 1024, 160, 0.5, &short),
        (FrontEnd::OpenL3Mel128, 48_000, 48_000, 0.0, &chunks),
    ];
    let Some(mut essentia) = peer("frame_counts.py") else { skip!("no peers' Python") };
    for (_, size, hop, ratio, lengths) in cut {
        let lengths: Vec<String> = lengths.iter().map(u64::to_string).collect();
        essentia.arg(format!("{size}:{hop}:{ratio}:{}", lengths.join(",")));
    }
    let counts = String::from_utf8(output_of(&mut essentia)).unwrap();
    let mut counts = counts.lines().map(|line| line.parse::<u64>().unwrap());
    for (front_end, _, hop, _, lengths) in cut {
        for &length in lengths {
            let count = counts.next().unwrap();
            let frames = if hop == 48_000 { count * OPENL3_FRAMES as u64 } else { count };
            assert_eq!(front_end.frame_count(length), frames, "{front_end}, {length} samples");
        }
    }
    assert_eq!(counts.next(), None);
}

#[test]
fn the_middles_of_frames() {
    for (front_end, frame, seconds) in [
        (FrontEnd::MusiCnn, 10, 0.16),
        (FrontEnd::VggishOriginal, 1, 0.0225),
        (FrontEnd::Crepe, 100, 1.0),
        (FrontEnd::OpenL3Mel256, 0, -0.5),
        (FrontEnd::OpenL3Mel256, 198, -0.5 + 198.0 * 242.0 / 48_000.0),
        (FrontEnd::OpenL3Mel256, 199, 0.5),
    ] {
        assert!((front_end.seconds(frame) - seconds).abs() < 1e-12, "{front_end}, frame {frame}");
    }
}

/// What reaches FSD-SINet's network in Essentia: the recording is normalised, cut and analysed.
#[test]
fn a_recording_is_normalised_as_by_essentia() {
    let python = repository().join("target/essentia-tensorflow/bin/python");
    if !python.exists() {
        skip!("no essentia-tensorflow in target/");
    }
    let folder = tempfile::tempdir().unwrap();
    // Far from centred, and the largest magnitude on the other side of zero: whether it is taken before or after
    // centring makes a difference of 0.02.
    let mut samples: Vec<f32> = Noise(9).take(66_150, 0.5).iter().map(|value| value * value + 0.05).collect();
    samples[40_000..40_010].fill(-0.9);
    signals::write(folder.path(), &[("recording", samples.clone())]);
    let file = folder.path().join("recording.f32");
    output_of(Command::new(python).arg(repository().join("tests/peers/sinet.py")).arg(&file));
    let theirs = read_npy(file.with_extension("npy")).unwrap();

    let mut scale = RecordingScale::new();
    samples.chunks(1000).for_each(|chunk| scale.push(chunk));
    scale.apply(&mut samples);
    let frames = Spectrogram::new(FrontEnd::FsdSinet).compute(&samples);
    assert_eq!(theirs.dim(), (1 + (frames.nrows() - 101) / 50, 101 * 96));
    let mut worst = 0.0f32;
    for (index, patch) in theirs.rows().into_iter().enumerate() {
        let ours = frames.slice(ndarray::s![50 * index..50 * index + 101, ..]);
        worst = ours.iter().zip(patch).fold(worst, |worst, (&a, &b)| distance(a, b).max(worst));
    }
    println!("largest difference {worst:.1e}");
    assert!(worst <= TOLERANCE, "{worst}");
}
