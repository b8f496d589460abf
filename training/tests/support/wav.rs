//! 16-bit mono WAV files.

use std::path::Path;

/// Writes samples, nominally within -1..1, at `rate` Hz.
pub fn write(path: &Path, rate: u32, samples: &[f32]) {
    std::fs::create_dir_all(path.parent().expect("in a folder")).expect("room");
    let length = samples.len() as u32 * 2;
    let mut bytes = Vec::with_capacity(44 + samples.len() * 2);
    bytes.extend(b"RIFF");
    bytes.extend((36 + length).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16u32.to_le_bytes());
    // PCM, one channel.
    bytes.extend([1, 0, 1, 0]);
    bytes.extend(rate.to_le_bytes());
    bytes.extend((rate * 2).to_le_bytes());
    bytes.extend([2, 0, 16, 0]);
    bytes.extend(b"data");
    bytes.extend(length.to_le_bytes());
    let integer = |sample: &f32| ((sample.clamp(-1.0, 1.0) * 32767.0).round() as i16).to_le_bytes();
    bytes.extend(samples.iter().flat_map(integer));
    std::fs::write(path, bytes).expect("room");
}
