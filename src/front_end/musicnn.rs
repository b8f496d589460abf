//! The front end of MusiCNN, which MTG's EfficientNet and MAEST models share: its constants.

/// The sample rate in Hz.
pub const SAMPLE_RATE: u32 = 16_000;
/// Samples per frame.
pub const FRAME_SIZE: usize = 512;
/// Samples from one frame to the next.
pub const HOP: usize = 256;
/// Bands (values) per frame.
pub const BANDS: usize = 96;
/// Bins of the spectrum of a frame, from 0 Hz to half the sample rate.
pub(super) const BINS: usize = FRAME_SIZE / 2 + 1;

/// The number of frames of a signal: `1 + ceil(samples / 256)`, and 0 for an empty signal.
pub fn frame_count(samples: u64) -> u64 {
    match samples {
        0 => 0,
        _ => 1 + samples.div_ceil(HOP as u64),
    }
}
