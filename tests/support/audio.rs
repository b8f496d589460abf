//! Generated audio, and its decoding by peers.

use std::path::{Path, PathBuf};
use std::process::Command;

use sleeve::audio::{AudioReader, Ffmpeg};

use crate::{output_of, peer};

/// Interleaved test signals within -1..1. Each channel has a different tone, a sweep to the Nyquist frequency and
/// noise.
pub fn music(rate: u32, channels: usize, seconds: f64) -> Vec<f32> {
    let frames = (f64::from(rate) * seconds) as usize;
    let mut noise = 0x2545_f491_4f6c_dd1d_u64;
    let mut samples = Vec::with_capacity(frames * channels);
    for frame in 0..frames {
        let time = frame as f64 / f64::from(rate);
        for channel in 0..channels {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            let hiss = (noise >> 40) as f64 / f64::from(1 << 23) - 1.0;
            let tone = (std::f64::consts::TAU * (180.0 + 97.0 * channel as f64) * time).sin();
            let sweep = 0.4 * f64::from(rate) / seconds;
            let sweep = (std::f64::consts::PI * sweep * time * time + channel as f64).sin();
            samples.push((0.35 * tone + 0.25 * sweep + 0.15 * hiss) as f32);
        }
    }
    samples
}

/// Raw little-endian samples.
pub fn bytes_of(samples: &[f32]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

/// Samples from raw little-endian bytes.
pub fn samples_of(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

/// Encodes interleaved samples with ffmpeg; `options` are its output options.
pub fn encode(samples: &[f32], rate: u32, channels: usize, options: &[&str], output: &Path) {
    let raw = output.with_extension("raw");
    std::fs::write(&raw, bytes_of(samples)).expect("raw samples are written");
    let mut command = Command::new("ffmpeg");
    command.args([
        "-v",
        "error",
        "-y",
        "-f",
        "f32le",
        "-ar",
        &rate.to_string(),
        "-ac",
        &channels.to_string(),
    ]);
    command.arg("-i").arg(&raw).args(options).arg(output);
    output_of(&mut command);
    std::fs::remove_file(raw).expect("raw samples are removed");
}

/// Writes interleaved samples as a WAV file of 32-bit floats.
pub fn write_wav(path: &Path, samples: &[f32], rate: u32, channels: u16) {
    let sample_format = hound::SampleFormat::Float;
    let spec = hound::WavSpec { channels, sample_rate: rate, bits_per_sample: 32, sample_format };
    let mut writer = hound::WavWriter::create(path, spec).expect("the file can be created");
    samples.iter().for_each(|&sample| writer.write_sample(sample).expect("a sample can be written"));
    writer.finalize().expect("the header can be written");
}

/// A recording that was decoded whole.
pub struct Played {
    /// Its format, as [`sleeve::audio::AudioInfo`] has it.
    pub format: String,
    /// In Hz.
    pub rate: u32,
    /// Their number.
    pub channels: usize,
    /// Interleaved.
    pub samples: Vec<f32>,
    /// All of them.
    pub warnings: Vec<String>,
}

/// Decodes a file to its end, or returns the error as text.
pub fn play(path: &Path, ffmpeg: &Ffmpeg) -> Result<Played, String> {
    let mut reader = AudioReader::open_with(path, ffmpeg).map_err(|error| error.to_string())?;
    let mut samples = Vec::new();
    while reader.read(&mut samples).map_err(|error| error.to_string())? > 0 {}
    let info = reader.info();
    Ok(Played {
        format: info.format.clone(),
        rate: info.sample_rate,
        channels: info.channels.into(),
        samples,
        warnings: reader.warnings().to_vec(),
    })
}

/// What ffmpeg decodes, interleaved, at the file's own rate.
pub fn ffmpeg_decode(path: &Path) -> Vec<f32> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-i"]).arg(path).args(["-map", "0:a:0", "-f", "f32le", "-"]);
    samples_of(&output_of(&mut command))
}

/// Each file loaded by Essentia's `MonoLoader` at 16 kHz and quality 4; `None` without Essentia. In the list, a file
/// that it refuses is `None`.
pub fn mono_loader(paths: &[PathBuf]) -> Option<Vec<Option<Vec<f32>>>> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = peer("mono_loader.py")?;
    command.args(["convert", "16000", "4"]);
    let outputs: Vec<PathBuf> =
        (0..paths.len()).map(|index| folder.path().join(format!("{index}.f32"))).collect();
    for (path, output) in paths.iter().zip(&outputs) {
        command.arg(path).arg(output);
    }
    output_of(&mut command);
    Some(outputs.iter().map(|output| std::fs::read(output).ok().map(|bytes| samples_of(&bytes))).collect())
}

/// The largest difference over the common length; panics if it is NaN, which a maximum would ignore.
pub fn difference(a: &[f32], b: &[f32]) -> f32 {
    let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, |worst, difference| {
        assert!(!difference.is_nan(), "the difference is NaN");
        worst.max(difference)
    })
}
