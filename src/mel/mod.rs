//! Samples to 96 log-mel bands a frame, with the parameters of MusiCNN, faithful to Essentia.
//!
//! A frame is 512 samples at 16 kHz, and frames start every 256 samples (16 ms). The signal is
//! taken to be zero outside itself and frame `k` covers samples `256 k - 256 .. 256 k + 256`, so that
//! `n` samples make [`frame_count`]`(n)` frames. A frame becomes 96 values in four steps:
//!
//! 1. a symmetric Hann window;
//! 2. the power of its 512-point Fourier transform, 257 bins;
//! 3. 96 triangular bands from 0 to 8000 Hz, evenly spaced on Slaney's mel scale, each of unit area;
//! 4. `log10(10000 energy + 1)`, so that silence is exactly 0.
//!
//! [`MelSpectrogram`] takes a whole signal or single frames, [`MelStream`] takes a signal in pieces;
//! both give the same bits for the same frame, however it reached them and on whatever machine: all
//! arithmetic is IEEE 754's own, in one order, for any instruction set.
//!
//! Samples are not checked here: that is the audio boundary's work, once. A NaN or infinite sample
//! spoils the frames that contain it (their values are then meaningless or NaN) and no other.

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

/// Samples a second that the front end is defined for.
pub const SAMPLE_RATE: u32 = 16_000;
/// Samples in a frame.
pub const FRAME_SIZE: usize = 512;
/// Samples between the starts of adjacent frames.
pub const HOP: usize = 256;
/// Values in a frame of the mel-spectrogram.
pub const BANDS: usize = 96;
/// Bins of a frame's spectrum, from 0 Hz to half the sample rate.
const BINS: usize = FRAME_SIZE / 2 + 1;

/// The frames that a signal makes: `1 + ceil(samples / 256)`, and none for an empty signal.
pub fn frame_count(samples: u64) -> u64 {
    match samples {
        0 => 0,
        _ => 1 + samples.div_ceil(HOP as u64),
    }
}
