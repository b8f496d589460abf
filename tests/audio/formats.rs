//! Every format compared with a peer's decoder: `opusdec` (libopus) for Opus, ffmpeg for the others.

use std::path::Path;
use std::process::Command;

use sleeve::audio::{AudioInfo, AudioReader};
use sleeve_tests::audio::{difference, encode, ffmpeg_decode, music, samples_of};
use sleeve_tests::{have, output_of, recording, skip};

struct Decoded {
    info: AudioInfo,
    samples: Vec<f32>,
    warnings: Vec<String>,
}

fn decode(path: &Path) -> Decoded {
    let mut reader = AudioReader::open(path).unwrap();
    let info = reader.info().clone();
    let (mut samples, mut frames) = (Vec::new(), 0);
    loop {
        let got = reader.read(&mut samples).unwrap();
        if got == 0 {
            break;
        }
        frames += got;
        assert!(got < 1 << 17, "chunks stay small");
    }
    assert_eq!(samples.len(), frames * usize::from(info.channels));
    Decoded { info, samples, warnings: reader.warnings().to_vec() }
}

/// One format: how it is encoded, its name, the tolerance.
struct Case {
    options: &'static [&'static str],
    file: &'static str,
    name: &'static str,
    tolerance: f32,
}

const fn case(
    options: &'static [&'static str],
    file: &'static str,
    name: &'static str,
    tolerance: f32,
) -> Case {
    Case { options, file, name, tolerance }
}

const CASES: &[Case] = &[
    case(&["-c:a", "pcm_u8"], "u8.wav", "WAV", 0.0),
    case(&["-c:a", "pcm_s16le"], "s16.wav", "WAV", 0.0),
    case(&["-c:a", "pcm_s24le"], "s24.wav", "WAV", 0.0),
    case(&["-c:a", "pcm_s32le"], "s32.wav", "WAV", 0.0),
    case(&["-c:a", "pcm_f32le"], "f32.wav", "WAV", 0.0),
    case(&["-c:a", "pcm_f64le"], "f64.wav", "WAV", 0.0),
    case(&["-c:a", "pcm_s16le", "-rf64", "always"], "rf64.wav", "WAV", 0.0),
    case(&["-c:a", "pcm_alaw"], "alaw.wav", "WAV", 0.0),
    case(&["-c:a", "pcm_mulaw"], "mulaw.wav", "WAV", 0.0),
    case(&["-c:a", "adpcm_ms"], "ms.wav", "adpcm_ms in WAV", 0.0),
    case(&["-c:a", "adpcm_ima_wav"], "ima.wav", "adpcm_ima_wav in WAV", 0.0),
    case(&["-c:a", "pcm_s16be"], "s16.aiff", "AIFF", 0.0),
    case(&["-c:a", "pcm_s24be"], "s24.aiff", "AIFF", 0.0),
    case(&["-c:a", "pcm_f32be"], "f32.aiff", "AIFF", 0.0),
    case(&["-c:a", "pcm_s16be"], "s16.caf", "CAF", 0.0),
    case(&["-c:a", "alac"], "alac.caf", "ALAC in CAF", 0.0),
    case(&["-c:a", "alac"], "alac.m4a", "ALAC in MP4", 0.0),
    case(&["-c:a", "flac", "-sample_fmt", "s16"], "s16.flac", "FLAC", 0.0),
    case(&["-c:a", "flac", "-sample_fmt", "s32"], "s24.flac", "FLAC", 0.0),
    case(&["-c:a", "flac", "-compression_level", "12"], "c12.flac", "FLAC", 0.0),
    case(&["-c:a", "flac"], "flac.oga", "FLAC in Ogg", 0.0),
    case(&["-c:a", "flac"], "flac.mka", "FLAC in Matroska", 0.0),
    case(&["-c:a", "libvorbis", "-q:a", "5"], "vorbis.ogg", "Vorbis in Ogg", 2e-6),
    case(&["-c:a", "libvorbis", "-q:a", "0"], "vorbis.webm", "Vorbis in Matroska", 2e-6),
    case(&["-c:a", "libmp3lame", "-b:a", "160k"], "cbr.mp3", "MP3", 1e-5),
    case(&["-c:a", "libmp3lame", "-q:a", "2"], "vbr.mp3", "MP3", 1e-5),
    // Without a tag the length is estimated from the bit rate; the estimate must not cut anything off.
    case(&["-c:a", "libmp3lame", "-q:a", "9", "-write_xing", "0"], "untagged.mp3", "MP3", 1e-5),
    case(&["-c:a", "mp2", "-b:a", "128k"], "layer2.mp2", "MP2", 1e-4),
    case(&["-c:a", "aac", "-b:a", "160k"], "aac.m4a", "AAC in MP4", 1e-4),
    case(&["-c:a", "aac", "-b:a", "96k"], "adts.aac", "AAC", 1e-4),
    case(&["-c:a", "aac"], "aac.mka", "AAC in Matroska", 1e-4),
];

#[test]
fn every_format_is_what_ffmpeg_decodes() {
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    let folder = tempfile::tempdir().unwrap();
    for (rate, channels) in [(44_100, 2), (48_000, 1)] {
        let samples = music(rate, channels, 3.3);
        for Case { options, file, name, tolerance } in CASES {
            let path = folder.path().join(format!("{channels}-{file}"));
            encode(&samples, rate, channels, options, &path);
            let theirs = ffmpeg_decode(&path);
            // A wrong extension: the content decides, not the name.
            let lie = folder.path().join(format!("{channels}-{file}.jpg"));
            std::fs::rename(&path, &lie).unwrap();
            let Decoded { info, samples: ours, warnings } = decode(&lie);
            assert_eq!(info.format, *name, "{file}");
            assert_eq!((info.sample_rate, usize::from(info.channels)), (rate, channels), "{file}");
            assert!(warnings.is_empty(), "{file}: {warnings:?}");
            assert_eq!(ours.len(), theirs.len(), "length of {file} with {channels} channels");
            let worst = difference(&ours, &theirs);
            assert!(worst <= *tolerance, "{file} with {channels} channels: {worst}");
        }
    }
}

#[test]
fn surround_keeps_its_channels() {
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    let folder = tempfile::tempdir().unwrap();
    let samples = music(48_000, 6, 2.0);
    for (file, options) in [
        ("six.wav", ["-c:a", "pcm_s24le"].as_slice()),
        ("six.flac", &["-c:a", "flac"]),
        ("six.m4a", &["-c:a", "alac"]),
        ("six.ogg", &["-c:a", "libvorbis"]),
        ("six.webm", &["-c:a", "libvorbis"]),
    ] {
        let path = folder.path().join(file);
        encode(&samples, 48_000, 6, options, &path);
        let Decoded { info, samples: ours, .. } = decode(&path);
        let theirs = ffmpeg_decode(&path);
        assert_eq!(info.channels, 6, "{file}");
        assert_eq!(ours.len(), theirs.len(), "length of {file}");
        // Decoders differ in the order of channels. Only their mean is used, so that is compared.
        let mean = |samples: &[f32]| -> Vec<f32> {
            samples.chunks_exact(6).map(|frame| frame.iter().sum::<f32>() / 6.0).collect()
        };
        let worst = difference(&mean(&ours), &mean(&theirs));
        assert!(worst <= 1e-4, "{file}: {worst}");
    }
}

/// Unsupported formats are reported as such.
#[test]
fn surround_aac_is_declined_with_its_reason() {
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("six.m4a");
    encode(&music(48_000, 6, 1.0), 48_000, 6, &["-c:a", "aac"], &path);
    let error = AudioReader::open(&path).unwrap_err().to_string();
    assert!(
        error.contains("six.m4a") && error.contains("AAC with 6 channels, which no embedded decoder reads"),
        "{error}"
    );
}

#[test]
fn the_recordings_are_what_ffmpeg_decodes() {
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    for name in ["ground.ogg", "sky.ogg", "idle_tune.mp3"] {
        let (ours, theirs) = (decode(&recording(name)), ffmpeg_decode(&recording(name)));
        // MP3 is clipped at full scale, as Essentia's decoder does; ffmpeg's does not clip.
        let full_scale = if name.ends_with("mp3") { 1.0 } else { f32::MAX };
        let theirs: Vec<f32> = theirs.iter().map(|sample| sample.clamp(-full_scale, full_scale)).collect();
        assert_eq!(ours.samples.len(), theirs.len(), "{name}");
        assert!(difference(&ours.samples, &theirs) <= 1e-5, "{name}");
        assert!(ours.warnings.is_empty(), "{name}: {:?}", ours.warnings);
    }
}

/// The samples that libopus decodes, at 48 kHz.
fn opusdec(path: &Path, folder: &Path) -> Vec<f32> {
    let raw = folder.join("opusdec.raw");
    // Without a WAV header, and without an extension that would add one.
    output_of(
        Command::new("opusdec")
            .args(["--quiet", "--float", "--no-dither", "--rate", "48000", "--force-wav"])
            .arg(path)
            .arg(&raw),
    );
    let wav = std::fs::read(&raw).unwrap();
    let data = wav.windows(4).position(|window| window == b"data").unwrap();
    samples_of(&wav[data + 8..])
}

/// Converts from WAV's order of channels, which opusdec writes, to that of Vorbis, which Opus has.
fn in_opus_order(samples: &[f32], channels: usize) -> Vec<f32> {
    let order: &[usize] = match channels {
        1 => &[0],
        2 => &[0, 1],
        3 => &[0, 2, 1],
        6 => &[0, 2, 1, 4, 5, 3],
        8 => &[0, 2, 1, 6, 7, 4, 5, 3],
        _ => unreachable!("no test of {channels} channels"),
    };
    samples.chunks_exact(channels).flat_map(|frame| order.iter().map(|channel| frame[*channel])).collect()
}

#[test]
fn opus_is_what_libopus_decodes() {
    if !have("opusdec") || !have("opusenc") || !have("ffmpeg") {
        skip!("no ffmpeg, opusenc or opusdec");
    }
    let folder = tempfile::tempdir().unwrap();
    for (channels, seconds, options) in [
        (2, 5.0, ["--bitrate", "96"]),
        (1, 5.0, ["--bitrate", "24"]),
        (1, 5.0, ["--bitrate", "8"]),
        (2, 5.0, ["--framesize", "60"]),
        (2, 5.0, ["--framesize", "2.5"]),
        (6, 3.0, ["--bitrate", "256"]),
        (3, 3.0, ["--bitrate", "128"]),
        (8, 3.0, ["--bitrate", "300"]),
        // Within one page, where delay and padding meet.
        (2, 0.002, ["--bitrate", "96"]),
        (2, 0.1, ["--bitrate", "96"]),
        (2, 0.5, ["--framesize", "60"]),
        (2, 1.01, ["--bitrate", "96"]),
    ] {
        for rate in [48_000, 44_100] {
            let label = format!("{channels} channels, {seconds} s, {options:?}, {rate} Hz");
            let (wav, opus) = (folder.path().join("source.wav"), folder.path().join("coded.opus"));
            encode(&music(rate, channels, seconds), rate, channels, &["-c:a", "pcm_s16le"], &wav);
            output_of(Command::new("opusenc").arg("--quiet").args(options).arg(&wav).arg(&opus));
            let Decoded { info, samples, warnings } = decode(&opus);
            assert_eq!(info.format, "Opus in Ogg");
            assert_eq!((info.sample_rate, usize::from(info.channels)), (48_000, channels));
            assert!(warnings.is_empty(), "{label}: {warnings:?}");
            let theirs = in_opus_order(&opusdec(&opus, folder.path()), channels);
            assert_eq!(samples.len(), theirs.len(), "length with {label}");
            let worst = difference(&samples, &theirs);
            assert!(worst <= 1e-6, "{worst} with {label}");
        }
    }
}
