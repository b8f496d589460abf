//! The mel-spectrogram of a signal that arrives in pieces.

use super::musicnn::{BANDS, HOP};
use super::{FrontEnd, Spectrogram};

/// Samples taken at a time: a few batches of mel frames, few enough for the first-level cache.
const ROOM: usize = 33 * HOP;

/// Computes mel frames of a signal in pieces, with the same bits as for the whole signal.
///
/// Mel frame `k` needs samples up to `256 k + 256`, so it is available at most 16 ms of audio after its middle. Memory
/// is constant, whatever the length of the signal.
///
/// ```
/// use sleeve::front_end::musicnn::{BANDS, frame_count};
/// use sleeve::front_end::{FrontEnd, SpectrogramStream};
///
/// let mut stream = SpectrogramStream::new(FrontEnd::MusiCnn);
/// let mut frames = Vec::new();
/// for chunk in vec![0.1; 16_000].chunks(100) {
///     stream.push(chunk, &mut frames);
/// }
/// stream.finish(&mut frames);
/// assert_eq!(frames.len() as u64, BANDS as u64 * frame_count(16_000));
/// ```
pub struct SpectrogramStream {
    mel: Spectrogram,
    /// The samples from the start of the next mel frame on; less than a frame between calls.
    pending: Vec<f32>,
    /// Samples pushed since the start.
    samples: u64,
}

impl SpectrogramStream {
    /// A stream at the start of a signal.
    pub fn new(front_end: FrontEnd) -> Self {
        let mut pending = Vec::with_capacity(ROOM);
        pending.resize(HOP, 0.0);
        Self { mel: Spectrogram::new(front_end), pending, samples: 0 }
    }

    /// Takes any number of mono samples at 16 kHz, and appends every mel frame that is now complete to `frames`, 96
    /// values each.
    pub fn push(&mut self, samples: &[f32], frames: &mut Vec<f32>) {
        self.samples += samples.len() as u64;
        let mut rest = samples;
        while !rest.is_empty() {
            let (taken, later) = rest.split_at(rest.len().min(self.pending.capacity() - self.pending.len()));
            self.pending.extend_from_slice(taken);
            rest = later;
            let complete = (self.pending.len() / HOP).saturating_sub(1);
            let start = frames.len();
            frames.resize(start + complete * BANDS, 0.0);
            self.mel.frames(&self.pending, &mut frames[start..]);
            self.pending.drain(..complete * HOP);
        }
    }

    /// Ends the signal and appends the mel frames that extend beyond its last sample, padded with zeros. In all, a
    /// signal gives [`frame_count`](super::musicnn::frame_count) frames. The stream is then ready for the next signal.
    pub fn finish(&mut self, frames: &mut Vec<f32>) {
        if self.samples > 0 {
            let missing = (HOP - (self.samples % HOP as u64) as usize) % HOP;
            let zeros = [0.0; 2 * HOP];
            self.push(&zeros[..missing + HOP], frames);
        }
        self.reset();
    }

    /// Discards the signal so far; the next `push` starts a new one.
    pub fn reset(&mut self) {
        self.pending.clear();
        self.pending.resize(HOP, 0.0);
        self.samples = 0;
    }
}
