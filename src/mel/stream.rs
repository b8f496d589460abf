//! The mel-spectrogram of a signal that arrives in pieces.

use super::{BANDS, HOP, MelSpectrogram};

/// Samples taken at a time: some batches of frames, little enough for the nearest cache.
const ROOM: usize = 33 * HOP;

/// Mel frames as soon as their samples are there; the same bits as the whole signal would give.
///
/// Frame `k` needs samples up to `256 k + 256`, so its values come at most 16 ms of audio after
/// the frame's middle. Memory is constant, whatever the signal's length.
pub struct MelStream {
    mel: MelSpectrogram,
    /// The samples from the next frame's start on; less than a frame between calls.
    pending: Vec<f32>,
    /// Samples pushed since the start.
    samples: u64,
}

impl MelStream {
    /// A stream at the start of a signal.
    pub fn new() -> Self {
        let mut pending = Vec::with_capacity(ROOM);
        pending.resize(HOP, 0.0);
        Self { mel: MelSpectrogram::new(), pending, samples: 0 }
    }

    /// Takes the next mono samples at 16 kHz, any number of them, and appends every frame that is
    /// complete now to `frames`, 96 values each.
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

    /// Ends the signal: appends the frames that reach beyond its last sample, where zeros follow,
    /// and is then ready for the next signal. In all, a signal gives
    /// [`frame_count`](super::frame_count) frames.
    pub fn finish(&mut self, frames: &mut Vec<f32>) {
        if self.samples > 0 {
            let missing = (HOP - (self.samples % HOP as u64) as usize) % HOP;
            let zeros = [0.0; 2 * HOP];
            self.push(&zeros[..missing + HOP], frames);
        }
        self.reset();
    }

    /// Forgets the signal so far; the next `push` starts a new one.
    pub fn reset(&mut self) {
        self.pending.clear();
        self.pending.resize(HOP, 0.0);
        self.samples = 0;
    }
}

impl Default for MelStream {
    fn default() -> Self {
        Self::new()
    }
}
