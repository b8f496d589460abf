//! Our mono samples compared with those of Essentia's `MonoLoader(sampleRate=16000, resampleQuality=4)`.

use std::path::{Path, PathBuf};
use std::process::Command;

use sleeve::audio::{MonoReader, Resampler};
use sleeve_tests::audio::{bytes_of, difference, encode, ffmpeg_decode, mono_loader, music};
use sleeve_tests::{have, output_of, recording, skip};

fn ours(path: &Path) -> Vec<f32> {
    let mut reader = MonoReader::open(path, 16_000, Resampler::Linear).unwrap();
    let mut samples = Vec::new();
    while reader.read(&mut samples).unwrap() > 0 {}
    assert!(reader.warnings().is_empty(), "{}: {:?}", path.display(), reader.warnings());
    samples
}

/// Creates the files with `make`, and calls `check` for each with our samples and Essentia's.
macro_rules! beside_essentia {
    ($make:expr, $check:expr) => {{
        if !have("ffmpeg") {
            skip!("no ffmpeg");
        }
        let folder = tempfile::tempdir().unwrap();
        let files: Vec<PathBuf> = $make(folder.path());
        let Some(theirs) = mono_loader(&files) else {
            skip!("no Essentia in target/peers (cargo xtask peers)")
        };
        for (path, theirs) in files.iter().zip(theirs) {
            let theirs = theirs.unwrap_or_else(|| panic!("{}: Essentia refused it", path.display()));
            $check(path.as_path(), ours(path), theirs);
        }
    }};
}

const RATES: [u32; 9] = [8_000, 11_025, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000];

#[test]
fn wav_and_flac_are_identical() {
    let make = |folder: &Path| {
        let mut files = Vec::new();
        for rate in RATES {
            for channels in [1, 2] {
                let samples = music(rate, channels, 2.3);
                for (codec, extension) in [
                    (["-c:a", "pcm_u8"].as_slice(), "wav"),
                    (&["-c:a", "pcm_s16le"], "wav"),
                    (&["-c:a", "pcm_s24le"], "wav"),
                    (&["-c:a", "pcm_s32le"], "wav"),
                    (&["-c:a", "pcm_f32le"], "wav"),
                    (&["-c:a", "flac", "-sample_fmt", "s16"], "flac"),
                    (&["-c:a", "flac", "-sample_fmt", "s32"], "flac"),
                ] {
                    let path =
                        folder.join(format!("{rate}-{channels}-{}.{extension}", codec[codec.len() - 1]));
                    encode(&samples, rate, channels, codec, &path);
                    files.push(path);
                }
            }
        }
        files
    };
    beside_essentia!(make, |path: &Path, ours: Vec<f32>, theirs: Vec<f32>| {
        assert_eq!(ours.len(), theirs.len(), "length of {}", path.display());
        let worst = difference(&ours, &theirs);
        assert!(worst <= 1e-6, "{}: {worst}", path.display());
    });
}

/// Lengths around a whole second, to find an off-by-one error in the resampled length.
#[test]
fn every_length_is_the_same() {
    let make = |folder: &Path| {
        let samples = music(44_100, 1, 1.1);
        // `MonoLoader` turns a single sample into a zero; we keep it.
        let lengths = [2, 3, 4, 5, 440, 441, 442, 44_099, 44_100, 44_101, 44_102, 44_103];
        lengths
            .map(|length| {
                let path = folder.join(format!("{length}.wav"));
                encode(&samples[..length], 44_100, 1, &["-c:a", "pcm_s16le"], &path);
                path
            })
            .to_vec()
    };
    beside_essentia!(make, |path: &Path, ours: Vec<f32>, theirs: Vec<f32>| {
        assert_eq!(ours.len(), theirs.len(), "length of {}", path.display());
        assert!(difference(&ours, &theirs) <= 1e-6, "{}", path.display());
    });
}

/// `MonoLoader` does not trim what Vorbis encoders add at the end to fill the last block: less than one long block.
#[test]
fn vorbis_is_the_same_up_to_the_padding() {
    let make = |folder: &Path| {
        let mut files = vec![recording("ground.ogg"), recording("sky.ogg")];
        for (rate, channels) in [(44_100, 1), (44_100, 2), (48_000, 2), (22_050, 1), (32_000, 2), (8_000, 1)]
        {
            let path = folder.join(format!("{rate}-{channels}.ogg"));
            let samples = music(rate, channels, 7.7);
            encode(&samples, rate, channels, &["-c:a", "libvorbis", "-q:a", "4"], &path);
            files.push(path);
            if have("oggenc") {
                let (wav, ogg) =
                    (folder.join("source.wav"), folder.join(format!("{rate}-{channels}-oggenc.ogg")));
                encode(&samples, rate, channels, &["-c:a", "pcm_s16le"], &wav);
                output_of(Command::new("oggenc").args(["-Q", "-q", "6", "-o"]).arg(&ogg).arg(&wav));
                files.push(ogg);
            }
        }
        files
    };
    beside_essentia!(make, |path: &Path, ours: Vec<f32>, theirs: Vec<f32>| {
        let padding = theirs.len() as i64 - ours.len() as i64;
        // 2,048 samples at the lowest rate here are 4,096 at 16 kHz.
        assert!((0..4096).contains(&padding), "{}: {padding} samples more", path.display());
        let worst = difference(&ours, &theirs);
        assert!(worst <= 1e-4, "{}: {worst}", path.display());
    });
}

/// Both drop the encoder delay and padding that the LAME tag states, so no alignment is needed.
#[test]
fn mp3_is_the_same() {
    let make = |folder: &Path| {
        let mut files = vec![recording("idle_tune.mp3")];
        for (rate, channels, quality) in [
            (44_100, 2, "-b:a"),
            (44_100, 1, "-q:a"),
            (48_000, 2, "-q:a"),
            (32_000, 2, "-b:a"),
            (22_050, 1, "-b:a"),
            (16_000, 1, "-b:a"),
        ] {
            let path = folder.join(format!("{rate}-{channels}.mp3"));
            let value = if quality == "-q:a" { "3" } else { "64k" };
            let samples = music(rate, channels, 7.7);
            encode(&samples, rate, channels, &["-c:a", "libmp3lame", quality, value], &path);
            files.push(path);
        }
        files
    };
    beside_essentia!(make, |path: &Path, ours: Vec<f32>, theirs: Vec<f32>| {
        assert_eq!(ours.len(), theirs.len(), "length of {}", path.display());
        let worst = difference(&ours, &theirs);
        assert!(worst <= 1e-3, "{}: {worst}", path.display());
    });
}

/// `MonoLoader` accepts at most two channels, so the oracle is the mean of the channels decoded by ffmpeg, loaded by
/// `MonoLoader` as a mono file.
#[test]
fn more_than_two_channels_are_their_mean() {
    let make = |folder: &Path| {
        let mut files = Vec::new();
        for (channels, options, extension) in [
            (6, ["-c:a", "flac"], "flac"),
            (6, ["-c:a", "pcm_s16le"], "wav"),
            (6, ["-c:a", "pcm_f32le"], "wav"),
            (4, ["-c:a", "pcm_s24le"], "wav"),
            (3, ["-c:a", "flac"], "flac"),
            (8, ["-c:a", "flac"], "flac"),
        ] {
            let many = folder.join(format!("{channels}-{}.{extension}", options[1]));
            encode(&music(44_100, channels, 2.0), 44_100, channels, &options, &many);
            let frames = ffmpeg_decode(&many);
            let mean = |frame: &[f32]| {
                let sum: f64 = frame.iter().map(|sample| f64::from(*sample)).sum();
                (sum / channels as f64) as f32
            };
            let mean: Vec<f32> = frames.chunks_exact(channels).map(mean).collect();
            assert!(mean.len() >= 88_200, "the whole file");
            encode(&mean, 44_100, 1, &["-c:a", "pcm_f32le"], &many.with_extension("mean.wav"));
            files.push(many);
        }
        files
    };
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    let folder = tempfile::tempdir().unwrap();
    let files = make(folder.path());
    let means: Vec<PathBuf> = files.iter().map(|path| path.with_extension("mean.wav")).collect();
    let Some(theirs) = mono_loader(&means) else { skip!("no Essentia in target/peers (cargo xtask peers)") };
    for (path, theirs) in files.iter().zip(theirs) {
        let (ours, theirs) = (ours(path), theirs.unwrap());
        assert_eq!(ours.len(), theirs.len(), "length of {}", path.display());
        let worst = difference(&ours, &theirs);
        assert!(worst <= 1e-6, "{}: {worst}", path.display());
        assert!(bytes_of(&ours).iter().any(|byte| *byte != 0), "not silence");
    }
}
