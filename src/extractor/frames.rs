//! The loop that decodes a recording, resamples it and computes the frames of its front ends.

use std::path::Path;

use super::Summary;
use crate::audio::{AudioInfo, AudioOptions, MonoReader, MonoStream, gain_of_samples};
use crate::front_end::{FrontEnd, SpectrogramStream};
use crate::{Error, Result};

/// One or more front ends of one sample rate with their buffers, for one recording after another.
pub(crate) struct Frames {
    front_ends: Vec<Running>,
    samples: Vec<f32>,
}

/// A front end at work.
struct Running {
    front_end: FrontEnd,
    spectrogram: SpectrogramStream,
    frames: Vec<f32>,
}

/// The frames that some samples have completed.
pub(crate) struct Completed<'f>(&'f [Running]);

impl Completed<'_> {
    /// Those of one front end, flat.
    ///
    /// # Panics
    /// If it is not among those of [`Frames::new`].
    pub(crate) fn of(&self, front_end: FrontEnd) -> &[f32] {
        let running = self.0.iter().find(|running| running.front_end == front_end);
        &running.expect("the front end of an extractor of this run").frames
    }
}

impl Frames {
    /// Of these front ends, each once.
    pub(crate) fn new(front_ends: impl IntoIterator<Item = FrontEnd>) -> Self {
        let mut running: Vec<Running> = Vec::new();
        for front_end in front_ends {
            if running.iter().all(|other| other.front_end != front_end) {
                let spectrogram = SpectrogramStream::new(front_end);
                running.push(Running { front_end, spectrogram, frames: Vec::new() });
            }
        }
        Frames { front_ends: running, samples: Vec::new() }
    }

    /// Processes one recording and returns its number of mono samples. `read` appends the next samples and returns
    /// whether there were any; `take` receives them with the frames that they complete, often none. The last frames come
    /// without samples.
    pub(crate) fn run<E: From<Error>>(
        &mut self,
        mut read: impl FnMut(&mut Vec<f32>) -> Result<bool>,
        mut take: impl FnMut(&[f32], &Completed<'_>) -> Result<(), E>,
    ) -> Result<u64, E> {
        // Discards a recording that was abandoned.
        self.front_ends.iter_mut().for_each(|running| running.spectrogram.reset());
        let mut count = 0;
        loop {
            self.samples.clear();
            if !read(&mut self.samples)? {
                break;
            }
            count += self.samples.len() as u64;
            for Running { spectrogram, frames, .. } in &mut self.front_ends {
                frames.clear();
                spectrogram.push(&self.samples, frames);
            }
            take(&self.samples, &Completed(&self.front_ends))?;
        }
        for Running { spectrogram, frames, .. } in &mut self.front_ends {
            frames.clear();
            spectrogram.finish(frames);
        }
        take(&[], &Completed(&self.front_ends))?;
        Ok(count)
    }
}

/// Decodes a file and passes the frames of a front end to `take`, some at a time, [`bands`](FrontEnd::bands) values per
/// frame, in memory that does not grow with the recording. `patches` of the summary is empty.
///
/// ```no_run
/// use sleeve::audio::Resampler;
/// use sleeve::extractor::each_frame;
/// use sleeve::front_end::FrontEnd;
///
/// let mut frames = 0;
/// let summary = each_frame("song.mp3", FrontEnd::MusiCnn, Resampler::Linear, |more| {
///     frames += more.len() / FrontEnd::MusiCnn.bands();
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
    front_end: FrontEnd,
    options: impl Into<AudioOptions>,
    take: impl FnMut(&[f32]) -> Result<()>,
) -> Result<Summary> {
    let options = options.into().for_front_end(front_end);
    each_frame_of(MonoReader::open(path, front_end.sample_rate(), options)?, front_end, take)
}

/// [`each_frame`] for a recording that is already open, as mono at the front end's sample rate. For a front end that
/// [normalises](FrontEnd::normalises_recording) the recording, its options must have come from
/// [`AudioOptions::for_front_end`].
///
/// # Errors
/// As [`MonoReader::read`], and whatever `take` returns; `InvalidArgument` for another sample rate.
pub fn each_frame_of(
    reader: MonoReader,
    front_end: FrontEnd,
    mut take: impl FnMut(&[f32]) -> Result<()>,
) -> Result<Summary> {
    each_piece(reader, front_end, |_, frames| take(frames))
}

/// [`each_frame`] for interleaved samples in memory; full scale is 1.
///
/// # Errors
/// `NonFinite` with the index of the first sample frame that is NaN or infinite; `InvalidArgument` for 0 channels, a
/// partial sample frame at the end, a sample rate out of range, or if the samples are to be levelled and their loudness
/// cannot be measured; whatever `take` returns.
pub fn each_frame_of_samples(
    samples: &[f32],
    channels: u16,
    sample_rate: u32,
    front_end: FrontEnd,
    options: impl Into<AudioOptions>,
    mut take: impl FnMut(&[f32]) -> Result<()>,
) -> Result<Summary> {
    let (options, rate) = (options.into().for_front_end(front_end), front_end.sample_rate());
    let mut stream = MonoStream::new(sample_rate, channels, rate, options.resampler)?;
    let mut gain = gain_of_samples(samples, channels, sample_rate, rate, &options, || true)?;
    // A second at a time: a long recording is never resampled as a whole.
    let mut chunks = samples.chunks(sample_rate as usize * usize::from(channels));
    let mut finished = false;
    let read = |mono: &mut Vec<f32>| {
        match chunks.next() {
            Some(chunk) => stream.push(chunk, mono)?,
            None if finished => return Ok(false),
            None => {
                finished = true;
                stream.finish(mono)?;
            }
        }
        gain.apply(mono);
        Ok(true)
    };
    Frames::new([front_end]).run(read, |_, frames| take(frames.of(front_end)))?;
    let frames = (samples.len() / usize::from(channels)) as u64;
    Ok(Summary {
        audio: AudioInfo { format: "samples".to_owned(), sample_rate, channels, frames: Some(frames) },
        seconds: frames as f64 / f64::from(sample_rate),
        patches: Vec::new(),
        level: gain.levelled(),
        warnings: gain.warning.take().into_iter().collect(),
    })
}

/// [`each_frame_of`] for those who also want the mono samples: `take` receives some of them with the frames that they
/// complete. Its error may be of another kind.
pub fn each_piece<E: From<Error>>(
    mut reader: MonoReader,
    front_end: FrontEnd,
    mut take: impl FnMut(&[f32], &[f32]) -> Result<(), E>,
) -> Result<Summary, E> {
    let (rate, wanted) = (reader.target_rate(), front_end.sample_rate());
    if rate != wanted {
        let reason = format!("the front end {front_end} takes samples at {wanted} Hz, not at {rate} Hz");
        return Err(Error::InvalidArgument(reason).into());
    }
    let audio = reader.info().clone();
    let count = Frames::new([front_end]).run(
        |samples| Ok(reader.read(samples)? > 0),
        |samples, frames| take(samples, frames.of(front_end)),
    )?;
    Ok(Summary {
        audio,
        seconds: count as f64 / f64::from(rate),
        patches: Vec::new(),
        level: reader.levelled(),
        warnings: reader.warnings().to_vec(),
    })
}
