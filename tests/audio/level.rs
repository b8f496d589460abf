//! Recordings brought to one loudness: the same front end whatever their level, and the loudness that ffmpeg measures.

use std::path::{Path, PathBuf};
use std::process::Command;

use sleeve::audio::{AudioOptions, AudioReader, Level, Levelled, MonoReader, Resampler};
use sleeve::extractor::{Extractor, Summary, each_frame};
use sleeve::front_end::FrontEnd;
use sleeve_tests::audio::{difference, encode, music, write_wav};
use sleeve_tests::{have, recording, skip, small_model};

fn track() -> AudioOptions {
    AudioOptions::new().level(Level::Track)
}

/// A recording's samples, with its rate and channels.
fn decoded(path: &Path) -> (Vec<f32>, u32, u16) {
    let mut reader = AudioReader::open(path).unwrap();
    let mut samples = Vec::new();
    while reader.read(&mut samples).unwrap() > 0 {}
    (samples, reader.info().sample_rate, reader.info().channels)
}

/// The mel frames of a file.
fn mel(path: &Path, options: AudioOptions) -> (Vec<f32>, Summary) {
    let mut all = Vec::new();
    let summary = each_frame(path, FrontEnd::MusiCnn, options, |frames| {
        all.extend_from_slice(frames);
        Ok(())
    })
    .unwrap();
    (all, summary)
}

fn level(path: &Path) -> Levelled {
    let mut reader = MonoReader::open(path, 16_000, track()).unwrap();
    reader.read(&mut Vec::new()).unwrap();
    reader.levelled().unwrap()
}

#[test]
fn a_quieter_copy_gives_the_same_mel_spectrogram() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["sky.ogg", "ground.ogg", "idle_tune.mp3"] {
        let (mut samples, rate, channels) = decoded(&recording(name));
        let gain = 10_f32.powf(-12.0 / 20.0);
        samples.iter_mut().for_each(|sample| *sample *= gain);
        let copy = folder.path().join("quieter.wav");
        write_wav(&copy, &samples, rate, channels);
        let (original, as_it_is) = mel(&recording(name), track());
        let (quieter, summary) = mel(&copy, track());
        assert_eq!(original.len(), quieter.len());
        let found = difference(&original, &quieter);
        assert!(found < 1e-4, "{name}: {found}");
        let (loud, quiet) = (as_it_is.level.unwrap(), summary.level.unwrap());
        assert!((loud.lufs - quiet.lufs - 12.0).abs() < 1e-3, "{name}: {loud:?} {quiet:?}");
        // At their own levels they differ, and levelling changes something.
        let plain = [recording(name), copy].map(|path| mel(&path, AudioOptions::new()));
        assert!(difference(&plain[0].0, &plain[1].0) > 0.3 && plain[0].1.level.is_none());
        assert!(difference(&plain[0].0, &original) > 0.01, "{name}");
    }
}

#[test]
fn the_same_in_mono_and_in_stereo_has_one_level() {
    let folder = tempfile::tempdir().unwrap();
    let (mono, stereo) = (folder.path().join("mono.wav"), folder.path().join("stereo.wav"));
    let samples = music(44_100, 1, 5.0);
    write_wav(&mono, &samples, 44_100, 1);
    write_wav(&stereo, &samples.iter().flat_map(|&sample| [sample; 2]).collect::<Vec<_>>(), 44_100, 2);
    let (mono, stereo) = (mel(&mono, track()).0, mel(&stereo, track()).0);
    assert!(difference(&mono, &stereo) < 1e-6);
}

/// At 192 kHz, 25 s do not fit into memory, so they are decoded twice.
#[test]
fn what_is_decoded_twice_has_the_gain_that_is_stated() {
    let read = |options| {
        let mut reader = MonoReader::open(recording("sky.ogg"), 192_000, options).unwrap();
        let mut samples = Vec::new();
        while reader.read(&mut samples).unwrap() > 0 {}
        (samples, reader.levelled())
    };
    for resampler in [Resampler::Linear, Resampler::Sinc] {
        let (plain, none) = read(resampler.into());
        let (levelled, level) = read(track().resampler(resampler));
        assert!(none.is_none() && plain.len() * 4 > 16 << 20 && plain.len() == levelled.len());
        let gain = 10_f32.powf(level.unwrap().gain_db / 20.0);
        assert!((gain - 1.0).abs() > 0.05);
        let expected: Vec<f32> = plain.iter().map(|sample| sample * gain).collect();
        assert!(difference(&levelled, &expected) < 1e-6);
    }
}

#[test]
fn what_has_no_loudness_is_analysed_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let build = |level| {
        Extractor::builder(small_model::model())
            .last_patch(sleeve::patches::LastPatch::Repeat)
            .level(level)
            .build()
            .unwrap()
    };
    let (plain, levelled) = (build(Level::None), build(Level::Track));
    let faint: Vec<f32> = music(16_000, 1, 3.0).iter().map(|sample| sample * 1e-4).collect();
    let cases = [
        (vec![0.0; 80_000], "silent, or below -70 LUFS"),
        (faint, "silent, or below -70 LUFS"),
        (music(16_000, 1, 0.39), "shorter than 0.4 s"),
    ];
    for (samples, reason) in cases {
        write_wav(&path, &samples, 16_000, 1);
        let expected = plain.extract_file(&path).unwrap();
        assert!(expected.patch_count() > 0);
        let from_file = levelled.extract_file(&path).unwrap();
        let from_memory = levelled.extract_samples(&samples, 16_000).unwrap();
        for found in [from_file, from_memory] {
            let said = found.warnings().iter().filter(|warning| warning.contains(reason)).count();
            assert!(found.level().is_none() && said == 1, "{:?}", found.warnings());
            assert_eq!(found.outputs()[0].values, expected.outputs()[0].values);
        }
    }
}

#[test]
fn what_cannot_be_measured_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.wav");
    for (rate, channels, reason) in [(16_000, 65, "65 channels"), (4_000, 1, "4000 Hz")] {
        write_wav(&path, &vec![0.1; usize::from(channels) * 8_000], rate, channels);
        let error = each_frame(&path, FrontEnd::MusiCnn, track(), |_| Ok(())).unwrap_err().to_string();
        assert!(error.contains("many.wav: ") && error.contains(reason), "{error}");
        each_frame(&path, FrontEnd::MusiCnn, Resampler::Linear, |_| Ok(())).unwrap();
    }
    // Places that nobody knows.
    write_wav(&path, &music(16_000, 20, 1.0), 16_000, 20);
    let (_, summary) = mel(&path, track());
    assert!(summary.warnings[0].contains("20 channels"), "{:?}", summary.warnings);
}

/// ffmpeg's measure, to 0.1 LUFS; it counts mono once unless it is told otherwise.
fn ffmpeg_lufs(path: &Path) -> f32 {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-nostats", "-i"]).arg(path);
    command.args(["-af", "ebur128=dualmono=true:framelog=verbose", "-f", "null", "-"]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let line = said.lines().rev().find(|line| line.trim_start().starts_with("I:")).expect("a summary");
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn loudness_is_what_ffmpeg_measures() {
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    let folder = tempfile::tempdir().unwrap();
    let mut files: Vec<PathBuf> = ["sky.ogg", "ground.ogg", "idle_tune.mp3"].map(recording).to_vec();
    // Channels of different levels, so that each place counts. Not more than 5.1: there ffmpeg weighs every channel behind
    // the listener, BS.1770-4 only those at the sides.
    let surround = |channels: usize, rate: u32| {
        let mut samples = music(rate, channels, 4.0);
        let levels = [0.3, 0.1, 0.2, 1.0, 0.6, 0.05, 0.4, 0.15];
        samples.iter_mut().enumerate().for_each(|(at, sample)| *sample *= levels[at % channels]);
        samples
    };
    let made: [(&str, usize, u32, &[&str]); 9] = [
        ("a.wav", 6, 44_100, &["-c:a", "pcm_s16le"]),
        ("b.wav", 4, 44_100, &["-c:a", "pcm_s24le", "-af", "pan=3.1|FL=c0|FR=c1|FC=c2|LFE=c3"]),
        ("c.flac", 6, 44_100, &["-c:a", "flac"]),
        ("d.flac", 5, 48_000, &["-c:a", "flac"]),
        ("e.ogg", 6, 44_100, &["-c:a", "libvorbis", "-q:a", "8"]),
        ("f.opus", 6, 48_000, &["-c:a", "libopus", "-b:a", "600k", "-mapping_family", "1"]),
        ("g.m4a", 6, 44_100, &["-c:a", "alac"]),
        ("h.flac", 4, 32_000, &["-c:a", "flac", "-channel_layout", "quad"]),
        ("i.wav", 2, 8_000, &["-c:a", "pcm_f32le"]),
    ];
    for (name, channels, rate, options) in made {
        let path = folder.path().join(name);
        encode(&surround(channels, rate), rate, channels, options, &path);
        files.push(path);
    }
    // Parts of two rates in one file.
    let links = [(48_000, 1.0), (22_050, 0.1)].map(|(rate, gain)| {
        let path = folder.path().join(format!("{rate}.ogg"));
        let samples: Vec<f32> = music(rate, 2, 4.0).iter().map(|sample| sample * gain).collect();
        encode(&samples, rate, 2, &["-c:a", "libvorbis", "-q:a", "8"], &path);
        path
    });
    for path in files.iter().chain(&links) {
        let (ours, theirs) = (level(path).lufs, ffmpeg_lufs(path));
        println!("{}: {ours:.2}, ffmpeg {theirs}", path.file_name().unwrap().display());
        // ffmpeg resamples to 48 kHz first; below it, the filters differ a little near half the rate.
        assert!((ours - theirs).abs() <= 0.1, "{}: {ours}, ffmpeg {theirs}", path.display());
    }
    let chain = folder.path().join("chain.ogg");
    std::fs::write(&chain, links.each_ref().map(|path| std::fs::read(path).unwrap()).concat()).unwrap();
    // The second part is 20 dB below the first, beyond the relative gate.
    let (chained, first) = (level(&chain).lufs, level(&links[0]).lufs);
    assert!((chained - first).abs() < 0.1, "{chained} {first}");
}
