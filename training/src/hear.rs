//! Recordings as training hears them: mono at 16 kHz, and the frames of the library's mel-spectrogram. The one place
//! where a recording is decoded piece by piece.

use std::path::Path;

use sleeve::audio::{MonoReader, Resampler};
use sleeve::mel::{MelStream, SAMPLE_RATE};

/// Gives a recording's samples to `take`, piece by piece, and returns how many there are. What is wrong with the
/// recording is the inner error; what `take` says is the outer one, and ends it.
///
/// # Errors
/// Those of `take`.
pub fn each_samples<E>(
    audio: &Path,
    mut take: impl FnMut(&[f32]) -> Result<(), E>,
) -> Result<sleeve::Result<u64>, E> {
    let mut reader = match MonoReader::open(audio, SAMPLE_RATE, Resampler::default()) {
        Ok(reader) => reader,
        Err(error) => return Ok(Err(error)),
    };
    let (mut count, mut samples) = (0, Vec::new());
    loop {
        samples.clear();
        match reader.read(&mut samples) {
            Ok(0) => return Ok(Ok(count)),
            Ok(read) => count += read as u64,
            Err(error) => return Ok(Err(error)),
        }
        take(&samples)?;
    }
}

/// As [`each_samples`], with the frames that the samples complete behind them: `[frames, 96]`, row by row. The last
/// frames come with no samples.
///
/// # Errors
/// Those of `take`.
pub fn each_frames<E>(
    audio: &Path,
    mut take: impl FnMut(&[f32], &[f32]) -> Result<(), E>,
) -> Result<sleeve::Result<u64>, E> {
    let (mut mel, mut frames) = (MelStream::new(), Vec::new());
    let count = each_samples(audio, |samples| {
        frames.clear();
        mel.push(samples, &mut frames);
        take(samples, &frames)
    })?;
    if count.is_ok() {
        frames.clear();
        mel.finish(&mut frames);
        take(&[], &frames)?;
    }
    Ok(count)
}
