//! Damage in the middle of recordings: what can be read behind it is played, as by ffmpeg, and what is missing is said.

use std::path::Path;

use sleeve::audio::Ffmpeg;
use sleeve_tests::audio::{Played, difference, encode, ffmpeg_decode, music, play};
use sleeve_tests::{have, skip};

fn played(path: &Path) -> Played {
    play(path, &Ffmpeg::Never).unwrap_or_else(|error| panic!("{error}"))
}

/// What ffmpeg decodes, though it reports an error.
fn decoded_in_spite(path: &Path) -> usize {
    let mut command = std::process::Command::new("ffmpeg");
    command.args(["-v", "quiet", "-i"]).arg(path).args(["-map", "0:a:0", "-f", "f32le", "-"]);
    command.output().unwrap().stdout.len() / 4
}

/// A cluster of Matroska that is damaged costs at most itself, wherever the damage is.
#[test]
fn matroska_goes_on_at_the_next_cluster() {
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    let folder = tempfile::tempdir().unwrap();
    let source = music(48_000, 1, 16.0);
    for (name, options) in [
        ("a.mka", ["-c:a", "flac"].as_slice()),
        ("b.webm", &["-c:a", "libopus"]),
        ("c.webm", &["-c:a", "libvorbis"]),
        ("d.mkv", &["-c:a", "aac"]),
        // As to a pipe: nothing has a size.
        ("e.mkv", &["-c:a", "libopus", "-f", "matroska", "-live", "1"]),
    ] {
        let path = folder.path().join(name);
        encode(&source, 48_000, 1, options, &path);
        let bytes = std::fs::read(&path).unwrap();
        let whole = played(&path);
        assert!(whole.warnings.is_empty(), "{name}: {:?}", whole.warnings);
        let clusters: Vec<usize> =
            (0..bytes.len() - 4).filter(|at| bytes[*at..].starts_with(b"\x1f\x43\xb6\x75")).collect();
        let (second, third) = (clusters[1], clusters[2]);
        let middle = (second + third) / 2;
        let mut zeros = bytes.clone();
        zeros[middle..middle + 600].fill(0);
        let cut = [&bytes[..middle], &bytes[middle + 500..]].concat();
        let inserted = [&bytes[..middle], &[0x5a; 500], &bytes[middle..]].concat();
        let mut mark = bytes.clone();
        mark[second] ^= 0x10;
        let mut size = bytes.clone();
        size[second + 5] ^= 0x20;
        for (what, damaged) in
            [("zeros", zeros), ("cut", cut), ("inserted", inserted), ("mark", mark), ("size", size)]
        {
            std::fs::write(&path, damaged).unwrap();
            let damaged = played(&path);
            assert!(!damaged.warnings.is_empty(), "{name}, {what}");
            let lost = whole.samples.len() - damaged.samples.len();
            assert!(lost < 48_000 * 7, "{name}, {what}: {lost}");
            // The end is as it was.
            let end = |samples: &[f32]| samples[samples.len() - 96_000..].to_vec();
            assert!(difference(&end(&damaged.samples), &end(&whole.samples)) < 1e-6, "{name}, {what}");
            // ffmpeg may read a block more or less of the damaged cluster.
            let theirs = decoded_in_spite(&path);
            if matches!(what, "zeros" | "cut" | "inserted") {
                assert!(
                    theirs.abs_diff(damaged.samples.len()) <= 4608,
                    "{name}, {what}: {theirs}, {lost} lost"
                );
            }
        }
    }
}

/// FLAC has checksums, which the demuxers of Matroska and MP4 do not compare.
#[test]
fn a_wrong_bit_of_flac_is_not_played_in_any_container() {
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    let folder = tempfile::tempdir().unwrap();
    let source = music(44_100, 1, 3.0);
    for name in ["a.flac", "b.oga", "c.mka", "d.mp4"] {
        let path = folder.path().join(name);
        encode(&source, 44_100, 1, &["-c:a", "flac", "-strict", "-2"], &path);
        let mut bytes = std::fs::read(&path).unwrap();
        let whole = played(&path);
        assert!(whole.warnings.is_empty(), "{name}: {:?}", whole.warnings);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let damaged = played(&path);
        assert!(damaged.warnings.iter().any(|warning| warning.contains("skipped")), "{name}");
        let intact = damaged.samples.iter().zip(&whole.samples).take_while(|(ours, all)| ours == all).count();
        let lost = whole.samples.len() - damaged.samples.len();
        assert!(lost > 0 && damaged.samples[intact..] == whole.samples[intact + lost..], "{name}: {lost}");
    }
}

/// A page of Ogg that is damaged before the first audio costs that page, and one of comments nothing.
#[test]
fn a_damaged_page_at_the_beginning_of_ogg_costs_itself() {
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ogg");
    for codec in ["libvorbis", "libopus", "flac"] {
        let arguments =
            ["-c:a", codec, "-page_duration", "100000", "-metadata", "title=A title to be damaged"];
        encode(&music(48_000, 1, 4.0), 48_000, 1, &arguments, &path);
        let bytes = std::fs::read(&path).unwrap();
        let whole = played(&path);
        let pages: Vec<usize> = (0..bytes.len() - 4).filter(|at| bytes[*at..].starts_with(b"OggS")).collect();
        // Before the second of two links, too.
        for link in [false, true] {
            let before: &[u8] = if link { &bytes } else { &[] };
            let heard_before = if link { whole.samples.len() } else { 0 };
            for mark in [true, false] {
                let first = pages.iter().position(|at| bytes[at + 6..at + 14] != [0; 8]).unwrap();
                let mut damaged = bytes.clone();
                let at = if mark { pages[first] + 1 } else { (pages[first] + pages[first + 1]) / 2 };
                damaged[at] ^= 4;
                std::fs::write(&path, [before, &damaged].concat()).unwrap();
                let played = played(&path);
                assert!(
                    played.warnings.iter().any(|warning| warning.contains("skipped")),
                    "{codec}: {:?}",
                    played.warnings
                );
                let lost = heard_before + whole.samples.len() - played.samples.len();
                assert!((1..=48_000 / 4).contains(&lost), "{codec}: {lost} lost");
                let tail = &whole.samples[whole.samples.len() - 96_000..];
                let ours = &played.samples[played.samples.len() - 96_000..];
                assert!(difference(ours, tail) < 1e-3, "{codec}");
                if !link && codec != "libopus" {
                    let theirs = decoded_in_spite(&path);
                    assert!(theirs.abs_diff(played.samples.len()) <= 2048, "{codec}: {theirs}");
                }
            }
        }
        if codec == "libopus" {
            let title = bytes.windows(7).position(|text| text == b"A title").unwrap();
            let mut damaged = bytes.clone();
            damaged[title] ^= 2;
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(played(&path).samples, whole.samples, "comments do not matter");
        }
    }
}

/// A packet of ALAC with a wrong bit is noise at full scale: it is left out.
#[test]
fn damaged_alac_is_no_noise() {
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.m4a");
    // Quiet enough that noise stands out, and with a loud beginning in the middle that is music.
    let source: Vec<f32> = (0..44_100 * 4)
        .map(|at| {
            let time = at as f32 / 44_100.0;
            let loud = if time > 2.0 { 0.9 } else { 0.05 };
            loud * (700.0 * time).sin() * (1.0 + (4321.0 * time).sin()) / 2.0
        })
        .collect();
    encode(&source, 44_100, 1, &["-c:a", "alac"], &path);
    let bytes = std::fs::read(&path).unwrap();
    let whole = played(&path);
    assert!(whole.warnings.is_empty() && whole.samples == ffmpeg_decode(&path), "{:?}", whole.warnings);
    let start = bytes.windows(4).position(|kind| kind == b"mdat").unwrap() + 4;
    let end = start + whole_size(&bytes, start);
    let (mut skipped, mut noisy) = (0, 0);
    for trial in 1..40 {
        let mut damaged = bytes.clone();
        let at = start + (end - start) * trial / 40;
        damaged[at] ^= 1 << (trial % 8);
        std::fs::write(&path, damaged).unwrap();
        let heard = played(&path);
        if heard.samples.len() < whole.samples.len() {
            assert!(!heard.warnings.is_empty());
            skipped += 1;
        } else if difference(&heard.samples, &whole.samples) > 0.5 {
            noisy += 1;
        }
    }
    assert!(skipped >= 10 && noisy == 0, "{skipped} skipped, {noisy} played as noise");
}

/// The length of the contents of the box whose contents begin here.
fn whole_size(bytes: &[u8], start: usize) -> usize {
    u32::from_be_bytes(bytes[start - 8..start - 4].try_into().unwrap()) as usize - 8
}
