//! A file's mel frames, as they come.

use std::path::Path;

use anyhow::Result;
use sleeve::audio::{MonoReader, Resampler};
use sleeve::mel::{MelStream, SAMPLE_RATE};

/// Gives every frame of the file to `take`, some at a time; returns seconds of audio.
pub fn each_frame(
    path: &Path,
    resampler: Resampler,
    mut take: impl FnMut(&[f32]) -> Result<()>,
) -> Result<f64> {
    let mut reader = MonoReader::open(path, SAMPLE_RATE, resampler)?;
    let mut stream = MelStream::new();
    let (mut samples, mut frames) = (Vec::new(), Vec::new());
    let mut heard = 0_u64;
    loop {
        samples.clear();
        let count = reader.read(&mut samples)?;
        if count == 0 {
            break;
        }
        heard += count as u64;
        frames.clear();
        stream.push(&samples, &mut frames);
        take(&frames)?;
    }
    frames.clear();
    stream.finish(&mut frames);
    take(&frames)?;
    for warning in reader.warnings() {
        eprintln!("warning: {}: {warning}", path.display());
    }
    Ok(heard as f64 / f64::from(SAMPLE_RATE))
}
