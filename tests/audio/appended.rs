//! Several recordings in one file: all are played, or what is left out is said.

use std::path::{Path, PathBuf};

use sleeve::audio::{Ffmpeg, MonoReader, Resampler};
use sleeve_tests::audio::{Played, encode, ffmpeg_decode, music, play};
use sleeve_tests::{have, skip};

struct Place(tempfile::TempDir);

impl Place {
    /// A recording of this many seconds.
    fn recording(&self, name: &str, rate: u32, channels: usize, seconds: f64, options: &[&str]) -> PathBuf {
        let path = self.0.path().join(name);
        encode(&music(rate, channels, seconds), rate, channels, options, &path);
        path
    }

    /// The parts in one file, as `cat` makes it.
    fn cat(&self, parts: &[&PathBuf]) -> PathBuf {
        let extension = parts[0].extension().unwrap();
        let path = self.0.path().join("cat").with_extension(extension);
        let bytes: Vec<Vec<u8>> = parts.iter().map(|part| std::fs::read(part).unwrap()).collect();
        std::fs::write(&path, bytes.concat()).unwrap();
        path
    }
}

fn played(path: &Path) -> Played {
    play(path, &Ffmpeg::Never).unwrap_or_else(|error| panic!("{error}"))
}

/// Each file has the samples that it has alone: of FLAC, in any two formats, and of the same length.
#[test]
fn flac_and_matroska_play_one_after_the_other() {
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    let place = Place(tempfile::tempdir().unwrap());
    let flac = ["-c:a", "flac"].as_slice();
    let first = place.recording("a.flac", 44_100, 2, 2.0, flac);
    let others = [
        place.recording("b.flac", 44_100, 2, 1.3, flac),
        place.recording("c.flac", 44_100, 2, 3.0, &["-c:a", "flac", "-frame_size", "1152"]),
        place.recording("d.flac", 44_100, 2, 3.0, &["-c:a", "flac", "-sample_fmt", "s32"]),
        place.recording("e.flac", 48_000, 2, 1.0, flac),
        place.recording("f.flac", 44_100, 1, 1.0, flac),
        first.clone(),
    ];
    for other in &others {
        for parts in [[&first, other], [other, &first]] {
            let heard = played(&place.cat(&parts));
            let [one, two] = parts.map(|path| played(path));
            let expected = [one.samples, two.samples].concat();
            assert!(heard.samples == expected, "{parts:?}: {} of {}", heard.samples.len(), expected.len());
            let changes = (one.rate, one.channels) != (two.rate, two.channels);
            assert_eq!(heard.warnings.len(), usize::from(changes), "{parts:?}: {:?}", heard.warnings);
        }
    }
    let heard = played(&place.cat(&[&first, &others[0], &first]));
    assert_eq!(heard.samples.len(), 2 * 44_100 * 53 / 10);
    for (name, options) in [("a.mka", flac), ("b.webm", &["-c:a", "libopus"]), ("c.mka", &["-c:a", "aac"])] {
        let one = place.recording(name, 48_000, 1, 2.0, options);
        let heard = played(&place.cat(&[&one, &one]));
        assert_eq!(heard.samples, played(&one).samples.repeat(2), "{name}");
        assert!(heard.warnings.is_empty(), "{name}: {:?}", heard.warnings);
    }
}

/// MPEG audio and ADTS that change their rate or their channels in the middle.
#[test]
fn streams_of_frames_may_change_their_format() {
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    let place = Place(tempfile::tempdir().unwrap());
    for (extension, codec) in [("mp3", "libmp3lame"), ("aac", "aac")] {
        let make = |rate, channels| {
            let name = format!("{rate}-{channels}.{extension}");
            place.recording(&name, rate, channels, 2.0, &["-c:a", codec])
        };
        let first = make(44_100, 2);
        let alone = played(&first);
        for (rate, channels) in [(48_000, 2), (22_050, 2), (44_100, 1), (16_000, 1)] {
            let second = make(rate, channels);
            let heard = played(&place.cat(&[&first, &second]));
            let behind = played(&second);
            assert_eq!((heard.rate, heard.channels), (rate, channels), "{codec}");
            let frames = heard.samples[alone.samples.len()..].len() / channels;
            // The delay in front of the second MP3 is kept if it is read as one stream.
            assert!((0..=2257).contains(&(frames - behind.samples.len() / channels)), "{codec}: {frames}");
            assert!(heard.samples.starts_with(&alone.samples), "{codec}");
            let [only] = heard.warnings.as_slice() else { panic!("{codec}: {:?}", heard.warnings) };
            assert!(only.contains("the format changes from 2 channels at 44100 Hz"), "{only}");
            // As long as the two parts, in mono at one rate.
            let path = place.cat(&[&first, &second]);
            let mut reader = MonoReader::open(path, 16_000, Resampler::Linear).unwrap();
            let mut samples = Vec::new();
            while reader.read(&mut samples).unwrap() > 0 {}
            assert!(samples.len().abs_diff(64_000) < 3_500, "{codec}: {}", samples.len());
        }
    }
    // What cannot be decoded is said.
    let stereo = place.recording("s.aac", 44_100, 2, 2.0, &["-c:a", "aac"]);
    let surround = place.recording("t.aac", 44_100, 6, 2.0, &["-c:a", "aac"]);
    let heard = played(&place.cat(&[&stereo, &surround]));
    assert_eq!(heard.samples, played(&stereo).samples);
    assert_eq!(heard.warnings, ["what follows is left out: no embedded decoder reads AAC with 6 channels"]);
}

/// Where ffmpeg plays the first file alone, so does this library, and says it.
#[test]
fn what_is_left_out_is_said() {
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    let place = Place(tempfile::tempdir().unwrap());
    for (name, codec) in
        [("a.wav", "pcm_s16le"), ("b.aiff", "pcm_s16be"), ("c.caf", "pcm_s16le"), ("d.m4a", "aac")]
    {
        let one = place.recording(name, 44_100, 2, 2.0, &["-c:a", codec]);
        let cat = place.cat(&[&one, &one]);
        let heard = played(&cat);
        assert_eq!(heard.samples, played(&one).samples, "{name}");
        assert_eq!(heard.samples.len(), ffmpeg_decode(&cat).len(), "{name}");
        assert_eq!(heard.warnings, ["another file follows, and is left out"], "{name}");
    }
    let mp3 = place.recording("e.mp3", 44_100, 2, 2.0, &["-c:a", "libmp3lame"]);
    let speex = place.recording("f.spx", 16_000, 1, 2.0, &["-c:a", "libspeex"]);
    for (first, second, said) in [
        (place.recording("g.flac", 44_100, 2, 2.0, &["-c:a", "flac"]), &mp3, "bytes behind the last frame"),
        (place.recording("h.aac", 44_100, 2, 2.0, &["-c:a", "aac"]), &mp3, "bytes behind the last frame"),
        (place.recording("i.ogg", 44_100, 2, 2.0, &["-c:a", "libvorbis"]), &speex, "Speex in Ogg"),
    ] {
        let heard = played(&place.cat(&[&first, second]));
        assert_eq!(heard.samples, played(&first).samples, "{first:?}");
        assert!(matches!(heard.warnings.as_slice(), [only] if only.contains(said)), "{:?}", heard.warnings);
    }
}
