//! The inputs of a batch, and how each is decoded.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use crate::Result;
use crate::audio::{AudioInfo, AudioOptions, Gain, Levelled, MonoReader, MonoStream, gain_of_samples};

/// One recording of a batch: a file, or samples in memory.
///
/// ```
/// use sleeve::batch::Input;
///
/// let inputs = [Input::file("song.mp3"), Input::mono(vec![0.0; 16_000], 16_000)];
/// assert!(matches!(&inputs[0], Input::File(path) if path.ends_with("song.mp3")));
/// ```
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// An audio file.
    File(PathBuf),
    /// The bytes of an audio file, kept until the recording is decoded.
    Bytes {
        /// What error messages call it, in angle brackets.
        name: String,
        /// The whole file.
        bytes: Arc<[u8]>,
    },
    /// Samples in memory, kept until the recording is decoded.
    Samples {
        /// Interleaved samples; full scale is 1.
        samples: Cow<'a, [f32]>,
        /// The number of channels; 1 for mono.
        channels: u16,
        /// The sample rate in Hz.
        sample_rate: u32,
    },
    /// An input that panics when it is decoded.
    #[cfg(test)]
    Panic,
}

impl<'a> Input<'a> {
    /// An audio file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Input::File(path.into())
    }

    /// The bytes of an audio file; error messages contain `name` in angle brackets.
    pub fn bytes(name: impl Into<String>, bytes: impl Into<Arc<[u8]>>) -> Self {
        Input::Bytes { name: name.into(), bytes: bytes.into() }
    }

    /// Mono samples, borrowed or owned; full scale is 1.
    pub fn mono(samples: impl Into<Cow<'a, [f32]>>, sample_rate: u32) -> Self {
        Input::Samples { samples: samples.into(), channels: 1, sample_rate }
    }
}

/// A recording that is read as mono at the model's rate.
pub(super) enum Recording<'i> {
    File(Box<MonoReader>),
    Samples {
        rest: &'i [f32],
        /// Samples of a second of audio, all channels together.
        second: usize,
        info: AudioInfo,
        stream: Box<MonoStream>,
        rate: u32,
        options: AudioOptions,
        gain: Gain,
        finished: bool,
    },
}

impl<'i> Recording<'i> {
    pub fn open(input: &'i Input<'_>, rate: u32, options: &AudioOptions) -> Result<Self> {
        Ok(match input {
            Input::File(path) => Recording::File(Box::new(MonoReader::open(path, rate, options.clone())?)),
            Input::Bytes { name, bytes } => {
                let reader = MonoReader::from_bytes(name, Arc::clone(bytes), rate, options.clone())?;
                Recording::File(Box::new(reader))
            }
            Input::Samples { samples, channels, sample_rate } => {
                let stream = Box::new(MonoStream::new(*sample_rate, *channels, rate, options.resampler)?);
                let info = AudioInfo {
                    format: "samples".to_owned(),
                    sample_rate: *sample_rate,
                    channels: *channels,
                    frames: Some((samples.len() / usize::from(*channels)) as u64),
                };
                let second = *sample_rate as usize * usize::from(*channels);
                let (options, gain) = (options.clone(), Gain::default());
                Recording::Samples {
                    rest: samples,
                    second,
                    info,
                    stream,
                    rate,
                    options,
                    gain,
                    finished: false,
                }
            }
            #[cfg(test)]
            Input::Panic => panic!("deliberate"),
        })
    }

    pub fn info(&self) -> &AudioInfo {
        match self {
            Recording::File(reader) => reader.info(),
            Recording::Samples { info, .. } => info,
        }
    }

    pub fn warnings(&self) -> Vec<String> {
        match self {
            Recording::File(reader) => reader.warnings().to_vec(),
            Recording::Samples { gain, .. } => gain.warning.iter().cloned().collect(),
        }
    }

    /// Measures the recording, if it is to be levelled or normalised: before the first [`read`](Self::read). `Cancelled`
    /// when `go_on` returns false.
    pub fn measure(&mut self, go_on: &mut dyn FnMut() -> bool) -> Result<()> {
        match self {
            Recording::File(reader) => reader.measure(go_on),
            Recording::Samples { rest, info, rate, options, gain, .. } => {
                *gain = gain_of_samples(rest, info.channels, info.sample_rate, *rate, options, go_on)?;
                Ok(())
            }
        }
    }

    /// The loudness and the gain.
    pub fn levelled(&self) -> Option<Levelled> {
        match self {
            Recording::File(reader) => reader.levelled(),
            Recording::Samples { gain, .. } => gain.levelled(),
        }
    }

    /// Appends more mono samples, about a second at most; `false` at the end.
    pub fn read(&mut self, out: &mut Vec<f32>) -> Result<bool> {
        match self {
            Recording::File(reader) => Ok(reader.read(out)? > 0),
            Recording::Samples { finished: true, .. } => Ok(false),
            Recording::Samples { rest, second, stream, gain, finished, .. } => {
                let start = out.len();
                let (chunk, later) = rest.split_at(rest.len().min(*second));
                stream.push(chunk, out)?;
                *rest = later;
                if later.is_empty() {
                    *finished = true;
                    stream.finish(out)?;
                }
                gain.apply(&mut out[start..]);
                Ok(true)
            }
        }
    }
}
