//! The front end of MusiCNN, which MTG's EfficientNet and MAEST models share: its constants.

/// The sample rate in Hz.
pub const SAMPLE_RATE: u32 = 16_000;
/// Samples per frame.
pub const FRAME_SIZE: usize = 512;
/// Samples from one frame to the next.
pub const HOP: usize = 256;
/// Bands (values) per frame.
pub const BANDS: usize = 96;
/// The number of frames of a signal: `1 + ceil(samples / 256)`, and 0 for an empty signal.
pub fn frame_count(samples: u64) -> u64 {
    super::FrontEnd::MusiCnn.frame_count(samples)
}
