//! The log-mel spectrogram of MusiCNN: 16 kHz samples to mel frames of 96 bands, as in Essentia.
//!
//! A mel frame is computed from 512 samples at 16 kHz, and the hop is 256 samples (16 ms). The signal is padded with
//! zeros: mel frame `k` covers samples `256 k - 256 .. 256 k + 256`, so `n` samples give [`frame_count`]`(n)` mel
//! frames. A mel frame is computed in four steps:
//!
//! 1. a symmetric Hann window;
//! 2. the power of its 512-point Fourier transform, 257 bins;
//! 3. 96 triangular bands from 0 to 8000 Hz, evenly spaced on Slaney's mel scale, each of unit area;
//! 4. `log10(10000 energy + 1)`, which is exactly 0 for silence.
//!
//! [`MelSpectrogram`] takes a whole signal or single frames, [`MelStream`] takes a signal in pieces. Both give the same
//! bits for the same frame on every machine: all operations are defined by IEEE 754, and their order does not depend on
//! the instruction set.
//!
//! Samples are not checked here, because [`audio`](crate::audio) does it. A NaN or infinite sample invalidates the mel
//! frames that contain it, and no others.

mod bank;
mod fft;
mod kernel;
mod lanes;
mod log;
mod spectrogram;
mod stream;
mod window;

pub use spectrogram::MelSpectrogram;
pub use stream::MelStream;

/// The sample rate of the front end in Hz.
pub const SAMPLE_RATE: u32 = 16_000;
/// Samples per mel frame.
pub const FRAME_SIZE: usize = 512;
/// Samples from one mel frame to the next.
pub const HOP: usize = 256;
/// Bands (values) per mel frame.
pub const BANDS: usize = 96;
/// Bins of the spectrum of a mel frame, from 0 Hz to half the sample rate.
const BINS: usize = FRAME_SIZE / 2 + 1;

/// The number of mel frames of a signal: `1 + ceil(samples / 256)`, and 0 for an empty signal.
pub fn frame_count(samples: u64) -> u64 {
    match samples {
        0 => 0,
        _ => 1 + samples.div_ceil(HOP as u64),
    }
}
