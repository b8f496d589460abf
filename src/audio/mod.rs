//! Any audio file or buffer to mono samples at the rate a model expects.
//!
//! A recording flows through the files of this module in this order: `input` (a file or bytes in memory),
//! a `source` that decodes it chunk by chunk (`wav`, or `container` with `opus`), [`AudioReader`] (the wall
//! around third-party decoders: panics, lying headers and non-finite samples stop here), `downmix`,
//! `resample`, and [`MonoReader`], which is all of these in a row. [`MonoStream`] is the second half alone, for
//! audio that the caller decodes or captures.
//!
//! Nothing here reads a recording whole: memory is that of a few chunks, however long it plays.
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

#[cfg_attr(
    not(feature = "opus"),
    allow(dead_code, unused_variables, reason = "only Opus asks for the byte order")
)]
mod container;
mod downmix;
mod edit_list;
mod input;
mod mono;
#[cfg(feature = "opus")]
mod opus;
mod reader;
mod resample;
mod source;
#[cfg(feature = "vorbis")]
mod vorbis;
mod wav;

pub use mono::{MonoReader, MonoStream};
pub use reader::AudioReader;
pub use resample::Resampler;

/// What a recording says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioInfo {
    /// The codec, and the container where that is not implied: `MP3`, `FLAC`, `Vorbis in Ogg`, `WAV`.
    pub format: String,
    /// Sample rate in Hz of the audio that is being decoded.
    pub sample_rate: u32,
    /// Number of channels of the audio that is being decoded, at least 1.
    pub channels: u16,
    /// How many sample frames the header claims, where it claims anything. A claim: damaged and streamed files
    /// lie, so it is good for a progress bar and never for an allocation.
    pub frames: Option<u64>,
}
