//! A recording to mel frames: the one loop that decodes, resamples and runs the front end.

use std::path::Path;

use super::Summary;
use crate::Result;
use crate::audio::{MonoReader, Resampler};
use crate::mel::{MelStream, SAMPLE_RATE};

/// The front end with its buffers, for one recording after another.
pub(crate) struct Frames {
    mel: MelStream,
    samples: Vec<f32>,
    frames: Vec<f32>,
}

impl Frames {
    pub(crate) fn new() -> Self {
        Frames { mel: MelStream::new(), samples: Vec::new(), frames: Vec::new() }
    }

    /// Takes one recording from its first sample to its last frame, and returns how many mono samples it has. `read`
    /// appends the next samples and says whether there were any; `take` has the frames that they complete (none, often)
    /// and the number of samples so far.
    pub(crate) fn run(
        &mut self,
        mut read: impl FnMut(&mut Vec<f32>) -> Result<bool>,
        mut take: impl FnMut(&[f32], u64) -> Result<()>,
    ) -> Result<u64> {
        // A recording that was left in the middle is forgotten.
        self.mel.reset();
        let mut heard = 0;
        loop {
            self.samples.clear();
            if !read(&mut self.samples)? {
                break;
            }
            heard += self.samples.len() as u64;
            self.frames.clear();
            self.mel.push(&self.samples, &mut self.frames);
            take(&self.frames, heard)?;
        }
        self.frames.clear();
        self.mel.finish(&mut self.frames);
        take(&self.frames, heard)?;
        Ok(heard)
    }
}

/// Decodes a file and gives its mel frames to `take`, some at a time, [`BANDS`](crate::mel::BANDS) values each: in memory
/// that does not grow with the recording. `patches` of the summary is empty.
///
/// ```no_run
/// use sleeve::audio::Resampler;
/// use sleeve::extractor::each_frame;
/// use sleeve::mel::BANDS;
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
    resampler: Resampler,
    take: impl FnMut(&[f32]) -> Result<()>,
) -> Result<Summary> {
    each_frame_of(MonoReader::open(path, SAMPLE_RATE, resampler)?, take)
}

/// The same for a recording that is open already, as mono at [`SAMPLE_RATE`] Hz.
///
/// # Errors
/// As [`MonoReader::read`], and whatever `take` returns.
pub fn each_frame_of(mut reader: MonoReader, mut take: impl FnMut(&[f32]) -> Result<()>) -> Result<Summary> {
    let audio = reader.info().clone();
    let heard = Frames::new().run(|samples| Ok(reader.read(samples)? > 0), |frames, _| take(frames))?;
    Ok(Summary {
        audio,
        seconds: heard as f64 / f64::from(SAMPLE_RATE),
        patches: Vec::new(),
        warnings: reader.warnings().to_vec(),
    })
}
