//! Bad input: files that no player plays, damaged files that every player plays, and everything in between.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sleeve::Error;
use sleeve::audio::{AudioOptions, AudioReader, Level, MonoReader, Resampler};
use sleeve_tests::audio::{bytes_of, difference, encode, ffmpeg_decode, music};
use sleeve_tests::{data, have, recording, skip};

struct Played {
    samples: Vec<f32>,
    warnings: Vec<String>,
}

/// Reads to the end or to an error. Must not take long or return large chunks.
fn play(mut reader: AudioReader) -> Result<Played, Error> {
    let start = Instant::now();
    let mut samples = Vec::new();
    loop {
        let before = samples.len();
        if reader.read(&mut samples)? == 0 {
            assert_eq!(reader.read(&mut samples).unwrap(), 0, "more samples after the end");
            return Ok(Played { samples, warnings: reader.warnings().to_vec() });
        }
        assert!(samples.len() - before <= 1 << 20, "a chunk of {} samples", samples.len() - before);
        assert!(samples.len() < 1 << 28 && start.elapsed() < Duration::from_secs(60), "endless");
    }
}

fn play_file(path: &Path) -> Result<Played, Error> {
    play(AudioReader::open(path)?)
}

fn play_bytes(bytes: &[u8]) -> Result<Played, Error> {
    play(AudioReader::from_bytes("bytes", bytes)?)
}

/// The reason of an error, which must begin with `subject`.
#[track_caller]
fn reason(result: Result<Played, Error>, subject: &str) -> String {
    let error = result.err().expect("an error");
    let message = error.to_string();
    assert!(message.starts_with(subject), "{message:?} names {subject:?} first");
    assert!(matches!(error, Error::Audio { .. } | Error::Io { .. }), "{error:?}");
    message[subject.len()..].to_owned()
}

/// A WAV file with the given header fields and lengths.
fn wav(format: u16, channels: u16, bits: u16, data: &[u8], data_len: u32, riff_len: u32) -> Vec<u8> {
    let frame = channels * bits / 8;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend(riff_len.to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16_u32.to_le_bytes());
    bytes.extend(format.to_le_bytes());
    bytes.extend(channels.to_le_bytes());
    bytes.extend(16_000_u32.to_le_bytes());
    bytes.extend((16_000 * u32::from(frame)).to_le_bytes());
    bytes.extend(frame.to_le_bytes());
    bytes.extend(bits.to_le_bytes());
    bytes.extend(b"data");
    bytes.extend(data_len.to_le_bytes());
    bytes.extend(data);
    bytes
}

fn honest_wav(samples: &[f32], channels: u16) -> Vec<u8> {
    let data = bytes_of(samples);
    let len = data.len() as u32;
    wav(3, channels, 32, &data, len, len + 36)
}

/// One file of every format, by name.
fn every_format(folder: &Path, seconds: f64) -> Vec<PathBuf> {
    let samples = music(44_100, 2, seconds);
    [
        ("a.wav", ["-c:a", "pcm_s16le"].as_slice()),
        ("b.wav", &["-c:a", "adpcm_ms"]),
        ("c.flac", &["-c:a", "flac"]),
        ("d.mp3", &["-c:a", "libmp3lame"]),
        ("e.ogg", &["-c:a", "libvorbis"]),
        ("f.opus", &["-ar", "48000", "-c:a", "libopus"]),
        ("g.m4a", &["-c:a", "aac"]),
        ("h.m4a", &["-c:a", "alac"]),
        ("i.aiff", &["-c:a", "pcm_s16be"]),
        ("j.caf", &["-c:a", "pcm_s16le"]),
        ("k.mka", &["-c:a", "flac"]),
        ("l.aac", &["-c:a", "aac"]),
        ("m.webm", &["-c:a", "libvorbis"]),
        ("n.oga", &["-c:a", "flac"]),
        ("o.mp2", &["-c:a", "mp2", "-b:a", "128k"]),
    ]
    .map(|(name, options)| {
        let path = folder.join(name);
        encode(&samples, 44_100, 2, options, &path);
        path
    })
    .to_vec()
}

#[test]
fn what_is_no_audio_file_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let said = |path: &Path| reason(play_file(path), &path.display().to_string());

    assert!(said(&at("empty.mp3", b"")).contains("is empty"));
    assert!(said(folder.path()).contains("is a directory"));
    assert!(matches!(play_file(&folder.path().join("missing.mp3")), Err(Error::Io { .. })));
    let text = "It was a bright cold day, and the clocks were striking. ".repeat(5_000);
    assert!(said(&at("text.mp3", text.as_bytes())).contains("not in a supported audio format"));
    assert!(said(&at("one.wav", b"R")).contains("not in a supported audio format"));
    for bytes in
        [b"RIFF".as_slice(), b"RIFF\0\0\0\0WAVE", b"OggS", b"fLaC", b"ID3\x04\0\0\0\0\0\0", b"\xff\xfb"]
    {
        said(&at("magic", bytes));
    }
    #[cfg(unix)]
    assert!(reason(play_file(Path::new("/dev/zero")), "/dev/zero").contains("not a regular file"));
}

#[test]
fn pictures_and_noise_are_not_taken_for_music() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut taken = 0;
    for _ in 0..40 {
        let noise: Vec<u8> = (0..200_000)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 32) as u8
            })
            .collect();
        // Noise contains MPEG sync words; they must not give seconds of music.
        if let Ok(played) = play_bytes(&noise) {
            taken += 1;
            assert!(played.samples.len() < 2 * 44_100, "{} samples of noise", played.samples.len());
            assert!(!played.warnings.is_empty());
        }
    }
    assert!(taken <= 8, "{taken} of 40 files of noise were played");
}

#[test]
fn zero_of_anything_is_an_error() {
    for (bytes, expected) in [
        (wav(1, 2, 16, &[], 0, 36), "no audio"),
        (wav(1, 0, 16, &[0; 64], 64, 100), "zero channels"),
        (wav(1, 2, 0, &[0; 64], 64, 100), "WAV"),
        (wav(1, 2, 16, &[0; 3], 3, 39), "no audio"),
        (wav(0x55, 2, 16, &[0; 64], 64, 100), ""),
    ] {
        let said = reason(play_bytes(&bytes), "<bytes>: ");
        assert!(said.contains(expected), "{said:?} says {expected:?}");
    }
    // An invalid sample rate.
    let mut absurd = honest_wav(&[0.1; 100], 1);
    absurd[24..28].copy_from_slice(&4_u32.to_le_bytes());
    absurd[28..32].copy_from_slice(&16_u32.to_le_bytes());
    let error = MonoReader::from_bytes("slow", absurd, 16_000, Resampler::Linear).unwrap_err();
    assert!(error.to_string().contains("4 Hz"), "{error}");
}

#[test]
fn non_finite_samples_are_refused_with_their_index() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for channels in [1, 2, 6] {
            let mut samples = vec![0.25; 300_000];
            let (frame, channel) = (40_001, usize::from(channels) - 1);
            samples[frame * usize::from(channels) + channel] = bad;
            let bytes = honest_wav(&samples, channels);
            let check = |result: Result<usize, Error>| match result {
                Err(Error::NonFinite { index, value, .. }) => {
                    assert_eq!(index, frame as u64);
                    assert_eq!(value.is_nan(), bad.is_nan());
                }
                other => panic!("{other:?}"),
            };
            check(play_bytes(&bytes).map(|played| played.samples.len()));
            let mut mono = MonoReader::from_bytes("mono", bytes, 16_000, Resampler::Linear).unwrap();
            let mut out = Vec::new();
            check(loop {
                match mono.read(&mut out) {
                    Ok(0) => break Ok(0),
                    Ok(_) => {}
                    Err(error) => break Err(error),
                }
            });
        }
    }
    let filled = honest_wav(&[f32::NAN; 1000], 1);
    assert!(matches!(AudioReader::from_bytes("nan", filled), Err(Error::NonFinite { index: 0, .. })));
}

#[test]
fn wav_lengths_that_lie_are_played_to_the_end() {
    let samples: Vec<f32> = (0..5000).map(|n| (n as f32 * 0.01).sin()).collect();
    let data = bytes_of(&samples);
    let len = data.len() as u32;
    for (data_len, riff_len, warned) in [
        (len, len + 36, false),
        (len * 2, len * 2 + 36, true),
        (0x7fff_fff0, 0x7fff_ffff, true),
        (u32::MAX, u32::MAX, false),
        (0, 0, true),
        (0, u32::MAX, true),
    ] {
        let played = play_bytes(&wav(3, 1, 32, &data, data_len, riff_len)).unwrap();
        assert_eq!(played.samples, samples, "data of {data_len}");
        assert_eq!(!played.warnings.is_empty(), warned, "data of {data_len}: {:?}", played.warnings);
    }
    // Truncated within an audio frame: the whole frames are read.
    let played = play_bytes(&wav(3, 2, 32, &data[..803], len, len + 36)).unwrap();
    assert_eq!(played.samples, samples[..200]);
    assert!(!played.warnings.is_empty());
    // Chunks of odd length before and after the data are not samples.
    let mut bytes = honest_wav(&samples, 1);
    let chunk = [b"LIST".as_slice(), &5_u32.to_le_bytes(), b"abcde\0"].concat();
    bytes.splice(12..12, chunk.iter().copied());
    bytes.extend(&chunk);
    assert_eq!(play_bytes(&bytes).unwrap().samples, samples);
}

#[test]
fn cut_off_files_play_as_far_as_they_go() {
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    let folder = tempfile::tempdir().unwrap();
    for path in every_format(folder.path(), 6.0) {
        let bytes = std::fs::read(&path).unwrap();
        let name = path.display();
        let whole = play_bytes(&bytes).unwrap();
        assert!(whole.warnings.is_empty(), "{name}: {:?}", whole.warnings);
        let half = play_bytes(&bytes[..bytes.len() / 2]);
        if path.extension().is_some_and(|extension| extension == "m4a") {
            // MP4 has its index at the end, so half a file cannot be played.
            reason(half, "<bytes>: ");
            continue;
        }
        let half = half.unwrap_or_else(|error| panic!("{name}: {error}"));
        let share = half.samples.len() as f64 / whole.samples.len() as f64;
        assert!((0.2..0.8).contains(&share), "{name}: {share} of it");
        // The decoded samples are those of the whole file, except at the end: a decoder may need the packet after the
        // last.
        let safe = half.samples.len() - half.samples.len() / 10;
        assert!(difference(&half.samples[..safe], &whole.samples) < 1e-6, "{name}");
        let silent = ["mp2", "aac"].iter().any(|streams| path.ends_with(format!("l.{streams}")))
            || path.extension().is_some_and(|extension| extension == "mp2");
        assert!(silent || !half.warnings.is_empty(), "{name}: no warning that half is missing");
    }
}

#[test]
fn every_cut_and_every_flipped_byte_is_survived() {
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    let folder = tempfile::tempdir().unwrap();
    for path in every_format(folder.path(), 0.3) {
        let bytes = std::fs::read(&path).unwrap();
        // Each byte of the headers, then in steps.
        let head = 0..200.min(bytes.len());
        for cut in head.clone().chain((200..bytes.len()).step_by(bytes.len() / 40 + 1)) {
            let _ = play_bytes(&bytes[..cut]);
        }
        for at in head.chain((200..bytes.len()).step_by(bytes.len() / 60 + 1)) {
            for value in [0, 0xff, bytes[at] ^ 0x80] {
                let mut damaged = bytes.clone();
                damaged[at] = value;
                let _ = play_bytes(&damaged);
            }
        }
    }
}

#[test]
fn a_damaged_flac_frame_costs_only_itself() {
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.flac");
    encode(&music(44_100, 2, 4.0), 44_100, 2, &["-c:a", "flac"], &path);
    let mut bytes = std::fs::read(&path).unwrap();
    let whole = play_bytes(&bytes).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 200].fill(0x55);
    let damaged = play_bytes(&bytes).unwrap();
    assert!(!damaged.warnings.is_empty());
    let lost = whole.samples.len() - damaged.samples.len();
    assert!((1..=4 * 2 * 4608).contains(&lost), "{lost} samples lost");
    let tail = 2 * 44_100;
    assert_eq!(whole.samples[whole.samples.len() - tail..], damaged.samples[damaged.samples.len() - tail..]);
}

/// Pages that are lost or damaged in the middle of Ogg cost what they hold, and a warning.
#[test]
fn a_lost_ogg_page_is_a_warning() {
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    let folder = tempfile::tempdir().unwrap();
    for (codec, channels) in [("libvorbis", 2), ("libvorbis", 1), ("libopus", 2), ("flac", 2)] {
        let path = folder.path().join("a.ogg");
        // A page for every tenth of a second: muxers put a second of a quiet stream in one.
        let arguments = ["-c:a", codec, "-page_duration", "100000"];
        encode(&music(48_000, channels, 4.0), 48_000, channels, &arguments, &path);
        let bytes = std::fs::read(&path).unwrap();
        let whole = play_bytes(&bytes).unwrap();
        assert!(whole.warnings.is_empty(), "{codec}: {:?}", whole.warnings);
        let pages: Vec<usize> =
            bytes.windows(4).enumerate().filter(|(_, four)| four == b"OggS").map(|(at, _)| at).collect();
        let (lost, next) = (pages[pages.len() / 2], pages[pages.len() / 2 + 1]);
        let without = [&bytes[..lost], &bytes[next..]].concat();
        let mut flipped = bytes.clone();
        flipped[(lost + next) / 2] ^= 0x10;
        for (what, bytes) in [("a lost page", without), ("a flipped bit", flipped)] {
            let played = play_bytes(&bytes).unwrap_or_else(|error| panic!("{codec} with {what}: {error}"));
            let missing = whole.samples.len() - played.samples.len();
            assert!(missing > 0 && missing < whole.samples.len() / 4, "{codec} with {what}: {missing}");
            assert!(
                played.warnings.iter().any(|warning| warning.contains("pages")),
                "{codec} with {what}: {:?}",
                played.warnings
            );
        }
    }
}

#[test]
fn covers_and_tags_of_megabytes_are_no_obstacle() {
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    let mp3 = std::fs::read(recording("idle_tune.mp3")).unwrap();
    let audio_start = if mp3.starts_with(b"ID3") {
        10 + mp3[6..10].iter().fold(0_usize, |size, byte| size << 7 | usize::from(*byte))
    } else {
        0
    };
    let plain = play_bytes(&mp3[audio_start..]).unwrap().samples;
    for megabytes in [1, 20] {
        // ID3v2.3 with one APIC frame: a picture with many sync words.
        let mut picture = b"\0image/jpeg\0\x03\0\xff\xd8".to_vec();
        picture.extend([0xff, 0xfb, 0x90, 0x64].repeat(megabytes << 18));
        let mut frame = b"APIC".to_vec();
        frame.extend((picture.len() as u32).to_be_bytes());
        frame.extend([0, 0]);
        frame.extend(&picture);
        let size = frame.len();
        let mut bytes = b"ID3\x03\0\0".to_vec();
        bytes.extend([21, 14, 7, 0].map(|shift| (size >> shift & 0x7f) as u8));
        bytes.extend(frame);
        bytes.extend(&mp3[audio_start..]);
        let played = play_bytes(&bytes).unwrap();
        assert!(played.samples == plain, "{megabytes} MB: {} samples", played.samples.len());
    }
}

#[test]
fn chained_streams_are_played_one_after_the_other() {
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    let folder = tempfile::tempdir().unwrap();
    let link = |name: &str, rate: u32, channels: usize, options: &[&str]| {
        let path = folder.path().join(name);
        encode(&music(rate, channels, 2.0), rate, channels, options, &path);
        (std::fs::read(&path).unwrap(), ffmpeg_decode(&path))
    };
    for codec in ["libvorbis", "libopus"] {
        let (first, heard_first) = link("a.ogg", 48_000, 2, &["-c:a", codec]);
        let (second, heard_second) = link("b.ogg", 48_000, 2, &["-c:a", codec, "-b:a", "96k"]);
        let played = play_bytes(&[first, second].concat()).unwrap();
        let heard = [heard_first, heard_second].concat();
        assert_eq!(played.samples.len(), heard.len(), "{codec}");
        assert!(difference(&played.samples, &heard) < 1e-4, "{codec}");
    }
    // Another rate and number of channels: the output is still mono at one rate, with a warning.
    let (first, _) = link("c.ogg", 44_100, 2, &["-c:a", "libvorbis"]);
    let (second, _) = link("d.ogg", 22_050, 1, &["-c:a", "libvorbis"]);
    for resampler in [Resampler::Linear, Resampler::Sinc] {
        let both = [first.as_slice(), &second].concat();
        let mut reader = MonoReader::from_bytes("chain", both, 16_000, resampler).unwrap();
        let mut samples = Vec::new();
        while reader.read(&mut samples).unwrap() > 0 {}
        assert!(samples.len().abs_diff(64_000) < 10, "{} samples", samples.len());
        assert!(reader.warnings().iter().any(|warning| warning.contains("22050")), "{:?}", reader.warnings());
    }
    // Concatenated MP3 files, each with its own tag: both are played.
    let (first, heard_first) = link("e.mp3", 44_100, 2, &["-c:a", "libmp3lame"]);
    let (second, heard_second) = link("f.mp3", 44_100, 2, &["-c:a", "libmp3lame"]);
    let played = play_bytes(&[first, second].concat()).unwrap();
    let expected = heard_first.len() + heard_second.len();
    assert!(played.samples.len().abs_diff(expected) < 2 * 5_000, "{} of {expected}", played.samples.len());
}

/// Inputs with which fuzzing found a fault.
#[test]
fn findings_of_fuzzing_stay_fixed() {
    let folder = data("fuzz/decode");
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut count = 0;
    for entry in entries {
        let path = entry.unwrap().path();
        let start = Instant::now();
        for level in [Level::None, Level::Track] {
            let options = AudioOptions::new().level(level);
            let Ok(mut reader) = MonoReader::open(&path, 16_000, options) else { continue };
            let mut samples = Vec::new();
            while matches!(reader.read(&mut samples), Ok(1..)) && samples.len() < 1 << 26 {
                assert!(start.elapsed() < Duration::from_secs(60), "{}", path.display());
            }
        }
        count += 1;
    }
    println!("{count} inputs are played");
}
