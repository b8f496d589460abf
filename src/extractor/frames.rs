//! The loop that decodes a recording, resamples it and computes its mel frames.

use std::path::Path;

use super::Summary;
use crate::audio::{AudioOptions, MonoReader};
use crate::front_end::musicnn::SAMPLE_RATE;
use crate::front_end::{FrontEnd, SpectrogramStream};
use crate::{Error, Result};

/// The front end with its buffers, for one recording after another.
pub(crate) struct Frames {
    mel: SpectrogramStream,
    samples: Vec<f32>,
    frames: Vec<f32>,
}

impl Frames {
    pub(crate) fn new() -> Self {
        Frames { mel: SpectrogramStream::new(FrontEnd::MusiCnn), samples: Vec::new(), frames: Vec::new() }
    }

    /// Processes one recording and returns its number of mono samples. `read` appends the next samples and returns
    /// whether there were any; `take` receives them with the mel frames that they complete, often none. The last frames
    /// come without samples.
    pub(crate) fn run<E: From<Error>>(
        &mut self,
        mut read: impl FnMut(&mut Vec<f32>) -> Result<bool>,
        mut take: impl FnMut(&[f32], &[f32]) -> Result<(), E>,
    ) -> Result<u64, E> {
        // Discards a recording that was abandoned.
        self.mel.reset();
        let mut count = 0;
        loop {
            self.samples.clear();
            if !read(&mut self.samples)? {
                break;
            }
            count += self.samples.len() as u64;
            self.frames.clear();
            self.mel.push(&self.samples, &mut self.frames);
            take(&self.samples, &self.frames)?;
        }
        self.frames.clear();
        self.mel.finish(&mut self.frames);
        take(&[], &self.frames)?;
        Ok(count)
    }
}

/// Decodes a file and passes its mel frames to `take`, some at a time, [`BANDS`](crate::front_end::musicnn::BANDS) values per frame,
/// in memory that does not grow with the recording. `patches` of the summary is empty.
///
/// ```no_run
/// use sleeve::audio::Resampler;
/// use sleeve::extractor::each_frame;
/// use sleeve::front_end::musicnn::BANDS;
///
/// let mut frames = 0;
/// let summary = each_frame("song.mp3", Resampler::Linear, |more| {
///     frames += more.len() / BANDS;
///     Ok(())
/// })?;
/// println!("{:.1} s, {frames} frames", summary.seconds);
/// # Ok::<(), sleeve::Error>(())
/// ```
///
/// # Errors
/// As [`MonoReader::open`] and [`MonoReader::read`], and whatever `take` returns.
pub fn each_frame(
    path: impl AsRef<Path>,
    options: impl Into<AudioOptions>,
    take: impl FnMut(&[f32]) -> Result<()>,
) -> Result<Summary> {
    each_frame_of(MonoReader::open(path, SAMPLE_RATE, options)?, take)
}

/// [`each_frame`] for a recording that is already open, as mono at [`SAMPLE_RATE`] Hz.
///
/// # Errors
/// As [`MonoReader::read`], and whatever `take` returns.
pub fn each_frame_of(reader: MonoReader, mut take: impl FnMut(&[f32]) -> Result<()>) -> Result<Summary> {
    each_piece(reader, |_, frames| take(frames))
}

/// [`each_frame_of`] for those who also want the mono samples: `take` receives some of them with the frames that they
/// complete. Its error may be of another kind.
pub fn each_piece<E: From<Error>>(
    mut reader: MonoReader,
    take: impl FnMut(&[f32], &[f32]) -> Result<(), E>,
) -> Result<Summary, E> {
    let audio = reader.info().clone();
    let count = Frames::new().run(|samples| Ok(reader.read(samples)? > 0), take)?;
    Ok(Summary {
        audio,
        seconds: count as f64 / f64::from(SAMPLE_RATE),
        patches: Vec::new(),
        level: reader.levelled(),
        warnings: reader.warnings().to_vec(),
    })
}
