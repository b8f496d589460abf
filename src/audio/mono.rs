//! Mono at the model's sample rate, from a file or from samples.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::downmix::downmix;
use super::input::Input;
use super::leveller::{HELD, Leveller, Measures};
use super::loudness::Meter;
use super::peaks::usable_peak;
use super::resample::Converter;
use super::source::{Block, Samples};
use super::{AudioInfo, AudioOptions, AudioReader, Level, Levelled, Resampler};
use crate::{Error, Result};

/// Decodes, downmixes and resamples one recording, chunk by chunk. The [module](super) has an example.
///
/// With [`Level::Track`], the first [`read`](Self::read) measures the whole recording. If its mono samples take no more
/// than 16 MiB (over four minutes at 16 kHz), they are kept meanwhile; a longer recording is decoded twice, with the same
/// result. The samples are not clipped: those of a quiet recording with loud peaks may exceed -1..1.
pub struct MonoReader {
    mono: Mono,
    pub(super) leveller: Option<Leveller>,
}

impl MonoReader {
    /// Opens a file, to be read as mono at `target_rate` Hz. `options` is [`AudioOptions`], or a [`Resampler`] alone.
    ///
    /// # Errors
    /// As [`AudioReader::open`]; [`Error::InvalidArgument`] if `target_rate` is outside 1,000..768,000 Hz.
    pub fn open(path: impl AsRef<Path>, target_rate: u32, options: impl Into<AudioOptions>) -> Result<Self> {
        let path = path.as_ref();
        Self::of_input(path.to_owned(), Input::open(path)?, target_rate, options.into(), HELD)
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
        Self::of_input(path, input, target_rate, options.into(), HELD)
    }

    pub(super) fn of_input(
        path: PathBuf,
        input: Input,
        target_rate: u32,
        options: AudioOptions,
        held: usize,
    ) -> Result<Self> {
        let AudioOptions { resampler, level, ffmpeg, normalise } = options;
        let measures = Measures { loudness: level == Level::Track, scale: normalise };
        let leveller = match measures {
            Measures { loudness: false, scale: false } => None,
            _ => Some(Leveller::new(path.clone(), &input, ffmpeg.clone(), measures, held)?),
        };
        let reader = AudioReader::new(path, input, &ffmpeg)?;
        Ok(Self { mono: Mono::new(reader, target_rate, resampler)?, leveller })
    }

    /// Converts the audio of a reader that is already open, at its own level.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if `target_rate` is outside 1,000..768,000 Hz; [`Error::Audio`] if the
    /// recording's own rate is.
    pub fn new(reader: AudioReader, target_rate: u32, resampler: Resampler) -> Result<Self> {
        Ok(Self { mono: Mono::new(reader, target_rate, resampler)?, leveller: None })
    }

    /// The format of the recording: its own rate and channels, not those of the samples read here.
    pub fn info(&self) -> &AudioInfo {
        self.mono.reader.info()
    }

    /// Warnings so far: defects of the recording that did not stop decoding.
    pub fn warnings(&self) -> &[String] {
        self.mono.reader.warnings()
    }

    /// Sample rate in Hz of the samples read here.
    pub fn target_rate(&self) -> u32 {
        self.mono.target_rate
    }

    /// The loudness of the recording and the gain of the samples read here. `None` before the first
    /// [`read`](Self::read), without [`Level::Track`], and if the recording has no loudness: it is shorter than 0.4 s, or
    /// nowhere above -70 LUFS. That is also a warning.
    pub fn levelled(&self) -> Option<Levelled> {
        self.leveller.as_ref()?.gain()?.levelled()
    }

    /// Appends the next mono samples to `out`, nominally in -1..1, and returns their number: 0 at the end, and for
    /// every call after it. How many samples a call gives depends on the format; their values do not.
    ///
    /// # Errors
    /// As [`AudioReader::read`]; with [`Level::Track`], [`Error::Audio`] if the loudness cannot be measured (more than
    /// 64 channels, or less than 8,000 Hz), or if the file changes between its two decodings.
    pub fn read(&mut self, out: &mut Vec<f32>) -> Result<usize> {
        self.measure(&mut || true)?;
        let start = out.len();
        match &mut self.leveller {
            None => while out.len() == start && self.mono.next(out, None)? {},
            Some(leveller) => {
                leveller.read(&mut self.mono, out)?;
            }
        }
        Ok(out.len() - start)
    }

    /// Measures the recording, if it is to be levelled and that is not done. Ends with [`Error::Cancelled`] when
    /// `go_on` returns false; then there is nothing more to read.
    pub(crate) fn measure(&mut self, go_on: &mut dyn FnMut() -> bool) -> Result<()> {
        match &mut self.leveller {
            None => Ok(()),
            Some(leveller) => leveller.measure(&mut self.mono, go_on),
        }
    }
}

/// The steps from a decoder to mono samples.
pub(super) struct Mono {
    reader: AudioReader,
    path: PathBuf,
    converter: Converter,
    /// The rate that `converter` was made for.
    rate: u32,
    target_rate: u32,
    resampler: Resampler,
    finished: bool,
}

impl Mono {
    fn new(reader: AudioReader, target_rate: u32, resampler: Resampler) -> Result<Self> {
        // The caller's mistake first, then the file's.
        Converter::new(target_rate, target_rate, resampler)?;
        let rate = reader.info().sample_rate;
        let path = reader.path().to_owned();
        let converter = converter(&path, rate, target_rate, resampler)?;
        Ok(Self { reader, path, converter, rate, target_rate, resampler, finished: false })
    }

    /// Decodes the next block, measures it, and appends the samples that it completes, perhaps none. `false` at the
    /// end.
    pub(super) fn next(&mut self, out: &mut Vec<f32>, meter: Option<&mut Meter>) -> Result<bool> {
        if self.finished {
            return Ok(false);
        }
        match self.reader.next_block()? {
            Some((block, layout)) => {
                if let Some(meter) = meter {
                    meter.add(&block, layout).map_err(|reason| Error::audio(&self.path, reason))?;
                }
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
        Ok(!self.finished)
    }

    /// Decodes the next block only to measure it. `false` at the end.
    pub(super) fn only_measure(&mut self, meter: &mut Meter) -> Result<bool> {
        let Some((block, layout)) = self.reader.next_block()? else { return Ok(false) };
        meter.add(&block, layout).map_err(|reason| Error::audio(&self.path, reason))?;
        Ok(true)
    }

    pub(super) fn is_finished(&self) -> bool {
        self.finished
    }

    /// Sample frames decoded so far.
    pub(super) fn frames(&self) -> u64 {
        self.reader.frames()
    }

    pub(super) fn warn(&mut self, warning: String) {
        self.reader.warn(warning);
    }

    /// Begins again, with the reader that `open` gives once the first one is dropped.
    pub(super) fn restart(&mut self, open: impl FnOnce() -> Result<AudioReader>) -> Result<()> {
        self.reader.close();
        *self = Self::new(open()?, self.target_rate, self.resampler)?;
        Ok(())
    }

    /// The error of a file that was not the same when it was decoded again.
    pub(super) fn changed(&self) -> Error {
        Error::audio(&self.path, "changed while it was read: its loudness is not that of what was measured")
    }
}

impl fmt::Debug for MonoReader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MonoReader")
            .field("reader", &self.mono.reader)
            .field("target_rate", &self.mono.target_rate)
            .field("resampler", &self.mono.resampler)
            .field("levelled", &self.levelled())
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
