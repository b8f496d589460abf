//! The interface of all decoders: one block of samples after another.

use std::io;

use super::AudioInfo;
use super::layout::Layout;

/// A decoder of one recording.
pub(super) trait Source: Send {
    /// The format of the recording; `sample_rate` and `channels` are valid until the first block.
    fn info(&self) -> AudioInfo;

    /// What this decoder leaves out that ffmpeg would decode.
    fn lacks(&self) -> Option<Lack> {
        None
    }

    /// Decodes the next block, which is never empty. `false` at the end, and for every call after it.
    fn advance(&mut self, warnings: &mut Warnings) -> Decoded<bool>;

    /// The block that the last [`Source::advance`] decoded.
    fn block(&self) -> Block<'_>;

    /// The next bytes of the encoded recording, without decoding them where that is possible: they are the same whatever
    /// the file's tags are. `false` at the end. Not to be mixed with [`Source::advance`].
    fn encoded(&mut self, out: &mut Vec<u8>, warnings: &mut Warnings) -> Decoded<bool> {
        out.clear();
        if !self.advance(warnings)? {
            return Ok(false);
        }
        let mut samples = Vec::new();
        self.block().interleave(&mut samples);
        out.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        Ok(true)
    }

    /// The order of that block's channels.
    fn layout(&self) -> Layout {
        Layout::Unknown
    }
}

/// A part of a recording that the embedded decoder leaves out.
pub(super) struct Lack {
    /// The format in full.
    pub format: String,
    /// What is missing, as a warning.
    pub warning: String,
}

/// Decoded samples, nominally in -1..1; they may be NaN or infinite.
#[derive(Clone)]
pub(super) struct Block<'a> {
    /// In Hz; it can change from block to block (chained streams).
    pub rate: u32,
    /// Number of sample frames.
    pub frames: usize,
    pub samples: Samples<'a>,
}

#[derive(Clone)]
pub(super) enum Samples<'a> {
    /// `frames * channels` samples, frame by frame.
    Interleaved { samples: &'a [f32], channels: usize },
    /// One plane of `frames` samples per channel.
    Planar(Vec<&'a [f32]>),
}

impl Block<'_> {
    pub(super) fn channels(&self) -> usize {
        match &self.samples {
            Samples::Interleaved { channels, .. } => *channels,
            Samples::Planar(planes) => planes.len(),
        }
    }

    /// Appends the samples frame by frame.
    pub(super) fn interleave(&self, out: &mut Vec<f32>) {
        match &self.samples {
            Samples::Interleaved { samples, .. } => out.extend_from_slice(samples),
            Samples::Planar(planes) => {
                out.reserve(self.frames * planes.len());
                for frame in 0..self.frames {
                    out.extend(planes.iter().map(|plane| plane[frame]));
                }
            }
        }
    }
}

/// Results of sources, without the name of the recording.
pub(super) type Decoded<T> = Result<T, Failure>;

/// Why a source cannot continue.
#[derive(Debug)]
pub(super) enum Failure {
    /// The operating system reported a read error.
    Io(io::Error),
    /// The data are invalid from here on.
    Damage(String),
    /// It is in this format and damaged, or of an unusual kind: the embedded demuxer cannot open it.
    Unreadable { format: &'static str, reason: String },
    /// It is in this format, which no embedded decoder reads, but ffmpeg does.
    NeedsFfmpeg(String),
}

impl Failure {
    /// Decoders report truncated and invalid data as I/O errors too. Only errors with an error number of the operating
    /// system are I/O errors.
    pub(super) fn from_io(error: io::Error) -> Self {
        if error.raw_os_error().is_some() { Failure::Io(error) } else { Failure::Damage(error.to_string()) }
    }
}

/// Defects of a recording that do not stop decoding.
#[derive(Default)]
pub(super) struct Warnings(Vec<String>);

impl Warnings {
    /// A file with damage in every packet must not fill the memory with warnings.
    const MAX: usize = 32;

    pub(super) fn push(&mut self, warning: impl Into<String>) {
        let warning = warning.into();
        if self.0.len() < Self::MAX && !self.0.contains(&warning) {
            log::debug!("{warning}");
            self.0.push(warning);
        }
    }

    /// Puts a warning before all others, however many there are.
    pub(super) fn push_first(&mut self, warning: String) {
        log::debug!("{warning}");
        self.0.insert(0, warning);
    }

    pub(super) fn as_slice(&self) -> &[String] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_neither_repeat_nor_grow_without_end() {
        let mut warnings = Warnings::default();
        for index in 0..1000 {
            warnings.push("the same");
            warnings.push(format!("number {index}"));
        }
        assert_eq!(warnings.as_slice().len(), Warnings::MAX);
    }
}
