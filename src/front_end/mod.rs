//! Front ends: mono samples to the frames that a network was trained on, as in Essentia.
//!
//! A [`FrontEnd`] says which: every published model needs its own, and gives wrong numbers on any other's frames. Frames
//! are computed at the front end's own sample rate.
//!
//! [`Spectrogram`] takes a whole signal or single frames, [`SpectrogramStream`] takes a signal in pieces. Both give the
//! same bits for the same frame on every machine: all operations are defined by IEEE 754, and their order does not
//! depend on the instruction set.
//!
//! # Parameters
//!
//! | | rate (Hz) | frame / hop | window | FFT | spectrum | bands, range (Hz) | scale, sides straight in | height | then |
//! |---|---|---|---|---|---|---|---|---|---|
//! | `musicnn` | 16000 | 512 / 256 | symmetric Hann | 512 | power | 96, 0-8000 | Slaney, Hz | unit area | `log10(10000 x + 1)` |
//! | `vggish` | 16000 | 400 / 160 | symmetric Hann | 512 | magnitude | 64, 125-7500 | HTK, mel | 1 | `ln(x + 0.01)` |
//! | `vggish-original` | 16000 | 400 / 160 | periodic Hann | 512 | magnitude | 64, 125-7500 | HTK, mel | 1 | `ln(x + 0.01)` |
//! | `tempocnn` | 11025 | 1024 / 512 | symmetric Hann | 1024 | magnitude | 40, 20-5000 | Slaney, Hz | unit area | nothing |
//! | `fsd-sinet` | 22050 | 660 / 220 | periodic Hamming (0.54, 0.46) | 2048 | power | 96, 50-10500 | Slaney, Hz | 1 | `log10(max(x, 1e-30))` |
//! | `openl3-mel128`, `-mel256` | 48000 | 2048 / 242 | symmetric Hann | 2048 | magnitude | 128 or 256, 0-24000 | Slaney, Hz | unit area | `10 log10(max(x, 1e-10))` |
//! | `crepe` | 16000 | 1024 / 160 | | | | 1024 samples | | | nothing |
//!
//! | | frames of `N` samples | source |
//! |---|---|---|
//! | `musicnn`, `vggish`, `tempocnn`, `fsd-sinet` | centred, `1 + ceil(N / hop)` | Essentia's `TensorflowInputMusiCNN`, `-VGGish`, `-TempoCNN`, `-FSDSINet`; its `FrameCutter` |
//! | `vggish-original` | complete ones from sample 0 on, `1 + floor((N - 400) / 160)` | the authors' code: Hershey et al., ICASSP 2017 |
//! | `openl3-*` | chunks of 48000 from sample `48000 k - 24000` on while that is before the end: `ceil((N + 24000) / 48000)` of them, each with 199 centred frames of its own | MTG's script for OpenL3 |
//! | `crepe` | centred, at least half filled: `1 + floor(N / 160)` | Essentia's `TensorflowPredictCREPE` |
//!
//! Windows are not normalised, and transforms are not scaled. Samples outside the signal, or the chunk, are zeros.
//! Essentia's networks replace frames of near silence by faint noise before this step; here silence is silence, which
//! is -30 for `fsd-sinet`.
//!
//! What needs more than a frame is not done here: FSD-SINet's normalisation of the recording comes before
//! ([`RecordingScale`]); TempoCNN's of a patch, CREPE's of a frame and the range of 80 dB of OpenL3's patches come after.
//!
//! # Precision
//!
//! Values are within 5e-5 of Essentia's (`tempocnn`, which has no logarithm, relative to the frame's largest value)
//! except where Essentia's own rounding exceeds that: it transforms in single precision, and beside a loud tone a quiet
//! band is then mostly rounding. MusiCNN's logarithm hides that, and its transform is in single precision here too; the
//! others are transformed in double precision.
//!
//! Samples are not checked here, because [`audio`](crate::audio) does it. A NaN or infinite sample invalidates the
//! frames that contain it, and no others.

mod bank;
mod compression;
mod fft;
mod input;
pub(crate) mod kernel;
mod lanes;
mod log;
pub mod musicnn;
mod parameters;
mod sinet;
mod spectrogram;
mod stream;
mod tables;
mod window;

use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

use parameters::{Framing, Mel, Parameters, Values};

pub use sinet::RecordingScale;
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
    /// VGGish as its authors published it, for networks converted from their weights: other frames and another window
    /// than [`Vggish`](Self::Vggish).
    VggishOriginal,
    /// `TensorflowInputTempoCNN`: TempoCNN.
    TempoCnn,
    /// `TensorflowInputFSDSINet`: FSD-SINet. Its samples are those of a recording normalised by [`RecordingScale`].
    FsdSinet,
    /// OpenL3 with 128 bands. A patch is [`OPENL3_FRAMES`] frames, which no other shares.
    OpenL3Mel128,
    /// OpenL3 with 256 bands, in the same patches.
    OpenL3Mel256,
    /// CREPE: the waveform itself, 1024 samples a frame.
    Crepe,
}

impl FrontEnd {
    /// Every front end.
    pub const ALL: [FrontEnd; 8] = [
        Self::MusiCnn,
        Self::Vggish,
        Self::VggishOriginal,
        Self::TempoCnn,
        Self::FsdSinet,
        Self::OpenL3Mel128,
        Self::OpenL3Mel256,
        Self::Crepe,
    ];

    /// Its name, as in `--front-end`: `musicnn`, `vggish`, `vggish-original`, `tempocnn`, `fsd-sinet`, `openl3-mel128`,
    /// `openl3-mel256`, `crepe`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MusiCnn => "musicnn",
            Self::Vggish => "vggish",
            Self::VggishOriginal => "vggish-original",
            Self::TempoCnn => "tempocnn",
            Self::FsdSinet => "fsd-sinet",
            Self::OpenL3Mel128 => "openl3-mel128",
            Self::OpenL3Mel256 => "openl3-mel256",
            Self::Crepe => "crepe",
        }
    }

    /// The sample rate of its input in Hz.
    pub const fn sample_rate(self) -> u32 {
        Parameters::of(self).rate
    }

    /// Samples per frame.
    pub const fn frame_size(self) -> usize {
        Parameters::of(self).frame
    }

    /// Samples from one frame to the next.
    pub const fn hop(self) -> usize {
        Parameters::of(self).hop
    }

    /// Values per frame: mel bands, or samples for CREPE.
    pub const fn bands(self) -> usize {
        Parameters::of(self).width()
    }

    /// The number of frames of a signal; 0 for an empty one. See the table of [this module](self) for the formulas.
    pub const fn frame_count(self, samples: u64) -> u64 {
        Parameters::of(self).count(samples)
    }

    /// The middle of a frame, in seconds.
    pub fn seconds(self, frame: u64) -> f64 {
        let parameters = Parameters::of(self);
        let (rate, hop) = (f64::from(parameters.rate), parameters.hop as u64);
        match parameters.framing {
            Framing::Covering | Framing::HalfFilled => (frame * hop) as f64 / rate,
            Framing::Complete => (frame * hop + parameters.frame as u64 / 2) as f64 / rate,
            Framing::Chunks { chunk } => {
                let per_chunk = parameters.per_chunk() as u64;
                let (index, within) = (frame / per_chunk, frame % per_chunk);
                ((index * chunk as u64 + within * hop) as f64 - (chunk / 2) as f64) / rate
            }
        }
    }

    /// The analysis of a frame into bands, if it has any.
    const fn mel(self) -> Option<Mel> {
        match Parameters::of(self).values {
            Values::Samples => None,
            Values::Mel(mel) => Some(mel),
        }
    }

    /// Whether a frame depends on the whole recording, so that a stream cannot have it: FSD-SINet's signal is centred
    /// and scaled to its largest sample first.
    pub const fn normalises_recording(self) -> bool {
        matches!(self, Self::FsdSinet)
    }
}

/// Frames of one of OpenL3's patches of a second. Patches do not share frames, since a second is no multiple of the hop.
pub const OPENL3_FRAMES: usize = Parameters::of(FrontEnd::OpenL3Mel128).per_chunk();

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
