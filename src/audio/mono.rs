//! Mono at the model's rate: from a file, or from samples that a caller pushes.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::downmix::downmix;
use super::resample::Converter;
use super::source::{Block, Samples};
use super::{AudioInfo, AudioReader, Resampler};
use crate::{Error, Result};

/// Decodes, downmixes and resamples one recording, chunk by chunk.
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
    /// Opens a file, to be read as mono at `target_rate` Hz.
    ///
    /// # Errors
    /// As [`AudioReader::open`]; [`Error::InvalidArgument`] if `target_rate` is outside 1,000..768,000 Hz.
    pub fn open(path: impl AsRef<Path>, target_rate: u32, resampler: Resampler) -> Result<Self> {
        Self::new(AudioReader::open(path)?, target_rate, resampler)
    }

    /// The same for a file's bytes in memory; `name` stands in error messages, in angle brackets.
    ///
    /// # Errors
    /// As [`MonoReader::open`].
    pub fn from_bytes(
        name: &str,
        bytes: impl Into<Arc<[u8]>>,
        target_rate: u32,
        resampler: Resampler,
    ) -> Result<Self> {
        Self::new(AudioReader::from_bytes(name, bytes)?, target_rate, resampler)
    }

    /// Goes on with a reader that is already open.
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

    /// What the recording says about itself: its own rate and channels, not those of the samples read here.
    pub fn info(&self) -> &AudioInfo {
        self.reader.info()
    }

    /// What was wrong with the recording so far, although it plays.
    pub fn warnings(&self) -> &[String] {
        self.reader.warnings()
    }

    /// Sample rate in Hz of the samples read here.
    pub fn target_rate(&self) -> u32 {
        self.target_rate
    }

    /// Appends the next mono samples to `out`, nominally in -1..1, and returns how many: 0 at the end, and ever
    /// after. How many come at a time depends on the format; what they are does not.
    ///
    /// # Errors
    /// As [`AudioReader::read`].
    pub fn read(&mut self, out: &mut Vec<f32>) -> Result<usize> {
        let start = out.len();
        while out.len() == start && !self.finished {
            match self.reader.next_block()? {
                Some(block) => {
                    if block.rate != self.rate {
                        // A chained stream goes on at another rate: what came before ends here.
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

/// A converter for a file's rate, which is the file's fault if it is absurd.
fn converter(path: &Path, rate: u32, target_rate: u32, resampler: Resampler) -> Result<Converter> {
    Converter::new(rate, target_rate, resampler).map_err(|error| Error::audio(path, error.to_string()))
}

/// Downmixes and resamples audio that is pushed in pieces of any length: results are the same bits however it
/// is cut.
pub struct MonoStream {
    converter: Converter,
    channels: usize,
    frames: u64,
    finished: bool,
}

impl MonoStream {
    /// A stream of interleaved `channels` at `input_rate` Hz, to become mono at `target_rate` Hz.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if `channels` is 0 or a rate is outside 1,000..768,000 Hz.
    pub fn new(input_rate: u32, channels: u16, target_rate: u32, resampler: Resampler) -> Result<Self> {
        if channels == 0 {
            return Err(Error::InvalidArgument("audio has at least one channel".to_owned()));
        }
        let converter = Converter::new(input_rate, target_rate, resampler)?;
        Ok(Self { converter, channels: usize::from(channels), frames: 0, finished: false })
    }

    /// Takes whole frames of interleaved samples, and appends to `out` every mono sample that they decide.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if `samples` is no whole number of frames or the stream is finished;
    /// [`Error::NonFinite`], with the index of the frame since the start, if a sample is NaN or infinite. Then
    /// nothing of `samples` is taken.
    pub fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) -> Result<()> {
        if self.finished {
            return Err(Error::InvalidArgument("the stream is finished".to_owned()));
        }
        if !samples.len().is_multiple_of(self.channels) {
            let (len, channels) = (samples.len(), self.channels);
            return Err(Error::InvalidArgument(format!("{len} samples are no whole frames of {channels}")));
        }
        let frames = samples.len() / self.channels;
        let samples = Samples::Interleaved { samples, channels: self.channels };
        let block = Block { rate: 0, frames, samples };
        if let Some((frame, value)) = block.non_finite() {
            let index = self.frames + frame as u64;
            return Err(Error::NonFinite { path: PathBuf::from("<samples>"), index, value });
        }
        self.frames += frames as u64;
        downmix(&block, self.converter.input());
        self.converter.run(out)
    }

    /// Appends what is left once no more samples come. `N` frames in all make
    /// `ceil(N * target_rate / input_rate)` samples (with the linear resampler, the ratio rounded to f32).
    ///
    /// # Errors
    /// None but those of a broken resampler. A second call appends nothing.
    pub fn finish(&mut self, out: &mut Vec<f32>) -> Result<()> {
        if std::mem::replace(&mut self.finished, true) {
            return Ok(());
        }
        self.converter.finish(out)
    }

    /// Forgets the signal so far, finished or not; the next [`push`](Self::push) starts a new one, in the memory of the
    /// old.
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
