//! Mono at the model's sample rate, from a file or from samples.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::downmix::downmix;
use super::input::Input;
use super::levels::usable_peak;
use super::resample::Converter;
use super::source::{Block, Samples};
use super::{AudioInfo, AudioOptions, AudioReader, Level, Resampler};
use crate::{Error, Result};

/// Decodes, downmixes and resamples one recording, chunk by chunk. The [module](super) has an example.
pub struct MonoReader {
    reader: AudioReader,
    path: PathBuf,
    converter: Converter,
    /// The rate that `converter` was made for.
    rate: u32,
    target_rate: u32,
    resampler: Resampler,
    finished: bool,
}

impl MonoReader {
    /// Opens a file, to be read as mono at `target_rate` Hz. `options` is [`AudioOptions`], or a [`Resampler`] alone.
    ///
    /// # Errors
    /// As [`AudioReader::open`]; [`Error::InvalidArgument`] if `target_rate` is outside 1,000..768,000 Hz.
    pub fn open(path: impl AsRef<Path>, target_rate: u32, options: impl Into<AudioOptions>) -> Result<Self> {
        let path = path.as_ref();
        Self::of_input(path.to_owned(), Input::open(path)?, target_rate, options.into())
    }

    /// [`open`](Self::open) for the bytes of a file in memory. Error messages contain `name` in angle brackets.
    ///
    /// # Errors
    /// As [`MonoReader::open`].
    pub fn from_bytes(
        name: &str,
        bytes: impl Into<Arc<[u8]>>,
        target_rate: u32,
        options: impl Into<AudioOptions>,
    ) -> Result<Self> {
        let (path, input) = (PathBuf::from(format!("<{name}>")), Input::from_bytes(bytes.into()));
        Self::of_input(path, input, target_rate, options.into())
    }

    fn of_input(path: PathBuf, input: Input, target_rate: u32, options: AudioOptions) -> Result<Self> {
        if options.level == Level::Track {
            return Err(Error::Unavailable("level track: not in this build".to_owned()));
        }
        Self::new(AudioReader::new(path, input, &options.ffmpeg)?, target_rate, options.resampler)
    }

    /// Converts the audio of a reader that is already open.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if `target_rate` is outside 1,000..768,000 Hz; [`Error::Audio`] if the
    /// recording's own rate is.
    pub fn new(reader: AudioReader, target_rate: u32, resampler: Resampler) -> Result<Self> {
        // The caller's mistake first, then the file's.
        Converter::new(target_rate, target_rate, resampler)?;
        let rate = reader.info().sample_rate;
        let path = reader.path().to_owned();
        let converter = converter(&path, rate, target_rate, resampler)?;
        Ok(Self { reader, path, converter, rate, target_rate, resampler, finished: false })
    }

    /// The format of the recording: its own rate and channels, not those of the samples read here.
    pub fn info(&self) -> &AudioInfo {
        self.reader.info()
    }

    /// Warnings so far: defects of the recording that did not stop decoding.
    pub fn warnings(&self) -> &[String] {
        self.reader.warnings()
    }

    /// Sample rate in Hz of the samples read here.
    pub fn target_rate(&self) -> u32 {
        self.target_rate
    }

    /// Appends the next mono samples to `out`, nominally in -1..1, and returns their number: 0 at the end, and for
    /// every call after it. How many samples a call gives depends on the format; their values do not.
    ///
    /// # Errors
    /// As [`AudioReader::read`].
    pub fn read(&mut self, out: &mut Vec<f32>) -> Result<usize> {
        let start = out.len();
        while out.len() == start && !self.finished {
            match self.reader.next_block()? {
                Some(block) => {
                    if block.rate != self.rate {
                        // A chained stream continues at another rate: the signal so far ends here.
                        self.converter.finish(out)?;
                        self.converter = converter(&self.path, block.rate, self.target_rate, self.resampler)?;
                        self.rate = block.rate;
                    }
                    downmix(&block, self.converter.input());
                    self.converter.run(out)?;
                }
                None => {
                    self.finished = true;
                    self.converter.finish(out)?;
                }
            }
        }
        Ok(out.len() - start)
    }
}

impl fmt::Debug for MonoReader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MonoReader")
            .field("reader", &self.reader)
            .field("target_rate", &self.target_rate)
            .field("resampler", &self.resampler)
            .finish_non_exhaustive()
    }
}

/// A converter for a file's rate. An unsupported rate is an error of the file.
fn converter(path: &Path, rate: u32, target_rate: u32, resampler: Resampler) -> Result<Converter> {
    Converter::new(rate, target_rate, resampler).map_err(|error| Error::audio(path, error.to_string()))
}

/// Downmixes and resamples audio in pieces of any length. The result has the same bits however the audio is split.
///
/// ```
/// use sleeve::audio::{MonoStream, Resampler};
///
/// let mut stream = MonoStream::new(32_000, 2, 16_000, Resampler::Linear)?;
/// let mut mono = Vec::new();
/// for chunk in vec![0.5; 2 * 32_000].chunks(2 * 1_024) {
///     stream.push(chunk, &mut mono)?;
/// }
/// stream.finish(&mut mono)?;
/// assert_eq!(mono.len(), 16_000);
/// # Ok::<(), sleeve::Error>(())
/// ```
pub struct MonoStream {
    converter: Converter,
    channels: usize,
    frames: u64,
    finished: bool,
}

impl MonoStream {
    /// Converts `channels` interleaved channels at `input_rate` Hz to mono at `target_rate` Hz.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if `channels` is 0 or a rate is outside 1,000..768,000 Hz.
    pub fn new(input_rate: u32, channels: u16, target_rate: u32, resampler: Resampler) -> Result<Self> {
        if channels == 0 {
            return Err(Error::InvalidArgument("0 channels: audio has at least one".to_owned()));
        }
        let converter = Converter::new(input_rate, target_rate, resampler)?;
        Ok(Self { converter, channels: usize::from(channels), frames: 0, finished: false })
    }

    /// Takes whole sample frames of interleaved samples, and appends every mono sample that can be computed to `out`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if `samples` ends inside a sample frame or the stream is finished;
    /// [`Error::NonFinite`], with the index of the sample frame since the start, if a sample is NaN, infinite or larger than 1e15. Then
    /// none of the samples is taken.
    pub fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) -> Result<()> {
        if self.finished {
            return Err(Error::InvalidArgument("the stream is finished".to_owned()));
        }
        if !samples.len().is_multiple_of(self.channels) {
            let (len, channels) = (samples.len(), self.channels);
            return Err(Error::InvalidArgument(format!(
                "{len} samples are not a whole number of frames of {channels} channels"
            )));
        }
        let frames = samples.len() / self.channels;
        let samples = Samples::Interleaved { samples, channels: self.channels };
        let block = Block { rate: 0, frames, samples };
        if let Err((frame, value)) = usable_peak(&block) {
            let index = self.frames + frame as u64;
            return Err(Error::NonFinite { path: PathBuf::from("<samples>"), index, value });
        }
        self.frames += frames as u64;
        downmix(&block, self.converter.input());
        self.converter.run(out)
    }

    /// Ends the signal and appends its last samples. `N` sample frames give `ceil(N * target_rate / input_rate)`
    /// samples in all (with the linear resampler, the ratio rounded to f32). A second call appends nothing.
    ///
    /// # Errors
    /// Those of the resampler, which are not expected.
    pub fn finish(&mut self, out: &mut Vec<f32>) -> Result<()> {
        if std::mem::replace(&mut self.finished, true) {
            return Ok(());
        }
        self.converter.finish(out)
    }

    /// Discards the signal so far, finished or not. The next [`push`](Self::push) starts a new one in the same memory.
    pub fn reset(&mut self) {
        self.converter.reset();
        self.frames = 0;
        self.finished = false;
    }
}

impl fmt::Debug for MonoStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MonoStream")
            .field("channels", &self.channels)
            .field("frames", &self.frames)
            .finish_non_exhaustive()
    }
}
