//! Decoding: any audio file or buffer to mono samples at the model's sample rate.
//!
//! [`MonoReader`] is the whole path: it decodes a file, averages its channels and resamples it. [`AudioReader`] only
//! decodes; it catches the panics of third-party decoders and reports wrong headers and NaN samples. [`MonoStream`]
//! averages and resamples audio that the caller decodes or records.
//!
//! A recording passes through the files of this module in this order: `input`, a `source` (`wav`, or `container` with
//! `opus` and `vorbis`), `reader`, `loudness`, `downmix`, `resample`, `mono`. It is never in memory as a whole, only some chunks of
//! it.
//!
//! ```no_run
//! use sleeve::audio::{MonoReader, Resampler};
//!
//! let mut reader = MonoReader::open("song.mp3", 16_000, Resampler::default())?;
//! let mut samples = Vec::new();
//! while reader.read(&mut samples)? > 0 {}
//! for warning in reader.warnings() {
//!     eprintln!("{warning}");
//! }
//! # Ok::<(), sleeve::Error>(())
//! ```

mod aac;
mod alac;
mod caf;
mod container;
mod content;
mod decoder;
mod demux;
mod downmix;
mod elementary;
mod ffmpeg;
mod flac;
mod gaps;
mod input;
mod layout;
mod leveller;
mod loudness;
mod matroska;
mod mono;
mod mp4;
mod ogg;
mod options;
#[cfg(feature = "opus")]
mod opus;
mod peaks;
mod probe;
mod reader;
mod resample;
mod resume;
mod source;
mod tags;
mod track;
mod view;
#[cfg(feature = "vorbis")]
mod vorbis;
mod wav;

pub use content::content_hash;
pub use loudness::Levelled;
pub(crate) use loudness::{Gain, gain_of_samples};
pub use mono::{MonoReader, MonoStream};
pub use options::{AudioOptions, Ffmpeg, Level};
pub use reader::AudioReader;
pub use resample::Resampler;

/// The format of a recording, as its file states it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AudioInfo {
    /// The codec, and the container if the codec does not imply it: `MP3`, `FLAC`, `Vorbis in Ogg`, `WAV`.
    pub format: String,
    /// The sample rate in Hz.
    pub sample_rate: u32,
    /// The number of channels, at least 1.
    pub channels: u16,
    /// The number of sample frames that the header states, if any. It is wrong in damaged and streamed files: use it
    /// for a progress bar, not for an allocation.
    pub frames: Option<u64>,
}
