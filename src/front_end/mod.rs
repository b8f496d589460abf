//! Front ends: mono samples to the frames that a network was trained on, as in Essentia.
//!
//! A [`FrontEnd`] says which: every published model needs its own, and gives wrong numbers on any other's frames. Frames
//! are computed at the front end's own sample rate. The signal is padded with zeros, and frame `k` is centred on sample
//! `hop k`.
//!
//! [`Spectrogram`] takes a whole signal or single frames, [`SpectrogramStream`] takes a signal in pieces. Both give the
//! same bits for the same frame on every machine: all operations are defined by IEEE 754, and their order does not
//! depend on the instruction set.
//!
//! # MusiCNN
//!
//! 16 kHz samples to mel frames of 96 bands. A frame is computed from 512 samples, and the hop is 256 samples (16 ms):
//!
//! 1. a symmetric Hann window;
//! 2. the power of its 512-point Fourier transform, 257 bins;
//! 3. 96 triangular bands from 0 to 8000 Hz, evenly spaced on Slaney's mel scale, each of unit area;
//! 4. `log10(10000 energy + 1)`, which is exactly 0 for silence.
//!
//! Samples are not checked here, because [`audio`](crate::audio) does it. A NaN or infinite sample invalidates the
//! frames that contain it, and no others.

mod bank;
mod fft;
mod kernel;
mod lanes;
mod log;
pub mod musicnn;
mod spectrogram;
mod stream;
mod window;

use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

pub use spectrogram::Spectrogram;
pub use stream::SpectrogramStream;

/// What turns samples into the frames that a network takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FrontEnd {
    /// `TensorflowInputMusiCNN`: MusiCNN, MTG's EfficientNet and MAEST models.
    MusiCnn,
    /// `TensorflowInputVGGish`: VGGish and YAMNet.
    Vggish,
    /// `TensorflowInputTempoCNN`: TempoCNN.
    TempoCnn,
    /// `TensorflowInputFSDSINet`: FSD-SINet. It normalises the whole recording first.
    FsdSinet,
    /// OpenL3 with 128 bands.
    OpenL3Mel128,
    /// OpenL3 with 256 bands.
    OpenL3Mel256,
    /// CREPE: the waveform itself, 1024 samples a frame.
    Crepe,
}

impl FrontEnd {
    /// Every front end.
    pub const ALL: [FrontEnd; 7] = [
        Self::MusiCnn,
        Self::Vggish,
        Self::TempoCnn,
        Self::FsdSinet,
        Self::OpenL3Mel128,
        Self::OpenL3Mel256,
        Self::Crepe,
    ];

    /// Its name, as in `--front-end`: `musicnn`, `vggish`, `tempocnn`, `fsd-sinet`, `openl3-mel128`, `openl3-mel256`,
    /// `crepe`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MusiCnn => "musicnn",
            Self::Vggish => "vggish",
            Self::TempoCnn => "tempocnn",
            Self::FsdSinet => "fsd-sinet",
            Self::OpenL3Mel128 => "openl3-mel128",
            Self::OpenL3Mel256 => "openl3-mel256",
            Self::Crepe => "crepe",
        }
    }

    /// The sample rate of its input in Hz.
    pub const fn sample_rate(self) -> u32 {
        match self {
            Self::MusiCnn | Self::Vggish | Self::Crepe => 16_000,
            Self::TempoCnn => 11_025,
            Self::FsdSinet => 22_050,
            Self::OpenL3Mel128 | Self::OpenL3Mel256 => 48_000,
        }
    }

    /// Samples per frame.
    pub const fn frame_size(self) -> usize {
        match self {
            Self::MusiCnn => musicnn::FRAME_SIZE,
            Self::Vggish => 400,
            Self::TempoCnn | Self::Crepe => 1024,
            Self::FsdSinet => 660,
            Self::OpenL3Mel128 | Self::OpenL3Mel256 => 2048,
        }
    }

    /// Samples from one frame to the next.
    pub const fn hop(self) -> usize {
        match self {
            Self::MusiCnn => musicnn::HOP,
            Self::Vggish | Self::Crepe => 160,
            Self::TempoCnn => 512,
            Self::FsdSinet => 220,
            Self::OpenL3Mel128 | Self::OpenL3Mel256 => 242,
        }
    }

    /// Values per frame: mel bands, or samples for CREPE.
    pub const fn bands(self) -> usize {
        match self {
            Self::MusiCnn => musicnn::BANDS,
            Self::Vggish => 64,
            Self::TempoCnn => 40,
            Self::FsdSinet => 96,
            Self::OpenL3Mel128 => 128,
            Self::OpenL3Mel256 => 256,
            Self::Crepe => 1024,
        }
    }

    /// The number of frames of a signal; 0 for an empty one. `1 + ceil(samples / hop)`, but for CREPE
    /// `1 + floor(samples / hop)`, and for OpenL3 [`OPENL3_FRAMES`] for each second, each beginning half a second
    /// earlier.
    pub const fn frame_count(self, samples: u64) -> u64 {
        let hop = self.hop() as u64;
        match self {
            _ if samples == 0 => 0,
            Self::OpenL3Mel128 | Self::OpenL3Mel256 => todo!(),
            Self::Crepe => 1 + samples / hop,
            _ => 1 + samples.div_ceil(hop),
        }
    }

    /// The middle of a frame, in seconds.
    pub fn seconds(self, frame: u64) -> f64 {
        let rate = f64::from(self.sample_rate());
        match self {
            Self::OpenL3Mel128 | Self::OpenL3Mel256 => {
                let (chunk, within) = (frame / OPENL3_FRAMES as u64, frame % OPENL3_FRAMES as u64);
                chunk as f64 - 0.5 + (within * self.hop() as u64) as f64 / rate
            }
            _ => (frame * self.hop() as u64) as f64 / rate,
        }
    }

    /// Whether a frame depends on the whole recording, so that a stream cannot have it: FSD-SINet's signal is centred
    /// and scaled to its largest sample first.
    pub const fn normalises_recording(self) -> bool {
        matches!(self, Self::FsdSinet)
    }
}

/// Frames of one of OpenL3's patches of a second. Patches do not share frames, since a second is no multiple of the hop.
pub const OPENL3_FRAMES: usize = 199;

impl FromStr for FrontEnd {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|front_end| front_end.name() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            Error::InvalidArgument(format!("unknown front end `{text}`; known: {known}"))
        })
    }
}

impl fmt::Display for FrontEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
