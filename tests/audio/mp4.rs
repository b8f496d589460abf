//! MP4 and QuickTime: byte order, edit lists, and files that were cut.

use std::process::Command;

use sleeve::audio::Ffmpeg;
use sleeve_tests::audio::{difference, encode, ffmpeg_decode, music, play};
use sleeve_tests::{have, output_of, skip};

/// PCM of all kinds keeps its byte order in QuickTime, and ALAC and MP3 their parameters and their start.
#[test]
fn quicktime_is_what_ffmpeg_decodes() {
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    let folder = tempfile::tempdir().unwrap();
    let samples = music(44_100, 2, 1.0);
    for codec in [
        "pcm_s16be",
        "pcm_s16le",
        "pcm_s24be",
        "pcm_s24le",
        "pcm_s32be",
        "pcm_s32le",
        "pcm_f32be",
        "pcm_f32le",
        "pcm_f64be",
        "pcm_f64le",
        "alac",
        "aac",
        "libmp3lame",
    ] {
        let path = folder.path().join(format!("{codec}.mov"));
        encode(&samples, 44_100, 2, &["-c:a", codec], &path);
        let played = play(&path, &Ffmpeg::Never).unwrap();
        let theirs = ffmpeg_decode(&path);
        assert_eq!(played.samples.len(), theirs.len(), "{codec}");
        let tolerance = if codec.starts_with("pcm") || codec == "alac" { 0.0 } else { 1e-4 };
        assert!(difference(&played.samples, &theirs) <= tolerance, "{codec}");
        assert!(played.warnings.is_empty(), "{codec}: {:?}", played.warnings);
    }
}

/// Every truncation of an MP4 whose index comes first plays as far as the file goes.
#[test]
fn a_truncated_mp4_plays_as_far_as_it_goes() {
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.m4a");
    encode(&music(44_100, 1, 3.0), 44_100, 1, &["-c:a", "aac", "-movflags", "+faststart"], &path);
    let whole = std::fs::read(&path).unwrap();
    let all = play(&path, &Ffmpeg::Never).unwrap();
    assert!(all.warnings.is_empty());
    let mut last = all.samples.len();
    for cut in [1, 2, 7, 100, 5000, 20_000] {
        std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
        let played = play(&path, &Ffmpeg::Never).unwrap();
        assert!(
            played.warnings.iter().any(|warning| warning.contains("truncated")),
            "{cut}: {:?}",
            played.warnings
        );
        assert_eq!(played.samples, all.samples[..played.samples.len()], "{cut}");
        assert!((1..=last).contains(&played.samples.len()), "{cut}");
        last = played.samples.len();
    }
    // A size of the audio that is a little too large, and bytes behind it.
    let mdat = whole.windows(4).position(|kind| kind == b"mdat").unwrap() - 4;
    let mut longer = whole.clone();
    let size = u32::from_be_bytes(whole[mdat..mdat + 4].try_into().unwrap());
    longer[mdat..mdat + 4].copy_from_slice(&(size + 8).to_be_bytes());
    for (what, bytes) in
        [("a longer mdat", longer), ("ID3v1", [whole.as_slice(), b"TAG", &[b' '; 125]].concat())]
    {
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(play(&path, &Ffmpeg::Never).unwrap().samples, all.samples, "{what}");
    }
}

/// What an edit list leaves out at the start may be long, and is no failure; Opus obeys it, too.
#[test]
fn long_edits_at_the_start_are_obeyed() {
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    let folder = tempfile::tempdir().unwrap();
    let (source, path) = (folder.path().join("a.mov"), folder.path().join("b.mov"));
    encode(&music(44_100, 1, 2.0), 44_100, 1, &["-c:a", "pcm_s16le"], &source);
    let mut bytes = std::fs::read(&source).unwrap();
    let edit = bytes.windows(4).position(|kind| kind == b"elst").unwrap();
    // After version, flags, count and duration.
    bytes[edit + 16..edit + 20].copy_from_slice(&30_000_u32.to_be_bytes());
    std::fs::write(&path, bytes).unwrap();
    let (all, later) = (play(&source, &Ffmpeg::Never).unwrap(), play(&path, &Ffmpeg::Never).unwrap());
    assert_eq!(later.samples, all.samples[30_000..]);
    // An edit that ends half a second after its start, in milliseconds.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[edit + 12..edit + 16].copy_from_slice(&500_u32.to_be_bytes());
    std::fs::write(&path, bytes).unwrap();
    let part = play(&path, &Ffmpeg::Never).unwrap();
    let len = ffmpeg_decode(&path).len();
    assert!((22_050..22_050 + 1024).contains(&len), "a packet is played whole: {len}");
    assert_eq!(part.samples, all.samples[30_000..30_000 + len]);
    assert!(part.warnings.is_empty(), "{:?}", part.warnings);

    let (source, path) = (folder.path().join("a.opus"), folder.path().join("b.mp4"));
    encode(&music(48_000, 1, 4.0), 48_000, 1, &["-c:a", "libopus"], &source);
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-ss", "1.3", "-i"]).arg(&source).args(["-c", "copy"]).arg(&path);
    output_of(&mut command);
    assert_eq!(play(&path, &Ffmpeg::Never).unwrap().samples.len(), ffmpeg_decode(&path).len());
}

/// An edit list that ends before the audio does: a packet that begins before that end is the last one.
#[test]
fn an_edit_ends_the_recording_as_for_ffmpeg() {
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, codec) in
        [("a.m4a", "aac"), ("b.m4a", "alac"), ("c.mov", "pcm_s16be"), ("d.mp4", "libopus"), ("e.mp4", "flac")]
    {
        let path = folder.path().join(name);
        encode(&music(48_000, 1, 4.0), 48_000, 1, &["-c:a", codec, "-strict", "-2"], &path);
        let all = play(&path, &Ffmpeg::Never).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let edit = bytes.windows(4).position(|kind| kind == b"elst").unwrap();
        for milliseconds in [4000_u32, 3999, 3990, 3970, 3950, 3900, 3000, 1234, 1] {
            bytes[edit + 12..edit + 16].copy_from_slice(&milliseconds.to_be_bytes());
            std::fs::write(&path, &bytes).unwrap();
            let played = play(&path, &Ffmpeg::Never).unwrap();
            let theirs = ffmpeg_decode(&path).len();
            assert_eq!(played.samples.len(), theirs, "{name}, {milliseconds} ms");
            assert_eq!(played.samples, all.samples[..theirs], "{name}, {milliseconds} ms");
            assert!(played.warnings.is_empty(), "{name}: {:?}", played.warnings);
        }
    }
}
