//! Files as people have them: decoded right, or refused in words that name what they are.
//!
//! `tests/data/audio` holds the files that once went wrong; the other tests make more of the same kinds.

use std::path::PathBuf;
use std::process::Command;

use sleeve::audio::{AudioReader, Ffmpeg};
use sleeve_tests::audio::{difference, encode, ffmpeg_decode, music, play, write_wav};
use sleeve_tests::{data, have, output_of, skip};

/// What a file must give without ffmpeg.
enum Gives {
    /// Sample frames, channels and Hz, as ffmpeg decodes them, and a part of the only warning.
    Audio(usize, usize, u32, Option<&'static str>),
    /// Parts of the reason why it is refused.
    Refusal(&'static [&'static str]),
}

/// `By ffmpeg`: it is decoded by ffmpeg if that may be used.
#[rustfmt::skip]
const FILES: &[(&str, Gives, bool)] = &[
    ("aac_51.m4a", Gives::Refusal(&["AAC with 6 channels", "ffmpeg would read it"]), true),
    ("aac_96k.m4a", Gives::Audio(384_000, 2, 96_000, None), false),
    ("aac_itunsmpb_only.m4a", Gives::Audio(177_152, 2, 44_100, None), false),
    ("aac_main.m4a", Gives::Refusal(&["AAC Main profile", "ffmpeg would read it"]), true),
    ("ac3.wav", Gives::Refusal(&["AC-3 in WAV", "ffmpeg would read it"]), true),
    ("adpcm_yamaha.wav", Gives::Refusal(&["Yamaha ADPCM in WAV"]), true),
    ("alac.mov", Gives::Audio(52_920, 2, 44_100, None), false),
    ("avi.avi", Gives::Refusal(&["is AVI"]), true),
    ("caf_opus.caf", Gives::Audio(144_960, 2, 48_000, None), false),
    ("drm.m4p", Gives::Refusal(&["protected by DRM"]), false),
    ("faac.aac", Gives::Audio(53_248, 2, 44_100, None), false),
    ("flac_comment_empty.flac", Gives::Audio(52_920, 2, 44_100, None), false),
    ("flac_id3v1_tail.flac", Gives::Audio(52_920, 2, 44_100, None), false),
    ("flac_min_block_0.flac", Gives::Audio(52_920, 2, 44_100, None), false),
    ("flac_picture_1_too_long.flac", Gives::Audio(52_920, 2, 44_100, None), false),
    ("gsm.wav", Gives::Refusal(&["GSM 6.10 in WAV"]), true),
    ("m4a_cut_by_1_byte.m4a", Gives::Audio(176_128, 2, 44_100, Some("truncated")), false),
    ("map255.opus", Gives::Audio(192_000, 6, 48_000, None), false),
    ("mp3_free_format.mp3", Gives::Refusal(&["free format"]), false),
    ("mp3_in_riff.mp3", Gives::Audio(266_112, 2, 44_100, None), false),
    ("mp3_tail_apic.mp3", Gives::Audio(264_600, 2, 44_100, None), false),
    ("noise_wavpack.wv", Gives::Refusal(&["is WavPack", "ffmpeg would read it"]), true),
    ("pcm20.wav", Gives::Audio(33_326, 2, 44_100, Some("truncated")), false),
    ("pcm24be.mov", Gives::Audio(44_100, 2, 44_100, None), false),
    ("piped.webm", Gives::Audio(192_000, 2, 48_000, None), false),
    ("speex.spx", Gives::Refusal(&["Speex in Ogg"]), true),
    ("webm_discard_padding.webm", Gives::Audio(192_000, 2, 48_000, None), false),
];

#[test]
fn every_odd_file_gives_what_it_must() {
    for (name, gives, _) in FILES {
        let played = play(&data("audio").join(name), &Ffmpeg::Never);
        match (gives, played) {
            (Gives::Audio(frames, channels, rate, warning), Ok(played)) => {
                assert_eq!(played.samples.len() / played.channels, *frames, "{name}: sample frames");
                assert_eq!((played.channels, played.rate), (*channels, *rate), "{name}");
                assert_eq!(
                    played.warnings.len(),
                    usize::from(warning.is_some()),
                    "{name}: {:?}",
                    played.warnings
                );
                assert!(
                    played.warnings.iter().all(|said| said.contains(warning.unwrap())),
                    "{:?}",
                    played.warnings
                );
            }
            (Gives::Refusal(parts), Err(error)) => {
                assert!(error.contains(name), "{error}");
                parts.iter().for_each(|part| assert!(error.contains(part), "{name}: {error}"));
            }
            (Gives::Audio(..), Err(error)) => panic!("{name} was refused: {error}"),
            (Gives::Refusal(_), Ok(_)) => panic!("{name} was played"),
        }
    }
}

#[test]
fn every_odd_file_is_what_ffmpeg_decodes() {
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    for (name, gives, by_ffmpeg) in FILES {
        let path = data("audio").join(name);
        match (gives, play(&path, &Ffmpeg::Auto)) {
            (Gives::Refusal(_), Err(_)) if !by_ffmpeg => {}
            (_, Ok(played)) => {
                assert_eq!(played.format.contains("(ffmpeg "), *by_ffmpeg, "{name}: {}", played.format);
                let mut theirs = ffmpeg_decode(&path);
                if *name == "mp3_tail_apic.mp3" {
                    // ffmpeg does not remove the padding in front of the tag.
                    theirs.truncate(played.samples.len());
                }
                assert_eq!(played.samples.len(), theirs.len(), "{name}");
                // Codecs with losses differ by the decoders' arithmetic; ffmpeg's Opus is not libopus.
                let tolerance = match name {
                    _ if *by_ffmpeg || name.contains("flac") || name.contains("pcm") => 0.0,
                    _ if name.contains("opus") || name.contains("webm") => 1e-2,
                    _ => 1e-4,
                };
                let theirs: Vec<f32> = match name.ends_with("mp3") {
                    true => theirs.iter().map(|sample| sample.clamp(-1.0, 1.0)).collect(),
                    false => theirs,
                };
                let worst = difference(&played.samples, &theirs);
                assert!(worst <= tolerance, "{name}: {worst}");
            }
            (_, Err(error)) => panic!("{name}: {error}"),
        }
    }
}

/// The core of HE-AAC has half of the sample rate, begins at the right time, and says what is missing.
#[test]
fn he_aac_is_whole_by_ffmpeg_and_half_with_a_warning() {
    for (name, frames) in [("he_aac_v1.m4a", 89_088), ("he_aac_v1.aac", 91_136)] {
        let path = data("audio").join(name);
        let core = play(&path, &Ffmpeg::Never).unwrap();
        assert_eq!((core.samples.len() / 2, core.rate), (frames, 22_050), "{name}");
        assert!(
            matches!(core.warnings.as_slice(), [only] if only.contains("11025 Hz only")),
            "{:?}",
            core.warnings
        );
        if have("ffmpeg") {
            let whole = play(&path, &Ffmpeg::Auto).unwrap();
            assert!(whole.format.starts_with("HE-AAC") && whole.warnings.is_empty(), "{:?}", whole.warnings);
            assert_eq!((whole.rate, &whole.samples), (44_100, &ffmpeg_decode(&path)), "{name}");
            assert_eq!(whole.samples.len(), 4 * frames, "{name}: twice the frames");
            // They fit each other best where they are: the lower half of the bandwidth has most of the energy.
            let (half, full) = (&core.samples, &whole.samples);
            let likeness = |shift: i64| -> f64 {
                (10_000..80_000)
                    .map(|at: i64| {
                        let theirs =
                            full[(4 * at + 2 * shift) as usize] + full[(4 * at + 2 * shift + 1) as usize];
                        f64::from(half[2 * at as usize] + half[2 * at as usize + 1]) * f64::from(theirs)
                    })
                    .sum()
            };
            let best = (-1100..1100).max_by(|a, b| likeness(*a).total_cmp(&likeness(*b))).unwrap();
            assert!(best.abs() <= 1, "{name}: the core is {best} samples early");
        }
    }
}

/// Tracks that are no music for this library hide none that is.
#[test]
fn the_default_track_is_played_and_what_is_unknown_is_passed_over() {
    let played = play(&data("audio").join("mp4_ac3_then_aac.mp4"), &Ffmpeg::Never).unwrap();
    assert_eq!((played.format.as_str(), played.rate), ("AAC in MP4", 44_100));
    assert!(played.warnings[0].contains("the first track is AC-3"), "{:?}", played.warnings);
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    let folder = tempfile::tempdir().unwrap();
    let tones: Vec<PathBuf> = [0.1, 0.5]
        .iter()
        .enumerate()
        .map(|(index, gain)| {
            let path = folder.path().join(format!("{index}.wav"));
            let samples: Vec<f32> = music(44_100, 1, 1.0).iter().map(|sample| sample * gain).collect();
            encode(&samples, 44_100, 1, &["-c:a", "pcm_s16le"], &path);
            path
        })
        .collect();
    for (file, codec) in [("two.mka", "flac"), ("two.m4a", "alac")] {
        for default in [0, 1] {
            let path = folder.path().join(file);
            let mut command = Command::new("ffmpeg");
            command.args(["-v", "error", "-y", "-i"]).arg(&tones[0]).arg("-i").arg(&tones[1]);
            command.args(["-map", "0:a", "-map", "1:a", "-c:a", codec]);
            for track in [0, 1] {
                let flag = if track == default { "default" } else { "0" };
                command.args([format!("-disposition:a:{track}"), flag.to_owned()]);
            }
            output_of(command.arg(&path));
            let expected = play(&tones[default], &Ffmpeg::Never).unwrap().samples;
            let played = play(&path, &Ffmpeg::Never).unwrap().samples;
            assert_eq!(played, expected, "{file}, default track {default}");
        }
    }
}

/// Samples that are not plain PCM play to the end of the file too, whatever its header says of the length.
#[test]
fn a_wav_of_any_codec_may_lie_about_its_length() {
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    let folder = tempfile::tempdir().unwrap();
    let samples = music(44_100, 2, 1.0);
    for codec in ["pcm_s16le", "pcm_f64le", "pcm_alaw", "pcm_mulaw", "adpcm_ms", "adpcm_ima_wav"] {
        let path = folder.path().join(format!("{codec}.wav"));
        encode(&samples, 44_100, 2, &["-c:a", codec, "-bitexact"], &path);
        let whole = std::fs::read(&path).unwrap();
        let expected = play(&path, &Ffmpeg::Never).unwrap();
        assert_eq!(expected.samples, ffmpeg_decode(&path), "{codec}");
        assert!(expected.warnings.is_empty(), "{codec}: {:?}", expected.warnings);
        let place = |id: &[u8]| whole.windows(4).position(|four| four == id);
        let data = place(b"data").unwrap() + 4;
        // As recorders leave them without power, as pipes do, and a file that was cut.
        for (size, riff, warns) in [(0, 0, true), (u32::MAX, u32::MAX, false)] {
            let mut lying = whole.clone();
            lying[4..8].copy_from_slice(&u32::to_le_bytes(riff));
            lying[data..data + 4].copy_from_slice(&u32::to_le_bytes(size));
            if let Some(fact) = place(b"fact") {
                lying[fact + 8..fact + 12].copy_from_slice(&u32::to_le_bytes(size));
            }
            std::fs::write(&path, lying).unwrap();
            let played = play(&path, &Ffmpeg::Never).unwrap_or_else(|error| panic!("{codec}: {error}"));
            assert!(played.samples == expected.samples, "{codec}: {}", played.samples.len());
            assert_eq!(!played.warnings.is_empty(), warns, "{codec}, {size}: {:?}", played.warnings);
        }
        std::fs::write(&path, &whole[..data + (whole.len() - data) / 2]).unwrap();
        let played = play(&path, &Ffmpeg::Never).unwrap_or_else(|error| panic!("{codec}: {error}"));
        let (half, slack) = (expected.samples.len() / 2, 8192);
        assert!(half.abs_diff(played.samples.len()) < slack, "{codec}: {}", played.samples.len());
        assert_eq!(played.samples, expected.samples[..played.samples.len()], "{codec}");
        assert!(played.warnings.iter().any(|warning| warning.contains("truncated")), "{codec}");
    }
}

/// Tags do not matter to decoding, whatever is wrong with them and wherever they stand.
#[test]
fn tags_around_the_audio_change_nothing() {
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    let folder = tempfile::tempdir().unwrap();
    let samples = music(44_100, 1, 1.5);
    let id3v1 = [b"TAG".as_slice(), &[b'x'; 125]].concat();
    let mut ape = b"APETAGEX\xd0\x07\0\0\x2a\0\0\0\x01\0\0\0\0\0\0\x80\0\0\0\0\0\0\0\0".to_vec();
    ape.splice(0..0, *b"APETAGEX\xd0\x07\0\0\x2a\0\0\0\x01\0\0\0\0\0\0\xa0\0\0\0\0\0\0\0\0ten bytes.");
    // A picture full of what looks like the start of a frame, in a tag with the right length and with a wrong one.
    let picture = b"\xff\xfb\x90\x44\xff\xf8\xc9\x18\x00fLaC\xff\xf1\x50\x80".repeat(4000);
    let size = picture.len() as u32;
    let syncsafe =
        [(size >> 21) as u8 & 127, (size >> 14) as u8 & 127, (size >> 7) as u8 & 127, size as u8 & 127];
    let id3v2 = [b"ID3\x03\0\0".as_slice(), &syncsafe, &picture].concat();
    let wrong = [b"ID3\x03\0\0".as_slice(), &(size | 0x80).to_be_bytes(), &picture].concat();
    for (file, codec) in [("a.flac", "flac"), ("a.mp3", "libmp3lame"), ("a.aac", "aac")] {
        let path = folder.path().join(file);
        encode(&samples, 44_100, 1, &["-c:a", codec], &path);
        let plain = std::fs::read(&path).unwrap();
        let expected = play(&path, &Ffmpeg::Never).unwrap();
        assert!(expected.warnings.is_empty());
        let parts: [(&str, Vec<&[u8]>); 7] = [
            ("ID3v1", vec![&plain, &id3v1]),
            ("APE and ID3v1", vec![&plain, &ape, &id3v1]),
            ("ID3v2 at both ends", vec![&id3v2, &plain, &id3v2]),
            ("padding", vec![b"ID3\x04\0\0\0\0\0\x02ok", &[0; 3000], &plain]),
            ("a stray byte", vec![&plain, b"\n"]),
            ("zeros", vec![&plain, &[0; 5000]]),
            ("ID3v2 of a wrong size", vec![&wrong, &plain]),
        ];
        for (what, parts) in parts {
            // Only MPEG audio and ADTS are searched; a container begins where tags end.
            if what.contains("wrong") && file == "a.flac" {
                continue;
            }
            std::fs::write(&path, parts.concat()).unwrap();
            let played = play(&path, &Ffmpeg::Never).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(played.samples, expected.samples, "{file} with {what}");
        }
    }
}

/// A WAV header inside of another format is not a recording.
#[test]
fn what_holds_a_wav_header_is_not_played_as_pcm() {
    let folder = tempfile::tempdir().unwrap();
    let wav = [
        b"RIFF\x24\x10\0\0WAVEfmt \x10\0\0\0\x01\0\x02\0\x44\xac\0\0\x10\xb1\x02\0\x04\0\x10\0data\0\x10\0\0"
            .as_slice(),
        &b"compressed bytes".repeat(256),
    ]
    .concat();
    for (name, start, expected) in [
        ("a.ape", b"MAC \x96\x0f\0\0\x34\0\0\0\x18\0\0\0".as_slice(), "Monkey's Audio"),
        ("a.wv", b"wvpk\x20\0\0\0\x10\x04\0\0", "WavPack"),
        ("a.tak", b"tBaK\x01\0\0\0", "TAK"),
        ("a.ofr", b"OFR \x0c\0\0\0", "OptimFROG"),
        ("a.shn", b"ajkg\x02", "Shorten"),
        ("a.xyz", b"????", "not in a supported audio format"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, [start, &wav].concat()).unwrap();
        let error = play(&path, &Ffmpeg::Never).err().unwrap_or_else(|| panic!("{name} was played"));
        assert!(error.contains(expected), "{error}");
    }
}

/// DTS and AC-3 that say they are PCM are compressed audio for a receiver, not noise to be analysed.
#[test]
fn compressed_audio_in_wav_is_not_played_as_pcm() {
    let folder = tempfile::tempdir().unwrap();
    for mark in
        [b"\xfe\x7f\x01\x80".as_slice(), b"\x7f\xfe\x80\x01", b"\xff\x1f\x00\xe8", b"\x72\xf8\x1f\x4e"]
    {
        let mut frame = mark.to_vec();
        frame.extend((0..2044).map(|index| (index * 37 % 251) as u8));
        let data = frame.repeat(8);
        let mut wav =
            b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x02\0\x44\xac\0\0\x10\xb1\x02\0\x04\0\x10\0data".to_vec();
        wav.extend((data.len() as u32).to_le_bytes());
        wav.extend(data);
        let len = wav.len() as u32 - 8;
        wav[4..8].copy_from_slice(&len.to_le_bytes());
        let path = folder.path().join("disguised.wav");
        std::fs::write(&path, wav).unwrap();
        let error = play(&path, &Ffmpeg::Never).err().expect("it is not played");
        assert!(error.contains("in WAV, which no embedded decoder reads"), "{error}");
    }
}

/// Layer II at all its rates, in all containers, and with bit rates that the standard excludes.
#[test]
fn layer_two_is_decoded_wherever_it_is() {
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    let folder = tempfile::tempdir().unwrap();
    for (rate, channels, bits) in
        [(16_000, 1, "64k"), (22_050, 2, "96k"), (24_000, 2, "64k"), (32_000, 2, "128k"), (48_000, 1, "96k")]
    {
        for name in ["a.mp2", "b.mp4", "c.mov", "d.mkv", "e.wav"] {
            let path = folder.path().join(name);
            encode(&music(rate, channels, 1.5), rate, channels, &["-c:a", "mp2", "-b:a", bits], &path);
            let played = play(&path, &Ffmpeg::Never).unwrap_or_else(|error| panic!("{rate}: {error}"));
            let theirs = ffmpeg_decode(&path);
            assert_eq!((played.rate, played.channels), (rate, channels), "{name}");
            assert_eq!(played.samples.len(), theirs.len(), "{name} at {rate} Hz");
            assert!(difference(&played.samples, &theirs) < 1e-4, "{name} at {rate} Hz");
            assert!(played.format.starts_with("MP2"), "{}", played.format);
        }
    }
    let path = folder.path().join("f.mp2");
    encode(&music(48_000, 1, 1.5), 48_000, 1, &["-c:a", "mp2", "-b:a", "384k"], &path);
    let error = play(&path, &Ffmpeg::Never).err().unwrap();
    assert!(error.contains("MP2 with a bit rate that its standard excludes"), "{error}");
    assert_eq!(play(&path, &Ffmpeg::Auto).unwrap().samples, ffmpeg_decode(&path));
}

/// What is lost in the middle of a recording, or at its end, is said.
#[test]
fn lost_audio_is_said() {
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mp3");
    encode(&music(44_100, 1, 8.0), 44_100, 1, &["-c:a", "libmp3lame", "-write_xing", "0"], &path);
    let mut bytes = std::fs::read(&path).unwrap();
    let whole = play(&path, &Ffmpeg::Never).unwrap();
    assert!(whole.warnings.is_empty());
    let middle = bytes.len() / 2;
    bytes[middle..middle + 16_000].fill(0);
    std::fs::write(&path, bytes).unwrap();
    let damaged = play(&path, &Ffmpeg::Never).unwrap();
    // What follows some frames after the damage is as it was.
    let tail = |samples: &[f32]| samples[samples.len() - 44_100..].to_vec();
    assert_eq!(tail(&damaged.samples), tail(&whole.samples));
    let warnings = damaged.warnings;
    assert!(
        warnings.iter().any(|warning| warning.contains("bytes between frames are not audio")),
        "{warnings:?}"
    );

    let path = folder.path().join("a.m4a");
    encode(&music(44_100, 2, 8.0), 44_100, 2, &["-c:a", "aac", "-movflags", "+faststart"], &path);
    let mut bytes = std::fs::read(&path).unwrap();
    let whole = play(&path, &Ffmpeg::Never).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0);
    std::fs::write(&path, bytes).unwrap();
    let damaged = play(&path, &Ffmpeg::Never).unwrap();
    assert!(
        damaged.samples.len() > whole.samples.len() * 9 / 10,
        "{} of {}",
        damaged.samples.len(),
        whole.samples.len()
    );
    assert_eq!(tail(&damaged.samples), tail(&whole.samples));
    assert!(!damaged.warnings.is_empty());

    let path = folder.path().join("a.au");
    encode(&music(44_100, 1, 8.0), 44_100, 1, &["-c:a", "pcm_s16be"], &path);
    let bytes = std::fs::read(&path).unwrap();
    assert!(play(&path, &Ffmpeg::Auto).unwrap().warnings.is_empty());
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let warnings = play(&path, &Ffmpeg::Auto).unwrap().warnings;
    assert!(warnings.iter().any(|warning| warning.contains("truncated: 8.0 s are stated")), "{warnings:?}");
}

/// Samples that the mel-spectrogram cannot stand are refused; strange levels are said.
#[test]
fn levels_that_are_wrong_are_refused_or_said() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, samples: &[f32]| {
        let path = folder.path().join(name);
        write_wav(&path, samples, 16_000, 1);
        path
    };
    let tone: Vec<f32> = music(16_000, 1, 1.0);
    let scaled = |gain: f32| tone.iter().map(|sample| sample * gain).collect::<Vec<_>>();
    let error = play(&write("huge.wav", &scaled(3e34)), &Ffmpeg::Never).err().unwrap();
    assert!(error.contains("huge.wav: sample ") && error.contains("no sample larger than 1e15"), "{error}");
    let warnings =
        |name: &str, samples: &[f32]| play(&write(name, samples), &Ffmpeg::Never).unwrap().warnings;
    assert!(warnings("integers.wav", &scaled(32_768.0))[0].contains("times full scale: were integers"));
    let clipped: Vec<f32> = scaled(4.0).iter().map(|sample| sample.clamp(-1.0, 1.0)).collect();
    assert!(warnings("clipped.wav", &clipped)[0].contains("clipped: "));
    assert!(warnings("silent.wav", &[0.0; 16_000])[0].contains("silent"));
    assert!(warnings("usual.wav", &tone).is_empty());
    // The largest sample that is accepted gives a finite mel-spectrogram.
    let loud = write("loud.wav", &tone.iter().map(|sample| sample * 1e15).collect::<Vec<_>>());
    let summary = sleeve::extractor::each_frame(
        &loud,
        sleeve::front_end::FrontEnd::MusiCnn,
        sleeve::audio::Resampler::Linear,
        |frames| {
            assert!(frames.iter().all(|value| value.is_finite()));
            Ok(())
        },
    );
    assert_eq!(summary.unwrap().warnings.len(), 1);
}

/// A WAV of more than 4 GiB, whose length wrapped, is played to its end.
#[cfg(target_os = "linux")]
#[test]
fn a_wav_of_more_than_four_gibibytes_is_played_to_its_end() {
    use std::io::{Seek, SeekFrom, Write};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.wav");
    // A file with a hole: 4 GiB of silence take no space on the disk.
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(
        b"RIFF\x24\x10\0\0WAVEfmt \x10\0\0\0\x01\0\x02\0\0\xee\x02\0\0\xb8\x0b\0\x04\0\x10\0data\0\x10\0\0",
    )
    .unwrap();
    file.seek(SeekFrom::Current((1 << 32) + 4096 - 4)).unwrap();
    file.write_all(&[0xff, 0x7f, 0xff, 0x7f]).unwrap();
    drop(file);
    let mut reader = AudioReader::open(&path).unwrap();
    assert_eq!(reader.info().frames, Some((1 << 30) + 1024));
    let (mut samples, mut frames, mut last) = (Vec::new(), 0, 0.0);
    while frames < 100_000 && reader.read(&mut samples).unwrap() > 0 {
        frames += samples.len() / 2;
        last = samples[samples.len() - 1];
        samples.clear();
    }
    assert_eq!(last, 0.0);
    assert!(reader.warnings()[0].contains("decoded to its end"), "{:?}", reader.warnings());
}

/// What a peer writes into a pipe is decoded as what it writes into a file.
#[test]
fn lengths_that_are_not_stated_are_no_damage() {
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("a.wav");
    encode(&music(48_000, 1, 2.0), 48_000, 1, &["-c:a", "pcm_s16le"], &source);
    for (format, options) in [
        ("webm", ["-c:a", "libopus"].as_slice()),
        ("matroska", &["-c:a", "flac"]),
        ("ogg", &["-c:a", "libvorbis"]),
        ("flac", &["-c:a", "flac"]),
        ("mp3", &["-c:a", "libmp3lame"]),
        ("wav", &["-c:a", "pcm_s24le"]),
        ("wav", &["-c:a", "pcm_mulaw"]),
        ("wav", &["-c:a", "adpcm_ms"]),
        ("caf", &["-c:a", "pcm_s16le"]),
        ("mp4", &["-c:a", "aac", "-movflags", "frag_keyframe+empty_moov"]),
    ] {
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-i"]).arg(&source).args(options).args(["-f", format, "pipe:1"]);
        let path = folder.path().join(format!("piped.{format}"));
        std::fs::write(&path, output_of(&mut command)).unwrap();
        let played = play(&path, &Ffmpeg::Never).unwrap();
        assert!(played.warnings.is_empty(), "{format}: {:?}", played.warnings);
        assert_eq!(played.samples.len(), ffmpeg_decode(&path).len(), "{format}");
    }
}

/// MP3 is found behind megabytes of anything, and said to be.
#[test]
fn mp3_is_found_behind_junk() {
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mp3");
    encode(&music(44_100, 1, 2.0), 44_100, 1, &["-c:a", "libmp3lame"], &path);
    let plain = std::fs::read(&path).unwrap();
    let expected = play(&path, &Ffmpeg::Never).unwrap().samples;
    for junk in [
        vec![0; 3 << 20],
        (0..3_u32 << 20).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect(),
    ] {
        std::fs::write(&path, [junk, plain.clone()].concat()).unwrap();
        let played = play(&path, &Ffmpeg::Never).unwrap();
        assert_eq!(played.samples, expected);
        assert!(played.warnings[0].contains("bytes are not audio"), "{:?}", played.warnings);
    }
}
