//! Recordings for training: mono at 16 kHz, and the frames of the library's mel-spectrogram, in pieces.

use std::path::Path;

use sleeve::audio::{MonoReader, Resampler};
use sleeve::extractor::Summary;
use sleeve::front_end::FrontEnd;
use sleeve::front_end::musicnn::SAMPLE_RATE;
use sleeve::internal::each_piece;

/// Whether a recording can be opened: that its format is known and its beginning is sound.
///
/// # Errors
/// The reason, without the file's name.
pub fn can_open(audio: &Path) -> Result<(), String> {
    match MonoReader::open(audio, SAMPLE_RATE, Resampler::default()) {
        Ok(_) => Ok(()),
        Err(error) => {
            let said = error.to_string();
            Err(said.strip_prefix(&format!("{}: ", audio.display())).unwrap_or(&said).to_owned())
        }
    }
}

/// Decodes a recording to its end and returns what was wrong on the way: a file that is cut or damaged gives a warning
/// and ends early.
///
/// # Errors
/// If it cannot be decoded at all.
pub fn warnings(audio: &Path) -> sleeve::Result<Vec<String>> {
    let mut reader = MonoReader::open(audio, SAMPLE_RATE, Resampler::default())?;
    let (mut samples, mut count) = (Vec::new(), 0);
    loop {
        match reader.read(&mut samples)? {
            0 => break,
            read => count += read,
        }
        samples.clear();
    }
    let mut warnings = reader.warnings().to_vec();
    if count == 0 {
        warnings.push("it contains no audio".into());
    }
    Ok(warnings)
}

/// Gives a recording's samples to `take`, in pieces, and returns how many there are. An error of the recording is the
/// inner `Err`; an error of `take` ends the reading and is the outer one.
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

/// As [`each_samples`], and also gives the frames that the samples complete: `[frames, 96]`, row by row. The last
/// frames come without samples.
///
/// # Errors
/// Those of `take`.
pub fn each_frames<E>(
    audio: &Path,
    mut take: impl FnMut(&[f32], &[f32]) -> Result<(), E>,
) -> Result<sleeve::Result<Summary>, E> {
    /// The source of the error.
    enum Ended<E> {
        Recording(sleeve::Error),
        Taking(E),
    }
    impl<E> From<sleeve::Error> for Ended<E> {
        fn from(error: sleeve::Error) -> Self {
            Ended::Recording(error)
        }
    }
    let heard = MonoReader::open(audio, SAMPLE_RATE, Resampler::default())
        .map_err(Ended::Recording)
        .and_then(|reader| {
            each_piece(reader, FrontEnd::MusiCnn, |samples, frames| {
                take(samples, frames).map_err(Ended::Taking)
            })
        });
    match heard {
        Ok(summary) => Ok(Ok(summary)),
        Err(Ended::Recording(error)) => Ok(Err(error)),
        Err(Ended::Taking(error)) => Err(error),
    }
}
